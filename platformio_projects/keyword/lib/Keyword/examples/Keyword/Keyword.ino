/* SPDX-License-Identifier: 0BSD */
/*
 * Runs the model "keyword" on a sample every two seconds, and prints the result and the time
 * that it took. Open the serial monitor at 115200 baud.
 *
 * The sample is a golden vector: the output must be the same bytes as TensorFlow Lite Micro's. To
 * use your own data, write it into the input; keyword_quantize_input0_array()
 * converts real values to int8.
 */
#include <string.h>

#include <Keyword.h>

#include "sample.h"

// All RAM of the model.
static keyword_context_t context;

static const char *const labels[] = KEYWORD_LABELS;

void setup()
{
    Serial.begin(115200);
    keyword_init(&context);
}

void loop()
{
    delay(2000);
    keyword_reset(&context);
    memcpy(keyword_input(&context, 0), sample_input0, KEYWORD_INPUT0_SIZE);

    const unsigned long start = micros();
    const keyword_status_t status = keyword_invoke(&context);
    const unsigned long microseconds = micros() - start;
    if (status != KEYWORD_OK) {
        Serial.println("The model failed.");
        return;
    }

    const int8_t *const output = keyword_output(&context, 0);
    const int32_t best = keyword_classify(&context, 0.0f); // 0.0f: however unlikely
    Serial.print(labels[best]);
    Serial.print(" (");
    Serial.print(keyword_dequantize_output0(output[best]), 3);
    Serial.print(")");
    Serial.print(" in ");
    Serial.print(microseconds);
    Serial.print(" microseconds, ");

    int difference = 0;
    difference |= memcmp(keyword_output(&context, 0), sample_output0, KEYWORD_OUTPUT0_SIZE);
    Serial.print(difference == 0 ? "same" : "NOT the same");
    Serial.println(" as TensorFlow Lite Micro");
}
