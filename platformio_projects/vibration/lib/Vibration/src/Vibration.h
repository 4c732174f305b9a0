/* SPDX-License-Identifier: 0BSD */
/* Vibration: the header to include. vibration_model.h describes all functions. */
#ifndef VIBRATION_LIBRARY_H
#define VIBRATION_LIBRARY_H

#include "vibration_model.h"

#endif /* VIBRATION_LIBRARY_H */
