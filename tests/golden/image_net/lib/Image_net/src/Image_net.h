/* SPDX-License-Identifier: 0BSD */
/* Image_net: all that a program includes; image_net_model.h explains it. */
#ifndef IMAGE_NET_LIBRARY_H
#define IMAGE_NET_LIBRARY_H

#include "image_net_model.h"

#endif /* IMAGE_NET_LIBRARY_H */
