/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unpacks gzip files (RFC 1952, "GZIP file format specification version 4.3").
 */
#ifndef VIREO_BOOT_GZIP_H
#define VIREO_BOOT_GZIP_H

#include <stddef.h>
#include <stdint.h>

#include "boot/inflate.h"

/* The first two bytes of a gzip file, little-endian. */
#define GZIP_MAGIC 0x8b1f

/*
 * Unpacks all members of a gzip file to out[capacity] and checks the length and the CRC-32 of each.
 * What follows the last member and is no gzip member itself is ignored, as gzip does. Returns 0,
 * what in->fill() returned, or
 *   -EBADMSG  the input is no gzip file or is corrupt
 *   -ENODATA  the input ends too early
 *   -ENOSPC   the output does not fit; the first `capacity` bytes of it are in place
 *   -ENOMEM   no memory for the decoder's state
 */
int gunzip(const struct unpack_input *in, uint8_t *out, size_t capacity, struct unpack_result *result);

#endif
