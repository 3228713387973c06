//! Names of guest functions: from an address to the file that is mapped there, and to its symbol table.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tcg_debug::symbols::{Functions, Symbol};
use tcg_mem::GuestVa;
use tcg_uspace::AddressSpace;

/// Looks names up; files are read when they are first needed.
pub struct Names {
    space: Arc<AddressSpace>,
    files: Mutex<HashMap<Arc<str>, Option<Arc<Functions>>>>,
}

impl Names {
    /// Names of this address space.
    pub fn new(space: Arc<AddressSpace>) -> Names {
        Names {
            space,
            files: Mutex::default(),
        }
    }

    /// The function at an address.
    pub fn find(&self, va: u64) -> Option<Symbol> {
        let (name, offset) = self.space.backing_of(GuestVa(va))?;
        self.functions(name)?.at(offset)
    }

    fn functions(&self, name: Arc<str>) -> Option<Arc<Functions>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || Functions::read(Path::new(&*name)).map(Arc::new);
        files.entry(Arc::clone(&name)).or_insert_with(read).clone()
    }
}
