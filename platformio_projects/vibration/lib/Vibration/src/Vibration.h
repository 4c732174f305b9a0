/* SPDX-License-Identifier: 0BSD */
/* Vibration: all that a program includes; vibration_model.h explains it. */
#ifndef VIBRATION_LIBRARY_H
#define VIBRATION_LIBRARY_H

#include "vibration_model.h"

#endif /* VIBRATION_LIBRARY_H */
