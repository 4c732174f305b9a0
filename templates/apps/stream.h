/* SPDX-License-Identifier: 0BSD */
/*
 * Samples of the sensor over the serial line: data frames between the lines of protocol.h.
 *
 *     00 COBS(type, stream, position, time, payload, crc16) 00
 *
 *     type        1 byte: STREAM_SAMPLES
 *     stream      1 byte: the number that the host gave to the stream
 *     position    4 bytes: of the first byte of the payload, among all bytes of samples since the
 *                 device started, modulo 2^32
 *     time        4 bytes: microseconds, when the last samples arrived; wraps
 *     payload     1 to STREAM_CHUNK bytes
 *     crc16       2 bytes: CRC-16/CCITT-FALSE of all before it
 *
 * All numbers are little-endian. COBS leaves no 0 within a frame, and no line contains one, so a
 * 0 always ends what was before it. Nothing is sent until the host asks for it:
 *
 *     SOURCE                         returns what the sensor gives: JSON, in hexadecimal digits
 *     STREAM number                  send all samples from now on; returns the first position
 *     STOP                           pause; returns the position after the last byte that was sent
 *     RESEND number position count   send bytes again; returns position and count of those that
 *                                    are still in the ring, and the position after the newest byte
 *
 * In lines, a position is eight hexadecimal digits. All commands may be repeated: STREAM with the
 * number of the last stream continues it.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "protocol.h"

#define STREAM_CHUNK 100u   /* most bytes of samples in a frame; boards have small buffers */
#define STREAM_RESEND 1600u /* most bytes that one RESEND sends */
#define STREAM_SAMPLES 1u   /* type of a frame */
#define STREAM_HEAD 10u     /* bytes before the payload */

/* The compiler must not move accesses to the ring beyond those to its counters. */
#if defined(__GNUC__)
#define STREAM_BARRIER() __asm__ volatile("" : : : "memory")
#else
#define STREAM_BARRIER() ((void)0)
#endif

/* The last samples, and what was sent of them. Set `ring`, `size` and `source`; the rest is initially 0. */
typedef struct {
    uint8_t *ring;
    uint32_t size;             /* bytes, a multiple of those of a sample of all channels */
    const char *source;        /* JSON in hexadecimal digits */
    volatile uint32_t written; /* bytes so far; wraps */
    volatile uint32_t place;   /* where the next byte goes in the ring */
    volatile uint32_t time;    /* microseconds, when the last samples arrived */
    uint32_t first;            /* position where the stream began */
    uint32_t sent;             /* position after the last byte that was sent */
    uint8_t number;            /* of the last stream; 0 if there was none */
    bool active;               /* whether it is being sent */
} stream_t;

/* CRC-16/CCITT-FALSE with a table for four bits: 32 bytes of flash. Start with 0xFFFF. */
static inline uint16_t stream_crc16(const uint8_t *bytes, size_t count)
{
    static const uint16_t table[16] = {
        0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50A5, 0x60C6, 0x70E7,
        0x8108, 0x9129, 0xA14A, 0xB16B, 0xC18C, 0xD1AD, 0xE1CE, 0xF1EF,
    };
    uint32_t crc = 0xFFFFu;
    for (size_t i = 0; i < count; ++i) {
        crc = (crc << 4) ^ table[((crc >> 12) ^ ((uint32_t)bytes[i] >> 4)) & 15u];
        crc = (crc << 4) ^ table[((crc >> 12) ^ bytes[i]) & 15u];
    }
    return (uint16_t)(crc & 0xFFFFu);
}

static inline void stream_put32(uint8_t *bytes, uint32_t value)
{
    for (unsigned i = 0; i < 4u; ++i) {
        bytes[i] = (uint8_t)((value >> (8u * i)) & 0xFFu);
    }
}

/*
 * Completes a frame and sends it.
 *
 * COBS replaces every 0 by the distance to the next one, so it needs no second buffer.
 *
 *     wire     2 bytes that are filled in here, head and payload, and 3 bytes for the end
 *     count    bytes of head and payload, at most 251
 */
static inline void stream_frame(const protocol_device_t *device, uint8_t *wire, size_t count)
{
    const uint16_t crc = stream_crc16(&wire[2], count);
    size_t end = 2u + count;
    wire[end++] = (uint8_t)(crc & 0xFFu);
    wire[end++] = (uint8_t)(crc >> 8);
    size_t zero = 1;
    for (size_t i = 2; i < end; ++i) {
        if (wire[i] == 0u) {
            wire[zero] = (uint8_t)(i - zero);
            zero = i;
        }
    }
    wire[zero] = (uint8_t)(end - zero);
    wire[0] = 0;
    wire[end++] = 0;
    device->write((const char *)wire, end);
}

/* Takes samples, maybe in an interrupt. They stay on the device. */
static inline void stream_push(stream_t *self, const void *samples, uint32_t count, uint32_t time)
{
    const uint8_t *bytes = (const uint8_t *)samples;
    uint32_t place = self->place;
    for (uint32_t left = count; left > 0u;) {
        const uint32_t room = self->size - place;
        const uint32_t part = left < room ? left : room;
        (void)memcpy(&self->ring[place], bytes, part);
        bytes += part;
        left -= part;
        place = part == room ? 0u : place + part;
    }
    STREAM_BARRIER();
    self->place = place;
    self->time = time;
    self->written = self->written + count;
}

