/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the init program are to each other. */
#ifndef VIREO_INIT_INIT_H
#define VIREO_INIT_INIT_H

#include "init/sys.h"

/* Says "vireo-init: TEXT" on the console, and waits until it is out. */
void say(const char *text);

/* Switches off, or resets where a kernel cannot switch off: that a guest halts for ever is no end. */
void power_off(void) __attribute__((noreturn));

#endif
