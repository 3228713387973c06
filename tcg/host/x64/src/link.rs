//! Exits: links to other blocks, indirect jumps, paired returns, traps; and their cold stubs at the end of the block.

use crate::abi::*;
use crate::compiler::{Fixup, Gen, Link, Place};
use crate::enc::{Alu, Mem, Opc, RIP, Rm, x86cc};
use crate::inline_cache::{CALL_WAYS, JUMP_WAYS, TABLE_WAYS};
use crate::{LinkSite, Runtime};
use tcg_ir::{ExitInfo, ExitKind, IndirectHint, Inst, Value};
use tcg_target::JUMP_CACHE_ENTRIES;

/// Cold code that needs nothing of the allocator's state; written at the end of the block.
#[derive(Clone, Copy, Debug)]
pub enum Stub {
    /// A direct link that is not patched yet, or an interrupt on the way there: its number.
    Link(u32),
    /// An interrupt on the way to a target.
    InterruptIndirect { mode: u32, target: Target },
    /// A return that does not match its call.
    ReturnMiss { mode: u32, target: Target },
    /// An inline cache that has room for the target: the label of what is told about it.
    CacheFill {
        cache: u32,
        full: u32,
        mode: u32,
        target: Target,
    },
    /// The jump cache behind a full inline cache.
    CacheFull { mode: u32, target: Target },
    /// An exceptional floating-point result: index in `slow`.
    Slow(u32),
    /// The evaluator with all registers saved, once per block.
    SlowRoutine,
    /// The jump cache missed.
    Lookup { mode: u32, target: Target },
    /// The same for a known target.
    Far { pc: u64, mode: u32 },
    /// An interrupt on the way to a known target.
    Interrupt { pc: u64, mode: u32 },
}

/// Where the target of an indirect jump is, and what has still to be masked.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub reg: u8,
    pub wide: bool,
    /// As a sign-extended immediate; -1: nothing.
    mask: i32,
}

/// The tag of a target on the return stack and in the jump cache.
fn tag(pc: u64, mode: u32) -> u64 {
    pc ^ u64::from(mode) << 48
}

