//! Translates guest instructions as user mode does, for a host with everything that the code generator knows, and counts.

use iced_x86::{Decoder, DecoderOptions, FlowControl};
use target_aarch64::Aarch64;
use target_arm::Arm;
use target_ppc::Ppc;
use target_riscv::{Cpu, Riscv};
use tcg_mem::{Access, FaultKind, GuestVa, MemFault};
use tcg_target::{BlockLimits, Isa, TranslateCtx};
use tcg_x64::{Features, Opts};

/// Where the code is.
const CODE: u64 = 0x1_0000;

/// Room at the entry of each block for the jump that replaces it.
const ENTRY: usize = 5;

/// A guest with its default CPU.
pub struct Guest {
    pub name: &'static str,
    isa: Box<dyn Isa>,
    /// Instruction words are big-endian.
    big: bool,
    /// Guest addresses are offsets into a window of the host's address space.
    window: bool,
}

fn ppc(name: &'static str, wide: bool, model: &str) -> Guest {
    Guest {
        name,
        isa: Box::new(Ppc {
            model: target_ppc::CpuModel::find(model).unwrap(),
            wide,
            little_endian: false,
        }),
        big: true,
        window: !wide,
    }
}

/// All guests that have a list.
pub fn guests() -> [Guest; 5] {
    let arm = Arm {
        model: target_arm::CpuModel::find("max").unwrap(),
        big_endian: false,
        platform_code: None,
    };
    let aarch64 = Aarch64 {
        model: target_aarch64::CpuModel::find("max").unwrap(),
        big_endian: false,
    };
    let riscv = Riscv {
        cpu: Cpu::parse(None, 64).unwrap(),
    };
    let little = |name, isa, window| Guest {
        name,
        isa,
        big: false,
        window,
    };
    [
        little("arm", Box::new(arm), true),
        little("aarch64", Box::new(aarch64), false),
        ppc("ppc", false, "7450"),
        ppc("ppc64", true, "power9"),
        little("riscv64", Box::new(riscv), false),
    ]
}

/// A list's line for these instructions.
pub fn measure(guest: &Guest, words: &[u32]) -> String {
    let order = |w: &u32| match guest.big {
        true => w.to_be_bytes(),
        false => w.to_le_bytes(),
    };
    let code: Vec<u8> = words.iter().flat_map(order).collect();
    let mut state = vec![0; guest.isa.state_bytes()];
    guest.isa.reset(&mut state);
    let mode = guest.isa.mode(&state, 0);
    let hex: Vec<String> = words.iter().map(|w| format!("{w:08x}")).collect();
    let text: Vec<String> = (0..words.len())
        .map(|k| {
            let pc = CODE + 4 * k as u64;
            let (text, _) = guest.isa.disassemble(pc, mode, &code[4 * k..]);
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect();
    let count = count(guest, mode, &code);
    format!("{count:3}  {}  {}", hex.join(" "), text.join("; "))
}

fn count(guest: &Guest, mode: u32, code: &[u8]) -> usize {
    let mut fetch = |va: GuestVa, buf: &mut [u8]| {
        let at = va.0.wrapping_sub(CODE) as usize;
        let there = code.get(at..).filter(|c| !c.is_empty());
        let there = there.ok_or(MemFault {
            va,
            access: Access::Exec,
            kind: FaultKind::Unmapped,
        })?;
        let n = there.len().min(buf.len());
        buf[..n].copy_from_slice(&there[..n]);
        Ok(n)
    };
    let mut ctx = TranslateCtx {
        fetch: &mut fetch,
        limits: BlockLimits::full(code.len() as u32 / 4),
        parallel: false,
        forward: true,
    };
    let block = guest.isa.translate(CODE, mode, &mut ctx).unwrap();
    let features = Features {
        avx2: true,
        bmi2: true,
        fma: true,
        movbe: true,
        lzcnt: true,
        popcnt: true,
        pclmul: true,
        aes: true,
        sha: true,
        f16c: true,
    };
    let opts = Opts {
        parallel: false,
        loops: false,
        window: guest.window,
        unmask: true,
        ..Opts::default()
    };
    let (layout, helpers) = (guest.isa.layout(), guest.isa.helpers());
    let host = tcg_x64::compile(&block, layout, helpers, &features, &opts).unwrap();
    let decoder = Decoder::with_ip(64, &host.code[ENTRY..], 0, DecoderOptions::NONE);
    let leaves = |i: &iced_x86::Instruction| {
        let flow = i.flow_control();
        matches!(
            flow,
            FlowControl::UnconditionalBranch | FlowControl::IndirectBranch | FlowControl::Return
        )
    };
    decoder.into_iter().take_while(|i| !leaves(i)).count()
}
