/* SPDX-License-Identifier: 0BSD */
/*
 * Runs the model "two_headed_net" on a sample every two seconds, and prints the result and the time
 * that it took. Open the serial monitor at 115200 baud.
 *
 * The sample is a golden vector: the output must be the same bytes as TensorFlow Lite Micro's. To
 * use your own data, write it into the input; two_headed_net_quantize_input0() converts a real value to
 * int8.
 */
#include <string.h>

#include <Two_headed_net.h>

#include "sample.h"

// All RAM of the model.
static two_headed_net_context_t context;

void setup()
{
    Serial.begin(115200);
    two_headed_net_init(&context);
}

void loop()
{
    delay(2000);
    two_headed_net_reset(&context);
    memcpy(two_headed_net_input(&context, 0), sample_input0, TWO_HEADED_NET_INPUT0_SIZE);
    memcpy(two_headed_net_input(&context, 1), sample_input1, TWO_HEADED_NET_INPUT1_SIZE);

    const unsigned long start = micros();
    const two_headed_net_status_t status = two_headed_net_invoke(&context);
    const unsigned long microseconds = micros() - start;
    if (status != TWO_HEADED_NET_OK) {
        Serial.println("The model failed.");
        return;
    }

    const int8_t *const output = two_headed_net_output(&context, 0);
    Serial.print("output:");
    for (size_t i = 0; i < TWO_HEADED_NET_OUTPUT0_SIZE && i < 10; ++i) {
        Serial.print(" ");
        Serial.print(two_headed_net_dequantize_output0(output[i]), 3);
    }
    Serial.print(" in ");
    Serial.print(microseconds);
    Serial.print(" microseconds, ");

    int difference = 0;
    difference |=
        memcmp(two_headed_net_output(&context, 0), sample_output0, TWO_HEADED_NET_OUTPUT0_SIZE);
    difference |=
        memcmp(two_headed_net_output(&context, 1), sample_output1, TWO_HEADED_NET_OUTPUT1_SIZE);
    Serial.print(difference == 0 ? "same" : "NOT the same");
    Serial.println(" as TensorFlow Lite Micro");
}
