/* SPDX-License-Identifier: 0BSD */
/*
 * Runs the model "digits" on a sample every two seconds, and prints the result and the time
 * that it took. Open the serial monitor at 115200 baud.
 *
 * The sample is a golden vector: the output must be the same bytes as TensorFlow Lite Micro's. To
 * use your own data, write it into the input; digits_quantize_input0_array()
 * converts real values to int8.
 */
#include <string.h>

#include <Digits.h>

#include "sample.h"

// All RAM of the model.
static digits_context_t context;

static const char *const labels[] = DIGITS_LABELS;

void setup()
{
    Serial.begin(115200);
    digits_init(&context);
}

void loop()
{
    delay(2000);
    digits_reset(&context);
    memcpy(digits_input(&context, 0), sample_input0, DIGITS_INPUT0_SIZE);

    const unsigned long start = micros();
    const digits_status_t status = digits_invoke(&context);
    const unsigned long microseconds = micros() - start;
    if (status != DIGITS_OK) {
        Serial.println("The model failed.");
        return;
    }

    const int8_t *const output = digits_output(&context, 0);
    const int32_t best = digits_classify(&context, 0.0f); // 0.0f: however unlikely
    Serial.print(labels[best]);
    Serial.print(" (");
    Serial.print(digits_dequantize_output0(output[best]), 3);
    Serial.print(")");
    Serial.print(" in ");
    Serial.print(microseconds);
    Serial.print(" microseconds, ");

    int difference = 0;
    difference |= memcmp(digits_output(&context, 0), sample_output0, DIGITS_OUTPUT0_SIZE);
    Serial.print(difference == 0 ? "same" : "NOT the same");
    Serial.println(" as TensorFlow Lite Micro");
}
