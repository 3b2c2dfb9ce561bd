// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/state_arm64.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "kvm/vcpu_state_arm64.h"
#include "kvm/vgic_state_arm64.h"
#include "vmm/vcpu.h"

#define STATE_MAGIC   0x3436616f65726976ULL /* "vireoa64" */
#define STATE_VERSION 1

/* What the block begins with; the GIC's state and one for each vCPU follow, each after its size. */
struct header {
	uint64_t magic; /* STATE_MAGIC: also says that the byte order is this one */
	uint32_t version;
	uint32_t nr_vcpus;
};

struct part {
	uint64_t size; /* bytes that follow, a multiple of 8 */
};

static int describe(struct vm *vm, struct vgic_shape *shape, struct err *err)
{
	uint64_t *mpidr;

	if (arch_vgic(vm)->fd < 0)
		return err_user(err, "VM state: this VM has no in-kernel GIC to save or load");
	mpidr = calloc(vm->nr_vcpus, sizeof(*mpidr));
	if (!mpidr)
		return err_host(err, ENOMEM, "VM state");
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		mpidr[i] = machine_cpu_id(&vm->machine, i);
	*shape = (struct vgic_shape){
		.vgic = arch_vgic(vm),
		.vm = &vm->kvm_vm,
		.nr_irqs = vm->machine.irqchip.nr_irqs,
		.nr_vcpus = vm->nr_vcpus,
		.mpidr = mpidr,
	};
	return 0;
}

static void put_part(FILE *out, const void *bytes, size_t size)
{
	const struct part part = { .size = size };

	fwrite(&part, sizeof(part), 1, out);
	fwrite(bytes, size, 1, out);
}

/* The vCPUs first: completing their accesses may still change the GIC. */
static int save_all(struct vm *vm, const struct vgic_shape *shape, FILE *out, struct err *err)
{
	const struct header header = {
		.magic = STATE_MAGIC,
		.version = STATE_VERSION,
		.nr_vcpus = vm->nr_vcpus,
	};
	struct vgic_state *gic;
	int ret = 0;

	for (unsigned int i = 0; i < vm->nr_vcpus && !ret; i++)
		ret = kvm_arm64_complete(&vm->vcpu[i]->kvm, err);
	if (!ret)
		ret = vgic_save(shape, &gic, err);
	if (ret < 0)
		return ret;
	fwrite(&header, sizeof(header), 1, out);
	put_part(out, gic, VGIC_STATE_SIZE(gic->count));
	free(gic);

	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu_state *vcpu;

		ret = vcpu_state_save(&vm->vcpu[i]->kvm, &vcpu, err);
		if (ret < 0)
			return ret;
		put_part(out, vcpu, VCPU_STATE_SIZE(vcpu->count));
		free(vcpu);
	}
	return 0;
}

int state_arm64_save(struct vm *vm, void **block, size_t *size, struct err *err)
{
	char *bytes = NULL;
	struct vgic_shape shape;
	int ret = describe(vm, &shape, err), failed;
	FILE *out;

	if (ret < 0)
		return ret;
	out = open_memstream(&bytes, size);
	if (out) {
		ret = save_all(vm, &shape, out, err);
		failed = ferror(out);
		if ((fclose(out) || failed) && !ret)
			ret = err_host(err, ENOMEM, "VM state");
	} else {
		ret = err_host(err, errno, "VM state");
	}
	free((uint64_t *)shape.mpidr);
	if (ret < 0) {
		free(bytes);
		return ret;
	}
	*block = bytes;
	return 0;
}

/* What is left of the block. */
struct rest {
	const uint8_t *at;
	size_t size;
};

/* Takes `size` bytes, or returns NULL. */
static const void *take(struct rest *rest, uint64_t size)
{
	const void *bytes = rest->at;

	if (size > rest->size || size % 8)
		return NULL;
	rest->at += size;
	rest->size -= size;
	return bytes;
}

static const void *take_part(struct rest *rest, size_t *size)
{
	const struct part *part = take(rest, sizeof(*part));

	if (!part)
		return NULL;
	*size = part->size;
	return take(rest, part->size);
}

static int load_all(struct vm *vm, const struct vgic_shape *shape, struct rest rest, struct err *err)
{
	const struct header *header = take(&rest, sizeof(*header));
	const void *gic, *vcpu;
	size_t gic_size, vcpu_size;
	int ret = 0;

	if (!header || header->magic != STATE_MAGIC)
		return err_user(err, "VM state: it is none, or not of this architecture");
	if (header->version != STATE_VERSION)
		return err_user(err, "VM state: version is %u; allowed is %d", header->version,
				STATE_VERSION);
	if (header->nr_vcpus != vm->nr_vcpus)
		return err_user(err, "VM state: it has %u vCPUs; this VM has %u", header->nr_vcpus,
				vm->nr_vcpus);
	gic = take_part(&rest, &gic_size);
	for (unsigned int i = 0; gic && i < vm->nr_vcpus && !ret; i++) {
		vcpu = take_part(&rest, &vcpu_size);
		if (!vcpu)
			gic = NULL;
		else
			ret = vcpu_state_load(&vm->vcpu[i]->kvm, vcpu, vcpu_size, err);
	}
	if (ret < 0)
		return ret;
	if (!gic || rest.size)
		return err_user(err, "VM state: it is cut off, or something follows it");
	return vgic_load(shape, gic, gic_size, err);
}

int state_arm64_load(struct vm *vm, const void *block, size_t size, struct err *err)
{
	struct vgic_shape shape;
	int ret = describe(vm, &shape, err);

	if (ret < 0)
		return ret;
	ret = load_all(vm, &shape, (struct rest){ block, size }, err);
	free((uint64_t *)shape.mpidr);
	return ret;
}
