/* USART2 of an STM32F4 on PA2 and PA3, the virtual COM port of ST's Nucleo boards (RM0090, RM0390).
 *
 * The core stays on the 16 MHz internal oscillator that it wakes up with, so no crystal is assumed. */

#include "cortexm.h"
#include "port.h"

#define RCC_AHB1_ENABLE REGISTER(0x40023830u)
#define RCC_APB1_ENABLE REGISTER(0x40023840u)
#define GPIOA_MODE REGISTER(0x40020000u)
#define GPIOA_ALTERNATE_LOW REGISTER(0x40020020u)
#define USART_STATUS REGISTER(0x40004400u)
#define USART_DATA REGISTER(0x40004404u)
#define USART_DIVIDER REGISTER(0x40004408u)
#define USART_CONTROL REGISTER(0x4000440Cu)
#define GPIOA_CLOCK 1u
#define USART2_CLOCK (1u << 17)
#define RX_READY (1u << 5)
#define TX_EMPTY (1u << 7)
#define ENABLE_TX_RX_AND_RX_INTERRUPT (1u << 13 | 1u << 5 | 1u << 3 | 1u << 2)
#define USART2_INTERRUPT 38u
#define CLOCK_HZ 16000000u
#define BAUD 115200u

const char hil_port_name[] = HIL_NAME;

void hil_port_init(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    RCC_AHB1_ENABLE |= GPIOA_CLOCK;
    RCC_APB1_ENABLE |= USART2_CLOCK;
    GPIOA_MODE = (GPIOA_MODE & ~0xF0u) | 0xA0u;                       /* PA2 and PA3: alternate function */
    GPIOA_ALTERNATE_LOW = (GPIOA_ALTERNATE_LOW & ~0xFF00u) | 0x7700u; /* which is USART2 */
    USART_DIVIDER = (CLOCK_HZ + BAUD / 2u) / BAUD;
    USART_CONTROL = ENABLE_TX_RX_AND_RX_INTERRUPT;
    hil_cortexm_wake_on(USART2_INTERRUPT);
}

uint8_t hil_port_read(void)
{
    while (!(USART_STATUS & RX_READY)) {
        hil_cortexm_sleep();
        hil_cortexm_forget(USART2_INTERRUPT);
    }
    return (uint8_t)USART_DATA; /* after the status, this also clears an overrun; the frame's CRC will notice it */
}

void hil_port_write(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        while (!(USART_STATUS & TX_EMPTY)) {
        }
        USART_DATA = bytes[i];
    }
}
