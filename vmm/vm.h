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
#include "host/loop.h"
#include "kvm/kvm.h"
#include "vmm/config.h"

struct console_port;
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
	VM_QUIT,   /* the user left by the escape key or the control socket; smoke: there is a verdict */
};

/* What an architecture keeps of a VM. arch_x86.c, arch_arm64.c. */
struct vm_arch;

struct vm {
	const struct vm_config *cfg;
	struct loop *loop;
	struct chardev *hvc; /* NULL: there is no virtio console */
	/* NULL, or set between vm_init() and vm_start(): taken if cfg->initrd names none. */
	const struct boot_initrd *initrd;
	const struct console_port *ports; /* exec's, set likewise: those of a device of their own */
	unsigned int nr_ports;

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

	/* vm_pause(). */
	_Atomic bool pausing;    /* no vCPU enters the guest until vm_resume() */
	unsigned int nr_resting; /* under gate_lock: threads that wait for that at the gate */
	bool is_paused;          /* all of them do; the main thread's */
	uint64_t paused_time;    /* the architecture's */
	void (*resting)(void *ctx);
	void *resting_ctx;

	unsigned int stages; /* how many have started */

	_Atomic bool ending;      /* no vCPU enters the guest any more */
	pthread_mutex_t end_lock; /* guards what follows */
	enum vm_end why;          /* the first reason given; but see vm_end() */
	int number;               /* of VM_SIGNAL the signal, of VM_LEFT the status */
	struct err cause;         /* VM_DIED, VM_FAILED: one line */
};

/*
 * Prepares `vm`; the config, the loop, and what the serial port and the virtio console are
 * connected to (NULL: nothing) must outlive it. vm_init() allocates
 * nothing. The loop must not be running.
 */
void vm_init(struct vm *vm, const struct vm_config *cfg, struct loop *loop, struct chardev *serial,
	     struct chardev *hvc);

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

/*
 * Shows the guest `size` bytes at `host` in a window of its own above RAM, at a multiple of `align` bytes:
 * *base. For a device that is being created (stage "devices"). From then on the VM owns the mapping, which
 * it unmaps last of all, when nothing can touch guest memory any more; on failure the caller still does.
 */
int vm_add_window(struct vm *vm, void *host, uint64_t size, uint64_t align, bool read_only, uint64_t *base,
		  struct err *err);

/*
 * Stops the vCPUs until vm_resume(); the main thread, while they run. They stop at their next look: `resting` is
 * called (in a vCPU's thread, or at once; it must not block) when the last one has, and vm_rest() makes it so.
 * Devices go on: what is in flight comes to its end, and interrupts wait. The VM may end meanwhile, as ever.
 */
void vm_pause(struct vm *vm, void (*resting)(void *ctx), void *ctx);

/*
 * After resting(), in the main thread: true if the VM is paused now. False: it was resumed before, or ends.
 * The guest's time: on x86-64 its clocks go on, and KVM tells the guest that it was stopped, so that it does not
 * take that for a lockup; a timer that came due meanwhile is one interrupt, however often it came due. On
 * aarch64 the guest's counter stands still, and its timers with it.
 */
bool vm_rest(struct vm *vm);

/* Lets them go on, whether they have all stopped yet or not. */
void vm_resume(struct vm *vm);

/* Stops the vCPUs for good, and leaves all else as it is: for saving it. Followed by vm_stop(). */
void vm_halt(struct vm *vm);

/* Stops and undoes. Afterwards vm_init() may be called again. */
void vm_stop(struct vm *vm);

/*
 * Ends the boot, for the first caller's reason; but a reset, which may begin another boot, gives way to VM_TIMEOUT,
 * VM_SIGNAL and VM_QUIT. Any thread; never blocks.
 */
void vm_end(struct vm *vm, enum vm_end why);
void vm_end_by_signal(struct vm *vm, int signal);
/* The same with one line on what happened (VM_DIED or VM_FAILED). */
void vm_end_because(struct vm *vm, enum vm_end why, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Presses the power button of a started VM. 0; -EIO with the cause if the guest cannot notice: it was
 * told of no button (a PC described by a device tree), or has not made it interrupt. The loop's thread.
 */
int vm_press_power_button(struct vm *vm, struct err *err);

/*
 * Fills in the machine description, guest memory and the loaded kernel without KVM, as a run with
 * this config would have them: for `vireo dump dtb`. Undone by vm_stop().
 */
int vm_describe(struct vm *vm, struct err *err);

/* The device tree of the described or started VM: malloc'ed. */
int vm_build_fdt(struct vm *vm, void **dtb, size_t *size, struct err *err);

#endif
