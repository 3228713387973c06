//! Units of the 4xx parts that are nothing but device control registers here: clocks, straps,
//! memory controllers, bus arbiters, caches. [PPC440EP, PPC460EX] `lint: table`

mod file;

use crate::class::{Build, Class, Place};
use file::{Access, How, Register, Unit};
use softmmu_core::props::{Kind, Prop};

/// Values of registers at the start, as pins or firmware would have left them.
const VALUES: Prop = Prop::new(
    "values",
    Kind::Text,
    "",
    "registers at the start: NUMBER=VALUE ...",
);

const KEEP: How = How::Keep(u32::MAX);

const fn reg(number: u32, name: &'static str, how: How) -> Register {
    regs(number, 1, name, how)
}

const fn regs(number: u32, count: u32, name: &'static str, how: How) -> Register {
    Register {
        number,
        count,
        name,
        how,
    }
}

const fn class(
    name: &'static str,
    title: &'static str,
    create: fn(&mut Build<'_>) -> Result<(), String>,
) -> Class {
    Class {
        name,
        aliases: &[],
        title,
        place: Place::System,
        props: &[VALUES],
        create,
    }
}

/// All of them.
#[rustfmt::skip]
pub const CLASSES: &[Class] = &[
    class("ppc4xx-cpr", "Clocks and power-on reset of the 4xx parts", |b| file::create(b, &CPR, &[])),
    class("ppc4xx-sdr", "System registers of the 4xx parts: straps, pins, PCI Express set-up", |b| file::create(b, &SDR, &[])),
    class("ppc4xx-ebc", "External bus controller of the 4xx parts", |b| file::create(b, &EBC, &[])),
    class("ppc4xx-plb", "Processor local bus arbiters of the 4xx parts", |b| file::create(b, &PLB, &[])),
    class("ppc4xx-ahb", "Bridge to the AHB of the 460EX", |b| file::create(b, &AHB, &[])),
    class("ppc4xx-mal", "Memory access layer of the 4xx parts, with no Ethernet at it", |b| file::create(b, &MAL, &[])),
    class("ppc4xx-dma", "DMA controller of the 4xx parts (registers only)", |b| file::create(b, &DMA, &[])),
    class("ppc4xx-isram", "Internal SRAM controller of the 4xx parts (registers only)", |b| file::create(b, &ISRAM, &[])),
    class("ppc4xx-l2c", "Second-level cache controller of the 4xx parts", |b| file::create(b, &L2C, &[(4, 1 << 31)])),
    class("ppc4xx-sdram-ddr", "DDR memory controller of the 440EP", sdram),
    class("ppc4xx-sdram-ddr2", "DDR2 memory controller of the 460EX", |b| {
        // The memory is there, trained and refreshed.
        file::create(b, &SDRAM2, &[(0x14, 1 << 31), (0x21, 1 << 27)])
    }),
    class("ppc4xx-mq", "Memory queue of the 460EX", memory_queue),
];

#[rustfmt::skip]
static CPR: Unit = Unit { name: "ppc4xx-cpr", count: 2, access: Access::Indirect, registers: &[
    reg(0x20, "CPR0_CLKUPD", KEEP), reg(0x40, "CPR0_PLLC", KEEP), reg(0x60, "CPR0_PLLD", KEEP),
    reg(0x80, "CPR0_PRIMAD", KEEP), reg(0xa0, "CPR0_PRIMBD", KEEP), reg(0xc0, "CPR0_OPBD", KEEP),
    reg(0xe0, "CPR0_PERD", KEEP), reg(0x100, "CPR0_MALD or AHBD", KEEP), reg(0x120, "CPR0_SPCID", KEEP),
    reg(0x140, "CPR0_ICFG", KEEP),
] };

#[rustfmt::skip]
static SDR: Unit = Unit { name: "ppc4xx-sdr", count: 2, access: Access::Indirect, registers: &[
    reg(0x20, "SDR0_SDSTP0", KEEP), reg(0x21, "SDR0_SDSTP1", KEEP), regs(0x22, 2, "SDR0_SDSTP2", KEEP),
    reg(0x40, "SDR0_PINSTP", How::Fixed), reg(0x60, "SDR0_SDCS0", KEEP), regs(0x80, 4, "SDR0_ECID", How::Fixed),
    reg(0xc0, "SDR0_JTAG", How::Fixed), reg(0xe0, "SDR0_DDRDL", KEEP), reg(0xe1, "SDR0_DDR0", KEEP),
    reg(0x100, "SDR0_EBC", KEEP), regs(0x120, 4, "SDR0_UART", KEEP), reg(0x180, "SDR0_CP440", KEEP),
    reg(0x1c0, "SDR0_XCR", KEEP), reg(0x1c1, "SDR0_XPLLC", KEEP), reg(0x1c2, "SDR0_XPLLD", KEEP),
    regs(0x200, 2, "SDR0_SRST", KEEP), reg(0x220, "SDR0_SLPIPE", KEEP), regs(0x240, 2, "SDR0_AMP", KEEP),
    regs(0x260, 2, "SDR0_MIRQ", KEEP), reg(0x280, "SDR0_MALTBL", KEEP), reg(0x2a0, "SDR0_MALRBL", KEEP),
    reg(0x2c0, "SDR0_MALTBS", KEEP), reg(0x2e0, "SDR0_MALRBS", KEEP),
    // PCI Express port 0: no card is there (LOOP), its reset is over (RCSSTS, RSTSTA).
    regs(0x300, 3, "PESDR0_UTLSET1", KEEP), reg(0x303, "PESDR0_LOOP", How::Fixed), reg(0x304, "PESDR0_RCSSET", KEEP),
    reg(0x305, "PESDR0_RCSSTS", How::Fixed), regs(0x308, 8, "PESDR0 of the lane", KEEP), reg(0x310, "PESDR0_RSTSTA", How::Fixed),
    reg(0x320, "SDR0_USB0", KEEP),
    regs(0x340, 3, "PESDR1_UTLSET1", KEEP), reg(0x343, "PESDR1_LOOP", How::Fixed), reg(0x344, "PESDR1_RCSSET", KEEP),
    reg(0x345, "PESDR1_RCSSTS", How::Fixed), regs(0x348, 29, "PESDR1 of the lanes", KEEP), reg(0x365, "PESDR1_RSTSTA", How::Fixed),
    regs(0x368, 4, "PESDR0_PLLLCT and SATA", KEEP), regs(0x36c, 4, "PESDR0_MSI", KEEP),
    reg(0x4000, "SDR0_CUST0", KEEP), reg(0x4002, "SDR0_CUST1", KEEP), regs(0x4100, 5, "SDR0_PFC", KEEP),
    reg(0x4300, "SDR0_MFR", KEEP), reg(0x4303, "SDR0_ETH_CFG", KEEP),
] };

#[rustfmt::skip]
static EBC: Unit = Unit { name: "ppc4xx-ebc", count: 2, access: Access::Indirect, registers: &[
    regs(0x0, 8, "EBC0_BnCR", KEEP), regs(0x10, 8, "EBC0_BnAP", KEEP), reg(0x20, "EBC0_BEAR", How::Fixed),
    regs(0x21, 2, "EBC0_BESR", How::Clear), reg(0x23, "EBC0_CFG", KEEP), reg(0x24, "EBC0_CID", How::Fixed),
] };

/// From 0x74 on: arbiters of two PLB4 segments and of the PLB3.
#[rustfmt::skip]
static PLB: Unit = Unit { name: "ppc4xx-plb", count: 0x1c, access: Access::Direct, registers: &[
    reg(0x3, "PLB3_ACR", KEEP), reg(0x8, "PLB4A0_REVID", How::Fixed), reg(0xd, "PLB4A0_ACR", KEEP),
    reg(0xf, "PLB4A0_BEARL", How::Fixed), reg(0x10, "PLB4A0_BESR", How::Clear), reg(0x12, "PLB4A0_BEARH", How::Fixed),
    reg(0x13, "PLB4A0_CCR", KEEP), reg(0x15, "PLB4A1_ACR", KEEP), reg(0x17, "PLB4A1_BEARL", How::Fixed),
    reg(0x18, "PLB4A1_BESR", How::Clear), reg(0x1a, "PLB4A1_BEARH", How::Fixed), reg(0x1b, "PLB4A1_CCR", KEEP),
] };

#[rustfmt::skip]
static AHB: Unit = Unit { name: "ppc4xx-ahb", count: 2, access: Access::Direct, registers: &[
    reg(0, "AHB_TOP", KEEP), reg(1, "AHB_BOT", KEEP),
] };

#[rustfmt::skip]
static MAL: Unit = Unit { name: "ppc4xx-mal", count: 0x80, access: Access::Direct, registers: &[
    // The soft reset is over at once.
    reg(0x0, "MAL0_CFG", How::Keep(0x7fff_ffff)), reg(0x1, "MAL0_ESR", How::Clear), reg(0x2, "MAL0_IER", KEEP),
    reg(0x4, "MAL0_TXCASR", How::Starts(u32::MAX)), reg(0x5, "MAL0_TXCARR", How::Clear), reg(0x6, "MAL0_TXEOBISR", How::Clear),
    reg(0x7, "MAL0_TXDEIR", How::Clear), regs(0x8, 3, "MAL0_TXBADDR and ICLKR", KEEP),
    reg(0x10, "MAL0_RXCASR", How::Starts(u32::MAX)), reg(0x11, "MAL0_RXCARR", How::Clear), reg(0x12, "MAL0_RXEOBISR", How::Clear),
    reg(0x13, "MAL0_RXDEIR", How::Clear), regs(0x14, 3, "MAL0_RXBADDR", KEEP),
    regs(0x20, 32, "MAL0_TXCTPR", KEEP), regs(0x40, 32, "MAL0_RXCTPR", KEEP), regs(0x60, 32, "MAL0_RCBS", KEEP),
] };

/// Four channels of eight registers.
#[rustfmt::skip]
static DMA: Unit = Unit { name: "ppc4xx-dma", count: 0x27, access: Access::Direct, registers: &[
    reg(0x00, "DMA0_CR0", How::Starts(1 << 31)), regs(0x01, 7, "DMA0 channel 0", KEEP),
    reg(0x08, "DMA0_CR1", How::Starts(1 << 31)), regs(0x09, 7, "DMA0 channel 1", KEEP),
    reg(0x10, "DMA0_CR2", How::Starts(1 << 31)), regs(0x11, 7, "DMA0 channel 2", KEEP),
    reg(0x18, "DMA0_CR3", How::Starts(1 << 31)), regs(0x19, 7, "DMA0 channel 3", KEEP),
    reg(0x20, "DMA0_SR", How::Clear), reg(0x23, "DMA0_SGC", How::Starts(0xf000_0000)), reg(0x25, "DMA0_SLP", KEEP),
    reg(0x26, "DMA0_POL", KEEP),
] };

#[rustfmt::skip]
static ISRAM: Unit = Unit { name: "ppc4xx-isram", count: 0xb, access: Access::Direct, registers: &[
    regs(0x0, 4, "ISRAM0_SBCR", KEEP), reg(0x4, "ISRAM0_BEAR", How::Fixed), regs(0x5, 2, "ISRAM0_BESR", How::Clear),
    reg(0x7, "ISRAM0_PMEG", KEEP), regs(0x8, 2, "ISRAM0_CID", How::Fixed), reg(0xa, "ISRAM0_DPC", KEEP),
] };

/// Memory is always coherent: a command is done when it is given (bit 0 of the status).
#[rustfmt::skip]
static L2C: Unit = Unit { name: "ppc4xx-l2c", count: 8, access: Access::Direct, registers: &[
    reg(0x0, "L2C0_CFG", KEEP), reg(0x1, "L2C0_CMD", KEEP), reg(0x2, "L2C0_ADDR", KEEP), reg(0x3, "L2C0_DATA", How::Fixed),
    reg(0x4, "L2C0_SR", How::Fixed), reg(0x5, "L2C0_REVID", How::Fixed), regs(0x6, 2, "L2C0_SNP", KEEP),
] };

#[rustfmt::skip]
static SDRAM: Unit = Unit { name: "ppc4xx-sdram-ddr", count: 2, access: Access::Indirect, registers: &[
    reg(0x00, "SDRAM0_BESR0", How::Clear), reg(0x08, "SDRAM0_BESR1", How::Clear), reg(0x10, "SDRAM0_BEAR", How::Fixed),
    reg(0x20, "SDRAM0_CFG0", KEEP), reg(0x21, "SDRAM0_CFG1", KEEP), reg(0x22, "SDRAM0_DEVOPT", KEEP),
    reg(0x24, "SDRAM0_MCSTS", How::Fixed), reg(0x30, "SDRAM0_RTR", KEEP), reg(0x34, "SDRAM0_PMIT", KEEP),
    reg(0x40, "SDRAM0_B0CR", KEEP), reg(0x44, "SDRAM0_B1CR", KEEP), reg(0x48, "SDRAM0_B2CR", KEEP), reg(0x4c, "SDRAM0_B3CR", KEEP),
    regs(0x80, 4, "SDRAM0_TR, CLKTR, WDDCTR, DLYCAL", KEEP), reg(0x94, "SDRAM0_ECCCFG", KEEP), reg(0x98, "SDRAM0_ECCESR", How::Clear),
] };

#[rustfmt::skip]
static SDRAM2: Unit = Unit { name: "ppc4xx-sdram-ddr2", count: 2, access: Access::Indirect, registers: &[
    reg(0x14, "SDRAM_MCSTAT", How::Fixed), regs(0x20, 2, "SDRAM_MCOPT", KEEP), regs(0x22, 4, "SDRAM_MODT", KEEP),
    regs(0x26, 1, "SDRAM_CODT", KEEP), reg(0x27, "SDRAM_VVPR", KEEP), regs(0x28, 4, "SDRAM_OPARS, OPART", KEEP),
    reg(0x30, "SDRAM_RTR", KEEP), regs(0x40, 4, "SDRAM_MBnCF", KEEP), regs(0x50, 16, "SDRAM_INITPLR", KEEP),
    reg(0x70, "SDRAM_RQDC", KEEP), regs(0x74, 2, "SDRAM_RFDC", KEEP), reg(0x78, "SDRAM_RDCC", KEEP),
    reg(0x7a, "SDRAM_DLCR", KEEP), reg(0x80, "SDRAM_CLKTR", KEEP), reg(0x81, "SDRAM_WRDTR", KEEP),
    regs(0x85, 3, "SDRAM_SDTR", KEEP), reg(0x88, "SDRAM_MMODE", KEEP), reg(0x89, "SDRAM_MEMODE", KEEP),
    reg(0x98, "SDRAM_ECCES", How::Clear), regs(0xa4, 8, "SDRAM calibration", KEEP),
] };

/// From 0x40 on.
#[rustfmt::skip]
static QUEUE: Unit = Unit { name: "ppc4xx-mq", count: 0x11, access: Access::Direct, registers: &[
    regs(0x0, 4, "MQ0_BnBAS", KEEP), reg(0x5, "MQ0_CF1H", KEEP), regs(0x6, 4, "MQ0_BEAR and BESR", How::Clear),
    reg(0xa, "MQ0_BAUL", KEEP), reg(0xb, "MQ0_CF1L", KEEP), reg(0xf, "MQ0_CFBHL", KEEP), reg(0x10, "MQ0_BAUH", KEEP),
] };

/// Where main memory ends.
fn memory(build: &Build<'_>) -> u64 {
    let found = build.host.space.memory(0);
    found.map_or(0, |(ram, ..)| ram.len())
}

/// Four banks of at most 512 MiB, the largest first.
fn sdram(build: &mut Build<'_>) -> Result<(), String> {
    const MIB: u64 = 1 << 20;
    let (mut left, mut at) = (memory(build), 0);
    let mut banks = Vec::new();
    for bank in 0..4u32 {
        // The size is 4 MiB times a power of two.
        let size = left.min(512 * MIB);
        if size < 4 * MIB {
            break;
        }
        let code = (size / (4 * MIB)).ilog2();
        let size = (4 * MIB) << code;
        banks.push((0x40 + 4 * bank, at as u32 & 0xff80_0000 | code << 17 | 1));
        (left, at) = (left - size, at + size);
    }
    file::create(build, &SDRAM, &banks)
}

/// All memory in the first bank, as the boards have one slot.
fn memory_queue(build: &mut Build<'_>) -> Result<(), String> {
    let units = (memory(build) >> 23).clamp(1, 0x3ff) as u32;
    file::create(
        build,
        &QUEUE,
        &[(0, (0x400 - units.next_power_of_two().min(0x200)) << 6 | 1)],
    )
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, device_tests};

    mod sdr {
        use super::*;
        device_tests!("ppc4xx-sdr", |rig: &mut Rig| rig
            .prop("values", "0x83=0x100000 0x310=1"));

        #[test]
        fn registers_by_number() {
            let rig = common_rig();
            let dcr = rig.parts.dcr.clone().unwrap().0;
            let read = |n| {
                dcr.dcr_write(0, n);
                dcr.dcr_read(1)
            };
            assert_eq!((read(0x83), read(0x310), read(0x311)), (0x10_0000, 1, 0));
            dcr.dcr_write(0, 0x310);
            dcr.dcr_write(1, 0);
            assert_eq!(read(0x310), 1, "software cannot change it");
            dcr.dcr_write(0, 0x4100);
            dcr.dcr_write(1, 7);
            assert_eq!(
                (dcr.dcr_read(0), dcr.dcr_read(1), read(0x4101)),
                (0x4100, 7, 0)
            );
        }
    }
    mod mal {
        use super::*;
        device_tests!("ppc4xx-mal", |_: &mut Rig| {});
    }
    mod dma {
        use super::*;
        device_tests!("ppc4xx-dma", |_: &mut Rig| {});
    }
    mod mq {
        use super::*;
        device_tests!("ppc4xx-mq", |_: &mut Rig| {});
    }

    #[test]
    fn memory_controllers_say_what_is_there() {
        let mut rig = Rig::new();
        rig.make("ppc4xx-mq", &[]);
        let (dcr, _) = rig.parts.dcr.clone().unwrap();
        assert_eq!(dcr.dcr_read(0), 0xffc1, "8 MiB is the least");
        rig.make("ppc4xx-l2c", &[]);
        let (dcr, count) = rig.parts.dcr.clone().unwrap();
        assert_eq!((dcr.dcr_read(4), count), (1 << 31, 8));
    }
}
