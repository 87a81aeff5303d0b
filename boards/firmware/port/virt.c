/* QEMU's RISC-V `virt` machine: a 16550 UART behind a PLIC, instructions counted by the core itself. */

#include "config.h"
#include "port.h"

#define BYTE_AT(address) (*(volatile uint8_t *)(uintptr_t)(address))
#define WORD_AT(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define UART 0x10000000u
#define UART_DATA BYTE_AT(UART + 0u)
#define UART_INTERRUPTS BYTE_AT(UART + 1u)
#define UART_FIFO BYTE_AT(UART + 2u)
#define UART_LINE BYTE_AT(UART + 5u)
#define RX_READY 0x01u
#define TX_EMPTY 0x20u
#define UART_SOURCE 10u
#define PLIC 0x0C000000u
#define PLIC_PRIORITY(source) WORD_AT(PLIC + 4u * (source))
#define PLIC_ENABLE WORD_AT(PLIC + 0x2000u)
#define PLIC_CLAIM WORD_AT(PLIC + 0x200004u)

const char hil_port_name[] = HIL_NAME;

static uint8_t program_memory[HIL_PROGRAM_BYTES] __attribute__((section(".noinit"), aligned(8)));

void hil_port_init(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    UART_FIFO = 1u;
    UART_INTERRUPTS = 1u; /* received data */
    PLIC_PRIORITY(UART_SOURCE) = 1u;
    PLIC_ENABLE = 1u << UART_SOURCE;
    __asm volatile("csrc mstatus, %0" ::"r"(8u));      /* interrupts wake the core but are not taken */
    __asm volatile("csrs mie, %0" ::"r"(1u << 11));    /* external */
    __asm volatile("csrci mcountinhibit, 4");          /* let instructions be counted */
}

uint8_t hil_port_read(void)
{
    while (!(UART_LINE & RX_READY)) {
        __asm volatile("wfi" ::: "memory");
        PLIC_CLAIM = PLIC_CLAIM; /* claim and complete, so that the next byte can wake us again */
    }
    return UART_DATA;
}

void hil_port_write(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        while (!(UART_LINE & TX_EMPTY)) {
        }
        UART_DATA = bytes[i];
    }
}

uint8_t *hil_port_program_memory(void)
{
    return program_memory;
}

uint64_t hil_port_count(void)
{
    uint32_t high, low, again;
    do {
        __asm volatile("csrr %0, minstreth\n\tcsrr %1, minstret\n\tcsrr %2, minstreth"
                       : "=r"(high), "=r"(low), "=r"(again));
    } while (high != again);
    return (uint64_t)high << 32 | low;
}

void hil_port_count_align(void)
{
}

uint8_t hil_port_count_kind(void)
{
    return HIL_COUNT_INSTRUCTIONS;
}

void hil_port_executed(uint8_t verb, uint32_t nonce, uint16_t sequence)
{
    (void)verb;
    (void)nonce;
    (void)sequence;
}
