/* SPDX-License-Identifier: BSD-2-Clause */
/* The size of a terminal's window. */
#ifndef VIREO_KVM_WINSIZE_H
#define VIREO_KVM_WINSIZE_H

#include <stdint.h>

/* That of the terminal `fd`; 0 and 0 if it is none, or has none. */
void winsize_get(int fd, uint16_t *columns, uint16_t *rows);

#endif
