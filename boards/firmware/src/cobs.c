#include "cobs.h"

size_t hil_cobs_encode(const uint8_t *in, size_t length, uint8_t *out)
{
    size_t code_at = 0, written = 1;
    uint8_t code = 1;
    for (size_t i = 0; i < length; i++) {
        if (in[i] != 0) {
            out[written++] = in[i];
            code++;
        }
        if (in[i] == 0 || (code == 0xFF && i + 1 < length)) {
            out[code_at] = code;
            code_at = written++;
            code = 1;
        }
    }
    out[code_at] = code;
    return written;
}

size_t hil_cobs_decode(const uint8_t *in, size_t length, uint8_t *out)
{
    size_t read = 0, written = 0;
    while (read < length) {
        uint8_t code = in[read++];
        if (code == 0 || (size_t)(code - 1) > length - read) {
            return (size_t)-1;
        }
        for (uint8_t i = 1; i < code; i++) {
            if (in[read] == 0) {
                return (size_t)-1;
            }
            out[written++] = in[read++];
        }
        if (code != 0xFF && read < length) {
            out[written++] = 0;
        }
    }
    return written;
}
