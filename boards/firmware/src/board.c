#include "config.h"
#include "crc32.h"
#include "link.h"
#include "network.h"
#include "port.h"
#include "program.h"

enum { EMPTY = 0, LOADING = 1, READY = 2 };
enum { STAGED = 0, DENSE = 1, SPARSE = 2 };
enum { ACCUMULATORS = 0, ACTIVATIONS = 1 };
#define TRACE 1u

static hil_program program;
static uint8_t state = EMPTY;
static uint32_t expected_length, received_length, program_crc, staged, executed;
static int answered; /* whether the outputs belong to the program that is loaded */

static uint8_t *put_text(uint8_t *at, const char *text)
{
    uint8_t *start = at++;
    while (*text != 0 && at - start <= 64) {
        *at++ = (uint8_t)*text++;
    }
    *start = (uint8_t)(at - start - 1);
    return at;
}

static uint8_t hex_digit(char digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

static int info(uint8_t *reply, uint16_t *reply_length)
{
    static const char hash[] = HIL_SOURCE_HASH;
    uint8_t *at = reply;
    uintptr_t address = (uintptr_t)hil_port_program_memory();
    hil_put16(at, HIL_PAYLOAD_BYTES);
    at[2] = hil_port_count_kind();
    at[3] = state;
    hil_put32(at + 4, HIL_PROGRAM_BYTES);
    hil_put32(at + 8, HIL_VECTOR_BYTES);
    hil_put32(at + 12, HIL_CHANNELS);
    hil_put32(at + 16, HIL_OUTPUTS);
    hil_put32(at + 20, HIL_TRACE_BYTES);
    hil_put32(at + 24, sizeof address == 4 ? (uint32_t)address : 0u);
    hil_put32(at + 28, state == READY ? program.length : 0u);
    hil_put32(at + 32, state == READY ? program_crc : 0u);
    hil_put32(at + 36, executed);
    at += 40;
    for (uint32_t i = 0; i < 16; i++) {
        *at++ = (uint8_t)(hex_digit(hash[2 * i]) << 4 | hex_digit(hash[2 * i + 1]));
    }
    at = put_text(at, hil_port_name);
    at = put_text(at, __VERSION__);
    *reply_length = (uint16_t)(at - reply);
    return HIL_OK;
}

static int health(uint8_t *reply, uint16_t *reply_length)
{
    hil_link_counts counts = hil_link_count();
    hil_put32(reply, counts.frames);
    hil_put32(reply + 4, counts.bad_frames);
    hil_put32(reply + 8, counts.repeated);
    hil_put32(reply + 12, counts.refused);
    hil_put32(reply + 16, executed);
    *reply_length = 20;
    return HIL_OK;
}

static int begin(const uint8_t *request)
{
    state = EMPTY;
    staged = 0;
    answered = 0;
    hil_network_forget();
    expected_length = hil_get32(request);
    received_length = 0;
    if (expected_length > HIL_PROGRAM_BYTES) {
        return HIL_TOO_LARGE;
    }
    state = LOADING;
    return HIL_OK;
}

static int chunk(const uint8_t *request, uint16_t length)
{
    uint32_t offset = hil_get32(request), size = length - 4u;
    uint8_t *memory = hil_port_program_memory();
    if (state != LOADING || offset != received_length || size > expected_length - received_length) {
        return HIL_BAD_VALUE;
    }
    for (uint32_t i = 0; i < size; i++) {
        memory[offset + i] = request[4 + i];
    }
    received_length += size;
    return HIL_OK;
}

/* A program that came some other way (a debug probe wrote it) is committed without a chunk; the CRC proves it. */
static int commit(const uint8_t *request)
{
    uint32_t length = hil_get32(request), crc = hil_get32(request + 4);
    if (state != LOADING || length != expected_length || (received_length != 0 && received_length != length)) {
        return HIL_BAD_VALUE;
    }
    state = EMPTY;
    if (hil_crc32(hil_port_program_memory(), length) != crc) {
        return HIL_CRC_MISMATCH;
    }
    int verdict = hil_program_parse(&program, hil_port_program_memory(), length);
    if (verdict != HIL_PROGRAM_GOOD) {
        return verdict == HIL_PROGRAM_TOO_LARGE ? HIL_TOO_LARGE : HIL_BAD_PROGRAM;
    }
    program_crc = crc;
    state = READY;
    return HIL_OK;
}

static int check(uint8_t *reply, uint16_t *reply_length)
{
    if (state != READY) {
        return HIL_NO_PROGRAM;
    }
    hil_put32(reply, program.length);
    hil_put32(reply + 4, hil_crc32(hil_port_program_memory(), program.length));
    *reply_length = 8;
    return HIL_OK;
}

static int input(const uint8_t *request, uint16_t length)
{
    uint32_t offset = hil_get32(request), size = length - 4u;
    if (state != READY) {
        return HIL_NO_PROGRAM;
    }
    if (offset == 0) {
        staged = 0;
    }
    if (offset != staged || size > program.d_in - staged) {
        return HIL_BAD_VALUE;
    }
    for (uint32_t i = 0; i < size; i++) {
        hil_network_input()[offset + i] = (int8_t)request[4 + i];
    }
    staged += size;
    return HIL_OK;
}

static int stage_dense(const uint8_t *data, uint32_t size)
{
    if (size != program.d_in) {
        return HIL_BAD_LENGTH;
    }
    for (uint32_t i = 0; i < size; i++) {
        hil_network_input()[i] = (int8_t)data[i];
    }
    return HIL_OK;
}

/* Pairs of (gap, value): skip `gap` inputs, then write the value; a value of 0 only skips. */
static int stage_sparse(const uint8_t *data, uint32_t size)
{
    int8_t *inputs = hil_network_input();
    uint32_t at = 0;
    for (uint32_t i = 0; i < program.d_in; i++) {
        inputs[i] = 0;
    }
    if (size % 2u != 0) {
        return HIL_BAD_LENGTH;
    }
    for (uint32_t i = 0; i < size; i += 2u) {
        at += data[i];
        if (at >= program.d_in) {
            return HIL_BAD_VALUE;
        }
        inputs[at++] = (int8_t)data[i + 1u];
    }
    return HIL_OK;
}

static int stage(const uint8_t *request, uint16_t length)
{
    uint32_t complete = staged;
    staged = 0;
    switch (request[1]) {
    case STAGED:
        return length == 4u && complete == program.d_in ? HIL_OK : HIL_BAD_VALUE;
    case DENSE:
        return stage_dense(request + 4, length - 4u);
    case SPARSE:
        return stage_sparse(request + 4, length - 4u);
    default:
        return HIL_BAD_VALUE;
    }
}

static uint8_t bytes_needed(const int32_t *values, uint32_t count)
{
    uint8_t needed = 1;
    for (uint32_t i = 0; i < count; i++) {
        if (values[i] < -32768 || values[i] > 32767) {
            return 4;
        }
        if (values[i] < -128 || values[i] > 127) {
            needed = 2;
        }
    }
    return needed;
}

/* (count, bytes per value, 0), then the values in as few bytes as they all fit, little endian. */
static uint16_t put_values(uint8_t *at, const int32_t *values, uint32_t count)
{
    uint8_t width = bytes_needed(values, count);
    hil_put16(at, (uint16_t)count);
    at[2] = width;
    at[3] = 0;
    at += 4;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t value = (uint32_t)values[i];
        for (uint8_t byte = 0; byte < width; byte++) {
            *at++ = (uint8_t)value;
            value >>= 8;
        }
    }
    return (uint16_t)(4u + count * width);
}

