/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells the user what a file that is no loadable kernel seems to be.
 */
#ifndef VIREO_BOOT_IDENTIFY_H
#define VIREO_BOOT_IDENTIFY_H

#include "boot/image.h"

/*
 * Refuses `img`: err_user with one line that says what its first bytes look like, what to do about
 * it if that is known, and that `accepted` is accepted. Returns that error, or the one of reading.
 */
int identify_refuse(const struct image *img, const char *accepted, struct err *err);

#endif
