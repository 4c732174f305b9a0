/* SPDX-License-Identifier: 0BSD */
/* Digits: the header to include. digits_model.h describes all functions. */
#ifndef DIGITS_LIBRARY_H
#define DIGITS_LIBRARY_H

#include "digits_model.h"

#endif /* DIGITS_LIBRARY_H */
