#ifndef HIL_CONFIG_H
#define HIL_CONFIG_H

/* Memory of a board, in bytes or elements; a target's build overrides what it cannot afford. */

#ifndef HIL_PAYLOAD_BYTES
#define HIL_PAYLOAD_BYTES 4096 /* longest payload of a frame */
#endif
#ifndef HIL_PROGRAM_BYTES
#define HIL_PROGRAM_BYTES 1048576 /* longest program */
#endif
#ifndef HIL_VECTOR_BYTES
#define HIL_VECTOR_BYTES 65536 /* longest activation vector, and longest fan-in */
#endif
#ifndef HIL_CHANNELS
#define HIL_CHANNELS 4096 /* most rows of a weight matrix */
#endif
#ifndef HIL_OUTPUTS
#define HIL_OUTPUTS 4096 /* most values the last layer gives */
#endif
#ifndef HIL_TRACE_BYTES
#define HIL_TRACE_BYTES 524288 /* what the layers of one traced inference may take: 5 bytes a value */
#endif
#define HIL_LAYERS 32 /* most layers */

#ifndef HIL_SOURCE_HASH
#define HIL_SOURCE_HASH "00000000000000000000000000000000" /* 32 hex digits, set by the build */
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "programs are little endian and are run where they lie"
#endif

#endif
