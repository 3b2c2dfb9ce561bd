// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/gicv2_user_arm64.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "devices/gicv2.h"
#include "kvm/arm64.h"

struct gicv2_user {
	struct gicv2 *gic;
	struct vm *vm;
	uint64_t dist, cpu; /* addresses of the frames */

	/* Of each vCPU its inputs as the GIC wants them, bits by enum gicv2_signal: written with the GIC's
	 * lock held. And as KVM was told last: its thread's own. */
	_Atomic unsigned int inputs[GICV2_MAX_CPUS];
	unsigned int told[GICV2_MAX_CPUS];

	/* Of each vCPU the outputs that the GIC was told last; its thread's own. */
	uint64_t outputs[GICV2_MAX_CPUS];
};

/*
 * Only the vCPU's own thread tells KVM, between two KVM_RUN. KVM keeps the inputs in a word that it also
 * changes, and not atomically, when it loads the vCPU onto a CPU (Linux 6.1, kvm_arch_vcpu_load() and
 * vcpu_interrupt_line()): told by another thread at that moment, it forgets.
 */
static void set_cpu_line(void *ctx, unsigned int cpu, enum gicv2_signal signal, bool level)
{
	struct gicv2_user *user = ctx;

	if (level)
		atomic_fetch_or(&user->inputs[cpu], 1u << signal);
	else
		atomic_fetch_and(&user->inputs[cpu], ~(1u << signal));
	vcpu_kick(user->vm->vcpu[cpu]);
}

void gicv2_user_enter(struct vcpu *vcpu)
{
	struct gicv2_user *user = gicv2_user_of(vcpu->vm);
	unsigned int now, changed;

	if (!user)
		return;
	now = atomic_load(&user->inputs[vcpu->index]);
	changed = now ^ user->told[vcpu->index];
	user->told[vcpu->index] = now;
	for (enum gicv2_signal signal = GICV2_IRQ; signal <= GICV2_FIQ; signal++)
		if (changed >> signal & 1)
			kvm_arm64_set_input(&vcpu->vm->kvm_vm, vcpu->index, signal == GICV2_FIQ,
					    now >> signal & 1);
}

int gicv2_user_create(struct gicv2_user **out, struct vm *vm, struct err *err)
{
	const struct irqchip_desc *desc = &vm->machine.irqchip;
	struct gicv2_user *user;
	struct gicv2_host host = { .set_cpu_line = set_cpu_line };
	int ret = kvm_arm64_check_user_irq(&vm->kvm, err);

	if (ret < 0)
		return ret;
	user = calloc(1, sizeof(*user));
	if (!user)
		return err_host(err, ENOMEM, "the GICv2");
	user->vm = vm;
	user->dist = desc->dist.base;
	user->cpu = desc->cpu.base;
	host.ctx = user;
	ret = gicv2_create(&user->gic, vm->machine.nr_cpus, desc->nr_irqs, &host, err);
	if (ret < 0) {
		free(user);
		return ret;
	}
	*out = user;
	return 0;
}

void gicv2_user_destroy(struct gicv2_user *user)
{
	if (!user)
		return;
	gicv2_destroy(user->gic);
	free(user);
}

void gicv2_user_set_line(struct gicv2_user *user, uint32_t line, bool level)
{
	gicv2_set_spi(user->gic, line, level);
}

void gicv2_user_look(struct vcpu *vcpu)
{
	static const struct {
		uint64_t output;
		uint32_t ppi;
	} wires[] = {
		{ KVM_ARM_DEV_EL1_VTIMER, ARM_PPI_VIRT_TIMER },
		{ KVM_ARM_DEV_EL1_PTIMER, ARM_PPI_PHYS_TIMER },
	};
	struct gicv2_user *user = gicv2_user_of(vcpu->vm);
	uint64_t now, changed;

	if (!user)
		return;
	now = kvm_arm64_outputs(&vcpu->kvm);
	changed = now ^ user->outputs[vcpu->index];
	if (!changed)
		return;
	user->outputs[vcpu->index] = now;
	for (unsigned int i = 0; i < sizeof(wires) / sizeof(wires[0]); i++)
		if (changed & wires[i].output)
			gicv2_set_ppi(user->gic, vcpu->index, wires[i].ppi, now & wires[i].output);
}

/* An access that crosses the end of a frame is no access to a register: the model ignores it. */
bool gicv2_user_access(struct vcpu *vcpu)
{
	struct gicv2_user *user = gicv2_user_of(vcpu->vm);
	struct kvm_run *run = vcpu->kvm.run;
	uint64_t addr = run->mmio.phys_addr, value = 0;
	unsigned int size = run->mmio.len;
	bool dist;

	if (!user)
		return false;
	dist = addr - user->dist < GICV2_DIST_SIZE;
	if (!dist && addr - user->cpu >= GICV2_CPU_SIZE)
		return false;
	if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, size);
		if (dist)
			gicv2_dist_write(user->gic, vcpu->index, addr - user->dist, size, value);
		else
			gicv2_cpu_write(user->gic, vcpu->index, addr - user->cpu, size, value);
	} else {
		value = dist ? gicv2_dist_read(user->gic, vcpu->index, addr - user->dist, size)
			     : gicv2_cpu_read(user->gic, vcpu->index, addr - user->cpu, size);
		memcpy(run->mmio.data, &value, size);
	}
	return true;
}
