#include "link.h"

#include "cobs.h"
#include "config.h"
#include "port.h"

#define BODY_BYTES (HIL_HEADER_BYTES + HIL_PAYLOAD_BYTES + HIL_CRC_BYTES)

static uint8_t received[HIL_COBS_BOUND(BODY_BYTES)];
static uint8_t last_reply[BODY_BYTES]; /* kept until the next request is executed, to answer a retry with */
static uint8_t control_reply[HIL_HEADER_BYTES + HIL_CRC_BYTES];
static uint8_t wire[HIL_COBS_BOUND(BODY_BYTES) + 2u];
static size_t received_length, last_reply_length;
static int overrun;
static uint32_t session_nonce; /* 0: no session */
static uint16_t last_sequence;
static hil_link_counts counts;

hil_link_counts hil_link_count(void)
{
    return counts;
}

static void send(const uint8_t *body, size_t length)
{
    size_t encoded = hil_cobs_encode(body, length, wire + 1);
    wire[0] = wire[encoded + 1u] = 0;
    hil_port_write(wire, encoded + 2u);
}

/* Answer without executing anything and without touching the kept reply. */
static void refuse(uint8_t type, uint8_t status, uint16_t sequence, uint32_t nonce)
{
    hil_header header = {HIL_PROTOCOL_VERSION, type, status, sequence, 0, nonce};
    counts.refused++;
    send(control_reply, hil_frame_seal(control_reply, &header));
}

static void execute(const hil_header *request, const uint8_t *payload)
{
    hil_header reply = {HIL_PROTOCOL_VERSION, (uint8_t)(request->type | HIL_REPLY), HIL_OK, request->sequence, 0,
                        request->nonce};
    session_nonce = request->nonce;
    last_sequence = request->sequence;
    reply.status = (uint8_t)hil_board_execute(request->type, payload, request->length, last_reply + HIL_HEADER_BYTES,
                                              &reply.length);
    if (reply.status != HIL_OK) {
        reply.length = 0;
    }
    last_reply_length = hil_frame_seal(last_reply, &reply);
    hil_port_executed(request->type, request->nonce, request->sequence);
    send(last_reply, last_reply_length);
}

static void repeat(void)
{
    counts.repeated++;
    send(last_reply, last_reply_length);
}

/* A greeting opens a session under a nonce that was not the last one's. */
static void greet(const hil_header *request, const uint8_t *payload)
{
    if (request->nonce == 0 || request->sequence != 0) {
        refuse(HIL_HELLO | HIL_REPLY, HIL_BAD_VALUE, request->sequence, request->nonce);
    } else if (request->nonce != session_nonce) {
        execute(request, payload);
    } else if (last_sequence == 0) {
        repeat();
    } else {
        refuse(HIL_HELLO | HIL_REPLY, HIL_BAD_SEQUENCE, request->sequence, request->nonce);
    }
}

static void obey(const hil_header *request, const uint8_t *payload)
{
    uint8_t type = (uint8_t)(request->type | HIL_REPLY);
    if (request->nonce != session_nonce || session_nonce == 0) {
        refuse(type, HIL_NO_SESSION, request->sequence, request->nonce);
    } else if (request->sequence == last_sequence) {
        repeat();
    } else if (request->sequence == (uint16_t)(last_sequence + 1u)) {
        execute(request, payload);
    } else {
        refuse(type, HIL_BAD_SEQUENCE, request->sequence, request->nonce);
    }
}

static void handle(void)
{
    hil_header request = {0, 0, 0, 0, 0, 0};
    size_t length = overrun ? (size_t)-1 : hil_cobs_decode(received, received_length, received);
    int verdict = length == (size_t)-1 ? HIL_BAD_FRAME : hil_frame_open(received, length, &request);
    counts.frames++;
    if (verdict != HIL_OK) {
        counts.bad_frames++;
        refuse(HIL_NAK, (uint8_t)verdict, 0xFFFFu, session_nonce);
    } else if (request.type & HIL_REPLY) {
        counts.bad_frames++; /* an echo of a reply, ours or another board's: never answer it */
    } else if (request.type == HIL_HELLO) {
        greet(&request, received + HIL_HEADER_BYTES);
    } else {
        obey(&request, received + HIL_HEADER_BYTES);
    }
}

void hil_link_receive(uint8_t byte)
{
    if (byte != 0) {
        if (received_length < sizeof received) {
            received[received_length++] = byte;
        } else {
            overrun = 1;
        }
        return;
    }
    if (received_length != 0) {
        handle();
    }
    received_length = 0;
    overrun = 0;
}
