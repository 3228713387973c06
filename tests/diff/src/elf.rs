//! A static ELF executable of two segments: code at its place, and memory to write. [gABI 4, 5]

/// What an ELF header says of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// 64-bit addresses.
    pub wide: bool,
    /// Big-endian headers (and data).
    pub big: bool,
    /// `e_machine`.
    pub number: u16,
    /// `e_flags`.
    pub flags: u32,
}

/// The pieces of the program.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    /// Where it starts.
    pub entry: u64,
    /// Where the code segment is; page-aligned.
    pub code_at: u64,
    /// Its bytes.
    pub code: &'a [u8],
    /// Where the data segment is; page-aligned.
    pub data_at: u64,
    /// Its bytes; what is behind is 0.
    pub data: &'a [u8],
    /// Its size in memory.
    pub data_len: u64,
}

struct Writer {
    bytes: Vec<u8>,
    machine: Machine,
}

impl Writer {
    fn number(&mut self, value: u64, len: usize) {
        let le = value.to_le_bytes();
        let mut part = le[..len].to_vec();
        if self.machine.big {
            part.reverse();
        }
        self.bytes.extend(part);
    }

    fn half(&mut self, v: u16) {
        self.number(v.into(), 2);
    }

    fn word(&mut self, v: u32) {
        self.number(v.into(), 4);
    }

    /// Address-sized.
    fn addr(&mut self, v: u64) {
        self.number(v, if self.machine.wide { 8 } else { 4 });
    }

    fn segment(&mut self, at: u64, offset: u64, len: u64, mem: u64, flags: u32) {
        self.word(1);
        if self.machine.wide {
            self.word(flags);
        }
        for v in [offset, at, at, len, mem] {
            self.addr(v);
        }
        if !self.machine.wide {
            self.word(flags);
        }
        self.addr(0x1000);
    }
}

/// The file.
pub fn file(machine: Machine, image: &Image<'_>) -> Vec<u8> {
    let (head, entry_len): (u16, u16) = if machine.wide { (64, 56) } else { (52, 32) };
    let class = if machine.wide { 2 } else { 1 };
    let order = if machine.big { 2 } else { 1 };
    let mut w = Writer {
        bytes: vec![0x7f, b'E', b'L', b'F', class, order, 1],
        machine,
    };
    w.bytes.resize(16, 0);
    w.half(2);
    w.half(machine.number);
    w.word(1);
    w.addr(image.entry);
    w.addr(head.into());
    w.addr(0);
    w.word(machine.flags);
    for v in [head, entry_len, 2, if machine.wide { 64 } else { 40 }, 0, 0] {
        w.half(v);
    }
    let code_offset = 0x1000u64;
    let data_offset = (code_offset + image.code.len() as u64).next_multiple_of(0x1000);
    let (code_len, data_len) = (image.code.len() as u64, image.data.len() as u64);
    w.segment(image.code_at, code_offset, code_len, code_len, 5);
    w.segment(image.data_at, data_offset, data_len, image.data_len, 6);
    w.bytes.resize(code_offset as usize, 0);
    w.bytes.extend_from_slice(image.code);
    w.bytes.resize(data_offset as usize, 0);
    w.bytes.extend_from_slice(image.data);
    w.bytes
}
