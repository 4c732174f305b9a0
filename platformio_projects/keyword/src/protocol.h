/* SPDX-License-Identifier: 0BSD */
/*
 * The serial protocol of the firmware: one line of ASCII each way, 115200 8N1.
 *
 *     >COMMAND arguments#TAG*CRC16
 *     <OK values#TAG*CRC16
 *     <ERR code text#TAG*CRC16
 *
 * The tag is an optional number of the request. The reply repeats it, so that a late reply is not
 * taken for the reply to a later request.
 *
 *     INFO                        model and firmware, as key=value pairs
 *     SELFTEST                    number of golden vectors that matched at boot, and of all
 *     IN index offset hex         write bytes of an input
 *     RUN                         run the model; returns microseconds
 *     OUT index offset length     read bytes of an output, in hex
 *     RESET                       reset the state of a stateful model, and of a pipeline
 *
 * and, if PROTOCOL_PIPELINE is defined before this file is included:
 *
 *     SAMPLES at hex              push samples; `at` is how many bytes were pushed since the reset
 *     EVENT number                one of the last events since the reset, from 0
 *
 * An event is also sent when it happens, without a request:
 *
 *     <EVENT number milliseconds label score*CRC16
 *
 * If a reply is lost, any command may be sent again: RUN without an IN since the last RUN repeats
 * its reply without running the model again. Bytes between lines are ignored, and a '>' always
 * starts a new line, so both sides resynchronise after noise.
 *
 * Use: fill in a protocol_device_t, set a protocol_t to zero, and call protocol_receive() with
 * every byte that arrives. This needs no other memory, and only device->write may block.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PROTOCOL_VERSION 2
#define PROTOCOL_CHUNK 240 /* most data bytes in one command */
#define PROTOCOL_LINE 512  /* most characters between '>' and the end of the line */
#define PROTOCOL_TAG 6     /* most digits of a tag */

#ifdef PROTOCOL_PIPELINE
#define PROTOCOL_EVENTS 8         /* the last events, which EVENT can repeat */
#define PROTOCOL_WRAP 1000000000u /* the bytes of SAMPLES are counted modulo this */

/* An event of a pipeline. */
typedef struct {
    uint32_t milliseconds;
    int32_t label;
    int32_t score;
} protocol_event_t;
#endif

/* What the firmware provides. All members must be set. */
typedef struct {
    const char *model;         /* name, a C identifier */
    const char *sha256;        /* of the .tflite, 64 hexadecimal digits */
    size_t context_bytes;      /* RAM of the model */
    const size_t *input_bytes; /* size of every input */
    size_t input_count;
    const size_t *output_bytes; /* size of every output */
    size_t output_count;
    size_t golden_passed; /* result of the self-test at boot */
    size_t golden_count;

    int8_t *(*input)(size_t index);        /* NULL if the model is not usable */
    const int8_t *(*output)(size_t index); /* the same */
    bool (*run)(uint32_t *microseconds);   /* one inference; false if it failed */
    bool (*reset)(void);
#ifdef PROTOCOL_PIPELINE
    /* Takes samples, and computes what they complete; false if that failed. */
    bool (*push)(const uint8_t *bytes, size_t count);
    const char *pipeline; /* sha256 of its JSON */
#endif
    void (*write)(const char *text, size_t length); /* sends all characters */
} protocol_device_t;

/* The contents of the tensors. */
typedef enum {
    PROTOCOL_EMPTY = 0,
    PROTOCOL_WRITTEN,
    PROTOCOL_RAN,
    PROTOCOL_FAILED
} protocol_state_t;

/* A connection; initially all zero. */
typedef struct {
    bool in_line;  /* after a '>', until the end of its line */
    size_t length; /* characters of the line; PROTOCOL_LINE + 1 if too many */
    char line[PROTOCOL_LINE];
    protocol_state_t state;
    uint32_t microseconds; /* of the last RUN */
#ifdef PROTOCOL_PIPELINE
    size_t pushed; /* bytes of samples since the reset */
    size_t events; /* since the reset */
    protocol_event_t event[PROTOCOL_EVENTS];
#endif
    const char *tag; /* of the request, in line[], with its '#' */
    size_t tag_length;
    uint16_t crc;        /* of the reply so far */
    size_t reply_length; /* characters waiting in reply[] */
    char reply[64];
} protocol_t;

