# QEMU machine mps2-an385.
CROSS   := arm-none-eabi-
PORT    := port/cortexm.c port/cmsdk.c src/memory.c
SCRIPT  := ld/mps2.ld
MACHINE := -mcpu=cortex-m3 -mthumb -mfloat-abi=soft
DEFINES := -DHIL_NAME='"cortex-m3 on mps2-an385"' -DHIL_UART=0x40004000u -DHIL_UART_RX_INTERRUPT=0u \
           -DHIL_TICK_NUMERATOR=40u -DHIL_TICK_DENOMINATOR=1u -DHIL_TICK_KIND=HIL_COUNT_INSTRUCTIONS
