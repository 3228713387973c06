//! The few instructions that the runtime is made of. [PowerISA I.2, I.3]

/// Code under construction.
pub struct Asm {
    /// Where it starts.
    pub at: u64,
    /// Its words.
    pub words: Vec<u32>,
    /// 64-bit registers.
    pub wide: bool,
}

impl Asm {
    /// The address of the next instruction.
    pub fn pc(&self) -> u64 {
        self.at + 4 * self.words.len() as u64
    }

    /// Any instruction.
    pub fn put(&mut self, word: u32) {
        self.words.push(word);
    }

    /// Opcode, two registers, a 16-bit immediate.
    pub fn d(&mut self, opcode: u32, t: u32, a: u32, imm: i64) {
        self.put(opcode << 26 | t << 21 | a << 16 | (imm as u32 & 0xffff));
    }

    /// Opcode 31 with three registers.
    pub fn x(&mut self, extended: u32, t: u32, a: u32, b: u32) {
        self.put(31 << 26 | t << 21 | a << 16 | b << 11 | extended << 1);
    }

    /// A small constant.
    pub fn li(&mut self, t: u32, imm: i64) {
        self.d(14, t, 0, imm);
    }

    /// A constant below 2^31.
    pub fn set(&mut self, t: u32, value: u64) {
        self.d(15, t, 0, (value >> 16) as i64);
        self.d(24, t, t, value as i64);
    }

    /// Loads a word of 4 bytes.
    pub fn lwz(&mut self, t: u32, base: u32, offset: usize) {
        self.d(32, t, base, offset as i64);
    }

    /// Stores a word of 4 bytes.
    pub fn stw(&mut self, s: u32, base: u32, offset: usize) {
        self.d(36, s, base, offset as i64);
    }

    /// Loads a register of the machine's width.
    pub fn load(&mut self, t: u32, base: u32, offset: usize) {
        self.d(if self.wide { 58 } else { 32 }, t, base, offset as i64);
    }

    /// Stores a register of the machine's width.
    pub fn store(&mut self, s: u32, base: u32, offset: usize) {
        self.d(if self.wide { 62 } else { 36 }, s, base, offset as i64);
    }

    fn spr(&mut self, extended: u32, t: u32, spr: u32) {
        self.x(extended, t, spr & 31, spr >> 5);
    }

    /// To a special register.
    pub fn mtspr(&mut self, spr: u32, s: u32) {
        self.spr(467, s, spr);
    }

    /// From a special register.
    pub fn mfspr(&mut self, t: u32, spr: u32) {
        self.spr(339, t, spr);
    }

    /// A system call with its number.
    pub fn call(&mut self, number: i64) {
        self.li(0, number);
        self.put(0x4400_0002);
    }

    /// A jump.
    pub fn jump(&mut self, target: u64) {
        let word = branch(self.pc(), target);
        self.put(word);
    }
}

/// The instruction that jumps from one address to another.
pub fn branch(at: u64, target: u64) -> u32 {
    18 << 26 | target.wrapping_sub(at) as u32 & 0x03ff_fffc
}
