// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/msi_arm64.h"

#include <errno.h>

#include "devices/gicv2m.h"
#define LOG_AREA AREA_IRQ
#include "kvm/log.h"

/*
 * The last SPI a frame has. The GIC has one more (INTID 1019), but Linux takes no frame whose first
 * INTID and number of interrupts add up to more than 1019.
 */
#define LAST_V2M_SPI (1018 - 32)

/* The lines that no device of the machine has: those above the last one it has. */
static uint32_t free_lines(const struct vm *vm, uint32_t *first)
{
	uint32_t end = vm->machine.irqchip.nr_irqs - 32;

	*first = 0;
	for (unsigned int i = 0; i < vm->machine.nr_devices; i++)
		if (vm->machine.device[i].line >= (int)*first)
			*first = (uint32_t)vm->machine.device[i].line + 1;
	if (end > LAST_V2M_SPI + 1)
		end = LAST_V2M_SPI + 1;
	return *first < end ? end - *first : 0;
}

static void describe_its(struct vm *vm)
{
	vm->machine.irqchip.its = (struct machine_range){ vm->cfg->gic_its, ARM_GIC_ITS_SIZE };
}

static void describe_v2m(struct vm *vm)
{
	uint32_t first;

	if (free_lines(vm, &first))
		vm->machine.irqchip.v2m = (struct machine_range){ vm->cfg->gic_v2m, ARM_GIC_V2M_SIZE };
}

void arm_msi_assume(struct vm *vm)
{
	if (vm->machine.irqchip.kind == IRQCHIP_GICV3 && vm->cfg->its != ITS_OFF)
		describe_its(vm);
	else
		describe_v2m(vm);
}

static int create_v2m(struct arm_msi *msi, struct vm *vm, struct irqchip *chip, struct err *err)
{
	struct irq_line line = { .chip = chip };
	uint32_t count = free_lines(vm, &line.line);
	int ret;

	if (!count) {
		log_info("no GICv2m frame: all %u interrupts of the GIC have an owner (--gic-irqs)",
			 vm->machine.irqchip.nr_irqs);
		return 0;
	}
	describe_v2m(vm);
	ret = arm_check_reach(vm, "gic-v2m", &vm->machine.irqchip.v2m, err);
	if (!ret)
		ret = device_create(&msi->v2m, &gicv2m_class, &vm->device_host, line, 0, err);
	if (ret < 0)
		return ret;
	gicv2m_set_lines(msi->v2m, count);
	msi->doorbell = vm->cfg->gic_v2m + GICV2M_SETSPI;
	ret = bus_add(&vm->mmio, vm->cfg->gic_v2m, ARM_GIC_V2M_SIZE, msi->v2m);
	if (ret < 0) {
		arm_msi_finish(msi);
		return err_host(err, -ret, "the GICv2m frame on the MMIO bus");
	}
	return 0;
}

int arm_msi_init(struct arm_msi *msi, struct vm *vm, struct vgic *vgic, struct irqchip *chip, struct err *err)
{
	enum its_choice choice = vm->cfg->its;
	int ret;

	*msi = (struct arm_msi){ 0 };
	if (choice == ITS_ON && vm->machine.irqchip.kind != IRQCHIP_GICV3)
		return err_user(err, "--its on: only a GICv3 has an ITS, and irqchip auto came to another "
				     "GIC on this host; choose --its auto");
	if (choice == ITS_OFF || vm->machine.irqchip.kind != IRQCHIP_GICV3)
		return create_v2m(msi, vm, chip, err);

	ret = vgic_create_its(vgic, &vm->kvm_vm, vm->cfg->gic_its, err);
	if (ret == -ENODEV && choice == ITS_AUTO) {
		log_info("its auto: %s; there is a GICv2m frame instead", err->text);
		return create_v2m(msi, vm, chip, err);
	}
	if (ret < 0)
		return ret;
	msi->kvm_vm = &vm->kvm_vm;
	describe_its(vm);
	return 0;
}

void arm_msi_finish(struct arm_msi *msi)
{
	device_destroy(msi->v2m);
	*msi = (struct arm_msi){ 0 };
}

void arm_msi_send(const struct arm_msi *msi, uint64_t addr, uint32_t data, uint32_t devid)
{
	if (msi->v2m && addr == msi->doorbell)
		gicv2m_send(msi->v2m, data);
	else if (!msi->kvm_vm || vgic_send_msi(msi->kvm_vm, addr, data, devid) < 0)
		log_debug_once("an MSI was sent to %#llx, where nothing takes it", (unsigned long long)addr);
}

const char *arm_msi_name(const struct arm_msi *msi)
{
	return msi->kvm_vm ? "an ITS" : msi->v2m ? "a GICv2m frame" : "nothing";
}
