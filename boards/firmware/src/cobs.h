#ifndef HIL_COBS_H
#define HIL_COBS_H

#include <stddef.h>
#include <stdint.h>

/* Longest encoding of `length` bytes, without a delimiter. */
#define HIL_COBS_BOUND(length) ((length) + (length) / 254u + 1u)

/* Consistent overhead byte stuffing (Cheshire & Baker, IEEE/ACM Trans. Networking 7, 1999): no zero in the output.
 * Returns the number of bytes written to `out`, which must hold HIL_COBS_BOUND(length). */
size_t hil_cobs_encode(const uint8_t *in, size_t length, uint8_t *out);

/* Undo it; `out` may be `in`. Returns the number of bytes, or (size_t)-1 when the input is not an encoding. */
size_t hil_cobs_decode(const uint8_t *in, size_t length, uint8_t *out);

#endif
