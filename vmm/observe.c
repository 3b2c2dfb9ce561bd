// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "devices/ioapic.h"
#include "devices/lapic.h"
#include "kvm/kvm.h"
#include "kvm/log.h"
#include "vmm/trace.h"

int observe_start(struct observer *o, const struct vm_config *cfg, struct clock *clock, struct err *err)
{
	const struct trace_setup setup = {
		.clock = clock,
		.threads = 1 + cfg->cpus,
		.records = cfg->trace ? cfg->trace_size : 0,
		.count = cfg->stats != STATS_OFF,
	};
	int ret = 0;

	*o = (struct observer){ .start = clock_monotonic(clock), .threads = setup.threads };
	if (cfg->trace) {
		ret = outfile_open(&o->trace, "--trace", cfg->trace, cfg, err);
		if (ret < 0)
			return ret;
		/* A full disk is better known before the run than after it. */
		trace_begin_json(o->trace.file);
		ret = outfile_flush(&o->trace, err);
	}
	if (!ret && (setup.records || setup.count))
		ret = trace_start(&setup, err);
	if (ret < 0 && o->trace.file)
		outfile_discard(&o->trace);
	return ret;
}

int observe_write_trace(struct observer *o, const struct machine *m, struct err *err)
{
	if (!o->trace.file)
		return 0;
	if (!trace_write_json(o->trace.file, o->start, o->threads, m)) {
		outfile_discard(&o->trace);
		return err_host(err, ENOMEM, "writing the trace");
	}
	return outfile_close(&o->trace, err);
}

void observe_print_stats(const struct observer *o, enum stats_choice format, const struct machine *m)
{
	char *text = NULL;
	size_t size = 0, done = 0;
	FILE *out = format == STATS_OFF ? NULL : open_memstream(&text, &size);

	if (!out)
		return;
	if (format == STATS_TABLE)
		stats_write_table(out, o->threads, m);
	else
		stats_write_json(out, o->threads, m);
	if (!fclose(out)) {
		while (done < size) {
			ssize_t n = write(STDERR_FILENO, text + done, size - done);

			if (n < 0 && errno != EINTR)
				break; /* as the log: nobody to complain to */
			done += n > 0 ? (size_t)n : 0;
		}
	}
	free(text);
}

void observe_finish(void)
{
	trace_stop();
}

/* --- names --- */

static struct trace_name name_of(const struct machine *m, const struct machine_device *dev)
{
	struct trace_name name;
	unsigned int instances = 0;

	for (unsigned int i = 0; i < m->nr_devices; i++)
		instances += m->device[i].class == dev->class;
	if (instances > 1)
		snprintf(name.text, sizeof(name.text), "%s %u", dev->class->name, dev->instance);
	else
		snprintf(name.text, sizeof(name.text), "%s", dev->class->name);
	return name;
}

static struct trace_name name_of_irqchip(const struct machine *m, uint64_t address)
{
	const struct irqchip_desc *chip = &m->irqchip;

	if (m->platform == PLATFORM_PC && address - chip->lapic_base < LAPIC_PAGE_SIZE)
		return (struct trace_name){ "lapic" };
	for (unsigned int i = 0; i < chip->nr_ioapics; i++)
		if (address - chip->ioapic[i].base < IOAPIC_WINDOW)
			return (struct trace_name){ "ioapic" };
	if (address - chip->dist.base < chip->dist.size || address - chip->cpu.base < chip->cpu.size)
		return (struct trace_name){ "gic" };
	return (struct trace_name){ "" };
}

static struct trace_name name_of_msr(uint64_t msr)
{
	if ((msr >= X2APIC_MSR_FIRST && msr <= X2APIC_MSR_LAST) || msr == LAPIC_MSR_TSC_DEADLINE)
		return (struct trace_name){ "lapic" };
	return (struct trace_name){ "" };
}

struct trace_name trace_name_at(const struct machine *m, unsigned int reason, uint64_t address)
{
	enum device_space space = reason == KVM_EXIT_IO ? SPACE_PIO : SPACE_MMIO;

	if (reason == KVM_EXIT_X86_RDMSR || reason == KVM_EXIT_X86_WRMSR)
		return name_of_msr(address);
	for (unsigned int i = 0; i < m->nr_devices; i++)
		if (m->device[i].space == space && address - m->device[i].base < m->device[i].size)
			return name_of(m, &m->device[i]);
	return space == SPACE_MMIO ? name_of_irqchip(m, address) : (struct trace_name){ "" };
}

struct trace_name trace_name_of_line(const struct machine *m, unsigned int line)
{
	for (unsigned int i = 0; i < m->nr_devices; i++)
		if (m->device[i].line == (int)line)
			return name_of(m, &m->device[i]);
	return (struct trace_name){ "" };
}
