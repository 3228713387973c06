//! Which jumps a translation follows within a block, so that what stands behind them becomes a part of it.

use crate::BlockLimits;

/// A jump ahead is followed over at most so many bytes.
const AHEAD: u64 = 256;
/// A jump back over at most so many.
const BACK: u64 = 2048;
/// Instructions behind a jump back.
const BEHIND: u32 = 32;

/// The addresses of a block in the making.
#[derive(Clone, Copy, Debug)]
pub struct Follow {
    pc: u64,
    start: u64,
    may_turn: bool,
    /// Behind a jump back: how many instructions the block may still have.
    left: Option<u32>,
}

impl Follow {
    /// For a block at `pc` (without tag bits).
    pub fn new(pc: u64, limits: BlockLimits) -> Follow {
        Follow {
            pc,
            start: pc,
            may_turn: limits.may_peek(),
            left: None,
        }
    }

    /// Whether to go on at the target of a jump without a condition, behind which `next` is. A jump back is followed once:
    /// it leads to what many places share, such as an interpreter's dispatch, and each place gets its own.
    pub fn jump(&mut self, next: u64, target: u64) -> bool {
        if target >= next {
            return target - next <= AHEAD;
        }
        let back = next - target <= BACK && target != self.pc;
        if !back || !self.may_turn || self.left.is_some() {
            return false;
        }
        self.left = Some(BEHIND);
        self.start = self.start.min(target);
        true
    }

    /// Whether a jump back has been followed. From then on any exit may close a circle, so that all have to look for
    /// interrupts.
    pub fn turned(&self) -> bool {
        self.left.is_some()
    }

    /// Whether the block ends here, before the instruction at `next`. To be asked once for each instruction.
    pub fn ends(&mut self, next: u64) -> bool {
        // A wrap around the end of the address space ends the block: its range must be a range.
        if next < self.start {
            return true;
        }
        let Some(left) = &mut self.left else {
            return false;
        };
        *left = left.saturating_sub(1);
        *left == 0 || next == self.pc
    }

    /// The lowest address of the block.
    pub fn start(&self) -> u64 {
        self.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_back_are_followed_once() {
        let mut f = Follow::new(0x1000, BlockLimits::full(64));
        assert!(f.jump(0x1010, 0x1100) && !f.turned());
        assert!(!f.jump(0x1110, 0x1000), "a loop stays one");
        assert!(f.jump(0x1110, 0xf00) && f.turned());
        assert_eq!(f.start(), 0xf00);
        assert!(!f.jump(0xf10, 0xe00));
        assert!(!f.ends(0xf10) && f.ends(0xe00) && f.ends(0x1000));
    }

    #[test]
    fn a_block_behind_a_jump_back_is_short() {
        let mut f = Follow::new(0x1000, BlockLimits::full(512));
        assert!(f.jump(0x1010, 0x900));
        assert_eq!((0..100).position(|k| f.ends(0x904 + 4 * k)), Some(31));
    }

    #[test]
    fn what_may_not_run_often_is_not_made_longer() {
        let brief = BlockLimits {
            max_insns: 64,
            brief: true,
        };
        for limits in [brief, BlockLimits::full(1)] {
            assert!(!Follow::new(0x1000, limits).jump(0x1010, 0xf00));
        }
    }
}
