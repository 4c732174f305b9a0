/* SPDX-License-Identifier: 0BSD */
/*
 * Writes TensorFlow Lite Micro's messages to standard error, except on the board, where its Arduino
 * library has such a function.
 */
#include <stdarg.h>
#include <stdio.h>

/* The Arduino library of 2023, which has this file, formats messages itself. */
#if __has_include("tensorflow/lite/micro/micro_string.h")

extern "C" void DebugLog(const char *text)
{
    fputs(text, stderr);
}

#else

extern "C" void DebugLog(const char *format, va_list arguments)
{
    vfprintf(stderr, format, arguments);
}

extern "C" int DebugVsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
{
    return vsnprintf(buffer, size, format, arguments);
}

#endif
