/* SPDX-License-Identifier: 0BSD */
/*
 * Where TensorFlow Lite Micro's messages go off the board: to standard error. On the board, its
 * Arduino flavour brings a function of its own.
 */
#include <stdarg.h>
#include <stdio.h>

/* The Arduino flavour of 2023 formats messages itself, with a file that later ones do not have. */
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
