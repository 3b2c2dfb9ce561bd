/* SPDX-License-Identifier: BSD-2-Clause */
/* The state of an aarch64 vCPU, to be kept and given to another one. Errors as in kvm/kvm.h. */
#ifndef VIREO_KVM_VCPU_STATE_ARM64_H
#define VIREO_KVM_VCPU_STATE_ARM64_H

#include <stddef.h>
#include <stdint.h>

#include "kvm/kvm.h"

#define VCPU_STATE_VERSION 1

struct vcpu_state_reg {
	uint64_t id;       /* as KVM_GET_REG_LIST has it */
	uint64_t value[2]; /* as many of the 16 bytes as the id says */
};

/* One block of memory without pointers; of the host's byte order. */
struct vcpu_state {
	uint32_t version;        /* VCPU_STATE_VERSION */
	uint32_t mp_state;       /* KVM_MP_STATE_RUNNABLE or KVM_MP_STATE_STOPPED */
	uint32_t serror_pending; /* 0 or 1 */
	uint32_t serror_has_esr; /* 0 or 1 */
	uint64_t serror_esr;
	uint32_t count; /* of registers */
	uint32_t zero;
	struct vcpu_state_reg reg[];
};

/* Bytes of a state with `count` registers. */
#define VCPU_STATE_SIZE(count) (sizeof(struct vcpu_state) + (count) * sizeof(struct vcpu_state_reg))

/*
 * Finishes the access that the last exit left open, and enters no guest code. What the program has to
 * say of it (the value of a read) is said by now. The vCPU's thread has ended, or calls this.
 */
int kvm_arm64_complete(const struct kvm_vcpu *vcpu, struct err *err);

/* Saves to *out, malloc'ed, which the caller frees. The vCPU is stopped, its last access completed. */
int vcpu_state_save(const struct kvm_vcpu *vcpu, struct vcpu_state **out, struct err *err);

/*
 * Loads `state`, of `size` bytes, into a vCPU that is initialised with the same features and has not
 * run. The virtual counter goes on from where it was when the state was saved, for all vCPUs of the VM
 * from where the one loaded last was. -EINVAL: not a state; the vCPU is unchanged. A value that KVM
 * refuses is its error, and the vCPU is then of no more use.
 */
int vcpu_state_load(const struct kvm_vcpu *vcpu, const struct vcpu_state *state, size_t size,
		    struct err *err);

#endif
