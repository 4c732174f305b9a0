/* SPDX-License-Identifier: 0BSD */
/*
 * Runs the model "net" on one sample every two seconds, prints what it gives and how long
 * that took. Open the serial monitor at 115200 baud.
 *
 * The sample is a golden vector: the output has to be the very bytes that TensorFlow Lite Micro
 * gave. To go on with your own data, write it into the input; net_quantize_input0() turns a
 * real value into int8.
 */
#include <string.h>

#if defined(__has_include)
#if !__has_include(<tensorflow/lite/micro/micro_interpreter.h>)
#error "Add the .ZIP library https://github.com/tensorflow/tflite-micro-arduino-examples/archive/7948b85e020470a30a83bf00e10fc43b486bfcba.zip"
#endif
#endif
#include <TensorFlowLite.h> // by this header the IDE finds TensorFlow Lite Micro

#include <Net.h>

#include "sample.h"

// All RAM of the model.
static net_context_t context;

void setup()
{
    Serial.begin(115200);
    net_init(&context);
}

void loop()
{
    delay(2000);
    net_reset(&context);
    memcpy(net_input(&context, 0), sample_input0, NET_INPUT0_SIZE);

    const unsigned long start = micros();
    const net_status_t status = net_invoke(&context);
    const unsigned long microseconds = micros() - start;
    if (status != NET_OK) {
        Serial.println("The model failed.");
        return;
    }

    const int8_t *const output = net_output(&context, 0);
    Serial.print("output:");
    for (size_t i = 0; i < NET_OUTPUT0_SIZE && i < 10; ++i) {
        Serial.print(" ");
        Serial.print(net_dequantize_output0(output[i]), 3);
    }
    Serial.print(" in ");
    Serial.print(microseconds);
    Serial.print(" microseconds, ");

    const bool same =
        memcmp(net_output(&context, 0), sample_output0, NET_OUTPUT0_SIZE) == 0;
    Serial.println(same ? "as TensorFlow Lite Micro" : "NOT as TensorFlow Lite Micro");
}
