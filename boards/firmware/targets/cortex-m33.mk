# QEMU machine mps2-an505.
CROSS   := arm-none-eabi-
PORT    := port/cortexm.c port/cmsdk.c src/memory.c
SCRIPT  := ld/an505.ld
MACHINE := -mcpu=cortex-m33 -mthumb -mfloat-abi=soft
DEFINES := -DHIL_NAME='"cortex-m33 on mps2-an505"' -DHIL_UART=0x50200000u -DHIL_UART_RX_INTERRUPT=32u \
           -DHIL_TICK_NUMERATOR=50u -DHIL_TICK_DENOMINATOR=1u -DHIL_TICK_KIND=HIL_COUNT_INSTRUCTIONS
