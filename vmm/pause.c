// SPDX-License-Identifier: BSD-2-Clause
/* Stopping the vCPUs for a while. Where they stop is vcpu_rest(). */
#include "vmm/arch.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

void vm_pause(struct vm *vm, void (*resting)(void *ctx), void *ctx)
{
	pthread_mutex_lock(&vm->gate_lock);
	vm->resting = resting;
	vm->resting_ctx = ctx;
	vm->pausing = true;
	/* They may all be there still, not yet awake after a resume. */
	if (vm->nr_resting == vm->nr_vcpus)
		resting(ctx);
	pthread_mutex_unlock(&vm->gate_lock);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		vcpu_kick(vm->vcpu[i]);
}

bool vm_rest(struct vm *vm)
{
	bool all;

	if (vm->is_paused)
		return true;
	pthread_mutex_lock(&vm->gate_lock);
	all = vm->pausing && vm->nr_resting == vm->nr_vcpus && !vm->ending;
	pthread_mutex_unlock(&vm->gate_lock);
	if (all)
		arch_vm_paused(vm);
	vm->is_paused = all;
	return all;
}

void vm_resume(struct vm *vm)
{
	if (vm->is_paused)
		arch_vm_resuming(vm);
	vm->is_paused = false;
	pthread_mutex_lock(&vm->gate_lock);
	vm->pausing = false;
	pthread_cond_broadcast(&vm->gate);
	pthread_mutex_unlock(&vm->gate_lock);
}
