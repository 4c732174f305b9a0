/* SPDX-License-Identifier: 0BSD */
/* Two_headed_net: the header to include. two_headed_net_model.h describes all functions. */
#ifndef TWO_HEADED_NET_LIBRARY_H
#define TWO_HEADED_NET_LIBRARY_H

#include "two_headed_net_model.h"

#endif /* TWO_HEADED_NET_LIBRARY_H */
