#ifndef HIL_NETWORK_H
#define HIL_NETWORK_H

#include <stdint.h>

#include "program.h"

/* One inference at a time; every buffer is static. */

/* Forget the staged input and the last trace. */
void hil_network_forget(void);

/* Where the d_in input values of the next inference are written. */
int8_t *hil_network_input(void);

/* Whether a traced inference of this program fits the trace memory. */
int hil_network_can_trace(const hil_program *program);

/* Run the staged input through every layer; returns what the port's counter moved. */
uint64_t hil_network_run(const hil_program *program, int trace);

/* The last layer's accumulators plus bias: (d_out). */
const int32_t *hil_network_outputs(void);

/* What layer `index` accumulated, before its bias: (d_out), or 0 when the last inference was not traced. */
const int32_t *hil_network_traced_accumulators(uint32_t index);

/* What layer `index` handed on: (d_out) int8, or 0 when not traced or when it is the last layer. */
const int8_t *hil_network_traced_activations(uint32_t index);

#endif
