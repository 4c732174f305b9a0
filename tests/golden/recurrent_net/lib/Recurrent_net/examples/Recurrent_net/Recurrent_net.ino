/* SPDX-License-Identifier: 0BSD */
/*
 * Runs the model "recurrent_net" on a sample every two seconds, and prints the result and the time
 * that it took. Open the serial monitor at 115200 baud.
 *
 * The sample is a golden vector: the output must be the same bytes as TensorFlow Lite Micro's. To
 * use your own data, write it into the input; recurrent_net_quantize_input0_array()
 * converts real values to int8.
 */
#include <string.h>

#include <Recurrent_net.h>

#include "sample.h"

// All RAM of the model.
static recurrent_net_context_t context;

void setup()
{
    Serial.begin(115200);
    recurrent_net_init(&context);
}

void loop()
{
    delay(2000);
    recurrent_net_reset(&context);
    memcpy(recurrent_net_input(&context, 0), sample_input0, RECURRENT_NET_INPUT0_SIZE);

    const unsigned long start = micros();
    const recurrent_net_status_t status = recurrent_net_invoke(&context);
    const unsigned long microseconds = micros() - start;
    if (status != RECURRENT_NET_OK) {
        Serial.println("The model failed.");
        return;
    }

    const int8_t *const output = recurrent_net_output(&context, 0);
    for (size_t i = 0; i < RECURRENT_NET_OUTPUT0_SIZE && i < 10; ++i) {
        Serial.print(recurrent_net_dequantize_output0(output[i]), 3);
        Serial.print(" ");
    }
    Serial.print(" in ");
    Serial.print(microseconds);
    Serial.print(" microseconds, ");

    int difference = 0;
    difference |=
        memcmp(recurrent_net_output(&context, 0), sample_output0, RECURRENT_NET_OUTPUT0_SIZE);
    Serial.print(difference == 0 ? "same" : "NOT the same");
    Serial.println(" as TensorFlow Lite Micro");
}
