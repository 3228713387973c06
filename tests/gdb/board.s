# A program without an operating system for the ppce500 board: the first CPU counts, starts the second one through the
# spin table, and both go on counting.
        .globl _start, tick, second, second_loop, counter, other
_start:
        lis     10, counter@ha
        addi    10, 10, counter@l
        lis     3, 0x1001               # MAS0: TLB1, entry 1
        mtspr   624, 3
        lis     3, 0xc000               # MAS1: valid, protected, 4 KiB
        ori     3, 3, 0x100
        mtspr   625, 3
        lis     3, 0xefff               # MAS2: the spin table's page, uncached and guarded
        ori     3, 3, 0xe00a
        mtspr   626, 3
        lis     3, 0xefff               # MAS3 and 7: at 0xf_efffe000, for the supervisor
        ori     3, 3, 0xe015
        mtspr   627, 3
        li      3, 0xf
        mtspr   944, 3
        isync
        tlbwe
        isync
        lis     3, 0xefff
        ori     3, 3, 0xe000
        lis     4, second@ha
        addi    4, 4, second@l
        stw     4, 0x24(3)              # the second CPU's entry: low half of its address
loop:
        bl      tick
        b       loop
tick:
        lwz     6, 0(10)
        addi    6, 6, 1
        stw     6, 0(10)
        blr
second:
        lis     11, other@ha
        addi    11, 11, other@l
        li      7, 0
second_loop:
        addi    7, 7, 1
        stw     7, 0(11)
        b       second_loop
        .data
        .balign 8
counter:
        .long   0
other:
        .long   0
