//! Hand-written blocks: integer code, flags, memory, regions and exits, and a look at the code they give.

mod harness;

use harness::*;
use tcg_ir::*;
use tcg_x64::Opts;

const fn r(n: usize) -> Slot {
    Slot::new(n * 4, Ty::I32)
}

const N: Slot = Slot::new(64, Ty::I32);
const Z: Slot = Slot::new(68, Ty::I32);
const C: Slot = Slot::new(72, Ty::I32);
const V: Slot = Slot::new(76, Ty::I32);

static LAYOUT: StateLayout = StateLayout {
    pinned: &[],
    bytes: 512,
    peek: &[N, Z, C, V],
    bits: &[N, Z, C, V],
    names: &[],
};

fn exit(pc: u64) -> ExitInfo {
    ExitInfo {
        kind: ExitKind::Direct,
        pc,
        mode: 0,
        mode_dynamic: false,
        ret_pc: 0,
        dead: 0,
        check: false,
    }
}

fn set_nzcv(b: &mut Builder<'_>, cc: Value) {
    for (slot, cond) in [(N, Cond::Mi), (Z, Cond::Eq), (C, Cond::Hs), (V, Cond::Vs)] {
        let t = b.cc_test(cc, cond);
        b.set(slot, t);
    }
}

fn read(m: &mut Machine, s: Slot) -> u32 {
    let o = s.off as usize;
    u32::from_le_bytes(m.state()[o..o + 4].try_into().unwrap())
}

fn write(m: &mut Machine, s: Slot, v: u32) {
    let o = s.off as usize;
    m.state()[o..o + 4].copy_from_slice(&v.to_le_bytes());
}

/// subs r3, r3, #1; ldr r2, [r1], #4; add r0, r0, r2; bne loop
fn loop_block() -> Block {
    let mut b = Builder::new(0x1000, 0, &LAYOUT);
    b.insn_start(0x1000, 0);
    let one = b.i32(1);
    let r3 = b.get(r(3));
    let x = b.bin(Op::Sub, Ty::I32, r3, one);
    let cc = b.bin(Op::CcSub, Ty::Cc, r3, one);
    b.set(r(3), x);
    set_nzcv(&mut b, cc);
    b.insn_start(0x1004, 0);
    let r1 = b.get(r(1));
    let v = b.load(Ty::I32, Addr::base_disp(r1, 0), MemFlags::size(2));
    let four = b.i32(4);
    let r1n = b.bin(Op::Add, Ty::I32, r1, four);
    b.set(r(2), v);
    b.set(r(1), r1n);
    b.insn_start(0x1008, 0);
    let r0 = b.get(r(0));
    let s = b.bin(Op::Add, Ty::I32, r0, v);
    b.set(r(0), s);
    b.insn_start(0x100c, 0);
    let z = b.get(Z);
    let ne = b.icmp_zero(z);
    b.exit_if(
        ne,
        ExitInfo {
            check: true,
            dead: 15,
            ..exit(0x1000)
        },
        Value::NONE,
    );
    b.exit(
        ExitInfo {
            dead: 15,
            ..exit(0x1010)
        },
        Value::NONE,
    );
    b.finish()
}

trait Extra {
    fn icmp_zero(&mut self, z: Value) -> Value;
}

impl Extra for Builder<'_> {
    fn icmp_zero(&mut self, z: Value) -> Value {
        let zero = self.i32(0);
        self.icmp(Cond::Eq, z, zero)
    }
}

#[test]
fn loop_goes_round_inside_until_it_ends_faults_or_is_interrupted() {
    let block = loop_block();
    for f in feature_sets() {
        let c = compile(&block, &LAYOUT, &[], f, Opts::default());
        assert!(c.loops);
        println!("{}", disassemble(&c));
        let mut m = Machine::new(512, &[]);
        m.map_guest(0x10000, 4096);
        m.guest_mem(0x10000, 4096).fill(1);
        write(&mut m, r(0), 5);
        write(&mut m, r(1), 0x10000);
        write(&mut m, r(3), 100);
        let left = m.run(&c);
        assert_eq!((left.kind, left.pc), (KIND_JUMP, 0x1010));
        assert_eq!(read(&mut m, r(0)), 5 + 100 * 0x0101_0101);
        assert_eq!(read(&mut m, r(1)), 0x10000 + 400);
        assert_eq!(read(&mut m, r(3)), 0);
        // The load of round 11 faults.
        write(&mut m, r(0), 0);
        write(&mut m, r(1), 0x11000 - 40);
        write(&mut m, r(3), 1000);
        let left = m.run(&c);
        assert_eq!((left.kind, left.pc), (KIND_HOST_FAULT, 0x1004));
        assert_eq!(read(&mut m, r(0)), 10 * 0x0101_0101);
        assert_eq!(read(&mut m, r(1)), 0x11000);
        assert_eq!(read(&mut m, r(2)), 0x0101_0101);
        assert_eq!(read(&mut m, r(3)), 1000 - 11);
        assert_eq!([N, Z, C, V].map(|s| read(&mut m, s)), [0, 0, 1, 0]);
        // An interrupt.
        *m.header().interrupt.get_mut() = 1;
        write(&mut m, r(1), 0x10000);
        let left = m.run(&c);
        assert_eq!((left.kind, left.pc), (KIND_JUMP, 0x1000));
        assert_eq!(read(&mut m, r(3)), 1000 - 12);
    }
}

#[test]
fn loop_runs_and_is_short() {
    let block = loop_block();
    for f in feature_sets() {
        let opts = Opts {
            loops: false,
            ..Opts::default()
        };
        let c = compile(&block, &LAYOUT, &[], f, opts);
        println!("{}", disassemble(&c));
        let mut m = Machine::new(512, &[]);
        m.map_guest(0x10000, 4096);
        m.guest_mem(0x10000, 4096)[8] = 7;
        write(&mut m, r(0), 5);
        write(&mut m, r(1), 0x10008);
        write(&mut m, r(3), 2);
        let left = m.run(&c);
        assert_eq!((left.kind, left.pc), (KIND_JUMP, 0x1000));
        assert_eq!(read(&mut m, r(0)), 12);
        assert_eq!(read(&mut m, r(1)), 0x1000c);
        assert_eq!(read(&mut m, r(2)), 7);
        assert_eq!(read(&mut m, r(3)), 1);
        let left = m.run(&c);
        assert_eq!((left.kind, left.pc), (KIND_JUMP, 0x1010));
        assert_eq!(read(&mut m, r(3)), 0);
        // Now the load faults: the state must be that before the load.
        write(&mut m, r(1), 0x5000_0000);
        write(&mut m, r(3), 0);
        let left = m.run(&c);
        assert_eq!((left.kind, left.pc), (KIND_HOST_FAULT, 0x1004));
        assert_eq!(read(&mut m, r(3)), u32::MAX);
        assert_eq!([N, Z, C, V].map(|s| read(&mut m, s)), [1, 0, 0, 0]);
        assert_eq!(read(&mut m, r(1)), 0x5000_0000);
    }
}
