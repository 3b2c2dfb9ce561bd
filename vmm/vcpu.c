// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/vcpu.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/clock.h"
#include "host/file_memory.h"
#include "host/worker.h"
#include "vmm/arch.h"
#include "vmm/vm.h"

/* Not a real-time signal: sending those fails when too many are queued, and a wake-up would be lost. */
#define KICK_SIGNAL SIGUSR1

/* Whose thread this is: a kick of oneself would only cost a needless exit. */
static __thread struct vcpu *current;

static void kick_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, KICK_SIGNAL);
}

int vcpu_create(struct vcpu **out, struct vm *vm, unsigned int index, struct err *err)
{
	struct vcpu *vcpu = calloc(1, sizeof(*vcpu));
	int ret;

	if (!vcpu)
		return err_host(err, ENOMEM, "vCPU %u", index);
	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->armed_for = CLOCK_NEVER;

	ret = kvm_vcpu_create(&vcpu->kvm, &vm->kvm_vm, index, err);
	if (ret < 0)
		goto fail;
	ret = kvm_vcpu_set_kick_signal(&vcpu->kvm, KICK_SIGNAL, err);
	if (ret >= 0)
		ret = arch_vcpu_init(vcpu, err);
	if (ret < 0)
		goto fail_vcpu;
	*out = vcpu;
	return 0;

fail_vcpu:
	kvm_vcpu_destroy(&vcpu->kvm);
fail:
	free(vcpu);
	return ret;
}

static void join(struct vcpu *vcpu)
{
	if (!vcpu->has_thread)
		return;
	pthread_join(vcpu->thread, NULL);
	vcpu->has_thread = false;
}

void vcpu_destroy(struct vcpu *vcpu)
{
	if (!vcpu)
		return;
	join(vcpu);
	arch_vcpu_finish(vcpu);
	kvm_vcpu_destroy(&vcpu->kvm);
	free(vcpu);
}

void vcpu_kick(struct vcpu *vcpu)
{
	/* Pairs with vcpu_take_kick() and vcpu_wait(): the change was made before this exchange. */
	if (vcpu == current || !vcpu->has_thread || atomic_exchange(&vcpu->kicked, true))
		return;
	trace_kick(vcpu->index);
	pthread_kill(vcpu->thread, KICK_SIGNAL);
}

/* Pairs with vcpu_kick(): whoever finds `kicked` true has made its change visible to us. */
static void clear_kick(struct vcpu *vcpu)
{
	atomic_exchange(&vcpu->kicked, false);
}

/* A signal has been taken; if it was the timer's, that is to be armed again even for the same time. */
static void note_signal(struct vcpu *vcpu, const siginfo_t *info)
{
	if (info->si_code == SI_TIMER)
		vcpu->armed_for = CLOCK_NEVER;
	clear_kick(vcpu);
}

void vcpu_take_kick(struct vcpu *vcpu)
{
	const struct timespec now = { 0 };
	siginfo_t info = { 0 };
	sigset_t set;

	/* One: should the timer have sent another, the next entry ends at once and comes here again. */
	kick_set(&set);
	sigtimedwait(&set, &info, &now);
	note_signal(vcpu, &info);
}

void vcpu_wait(struct vcpu *vcpu)
{
	uint64_t begin = trace_begin();
	siginfo_t info;
	sigset_t set;

	kick_set(&set);
	while (sigwaitinfo(&set, &info) < 0 && errno == EINTR)
		;
	trace_halt(vcpu->index, begin);
	note_signal(vcpu, &info);
}

void vcpu_arm(struct vcpu *vcpu, uint64_t deadline)
{
	struct itimerspec when = { 0 };

	if (deadline == vcpu->armed_for || !vcpu->has_timer)
		return;
	vcpu->armed_for = deadline;
	if (deadline != CLOCK_NEVER) {
		deadline = deadline ?: 1; /* 0 would disarm */
		when.it_value.tv_sec = (time_t)(deadline / NSEC_PER_SEC);
		when.it_value.tv_nsec = (long)(deadline % NSEC_PER_SEC);
	}
	timer_settime(vcpu->timer, TIMER_ABSTIME, &when, NULL);
}

static int create_timer(struct vcpu *vcpu)
{
	struct sigevent ev = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = KICK_SIGNAL,
	};

	ev._sigev_un._tid = gettid();
	if (timer_create(CLOCK_MONOTONIC, &ev, &vcpu->timer) < 0)
		return -errno;
	vcpu->has_timer = true;
	return 0;
}

/* --- running, as the trace sees it --- */

static struct trace_exit describe_exit(const struct kvm_run *run, int ret)
{
	uint32_t reason = ret ? KVM_EXIT_INTR : run->exit_reason;
	struct trace_exit exit = {
		.reason = (uint16_t)(reason < TRACE_EXITS ? reason : TRACE_EXITS - 1),
	};

	switch (exit.reason) {
	case KVM_EXIT_IO:
		exit.address = run->io.port;
		exit.access = run->io.size;
		exit.write = run->io.direction == KVM_EXIT_IO_OUT;
		break;
	case KVM_EXIT_MMIO:
		exit.address = run->mmio.phys_addr;
		exit.access = (uint8_t)run->mmio.len;
		exit.write = run->mmio.is_write;
		break;
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		exit.address = run->msr.index;
		exit.access = 8;
		exit.write = exit.reason == KVM_EXIT_X86_WRMSR;
		break;
	}
	return exit;
}