static int infer(const uint8_t *request, uint16_t length, uint8_t *reply, uint16_t *reply_length)
{
    uint32_t wanted = hil_get16(request + 2);
    int trace = (request[0] & TRACE) != 0;
    if (state != READY) {
        return HIL_NO_PROGRAM;
    }
    if (request[0] > TRACE || wanted > program.d_out || 16u + 4u * wanted > HIL_PAYLOAD_BYTES) {
        return HIL_BAD_VALUE;
    }
    if (trace && !hil_network_can_trace(&program)) {
        return HIL_TOO_LARGE;
    }
    int verdict = stage(request, length);
    if (verdict != HIL_OK) {
        return verdict;
    }
    uint64_t count = hil_network_run(&program, trace);
    executed++;
    answered = 1;
    hil_put32(reply, (uint32_t)count);
    hil_put32(reply + 4, (uint32_t)(count >> 32));
    hil_put32(reply + 8, executed);
    *reply_length = (uint16_t)(12u + put_values(reply + 12, hil_network_outputs(), wanted));
    return HIL_OK;
}

static uint16_t put_bytes(uint8_t *at, const int8_t *values, uint32_t count)
{
    hil_put16(at, (uint16_t)count);
    at[2] = 1;
    at[3] = 0;
    for (uint32_t i = 0; i < count; i++) {
        at[4 + i] = (uint8_t)values[i];
    }
    return (uint16_t)(4u + count);
}

