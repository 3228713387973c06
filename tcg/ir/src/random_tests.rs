//! Random blocks pass the verifier and run in the interpreter, and use everything.

use std::collections::BTreeMap;

use tcg_mem::{Access, FaultKind, GuestVa, MemFault};

use super::*;
use crate::Effects;
use crate::interp::{HelperCall, HelperResult, Helpers, Interp, Memory, Outcome};
use crate::verify;

const STATE: usize = 256;
pub(crate) const WINDOW: u32 = 0x1_0000;

pub(crate) static LAYOUT: StateLayout = StateLayout {
    pinned: &[],
    bytes: STATE,
    peek: &[Slot::new(0, Ty::I32), Slot::new(4, Ty::I32)],
    bits: &[],
    names: &[
        (Slot::new(0, Ty::I32), "n"),
        (Slot::new(4, Ty::I32), "z"),
        (Slot::new(16, Ty::V128), "q0"),
        (Slot::new(16, Ty::F64), "d0"),
    ],
};

/// Only called by the interpreter, through [`Table`].
fn declared(name: &'static str, args: &'static [Ty], ret: Ty, effects: Effects) -> HelperDef {
    extern "C" fn never(_: *mut u8, _: u64, _: u64, _: u64, _: u64) -> u64 {
        0
    }
    HelperDef {
        name,
        args,
        ret,
        effects,
        func: never,
    }
}

pub(crate) fn helpers() -> Vec<HelperDef> {
    vec![
        declared("mix", &[Ty::I32, Ty::V128], Ty::I64, Effects::Pure),
        declared("bump", &[Ty::I32], Ty::I32, Effects::State),
        declared("maybe", &[Ty::I64], Ty::Void, Effects::StateMayExit),
    ]
}

pub(crate) struct Table;

impl Helpers for Table {
    fn call(&mut self, c: HelperCall<'_>) -> Result<HelperResult, String> {
        let first = c.args.first().map_or(0, |a| a.1);
        Ok(match c.id.0 {
            0 => HelperResult::Value(first ^ c.args[1].1 >> 7),
            1 => {
                c.state[20] = c.state[20].wrapping_add(first as u8);
                HelperResult::Value(first.wrapping_mul(3))
            }
            _ if first & 7 == 0 => HelperResult::Leave,
            _ => HelperResult::Value(0),
        })
    }
}

pub(crate) struct Ram(pub Vec<u8>);

impl Ram {
    fn at(&self, va: GuestVa, len: usize, access: Access) -> Result<usize, MemFault> {
        let kind = FaultKind::Unmapped;
        let fault = MemFault { va, access, kind };
        let off = va.0.checked_sub(u64::from(WINDOW)).ok_or(fault)?;
        let end = off.checked_add(len as u64).ok_or(fault)?;
        if end <= self.0.len() as u64 {
            Ok(off as usize)
        } else {
            Err(fault)
        }
    }
}

impl Memory for Ram {
    fn load(&mut self, va: GuestVa, bytes: &mut [u8]) -> Result<(), MemFault> {
        let o = self.at(va, bytes.len(), Access::Read)?;
        bytes.copy_from_slice(&self.0[o..o + bytes.len()]);
        Ok(())
    }

    fn store(&mut self, va: GuestVa, bytes: &[u8]) -> Result<(), MemFault> {
        let o = self.at(va, bytes.len(), Access::Write)?;
        self.0[o..o + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

#[test]
fn random_blocks_verify_run_and_use_everything() {
    let helpers = helpers();
    let mut used: BTreeMap<&str, u32> = BTreeMap::new();
    let mut ends: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..4_000 {
        let config = Config {
            layout: &LAYOUT,
            helpers: &helpers,
            memory: WINDOW,
            allow: |_| true,
            sticky: true,
            steps: 60,
        };
        let block = block(seed, &config);
        if let Err(broken) = verify(&block, &LAYOUT, &helpers) {
            panic!(
                "seed {seed}: {broken:?}\n{}",
                crate::text::print(&block, &LAYOUT, &helpers)
            );
        }
        for inst in &block.insts {
            *used.entry(inst.op.name()).or_default() += 1;
        }
        let mut rng = Prng::new(!seed);
        let mut state: Vec<u8> = (0..STATE).map(|_| rng.bits() as u8).collect();
        let mut interp = Interp {
            state: &mut state,
            mem: &mut Ram((0..0x1000).map(|_| rng.bits() as u8).collect()),
            helpers: &mut Table,
            fp_flags: 0,
        };
        let end = match interp.run(&block) {
            Ok(Outcome::Jump { .. }) => "jump",
            Ok(Outcome::Trap { .. }) => "trap",
            Ok(Outcome::Fault { .. }) => "fault",
            Ok(Outcome::Left { .. }) => "left",
            Err(broken) => panic!("seed {seed}: {broken:?}"),
        };
        *ends.entry(end).or_default() += 1;
    }
    let missing: Vec<_> = Op::ALL
        .iter()
        .filter(|o| !used.contains_key(o.name()))
        .collect();
    assert!(missing.is_empty(), "never made: {missing:?}");
    assert!(
        ends.len() == 4 && ends.values().all(|n| *n > 50),
        "{ends:?}"
    );
}
