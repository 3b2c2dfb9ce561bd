// SPDX-License-Identifier: BSD-2-Clause
#include "kvm/vgic.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int vgic_create(struct vgic *vgic, const struct kvm_vm *vm, unsigned int version, struct err *err)
{
	uint32_t type = version == 3 ? KVM_DEV_TYPE_ARM_VGIC_V3 : KVM_DEV_TYPE_ARM_VGIC_V2;

	*vgic = (struct vgic){ .version = version, .its_fd = -1 };
	vgic->fd = kvm_device_create(vm, type);
	if (vgic->fd == -ENODEV)
		return err_host(err, ENODEV, "vGIC create: this host's KVM cannot give a GICv%u", version);
	if (vgic->fd == -E2BIG)
		return err_host(err, E2BIG, "vGIC create: more vCPUs than a GICv%u can serve here", version);
	if (vgic->fd < 0)
		return err_host(err, -vgic->fd, "vGIC create: KVM_CREATE_DEVICE of a GICv%u", version);
	return 0;
}

void vgic_destroy(struct vgic *vgic)
{
	if (vgic->its_fd >= 0)
		close(vgic->its_fd);
	if (vgic->fd >= 0)
		close(vgic->fd);
	vgic->fd = vgic->its_fd = -1;
}

/* An address attribute; `step` and the address are what the user can do something about. */
static int set_address(int fd, const char *step, uint64_t attr, uint64_t value, uint64_t shown,
		       struct err *err)
{
	int ret = kvm_device_set(fd, KVM_DEV_ARM_VGIC_GRP_ADDR, attr, &value);

	if (ret == -E2BIG)
		return err_host(
			err, E2BIG,
			"vGIC %s: %#llx is beyond the guest-physical addresses this host can give (--gic-%s)",
			step, (unsigned long long)shown, step);
	if (ret < 0)
		return err_host(err, -ret, "vGIC %s: KVM_SET_DEVICE_ATTR of address %#llx (--gic-%s)", step,
				(unsigned long long)shown, step);
	return 0;
}

static int set_redistributors(const struct vgic *vgic, const struct vgic_layout *layout, struct err *err)
{
	const uint64_t one = KVM_VGIC_V3_ADDR_TYPE_REDIST, region = KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION;

	/* The plain attribute works on every kernel that has a GICv3; regions came with 4.18. */
	if (layout->nr_redist == 1)
		return set_address(vgic->fd, "redist", one, layout->redist[0].base, layout->redist[0].base,
				   err);

	for (unsigned int i = 0; i < layout->nr_redist; i++) {
		const struct vgic_region *r = &layout->redist[i];
		uint64_t value = (uint64_t)r->count << 52 | r->base | i;
		int ret = set_address(vgic->fd, "redist", region, value, r->base, err);

		if (ret < 0)
			return ret;
	}
	return 0;
}

int vgic_configure(const struct vgic *vgic, const struct vgic_layout *layout, struct err *err)
{
	uint32_t nr_irqs = layout->nr_irqs;
	int ret;

	ret = kvm_device_set(vgic->fd, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &nr_irqs);
	if (ret < 0)
		return err_host(err, -ret, "vGIC irqs: this host's KVM refuses %u interrupts (--gic-irqs)",
				nr_irqs);

	if (vgic->version == 3) {
		ret = set_address(vgic->fd, "dist", KVM_VGIC_V3_ADDR_TYPE_DIST, layout->dist, layout->dist,
				  err);
		if (!ret)
			ret = set_redistributors(vgic, layout, err);
	} else {
		ret = set_address(vgic->fd, "dist", KVM_VGIC_V2_ADDR_TYPE_DIST, layout->dist, layout->dist,
				  err);
		if (!ret)
			ret = set_address(vgic->fd, "cpu", KVM_VGIC_V2_ADDR_TYPE_CPU, layout->cpu,
					  layout->cpu, err);
	}
	if (ret < 0)
		return ret;

	ret = kvm_device_set(vgic->fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
	if (ret < 0)
		return err_host(err, -ret, "vGIC finalize: KVM_DEV_ARM_VGIC_CTRL_INIT of the GICv%u",
				vgic->version);
	return 0;
}

int vgic_create_its(struct vgic *vgic, const struct kvm_vm *vm, uint64_t address, struct err *err)
{
	int fd = kvm_device_create(vm, KVM_DEV_TYPE_ARM_VGIC_ITS), ret;

	if (fd == -ENODEV)
		return err_host(err, ENODEV, "vGIC its: this host's KVM cannot give an ITS");
	if (fd < 0)
		return err_host(err, -fd, "vGIC its: KVM_CREATE_DEVICE of an ITS");
	ret = set_address(fd, "its", KVM_VGIC_ITS_ADDR_TYPE, address, address, err);
	if (!ret) {
		ret = kvm_device_set(fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
		if (ret < 0)
			err_host(err, -ret, "vGIC its: KVM_DEV_ARM_VGIC_CTRL_INIT of the ITS");
	}
	if (ret < 0) {
		close(fd);
		return ret;
	}
	vgic->its_fd = fd;
	return 0;
}

int vgic_set_spi(struct vgic *vgic, const struct kvm_vm *vm, uint32_t spi, bool level)
{
	uint32_t intid = 32 + spi, bit = 1u << intid % 32;
	struct kvm_irq_level irq = {
		.irq = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | intid << KVM_ARM_IRQ_NUM_SHIFT,
		.level = level,
	};

	if (intid >= 1020)
		return -EINVAL;
	if (level)
		atomic_fetch_or(&vgic->level[intid / 32], bit);
	else
		atomic_fetch_and(&vgic->level[intid / 32], ~bit);
	return ioctl(vm->fd, KVM_IRQ_LINE, &irq) < 0 ? -errno : 0;
}

int vgic_send_msi(const struct kvm_vm *vm, uint64_t addr, uint32_t data, uint32_t devid)
{
	struct kvm_msi msi = {
		.address_lo = (uint32_t)addr,
		.address_hi = (uint32_t)(addr >> 32),
		.data = data,
		.flags = KVM_MSI_VALID_DEVID,
		.devid = devid,
	};

	return ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) < 0 ? -errno : 0;
}
