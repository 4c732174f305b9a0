/* SPDX-License-Identifier: 0BSD */
/*
 * Tests that the model keyword returns the same bytes as TensorFlow Lite Micro.
 * The same file runs on this computer, on the emulated core and on the board.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <unity.h>

#include <Keyword.h>

#include "golden_vectors.h"

#ifdef ARDUINO
#include <Arduino.h>
#endif

static keyword_context_t context;

static void run(const golden_vector_t *vector)
{
    TEST_ASSERT_EQUAL_INT(KEYWORD_OK, keyword_reset(&context));
    for (size_t i = 0; i < GOLDEN_INPUTS; ++i) {
        int8_t *const input = keyword_input(&context, i);
        TEST_ASSERT_NOT_NULL(input);
        memcpy(input, vector->inputs[i], golden_input_sizes[i]);
    }
    TEST_ASSERT_EQUAL_INT(KEYWORD_OK, keyword_invoke(&context));
}

static void check(size_t index)
{
    char message[64];
    for (size_t i = 0; i < GOLDEN_OUTPUTS; ++i) {
        const int8_t *const output = keyword_output(&context, i);
        (void)snprintf(message, sizeof message, "golden vector %u, output %u", (unsigned)index,
                       (unsigned)i);
        TEST_ASSERT_NOT_NULL_MESSAGE(output, message);
        TEST_ASSERT_EQUAL_INT8_ARRAY_MESSAGE(golden_vectors[index].outputs[i], output,
                                             golden_output_sizes[i], message);
    }
}

static void test_null_context(void)
{
    TEST_ASSERT_EQUAL_INT(KEYWORD_ERROR_NULL, keyword_init(NULL));
    TEST_ASSERT_EQUAL_INT(KEYWORD_ERROR_NULL, keyword_reset(NULL));
    TEST_ASSERT_EQUAL_INT(KEYWORD_ERROR_NULL, keyword_invoke(NULL));
    TEST_ASSERT_NULL(keyword_input(NULL, 0));
    TEST_ASSERT_NULL(keyword_output(NULL, 0));
}

static void test_not_initialized(void)
{
    memset(&context, 0, sizeof context);
    TEST_ASSERT_EQUAL_INT(KEYWORD_ERROR_NOT_INITIALIZED, keyword_invoke(&context));
}

static void test_bad_index(void)
{
    TEST_ASSERT_EQUAL_INT(KEYWORD_OK, keyword_init(&context));
    TEST_ASSERT_NULL(keyword_input(&context, GOLDEN_INPUTS));
    TEST_ASSERT_NULL(keyword_input(&context, SIZE_MAX));
    TEST_ASSERT_NULL(keyword_output(&context, GOLDEN_OUTPUTS));
    TEST_ASSERT_NULL(keyword_output(&context, SIZE_MAX));
}

static void test_golden_vectors(void)
{
    TEST_ASSERT_EQUAL_INT(KEYWORD_OK, keyword_init(&context));
    for (size_t index = 0; index < GOLDEN_VECTORS; ++index) {
        run(&golden_vectors[index]);
        check(index);
    }
}

/* One invoke does not affect the next, in any order. */
static void test_repeated_invoke(void)
{
    TEST_ASSERT_EQUAL_INT(KEYWORD_OK, keyword_init(&context));
    for (size_t index = GOLDEN_VECTORS; index-- > 0u;) {
        run(&golden_vectors[index]);
        run(&golden_vectors[index]);
        check(index);
    }
}

/* A context that held anything else works after init. */
static void test_init_again(void)
{
    memset(&context, 0x5A, sizeof context);
    TEST_ASSERT_EQUAL_INT(KEYWORD_OK, keyword_init(&context));
    run(&golden_vectors[0]);
    check(0);
    TEST_ASSERT_EQUAL_INT(KEYWORD_OK, keyword_reset(&context));
    TEST_ASSERT_EQUAL_INT(KEYWORD_OK, keyword_init(&context));
    run(&golden_vectors[0]);
    check(0);
}

static void run_tests(void)
{
    UNITY_BEGIN();
    RUN_TEST(test_null_context);
    RUN_TEST(test_not_initialized);
    RUN_TEST(test_bad_index);
    RUN_TEST(test_golden_vectors);
    RUN_TEST(test_repeated_invoke);
    RUN_TEST(test_init_again);
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
