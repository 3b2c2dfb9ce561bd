// SPDX-License-Identifier: BSD-2-Clause
/* Who has the LAPICs and the I/O APIC: the program, KVM, or one each. */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "kvm/x86.h"

#define MSR_IA32_APIC_BASE    0x1b
#define MSR_IA32_TSC_DEADLINE 0x6e0
#define MSR_KVM_PV_EOI_EN     0x4b564d04

int kvm_x86_userspace_lapic(const struct kvm_vm *vm, struct err *err)
{
	const uint64_t reasons = KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN |
				 KVM_MSR_EXIT_REASON_FILTER;
	/* One MSR, bit clear: not allowed, so that it exits. KVM copies whole words of eight bytes. */
	uint8_t denied[8] = { 0 };
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges[0] = {
			.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			.nmsrs = 1,
			.base = MSR_IA32_TSC_DEADLINE,
			.bitmap = denied,
		},
		.ranges[1] = {
			.flags = KVM_MSR_FILTER_WRITE,
			.nmsrs = 1,
			.base = MSR_IA32_APIC_BASE,
			.bitmap = denied,
		},
		.ranges[2] = {
			.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			.nmsrs = 1,
			.base = MSR_KVM_PV_EOI_EN,
			.bitmap = denied,
		},
	};
	int ret;

	ret = kvm_require(vm->fd, KVM_CAP_NAME(X86_MSR_FILTER),
			  "for the LAPIC's mode, its TSC-deadline timer and paravirtual EOI", err);
	if (!ret)
		ret = kvm_vm_enable_cap(vm, KVM_CAP_NAME(X86_USER_SPACE_MSR), reasons,
					"x2APIC registers for the userspace LAPIC", err);
	if (ret < 0)
		return ret;
	ret = KVM_IOCTL(vm->fd, KVM_X86_SET_MSR_FILTER, &filter,
			"seeing writes of IA32_APIC_BASE, IA32_TSC_DEADLINE and MSR_KVM_PV_EOI_EN", err);
	return ret < 0 ? ret : 0;
}

/* APIC ids have 32 bits, and 255 is one of them: KVM took it for a broadcast in x2APIC mode too. */
static int use_wide_ids(const struct kvm_vm *vm, struct err *err)
{
	return kvm_vm_enable_cap(vm, KVM_CAP_NAME(X2APIC_API),
				 KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK,
				 "APIC ids of 32 bits", err);
}

int kvm_x86_split_irqchip(const struct kvm_vm *vm, unsigned int pins, struct err *err)
{
	int ret = kvm_vm_enable_cap(vm, KVM_CAP_NAME(SPLIT_IRQCHIP), pins, "LAPICs without an I/O APIC", err);

	return ret < 0 ? ret : use_wide_ids(vm, err);
}

static int set_routes(const struct kvm_vm *vm, const struct kvm_irq_routing_entry *entry, unsigned int count)
{
	struct kvm_irq_routing *table = calloc(1, sizeof(*table) + count * sizeof(*entry));
	int ret;

	if (!table)
		return -ENOMEM;
	table->nr = count;
	for (unsigned int i = 0; i < count; i++)
		table->entries[i] = entry[i];
	ret = ioctl(vm->fd, KVM_SET_GSI_ROUTING, table) < 0 ? -errno : 0;
	free(table);
	return ret;
}

/*
 * KVM leads the first 16 GSIs to its 8259s as well, which no guest here has been told of: one that
 * has not masked them would be interrupted through LINT0.
 */
static int route_to_ioapic(const struct kvm_vm *vm, unsigned int pins, struct err *err)
{
	struct kvm_irq_routing_entry entry[KVM_X86_MAX_ROUTES] = { 0 };
	int ret;

	for (unsigned int pin = 0; pin < pins; pin++) {
		entry[pin].gsi = pin;
		entry[pin].type = KVM_IRQ_ROUTING_IRQCHIP;
		entry[pin].u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
		entry[pin].u.irqchip.pin = pin;
	}
	ret = set_routes(vm, entry, pins);
	return ret < 0 ? err_host(err, -ret, "KVM_SET_GSI_ROUTING (%u pins of the I/O APIC)", pins) : 0;
}

int kvm_x86_kernel_irqchip(const struct kvm_vm *vm, unsigned int pins, struct err *err)
{
	int ret = KVM_IOCTL(vm->fd, KVM_CREATE_IRQCHIP, 0, "LAPICs and an I/O APIC", err);

	if (ret >= 0)
		ret = use_wide_ids(vm, err);
	return ret < 0 ? ret : route_to_ioapic(vm, pins, err);
}

int kvm_x86_set_line(const struct kvm_vm *vm, uint32_t gsi, bool level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	return ioctl(vm->fd, KVM_IRQ_LINE, &line) < 0 ? -errno : 0;
}

bool kvm_x86_line_unmasked(const struct kvm_vm *vm, uint32_t gsi)
{
	struct kvm_irqchip irqchip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	return gsi < KVM_IOAPIC_NUM_PINS && ioctl(vm->fd, KVM_GET_IRQCHIP, &irqchip) == 0 &&
	       !irqchip.chip.ioapic.redirtbl[gsi].fields.mask;
}

int kvm_x86_send_msi(const struct kvm_vm *vm, uint64_t addr, uint32_t data)
{
	struct kvm_msi msi = {
		.address_lo = (uint32_t)addr,
		.address_hi = (uint32_t)(addr >> 32),
		.data = data,
	};
	int taken = ioctl(vm->fd, KVM_SIGNAL_MSI, &msi);

	return taken < 0 ? -errno : taken;
}

int kvm_x86_set_routes(const struct kvm_vm *vm, const struct kvm_x86_route *route, unsigned int count)
{
	struct kvm_irq_routing_entry entry[KVM_X86_MAX_ROUTES] = { 0 };
	unsigned int used = 0;

	for (unsigned int pin = 0; pin < count && pin < KVM_X86_MAX_ROUTES; pin++) {
		if (!route[pin].data)
			continue;
		entry[used].gsi = pin;
		entry[used].type = KVM_IRQ_ROUTING_MSI;
		entry[used].u.msi.address_lo = (uint32_t)route[pin].addr;
		entry[used].u.msi.address_hi = (uint32_t)(route[pin].addr >> 32);
		entry[used].u.msi.data = route[pin].data;
		used++;
	}
	return set_routes(vm, entry, used);
}
