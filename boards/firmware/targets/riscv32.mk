# QEMU machine virt, 32 bits.
CROSS   := riscv64-unknown-elf-
PORT    := port/rv32_start.S port/virt.c src/memory.c
SCRIPT  := ld/virt.ld
MACHINE := -march=rv32imac_zicsr -mabi=ilp32 -mcmodel=medany
DEFINES := -DHIL_NAME='"rv32imac on virt"'
