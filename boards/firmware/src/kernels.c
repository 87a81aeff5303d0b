#include "kernels.h"

#define PAIR 0x00030003u /* two 2-bit codes, one in each 16-bit lane */
#define BLOCK 16u
/* 128 inputs of at most 128 times a code of at most 2 fit a 16-bit lane: -32768 to 32512. */
#define SEGMENT 128u

typedef struct {
    uint32_t column;
    int32_t value;
} active_input;

static active_input active[SEGMENT];

/* Split two lanes: the low one is signed and has borrowed from the high one when it is negative. */
static void add_lanes(uint32_t lanes, int32_t correction, int32_t *low, int32_t *high)
{
    uint32_t low_bits = lanes & 0xFFFFu;
    int32_t low_value = (int32_t)(low_bits ^ 0x8000u) - 0x8000;
    uint32_t high_bits = (lanes - (uint32_t)low_value) >> 16;
    *low += low_value - correction;
    *high += (int32_t)(high_bits ^ 0x8000u) - 0x8000 - correction;
}

static void add_segment(const uint32_t *words, uint32_t count, int32_t sum, int32_t *accumulators)
{
    uint32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0, a6 = 0, a7 = 0;
    const active_input *end = active + count;
    for (const active_input *input = active; input != end; input++) {
        uint32_t codes = words[input->column];
        uint32_t x = (uint32_t)input->value;
        a0 += x * (codes & PAIR);
        a1 += x * ((codes >> 2) & PAIR);
        a2 += x * ((codes >> 4) & PAIR);
        a3 += x * ((codes >> 6) & PAIR);
        a4 += x * ((codes >> 8) & PAIR);
        a5 += x * ((codes >> 10) & PAIR);
        a6 += x * ((codes >> 12) & PAIR);
        a7 += x * ((codes >> 14) & PAIR);
    }
    add_lanes(a0, sum, accumulators + 0, accumulators + 8);
    add_lanes(a1, sum, accumulators + 1, accumulators + 9);
    add_lanes(a2, sum, accumulators + 2, accumulators + 10);
    add_lanes(a3, sum, accumulators + 3, accumulators + 11);
    add_lanes(a4, sum, accumulators + 4, accumulators + 12);
    add_lanes(a5, sum, accumulators + 5, accumulators + 13);
    add_lanes(a6, sum, accumulators + 6, accumulators + 14);
    add_lanes(a7, sum, accumulators + 7, accumulators + 15);
}

void hil_multiply_columns(const uint32_t *words, uint32_t channels, uint32_t fan_in, const int8_t *inputs,
                          int32_t *accumulators)
{
    uint32_t blocks = (channels + BLOCK - 1u) / BLOCK;
    for (uint32_t i = 0; i < blocks * BLOCK; i++) {
        accumulators[i] = 0;
    }
    uint32_t column = 0;
    while (column < fan_in) {
        uint32_t count = 0;
        int32_t sum = 0;
        for (; column < fan_in && count < SEGMENT; column++) {
            if (inputs[column] != 0) {
                active[count].column = column;
                active[count].value = inputs[column];
                sum += inputs[column];
                count++;
            }
        }
        for (uint32_t block = 0; count != 0 && block < blocks; block++) {
            add_segment(words + block * fan_in, count, sum, accumulators + block * BLOCK);
        }
    }
}

static uint32_t row_group(uint32_t codes, const int8_t *inputs, uint32_t count)
{
    uint32_t total = 0;
    for (uint32_t k = 0; k < count; k++) {
        total += (uint32_t)(int32_t)inputs[k] * (codes & 3u);
        codes >>= 2;
    }
    return total;
}

/* Unrolled, because a whole group is what nearly every word is. */
static uint32_t whole_row_group(uint32_t codes, const int8_t *inputs)
{
    uint32_t total = (uint32_t)(int32_t)inputs[0] * (codes & 3u);
#define ADD(k) total += (uint32_t)(int32_t)inputs[k] * ((codes >> (2 * (k))) & 3u)
    ADD(1);
    ADD(2);
    ADD(3);
    ADD(4);
    ADD(5);
    ADD(6);
    ADD(7);
    ADD(8);
    ADD(9);
    ADD(10);
    ADD(11);
    ADD(12);
    ADD(13);
    ADD(14);
    ADD(15);
#undef ADD
    return total;
}

void hil_multiply_rows(const uint32_t *words, uint32_t channels, uint32_t fan_in, const int8_t *inputs,
                       int32_t *accumulators)
{
    uint32_t whole = fan_in / 16u, rest = fan_in % 16u;
    int32_t sum = 0;
    for (uint32_t i = 0; i < fan_in; i++) {
        sum += inputs[i];
    }
    for (uint32_t channel = 0; channel < channels; channel++) {
        uint32_t total = 0u - (uint32_t)sum;
        for (uint32_t group = 0; group < whole; group++) {
            total += whole_row_group(*words++, inputs + 16u * group);
        }
        if (rest != 0) {
            total += row_group(*words++, inputs + 16u * whole, rest);
        }
        accumulators[channel] = (int32_t)total;
    }
}
