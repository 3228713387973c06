//! Drives the compilation of a block: working memory, dispatch by operation, final layout of hot and cold code.

use crate::abi::*;
use crate::cc::{HostFlags, NO_FLAGS};
use crate::emit_branch::Snapshot;
use crate::emit_fp::Slow;
use crate::enc::{Asm, Mem};
use crate::inline_cache::InlineCache;
use crate::link::Stub;
use crate::loops::Loop;
use crate::maps::MapWriter;
use crate::pins::Pins;
use crate::ranges::Ranges;
use crate::regalloc::{NOWHERE, Val};
use crate::{CompiledBlock, Features, LinkSite, Opts, TooComplex};
use tcg_ir::{Block, HelperDef, Inst, Op, Slot, StateLayout, Touched, Ty, Value};
use tcg_opt::{Liveness, NONE};

/// A state slot whose new value has not been stored.
#[derive(Clone, Copy, Debug)]
pub struct Dirty {
    pub off: u16,
    pub value: Value,
}

/// A place in the code, in one of the two sections.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub cold: bool,
    pub off: u32,
}

/// A rel32 field that refers to a label.
#[derive(Clone, Copy, Debug)]
pub struct Fixup {
    pub at: Place,
    pub label: u32,
}

/// A patchable place: its rel32 field, the stub that it refers to at first, and what is told about it.
pub struct Link {
    pub at: Place,
    pub stub: Place,
    pub site: LinkSite,
}

/// What is restored at the end of a predicated region.
#[derive(Default)]
pub struct Region {
    pub snap: Option<Snapshot>,
    pub dirty: Vec<Dirty>,
    pub label: u32,
    pub leaves: bool,
    /// The region is in the hot section and what follows it in the cold one.
    pub inverted: bool,
    /// Merges and their registers (`NOREG`: in a spill slot).
    pub merges: Vec<(Value, u8)>,
    /// Registers that merges occupy until the end of the region.
    pub pins: u32,
}

/// The state of one compilation.
pub struct Gen<'a> {
    pub b: &'a Block,
    pub layout: &'a StateLayout,
    pub helpers: &'a [HelperDef],
    pub f: Features,
    pub opts: Opts,
    /// The section being written, and the other one.
    pub a: Asm,
    pub other: Asm,
    pub in_cold: bool,
    pub live: Liveness,
    pub val: Vec<Val>,
    pub regs: [u32; 32],
    pub free: u32,
    /// Of the first units of the state block: those that hold 0 or 1.
    pub bits: u128,
    pub usable: u32,
    pub pinned: u32,
    /// Registers better not evicted during this instruction.
    pub soft_pinned: u32,
    pub spill_free: u64,
    pub dirty: Vec<Dirty>,
    /// By unit: 1 + index in `dirty`.
    pub unit_dirty: Vec<u16>,
    /// By unit: the value whose home starts or lies here.
    pub unit_home: Vec<u32>,
    /// Units of which these two say something.
    pub touched: Touched,
    pub flags: HostFlags,
    pub flags_fresh: bool,
    pub flags_until: u32,
    pub pos: u32,
    /// Values that the state needs at this position or later are alive: `pos` while an instruction that may leave is
    /// emitted, else behind it.
    pub keep_from: u32,
    pub guest_pc: u64,
    pub guest_mode: u32,
    /// Guest instructions so far.
    pub begun: i32,
    pub journaling: bool,
    pub journal: Vec<(u32, Val)>,
    /// Changes of `unit_home` while a region is open.
    pub home_journal: Vec<(u32, u32)>,
    /// Labels behind stubs that are jumped over.
    pub cold_over: Vec<u32>,
    /// Stubs to be written at the end, with their labels.
    pub stubs: Vec<(u32, Stub)>,
    /// Ways through the evaluator.
    pub slow: Vec<Slow>,
    /// Arithmetic of regimes that flush: start, end, label of the way through the evaluator.
    pub fp_sites: Vec<(Place, Place, u32)>,
    /// Label of the evaluator's call, if any instruction needs it.
    pub slow_routine: Option<u32>,
    pub region: Region,
    pub labels: Vec<Place>,
    pub fixups: Vec<Fixup>,
    pub consts: Vec<(u128, u32)>,
    /// Inline caches.
    pub caches: Vec<InlineCache>,
    pub links: Vec<Link>,
    pub maps: MapWriter,
    pub too_complex: bool,
    pub looping: Loop,
    /// Slots in registers.
    pub pins: Pins,
    /// Accesses that share a look at their page.
    pub ranges: Ranges,
    /// What is dirty at the start of a loop's second copy.
    pub entry: Vec<Dirty>,
    /// Which floating-point regime MXCSR holds.
    pub regime: u8,
}

