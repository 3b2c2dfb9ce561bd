/* SPDX-License-Identifier: BSD-2-Clause */
/* A hash of text, the same on every machine; not for what somebody may want to collide. */
#ifndef VIREO_KVM_HASH_H
#define VIREO_KVM_HASH_H

#include <stdint.h>

/* FNV-1a, 64 bits: what the first text begins with. */
#define HASH_BASIS 0xcbf29ce484222325ULL

/* Goes on from `hash`; with the NUL at the end, so that texts in a row stay apart. */
static inline uint64_t hash_text(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ULL;
	while (*text++);
	return hash;
}

#endif
