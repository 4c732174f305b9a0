/* SPDX-License-Identifier: 0BSD */
/*
 * Runs the model "vibration" on a sample every two seconds, and prints the result and the time
 * that it took. Open the serial monitor at 115200 baud.
 *
 * The sample is a golden vector: the output must be the same bytes as TensorFlow Lite Micro's. To
 * use your own data, write it into the input; vibration_quantize_input0_array()
 * converts real values to int8.
 */
#include <string.h>

#include <Vibration.h>

#include "sample.h"

// All RAM of the model.
static vibration_context_t context;

static const char *const labels[] = VIBRATION_LABELS;

void setup()
{
    Serial.begin(115200);
    vibration_init(&context);
}

void loop()
{
    delay(2000);
    vibration_reset(&context);
    memcpy(vibration_input(&context, 0), sample_input0, VIBRATION_INPUT0_SIZE);

    const unsigned long start = micros();
    const vibration_status_t status = vibration_invoke(&context);
    const unsigned long microseconds = micros() - start;
    if (status != VIBRATION_OK) {
        Serial.println("The model failed.");
        return;
    }

    const int8_t *const output = vibration_output(&context, 0);
    const int32_t best = vibration_classify(&context, 0.0f); // 0.0f: however unlikely
    Serial.print(labels[best]);
    Serial.print(" (");
    Serial.print(vibration_dequantize_output0(output[best]), 3);
    Serial.print(")");
    Serial.print(" in ");
    Serial.print(microseconds);
    Serial.print(" microseconds, ");

    int difference = 0;
    difference |= memcmp(vibration_output(&context, 0), sample_output0, VIBRATION_OUTPUT0_SIZE);
    Serial.print(difference == 0 ? "same" : "NOT the same");
    Serial.println(" as TensorFlow Lite Micro");
}
