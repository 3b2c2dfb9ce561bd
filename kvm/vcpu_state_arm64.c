// SPDX-License-Identifier: BSD-2-Clause
#include "kvm/vcpu_state_arm64.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

/* More than any CPU has: what KVM lists are some 300. */
#define MAX_REGS 4096

static size_t reg_size(uint64_t id)
{
	return (size_t)1 << ((id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT);
}

int kvm_arm64_complete(const struct kvm_vcpu *vcpu, struct err *err)
{
	int ret;

	vcpu->run->immediate_exit = 1;
	ret = kvm_vcpu_run(vcpu);
	vcpu->run->immediate_exit = 0;
	if (ret != -EINTR)
		return err_host(err, ret ? -ret : EIO, "KVM_RUN (completing the last exit of vCPU %u)",
				vcpu->id);
	return 0;
}

/* The ids of all registers, malloc'ed. */
static int list_registers(const struct kvm_vcpu *vcpu, struct kvm_reg_list **out, struct err *err)
{
	struct kvm_reg_list none = { 0 }, *list;
	int ret;

	/* Too short a list is told its length. */
	if (ioctl(vcpu->fd, KVM_GET_REG_LIST, &none) < 0 && errno != E2BIG)
		return err_host(err, errno, "KVM_GET_REG_LIST (of vCPU %u)", vcpu->id);
	if (none.n > MAX_REGS)
		return err_host_text(err, "vCPU %u has %llu registers; %d were expected at most", vcpu->id,
				     (unsigned long long)none.n, MAX_REGS);
	list = calloc(1, sizeof(*list) + none.n * sizeof(list->reg[0]));
	if (!list)
		return err_host(err, ENOMEM, "vCPU state");
	list->n = none.n;
	ret = KVM_IOCTL(vcpu->fd, KVM_GET_REG_LIST, list, "listing a vCPU's registers", err);
	if (ret < 0) {
		free(list);
		return ret;
	}
	*out = list;
	return 0;
}

static int access_register(const struct kvm_vcpu *vcpu, unsigned long request,
			   const struct vcpu_state_reg *at, struct err *err)
{
	struct kvm_one_reg reg = { .id = at->id, .addr = (uint64_t)(uintptr_t)at->value };

	if (ioctl(vcpu->fd, request, &reg) < 0)
		return err_host(err, errno, "%s (register %#llx of vCPU %u)",
				request == KVM_GET_ONE_REG ? "KVM_GET_ONE_REG" : "KVM_SET_ONE_REG",
				(unsigned long long)at->id, vcpu->id);
	return 0;
}

static int save_registers(const struct kvm_vcpu *vcpu, const struct kvm_reg_list *list,
			  struct vcpu_state *state, struct err *err)
{
	int ret = 0;

	state->count = (uint32_t)list->n;
	for (uint32_t i = 0; i < state->count && !ret; i++) {
		state->reg[i].id = list->reg[i];
		if (reg_size(list->reg[i]) > sizeof(state->reg[i].value))
			return err_host_text(err, "register %#llx of vCPU %u is too wide to be saved",
					     (unsigned long long)list->reg[i], vcpu->id);
		ret = access_register(vcpu, KVM_GET_ONE_REG, &state->reg[i], err);
	}
	return ret;
}

static int save_rest(const struct kvm_vcpu *vcpu, struct vcpu_state *state, struct err *err)
{
	struct kvm_vcpu_events events = { 0 };
	struct kvm_mp_state mp;
	int ret = KVM_IOCTL(vcpu->fd, KVM_GET_MP_STATE, &mp, "whether a vCPU is on", err);

	if (ret >= 0)
		ret = KVM_IOCTL(vcpu->fd, KVM_GET_VCPU_EVENTS, &events, "pending exceptions", err);
	if (ret < 0)
		return ret;
	state->mp_state = mp.mp_state;
	state->serror_pending = events.exception.serror_pending;
	state->serror_has_esr = events.exception.serror_has_esr;
	state->serror_esr = events.exception.serror_esr;
	return 0;
}

int vcpu_state_save(const struct kvm_vcpu *vcpu, struct vcpu_state **out, struct err *err)
{
	struct vcpu_state *state = NULL;
	struct kvm_reg_list *list = NULL;
	int ret = list_registers(vcpu, &list, err);

	if (ret < 0)
		return ret;
	state = calloc(1, VCPU_STATE_SIZE(list->n));
	if (!state) {
		ret = err_host(err, ENOMEM, "vCPU state");
	} else {
		state->version = VCPU_STATE_VERSION;
		ret = save_registers(vcpu, list, state, err);
		if (!ret)
			ret = save_rest(vcpu, state, err);
	}
	free(list);
	if (ret < 0) {
		free(state);
		return ret;
	}
	*out = state;
	return 0;
}

static int check_state(const struct vcpu_state *state, size_t size, struct err *err)
{
	if (size < sizeof(*state))
		return err_user(err, "vCPU state: %zu bytes are too few", size);
	if (state->version != VCPU_STATE_VERSION)
		return err_user(err, "vCPU state: version is %u; allowed is %d", state->version,
				VCPU_STATE_VERSION);
	if (state->mp_state != KVM_MP_STATE_RUNNABLE && state->mp_state != KVM_MP_STATE_STOPPED)
		return err_user(err, "vCPU state: mp_state is %u; allowed are %d and %d", state->mp_state,
				KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_STOPPED);
	if (state->serror_pending > 1 || state->serror_has_esr > 1)
		return err_user(err,
				"vCPU state: serror_pending and serror_has_esr are %u and %u; allowed "
				"are 0 and 1",
				state->serror_pending, state->serror_has_esr);
	if (state->zero)
		return err_user(err, "vCPU state: zero is %u; allowed is 0", state->zero);
	if (state->count > MAX_REGS || size != VCPU_STATE_SIZE(state->count))
		return err_user(err, "vCPU state: %u registers do not fill %zu bytes", state->count, size);
	for (uint32_t i = 0; i < state->count; i++)
		if (reg_size(state->reg[i].id) > sizeof(state->reg[i].value))
			return err_user(err, "vCPU state: register %#llx is too wide; allowed are 16 bytes",
					(unsigned long long)state->reg[i].id);
	return 0;
}

int vcpu_state_load(const struct kvm_vcpu *vcpu, const struct vcpu_state *state, size_t size, struct err *err)
{
	struct kvm_vcpu_events events = { 0 };
	struct kvm_mp_state mp;
	int ret = check_state(state, size, err);

	for (uint32_t i = 0; !ret && i < state->count; i++)
		ret = access_register(vcpu, KVM_SET_ONE_REG, &state->reg[i], err);
	if (ret < 0)
		return ret;

	mp.mp_state = state->mp_state;
	events.exception.serror_pending = (uint8_t)state->serror_pending;
	events.exception.serror_has_esr = (uint8_t)state->serror_has_esr;
	events.exception.serror_esr = state->serror_esr;
	ret = KVM_IOCTL(vcpu->fd, KVM_SET_VCPU_EVENTS, &events, "pending exceptions", err);
	if (ret >= 0)
		ret = KVM_IOCTL(vcpu->fd, KVM_SET_MP_STATE, &mp, "whether a vCPU is on", err);
	return ret < 0 ? ret : 0;
}
