// SPDX-License-Identifier: BSD-2-Clause
/*
 * The three ways to divide a PC's interrupt controllers between this program and KVM:
 *
 *   apic         LAPICs and I/O APICs here (devices/apic.h)
 *   apic-split   KVM's LAPICs; the I/O APICs here send them messages
 *   apic-kernel  KVM's LAPICs and I/O APIC; lines are ioctls
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/trace.h"
#define LOG_AREA AREA_IRQ
#include "kvm/log.h"
#include "vmm/arch.h"
#include "vmm/irqfds.h"
#include "vmm/vcpu_x86.h"

/* The controllers of which KVM has a part. */
struct kernel_chip {
	struct irqchip chip;
	struct vm *vm;
	struct ioapics ioapics; /* apic-split; none where KVM has the I/O APIC too */
	struct irqfds irqfds;   /* apic-kernel */

	pthread_mutex_t lock; /* guards what follows; taken with an I/O APIC's lock held */
	struct kvm_x86_route route[MACHINE_MAX_IOAPICS * IOAPIC_PINS];
	uint32_t nr_routes;
};

/* A message as KVM wants it: what a destination has beyond 8 bits is in the address's upper half. */
static struct kvm_x86_route to_kvm(const struct apic_message *msg)
{
	struct kvm_x86_route route;

	apic_message_to_msi(msg, &route.addr, &route.data);
	route.addr &= 0xfffff01f;
	route.addr |= (uint64_t)(msg->dest & ~0xffu) << 32;
	return route;
}

static bool send_message(const struct kernel_chip *kernel, const struct apic_message *msg)
{
	struct kvm_x86_route route = to_kvm(msg);

	return kvm_x86_send_msi(&kernel->vm->kvm_vm, route.addr, route.data) > 0;
}

/* A guest sends an MSI by a device; both chips take it in the same way. */
static void send_msi(struct irqchip *chip, uint64_t addr, uint32_t data, uint32_t devid)
{
	struct apic_message msg;

	(void)devid; /* there is no interrupt remapping */
	if (!apic_message_from_msi(addr, data, &msg))
		return;
	trace_route(TRACE_MSI, msg.delivery, msg.vector, msg.dest);
	send_message((struct kernel_chip *)chip, &msg);
}

/* --- apic-kernel --- */

static void set_kernel_line(struct irqchip *chip, uint32_t line, bool level)
{
	/* KVM refuses only lines that its I/O APIC does not have: no device is given one. */
	(void)kvm_x86_set_line(&((struct kernel_chip *)chip)->vm->kvm_vm, line, level);
}

static int kernel_eventfd(struct irqchip *chip, uint32_t line)
{
	return irqfds_get(&((struct kernel_chip *)chip)->irqfds, line);
}

static void pulse_kernel_line(struct irqchip *chip, uint32_t line)
{
	if (irqfds_pulse(&((struct kernel_chip *)chip)->irqfds, line))
		return;
	set_kernel_line(chip, line, true);
	set_kernel_line(chip, line, false);
}

static bool kernel_unmasked(struct irqchip *chip, uint32_t line)
{
	return kvm_x86_line_unmasked(&((struct kernel_chip *)chip)->vm->kvm_vm, line);
}

static const struct irqchip_ops kernel_ops = {
	.set_line = set_kernel_line,
	.unmasked = kernel_unmasked,
	.pulse = pulse_kernel_line,
	.eventfd = kernel_eventfd,
	.send_msi = send_msi,
};

/* --- apic-split --- */

static void set_split_line(struct irqchip *chip, uint32_t line, bool level)
{
	ioapics_set_line(&((struct kernel_chip *)chip)->ioapics, line, level);
}

static bool split_unmasked(struct irqchip *chip, uint32_t line)
{
	return ioapics_unmasked(&((struct kernel_chip *)chip)->ioapics, line);
}

static const struct irqchip_ops split_ops = {
	.set_line = set_split_line,
	.unmasked = split_unmasked,
	.send_msi = send_msi,
};

static bool deliver(void *ctx, const struct apic_message *msg)
{
	return send_message(ctx, msg);
}

/*
 * KVM ends a guest's EOI in the kernel unless a route says that an I/O APIC waits for it: then it is
 * KVM_EXIT_IOAPIC_EOI. Only level-triggered pins wait.
 */
static void routed(void *ctx, uint32_t gsi, const struct apic_message *msg)
{
	struct kernel_chip *kernel = ctx;
	struct kvm_x86_route route = { 0 };
	int ret = 0;

	if (msg && msg->level)
		route = to_kvm(msg);
	pthread_mutex_lock(&kernel->lock);
	if (route.addr != kernel->route[gsi].addr || route.data != kernel->route[gsi].data) {
		kernel->route[gsi] = route;
		ret = kvm_x86_set_routes(&kernel->vm->kvm_vm, kernel->route, kernel->nr_routes);
	}
	pthread_mutex_unlock(&kernel->lock);
	if (ret < 0)
		vm_end_because(kernel->vm, VM_FAILED, "KVM_SET_GSI_ROUTING (interrupt line %u): %s", gsi,
			       strerrordesc_np(-ret));
}

/* --- the program's view --- */

static enum irqchip_choice chosen(const struct vm *vm)
{
	return vm->cfg->irqchip == CHOOSE_AUTO ? CHOOSE_APIC : vm->cfg->irqchip;
}

bool irqchip_kernel_lapic(const struct vm *vm)
{
	return chosen(vm) != CHOOSE_APIC;
}

