/* SPDX-License-Identifier: 0BSD */
/*
 * Runs the model "two_headed_net" on a sample every two seconds, and prints the result and the time
 * that it took. Open the serial monitor at 115200 baud.
 *
 * The sample is a golden vector: the output must be the same bytes as TensorFlow Lite Micro's. To
 * use your own data, write it into the input; two_headed_net_quantize_input_left_array()
 * converts real values to int8.
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
    memcpy(two_headed_net_input(&context, 0), sample_input_left, TWO_HEADED_NET_INPUT_LEFT_SIZE);
    memcpy(two_headed_net_input(&context, 1), sample_input1, TWO_HEADED_NET_INPUT1_SIZE);

    const unsigned long start = micros();
    const two_headed_net_status_t status = two_headed_net_invoke(&context);
    const unsigned long microseconds = micros() - start;
    if (status != TWO_HEADED_NET_OK) {
        Serial.println("The model failed.");
        return;
    }

    Serial.print("gated: ");
    const int8_t *const output_gated = two_headed_net_output(&context, 0);
    for (size_t i = 0; i < TWO_HEADED_NET_OUTPUT_GATED_SIZE && i < 10; ++i) {
        Serial.print(two_headed_net_dequantize_output_gated(output_gated[i]), 3);
        Serial.print(" ");
    }
    Serial.println("");
    Serial.print("gate: ");
    const int8_t *const output_gate = two_headed_net_output(&context, 1);
    const int32_t best_output_gate =
        two_headed_net_classify_output_gate(&context, 0.0f); // 0.0f: however unlikely
    Serial.print("class ");
    Serial.print(best_output_gate);
    Serial.print(" (");
    Serial.print(two_headed_net_dequantize_output_gate(output_gate[best_output_gate]), 3);
    Serial.print(")");
    Serial.println("");
    Serial.print("in ");
    Serial.print(microseconds);
    Serial.print(" microseconds, ");

    int difference = 0;
    difference |= memcmp(two_headed_net_output(&context, 0), sample_output_gated,
                         TWO_HEADED_NET_OUTPUT_GATED_SIZE);
    difference |= memcmp(two_headed_net_output(&context, 1), sample_output_gate,
                         TWO_HEADED_NET_OUTPUT_GATE_SIZE);
    Serial.print(difference == 0 ? "same" : "NOT the same");
    Serial.println(" as TensorFlow Lite Micro");
}
