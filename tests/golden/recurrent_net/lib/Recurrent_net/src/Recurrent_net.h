/* SPDX-License-Identifier: 0BSD */
/* Recurrent_net: all that a program includes; recurrent_net_model.h explains it. */
#ifndef RECURRENT_NET_LIBRARY_H
#define RECURRENT_NET_LIBRARY_H

#include "recurrent_net_model.h"

#endif /* RECURRENT_NET_LIBRARY_H */