/* The last exit has been dealt with. */
static void end_exit(struct vcpu *vcpu)
{
	if (vcpu->exited)
		trace_exit(vcpu->index, vcpu->exit_time, &vcpu->exit);
	vcpu->exited = false;
}

/*
 * -EAGAIN where a file that is guest memory was missing a part, which it no longer is. KVM does not say what
 * it was that the guest wanted: what is missing is searched for.
 */
static int run_guest(struct vcpu *vcpu)
{
	int ret = kvm_vcpu_run(&vcpu->kvm);
	unsigned int mends;

	if (ret != -EFAULT)
		return ret;
	mends = file_memory_mend();
	if (mends == vcpu->mends)
		mends = file_memory_search(&vcpu->vm->ending);
	if (mends == vcpu->mends)
		return ret;
	vcpu->mends = mends;
	return -EAGAIN;
}

int vcpu_run(struct vcpu *vcpu)
{
	bool complete = vcpu->kvm.run->immediate_exit;
	uint64_t begin;
	int ret;

	if (!trace_on())
		return run_guest(vcpu);
	/* To complete an instruction belongs to the exit that it caused, unless it takes another one. */
	if (!complete)
		end_exit(vcpu);
	begin = trace_begin();
	ret = run_guest(vcpu);
	if (complete && ret)
		return ret;
	if (complete)
		end_exit(vcpu);
	else
		trace_guest(vcpu->index, begin);
	vcpu->exit_time = trace_begin();
	vcpu->exit = describe_exit(vcpu->kvm.run, ret);
	vcpu->exited = true;
	return ret;
}

static void pass_gate(struct vm *vm)
{
	pthread_mutex_lock(&vm->gate_lock);
	while (!vm->gate_open)
		pthread_cond_wait(&vm->gate, &vm->gate_lock);
	pthread_mutex_unlock(&vm->gate_lock);
}

static void leave_together(struct vm *vm)
{
	pthread_mutex_lock(&vm->gate_lock);
	if (!--vm->nr_inside)
		pthread_cond_broadcast(&vm->gate);
	while (vm->nr_inside)
		pthread_cond_wait(&vm->gate, &vm->gate_lock);
	pthread_mutex_unlock(&vm->gate_lock);
}

void vcpu_rest(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	/* Pairs with vm_pause(): it is set before the kick. */
	if (!vm->pausing)
		return;
	end_exit(vcpu);
	pthread_mutex_lock(&vm->gate_lock);
	if (++vm->nr_resting == vm->nr_vcpus && vm->pausing)
		vm->resting(vm->resting_ctx);
	while (vm->pausing && !vm->ending)
		pthread_cond_wait(&vm->gate, &vm->gate_lock);
	vm->nr_resting--;
	pthread_mutex_unlock(&vm->gate_lock);
}

static void *thread_main(void *arg)
{
	struct vcpu *vcpu = arg;
	int ret;

	current = vcpu;
	trace_thread(1 + vcpu->index);
	ret = create_timer(vcpu);
	if (ret < 0)
		vm_end_because(vcpu->vm, VM_FAILED, "timer_create for vCPU %u: %s", vcpu->index,
			       strerrordesc_np(-ret));

	pass_gate(vcpu->vm);
	if (!vcpu->vm->ending)
		arch_vcpu_loop(vcpu);
	end_exit(vcpu);
	leave_together(vcpu->vm);

	if (vcpu->has_timer)
		timer_delete(vcpu->timer);
	return NULL;
}

int vcpu_start(struct vcpu *vcpu, struct err *err)
{
	char name[16];
	int ret;

	/* The kick is waited for, never handled. */
	snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
	ret = thread_start(&vcpu->thread, name, thread_main, vcpu, err);
	vcpu->has_thread = !ret;
	return ret;
}

void vcpu_run_failed(struct vcpu *vcpu, int code)
{
	vm_end_because(vcpu->vm, VM_FAILED, "KVM_RUN (running vCPU %u): %s", vcpu->index,
		       strerrordesc_np(-code) ?: "unknown error");
}

void vcpu_describe_failure(const struct vcpu *vcpu, char what[VCPU_FAILURE_MAX])
{
	const struct kvm_run *run = vcpu->kvm.run;

	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		snprintf(what, VCPU_FAILURE_MAX, "the CPU refuses to enter the guest (reason %#llx)",
			 (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	else if (run->exit_reason != KVM_EXIT_INTERNAL_ERROR)
		snprintf(what, VCPU_FAILURE_MAX, "KVM exit %u, which has no meaning here", run->exit_reason);
	else if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
		snprintf(what, VCPU_FAILURE_MAX, "KVM cannot emulate the instruction");
	else
		snprintf(what, VCPU_FAILURE_MAX, "KVM internal error %u", run->internal.suberror);
}

void vcpu_run_exits(struct vcpu *vcpu, void (*before)(struct vcpu *vcpu), void (*after)(struct vcpu *vcpu),
		    void (*handle)(struct vcpu *vcpu))
{
	while (!vcpu->vm->ending) {
		int ret;

		vcpu_rest(vcpu);
		if (before)
			before(vcpu);
		ret = vcpu_run(vcpu);
		if (after)
			after(vcpu);
		if (!ret)
			handle(vcpu);
		else if (ret == -EINTR || ret == -EAGAIN)
			vcpu_take_kick(vcpu);
		else
			vcpu_run_failed(vcpu, ret);
	}
}
