//! From parsed options to a running guest: fills the front end's configuration and starts it.

use crate::cli::Failure;
use crate::cli::user::Parsed;
use crate::guests::Guest;
use std::process::ExitCode;

/// Runs the program; comes back only with the guest's exit status or a reason why it did not start.
pub fn run(guest: &Guest, parsed: Parsed) -> Result<ExitCode, Failure> {
    let program = parsed
        .command
        .first()
        .map(|p| p.to_string_lossy().into_owned())
        .unwrap_or_default();
    // UNIMPL: linux-user has no entry point yet.
    Err(Failure::program(
        format!(
            "{program}: running programs for {} is not implemented yet",
            guest.name
        ),
        126,
    ))
}
