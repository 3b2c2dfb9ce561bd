/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LPIs and the ITS, for tiny guests: tables in RAM from 16 MiB on, a queue of commands (Arm Generic
 * Interrupt Controller Architecture Specification, version 3, "Locality-specific Peripheral Interrupts
 * and the ITS"). Collection N is CPU N.
 */
#ifndef GUEST_ARM64_LPI_H
#define GUEST_ARM64_LPI_H

#include "guest.h"

enum {
	GITS_CTLR = 0x0000,
	GITS_TYPER = 0x0008,
	GITS_CBASER = 0x0080,
	GITS_CWRITER = 0x0088,
	GITS_CREADR = 0x0090,
	GITS_BASER = 0x0100,
	GITS_TRANSLATER = 0x10040,

	ITS_MOVI = 0x01,
	ITS_INT = 0x03,
	ITS_CLEAR = 0x04,
	ITS_MAPD = 0x08,
	ITS_MAPC = 0x09,
	ITS_MAPTI = 0x0a,
	ITS_INV = 0x0c,
	ITS_INVALL = 0x0d,
	ITS_MOVALL = 0x0e,
	ITS_DISCARD = 0x0f,
};

#define LPI_TABLES (RAM + (16 << 20))
#define ITS_QUEUE  (LPI_TABLES + 0x200000) /* 64 KiB */

/* Tables and queue, LPIs enabled on `cpus` CPUs, the ITS enabled, a collection for each CPU. */
void start_lpis(unsigned int cpus);

/* The LPI FIRST_LPI + n: enabled or not, for the ITS to see after an INV. Priority 0xa0. */
void configure_lpi(unsigned int n, bool enabled);

/* Has the ITS take four words as a command; false if it does not come to an end. */
bool its_command(uint64_t a, uint64_t b, uint64_t c, uint64_t d);

/* Device `device` with 32 events, or without any. */
bool its_map_device(uint32_t device, bool valid);
/* Event `event` is the LPI FIRST_LPI + n, for CPU `cpu`. */
bool its_map_event(uint32_t device, uint32_t event, unsigned int n, unsigned int cpu);
/* INT, CLEAR, INV, DISCARD. */
bool its_event(unsigned int command, uint32_t device, uint32_t event);
bool its_move_event(uint32_t device, uint32_t event, unsigned int cpu);

#endif