bool irqchip_kernel_ioapic(const struct vm *vm)
{
	return chosen(vm) == CHOOSE_APIC_KERNEL;
}

const char *arch_irqchip_name(const struct vm *vm)
{
	static const char *const names[] = {
		[CHOOSE_APIC] = "apic",
		[CHOOSE_APIC_SPLIT] = "apic-split",
		[CHOOSE_APIC_KERNEL] = "apic-kernel",
	};

	return names[chosen(vm)];
}

/* As an NMI that another vCPU sends: it comes whatever LINT1 is set to. */
int arch_nmi(struct vm *vm, unsigned int index, struct err *err)
{
	const struct apic_message msg = { .dest = index, .wide = true, .delivery = APIC_NMI };
	bool taken = vm->arch->apic ? lapic_accept(&vm->arch->apic->lapic[index], APIC_NMI, 0, false)
				    : send_message(vm->arch->kernel_chip, &msg);

	if (!taken)
		return err_user(err, "vCPU %u takes no NMI: its APIC is switched off", index);
	return 0;
}

static int create_kernel_chip(struct vm *vm, uint32_t nr_gsis, struct err *err)
{
	bool split = chosen(vm) == CHOOSE_APIC_SPLIT;
	struct kernel_chip *kernel = calloc(1, sizeof(*kernel));
	const struct ioapic_bus bus = { .deliver = deliver, .routed = routed, .ctx = kernel };

	if (!kernel)
		return err_host(err, ENOMEM, "the interrupt controller");
	vm->arch->kernel_chip = kernel;
	kernel->chip.ops = split ? &split_ops : &kernel_ops;
	kernel->vm = vm;
	kernel->nr_routes = nr_gsis;
	irqfds_init(&kernel->irqfds, &vm->kvm_vm);
	pthread_mutex_init(&kernel->lock, NULL);
	return split ? ioapics_create(&kernel->ioapics, nr_gsis, &vm->device_host, &bus, err) : 0;
}

uint32_t irqchip_lines(const struct vm_config *cfg, const struct machine *m)
{
	struct ioapic_desc place[MACHINE_MAX_IOAPICS];
	uint32_t needed = machine_nr_lines(m), asked = cfg->ioapics * IOAPIC_PINS;

	return ioapics_place(needed > asked ? needed : asked, place) * IOAPIC_PINS;
}

void irqchip_describe(struct vm *vm)
{
	struct irqchip_desc *desc = &vm->machine.irqchip;

	*desc = (struct irqchip_desc){ .kind = IRQCHIP_APIC, .lapic_base = PC_LAPIC_BASE };
	desc->nr_ioapics = ioapics_place(irqchip_lines(vm->cfg, &vm->machine), desc->ioapic);
}

int irqchip_prepare(struct vm *vm, struct err *err)
{
	uint32_t lines = irqchip_lines(vm->cfg, &vm->machine);
	int ret;

	switch (chosen(vm)) {
	case CHOOSE_APIC_SPLIT:
		ret = kvm_x86_split_irqchip(&vm->kvm_vm, lines, err);
		break;
	case CHOOSE_APIC_KERNEL:
		ret = kvm_x86_kernel_irqchip(&vm->kvm_vm, lines, err);
		break;
	default:
		ret = kvm_require(vm->kvm_vm.fd, KVM_CAP_NAME(SYNC_REGS), "to hand interrupts to the guest",
				  err);
		return ret < 0 ? ret : kvm_x86_userspace_lapic(&vm->kvm_vm, err);
	}
	return ret < 0 ? ret : create_kernel_chip(vm, lines, err);
}

void irqchip_finish(struct vm *vm)
{
	struct kernel_chip *kernel = vm->arch->kernel_chip;

	apic_destroy(vm->arch->apic);
	if (!kernel)
		return;
	irqfds_finish(&kernel->irqfds);
	ioapics_destroy(&kernel->ioapics);
	pthread_mutex_destroy(&kernel->lock);
	free(kernel);
}

int irqchip_connect(struct vm *vm, struct err *err)
{
	static const char *const names[] = {
		[CHOOSE_APIC] = "apic: userspace LAPICs and I/O APICs, no in-kernel interrupt controller",
		[CHOOSE_APIC_SPLIT] = "apic-split: KVM's LAPICs, userspace I/O APICs",
		[CHOOSE_APIC_KERNEL] = "apic-kernel: KVM's LAPICs and I/O APIC",
	};
	const struct irqchip_desc *desc = &vm->machine.irqchip;
	struct vm_arch *arch = vm->arch;
	struct ioapics *ioapics = arch->apic ? &arch->apic->ioapics : &arch->kernel_chip->ioapics;

	for (unsigned int i = 0; i < ioapics->nr; i++) {
		int ret = bus_add(&vm->mmio, desc->ioapic[i].base, IOAPIC_WINDOW, ioapics->dev[i]);

		if (ret < 0)
			return err_host(err, -ret, "I/O APIC %u on the MMIO bus", i);
	}
	vm->irqchip = arch->apic ? &arch->apic->chip : &arch->kernel_chip->chip;
	log_info("irqchip %s; %u interrupt lines", names[chosen(vm)], desc->nr_ioapics * IOAPIC_PINS);
	return 0;
}

void irqchip_eoi(struct vm *vm, uint8_t vector)
{
	ioapics_eoi(&vm->arch->kernel_chip->ioapics, vector);
}
