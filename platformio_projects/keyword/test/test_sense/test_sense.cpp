/* SPDX-License-Identifier: 0BSD */
/*
 * Tests that the pipeline before the model keyword, and the model, give the same bytes as NumPy and
 * TensorFlow Lite Micro for a recording, however its samples arrive.
 * The same file runs on this computer, on the emulated core and on the board.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <unity.h>

#include <Keyword.h>

#include "golden_recording.h"

#ifdef ARDUINO
#include <Arduino.h>
#endif

static keyword_sense_t context;
static size_t windows;

static uint32_t crc32(const void *data, size_t count)
{
    const uint8_t *const bytes = static_cast<const uint8_t *>(data);
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < count; ++i) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1) ^ ((crc & 1u) != 0u ? 0xEDB88320u : 0u);
        }
    }
    return ~crc;
}

/* Computes everything that has arrived, and compares every window. */
static void step_all(void)
{
    char message[32];
    keyword_event_t event;
    for (;;) {
        const keyword_sense_status_t status = keyword_sense_step(&context, &event);
        TEST_ASSERT_TRUE(status >= KEYWORD_SENSE_WAITING);
        if (status == KEYWORD_SENSE_WAITING) {
            TEST_ASSERT_TRUE(event.lost == 0u);
            return;
        }
        if (event.ready == 0u) {
            continue;
        }
        TEST_ASSERT_TRUE(windows < GOLDEN_WINDOWS);
        (void)snprintf(message, sizeof message, "window %u", (unsigned)windows);
        const uint32_t crc = crc32(keyword_output(&context.model, 0u), 3u);
        TEST_ASSERT_TRUE_MESSAGE(crc == golden_outputs[windows], message);
        TEST_ASSERT_EQUAL_INT_MESSAGE(golden_scores[windows], event.score, message);
        TEST_ASSERT_EQUAL_INT_MESSAGE(golden_labels[windows], event.label, message);
        TEST_ASSERT_EQUAL_INT_MESSAGE(golden_events[windows], status == KEYWORD_SENSE_EVENT ? 1 : 0,
                                      message);
        ++windows;
    }
}

/* Runs the recording, whose samples arrive `count` at a time. */
static void run(uint32_t count)
{
    TEST_ASSERT_EQUAL_INT(KEYWORD_SENSE_WAITING, keyword_sense_init(&context));
    windows = 0;
    for (uint32_t at = 0; at < GOLDEN_SAMPLES; at += count) {
        const uint32_t rest = GOLDEN_SAMPLES - at;
        keyword_sense_push(&context, &golden_samples[at * 1u], rest < count ? rest : count);
        step_all();
    }
    TEST_ASSERT_TRUE(windows == GOLDEN_WINDOWS);
}

static void test_errors(void)
{
    keyword_event_t event;
    memset(&context, 0, sizeof context);
    TEST_ASSERT_EQUAL_INT(KEYWORD_SENSE_ERROR_NULL, keyword_sense_init(NULL));
    TEST_ASSERT_EQUAL_INT(KEYWORD_SENSE_ERROR_NULL, keyword_sense_step(NULL, &event));
    TEST_ASSERT_EQUAL_INT(KEYWORD_SENSE_ERROR_NULL, keyword_sense_step(&context, NULL));
    TEST_ASSERT_EQUAL_INT(KEYWORD_SENSE_ERROR_NOT_INITIALIZED,
                          keyword_sense_step(&context, &event));
    keyword_sense_push(NULL, golden_samples, 1u);
    keyword_sense_push(&context, golden_samples, 1u);
}

static void test_golden_recording(void)
{
    run(KEYWORD_SENSE_RING);
}

static void test_samples_in_small_pieces(void)
{
    run(37u);
}

/* What does not fit into the ring is counted, and what fits is computed. */
static void test_lost_samples(void)
{
    keyword_event_t event;
    TEST_ASSERT_EQUAL_INT(KEYWORD_SENSE_WAITING, keyword_sense_init(&context));
    for (uint32_t i = 0; i < KEYWORD_SENSE_RING + 1u; ++i) {
        keyword_sense_push(&context, golden_samples, 1u);
    }
    (void)keyword_sense_step(&context, &event);
    TEST_ASSERT_TRUE(event.lost == 1u);
}

static void run_tests(void)
{
    UNITY_BEGIN();
    RUN_TEST(test_errors);
    RUN_TEST(test_golden_recording);
    RUN_TEST(test_samples_in_small_pieces);
    RUN_TEST(test_lost_samples);
    (void)UNITY_END();
}

#ifdef ARDUINO

void setup(void)
{
    /* Anything printed before the port is opened would be lost. */
    Serial.begin(115200);
    while (!Serial && millis() < 10000u) {
    }
    run_tests();
}

void loop(void)
{
}

#else

int main(void)
{
    run_tests();
    return 0; /* PlatformIO counts the failures; it takes other values for signals */
}

#endif
