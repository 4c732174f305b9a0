/* SPDX-License-Identifier: 0BSD */
/* Image_net: the header to include. image_net_model.h describes all functions. */
#ifndef IMAGE_NET_LIBRARY_H
#define IMAGE_NET_LIBRARY_H

#include "image_net_model.h"

#endif /* IMAGE_NET_LIBRARY_H */
