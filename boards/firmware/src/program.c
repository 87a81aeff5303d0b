#include "program.h"

#define MAGIC 0x504C4948u /* "HILP" */
#define FORMAT_VERSION 1u
#define HEADER_BYTES 64u
#define RECORD_BYTES 64u
#define MOST 65535u /* of any side, so that products stay inside 64 bits */

enum { KERNEL, FLAGS, CHANNELS, FAN_IN, D_IN, D_OUT, IN_CHANNELS, HEIGHT, WIDTH, SIDE, STRIDE, PADDING,
       WEIGHTS_AT, BIAS_AT, MULTIPLIER_AT, SHIFT_AT };

static uint32_t word(const uint8_t *bytes, uint32_t index)
{
    const uint8_t *at = bytes + 4u * index;
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static const uint8_t *section(const uint8_t *bytes, uint32_t length, uint32_t at, uint64_t size)
{
    if (at % 4u != 0 || at > length || size > length - at) {
        return 0;
    }
    return bytes + at;
}

static int read_patches(hil_layer *layer)
{
    uint32_t padded_height = layer->height + 2u * layer->padding;
    uint32_t padded_width = layer->width + 2u * layer->padding;
    if (layer->in_channels == 0 || layer->height == 0 || layer->width == 0 || layer->side == 0 || layer->stride == 0 ||
        layer->side > padded_height || layer->side > padded_width) {
        return HIL_PROGRAM_BAD;
    }
    layer->out_height = (padded_height - layer->side) / layer->stride + 1u;
    layer->out_width = (padded_width - layer->side) / layer->stride + 1u;
    if ((uint64_t)layer->in_channels * layer->height * layer->width != layer->d_in ||
        (uint64_t)layer->in_channels * layer->side * layer->side != layer->fan_in ||
        (uint64_t)layer->channels * layer->out_height * layer->out_width != layer->d_out) {
        return HIL_PROGRAM_BAD;
    }
    return HIL_PROGRAM_GOOD;
}

static int read_shape(hil_layer *layer, const uint8_t *record)
{
    layer->kernel = word(record, KERNEL);
    layer->flags = word(record, FLAGS);
    layer->channels = word(record, CHANNELS);
    layer->fan_in = word(record, FAN_IN);
    layer->d_in = word(record, D_IN);
    layer->d_out = word(record, D_OUT);
    layer->in_channels = word(record, IN_CHANNELS);
    layer->height = word(record, HEIGHT);
    layer->width = word(record, WIDTH);
    layer->side = word(record, SIDE);
    layer->stride = word(record, STRIDE);
    layer->padding = word(record, PADDING);
    if (layer->kernel != HIL_KERNEL_COLUMNS && layer->kernel != HIL_KERNEL_ROWS) {
        return HIL_PROGRAM_BAD;
    }
    if (layer->flags > 7u || layer->channels == 0 || layer->fan_in == 0 || layer->in_channels > MOST ||
        layer->height > MOST || layer->width > MOST || layer->side > MOST || layer->stride > MOST ||
        layer->padding > MOST) {
        return HIL_PROGRAM_BAD;
    }
    if (layer->channels > HIL_CHANNELS || layer->fan_in > HIL_VECTOR_BYTES || layer->d_in > HIL_VECTOR_BYTES ||
        layer->d_out > HIL_VECTOR_BYTES) {
        return HIL_PROGRAM_TOO_LARGE;
    }
    if (layer->flags & HIL_LAYER_PATCHES) {
        return read_patches(layer);
    }
    layer->out_height = layer->out_width = 1u;
    return layer->d_in == layer->fan_in && layer->d_out == layer->channels ? HIL_PROGRAM_GOOD : HIL_PROGRAM_BAD;
}

static uint64_t weight_bytes(const hil_layer *layer)
{
    if (layer->kernel == HIL_KERNEL_COLUMNS) {
        return 4ull * ((layer->channels + 15u) / 16u) * layer->fan_in;
    }
    return 4ull * layer->channels * ((layer->fan_in + 15u) / 16u);
}

static int read_factors(hil_layer *layer)
{
    if (!(layer->flags & HIL_LAYER_REQUANTISE)) {
        return HIL_PROGRAM_GOOD;
    }
    if (layer->multiplier == 0 || layer->shift == 0) {
        return HIL_PROGRAM_BAD;
    }
    for (uint32_t i = 0; i < layer->channels; i++) {
        if (layer->multiplier[i] < 0 || layer->shift[i] < 1u || layer->shift[i] > 62u) {
            return HIL_PROGRAM_BAD;
        }
    }
    return HIL_PROGRAM_GOOD;
}

static int read_layer(hil_layer *layer, const uint8_t *record, const uint8_t *bytes, uint32_t length)
{
    int verdict = read_shape(layer, record);
    if (verdict != HIL_PROGRAM_GOOD) {
        return verdict;
    }
    /* Sections are 4-byte aligned in memory that is 8-byte aligned, so these casts keep alignment. */
    layer->weights = (const uint32_t *)(const void *)section(bytes, length, word(record, WEIGHTS_AT), weight_bytes(layer));
    layer->bias = (const int32_t *)(const void *)section(bytes, length, word(record, BIAS_AT), 4ull * layer->channels);
    layer->multiplier =
        (const int32_t *)(const void *)section(bytes, length, word(record, MULTIPLIER_AT), 4ull * layer->channels);
    layer->shift = section(bytes, length, word(record, SHIFT_AT), layer->channels);
    if (layer->weights == 0 || layer->bias == 0) {
        return HIL_PROGRAM_BAD;
    }
    return read_factors(layer);
}

static int check_chain(const hil_program *program)
{
    for (uint32_t i = 0; i < program->layer_count; i++) {
        const hil_layer *layer = &program->layers[i];
        int last = i + 1u == program->layer_count;
        uint32_t following = last ? program->d_out : program->layers[i + 1u].d_in;
        if (layer->d_out != following || last == ((layer->flags & HIL_LAYER_REQUANTISE) != 0)) {
            return HIL_PROGRAM_BAD;
        }
    }
    if (program->layers[0].d_in != program->d_in) {
        return HIL_PROGRAM_BAD;
    }
    return program->d_out > HIL_OUTPUTS ? HIL_PROGRAM_TOO_LARGE : HIL_PROGRAM_GOOD;
}

int hil_program_parse(hil_program *program, const uint8_t *bytes, uint32_t length)
{
    if (length < HEADER_BYTES || word(bytes, 0) != MAGIC || word(bytes, 1) != FORMAT_VERSION ||
        word(bytes, 2) != length) {
        return HIL_PROGRAM_BAD;
    }
    program->length = length;
    program->layer_count = word(bytes, 3);
    program->d_in = word(bytes, 4);
    program->d_out = word(bytes, 5);
    if (program->layer_count == 0) {
        return HIL_PROGRAM_BAD;
    }
    if (program->layer_count > HIL_LAYERS) {
        return HIL_PROGRAM_TOO_LARGE;
    }
    if (length < HEADER_BYTES + RECORD_BYTES * program->layer_count) {
        return HIL_PROGRAM_BAD;
    }
    for (uint32_t i = 0; i < program->layer_count; i++) {
        int verdict = read_layer(&program->layers[i], bytes + HEADER_BYTES + RECORD_BYTES * i, bytes, length);
        if (verdict != HIL_PROGRAM_GOOD) {
            return verdict;
        }
    }
    return check_chain(program);
}
