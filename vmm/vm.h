/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of one VM: stages that start in order and are undone in reverse.
 *
 * vm_start() builds the VM and lets its vCPUs go; the caller then runs the event loop, which
 * vm_end() (from any thread) stops; vm_stop() undoes everything, whether started fully or not.
 */
#ifndef VIREO_VMM_VM_H
#define VIREO_VMM_VM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "boot/boot.h"
#include "devices/bus.h"
#include "devices/guestmem.h"
#include "devices/irqchip.h"
#include "devices/machine.h"
#include "kvm/kvm.h"
#include "vmm/config.h"
#include "vmm/loop.h"

struct vcpu;

/* Why a VM ended. */
enum vm_end {
	VM_RUNNING,
	VM_POWEROFF,
	VM_RESET,
	VM_PANIC,
	VM_LEFT,   /* by an exit status that the guest chose: vm->number */
	VM_DIED,   /* the guest cannot go on: triple fault, KVM internal error */
	VM_FAILED, /* the host or this program failed it */
	VM_TIMEOUT,
	VM_SIGNAL, /* vm->number */
	VM_QUIT,   /* the user left by the escape key */
};

/* What an architecture keeps of a VM. arch_x86.c, arch_arm64.c. */
struct vm_arch;

struct vm {
	const struct vm_config *cfg;
	struct loop *loop;

	struct kvm kvm;
	struct kvm_vm kvm_vm;
	struct kvm_ram ram;
	struct guest_mem mem;
	struct machine machine;
	char *cmdline;
	bool give_fdt;           /* the kernel is handed the device tree */
	struct irqchip *irqchip; /* owned by `arch` */
	struct vm_arch *arch;
	struct bus mmio, pio;
	struct device_host device_host;
	struct device *device[MACHINE_MAX_DEVICES];
	unsigned int nr_devices;
	struct boot boot;
	struct boot_entry entry;

	struct vcpu **vcpu; /* machine.nr_cpus of them */
	unsigned int nr_vcpus;

	/* All vCPU threads begin together, when every one can be kicked, and leave together, when
	 * none kicks another any more. */
	pthread_mutex_t gate_lock; /* guards the next two */
	pthread_cond_t gate;
	bool gate_open;
	unsigned int nr_inside; /* threads that have not left their guest loop */

	unsigned int stages; /* how many have started */

	_Atomic bool ending;      /* no vCPU enters the guest any more */
	pthread_mutex_t end_lock; /* guards what follows */
	enum vm_end why;          /* the first reason given */
	int number;               /* of VM_SIGNAL the signal, of VM_LEFT the status */
	struct err cause;         /* VM_DIED, VM_FAILED: one line */
};

/*
 * Prepares `vm`; the config, loop and console (NULL: none) must outlive it. vm_init() allocates
 * nothing. The loop must not be running.
 */
void vm_init(struct vm *vm, const struct vm_config *cfg, struct loop *loop, struct chardev *console);

/*
 * Starts every stage; with cfg->dry_run, every stage but the last, which lets the vCPUs go. On
 * failure the stages that had started are undone.
 */
int vm_start(struct vm *vm, struct err *err);

/*
 * Starts every stage but the last; the state of another VM may be loaded then, before vm_start() does
 * the rest.
 */
int vm_prepare(struct vm *vm, struct err *err);

/* Stops the vCPUs for good, and leaves all else as it is: for saving it. Followed by vm_stop(). */
void vm_halt(struct vm *vm);

/* Stops and undoes. Afterwards vm_init() may be called again. */
void vm_stop(struct vm *vm);

/* Ends the run, for the first caller's reason. Any thread; never blocks. */
void vm_end(struct vm *vm, enum vm_end why);
void vm_end_by_signal(struct vm *vm, int signal);
/* The same with one line on what happened (VM_DIED or VM_FAILED). */
void vm_end_because(struct vm *vm, enum vm_end why, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Fills in the machine description, guest memory and the loaded kernel without KVM, as a run with
 * this config would have them: for `vireo dump dtb`. Undone by vm_stop().
 */
int vm_describe(struct vm *vm, struct err *err);

/* The device tree of the described or started VM: malloc'ed. */
int vm_build_fdt(struct vm *vm, void **dtb, size_t *size, struct err *err);

#endif
