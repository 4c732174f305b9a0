/* SPDX-License-Identifier: 0BSD */
/* Runs the driver of the microphone, and checks that every sample arrives or is counted. */
#include <stdio.h>
#include <stdlib.h>

#include "sensors/microphone.h"

PDMClass PDM;
int16_t (*simulated_sound)(uint32_t k) = NULL;

static uint64_t now = 4294000000ull; /* wraps around soon */
static uint32_t pushed;
static uint32_t lost;
static int32_t last;

unsigned long micros()
{
    return static_cast<uint32_t>(now);
}

static int16_t sound(uint32_t k)
{
    return static_cast<int16_t>(k % 32768u);
}

static void require(bool good, const char *what, int number)
{
    if (!good) {
        printf("wrong: %s (%d), pushed %u, lost %u, made %u\n", what, number,
               static_cast<unsigned>(pushed), static_cast<unsigned>(lost),
               static_cast<unsigned>(PDM.made));
        exit(4);
    }
}

/* Samples follow one another; after a gap, they are later ones. */
static void push(const int16_t *samples, uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i) {
        const int32_t step = (samples[i] - last + 32768) % 32768;
        require(i == 0 ? step > 0 : step == 1, "not the next sample", static_cast<int>(i));
        last = samples[i];
    }
    pushed += count;
}

static void lose(uint32_t count)
{
    lost += count;
}

static const uint32_t RATE = 16000;

/* Blocks of the microphone, and poll() every `each` of them; the interrupt of block `without` is lost. */
static void run(sensors::Microphone &microphone, int blocks, int each, int without = -1)
{
    for (int i = 0; i < blocks; ++i) {
        now += static_cast<uint64_t>(PDM.block()) * 1000000u / RATE;
        PDM.interrupt(i == without);
        if (i % each == 0) {
            microphone.poll();
        }
    }
}

static void require_complete(uint32_t from, uint32_t tolerance, int number)
{
    const uint32_t made = PDM.made - from;
    require(pushed + lost <= made + tolerance, "too much counted", number);
    require(pushed + lost + tolerance >= made, "a loss not counted", number);
}

int main(int argc, char **argv)
{
    const uint32_t block = argc > 1 ? static_cast<uint32_t>(atoi(argv[1])) : 256u;
    sensors::Microphone microphone(RATE, block, push, lose);
    const int second = static_cast<int>(RATE / block) + 1;

    require(!microphone.begin(), "found", 1);
    run(microphone, 3 * second, 1);
    require(PDM.starts >= 10 && PDM.starts <= 14 && lost == 0 && pushed == 0, "absent", 1);

    simulated_sound = sound;
    run(microphone, second, 1);
    require(pushed > RATE / 2 && lost == 0, "it does not start", 2);
    const uint32_t restarts = microphone.restarts();
    const uint32_t from = PDM.made - pushed;
    run(microphone, 20 * second, 1);
    require(lost == 0, "a loss that was none", 3);
    const uint32_t found = microphone.measured_millihertz();
    require(found > 15990000 && found < 16010000, "a wrong rate", static_cast<int>(found));

    run(microphone, 4 * second, second); /* poll() is late, but interrupts are not */
    require(lost == 0 && microphone.restarts() == restarts, "a restart without need", 4);

    for (int i = 1; i < 20; ++i) { /* the library switches it off */
        run(microphone, 2 * second, 1, i);
        require(PDM.running, "not started again", 5);
        require(microphone.restarts() == restarts + static_cast<uint32_t>(i), "restarts", 5);
        require_complete(from, static_cast<uint32_t>(i) * 2u * block, 5);
        require(lost >= static_cast<uint32_t>(i) * RATE / 4u, "a loss not counted", 5);
    }
    PDM.end(); /* another part of the program did */
    run(microphone, second, 1);
    require(PDM.running, "not started again", 6);
    const uint32_t later = microphone.measured_millihertz();
    require(later > 15990000 && later < 16010000, "a wrong rate", static_cast<int>(later));
    printf("6\n");
    return 0;
}
