/* SPDX-License-Identifier: BSD-2-Clause */
/* The init program as it is built into this one: an ELF file for the guest. */
#ifndef VIREO_INIT_EMBED_H
#define VIREO_INIT_EMBED_H

extern const unsigned char init_program[], init_program_end[];

#endif
