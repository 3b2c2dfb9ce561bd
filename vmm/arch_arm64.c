// SPDX-License-Identifier: BSD-2-Clause
/* The VM on aarch64: an in-kernel GICv3 or GICv2, or one in userspace. */
#include <errno.h>
#include <stdlib.h>

#include "kvm/arm64.h"
#define LOG_AREA AREA_KVM
#include "kvm/log.h"
#include "kvm/vgic.h"
#include "vmm/arch.h"
#include "vmm/gicv2_user_arm64.h"
#include "vmm/irqfds.h"
#include "vmm/msi_arm64.h"
#include "vmm/state_arm64.h"

struct vm_arch {
	struct irqchip chip;
	const struct kvm_vm *kvm_vm;
	struct vgic vgic;
	struct irqfds irqfds;    /* of the vgic */
	struct gicv2_user *user; /* instead of the vgic; else NULL */
	struct arm_msi msi;
};

struct gicv2_user *gicv2_user_of(const struct vm *vm)
{
	return vm->arch->user;
}

static void set_line(struct irqchip *chip, uint32_t line, bool level)
{
	struct vm_arch *arch = (struct vm_arch *)chip;

	/* KVM refuses only lines beyond --gic-irqs, which start-up has checked. */
	(void)vgic_set_spi(&arch->vgic, arch->kvm_vm, line, level);
}

static void send_msi(struct irqchip *chip, uint64_t addr, uint32_t data, uint32_t devid)
{
	arm_msi_send(&((struct vm_arch *)chip)->msi, addr, data, devid);
}

static int line_eventfd(struct irqchip *chip, uint32_t line)
{
	return irqfds_get(&((struct vm_arch *)chip)->irqfds, line);
}

static void pulse_line(struct irqchip *chip, uint32_t line)
{
	if (irqfds_pulse(&((struct vm_arch *)chip)->irqfds, line))
		return;
	set_line(chip, line, true);
	set_line(chip, line, false);
}

static const struct irqchip_ops vgic_ops = {
	.set_line = set_line,
	.pulse = pulse_line,
	.eventfd = line_eventfd,
	.send_msi = send_msi,
};

static void set_user_line(struct irqchip *chip, uint32_t line, bool level)
{
	gicv2_user_set_line(((struct vm_arch *)chip)->user, line, level);
}

static const struct irqchip_ops user_ops = {
	.set_line = set_user_line,
	.send_msi = send_msi,
};

/* A load from a device's memory passes by the caches, in which this program's writes may still be. */
const bool arch_reads_device_memory = false;

unsigned long arch_vm_type(const struct kvm *kvm)
{
	return kvm_arm64_vm_type(kvm);
}

int arch_vm_init(struct vm *vm, struct err *err)
{
	int ret = kvm_arm64_vm_setup(&vm->kvm_vm, err);

	if (ret < 0)
		return ret;
	vm->arch = calloc(1, sizeof(*vm->arch));
	if (!vm->arch)
		return err_host(err, ENOMEM, "the VM");
	vm->arch->kvm_vm = &vm->kvm_vm;
	vm->arch->vgic = (struct vgic)VGIC_NONE;
	return 0;
}

void arch_vm_finish(struct vm *vm)
{
	free(vm->arch);
	vm->arch = NULL;
}

/*
 * One region of redistributors that ends where the distributor begins (or begins at --gic-redist).
 * vCPUs that do not fit there get a second one at the end of the device window.
 */
static void place_redistributors(struct vm *vm, struct irqchip_desc *desc)
{
	const struct vm_config *cfg = vm->cfg;
	uint64_t n = vm->machine.nr_cpus, size = n * ARM_GIC_REDIST_SIZE;
	uint64_t fit = cfg->gic_dist / ARM_GIC_REDIST_SIZE;

	desc->nr_redist = 1;
	if (cfg->have_gic_redist) {
		desc->redist[0] = (struct machine_range){ cfg->gic_redist, size };
	} else if (n <= fit) {
		desc->redist[0] = (struct machine_range){ cfg->gic_dist - size, size };
	} else {
		uint64_t rest = (n - fit) * ARM_GIC_REDIST_SIZE;
		unsigned int i = 0;

		if (fit)
			desc->redist[i++] = (struct machine_range){ cfg->gic_dist - fit * ARM_GIC_REDIST_SIZE,
								    fit * ARM_GIC_REDIST_SIZE };
		desc->redist[i++] = (struct machine_range){ ARM_DEVICE_END - rest, rest };
		desc->nr_redist = i;
	}
}