/* Part of a layer of the last inference; the last layer's activations are the outputs and need no trace. */
static int read(const uint8_t *request, uint8_t *reply, uint16_t *reply_length)
{
    uint32_t layer = request[0], what = request[1], count = hil_get16(request + 2), offset = hil_get32(request + 4);
    if (state != READY) {
        return HIL_NO_PROGRAM;
    }
    if (layer >= program.layer_count || what > ACTIVATIONS || 4u + 4u * count > HIL_PAYLOAD_BYTES ||
        offset > program.layers[layer].d_out || count > program.layers[layer].d_out - offset) {
        return HIL_BAD_VALUE;
    }
    int last = layer + 1u == program.layer_count;
    const int32_t *wide = what == ACCUMULATORS ? hil_network_traced_accumulators(layer)
                          : last && answered   ? hil_network_outputs()
                                               : 0;
    const int8_t *narrow = what == ACTIVATIONS && !last ? hil_network_traced_activations(layer) : 0;
    if (wide == 0 && narrow == 0) {
        return HIL_NO_TRACE;
    }
    *reply_length = wide != 0 ? put_values(reply, wide + offset, count) : put_bytes(reply, narrow + offset, count);
    return HIL_OK;
}

/* What is wrong with a request before its payload is looked at. */
static int triage(uint8_t verb, uint16_t length)
{
    switch (verb) {
    case HIL_HELLO:
    case HIL_INFO:
    case HIL_HEALTH:
    case HIL_CHECK:
        return length == 0u ? HIL_OK : HIL_BAD_LENGTH;
    case HIL_BEGIN:
        return length == 4u ? HIL_OK : HIL_BAD_LENGTH;
    case HIL_COMMIT:
    case HIL_READ:
        return length == 8u ? HIL_OK : HIL_BAD_LENGTH;
    case HIL_CHUNK:
    case HIL_INPUT:
    case HIL_INFER:
        return length >= 4u ? HIL_OK : HIL_BAD_LENGTH;
    default:
        return HIL_UNKNOWN_VERB;
    }
}

int hil_board_execute(uint8_t verb, const uint8_t *request, uint16_t length, uint8_t *reply, uint16_t *reply_length)
{
    *reply_length = 0;
    int verdict = triage(verb, length);
    if (verdict != HIL_OK) {
        return verdict;
    }
    switch (verb) {
    case HIL_HELLO:
    case HIL_INFO:
        return info(reply, reply_length);
    case HIL_HEALTH:
        return health(reply, reply_length);
    case HIL_BEGIN:
        return begin(request);
    case HIL_CHUNK:
        return chunk(request, length);
    case HIL_COMMIT:
        return commit(request);
    case HIL_CHECK:
        return check(reply, reply_length);
    case HIL_INPUT:
        return input(request, length);
    case HIL_INFER:
        return infer(request, length, reply, reply_length);
    case HIL_READ:
        return read(request, reply, reply_length);
    default:
        return HIL_UNKNOWN_VERB;
    }
}