/* CRC-16/CCITT-FALSE: start with 0xFFFF. */
static inline uint16_t protocol_crc16(uint16_t crc, char character)
{
    uint32_t value = crc ^ ((uint32_t)(unsigned char)character << 8);
    for (int bit = 0; bit < 8; ++bit) {
        value = (value & 0x8000u) != 0u ? (value << 1) ^ 0x1021u : value << 1;
    }
    return (uint16_t)(value & 0xFFFFu);
}

/* Replies: protocol_open(), any number of values, protocol_close(). */

static inline void protocol_put(protocol_t *self, const protocol_device_t *device, char character)
{
    if (self->reply_length == sizeof(self->reply)) {
        device->write(self->reply, self->reply_length);
        self->reply_length = 0;
    }
    self->reply[self->reply_length++] = character;
    self->crc = protocol_crc16(self->crc, character);
}

static inline void protocol_text(protocol_t *self, const protocol_device_t *device,
                                 const char *text)
{
    for (; *text != '\0'; ++text) {
        protocol_put(self, device, *text);
    }
}

static inline void protocol_number(protocol_t *self, const protocol_device_t *device, size_t value)
{
    char digits[20]; /* enough for 64 bits */
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + (int)(value % 10u));
        value /= 10u;
    } while (value != 0u);
    while (count > 0u) {
        protocol_put(self, device, digits[--count]);
    }
}

static inline void protocol_hex(protocol_t *self, const protocol_device_t *device, uint32_t value,
                                unsigned digits)
{
    while (digits > 0u) {
        --digits;
        protocol_put(self, device, "0123456789ABCDEF"[(value >> (4u * digits)) & 15u]);
    }
}

static inline void protocol_sizes(protocol_t *self, const protocol_device_t *device,
                                  const size_t *sizes, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        if (i > 0u) {
            protocol_put(self, device, ',');
        }
        protocol_number(self, device, sizes[i]);
    }
}

static inline void protocol_open(protocol_t *self, const protocol_device_t *device,
                                 const char *text)
{
    protocol_put(self, device, '<');
    self->crc = 0xFFFFu;
    protocol_text(self, device, text);
}

static inline void protocol_close(protocol_t *self, const protocol_device_t *device)
{
    for (size_t i = 0; i < self->tag_length; ++i) {
        protocol_put(self, device, self->tag[i]);
    }
    const uint16_t crc = self->crc;
    protocol_put(self, device, '*');
    protocol_hex(self, device, crc, 4);
    protocol_put(self, device, '\n');
    device->write(self->reply, self->reply_length);
    self->reply_length = 0;
}

static inline void protocol_reply(protocol_t *self, const protocol_device_t *device,
                                  const char *text)
{
    protocol_open(self, device, text);
    protocol_close(self, device);
}

/* Requests: the unread characters of a line. */
typedef struct {
    const char *at;
    const char *end;
} protocol_rest_t;

/* Whether the next word is this one; if so, skips it. */
static inline bool protocol_take_word(protocol_rest_t *rest, const char *word)
{
    const size_t length = strlen(word);
    const size_t left = (size_t)(rest->end - rest->at);
    if (left < length || memcmp(rest->at, word, length) != 0) {
        return false;
    }
    if (left > length && rest->at[length] != ' ') {
        return false;
    }
    rest->at += length;
    return true;
}

/* A space and a decimal number of at most nine digits. */
static inline bool protocol_take_number(protocol_rest_t *rest, size_t *number)
{
    if (rest->at == rest->end || *rest->at != ' ') {
        return false;
    }
    const char *const first = ++rest->at;
    *number = 0;
    while (rest->at != rest->end && *rest->at >= '0' && *rest->at <= '9') {
        *number = *number * 10u + (size_t)(*rest->at - '0');
        ++rest->at;
        if (rest->at - first > 9) {
            return false;
        }
    }
    return rest->at != first;
}

