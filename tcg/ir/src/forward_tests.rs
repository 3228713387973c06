//! Random stores and loads, forwarded and not, against each other.

use tcg_mem::{GuestVa, MemFault};

use crate::interp::{Interp, Memory, NoHelpers};
use crate::random::Prng;
use crate::{
    Addr, Builder, ExitInfo, ExitKind, MemFlags, Op, Order, RegionKind, Slot, StateLayout, Ty,
};
use crate::{Block, Value};

const BYTES: usize = 1024;
/// Where results go.
const RESULTS: usize = 64;

static LAYOUT: StateLayout = StateLayout {
    pinned: &[],
    bytes: BYTES,
    peek: &[],
    bits: &[],
    names: &[],
};

struct Ram([u8; 256]);

impl Memory for Ram {
    fn load(&mut self, at: GuestVa, out: &mut [u8]) -> Result<(), MemFault> {
        let at = at.0 as usize;
        out.copy_from_slice(&self.0[at..at + out.len()]);
        Ok(())
    }
    fn store(&mut self, at: GuestVa, bytes: &[u8]) -> Result<(), MemFault> {
        let at = at.0 as usize;
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

fn leave() -> ExitInfo {
    ExitInfo {
        kind: ExitKind::Direct,
        pc: 0,
        mode: 0,
        mode_dynamic: false,
        ret_pc: 0,
        dead: 0,
        check: false,
    }
}

fn access(rng: &mut Prng) -> (Ty, MemFlags) {
    let (ty, log2) = [
        (Ty::I32, 0),
        (Ty::I32, 1),
        (Ty::I32, 2),
        (Ty::I64, 0),
        (Ty::I64, 2),
        (Ty::I64, 3),
        (Ty::F32, 2),
        (Ty::F64, 3),
        (Ty::V64, 3),
        (Ty::V128, 4),
    ][rng.below(10) as usize];
    let flags = MemFlags::size(log2).big_endian(rng.below(2) == 0);
    (ty, flags)
}

/// Both bases hold 64.
fn place(rng: &mut Prng, bases: [Value; 2]) -> Addr {
    Addr::base_disp(bases[rng.below(8) as usize / 7], rng.below(5) as i32 * 4)
}

fn value(b: &mut Builder<'_>, rng: &mut Prng, ty: Ty) -> Value {
    let slot = Slot::new(rng.below(2) as usize * 16, Ty::V128);
    let v = b.get(slot);
    match ty {
        Ty::I32 | Ty::I64 => {
            let lane = if ty == Ty::I32 { 2 } else { 3 };
            b.vun(Op::VGet, ty, lane, v, rng.below(2) as i64)
        }
        _ => b.bitcast(ty, v),
    }
}

fn block(seed: u64, forward: bool) -> Block {
    let rng = &mut Prng::new(seed);
    let mut b = Builder::new(0, 0, &LAYOUT);
    b.forward_stores(forward);
    let bases = [32, 36].map(|off| b.get(Slot::new(off, Ty::I32)));
    let cond = b.get(Slot::new(40, Ty::I32));
    for k in 0..24 {
        let (ty, flags) = access(rng);
        let addr = place(rng, bases);
        match rng.below(12) {
            0 if b.in_region() => b.end_if(),
            0 => b.begin_if(cond, RegionKind::Simple),
            1 => b.fence(),
            2..6 => {
                let v = value(&mut b, rng, ty);
                b.store(addr, v, flags);
            }
            _ if b.in_region() => {}
            _ => {
                let narrow = flags.bytes() < ty.bytes();
                let flags = match rng.below(2) == 0 && narrow {
                    true => flags.signed(),
                    false => flags,
                };
                let v = b.load(ty, addr, flags);
                b.set(Slot::new(RESULTS + 16 * k, ty), v);
            }
        }
    }
    b.end_if();
    b.exit(leave(), Value::NONE);
    b.finish()
}

fn execute(block: &Block, cond: u32) -> (Vec<u8>, [u8; 256]) {
    let mut state: Vec<u8> = (0..BYTES).map(|k| (k * 37 + 129) as u8).collect();
    state[32..40].copy_from_slice(&[64, 0, 0, 0, 64, 0, 0, 0]);
    state[40..44].copy_from_slice(&cond.to_le_bytes());
    let mut ram = Ram(std::array::from_fn(|k| k as u8 ^ 0x5a));
    let mut interp = Interp {
        state: &mut state,
        mem: &mut ram,
        helpers: &mut NoHelpers,
        fp_flags: 0,
    };
    interp.run(block).unwrap();
    (state, ram.0)
}

#[test]
fn forwarded_loads_give_what_is_in_memory() {
    let loads = |b: &Block| b.insts.iter().filter(|i| i.op == Op::Load).count();
    let (mut all, mut left) = (0, 0);
    for seed in 1..20_000 {
        let (plain, forwarded) = (block(seed, false), block(seed, true));
        all += loads(&plain);
        left += loads(&forwarded);
        crate::verify(&forwarded, &LAYOUT, &[]).unwrap();
        for cond in [0, 1] {
            assert_eq!(execute(&plain, cond), execute(&forwarded, cond), "{seed}");
        }
    }
    // It does happen.
    assert!(left < all - all / 100, "{left} of {all} loads");
}

#[test]
fn halves_become_a_double() {
    let mut b = Builder::new(0, 0, &LAYOUT);
    b.forward_stores(true);
    let base = b.get(Slot::new(0, Ty::I32));
    let (hi, lo) = (b.get(Slot::new(8, Ty::I32)), b.get(Slot::new(16, Ty::I32)));
    let word = MemFlags::size(2).big_endian(true);
    b.store(Addr::base_disp(base, 8), hi, word);
    b.store(Addr::base_disp(base, 12), lo, word);
    let double = MemFlags::size(3).big_endian(true);
    let v = b.load(Ty::F64, Addr::base_disp(base, 8), double);
    let bits = b.block.def(v).args[0];
    assert_eq!(b.block.def(v).op, Op::Bitcast);
    assert_eq!(
        (b.block.def(bits).op, b.block.def(bits).args[..2].to_vec()),
        (Op::Concat, vec![lo, hi])
    );
    // A demand that the stores did not make.
    let v = b.load(Ty::F64, Addr::base_disp(base, 8), double.align(3));
    assert_eq!(b.block.def(v).op, Op::Load);
    // Another base: anything may have been stored over.
    let other = b.get(Slot::new(24, Ty::I32));
    b.store(Addr::base_disp(other, 0), hi, word);
    let v = b.load(Ty::F64, Addr::base_disp(base, 8), double);
    assert_eq!(b.block.def(v).op, Op::Load);
}

/// Another thread's later store may have been seen in between.
#[test]
fn real_loads_of_the_same_bytes_and_ordered_ones_make_forgotten() {
    let word = MemFlags::size(2);
    let between = |order: Order, by_another_base: bool| {
        let mut b = Builder::new(0, 0, &LAYOUT);
        b.forward_stores(true);
        let [base, other, v] = [0, 4, 8].map(|off| b.get(Slot::new(off, Ty::I32)));
        b.store(Addr::base_disp(base, 8), v, word);
        let from = if by_another_base { other } else { base };
        b.load(Ty::I32, Addr::base_disp(from, 32), word.order(order));
        let again = b.load(Ty::I32, Addr::base_disp(base, 8), word);
        again == v
    };
    assert!(between(Order::Relaxed, false));
    assert!(!between(Order::Relaxed, true));
    assert!(!between(Order::AcqRel, false));
}

/// What two stores wrote is a guess where another base was loaded from in between.
#[test]
fn doubtful_halves_are_guessed() {
    let mut b = Builder::new(0, 0, &LAYOUT);
    b.forward_stores(true);
    let [base, other, hi, lo] = [0, 4, 8, 16].map(|off| b.get(Slot::new(off, Ty::I32)));
    let word = MemFlags::size(2).big_endian(true);
    b.store(Addr::base_disp(base, 8), hi, word);
    b.load(Ty::I32, Addr::base_disp(other, 0), word);
    b.store(Addr::base_disp(base, 12), lo, word);
    let double = MemFlags::size(3).big_endian(true);
    let guess_of = |b: &mut Builder<'_>, mem| {
        let v = b.load(Ty::F64, Addr::base_disp(base, 8), mem);
        assert_eq!(b.block.def(v).op, Op::Load);
        b.block.def(v).args[2]
    };
    let guess = guess_of(&mut b, double);
    let halves = b.block.def(guess).args[..2].to_vec();
    assert_eq!((b.block.def(guess).op, halves), (Op::Concat, vec![lo, hi]));
    // Only the plain access of eight bytes can be looked at by words.
    assert_eq!(guess_of(&mut b, double.align(3)), Value::NONE);
    b.store(Addr::base_disp(other, 0), lo, word);
    assert_eq!(guess_of(&mut b, double), Value::NONE);
}

/// A page may be mapped a second time behind itself.
#[test]
fn stores_a_page_away_make_forgotten() {
    let word = MemFlags::size(2);
    for (disp, known) in [
        (12, true),
        (4000, true),
        (8 + 4096, false),
        (8 - 8192, false),
    ] {
        let mut b = Builder::new(0, 0, &LAYOUT);
        b.forward_stores(true);
        let [base, one, two] = [0, 4, 8].map(|off| b.get(Slot::new(off, Ty::I32)));
        b.store(Addr::base_disp(base, 8), one, word);
        b.store(Addr::base_disp(base, disp), two, word);
        let again = b.load(Ty::I32, Addr::base_disp(base, 8), word);
        assert_eq!(again == one, known, "{disp}");
    }
}
