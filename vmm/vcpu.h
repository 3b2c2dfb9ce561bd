/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual CPU and its thread.
 *
 * Waking it. There is one way, vcpu_kick(): the kick signal, which the thread keeps blocked and
 * only KVM_RUN (through KVM_SET_SIGNAL_MASK) and vcpu_wait() let in. Who changes something a vCPU
 * must see changes it first and kicks then; the vCPU clears `kicked` first and looks then. So a
 * change is either seen by the look or followed by another signal, and no wake-up is lost.
 */
#ifndef VIREO_VMM_VCPU_H
#define VIREO_VMM_VCPU_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "devices/trace.h"
#include "kvm/err.h"
#include "kvm/kvm.h"

struct vm;
struct vcpu_arch;

struct vcpu {
	struct vm *vm;
	unsigned int index;
	struct kvm_vcpu kvm;
	struct vcpu_arch *arch; /* owned by the architecture's code */

	pthread_t thread;
	_Atomic bool has_thread;
	_Atomic bool kicked; /* a kick signal is on its way, or not yet dealt with */

	/* The thread's own. */
	timer_t timer; /* sends the kick signal at armed_for */
	bool has_timer;
	uint64_t armed_for; /* monotonic ns, or CLOCK_NEVER */

	unsigned int mends; /* file_memory_mend() when KVM_RUN failed with -EFAULT last */

	/* For the trace, while `exited`: the exit that is being dealt with, and when it came. */
	bool exited;
	uint64_t exit_time;
	struct trace_exit exit;
};

int vcpu_create(struct vcpu **out, struct vm *vm, unsigned int index, struct err *err);
/* Waits for its thread to end; vm->ending must be set. Nobody may kick it any more. NULL is fine. */
void vcpu_destroy(struct vcpu *vcpu);

/* Starts the thread; it waits at vm->gate before it runs anything. */
int vcpu_start(struct vcpu *vcpu, struct err *err);

/* Makes the vCPU look at what has changed. Any thread; does nothing on the vCPU's own. */
void vcpu_kick(struct vcpu *vcpu);

/* --- for the vCPU's own thread --- */

/* KVM_RUN, as kvm_vcpu_run(), under the eyes of the tracepoints. */
int vcpu_run(struct vcpu *vcpu);

/* Takes a kick signal if one has arrived; what changed before it may be looked at now. */
void vcpu_take_kick(struct vcpu *vcpu);

/* Sleeps until kicked (or the armed timer fires). */
void vcpu_wait(struct vcpu *vcpu);

/* Has the kick signal sent at `deadline` (monotonic ns); CLOCK_NEVER disarms. */
void vcpu_arm(struct vcpu *vcpu, uint64_t deadline);

/* While the VM is pausing, waits here. Called between two entries of the guest, when what was kicked for is due. */
void vcpu_rest(struct vcpu *vcpu);

/*
 * Runs the guest until vm->ending where no interrupt has to be injected: all that comes are exits for
 * `handle`. `before` and `after` (NULL: nothing) are called around each KVM_RUN, also one that a signal
 * ended; after that signal has been taken comes `before`, which sees what changed before the kick.
 */
void vcpu_run_exits(struct vcpu *vcpu, void (*before)(struct vcpu *vcpu), void (*after)(struct vcpu *vcpu),
		    void (*handle)(struct vcpu *vcpu));

/* Says in `what` what the last exit is: KVM's own failures, and one that has no meaning for this program. */
#define VCPU_FAILURE_MAX 64 /* bytes */
void vcpu_describe_failure(const struct vcpu *vcpu, char what[VCPU_FAILURE_MAX]);

/* KVM_RUN failed with `code` (negative errno): ends the VM with a line that says where. */
void vcpu_run_failed(struct vcpu *vcpu, int code);

#endif