/// Reusable compiler: one per translating thread.
pub struct Compiler {
    features: Features,
    spare: Option<Spare>,
    out: CompiledBlock,
}

/// Working memory kept between blocks.
struct Spare {
    a: Asm,
    other: Asm,
    live: Liveness,
    val: Vec<Val>,
    dirty: Vec<Dirty>,
    unit_dirty: Vec<u16>,
    unit_home: Vec<u32>,
    touched: Touched,
    journal: Vec<(u32, Val)>,
    home_journal: Vec<(u32, u32)>,
    cold_over: Vec<u32>,
    stubs: Vec<(u32, Stub)>,
    slow: Vec<Slow>,
    region: Region,
    labels: Vec<Place>,
    fixups: Vec<Fixup>,
    consts: Vec<(u128, u32)>,
    caches: Vec<InlineCache>,
    links: Vec<Link>,
    maps: MapWriter,
    looping: Loop,
    ranges: Ranges,
}

impl Spare {
    fn new() -> Spare {
        Spare {
            a: Asm::new(),
            other: Asm::new(),
            live: Liveness::default(),
            val: Vec::new(),
            dirty: Vec::new(),
            unit_dirty: Vec::new(),
            unit_home: Vec::new(),
            touched: Touched::default(),
            journal: Vec::new(),
            home_journal: Vec::new(),
            cold_over: Vec::new(),
            stubs: Vec::new(),
            slow: Vec::new(),
            region: Region::default(),
            labels: Vec::new(),
            fixups: Vec::new(),
            consts: Vec::new(),
            caches: Vec::new(),
            links: Vec::new(),
            maps: MapWriter::default(),
            looping: Loop::default(),
            ranges: Ranges::default(),
        }
    }

    fn start_state(&mut self, units: usize) {
        for range in std::mem::take(&mut self.touched).ranges(self.unit_home.len()) {
            self.unit_dirty[range.clone()].fill(0);
            self.unit_home[range].fill(NONE);
        }
        if self.unit_home.len() != units {
            self.unit_dirty.clear();
            self.unit_dirty.resize(units, 0);
            self.unit_home.clear();
            self.unit_home.resize(units, NONE);
        }
    }
}

impl Compiler {
    /// A compiler for a host with these features.
    pub fn new(features: Features) -> Compiler {
        Compiler {
            features,
            spare: Some(Spare::new()),
            out: CompiledBlock::default(),
        }
    }

    /// The block compiled last.
    pub fn result(&mut self) -> &mut CompiledBlock {
        &mut self.out
    }

    /// Compiles a block; the result stays in the compiler until the next call.
    pub fn compile(
        &mut self,
        block: &Block,
        layout: &StateLayout,
        helpers: &[HelperDef],
        opts: &Opts,
    ) -> Result<&CompiledBlock, TooComplex> {
        let spare = self.spare.take().unwrap_or_else(Spare::new);
        let mut g = Gen::new(block, layout, helpers, self.features, *opts, spare);
        // Room for the jump that replaces an invalidated block, as one instruction.
        g.a.nops(5);
        if opts.counted {
            g.count_block();
        }
        g.run();
        let second = g.second_copy();
        if let (Some(second), false) = (&second, g.too_complex) {
            g.b = second;
            g.start_second();
            g.run();
        }
        if !g.too_complex {
            g.emit_stubs();
        }
        let ok = !g.too_complex;
        if ok {
            g.finish(&mut self.out);
        }
        self.spare = Some(g.into_spare());
        if ok { Ok(&self.out) } else { Err(TooComplex) }
    }
}

/// The first `n` registers of each class (0: all).
fn usable(n: u8) -> u32 {
    let (gprs, xmms) = match n {
        0 => (13, 14),
        n => ((n as usize).min(13), (n as u32).min(14)),
    };
    let g = GPR_ORDER[..gprs].iter().fold(0, |m, r| m | 1 << r);
    g | ((1u32 << xmms) - 1) << 16
}

/// The units of these slots, as far as they are among the first 128.
fn unit_mask(slots: &[Slot]) -> u128 {
    slots.iter().fold(0, |m, s| {
        m | 1u128.checked_shl(s.unit() as u32).unwrap_or(0)
    })
}

