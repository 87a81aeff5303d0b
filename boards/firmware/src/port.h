#ifndef HIL_PORT_H
#define HIL_PORT_H

#include <stddef.h>
#include <stdint.h>

/* Everything a new board must provide: bytes in, bytes out, a clock, and how it presents itself. */

enum { HIL_COUNT_NOTHING = 0, HIL_COUNT_INSTRUCTIONS = 1, HIL_COUNT_CYCLES = 2, HIL_COUNT_NANOSECONDS = 3 };

/* Prepare the UART and the clock. */
void hil_port_init(int argc, char **argv);

/* Wait for one byte from the host. */
uint8_t hil_port_read(void);

/* Send bytes to the host. */
void hil_port_write(const uint8_t *bytes, size_t length);

/* A clock that only moves forward, in units of hil_port_count_kind(); called at least once per layer and position,
 * so that a short hardware counter can be extended to 64 bits. */
uint64_t hil_port_count(void);

/* Start the clock's current tick anew, so that equal work that follows moves it equally; nothing where a tick is one
 * instruction or one cycle. */
void hil_port_count_align(void);

/* What the clock counts. */
uint8_t hil_port_count_kind(void);

/* What this is: CPU and board, for provenance. */
extern const char hil_port_name[];

/* Where a program is kept: aligned to 8 bytes, HIL_PROGRAM_BYTES long. */
uint8_t *hil_port_program_memory(void);

/* The request (session nonce, sequence) was executed: lets a test keep its own account. */
void hil_port_executed(uint8_t verb, uint32_t nonce, uint16_t sequence);

#endif
