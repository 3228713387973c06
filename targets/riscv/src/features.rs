//! CPU models and their properties, by QEMU's names: `MODEL[,PROPERTY=on|off]…`, as in `rv64,zba=true,c=off`.

use crate::decode::{Feature, FeatureSet};

/// What a CPU has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// What it implements.
    pub features: FeatureSet,
    /// Name of the microarchitecture for /proc/cpuinfo.
    pub uarch: &'static str,
    /// mvendorid, marchid, mimpid.
    pub ids: [u64; 3],
}

/// A CPU model.
#[derive(Clone, Copy, Debug)]
pub struct CpuModel {
    /// The name on the command line.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// Its letters and extensions, without the base.
    extensions: &'static [&'static [Feature]],
    /// 32 or 64; 0: whatever the guest is.
    bits: u32,
    uarch: &'static str,
    ids: [u64; 3],
}

use Feature as F;

const GC: &[F] = &[F::M, F::A, F::D, F::C, F::Zifencei, F::Zicntr];
const IMAC: &[F] = &[F::M, F::A, F::C, F::Zifencei, F::Zicntr];
/// What QEMU's base models have besides the letters.
const USUAL: &[F] = &[
    F::Zawrs,
    F::Zfa,
    F::Zba,
    F::Zbb,
    F::Zbc,
    F::Zbs,
    F::Zicbom,
    F::Zicbop,
    F::Zicboz,
    F::Zihintntl,
    F::Zihintpause,
    F::Zihpm,
];
const REST: &[F] = &[
    F::Zicond,
    F::Zimop,
    F::Zcmop,
    F::Zcb,
    F::Zacas,
    F::Zabha,
    F::Zbkb,
    F::Zbkc,
    F::Zbkx,
    F::Zfh,
];
const RVA22: &[F] = &[
    F::Zba,
    F::Zbb,
    F::Zbs,
    F::Zfhmin,
    F::Zicbom,
    F::Zicbop,
    F::Zicboz,
    F::Zihintpause,
    F::Zihpm,
];
const RVA23: &[F] = &[
    F::Zicond,
    F::Zimop,
    F::Zcmop,
    F::Zcb,
    F::Zfa,
    F::Zawrs,
    F::Zihintntl,
];

const fn model(
    name: &'static str,
    title: &'static str,
    bits: u32,
    extensions: &'static [&'static [F]],
) -> CpuModel {
    CpuModel {
        name,
        title,
        extensions,
        bits,
        uarch: "",
        ids: [0; 3],
    }
}

const SIFIVE: u64 = 0x489;

/// All models, the default first.
pub static MODELS: &[CpuModel] = &[
    model(
        "max",
        "everything that is implemented",
        0,
        &[GC, USUAL, REST],
    ),
    model("rv64", "RV64GC and common extensions", 64, &[GC, USUAL]),
    model("rv64i", "RV64I and nothing else", 64, &[]),
    model("rva22u64", "the profile RVA22U64", 64, &[GC, RVA22]),
    model(
        "rva23u64",
        "the profile RVA23U64, without vectors",
        64,
        &[GC, RVA22, RVA23],
    ),
    model("rv32", "RV32GC and common extensions", 32, &[GC, USUAL]),
    model("rv32i", "RV32I and nothing else", 32, &[]),
    model("sifive-e51", "SiFive E51", 64, &[IMAC]),
    model("sifive-e31", "SiFive E31", 32, &[IMAC]),
    model("sifive-e34", "SiFive E34", 32, &[IMAC, &[F::F]]),
    CpuModel {
        uarch: "sifive,u54",
        ids: [SIFIVE, 0x8000_0000_0000_0001, 0],
        ..model("sifive-u54", "SiFive U54", 64, &[GC])
    },
    model("sifive-u34", "SiFive U34", 32, &[GC]),
    CpuModel {
        uarch: "thead,c906",
        ids: [0x5b7, 0, 0],
        ..model(
            "thead-c906",
            "T-Head C906, without its own extensions",
            64,
            &[GC, &[F::Zfh]],
        )
    },
];

/// The properties that switch an extension, by QEMU's names.
const PROPERTIES: &[(&str, F)] = &[
    ("m", F::M),
    ("a", F::A),
    ("f", F::F),
    ("d", F::D),
    ("c", F::C),
    ("zicsr", F::Zicsr),
    ("zifencei", F::Zifencei),
    ("zicntr", F::Zicntr),
    ("zihpm", F::Zihpm),
    ("zihintpause", F::Zihintpause),
    ("zihintntl", F::Zihintntl),
    ("zicond", F::Zicond),
    ("zimop", F::Zimop),
    ("zcmop", F::Zcmop),
    ("zawrs", F::Zawrs),
    ("zicbom", F::Zicbom),
    ("zicbop", F::Zicbop),
    ("zicboz", F::Zicboz),
    ("zacas", F::Zacas),
    ("zabha", F::Zabha),
    ("zba", F::Zba),
    ("zbb", F::Zbb),
    ("zbc", F::Zbc),
    ("zbs", F::Zbs),
    ("zbkb", F::Zbkb),
    ("zbkc", F::Zbkc),
    ("zbkx", F::Zbkx),
    ("zcb", F::Zcb),
    ("zfhmin", F::Zfhmin),
    ("zfh", F::Zfh),
    ("zfa", F::Zfa),
];