impl Gen<'_> {
    pub fn emit_exit(&mut self, i: &Inst) {
        let b = self.b;
        let Some(info) = b.exits.get(i.imm as usize) else {
            return;
        };
        if self.emit_back_edge(info) {
            return;
        }
        let (operand, mask) = tcg_opt::jump_target(b, i);
        if operand.is_some() {
            self.settle_test(operand);
            self.reg(operand);
        }
        self.store_dirty(info.dead);
        // Behind the state: it destroys the flags.
        self.restore_regime();
        match info.kind {
            ExitKind::Direct if info.mode_dynamic => {
                self.store_pc(info.pc);
                self.store_mode(info.mode);
                self.jump_runtime(Runtime::LookupDynamic);
            }
            ExitKind::Direct if !self.may_link(info.pc) => {
                self.check_leaving(info);
                self.far_jump(info.pc, info.mode);
            }
            ExitKind::DirectCall if !self.may_link(info.pc) => {
                self.check_leaving(info);
                self.push_tag(tag(info.ret_pc, info.mode), RCX);
                let inner = self.new_label();
                self.a.byte(0xe8);
                self.rel32(inner);
                self.landing(info);
                self.bind_label(inner);
                self.far_jump(info.pc, info.mode);
            }
            ExitKind::Direct => {
                let link = self.new_link(info.pc, info.mode);
                self.check_interrupt(info, link.0);
                self.link(0xe9, link);
            }
            ExitKind::DirectCall => {
                let link = self.new_link(info.pc, info.mode);
                self.check_interrupt(info, link.0);
                self.push_tag(tag(info.ret_pc, info.mode), RCX);
                self.link(0xe8, link);
                self.landing(info);
            }
            ExitKind::Indirect(hint) => self.exit_indirect(info, hint, operand, mask),
            ExitKind::Trap { code, info: arg } => self.exit_trap(info, code, arg, operand),
        }
    }

    fn exit_trap(&mut self, info: &ExitInfo, code: u32, arg: u64, operand: Value) {
        let m = Mem::env(EXIT_INFO);
        if operand.is_some() {
            let r = self.reg(operand);
            self.a.store(true, m, r);
        } else if arg as i64 == arg as i32 as i64 {
            self.a.store_imm(true, m, arg as i32);
        } else {
            self.a.mov_imm(RAX, arg);
            self.a.store(true, m, RAX);
        }
        self.leave(KIND_TRAP, code as i32, info.pc, info.mode);
    }

    fn exit_indirect(&mut self, info: &ExitInfo, hint: IndirectHint, operand: Value, mask: u64) {
        let wide = self.ty(operand) == tcg_ir::Ty::I64;
        let mut target = Target {
            reg: self.reg(operand),
            wide,
            mask: mask as i32,
        };
        if info.mode_dynamic || info.mode != 0 || !wide {
            // Where more has to be computed: in `rax`.
            self.target_to_rax(&mut target);
        }
        if info.check {
            self.a
                .alu_imm(Alu::Cmp, false, Rm::M(Mem::env(INTERRUPT)), 0);
            let l = self.stub(Stub::InterruptIndirect {
                mode: info.mode,
                target,
            });
            self.jcc(x86cc::NE, l);
        }
        if info.mode_dynamic {
            self.a.store(true, Mem::env(PC), RAX);
            self.store_mode(info.mode);
            return self.jump_runtime(Runtime::LookupDynamic);
        }
        match hint {
            IndirectHint::Return => {
                let t = self.tag_of(target, info.mode);
                self.a
                    .op(Opc(0, 0, 0x39), true, t, Rm::M(Mem::base(RSP, 8)));
                let l = self.stub(Stub::ReturnMiss {
                    mode: info.mode,
                    target,
                });
                self.jcc(x86cc::NE, l);
                self.a.byte(0xc3);
            }
            IndirectHint::Call => {
                let scratch = if target.reg == RCX { RAX } else { RCX };
                self.push_tag(tag(info.ret_pc, info.mode), scratch);
                let inner = self.new_label();
                self.a.byte(0xe8);
                self.rel32(inner);
                self.landing(info);
                self.bind_label(inner);
                self.inline_cache(CALL_WAYS, info.mode, target);
            }
            IndirectHint::Jump => self.inline_cache(JUMP_WAYS, info.mode, target),
            IndirectHint::Table => self.inline_cache(TABLE_WAYS, info.mode, target),
        }
    }

    /// Whether code may go to this address by a link. Through a soft TLB only what is in the block's own page is sure to
    /// be where it was.
    fn may_link(&self, pc: u64) -> bool {
        self.opts.mmu.is_none() || (pc ^ self.b.pc) >> 12 == 0
    }

    /// To a known target through the jump cache.
    fn far_jump(&mut self, pc: u64, mode: u32) {
        let entry = JUMP_CACHE + 16 * tcg_target::jump_cache_index(pc) as i32;
        let t = tag(pc, mode);
        if t as i64 == t as i32 as i64 {
            self.a
                .alu_imm(Alu::Cmp, true, Rm::M(Mem::env(entry)), t as i32);
        } else {
            self.a.mov_imm(RDX, t);
            self.a
                .op(Opc(0, 0, 0x39), true, RDX, Rm::M(Mem::env(entry)));
        }
        let miss = self.stub(Stub::Far { pc, mode });
        self.jcc(x86cc::NE, miss);
        self.a
            .op(Opc(0, 0, 0xff), false, 4, Rm::M(Mem::env(entry + 8)));
    }

    /// The interrupt check on the way to a known target that is not linked.
    fn check_leaving(&mut self, info: &ExitInfo) {
        if info.check {
            self.a
                .alu_imm(Alu::Cmp, false, Rm::M(Mem::env(INTERRUPT)), 0);
            let (pc, mode) = (info.pc, info.mode);
            let l = self.stub(Stub::Interrupt { pc, mode });
            self.jcc(x86cc::NE, l);
        }
    }

    /// Where a paired return comes back to: drops the tag and goes on behind the call.
    fn landing(&mut self, info: &ExitInfo) {
        self.a.lea(true, RSP, Mem::base(RSP, 8));
        if !self.may_link(info.ret_pc) {
            return self.far_jump(info.ret_pc, info.mode);
        }
        let link = self.new_link(info.ret_pc, info.mode);
        self.link(0xe9, link);
    }

    fn push_tag(&mut self, t: u64, scratch: u8) {
        if t == t as u32 as u64 && (t as i32) >= 0 {
            self.a.push_imm(t as i32);
        } else {
            self.a.mov_imm(scratch, t);
            self.a.push(scratch);
        }
    }

    /// The target as an address in `rax`.
    fn target_to_rax(&mut self, t: &mut Target) {
        if t.reg != RAX {
            self.a.mov(t.wide, RAX, Rm::R(t.reg));
        }
        if t.mask != -1 {
            self.a.alu_imm(Alu::And, t.wide, Rm::R(RAX), t.mask);
        }
        (t.reg, t.mask) = (RAX, -1);
    }

    /// The register that holds the tag of a target: its own, or `rdx`. One that has still to be masked matches nothing, or
    /// there was nothing to mask.
    fn tag_of(&mut self, target: Target, mode: u32) -> u8 {
        if mode == 0 {
            return target.reg;
        }
        self.a.mov_imm(RDX, u64::from(mode) << 48);
        self.a.alu(Alu::Xor, true, RDX, Rm::R(target.reg));
        RDX
    }

    fn check_interrupt(&mut self, info: &ExitInfo, stub: u32) {
        if info.check {
            self.a
                .alu_imm(Alu::Cmp, false, Rm::M(Mem::env(INTERRUPT)), 0);
            self.jcc(x86cc::NE, stub);
        }
    }

    pub fn stub(&mut self, s: Stub) -> u32 {
        let l = self.new_label();
        self.stubs.push((l, s));
        l
    }

    /// Pads so that 4 bytes at `ahead` from here lie within an aligned 8-byte word.
    fn align_field(&mut self, ahead: u32) {
        let at = (self.a.pos() + ahead) & 7;
        if at > 4 {
            self.a.nops(8 - at);
        }
    }

    /// Prepares a direct link: its stub's label and its number.
    pub fn new_link(&mut self, pc: u64, mode: u32) -> (u32, u32) {
        let n = self.links.len() as u32;
        let nowhere = Place {
            cold: false,
            off: 0,
        };
        self.links.push(Link {
            at: nowhere,
            stub: nowhere,
            site: LinkSite {
                offset: 0,
                stub: 0,
                pc,
                mode,
            },
        });
        (self.stub(Stub::Link(n)), n)
    }

    /// A patchable jump (0xe9) or call (0xe8).
    pub fn link(&mut self, opcode: u8, (stub, n): (u32, u32)) {
        self.align_field(1);
        self.a.byte(opcode);
        self.links[n as usize].at = self.here();
        self.rel32(stub);
    }

    /// Looks a target up in the jump cache.
    pub fn probe(&mut self, mode: u32, target: Target) {
        // Not the register of the target, nor that of its tag.
        let index = if target.reg == RCX { RAX } else { RCX };
        let by_four = Mem {
            index: target.reg,
            scale: 2,
            ..Mem::base(NOREG, 0)
        };
        self.a.lea(false, index, by_four);
        let mask = (JUMP_CACHE_ENTRIES as i32 - 1) << 4;
        self.a.alu_imm(Alu::And, false, Rm::R(index), mask);
        let t = self.tag_of(target, mode);
        let entry = Mem {
            index,
            ..Mem::env(JUMP_CACHE)
        };
        self.a.op(Opc(0, 0, 0x39), true, t, Rm::M(entry));
        let miss = self.stub(Stub::Lookup { mode, target });
        self.jcc(x86cc::NE, miss);
        let code = Mem {
            disp: JUMP_CACHE + 8,
            ..entry
        };
        self.a.op(Opc(0, 0, 0xff), false, 4, Rm::M(code));
    }

    // ---- stubs ----

    /// Writes all stubs, in the cold section.
    pub fn emit_stubs(&mut self) {
        self.switch_section();
        let mut k = 0;
        // A stub may need further stubs.
        while let Some((label, s)) = self.stubs.get(k).copied() {
            self.bind_label(label);
            self.emit_stub(s);
            k += 1;
        }
        self.switch_section();
    }

    fn emit_stub(&mut self, s: Stub) {
        match s {
            Stub::Slow(n) => self.emit_slow(n),
            Stub::SlowRoutine => self.emit_slow_routine(),
            Stub::Link(n) => {
                let m = Mem::env(LOOKUP_DIRECT);
                self.a.op(Opc(0, 0, 0xff), false, 2, Rm::M(m));
                self.links[n as usize].stub = self.here();
            }
            Stub::InterruptIndirect { mode, mut target } => {
                self.target_to_rax(&mut target);
                self.a.store(true, Mem::env(PC), RAX);
                self.leave_interrupt(mode);
            }
            Stub::Far { pc, mode } => {
                self.store_pc(pc);
                self.store_mode(mode);
                self.jump_runtime(Runtime::LookupIndirect);
            }
            Stub::Interrupt { pc, mode } => {
                self.store_pc(pc);
                self.leave_interrupt(mode);
            }
            Stub::ReturnMiss { mode, mut target } => {
                self.target_to_rax(&mut target);
                self.a.mov_imm(RDX, u64::from(mode));
                self.jump_runtime(Runtime::ReturnMiss);
            }
            Stub::CacheFull { mode, target } => self.probe(mode, target),
            Stub::CacheFill {
                cache,
                full,
                mode,
                mut target,
            } => {
                self.a
                    .alu_imm(Alu::Sub, false, Rm::M(Mem::env(CACHE_PATIENCE)), 1);
                self.jcc(x86cc::AE, full);
                self.target_to_rax(&mut target);
                self.a.store(true, Mem::env(PC), RAX);
                self.store_mode(mode);
                self.lea_label(RAX, cache);
                self.jump_runtime(Runtime::LookupIc);
            }
            Stub::Lookup { mode, mut target } => {
                self.target_to_rax(&mut target);
                self.a.store(true, Mem::env(PC), RAX);
                self.store_mode(mode);
                self.jump_runtime(Runtime::LookupIndirect);
            }
        }
    }

    fn leave_interrupt(&mut self, mode: u32) {
        self.store_mode(mode);
        self.a.store_imm(false, Mem::env(EXIT_KIND), KIND_INTERRUPT);
        self.jump_runtime(Runtime::Exit);
    }

    pub fn lea_label(&mut self, r: u8, label: u32) {
        self.a.lea(true, r, Mem::base(RIP, 0));
        let mut at: Place = self.here();
        at.off -= 4;
        self.fixups.push(Fixup { at, label });
    }

    /// Jumps to a runtime entry; only `rax` and `rdx` carry arguments.
    pub fn jump_runtime(&mut self, n: Runtime) {
        let m = Mem::env(RUNTIME + n as i32 * 8);
        self.a.op(Opc(0, 0, 0xff), false, 4, Rm::M(m));
    }

    /// `header.pc = pc` (may use `rcx`).
    pub fn store_pc(&mut self, pc: u64) {
        let m = Mem::env(PC);
        if pc as i64 == pc as i32 as i64 {
            self.a.store_imm(true, m, pc as i32);
        } else {
            self.a.mov_imm(RCX, pc);
            self.a.store(true, m, RCX);
        }
    }

    pub fn store_mode(&mut self, mode: u32) {
        self.a.store_imm(false, Mem::env(MODE), mode as i32);
    }
}
