#include "network.h"

#include "kernels.h"
#include "port.h"

#define NOWHERE 0xFFFFFFFFu

static int8_t vectors[2][HIL_VECTOR_BYTES];
static int8_t patch[HIL_VECTOR_BYTES];
static int32_t accumulators[HIL_CHANNELS + 16];
static int32_t outputs[HIL_OUTPUTS];
static uint32_t trace_memory[HIL_TRACE_BYTES / 4];
static uint32_t accumulators_at[HIL_LAYERS], activations_at[HIL_LAYERS]; /* in bytes of trace_memory, or NOWHERE */

typedef struct {
    int32_t *accumulators;
    int8_t *activations;
} layer_trace;

void hil_network_forget(void)
{
    for (uint32_t i = 0; i < HIL_LAYERS; i++) {
        accumulators_at[i] = activations_at[i] = NOWHERE;
    }
}

int8_t *hil_network_input(void)
{
    return vectors[0];
}

const int32_t *hil_network_outputs(void)
{
    return outputs;
}

/* Lay the layers out in the trace memory: accumulators 4 bytes each, then activations, rounded up to a word. */
static int place_traces(const hil_program *program)
{
    uint64_t at = 0;
    for (uint32_t i = 0; i < program->layer_count; i++) {
        const hil_layer *layer = &program->layers[i];
        accumulators_at[i] = (uint32_t)at;
        at += 4ull * layer->d_out;
        activations_at[i] = NOWHERE;
        if (layer->flags & HIL_LAYER_REQUANTISE) {
            activations_at[i] = (uint32_t)at;
            at += (layer->d_out + 3ull) / 4ull * 4ull;
        }
        if (at > HIL_TRACE_BYTES) {
            return 0;
        }
    }
    return 1;
}

int hil_network_can_trace(const hil_program *program)
{
    int fits = place_traces(program);
    hil_network_forget();
    return fits;
}

const int32_t *hil_network_traced_accumulators(uint32_t index)
{
    return accumulators_at[index] == NOWHERE ? 0 : (const int32_t *)(const void *)(trace_memory + accumulators_at[index] / 4);
}

const int8_t *hil_network_traced_activations(uint32_t index)
{
    return activations_at[index] == NOWHERE ? 0 : (const int8_t *)(trace_memory + activations_at[index] / 4);
}

static const int8_t *cut_patch(const hil_layer *layer, const int8_t *image, uint32_t row, uint32_t column)
{
    int8_t *out = patch;
    int32_t top = (int32_t)(row * layer->stride) - (int32_t)layer->padding;
    int32_t left = (int32_t)(column * layer->stride) - (int32_t)layer->padding;
    for (uint32_t channel = 0; channel < layer->in_channels; channel++) {
        const int8_t *plane = image + channel * layer->height * layer->width;
        for (int32_t y = top; y < top + (int32_t)layer->side; y++) {
            int inside = y >= 0 && y < (int32_t)layer->height;
            for (int32_t x = left; x < left + (int32_t)layer->side; x++) {
                *out++ = inside && x >= 0 && x < (int32_t)layer->width ? plane[y * (int32_t)layer->width + x] : 0;
            }
        }
    }
    return patch;
}

/* Arithmetic shift right of a value that may be negative, which C99 leaves to the compiler. */
static int64_t shift_down(int64_t value, uint32_t shift)
{
    return value >= 0 ? value >> shift : ~(~value >> shift);
}

static int8_t requantise(const hil_layer *layer, uint32_t channel, int32_t biased)
{
    uint32_t shift = layer->shift[channel];
    int64_t scaled = shift_down((int64_t)biased * layer->multiplier[channel] + ((int64_t)1 << (shift - 1u)), shift);
    int64_t lowest = layer->flags & HIL_LAYER_RELU ? 0 : -128;
    if (scaled < lowest) {
        return (int8_t)lowest;
    }
    return (int8_t)(scaled > 127 ? 127 : scaled);
}

/* Bias, requantise and store the accumulators of one position; outputs run channel by channel. */
static void finish_position(const hil_layer *layer, uint32_t position, layer_trace trace, int8_t *following)
{
    uint32_t positions = layer->out_height * layer->out_width;
    for (uint32_t channel = 0; channel < layer->channels; channel++) {
        uint32_t at = channel * positions + position;
        int32_t biased = accumulators[channel] + layer->bias[channel];
        if (trace.accumulators != 0) {
            trace.accumulators[at] = accumulators[channel];
        }
        if (layer->flags & HIL_LAYER_REQUANTISE) {
            following[at] = requantise(layer, channel, biased);
        } else {
            outputs[at] = biased;
        }
    }
}

static void run_layer(const hil_layer *layer, const int8_t *inputs, int8_t *following, layer_trace trace)
{
    for (uint32_t row = 0; row < layer->out_height; row++) {
        for (uint32_t column = 0; column < layer->out_width; column++) {
            const int8_t *seen = layer->flags & HIL_LAYER_PATCHES ? cut_patch(layer, inputs, row, column) : inputs;
            if (layer->kernel == HIL_KERNEL_COLUMNS) {
                hil_multiply_columns(layer->weights, layer->channels, layer->fan_in, seen, accumulators);
            } else {
                hil_multiply_rows(layer->weights, layer->channels, layer->fan_in, seen, accumulators);
            }
            finish_position(layer, row * layer->out_width + column, trace, following);
            (void)hil_port_count();
        }
    }
    for (uint32_t i = 0; trace.activations != 0 && i < layer->d_out; i++) {
        trace.activations[i] = following[i];
    }
}

uint64_t hil_network_run(const hil_program *program, int trace)
{
    hil_port_count_align();
    uint64_t start = hil_port_count();
    int8_t *inputs = vectors[0], *following = vectors[1];
    hil_network_forget();
    if (trace) {
        (void)place_traces(program);
    }
    for (uint32_t i = 0; i < program->layer_count; i++) {
        layer_trace into = {0, 0};
        if (trace) {
            into.accumulators = (int32_t *)(void *)(trace_memory + accumulators_at[i] / 4);
            into.activations = activations_at[i] == NOWHERE ? 0 : (int8_t *)(trace_memory + activations_at[i] / 4);
        }
        run_layer(&program->layers[i], inputs, following, into);
        int8_t *swap = inputs;
        inputs = following;
        following = swap;
    }
    return hil_port_count() - start;
}
