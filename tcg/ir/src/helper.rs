//! Out-of-line helper functions that blocks call.

use crate::Ty;

/// Index of a helper in the engine's table: stable within a build, so that generated code reaches helpers
/// through a table and holds no absolute address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelperId(pub u16);

/// The one C ABI of all helpers: the environment (the guest state block, see `docs/ir.md`) and up to four
/// integers (`I32` zero-extended, `F32` and `F64` as bits), giving one. Vector arguments and results go
/// through the scratch area of the environment header, in order: argument k of vector type is at scratch[k].
///
/// `env` points at the state block; the header lies before it.
pub type HelperFn = unsafe extern "C" fn(env: *mut u8, a: u64, b: u64, c: u64, d: u64) -> u64;

/// What a helper does besides computing its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effects {
    /// Depends on its arguments alone and changes nothing. A call whose result is unused may be dropped.
    Pure,
    /// Reads and writes guest state: all dirty slots are stored before the call and all known slots are
    /// forgotten after it.
    State,
    /// As `State`, and it may raise a trap or a memory fault, by filling the header's exit fields: generated
    /// code looks at them after the call.
    StateMayExit,
    /// As `Pure`, but it may set sticky floating-point flags in the environment header: it is never dropped.
    Sticky,
}

impl Effects {
    /// The effects with this number (as in the `lane` of a call).
    pub const fn from_index(n: u8) -> Option<Effects> {
        match n {
            0 => Some(Effects::Pure),
            1 => Some(Effects::State),
            2 => Some(Effects::StateMayExit),
            3 => Some(Effects::Sticky),
            _ => None,
        }
    }

    /// Whether a call of a helper with these effects looks at the guest state.
    pub const fn touch_state(self) -> bool {
        matches!(self, Effects::State | Effects::StateMayExit)
    }
}

/// A helper's declaration.
#[derive(Clone, Copy, Debug)]
pub struct HelperDef {
    /// Its name, for the text form and logs.
    pub name: &'static str,
    /// Argument types, at most four.
    pub args: &'static [Ty],
    /// Result type, `Void` for none.
    pub ret: Ty,
    /// Its effects.
    pub effects: Effects,
    /// The function.
    pub func: HelperFn,
}
