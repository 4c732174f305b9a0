/* SPDX-License-Identifier: 0BSD */
/*
 * Runs the pipeline "keyword" on the microphone of the Arduino Nano 33 BLE Sense, and prints events.
 * Open the serial monitor at 115200 baud.
 */
#include <Keyword.h>
#include <sensors/microphone.h>

// All RAM of pipeline and model.
static keyword_sense_t context;

static const char *const labels[] = KEYWORD_LABELS;

static void push_samples(const int16_t *samples, uint32_t count)
{
    keyword_sense_push(&context, samples, count);
}

static void lose_samples(uint32_t count)
{
    context.lost = context.lost + count;
}

static sensors::Microphone sensor(16000, 256, push_samples, lose_samples);

void setup()
{
    Serial.begin(115200);
    keyword_sense_init(&context);
    if (!sensor.begin()) {
        Serial.println("There is no microphone yet.");
    }
}

void loop()
{
    sensor.poll();

    keyword_event_t event;
    const keyword_sense_status_t status = keyword_sense_step(&context, &event);
    if (status == KEYWORD_SENSE_EVENT) {
        Serial.print("event at ");
        Serial.print(event.milliseconds);
        Serial.print(" ms, ");
        Serial.print(event.label < 0 ? "unknown" : labels[event.label]);
        Serial.print(", score ");
        Serial.print(event.score);
        Serial.println("");
    }
}
