/* SPDX-License-Identifier: 0BSD */
/*
 * Saves what a pipeline has learnt into a buffer of the user, and loads it again. All numbers are
 * little-endian:
 *
 *     0   4  "TXL1": the format and its version
 *     4   8  which pipeline it is of
 *    12   4  bytes of state
 *    16      state
 *         4  CRC-32 (IEEE 802.3) of everything before
 *
 * Nothing is loaded unless all of it is right, so whatever a power cut left in the memory that the
 * buffer was written to, the state is a saved one, or remains as it was.
 */
#ifndef TFLM_EXT_SAVE_H
#define TFLM_EXT_SAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
#error "Saving requires a little-endian processor."
#endif

#define TFLM_EXT_SAVE_HEADER 16U
#define TFLM_EXT_SAVE_CRC 4U

/* An array of the state. */
typedef struct {
    void *data;
    uint32_t bytes;
} tflm_ext_saved_part_t;

/* The CRC-32 of some bytes, four bits at a time. */
static inline uint32_t tflm_ext_crc32(const uint8_t *bytes, uint32_t count)
{
    static const uint32_t table[16] = {
        0x00000000U, 0x1DB71064U, 0x3B6E20C8U, 0x26D930ACU, 0x76DC4190U, 0x6B6B51F4U,
        0x4DB26158U, 0x5005713CU, 0xEDB88320U, 0xF00F9344U, 0xD6D6A3E8U, 0xCB61B38CU,
        0x9B64C2B0U, 0x86D3D2D4U, 0xA00AE278U, 0xBDBDF21CU,
    };
    uint32_t crc = 0xFFFFFFFFU;

    for (uint32_t i = 0U; i < count; ++i) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ table[crc & 15U];
        crc = (crc >> 4) ^ table[crc & 15U];
    }
    return ~crc;
}

/* The bytes of all parts. */
static inline uint32_t tflm_ext_saved_state(const tflm_ext_saved_part_t *parts, uint32_t count)
{
    uint32_t bytes = 0U;

    for (uint32_t i = 0U; i < count; ++i) {
        bytes += parts[i].bytes;
    }
    return bytes;
}

/* The header: the format, the first 8 bytes of the pipeline's digest, and the size of the state. */
static inline void tflm_ext_saved_header(const uint8_t *digest, uint32_t state, uint8_t *header)
{
    (void)memcpy(header, "TXL1", 4U);
    (void)memcpy(&header[4], digest, 8U);
    (void)memcpy(&header[12], &state, 4U);
}

/*
 * Writes the state, and returns the number of bytes, or 0 if the buffer is too small; then nothing
 * is written.
 */
static inline uint32_t tflm_ext_save(const tflm_ext_saved_part_t *parts, uint32_t count,
                                     const uint8_t *digest, uint8_t *buffer, uint32_t size)
{
    const uint32_t state = tflm_ext_saved_state(parts, count);
    uint32_t at = TFLM_EXT_SAVE_HEADER;

    if (size < (TFLM_EXT_SAVE_HEADER + state + TFLM_EXT_SAVE_CRC)) {
        return 0U;
    }
    tflm_ext_saved_header(digest, state, buffer);
    for (uint32_t i = 0U; i < count; ++i) {
        (void)memcpy(&buffer[at], parts[i].data, parts[i].bytes);
        at += parts[i].bytes;
    }

    const uint32_t crc = tflm_ext_crc32(buffer, at);
    (void)memcpy(&buffer[at], &crc, sizeof crc);
    return at + TFLM_EXT_SAVE_CRC;
}

/*
 * Reads what tflm_ext_save wrote, and returns whether it did: not if the buffer is too short, is
 * damaged, or is of another pipeline. Bytes after the saved ones are ignored.
 */
static inline bool tflm_ext_load(const tflm_ext_saved_part_t *parts, uint32_t count,
                                 const uint8_t *digest, const uint8_t *buffer, uint32_t size)
{
    const uint32_t state = tflm_ext_saved_state(parts, count);
    uint32_t at = TFLM_EXT_SAVE_HEADER;
    uint8_t header[TFLM_EXT_SAVE_HEADER];
    uint32_t crc;

    if (size < (TFLM_EXT_SAVE_HEADER + state + TFLM_EXT_SAVE_CRC)) {
        return false;
    }
    tflm_ext_saved_header(digest, state, header);
    (void)memcpy(&crc, &buffer[at + state], sizeof crc);
    if ((memcmp(buffer, header, sizeof header) != 0) ||
        (crc != tflm_ext_crc32(buffer, at + state))) {
        return false;
    }
    for (uint32_t i = 0U; i < count; ++i) {
        (void)memcpy(parts[i].data, &buffer[at], parts[i].bytes);
        at += parts[i].bytes;
    }
    return true;
}

#endif
