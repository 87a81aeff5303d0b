#ifndef HIL_LINK_H
#define HIL_LINK_H

#include <stddef.h>
#include <stdint.h>

/* Frames, sessions and the reply that is never computed twice; docs/board-protocol.md is the specification. */

#define HIL_PROTOCOL_VERSION 1
#define HIL_HEADER_BYTES 12u
#define HIL_CRC_BYTES 4u

enum {
    HIL_HELLO = 0x01, HIL_INFO = 0x02, HIL_HEALTH = 0x03,
    HIL_BEGIN = 0x10, HIL_CHUNK = 0x11, HIL_COMMIT = 0x12, HIL_CHECK = 0x13,
    HIL_INPUT = 0x20, HIL_INFER = 0x21, HIL_READ = 0x22,
    /* 0x40 to 0x4E belong to memristor arrays; this firmware has none. */
    HIL_REPLY = 0x80, HIL_NAK = 0xFF
};

enum {
    HIL_OK = 0, HIL_BAD_CRC = 1, HIL_BAD_FRAME = 2, HIL_BAD_VERSION = 3, HIL_NO_SESSION = 4, HIL_BAD_SEQUENCE = 5,
    HIL_UNKNOWN_VERB = 6, HIL_BAD_LENGTH = 7, HIL_BAD_VALUE = 8, HIL_NO_PROGRAM = 9, HIL_BAD_PROGRAM = 10,
    HIL_TOO_LARGE = 11, HIL_CRC_MISMATCH = 12, HIL_NO_TRACE = 13, HIL_LIMIT = 14, HIL_FAILED = 15
};

typedef struct {
    uint8_t version, type, status;
    uint16_t sequence, length;
    uint32_t nonce;
} hil_header;

typedef struct {
    uint32_t frames, bad_frames, repeated, refused;
} hil_link_counts;

/* Write a frame's body (header, payload already at body + HIL_HEADER_BYTES, CRC); returns its length. */
size_t hil_frame_seal(uint8_t *body, const hil_header *header);

/* Read a body; returns HIL_OK, HIL_BAD_FRAME, HIL_BAD_CRC or HIL_BAD_VERSION. The header is valid unless BAD_FRAME
 * or BAD_CRC. */
int hil_frame_open(const uint8_t *body, size_t length, hil_header *header);

/* Take one byte from the wire; answers on the wire when it completes a frame. */
void hil_link_receive(uint8_t byte);

hil_link_counts hil_link_count(void);

/* What the verbs do: read the request, write at most HIL_PAYLOAD_BYTES of reply, set its length, return a status. */
int hil_board_execute(uint8_t verb, const uint8_t *request, uint16_t length, uint8_t *reply, uint16_t *reply_length);

uint16_t hil_get16(const uint8_t *at);
uint32_t hil_get32(const uint8_t *at);
void hil_put16(uint8_t *at, uint16_t value);
void hil_put32(uint8_t *at, uint32_t value);

#endif
