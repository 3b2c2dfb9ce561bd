/* SPDX-License-Identifier: BSD-2-Clause */
/* Offsets of registers of a GIC's distributor, versions 2 and 3. */
#ifndef GUEST_ARM64_GICD_H
#define GUEST_ARM64_GICD_H

enum {
	GICD_CTLR = 0x0000,
	GICD_TYPER = 0x0004,
	GICD_IGROUPR = 0x0080,
	GICD_ISENABLER = 0x0100,
	GICD_ICENABLER = 0x0180,
	GICD_ISPENDR = 0x0200,
	GICD_ISACTIVER = 0x0300,
	GICD_IPRIORITYR = 0x0400,
	GICD_ITARGETSR = 0x0800,
	GICD_ICFGR = 0x0c00, /* two bits each: 00 level, 10 edge */
	GICD_SGIR = 0x0f00,
	GICD_IROUTER = 0x6000,
};

#endif
