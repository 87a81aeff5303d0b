#ifndef HIL_PROGRAM_H
#define HIL_PROGRAM_H

#include <stdint.h>

#include "config.h"

/* A program is a network packed for this firmware; docs/board-protocol.md, "Programs", is its specification. */

enum { HIL_KERNEL_COLUMNS = 1, HIL_KERNEL_ROWS = 2 };
enum { HIL_LAYER_REQUANTISE = 1, HIL_LAYER_RELU = 2, HIL_LAYER_PATCHES = 4 };

typedef struct {
    uint32_t kernel, flags, channels, fan_in, d_in, d_out;
    uint32_t in_channels, height, width, side, stride, padding;
    uint32_t out_height, out_width;
    const uint32_t *weights;
    const int32_t *bias;
    const int32_t *multiplier;
    const uint8_t *shift;
} hil_layer;

typedef struct {
    uint32_t layer_count, d_in, d_out, length;
    hil_layer layers[HIL_LAYERS];
} hil_program;

enum { HIL_PROGRAM_GOOD = 0, HIL_PROGRAM_BAD = 1, HIL_PROGRAM_TOO_LARGE = 2 };

/* Read a program where it lies. Nothing outside bytes[0 .. length) is touched, whatever the bytes are. */
int hil_program_parse(hil_program *program, const uint8_t *bytes, uint32_t length);

#endif
