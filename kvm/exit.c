// SPDX-License-Identifier: BSD-2-Clause
#include "kvm/kvm.h"

static const char *const names[] = {
#define NAME(exit) [KVM_EXIT_##exit] = #exit
	NAME(UNKNOWN),
	NAME(EXCEPTION),
	NAME(IO),
	NAME(HYPERCALL),
	NAME(DEBUG),
	NAME(HLT),
	NAME(MMIO),
	NAME(IRQ_WINDOW_OPEN),
	NAME(SHUTDOWN),
	NAME(FAIL_ENTRY),
	NAME(INTR),
	NAME(SET_TPR),
	NAME(TPR_ACCESS),
	NAME(NMI),
	NAME(INTERNAL_ERROR),
	NAME(SYSTEM_EVENT),
	NAME(IOAPIC_EOI),
	NAME(ARM_NISV),
	NAME(X86_RDMSR),
	NAME(X86_WRMSR),
	NAME(DIRTY_RING_FULL),
	NAME(X86_BUS_LOCK),
	NAME(NOTIFY),
#undef NAME
};

const char *kvm_exit_name(unsigned int reason)
{
	return reason < sizeof(names) / sizeof(names[0]) && names[reason] ? names[reason] : "other";
}