impl<'a> Gen<'a> {
    fn new(
        b: &'a Block,
        layout: &'a StateLayout,
        helpers: &'a [HelperDef],
        f: Features,
        opts: Opts,
        mut s: Spare,
    ) -> Gen<'a> {
        s.live.back_edge = s.looping.start(b, opts.loops);
        let mmu = opts.mmu.is_some();
        s.live.run(b, layout, crate::analyze::clobbers_flags(mmu));
        s.a.clear();
        s.other.clear();
        s.val.clear();
        s.val.resize(b.insts.len(), NOWHERE);
        s.start_state(layout.bytes / 4);
        s.dirty.clear();
        s.journal.clear();
        s.home_journal.clear();
        s.cold_over.clear();
        s.stubs.clear();
        s.slow.clear();
        s.region.snap = None;
        s.region.pins = 0;
        s.labels.clear();
        s.fixups.clear();
        s.consts.clear();
        s.caches.clear();
        s.links.clear();
        s.maps.start();
        let pins = match mmu {
            true => Pins::NONE,
            false => Pins::of(layout),
        };
        let usable = usable(opts.max_regs) & !pins.mask();
        Gen {
            pins,
            b,
            layout,
            helpers,
            f,
            opts,
            a: s.a,
            other: s.other,
            in_cold: false,
            live: s.live,
            val: s.val,
            regs: [NONE; 32],
            free: usable,
            bits: unit_mask(layout.bits),
            usable,
            pinned: 0,
            soft_pinned: 0,
            spill_free: u64::MAX,
            dirty: s.dirty,
            unit_dirty: s.unit_dirty,
            unit_home: s.unit_home,
            touched: Touched::default(),
            flags: NO_FLAGS,
            flags_fresh: false,
            flags_until: 0,
            pos: 0,
            keep_from: 0,
            guest_pc: b.pc,
            guest_mode: b.mode,
            begun: 0,
            journaling: false,
            journal: s.journal,
            home_journal: s.home_journal,
            cold_over: s.cold_over,
            stubs: s.stubs,
            slow: s.slow,
            fp_sites: Vec::new(),
            slow_routine: None,
            region: s.region,
            labels: s.labels,
            fixups: s.fixups,
            consts: s.consts,
            caches: s.caches,
            links: s.links,
            maps: s.maps,
            too_complex: false,
            looping: s.looping,
            ranges: s.ranges,
            entry: Vec::new(),
            regime: 0,
        }
    }

    fn into_spare(self) -> Spare {
        Spare {
            a: self.a,
            other: self.other,
            live: self.live,
            val: self.val,
            dirty: self.dirty,
            unit_dirty: self.unit_dirty,
            unit_home: self.unit_home,
            touched: self.touched,
            journal: self.journal,
            home_journal: self.home_journal,
            cold_over: self.cold_over,
            stubs: self.stubs,
            slow: self.slow,
            region: self.region,
            labels: self.labels,
            fixups: self.fixups,
            consts: self.consts,
            caches: self.caches,
            links: self.links,
            maps: self.maps,
            looping: self.looping,
            ranges: self.ranges,
        }
    }

    pub fn ty(&self, v: Value) -> Ty {
        match self.b.ty(v) {
            // A condition code that is an ordinary value: the nibble N Z C V.
            Ty::Cc => Ty::I32,
            t => t,
        }
    }

    fn run(&mut self) {
        self.ranges.clear();
        self.usable = usable(self.opts.max_regs) & !self.pins.mask();
        if self.opts.mmu.is_some() {
            let stores = self.guesses_stores();
            self.ranges.find(self.b, self.looping.body, stores);
        }
        for p in 0..self.looping.body {
            if self.live.info[p].dead || self.too_complex {
                continue;
            }
            self.pos = p as u32;
            self.end_ranges();
            let i = &self.b.insts[p];
            if matches!(i.op, Op::Const | Op::ConstV | Op::CcTest | Op::Merge) {
                continue;
            }
            self.pinned = self.region.pins;
            self.soft_pinned = 0;
            self.flags_fresh = false;
            self.keep_from = self.pos + !tcg_opt::is_site(i) as u32;
            self.inst(Value(p as u32), i);
        }
        self.ranges.clear();
        self.usable = usable(self.opts.max_regs) & !self.pins.mask();
        if self.in_cold {
            self.switch_section();
        }
    }

    /// Emits one instruction.
    fn inst(&mut self, v: Value, i: &Inst) {
        match i.op {
            Op::InsnStart => {
                self.guest_pc = i.imm as u64;
                self.guest_mode = u32::from(i.lane) | u32::from(i.aux) << 8;
                if self.opts.counted {
                    self.begun += 1;
                    // Leaves the host's flags alone.
                    self.a.store_imm(false, Mem::env(INSNS_BEGUN), self.begun);
                }
                return;
            }
            Op::Get => return self.emit_get(v, i),
            Op::Set => return self.emit_set(i),
            op if tcg_opt::is_lazy_cc(op) || op == Op::ICmp => return self.emit_holder(v),
            _ => {}
        }
        if i.op != Op::Call {
            for a in i.args {
                if a.is_some() {
                    self.pin(a);
                }
            }
        }
        self.emit(v, i);
        if self.live.info[self.pos as usize].kills_flags && !self.flags_fresh {
            self.flags = NO_FLAGS;
        }
        self.keep_from = self.pos + 1;
        if i.op == Op::Call {
            return;
        }
        for a in i.args {
            self.done_with(a);
        }
        if i.ty != Ty::Void && self.dies(v) {
            self.release(v);
        }
    }

    fn emit(&mut self, v: Value, i: &Inst) {
        match i.op {
            Op::Sync => self.emit_sync(i),
            Op::Exit => self.emit_exit(i),
            Op::CondBegin => self.emit_cond_begin(i),
            Op::CondEnd => self.emit_cond_end(),
            Op::Fence => self.emit_fence(),
            Op::Call => self.emit_call(v, i),
            Op::FpFlagsGet | Op::FpFlagsSet => self.emit_fp_flags(v, i),
            Op::Load => self.emit_load(v, i),
            Op::Store => self.emit_store(i),
            Op::AtomicRmw => self.emit_rmw(v, i),
            Op::AtomicCas => self.emit_cas(v, i),
            _ => {
                if !(self.emit_arith(v, i)
                    || self.emit_shift(v, i)
                    || self.emit_bits(v, i)
                    || self.emit_mul(v, i)
                    || self.emit_vec(v, i)
                    || self.emit_fp(v, i))
                {
                    self.emit_fallback(v, i);
                }
            }
        }
    }

    // ---- sections, labels, fixups ----

    /// Switches between the hot and the cold section.
    pub fn switch_section(&mut self) {
        std::mem::swap(&mut self.a, &mut self.other);
        self.in_cold = !self.in_cold;
    }

    pub fn here(&self) -> Place {
        Place {
            cold: self.in_cold,
            off: self.a.pos(),
        }
    }

    pub fn new_label(&mut self) -> u32 {
        self.labels.push(Place {
            cold: false,
            off: u32::MAX,
        });
        self.labels.len() as u32 - 1
    }

    pub fn bind_label(&mut self, l: u32) {
        self.labels[l as usize] = self.here();
    }

    /// A rel32 field that will refer to the label.
    pub fn rel32(&mut self, label: u32) {
        let at = self.here();
        self.a.dword(0);
        self.fixups.push(Fixup { at, label });
    }

    pub fn jcc(&mut self, cc: u8, label: u32) {
        self.a.byte(0x0f);
        self.a.byte(0x80 | cc);
        self.rel32(label);
    }

    pub fn jmp(&mut self, label: u32) {
        self.a.byte(0xe9);
        self.rel32(label);
    }

    // ---- final layout ----

    fn finish(&mut self, out: &mut CompiledBlock) {
        debug_assert!(!self.in_cold);
        out.links.clear();
        let pad = self.a.pos().wrapping_neg() & 15;
        self.a.nops(pad);
        let cold_base = self.a.pos();
        let mut code = std::mem::take(&mut out.code);
        code.clear();
        code.extend_from_slice(self.a.code());
        code.extend_from_slice(self.other.code());
        if !(self.consts.is_empty() && self.caches.is_empty()) {
            code.resize(code.len().next_multiple_of(8), 0xcc);
        }
        out.constants = code.len() as u32;
        self.place_consts(&mut code);
        self.place_caches(&mut code);
        let abs = |p: Place| p.off + if p.cold { cold_base } else { 0 };
        for f in &self.fixups {
            let at = abs(f.at);
            let target = abs(self.labels[f.label as usize]);
            let rel = target.wrapping_sub(at + 4);
            code[at as usize..at as usize + 4].copy_from_slice(&rel.to_le_bytes());
        }
        for link in &self.links {
            let mut l = link.site;
            l.offset = abs(link.at);
            l.stub = abs(link.stub);
            out.links.push(l);
        }
        let sites = self
            .fp_sites
            .iter()
            .map(|(start, end, slow)| crate::FpSite {
                start: abs(*start),
                end: abs(*end),
                slow: abs(self.labels[*slow as usize]),
            });
        out.fp_sites = sites.collect();
        out.code = code;
        out.loops = self.looping.found();
        out.maps.clear();
        self.maps.finish(cold_base);
        out.maps.extend_from_slice(&self.maps.bytes);
    }

    /// 16-byte constants behind the code, for the labels noted in `consts`.
    fn place_consts(&mut self, code: &mut Vec<u8>) {
        if self.consts.is_empty() {
            return;
        }
        code.resize(code.len().next_multiple_of(16), 0xcc);
        let consts = std::mem::take(&mut self.consts);
        for (bits, label) in &consts {
            self.labels[*label as usize] = Place {
                cold: false,
                off: code.len() as u32,
            };
            code.extend_from_slice(&bits.to_le_bytes());
        }
        self.consts = consts;
    }
}
