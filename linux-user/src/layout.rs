//! Where things go in a new program's address space: the ISA's places, moved at random as Linux does, or as the command
//! line says. [Linux mm/util.c, fs/binfmt_elf.c, arch/arm/mm/mmap.c]

use crate::StartError;
use crate::config::RunConfig;
use crate::guest::GuestPort;
use crate::keep::Keep;
use crate::sys;
use tcg_mem::PAGE;
use tcg_uspace::Geometry;

/// The places.
pub struct Layout {
    /// What the address space is made with.
    pub geometry: Geometry,
    /// Top of the area for mappings.
    pub mmap_top: Top,
    /// Bytes between the program and the break area.
    pub brk_gap: u64,
}

/// Where the area for mappings, which is filled downwards, begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Top {
    /// So many bytes below the usual place.
    Below(u64),
    /// There.
    At(u64),
}

/// How far things are moved.
struct Distances {
    /// Position-independent programs and mappings: 2 to the power of `vm.mmap_rnd_bits` pages.
    mmap: u64,
    /// The stack from its top.
    stack: u64,
    /// The break area from the program.
    brk: u64,
}

/// In 32-bit programs.
const NARROW: Distances = Distances {
    mmap: PAGE << 8,
    stack: 8 << 20,
    brk: 32 << 20,
};
/// In 64-bit programs.
const WIDE: Distances = Distances {
    mmap: PAGE << 28,
    stack: 16 << 30,
    brk: 1 << 30,
};
/// Least of -R: less holds no program.
const LEAST: u64 = 16 << 20;

impl Layout {
    /// For a run.
    pub fn new(
        cfg: &RunConfig,
        port: &dyn GuestPort,
        keep: Option<&Keep>,
    ) -> Result<Layout, StartError> {
        let mut layout = Layout {
            geometry: port.geometry(),
            mmap_top: Top::Below(0),
            brk_gap: 0,
        };
        layout.limit(cfg)?;
        if cfg.seed.is_none() && sys::randomizes_addresses() {
            let far = match port.elf_class() {
                64 => &WIDE,
                _ => &NARROW,
            };
            let mut bytes = [0; 32];
            match keep {
                Some(keep) => keep.place(&mut bytes),
                None => sys::random(None, &mut bytes),
            }
            layout.randomize(far, &bytes);
        }
        if let Some(top) = cfg.test.stack {
            layout.geometry.stack_top = top & !(PAGE - 1);
        }
        if let Some(top) = cfg.test.mmap {
            layout.mmap_top = Top::At(top & !(PAGE - 1));
        }
        Ok(layout)
    }

    /// `-R`: the guest has addresses below this only, apart from the kernel's page.
    fn limit(&mut self, cfg: &RunConfig) -> Result<(), StartError> {
        let g = &mut self.geometry;
        let Some(size) = cfg.reserved_va.filter(|size| *size != 0) else {
            return Ok(());
        };
        // The whole address space of a 32-bit guest is a size that scripts give.
        if size > g.task_size.next_power_of_two() || size < LEAST {
            let what = format!(
                "-R {size:#x}: not between {LEAST:#x} and the guest's address space of {:#x}",
                g.task_size
            );
            return Err(StartError { what, status: 1 });
        }
        if size < g.task_size {
            g.task_size = size & !(PAGE - 1);
            g.stack_top = g.stack_top.min(g.task_size - PAGE);
        }
        Ok(())
    }

    fn randomize(&mut self, d: &Distances, bytes: &[u8; 32]) {
        let mut numbers = bytes.chunks_exact(8).map(|c| {
            let word: [u8; 8] = c.try_into().unwrap_or_default();
            u64::from_ne_bytes(word)
        });
        let mut pages = |below: u64| numbers.next().unwrap_or(0) % (below / PAGE) * PAGE;
        let g = &mut self.geometry;
        g.stack_top -= pages(d.stack);
        g.pie_base += pages(d.mmap);
        self.brk_gap = pages(d.brk);
        // The area for mappings hangs below the stack, and moves with it; its own distance comes on top.
        self.mmap_top = Top::Below(pages(d.mmap));
    }
}
