//! Guest memory: address types, faults, access to a user-mode guest's memory that recovers from host faults, and physical
//! memory as a whole machine's CPUs see it.

mod bus;
mod counter;
mod fault;
mod hostmap;
mod uaccess;
mod user;
mod va;

pub use bus::{Bus, BusError, PhysPage, RamWatch, page_of};
pub use counter::InsnCounter;
pub use fault::{Access, FaultKind, MemFault};
pub use hostmap::{HostProt, MapSource};
pub use uaccess::recover;
pub use user::{Endian, ReserveError, UserMem, lazy_bytes};
pub use va::GuestVa;

/// The size of a page, of the host's and of every guest's.
pub const PAGE: u64 = 4096;
