/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The in-kernel GIC of aarch64 (Linux, Documentation/virt/kvm/devices/arm-vgic.rst and
 * arm-vgic-v3.rst): created through KVM_CREATE_DEVICE, configured by device attributes.
 *
 * Every failure names the step it happened in: create, dist, cpu, redist, irqs or finalize.
 */
#ifndef VIREO_KVM_VGIC_H
#define VIREO_KVM_VGIC_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm/kvm.h"

#define VGIC_MAX_REDIST_REGIONS 4

struct vgic_region {
	uint64_t base;      /* 64 KiB aligned */
	unsigned int count; /* redistributors in it, 128 KiB each */
};

struct vgic_layout {
	uint64_t dist; /* distributor: 64 KiB aligned for GICv3, 4 KiB for GICv2 */
	uint64_t cpu;  /* GICv2 only: CPU interface, 4 KiB aligned */
	struct vgic_region redist[VGIC_MAX_REDIST_REGIONS]; /* GICv3 only */
	unsigned int nr_redist;
	uint32_t nr_irqs; /* INTIDs: a multiple of 32 from 64 to 1024 */
};

struct vgic {
	int fd;
	unsigned int version; /* 2 or 3 */
	int its_fd;           /* -1: no ITS */
	/* The level each line was last driven to, by INTID; a GICv2 cannot be asked for them. */
	_Atomic uint32_t level[32];
};

/*
 * Creates a GIC of `version` (2 or 3), and no other. -ENODEV: this host cannot; the VM is as
 * before and another version may be tried.
 */
int vgic_create(struct vgic *vgic, const struct kvm_vm *vm, unsigned int version, struct err *err);

/*
 * Sets addresses and the number of interrupts, then finalizes. All vCPUs must exist by now; none
 * can be added afterwards, and none may have run.
 */
int vgic_configure(const struct vgic *vgic, const struct vgic_layout *layout, struct err *err);

/*
 * Adds an ITS at `address`, a multiple of 64 KiB, to a configured GICv3. -ENODEV: this host cannot;
 * the GIC is as before.
 */
int vgic_create_its(struct vgic *vgic, const struct kvm_vm *vm, uint64_t address, struct err *err);

/* Closes the fds; those of VGIC_NONE are fine. */
void vgic_destroy(struct vgic *vgic);
#define VGIC_NONE                      \
	{                              \
		.fd = -1, .its_fd = -1 \
	}

/*
 * Drives the level of shared peripheral interrupt `spi` (INTID 32 + spi, at most 1019). Any thread;
 * one at a time for the same `spi`.
 */
int vgic_set_spi(struct vgic *vgic, const struct kvm_vm *vm, uint32_t spi, bool level);

/*
 * Sends an MSI through the GIC's ITS, from the device it knows as `devid`; -ENODEV where there is
 * none. Any thread.
 */
int vgic_send_msi(const struct kvm_vm *vm, uint64_t addr, uint32_t data, uint32_t devid);

#endif
