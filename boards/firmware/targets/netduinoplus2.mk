# The STM32F4 firmware under QEMU, whose emulated core runs at 168 MHz and one instruction a nanosecond.
include targets/stm32f4.mk
NAME    := cortex-m4 on netduinoplus2
TICKS   := -DHIL_TICK_NUMERATOR=1000u -DHIL_TICK_DENOMINATOR=168u -DHIL_TICK_KIND=HIL_COUNT_INSTRUCTIONS
