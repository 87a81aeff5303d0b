/* The first core gets a stack and a clean .bss; the others, if any, sleep. */

    .section .start, "ax"
    .globl hil_start
hil_start:
    csrr t0, mhartid
    bnez t0, park
    la sp, hil_stack_top
    la t0, fault
    csrw mtvec, t0
    la t0, hil_bss_start
    la t1, hil_bss_end
clear:
    bgeu t0, t1, ready
    sw zero, 0(t0)
    addi t0, t0, 4
    j clear
ready:
    li a0, 0
    li a1, 0
    call main
    .balign 4
fault: /* nothing is left to trust: QEMU's test device at 0x100000 takes 0x7777 as a reset */
    li t0, 0x100000
    li t1, 0x7777
    sw t1, 0(t0)
park:
    wfi
    j park
