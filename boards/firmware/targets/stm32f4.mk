# ST Nucleo boards with an STM32F405, F407, F411, F429 or F446 and at least 128 KiB of RAM.
CROSS   := arm-none-eabi-
PORT    := port/cortexm.c port/stm32f4.c src/memory.c
SCRIPT  := ld/stm32f4.ld
MACHINE := -mcpu=cortex-m4 -mthumb -mfloat-abi=soft
NAME    := cortex-m4 on stm32f4
DEFINES  = -DHIL_NAME='"$(NAME)"' -DHIL_PAYLOAD_BYTES=1024 -DHIL_PROGRAM_BYTES=65536 -DHIL_VECTOR_BYTES=8192 \
           -DHIL_CHANNELS=1024 -DHIL_OUTPUTS=512 -DHIL_TRACE_BYTES=16384 $(TICKS)
