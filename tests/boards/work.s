# A program without an operating system for the ppce500 board: it works on memory and mixes the time base and a count of
# timer interrupts into what it computes, waits for an interrupt now and then, prints what it has, and switches off.
# Whatever is not the same in two runs shows.
        .equ    ROUNDS, 1000
        .equ    WORDS, 0x40000
        .globl  _start
        # A page of registers, at the same place in the 4 GiB from 0xf_0000_0000 on.
        .macro  map entry, at
        lis     3, 0x1000 + \entry      # MAS0: TLB1
        mtspr   624, 3
        lis     3, 0xc000               # MAS1: valid, protected, 4 KiB
        ori     3, 3, 0x100
        mtspr   625, 3
        lis     3, \at >> 16               # MAS2: uncached and guarded
        ori     3, 3, (\at & 0xffff) | 0xa
        mtspr   626, 3
        lis     3, \at >> 16               # MAS3 and 7: for the supervisor
        ori     3, 3, (\at & 0xffff) | 0x15
        mtspr   627, 3
        li      3, 0xf
        mtspr   944, 3
        isync
        tlbwe
        isync
        .endm
_start:
        map     1, 0xe0004000           # the serial ports
        map     2, 0xe00ff000           # GPIO
        lis     3, vectors@ha
        mtspr   63, 3                   # IVPR
        li      3, 0x100
        mtspr   410, 3                  # IVOR10: decrementer
        li      25, 0                   # interrupts
        lis     26, 0xe000
        ori     26, 26, 0x4500
        lis     3, 1                    # 65536 ticks
        mtspr   54, 3                   # DECAR
        mtspr   22, 3                   # DEC
        lis     3, 0x0440               # TCR: interrupt, reload
        mtspr   340, 3
        mfspr   3, 1008                 # HID0: doze
        oris    3, 3, 0x0080
        mtspr   1008, 3
        wrteei  1
        li      30, ROUNDS
        li      31, 1
round:
        lis     28, 0x0200
        lis     29, WORDS@h
        ori     29, 29, WORDS@l
        mtctr   29
work:
        lwz     3, 0(28)
        mulli   31, 31, 25173
        addi    31, 31, 13849
        add     3, 3, 31
        rlwinm  3, 3, 7, 0, 31
        stw     3, 0(28)
        xor     31, 31, 3
        addi    28, 28, 4
        bdnz    work
        mftb    3
        xor     31, 31, 3
        add     31, 31, 25
        # Until the next interrupt.
        mfmsr   4
        oris    4, 4, 0x0004
        msync
        mtmsr   4
        isync
        mftb    3
        xor     31, 31, 3
        # Eight digits.
        li      27, 8
        mr      24, 31
digit:
        rlwinm  24, 24, 4, 0, 31
        andi.   3, 24, 15
        addi    3, 3, 0x41
        bl      put
        addic.  27, 27, -1
        bne     digit
        li      3, 10
        bl      put
        addic.  30, 30, -1
        bne     round
        li      3, 0x5a                 # Z, for the end
        bl      put
        lis     4, 0xe00f
        ori     4, 4, 0xf000
        lis     3, 0x8000               # the first pin, an output, high: power off
        stw     3, 0(4)
        stw     3, 8(4)
stay:   b       stay
put:
        lbz     5, 5(26)
        andi.   5, 5, 0x20
        beq     put
        stb     3, 0(26)
        blr
        .balign 0x10000
vectors:
        .skip   0x100
        # Registers 20 and 21 are the handler's.
        addi    25, 25, 1
        lis     20, 0x0800
        mtspr   336, 20                 # TSR: DIS
        mfspr   20, 27                  # SRR1: not waiting any more
        rlwinm  20, 20, 0, 14, 12
        mtspr   27, 20
        rfi
