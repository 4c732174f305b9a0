/* SPDX-License-Identifier: 0BSD */
/* Net: all that a program includes; net_model.h explains it. */
#ifndef NET_LIBRARY_H
#define NET_LIBRARY_H

#include "net_model.h"

#endif /* NET_LIBRARY_H */