/* Copies bytes of the ring; false if they are not there, or were overwritten meanwhile. */
static inline bool stream_copy(const stream_t *self, uint32_t position, uint8_t *bytes,
                               uint32_t count)
{
    uint32_t written;
    uint32_t place;
    do { /* an interrupt may push between the two */
        written = self->written;
        place = self->place;
    } while (written != self->written);

    const uint32_t back = written - position;
    if (back > self->size || back < count) {
        return false;
    }
    const uint32_t from = place >= back ? place - back : place + self->size - back;
    const uint32_t room = self->size - from;
    const uint32_t part = count < room ? count : room;
    STREAM_BARRIER();
    (void)memcpy(bytes, &self->ring[from], part);
    (void)memcpy(&bytes[part], self->ring, count - part);
    STREAM_BARRIER();
    return self->written - position <= self->size;
}

/* The first position from here on whose bytes are still in the ring. */
static inline uint32_t stream_oldest(const stream_t *self, uint32_t position)
{
    const uint32_t written = self->written;
    return written - position > self->size ? written - self->size : position;
}

/* Sends bytes of the ring in frames. What has left it is not sent. */
static inline void stream_range(const stream_t *self, const protocol_device_t *device,
                                uint32_t position, uint32_t end)
{
    uint8_t wire[2u + STREAM_HEAD + STREAM_CHUNK + 3u];
    while (position != end) {
        const uint32_t left = end - position;
        const uint32_t count = left < STREAM_CHUNK ? left : STREAM_CHUNK;
        if (stream_copy(self, position, &wire[2u + STREAM_HEAD], count)) {
            wire[2] = STREAM_SAMPLES;
            wire[3] = self->number;
            stream_put32(&wire[4], position);
            stream_put32(&wire[8], self->time);
            stream_frame(device, wire, STREAM_HEAD + count);
        }
        position += count;
    }
}

/* Sends what has arrived, in full frames. Call this in the main loop. */
static inline void stream_send(stream_t *self, const protocol_device_t *device)
{
    if (!self->active) {
        return;
    }
    self->sent = stream_oldest(self, self->sent);
    const uint32_t ready = self->written - self->sent;
    const uint32_t end = self->sent + ready - ready % STREAM_CHUNK;
    stream_range(self, device, self->sent, end);
    self->sent = end;
}

/* A space and a position. */
static inline bool stream_take_position(protocol_rest_t *rest, uint32_t *position)
{
    if (rest->end - rest->at < 9 || *rest->at != ' ') {
        return false;
    }
    *position = 0;
    for (size_t i = 1; i < 9u; i += 2u) {
        const int byte = protocol_byte(&rest->at[i]);
        if (byte < 0) {
            return false;
        }
        *position = (*position << 8) | (uint32_t)byte;
    }
    rest->at += 9;
    return true;
}

/* STREAM number */
static inline void stream_start(stream_t *self, protocol_t *protocol,
                                const protocol_device_t *device, protocol_rest_t rest)
{
    size_t number = 0;
    if (!protocol_take_number(&rest, &number) || rest.at != rest.end || number == 0u ||
        number > 255u) {
        protocol_bad_argument(protocol, device);
        return;
    }
    if (number != self->number) {
        self->number = (uint8_t)number;
        self->first = self->written;
        self->sent = self->first;
    }
    self->active = true;
    protocol_open(protocol, device, "OK ");
    protocol_hex(protocol, device, self->first, 8);
    protocol_close(protocol, device);
}

/* STOP */
static inline void stream_stop(stream_t *self, protocol_t *protocol,
                               const protocol_device_t *device)
{
    if (self->active) {
        const uint32_t end = self->written;
        stream_range(self, device, stream_oldest(self, self->sent), end);
        self->sent = end;
        self->active = false;
    }
    protocol_open(protocol, device, "OK ");
    protocol_hex(protocol, device, self->sent, 8);
    protocol_close(protocol, device);
}

/* RESEND number position count */
static inline void stream_resend(const stream_t *self, protocol_t *protocol,
                                 const protocol_device_t *device, protocol_rest_t rest)
{
    size_t number = 0;
    uint32_t position = 0;
    size_t count = 0;
    if (!protocol_take_number(&rest, &number) || !stream_take_position(&rest, &position) ||
        !protocol_take_number(&rest, &count) || rest.at != rest.end || count > STREAM_RESEND) {
        protocol_bad_argument(protocol, device);
        return;
    }
    if (number == 0u || number != self->number) {
        protocol_reply(protocol, device, "ERR 5 there is no such stream");
        return;
    }
    const uint32_t end = self->written;
    const uint32_t first = stream_oldest(self, position);
    const uint32_t gone = first - position;
    uint32_t left = gone < count ? (uint32_t)count - gone : 0u;
    left = left < end - first ? left : end - first;
    protocol_open(protocol, device, "OK ");
    protocol_hex(protocol, device, first, 8);
    protocol_put(protocol, device, ' ');
    protocol_number(protocol, device, left);
    protocol_put(protocol, device, ' ');
    protocol_hex(protocol, device, end, 8);
    protocol_close(protocol, device);
    stream_range(self, device, first, first + left);
}

/* Executes a command of a stream; false if it is none of them. */
static inline bool stream_execute(stream_t *self, protocol_t *protocol,
                                  const protocol_device_t *device, protocol_rest_t rest)
{
    if (protocol_take_word(&rest, "STREAM")) {
        stream_start(self, protocol, device, rest);
    } else if (protocol_take_word(&rest, "RESEND")) {
        stream_resend(self, protocol, device, rest);
    } else if (protocol_take_word(&rest, "STOP") && rest.at == rest.end) {
        stream_stop(self, protocol, device);
    } else if (protocol_take_word(&rest, "SOURCE") && rest.at == rest.end) {
        protocol_open(protocol, device, "OK ");
        protocol_text(protocol, device, self->source);
        protocol_close(protocol, device);
    } else {
        return false;
    }
    return true;
}

#endif /* STREAM_H */
