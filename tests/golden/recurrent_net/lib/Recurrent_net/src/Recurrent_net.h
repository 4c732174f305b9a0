/* SPDX-License-Identifier: 0BSD */
/* Recurrent_net: the header to include. recurrent_net_model.h describes all functions. */
#ifndef RECURRENT_NET_LIBRARY_H
#define RECURRENT_NET_LIBRARY_H

#include "recurrent_net_model.h"

#endif /* RECURRENT_NET_LIBRARY_H */
