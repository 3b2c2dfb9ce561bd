/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of network cards. */
#ifndef VIREO_VMM_MAC_H
#define VIREO_VMM_MAC_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/options.h"

struct vm_config;

/* What mac_ok() takes, as messages put it after "allowed is". */
#define MAC_ALLOWED "an address of one card such as 52:54:00:12:34:56, whose first number is even"

/* Six hexadecimal numbers with colons between them, an address of one card: as struct option has it, is_ok. */
bool mac_ok(const char *text, char why[OPTION_ALLOWED_MAX]);

/*
 * The address of the card `id`: `given`, which mac_ok() has found right; or if that is NULL a locally administered
 * one, the same for the same VM each time. A VM is known by its name; one without by its definition file or else
 * by its kernel, and its card also by `peer`, what it is connected to, which tells apart those that run from one kernel.
 */
void mac_choose(uint8_t mac[6], const char *given, const struct vm_config *cfg, const char *id,
		const char *peer);

#endif
