/* SPDX-License-Identifier: 0BSD */
/*
 * A small test harness that speaks like Unity (ThrowTheSwitch): the macros that the tests of
 * this project use, and the same lines of output. It serves where PlatformIO's registry, which
 * has the real one, is out of reach.
 *
 *     UNITY_BEGIN();
 *     RUN_TEST(a_function_without_arguments);
 *     return UNITY_END();
 *
 * The first assertion that fails ends its test.
 */
#ifndef UNITY_H
#define UNITY_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Called before and after every test; PlatformIO's unity_config supplies empty ones. */
void setUp(void);
void tearDown(void);

void unity_begin(const char *file);
int unity_end(void);
void unity_run(void (*test)(void), const char *name, int line);

/* `message` may be NULL everywhere. */
void unity_check(int condition, const char *problem, const char *message, int line);
void unity_check_equal(intptr_t expected, intptr_t got, const char *message, int line);
void unity_check_int8_array(const int8_t *expected, const int8_t *got, size_t size,
                            const char *message, int line);
void unity_ignore(const char *message, int line);

#ifdef __cplusplus
}
#endif

#define UNITY_BEGIN() unity_begin(__FILE__)
#define UNITY_END() unity_end()
#define RUN_TEST(test) unity_run((test), #test, __LINE__)

#define TEST_ASSERT_TRUE_MESSAGE(condition, message)                                               \
    unity_check((condition) ? 1 : 0, "Expected TRUE Was FALSE", (message), __LINE__)
#define TEST_ASSERT_FALSE_MESSAGE(condition, message)                                              \
    unity_check((condition) ? 0 : 1, "Expected FALSE Was TRUE", (message), __LINE__)
#define TEST_ASSERT_NULL_MESSAGE(pointer, message)                                                 \
    unity_check((pointer) == NULL, "Expected NULL", (message), __LINE__)
#define TEST_ASSERT_NOT_NULL_MESSAGE(pointer, message)                                             \
    unity_check((pointer) != NULL, "Expected Non-NULL", (message), __LINE__)
#define TEST_ASSERT_EQUAL_INT_MESSAGE(expected, got, message)                                      \
    unity_check_equal((intptr_t)(expected), (intptr_t)(got), (message), __LINE__)
#define TEST_ASSERT_EQUAL_INT8_ARRAY_MESSAGE(expected, got, size, message)                         \
    unity_check_int8_array((expected), (got), (size), (message), __LINE__)
#define TEST_FAIL_MESSAGE(message) unity_check(0, NULL, (message), __LINE__)
#define TEST_IGNORE_MESSAGE(message) unity_ignore((message), __LINE__)

#define TEST_ASSERT_TRUE(condition) TEST_ASSERT_TRUE_MESSAGE(condition, NULL)
#define TEST_ASSERT_FALSE(condition) TEST_ASSERT_FALSE_MESSAGE(condition, NULL)
#define TEST_ASSERT_NULL(pointer) TEST_ASSERT_NULL_MESSAGE(pointer, NULL)
#define TEST_ASSERT_NOT_NULL(pointer) TEST_ASSERT_NOT_NULL_MESSAGE(pointer, NULL)
#define TEST_ASSERT_EQUAL_INT(expected, got) TEST_ASSERT_EQUAL_INT_MESSAGE(expected, got, NULL)
#define TEST_ASSERT_EQUAL_INT8_ARRAY(expected, got, size)                                          \
    TEST_ASSERT_EQUAL_INT8_ARRAY_MESSAGE(expected, got, size, NULL)
#define TEST_FAIL() TEST_FAIL_MESSAGE(NULL)
#define TEST_IGNORE() TEST_IGNORE_MESSAGE(NULL)

#endif
