/* SPDX-License-Identifier: 0BSD */
#include "unity.h"

#ifdef UNITY_INCLUDE_CONFIG_H
#include <unity_config.h>
#else
#include <stdio.h>
#define UNITY_OUTPUT_START() ((void)0)
#define UNITY_OUTPUT_CHAR(c) ((void)putchar((int)(c)))
#define UNITY_OUTPUT_FLUSH() ((void)fflush(stdout))
#define UNITY_OUTPUT_COMPLETE() ((void)0)
#endif

static struct {
    const char *file;
    const char *test;
    int tests;
    int failures;
    int ignored;
    int passing;
    jmp_buf end_of_test;
} unity;

static void print(const char *text)
{
    for (; *text != '\0'; ++text) {
        UNITY_OUTPUT_CHAR((unsigned char)*text);
    }
}

static void print_number(intptr_t value)
{
    char digits[3 * sizeof value + 2];
    char *first = digits + sizeof digits - 1;
    uintptr_t rest = value < 0 ? (uintptr_t)0 - (uintptr_t)value : (uintptr_t)value;
    *first = '\0';
    do {
        --first;
        *first = (char)('0' + (int)(rest % 10u));
        rest /= 10u;
    } while (rest != 0u);
    if (value < 0) {
        --first;
        *first = '-';
    }
    print(first);
}

static void print_head(int line, const char *verdict)
{
    print(unity.file);
    print(":");
    print_number(line);
    print(":");
    print(unity.test);
    print(":");
    print(verdict);
}

static void end_line(void)
{
    print("\n");
    UNITY_OUTPUT_FLUSH();
}

/* Begins the line of a failed assertion; what differs comes next. */
static void begin_failure(int line)
{
    unity.passing = 0;
    ++unity.failures;
    print_head(line, "FAIL: ");
}

static void end_failure(const char *message)
{
    if (message != NULL) {
        print(". ");
        print(message);
    }
    end_line();
    longjmp(unity.end_of_test, 1);
}

void unity_begin(const char *file)
{
    unity.file = file;
    unity.tests = 0;
    unity.failures = 0;
    unity.ignored = 0;
    UNITY_OUTPUT_START();
}

int unity_end(void)
{
    print("\n-----------------------\n");
    print_number(unity.tests);
    print(" Tests ");
    print_number(unity.failures);
    print(" Failures ");
    print_number(unity.ignored);
    print(" Ignored \n");
    print(unity.failures == 0 ? "OK" : "FAIL");
    end_line();
    UNITY_OUTPUT_COMPLETE();
    return unity.failures;
}

void unity_run(void (*test)(void), const char *name, int line)
{
    unity.test = name;
    unity.passing = 1;
    ++unity.tests;
    if (setjmp(unity.end_of_test) == 0) {
        setUp();
        test();
    }
    if (setjmp(unity.end_of_test) == 0) {
        tearDown();
    }
    if (unity.passing != 0) {
        print_head(line, "PASS");
        end_line();
    }
}

void unity_check(int condition, const char *problem, const char *message, int line)
{
    if (condition == 0) {
        begin_failure(line);
        if (problem != NULL) {
            print(problem);
            end_failure(message);
        }
        print(message != NULL ? message : "");
        end_failure(NULL);
    }
}

void unity_check_equal(intptr_t expected, intptr_t got, const char *message, int line)
{
    if (expected != got) {
        begin_failure(line);
        print("Expected ");
        print_number(expected);
        print(" Was ");
        print_number(got);
        end_failure(message);
    }
}

void unity_check_int8_array(const int8_t *expected, const int8_t *got, size_t size,
                            const char *message, int line)
{
    for (size_t i = 0; i < size; ++i) {
        if (expected[i] != got[i]) {
            begin_failure(line);
            print("Element ");
            print_number((intptr_t)i);
            print(" Expected ");
            print_number(expected[i]);
            print(" Was ");
            print_number(got[i]);
            end_failure(message);
        }
    }
}

void unity_ignore(const char *message, int line)
{
    unity.passing = 0;
    ++unity.ignored;
    print_head(line, "IGNORE");
    if (message != NULL) {
        print(": ");
        print(message);
    }
    end_line();
    longjmp(unity.end_of_test, 1);
}