/* The value of a hexadecimal digit, or -1. */
static inline int protocol_digit(char character)
{
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    if (character >= 'A' && character <= 'F') {
        return character - 'A' + 10;
    }
    if (character >= 'a' && character <= 'f') {
        return character - 'a' + 10;
    }
    return -1;
}

/* The value of two hexadecimal digits, or -1. */
static inline int protocol_byte(const char *digits)
{
    const int high = protocol_digit(digits[0]);
    const int low = protocol_digit(digits[1]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static inline void protocol_bad_argument(protocol_t *self, const protocol_device_t *device)
{
    protocol_reply(self, device, "ERR 4 bad argument");
}

/* INFO */
static inline void protocol_info(protocol_t *self, const protocol_device_t *device)
{
    protocol_open(self, device, "OK protocol=");
    protocol_number(self, device, PROTOCOL_VERSION);
    protocol_text(self, device, " model=");
    protocol_text(self, device, device->model);
    protocol_text(self, device, " sha256=");
    protocol_text(self, device, device->sha256);
    protocol_text(self, device, " context=");
    protocol_number(self, device, device->context_bytes);
    protocol_text(self, device, " chunk=");
    protocol_number(self, device, PROTOCOL_CHUNK);
    protocol_text(self, device, " inputs=");
    protocol_sizes(self, device, device->input_bytes, device->input_count);
    protocol_text(self, device, " outputs=");
    protocol_sizes(self, device, device->output_bytes, device->output_count);
#ifdef PROTOCOL_PIPELINE
    protocol_text(self, device, " pipeline=");
    protocol_text(self, device, device->pipeline);
#endif
    protocol_close(self, device);
}

/* SELFTEST */
static inline void protocol_selftest(protocol_t *self, const protocol_device_t *device)
{
    protocol_open(self, device, "OK ");
    protocol_number(self, device, device->golden_passed);
    protocol_put(self, device, ' ');
    protocol_number(self, device, device->golden_count);
    protocol_close(self, device);
}

/* IN index offset hex */
static inline void protocol_in(protocol_t *self, const protocol_device_t *device,
                               protocol_rest_t rest)
{
    size_t index = 0;
    size_t offset = 0;
    if (!protocol_take_number(&rest, &index) || index >= device->input_count ||
        !protocol_take_number(&rest, &offset) || offset > device->input_bytes[index] ||
        rest.at == rest.end || *rest.at != ' ') {
        protocol_bad_argument(self, device);
        return;
    }
    ++rest.at;
    const size_t digits = (size_t)(rest.end - rest.at);
    const size_t count = digits / 2u;
    if (digits % 2u != 0u || count == 0u || count > PROTOCOL_CHUNK ||
        count > device->input_bytes[index] - offset) {
        protocol_bad_argument(self, device);
        return;
    }
    for (size_t i = 0; i < count; ++i) {
        if (protocol_byte(rest.at + 2u * i) < 0) {
            protocol_bad_argument(self, device);
            return;
        }
    }
    int8_t *const input = device->input(index);
    if (input == NULL) {
        protocol_reply(self, device, "ERR 5 the model is not usable");
        return;
    }
    for (size_t i = 0; i < count; ++i) {
        const int byte = protocol_byte(rest.at + 2u * i);
        input[offset + i] = (int8_t)(byte < 128 ? byte : byte - 256);
    }
    self->state = PROTOCOL_WRITTEN;
    protocol_reply(self, device, "OK");
}

/* RUN */
static inline void protocol_run(protocol_t *self, const protocol_device_t *device)
{
    if (self->state == PROTOCOL_EMPTY && device->input_count != 0u) {
        protocol_reply(self, device, "ERR 5 no input was written");
        return;
    }
    if (self->state == PROTOCOL_EMPTY || self->state == PROTOCOL_WRITTEN) {
        self->state = device->run(&self->microseconds) ? PROTOCOL_RAN : PROTOCOL_FAILED;
    }
    if (self->state == PROTOCOL_FAILED) {
        protocol_reply(self, device, "ERR 5 the model failed");
        return;
    }
    protocol_open(self, device, "OK ");
    protocol_number(self, device, self->microseconds);
    protocol_close(self, device);
}

/* OUT index offset length */
static inline void protocol_out(protocol_t *self, const protocol_device_t *device,
                                protocol_rest_t rest)
{
    size_t index = 0;
    size_t offset = 0;
    size_t length = 0;
    if (!protocol_take_number(&rest, &index) || index >= device->output_count ||
        !protocol_take_number(&rest, &offset) || offset > device->output_bytes[index] ||
        !protocol_take_number(&rest, &length) || length == 0u || length > PROTOCOL_CHUNK ||
        length > device->output_bytes[index] - offset || rest.at != rest.end) {
        protocol_bad_argument(self, device);
        return;
    }
    const int8_t *const output = device->output(index);
    if (self->state != PROTOCOL_RAN || output == NULL) {
        protocol_reply(self, device, "ERR 5 the model has not run");
        return;
    }
    protocol_open(self, device, "OK ");
    for (size_t i = 0; i < length; ++i) {
        protocol_hex(self, device, (uint8_t)output[offset + i], 2);
    }
    protocol_close(self, device);
}

#ifdef PROTOCOL_PIPELINE

static inline void protocol_integer(protocol_t *self, const protocol_device_t *device,
                                    int32_t value)
{
    if (value < 0) {
        protocol_put(self, device, '-');
    }
    protocol_number(self, device, value < 0 ? 0u - (uint32_t)value : (uint32_t)value);
}

/* number milliseconds label score */
static inline void protocol_about(protocol_t *self, const protocol_device_t *device, size_t number)
{
    const protocol_event_t *const event = &self->event[number % PROTOCOL_EVENTS];
    protocol_number(self, device, number);
    protocol_put(self, device, ' ');
    protocol_number(self, device, event->milliseconds);
    protocol_put(self, device, ' ');
    protocol_integer(self, device, event->label);
    protocol_put(self, device, ' ');
    protocol_integer(self, device, event->score);
}

/* Reports an event; may be called while a command is being executed, before its reply. */
static inline void protocol_report(protocol_t *self, const protocol_device_t *device,
                                   protocol_event_t event)
{
    const size_t tag_length = self->tag_length;
    self->event[self->events % PROTOCOL_EVENTS] = event;
    self->tag_length = 0; /* it answers no request */
    protocol_open(self, device, "EVENT ");
    protocol_about(self, device, self->events);
    protocol_close(self, device);
    ++self->events;
    self->tag_length = tag_length;
}

/* SAMPLES at hex */
static inline void protocol_samples(protocol_t *self, const protocol_device_t *device,
                                    protocol_rest_t rest)
{
    uint8_t bytes[PROTOCOL_CHUNK];
    size_t at = 0;
    if (!protocol_take_number(&rest, &at) || rest.at == rest.end || *rest.at != ' ') {
        protocol_bad_argument(self, device);
        return;
    }
    ++rest.at;
    const size_t digits = (size_t)(rest.end - rest.at);
    const size_t count = digits / 2u;
    if (digits % 2u != 0u || count == 0u || count > PROTOCOL_CHUNK) {
        protocol_bad_argument(self, device);
        return;
    }
    for (size_t i = 0; i < count; ++i) {
        const int byte = protocol_byte(rest.at + 2u * i);
        if (byte < 0) {
            protocol_bad_argument(self, device);
            return;
        }
        bytes[i] = (uint8_t)byte;
    }
    if (at == self->pushed) {
        self->pushed = (at + count) % PROTOCOL_WRAP;
        self->state = PROTOCOL_EMPTY; /* the pipeline overwrites the model's tensors */
        if (!device->push(bytes, count)) {
            protocol_reply(self, device, "ERR 5 the pipeline failed");
            return;
        }
    } else if ((at + count) % PROTOCOL_WRAP != self->pushed) {
        protocol_reply(self, device, "ERR 4 samples are missing"); /* else, they are repeated */
        return;
    }
    protocol_open(self, device, "OK ");
    protocol_number(self, device, self->pushed);
    protocol_put(self, device, ' ');
    protocol_number(self, device, self->events);
    protocol_close(self, device);
}

/* EVENT number */
static inline void protocol_event(protocol_t *self, const protocol_device_t *device,
                                  protocol_rest_t rest)
{
    size_t number = 0;
    if (!protocol_take_number(&rest, &number) || rest.at != rest.end || number >= self->events ||
        number + PROTOCOL_EVENTS < self->events) {
        protocol_bad_argument(self, device);
        return;
    }
    protocol_open(self, device, "OK ");
    protocol_about(self, device, number);
    protocol_close(self, device);
}

#endif /* PROTOCOL_PIPELINE */

/* Forgets what was written, pushed and found. */
static inline void protocol_forget(protocol_t *self)
{
    self->state = PROTOCOL_EMPTY;
#ifdef PROTOCOL_PIPELINE
    self->pushed = 0;
    self->events = 0;
#endif
}

/* RESET */
static inline void protocol_reset(protocol_t *self, const protocol_device_t *device)
{
    protocol_forget(self);
    protocol_reply(self, device, device->reset() ? "OK" : "ERR 5 the model is not usable");
}

/* Removes the tag from the end of a request. An invalid one stays, and is a bad argument. */
static inline void protocol_take_tag(protocol_t *self, protocol_rest_t *rest)
{
    const char *at = rest->end;
    while (at != rest->at && at[-1] >= '0' && at[-1] <= '9') {
        --at;
    }
    const size_t digits = (size_t)(rest->end - at);
    if (at != rest->at && at[-1] == '#' && digits > 0u && digits <= PROTOCOL_TAG) {
        self->tag = at - 1;
        self->tag_length = digits + 1u;
        rest->end = self->tag;
    }
}

/* Handles a complete line: checks its CRC and runs the command. */
static inline void protocol_execute(protocol_t *self, const protocol_device_t *device)
{
    self->tag_length = 0;
    if (self->length > PROTOCOL_LINE) {
        protocol_reply(self, device, "ERR 2 line too long");
        return;
    }
    if (self->length < 5u || self->line[self->length - 5u] != '*') {
        protocol_reply(self, device, "ERR 1 no CRC");
        return;
    }
    const char *const star = &self->line[self->length - 5u];
    uint16_t crc = 0xFFFFu;
    for (const char *at = self->line; at != star; ++at) {
        crc = protocol_crc16(crc, *at);
    }
    if (protocol_byte(star + 1) != crc >> 8 || protocol_byte(star + 3) != (crc & 0xFF)) {
        protocol_reply(self, device, "ERR 1 wrong CRC");
        return;
    }

    protocol_rest_t rest = { self->line, star };
    protocol_take_tag(self, &rest);
    if (protocol_take_word(&rest, "IN")) {
        protocol_in(self, device, rest);
    } else if (protocol_take_word(&rest, "OUT")) {
        protocol_out(self, device, rest);
    } else if (protocol_take_word(&rest, "RUN") && rest.at == rest.end) {
        protocol_run(self, device);
#ifdef PROTOCOL_PIPELINE
    } else if (protocol_take_word(&rest, "SAMPLES")) {
        protocol_samples(self, device, rest);
    } else if (protocol_take_word(&rest, "EVENT")) {
        protocol_event(self, device, rest);
#endif
    } else if (protocol_take_word(&rest, "INFO") && rest.at == rest.end) {
        protocol_info(self, device);
    } else if (protocol_take_word(&rest, "SELFTEST") && rest.at == rest.end) {
        protocol_selftest(self, device);
    } else if (protocol_take_word(&rest, "RESET") && rest.at == rest.end) {
        protocol_reset(self, device);
    } else if (rest.at != self->line) {
        protocol_bad_argument(self, device); /* a known command with extra arguments */
    } else {
        protocol_reply(self, device, "ERR 3 unknown command");
    }
}

/* Handles a received byte. A line ends with "\n", "\r" or both. */
static inline void protocol_receive(protocol_t *self, const protocol_device_t *device, char byte)
{
    if (byte == '>') {
        self->in_line = true;
        self->length = 0;
    } else if (self->in_line && (byte == '\n' || byte == '\r')) {
        self->in_line = false;
        protocol_execute(self, device);
    } else if (self->in_line && self->length < PROTOCOL_LINE) {
        self->line[self->length++] = byte;
    } else if (self->in_line) {
        self->length = PROTOCOL_LINE + 1u;
    }
}

#endif /* PROTOCOL_H */
