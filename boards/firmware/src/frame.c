#include "crc32.h"
#include "link.h"

uint16_t hil_get16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

uint32_t hil_get32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

void hil_put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

void hil_put32(uint8_t *at, uint32_t value)
{
    hil_put16(at, (uint16_t)value);
    hil_put16(at + 2, (uint16_t)(value >> 16));
}

size_t hil_frame_seal(uint8_t *body, const hil_header *header)
{
    size_t sealed = HIL_HEADER_BYTES + header->length;
    body[0] = header->version;
    body[1] = header->type;
    hil_put16(body + 2, header->sequence);
    hil_put32(body + 4, header->nonce);
    body[8] = header->status;
    body[9] = 0;
    hil_put16(body + 10, header->length);
    hil_put32(body + sealed, hil_crc32(body, sealed));
    return sealed + HIL_CRC_BYTES;
}

int hil_frame_open(const uint8_t *body, size_t length, hil_header *header)
{
    if (length < HIL_HEADER_BYTES + HIL_CRC_BYTES) {
        return HIL_BAD_FRAME;
    }
    if (hil_crc32(body, length - HIL_CRC_BYTES) != hil_get32(body + length - HIL_CRC_BYTES)) {
        return HIL_BAD_CRC;
    }
    header->version = body[0];
    header->type = body[1];
    header->sequence = hil_get16(body + 2);
    header->nonce = hil_get32(body + 4);
    header->status = body[8];
    header->length = hil_get16(body + 10);
    if (header->version != HIL_PROTOCOL_VERSION) {
        return HIL_BAD_VERSION;
    }
    return header->length == length - HIL_HEADER_BYTES - HIL_CRC_BYTES ? HIL_OK : HIL_BAD_FRAME;
}
