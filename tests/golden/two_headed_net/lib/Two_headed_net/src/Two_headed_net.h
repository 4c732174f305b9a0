/* SPDX-License-Identifier: 0BSD */
/* Two_headed_net: all that a program includes; two_headed_net_model.h explains it. */
#ifndef TWO_HEADED_NET_LIBRARY_H
#define TWO_HEADED_NET_LIBRARY_H

#include "two_headed_net_model.h"

#endif /* TWO_HEADED_NET_LIBRARY_H */