static void describe(struct vm *vm, enum irqchip_kind kind)
{
	struct irqchip_desc *desc = &vm->machine.irqchip;

	*desc = (struct irqchip_desc){
		.kind = kind,
		.dist = { vm->cfg->gic_dist, ARM_GIC_DIST_SIZE },
		.nr_irqs = vm->cfg->gic_irqs,
	};
	if (kind == IRQCHIP_GICV3) {
		place_redistributors(vm, desc);
	} else {
		desc->dist.size = ARM_GICV2_DIST_SIZE;
		desc->cpu = (struct machine_range){ vm->cfg->gic_cpu, ARM_GICV2_CPU_SIZE };
	}
}

void arch_irqchip_assume(struct vm *vm)
{
	describe(vm, vm->cfg->irqchip == CHOOSE_GICV2        ? IRQCHIP_GICV2
		     : vm->cfg->irqchip == CHOOSE_GICV2_USER ? IRQCHIP_GICV2_USER
							     : IRQCHIP_GICV3);
	arm_msi_assume(vm);
}

unsigned int arch_address_bits(const struct vm *vm)
{
	return kvm_arm64_address_bits(&vm->kvm);
}

int arm_check_reach(const struct vm *vm, const char *option, const struct machine_range *range,
		    struct err *err)
{
	unsigned int bits = kvm_arm64_address_bits(&vm->kvm);

	if (range->base + range->size <= 1ULL << bits)
		return 0;
	return err_host_text(
		err,
		"--%s: %#llx is beyond the guest-physical addresses this host can give, which have "
		"%u bits",
		option, (unsigned long long)range->base, bits);
}

static int create_user(struct vm *vm, struct err *err)
{
	const struct irqchip_desc *desc = &vm->machine.irqchip;
	int ret;

	describe(vm, IRQCHIP_GICV2_USER);
	ret = arm_check_reach(vm, "gic-dist", &desc->dist, err);
	if (!ret)
		ret = arm_check_reach(vm, "gic-cpu", &desc->cpu, err);
	if (ret < 0)
		return ret;
	return gicv2_user_create(&vm->arch->user, vm, err);
}

/* v3, v2, then the one in userspace for `auto`; an explicit choice never falls back. */
static int create(struct vm *vm, struct err *err)
{
	struct vgic *vgic = &vm->arch->vgic;
	enum irqchip_choice choice = vm->cfg->irqchip;
	struct err err2, err3;
	int ret, ret2;

	if (choice == CHOOSE_GICV2_USER)
		return create_user(vm, err);
	if (choice == CHOOSE_GICV2)
		return vgic_create(vgic, &vm->kvm_vm, 2, err);

	ret = vgic_create(vgic, &vm->kvm_vm, 3, err);
	if (ret < 0 && choice == CHOOSE_GICV3 && ret == -ENODEV)
		return err_host(
			err, ENODEV,
			"vGIC create: this host's KVM cannot give a GICv3; use --irqchip auto or gicv2");
	if (ret >= 0 || choice == CHOOSE_GICV3)
		return ret;

	if (vm->machine.nr_cpus > ARM_GICV2_MAX_CPUS)
		return err_user(
			err, "--cpus %u: this host's KVM has no GICv3, and a GICv2 serves at most %d vCPUs",
			vm->machine.nr_cpus, ARM_GICV2_MAX_CPUS);
	ret2 = vgic_create(vgic, &vm->kvm_vm, 2, &err2);
	if (ret2 >= 0) {
		log_info("irqchip auto: %s; falling back to GICv2", err->text);
		return 0;
	}
	log_warn("irqchip auto: %s; %s; falling back to gicv2-user, which is slower", err->text, err2.text);
	ret = create_user(vm, &err3);
	if (ret < 0)
		err_host_text(err,
			      "no GIC: neither v3 nor v2 can be created (%s), nor is there another way (%s)",
			      err2.text, err3.text);
	return ret;
}

