/* Start-up, clock and sleep of every Cortex-M: what the UART's port does not know. */

#include "cortexm.h"

#include "config.h"
#include "port.h"

#define SYSTICK_CONTROL REGISTER(0xE000E010u)
#define SYSTICK_RELOAD REGISTER(0xE000E014u)
#define SYSTICK_VALUE REGISTER(0xE000E018u)
#define NVIC_ENABLE(number) REGISTER(0xE000E100u + 4u * ((number) / 32u))
#define NVIC_CLEAR_PENDING(number) REGISTER(0xE000E280u + 4u * ((number) / 32u))
#define RESET_CONTROL REGISTER(0xE000ED0Cu)
#define SYSTICK_MASK 0xFFFFFFu

/* QEMU with `-icount shift=0` runs one instruction a nanosecond, so a tick of the emulated clock is a fixed number of
 * instructions; on silicon SysTick counts cycles of the core and the factor is 1. */
#ifndef HIL_TICK_NUMERATOR
#define HIL_TICK_NUMERATOR 1u
#define HIL_TICK_DENOMINATOR 1u
#define HIL_TICK_KIND HIL_COUNT_CYCLES
#endif

extern uint32_t hil_stack_top, hil_data_start, hil_data_end, hil_data_image, hil_bss_start, hil_bss_end;
int main(int argc, char **argv);
void hil_reset(void);

/* Outside .bss, so that a reset neither wastes time on it nor hides what a debug probe wrote. */
static uint8_t program_memory[HIL_PROGRAM_BYTES] __attribute__((section(".noinit"), aligned(8)));

/* A fault leaves nothing to trust: start again, and let the host see a board that has forgotten its session. */
static void fault(void)
{
    RESET_CONTROL = 0x05FA0004u;
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))(uintptr_t)&hil_stack_top, hil_reset, fault, fault, fault, fault, fault, fault,
    0, 0, 0, fault, fault, 0, fault, fault,
};

void hil_reset(void)
{
    const uint32_t *image = &hil_data_image;
    for (uint32_t *at = &hil_data_start; at < &hil_data_end;) {
        *at++ = *image++;
    }
    for (uint32_t *at = &hil_bss_start; at < &hil_bss_end;) {
        *at++ = 0;
    }
    __asm volatile("cpsid i");
    SYSTICK_RELOAD = SYSTICK_MASK;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = 5u; /* core clock, no interrupt */
    (void)main(0, 0);
    fault();
}

uint8_t *hil_port_program_memory(void)
{
    return program_memory;
}

static uint64_t ticks;
static uint32_t last_tick;

uint64_t hil_port_count(void)
{
    uint32_t now = SYSTICK_MASK - (SYSTICK_VALUE & SYSTICK_MASK);
    ticks += (now - last_tick) & SYSTICK_MASK;
    last_tick = now;
    return ticks * HIL_TICK_NUMERATOR / HIL_TICK_DENOMINATOR;
}

/* A byte arrives anywhere within a tick of many instructions; writing any value starts the tick again from here. Ticks
 * go on at a whole number of counts, so that the division rounds what follows the same way every time. */
void hil_port_count_align(void)
{
    (void)hil_port_count();
    ticks += (HIL_TICK_DENOMINATOR - ticks % HIL_TICK_DENOMINATOR) % HIL_TICK_DENOMINATOR;
    SYSTICK_VALUE = 0;
    last_tick = SYSTICK_MASK;
}

uint8_t hil_port_count_kind(void)
{
    return HIL_TICK_KIND;
}

void hil_port_executed(uint8_t verb, uint32_t nonce, uint16_t sequence)
{
    (void)verb;
    (void)nonce;
    (void)sequence;
}

void hil_cortexm_sleep(void)
{
    __asm volatile("dsb\n\twfi" ::: "memory");
}

void hil_cortexm_wake_on(uint32_t number)
{
    NVIC_ENABLE(number) = 1u << (number % 32u);
}

void hil_cortexm_forget(uint32_t number)
{
    NVIC_CLEAR_PENDING(number) = 1u << (number % 32u);
}