/// Properties of QEMU's that user mode does not see: accepted.
const PRIVILEGED: &[&str] = &[
    "mmu",
    "pmp",
    "sstc",
    "svade",
    "svadu",
    "svinval",
    "svnapot",
    "svpbmt",
    "h",
    "s",
    "u",
    "i",
    "g",
    "zicclsm",
    "ziccif",
    "ziccrse",
    "ziccamoa",
    "zic64b",
    "za64rs",
    "za128rs",
    "zaamo",
    "zalrsc",
    "zca",
    "zcd",
    "zcf",
    "priv_spec",
    "cbom_blocksize",
    "cboz_blocksize",
    "cbop_blocksize",
    "mvendorid",
    "marchid",
    "mimpid",
    "pmu-mask",
    "pmu-num",
    "misa_w",
];

impl Cpu {
    /// The CPU that the text calls for; `None`: the default. The error is a message for the user.
    pub fn parse(text: Option<&str>, bits: u32) -> Result<Cpu, String> {
        let text = text.unwrap_or("max");
        let mut words = text.split(',');
        let name = words.next().unwrap_or_default();
        let model = MODELS
            .iter()
            .find(|m| m.name == name && (m.bits == 0 || m.bits == bits))
            .ok_or_else(|| format!("unknown CPU model '{name}' (-cpu help lists them)"))?;
        let mut features = FeatureSet::NONE.with(if bits == 64 { F::Rv64 } else { F::Rv32 });
        for f in model.extensions.iter().flat_map(|l| l.iter()) {
            features = features.with(*f);
        }
        for word in words {
            features = property(features, word)?;
        }
        Ok(Cpu {
            features,
            uarch: model.uarch,
            ids: model.ids,
        })
    }

    /// Whether registers have 64 bits.
    pub const fn is_64(&self) -> bool {
        self.features.has(F::Rv64)
    }

    /// Whether it has an extension.
    pub const fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }

    /// The single letters that it has, in canonical order.
    pub fn letters(&self) -> String {
        let table = [
            ('m', F::M),
            ('a', F::A),
            ('f', F::F),
            ('d', F::D),
            ('c', F::C),
        ];
        let has = table.into_iter().filter(|(_, f)| self.has(*f));
        std::iter::once('i').chain(has.map(|(c, _)| c)).collect()
    }

    /// The extensions with longer names, in the order of [`Cpu::isa_string`].
    pub fn long_names(&self) -> Vec<&'static str> {
        let mut names: Vec<&str> = PROPERTIES
            .iter()
            .filter(|(n, f)| n.len() > 1 && self.has(*f))
            .map(|(n, _)| *n)
            .collect();
        // Z extensions go by the category letter behind the Z, in the order of the single letters.
        let category = |n: &str| "imafdqcbvh".find(&n[1..2]).unwrap_or(99);
        names.sort_by_key(|n| (category(n), *n));
        names
    }

    /// The ISA string, such as `rv64imafdc_zicsr`.
    pub fn isa_string(&self) -> String {
        let mut out = format!("rv{}{}", if self.is_64() { 64 } else { 32 }, self.letters());
        for name in self.long_names() {
            out.push('_');
            out.push_str(name);
        }
        out
    }

    /// AT_HWCAP: a bit for each single letter. [Linux arch/riscv/include/uapi/asm/hwcap.h]
    pub fn hwcap(&self) -> u64 {
        self.letters()
            .bytes()
            .fold(0, |set, c| set | 1 << (c - b'a'))
    }
}

fn property(features: FeatureSet, word: &str) -> Result<FeatureSet, String> {
    let (name, value) = match word.split_once('=') {
        Some((n, v)) => (n, v),
        None => match (word.strip_prefix('+'), word.strip_prefix('-')) {
            (Some(n), _) => (n, "on"),
            (_, Some(n)) => (n, "off"),
            _ => (word, "on"),
        },
    };
    let name = name.to_ascii_lowercase();
    if PRIVILEGED.contains(&name.as_str()) {
        return Ok(features);
    }
    let on = match value {
        "on" | "true" | "yes" | "y" => true,
        "off" | "false" | "no" | "n" => false,
        other => {
            return Err(format!(
                "CPU property '{name}': '{other}' is neither on nor off"
            ));
        }
    };
    match PROPERTIES.iter().find(|(n, _)| *n == name) {
        Some((_, f)) if on => Ok(features.with(*f)),
        Some((_, f)) => Ok(without(features, *f)),
        None if !on => Ok(features),
        None => Err(format!("CPU property '{name}' is not implemented")),
    }
}

/// Without an extension and those that need it.
fn without(features: FeatureSet, feature: Feature) -> FeatureSet {
    let needs = |f: Feature| FeatureSet::NONE.with(f).has(feature);
    PROPERTIES
        .iter()
        .filter(|(_, f)| needs(*f))
        .fold(features, |set, (_, f)| set.without(*f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_switch_extensions() {
        let cpu = |text| Cpu::parse(Some(text), 64);
        let plain = cpu("rv64i").expect("a model");
        assert_eq!(plain.isa_string(), "rv64i");
        assert!(cpu("rv64i,zba=true").expect("a property").has(Feature::Zba));
        // What needs it goes, too.
        let soft = cpu("rv64,f=off").expect("a property");
        assert!(!soft.has(Feature::D) && !soft.has(Feature::Zfa) && soft.has(Feature::C));
        assert_eq!(cpu("sifive-u54").map(|c| c.hwcap()), Ok(0x112d));
        assert!(cpu("rv64,v=true").is_err());
        assert!(cpu("rv64,v=false").is_ok());
        assert!(cpu("rv32").is_err());
        assert!(Cpu::parse(Some("rv32"), 32).is_ok_and(|c| !c.is_64()));
    }

    #[test]
    fn isa_string_is_in_canonical_order() {
        let cpu = Cpu::parse(Some("rv64i,m=on,zbb=on,zba=on,zicsr=on"), 64).expect("properties");
        assert_eq!(cpu.isa_string(), "rv64im_zicsr_zba_zbb");
    }
}