static int configure_vgic(struct vm *vm, struct err *err)
{
	const struct irqchip_desc *desc = &vm->machine.irqchip;
	struct vgic_layout layout = { 0 };

	describe(vm, vm->arch->vgic.version == 3 ? IRQCHIP_GICV3 : IRQCHIP_GICV2);
	layout.dist = desc->dist.base;
	layout.cpu = desc->cpu.base;
	layout.nr_irqs = desc->nr_irqs;
	layout.nr_redist = desc->nr_redist;
	for (unsigned int i = 0; i < desc->nr_redist; i++) {
		layout.redist[i].base = desc->redist[i].base;
		layout.redist[i].count = (unsigned int)(desc->redist[i].size / ARM_GIC_REDIST_SIZE);
	}
	return vgic_configure(&vm->arch->vgic, &layout, err);
}

int arch_irqchip_init(struct vm *vm, struct err *err)
{
	struct vm_arch *arch = vm->arch;
	int ret = create(vm, err);

	if (!ret && !arch->user)
		ret = configure_vgic(vm, err);
	if (!ret) {
		irqfds_init(&arch->irqfds, &vm->kvm_vm);
		arch->chip.ops = arch->user ? &user_ops : &vgic_ops;
		ret = arm_msi_init(&arch->msi, vm, arch->user ? NULL : &arch->vgic, &arch->chip, err);
	}
	if (ret < 0) {
		arch_irqchip_finish(vm);
		return ret;
	}
	vm->irqchip = &arch->chip;
	if (arch->user)
		log_info(
			"irqchip gicv2-user: userspace GICv2, no in-kernel interrupt controller, %u interrupts, "
			"MSIs by %s",
			vm->machine.irqchip.nr_irqs, arm_msi_name(&arch->msi));
	else
		log_info("irqchip gicv%u: in-kernel vGIC, %u interrupts, MSIs by %s", arch->vgic.version,
			 vm->machine.irqchip.nr_irqs, arm_msi_name(&arch->msi));
	return 0;
}

void arch_vm_paused(struct vm *vm)
{
	struct err err;

	vm->paused_time = 0;
	if (!vm->nr_vcpus)
		return;
	if (kvm_arm64_get_counter(&vm->vcpu[0]->kvm, &vm->paused_time, &err) < 0) {
		log_warn("%s; the guest will see the pause", err.text);
		vm->paused_time = 0;
	}
}

void arch_vm_resuming(struct vm *vm)
{
	struct err err;

	if (vm->paused_time && kvm_arm64_set_counter(&vm->vcpu[0]->kvm, vm->paused_time, &err) < 0)
		log_warn("%s; the guest sees the pause", err.text);
}

int arch_nmi(struct vm *vm, unsigned int index, struct err *err)
{
	(void)vm;
	(void)index;
	return err_user(err, "aarch64 has no NMI that could be sent to a vCPU");
}

const char *arch_irqchip_name(const struct vm *vm)
{
	return vm->arch->user ? "gicv2-user" : vm->arch->vgic.version == 3 ? "gicv3" : "gicv2";
}

struct vgic *arch_vgic(struct vm *vm)
{
	return &vm->arch->vgic;
}

void arch_irqchip_finish(struct vm *vm)
{
	vm->irqchip = NULL;
	arm_msi_finish(&vm->arch->msi);
	irqfds_finish(&vm->arch->irqfds);
	vgic_destroy(&vm->arch->vgic);
	gicv2_user_destroy(vm->arch->user);
	vm->arch->user = NULL;
}
