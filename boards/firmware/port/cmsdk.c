/* The CMSDK UART of Arm's MPS2 and MPS3 boards (Cortex-M System Design Kit TRM, ARM DDI 0479). */

#include "cortexm.h"
#include "port.h"

#define UART_DATA REGISTER(HIL_UART + 0x00u)
#define UART_STATE REGISTER(HIL_UART + 0x04u)
#define UART_CONTROL REGISTER(HIL_UART + 0x08u)
#define UART_INTERRUPT REGISTER(HIL_UART + 0x0Cu)
#define UART_DIVIDER REGISTER(HIL_UART + 0x10u)
#define TX_FULL 1u
#define RX_FULL 2u
#define ENABLE_TX_RX_AND_RX_INTERRUPT 0x0Bu
#define RX_INTERRUPT 2u

const char hil_port_name[] = HIL_NAME;

void hil_port_init(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    UART_DIVIDER = 16u; /* the fastest */
    UART_CONTROL = ENABLE_TX_RX_AND_RX_INTERRUPT;
    hil_cortexm_wake_on(HIL_UART_RX_INTERRUPT);
}

uint8_t hil_port_read(void)
{
    while (!(UART_STATE & RX_FULL)) {
        hil_cortexm_sleep();
    }
    uint8_t byte = (uint8_t)UART_DATA;
    UART_INTERRUPT = RX_INTERRUPT;
    hil_cortexm_forget(HIL_UART_RX_INTERRUPT);
    return byte;
}

void hil_port_write(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        while (UART_STATE & TX_FULL) {
        }
        UART_DATA = bytes[i];
    }
}
