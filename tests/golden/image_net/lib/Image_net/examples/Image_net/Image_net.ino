/* SPDX-License-Identifier: 0BSD */
/*
 * Runs the model "image_net" on a sample every two seconds, and prints the result and the time
 * that it took. Open the serial monitor at 115200 baud.
 *
 * The sample is a golden vector: the output must be the same bytes as TensorFlow Lite Micro's. To
 * use your own data, write it into the input; image_net_quantize_input0_array()
 * converts real values to int8.
 */
#include <string.h>

#include <Image_net.h>

#include "sample.h"

// All RAM of the model.
static image_net_context_t context;

static const char *const labels[] = IMAGE_NET_LABELS;

void setup()
{
    Serial.begin(115200);
    image_net_init(&context);
}

void loop()
{
    delay(2000);
    image_net_reset(&context);
    memcpy(image_net_input(&context, 0), sample_input0, IMAGE_NET_INPUT0_SIZE);

    const unsigned long start = micros();
    const image_net_status_t status = image_net_invoke(&context);
    const unsigned long microseconds = micros() - start;
    if (status != IMAGE_NET_OK) {
        Serial.println("The model failed.");
        return;
    }

    const int8_t *const output = image_net_output(&context, 0);
    const int32_t best = image_net_classify(&context, 0.0f); // 0.0f: however unlikely
    Serial.print(labels[best]);
    Serial.print(" (");
    Serial.print(image_net_dequantize_output0(output[best]), 3);
    Serial.print(")");
    Serial.print(" in ");
    Serial.print(microseconds);
    Serial.print(" microseconds, ");

    int difference = 0;
    difference |= memcmp(image_net_output(&context, 0), sample_output0, IMAGE_NET_OUTPUT0_SIZE);
    Serial.print(difference == 0 ? "same" : "NOT the same");
    Serial.println(" as TensorFlow Lite Micro");
}
