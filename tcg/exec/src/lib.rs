//! Execution of guest code: the engine shared by all threads of a guest, and the virtual CPU that a thread runs.
//!
//! The front ends (user mode, system mode) see only [`Engine`], [`Vcpu`] and [`Exit`], and call
//! [`handle_host_fault`] from their signal handler.
//!
//! How it fits together: [`Vcpu::run`] looks a block up in the [`table`], has it [made](translate) if need be, and
//! enters its code ([`asm`]). Code goes from block to block by patched links, paired returns, inline caches
//! and a jump cache; what these miss comes to [`lookup`]. An invalid block gets a jump at its entry, so nobody needs
//! to know who links to it. Memory of blocks and code is freed only by a full flush, with all threads at a [`safepoint`].

mod asm;
mod block;
mod codebuf;
mod codepages;
mod engine;
mod env;
mod exit;
mod fault;
mod fpflags;
mod interp;
mod jit;
mod kept;
mod lock;
mod lookup;
mod observe;
mod prefix;
mod retstack;
mod safepoint;
mod softtlb;
mod source;
mod stats;
mod stops;
mod sys;
mod sysmem;
mod table;
mod translate;
mod vcpu;
mod walks;
mod window;

pub use engine::{Backend, Engine, EngineConfig};
pub use exit::{Event, Exit};
pub use fault::handle_host_fault;
pub use safepoint::Kick;
pub use stats::Stats;
pub use stops::{WatchHit, Watchpoint};
pub use tcg_debug::{Observer, log_mask};
pub use vcpu::{Saved, Vcpu};
