# QEMU machine mps3-an547.
CROSS   := arm-none-eabi-
PORT    := port/cortexm.c port/cmsdk.c src/memory.c
SCRIPT  := ld/an547.ld
MACHINE := -mcpu=cortex-m55 -mthumb -mfloat-abi=soft
DEFINES := -DHIL_NAME='"cortex-m55 on mps3-an547"' -DHIL_UART=0x59303000u -DHIL_UART_RX_INTERRUPT=33u \
           -DHIL_TICK_NUMERATOR=125u -DHIL_TICK_DENOMINATOR=4u -DHIL_TICK_KIND=HIL_COUNT_INSTRUCTIONS
