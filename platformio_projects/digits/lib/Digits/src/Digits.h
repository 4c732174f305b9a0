/* SPDX-License-Identifier: 0BSD */
/* Digits: all that a program includes; digits_model.h explains it. */
#ifndef DIGITS_LIBRARY_H
#define DIGITS_LIBRARY_H

#include "digits_model.h"

#endif /* DIGITS_LIBRARY_H */
