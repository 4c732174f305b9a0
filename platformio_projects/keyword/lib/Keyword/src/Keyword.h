/* SPDX-License-Identifier: 0BSD */
/* Keyword: the header to include. keyword_model.h describes all functions. */
#ifndef KEYWORD_LIBRARY_H
#define KEYWORD_LIBRARY_H

#include "keyword_model.h"
#include "keyword_sense.h"

#endif /* KEYWORD_LIBRARY_H */
