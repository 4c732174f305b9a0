/* SPDX-License-Identifier: 0BSD */
/*
 * Your program: it starts the sensor, and decides what happens with what "keyword" finds.
 *
 * tflm_ext wrote this file once, and never changes it. Keep the #if: if you export the project
 * without a pipeline some day, there is no app.h, and this file is empty to the compiler.
 */
#if __has_include("app.h")

#include "app.h"

#if defined(ARDUINO)
#include <Arduino.h>
#endif

void app_begin()
{
    /* For another sensor, start that one, and call push_samples() where its samples arrive. */
    start_sensor();
}

void on_result(const keyword_event_t *event)
{
    (void)event; /* keyword_output(&pipeline.model, 0) has the outputs */
}

void on_event(const keyword_event_t *event)
{
    (void)event; /* its label and score; main.cpp has sent them over the serial line already */
#if defined(ARDUINO)
    static bool lit = true;
    lit = !lit;
    digitalWrite(LED_BUILTIN, lit ? HIGH : LOW);
#endif
}

#endif
