#ifndef HIL_KERNELS_H
#define HIL_KERNELS_H

#include <stdint.h>

/* Ternary matrix-vector products on packed 2-bit codes; a code is weight + 1, so 0, 1 or 2.
 * With u = w + 1:  sum x w = sum x u - sum x,  and the last term is the same for every channel. */

/* Columns: word [block][column] holds the codes of 16 channels of one column. Channel 16 * block + k sits at bit 2k,
 * channel 16 * block + 8 + k at bit 16 + 2k, so one mask picks two channels into two 16-bit lanes and one
 * multiplication adds an input to both. Inputs that are zero cost nothing.
 * accumulators must hold `channels` rounded up to 16. */
void hil_multiply_columns(const uint32_t *words, uint32_t channels, uint32_t fan_in, const int8_t *inputs,
                          int32_t *accumulators);

/* Rows: word [channel][group] holds the codes of 16 neighbouring inputs of one channel, input k at bit 2k.
 * For layers with too few channels to fill a block. */
void hil_multiply_rows(const uint32_t *words, uint32_t channels, uint32_t fan_in, const int8_t *inputs,
                       int32_t *accumulators);

#endif
