#ifndef HIL_CRC32_H
#define HIL_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32/ISO-HDLC: reflected 0xEDB88320, initial and final 0xFFFFFFFF; check value of "123456789" is 0xCBF43926. */
uint32_t hil_crc32(const uint8_t *bytes, size_t length);

#endif
