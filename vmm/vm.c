// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/vm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "fdt/fdt.h"
#include "kvm/log.h"
#include "vmm/arch.h"
#include "vmm/vcpu.h"
#include "vmm/virtio.h"

/* --- how a run ends --- */

/* Only who is first stops the loop: who comes when that has ended, before the vCPUs have, would stop that of the next boot. */
static void end(struct vm *vm, enum vm_end why, int number, const char *cause)
{
	bool is_final = why == VM_QUIT || why == VM_SIGNAL || why == VM_TIMEOUT;
	bool is_first;

	pthread_mutex_lock(&vm->end_lock);
	is_first = vm->why == VM_RUNNING;
	/* A reset may begin the next boot, which whoever wants an end does not know of. */
	if (is_first || (vm->why == VM_RESET && is_final)) {
		vm->why = why;
		vm->number = number;
		snprintf(vm->cause.text, sizeof(vm->cause.text), "%s", cause);
	}
	pthread_mutex_unlock(&vm->end_lock);
	vm->ending = true;
	if (is_first)
		loop_stop(vm->loop);
}

void vm_end(struct vm *vm, enum vm_end why)
{
	end(vm, why, 0, "");
}

void vm_end_by_signal(struct vm *vm, int signal)
{
	end(vm, VM_SIGNAL, signal, "");
}

void vm_end_because(struct vm *vm, enum vm_end why, const char *fmt, ...)
{
	char cause[sizeof(vm->cause.text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cause, sizeof(cause), fmt, ap);
	va_end(ap);
	end(vm, why, 0, cause);
}

static void guest_event(void *ctx, enum guest_event event)
{
	static const enum vm_end ends[] = {
		[GUEST_POWEROFF] = VM_POWEROFF,
		[GUEST_RESET] = VM_RESET,
		[GUEST_PANIC] = VM_PANIC,
	};

	vm_end(ctx, ends[event]);
}

static void guest_leaves(void *ctx, uint8_t status)
{
	end(ctx, VM_LEFT, status, "");
}

/* --- the power button --- */

int vm_press_power_button(struct vm *vm, struct err *err)
{
	for (unsigned int i = 0; i < vm->nr_devices; i++) {
		struct device *dev = vm->device[i];

		if (!dev->class->press_power)
			continue;
		if (vm->machine.no_acpi && !dev->class->compatible)
			return err_host_text(err, "the power button: the guest has none, for it is described "
						  "by a device tree (--tables)");
		if (dev->class->press_power(dev))
			return 0;
		return err_host_text(err, "the power button: the guest does not listen to it");
	}
	return err_host_text(err, "the power button: this machine has none");
}

/* --- stages --- */

/* Whether `word` is one of the kernel's parameters. */
static bool has_parameter(const char *cmdline, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = cmdline; (p = strstr(p, word)); p += len)
		if ((p == cmdline || p[-1] == ' ') && (!p[len] || p[len] == ' '))
			return true;
	return false;
}

/*
 * A PC kernel is told of its hardware once: one that reads both ACPI tables and a device tree finds
 * everything twice. An Arm kernel has the device tree only.
 */
static void choose_tables(struct vm *vm)
{
	enum tables_choice choice = vm->cfg->tables;

	if (choice == TABLES_AUTO)
		choice = has_parameter(vm->cmdline, "acpi=off") ? TABLES_FDT : TABLES_ACPI;
	vm->machine.no_acpi = choice == TABLES_FDT;
	vm->give_fdt = host_platform == PLATFORM_ARM || choice == TABLES_FDT || choice == TABLES_BOTH;
}

static int start_machine(struct vm *vm, struct err *err)
{
	int ret = config_machine(vm->cfg, &vm->machine, err);

	if (ret < 0)
		return ret;
	vm->cmdline = config_cmdline(vm->cfg);
	if (!vm->cmdline)
		return err_host(err, ENOMEM, "the kernel's command line");
	vm->machine.cmdline = vm->cmdline;
	choose_tables(vm);
	vm->machine.have_seeds = getrandom(vm->machine.rng_seed, sizeof(vm->machine.rng_seed),
					   GRND_NONBLOCK) == sizeof(vm->machine.rng_seed) &&
				 getrandom(&vm->machine.kaslr_seed, sizeof(vm->machine.kaslr_seed),
					   GRND_NONBLOCK) == sizeof(vm->machine.kaslr_seed);
	return 0;
}

static void stop_machine(struct vm *vm)
{
	free(vm->cmdline);
	vm->cmdline = NULL;
}

static int start_memory(struct vm *vm, struct err *err)
{
	uint8_t *host;
	int ret;

	ret = kvm_ram_map(&vm->ram, machine_ram_size(&vm->machine), config_memory_backing(vm->cfg), err);
	if (ret < 0)
		return ret;
	host = vm->ram.host;
	for (unsigned int i = 0; i < vm->machine.nr_ram; i++) {
		const struct machine_range *range = &vm->machine.ram[i];

		ret = guest_mem_add(&vm->mem, range->base, range->size, host, false);
		if (ret < 0) {
			kvm_ram_unmap(&vm->ram);
			return err_host(err, -ret, "guest memory at %#llx", (unsigned long long)range->base);
		}
		guest_mem_set_file(&vm->mem, range->base, vm->ram.fd,
				   (uint64_t)(host - (uint8_t *)vm->ram.host));
		host += range->size;
	}
	return 0;
}

static void stop_memory(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->mem.count; i++)
		if (vm->mem.range[i].is_window)
			munmap(vm->mem.range[i].host, vm->mem.range[i].size);
	vm->mem.count = 0;
	kvm_ram_unmap(&vm->ram);
}

static int start_kvm(struct vm *vm, struct err *err)
{
	int ret = kvm_open(&vm->kvm, err);

	if (ret < 0)
		return ret;
	ret = kvm_vm_create(&vm->kvm_vm, &vm->kvm, arch_vm_type(&vm->kvm), err);
	if (ret < 0)
		kvm_close(&vm->kvm);
	return ret;
}

static void stop_kvm(struct vm *vm)
{
	kvm_vm_destroy(&vm->kvm_vm);
	kvm_close(&vm->kvm);
}

static int start_slots(struct vm *vm, struct err *err)
{
	for (unsigned int i = 0; i < vm->mem.count; i++) {
		const struct guest_range *range = &vm->mem.range[i];
		int ret = kvm_vm_set_memory(&vm->kvm_vm, i, range->base, range->size, range->host, false,
					    err);

		if (ret < 0)
			return ret;
	}
	return 0;
}

int vm_add_window(struct vm *vm, void *host, uint64_t size, uint64_t align, bool read_only, uint64_t *base,
		  struct err *err)
{
	int ret = machine_add_window(&vm->machine, size, align, arch_address_bits(vm), base, err);

	/* A slot for each range: RAM's are those from 0 on. */
	if (!ret)
		ret = kvm_vm_set_memory(&vm->kvm_vm, vm->mem.count, *base, size, host, read_only, err);
	if (ret < 0)
		return ret;
	ret = guest_mem_add_window(&vm->mem, *base, size, host, read_only);
	if (ret < 0)
		return err_host(err, -ret, "device memory at %#llx", (unsigned long long)*base);
	return 0;
}

static void stop_vcpus(struct vm *vm)
{
	while (vm->nr_vcpus)
		vcpu_destroy(vm->vcpu[--vm->nr_vcpus]);
	free(vm->vcpu);
	vm->vcpu = NULL;
}

/* Each vCPU is a file, and the usual soft limit is below what a machine may have of them. */
static void allow_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == files.rlim_max)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files); /* if it fails, creating a vCPU says what is missing */
}

static int start_vcpus(struct vm *vm, struct err *err)
{
	int max = kvm_check(vm->kvm.fd, KVM_CAP_NAME(MAX_VCPUS));

	if (max > 0 && vm->machine.nr_cpus > (unsigned int)max)
		return err_user(err, "--cpus %u: this host's KVM allows at most %d vCPUs in a VM",
				vm->machine.nr_cpus, max);
	vm->vcpu = calloc(vm->machine.nr_cpus, sizeof(struct vcpu *));
	if (!vm->vcpu)
		return err_host(err, ENOMEM, "%u vCPUs", vm->machine.nr_cpus);
	allow_files();
	while (vm->nr_vcpus < vm->machine.nr_cpus) {
		int ret = vcpu_create(&vm->vcpu[vm->nr_vcpus], vm, vm->nr_vcpus, err);

		if (ret < 0) {
			stop_vcpus(vm);
			return ret;
		}
		vm->nr_vcpus++;
	}
	return 0;
}

static void stop_devices(struct vm *vm)
{
	while (vm->nr_devices)
		device_destroy(vm->device[--vm->nr_devices]);
	vm->mmio.count = vm->pio.count = 0;
}

static int start_devices(struct vm *vm, struct err *err)
{
	for (unsigned int i = 0; i < vm->machine.nr_devices; i++) {
		const struct machine_device *place = &vm->machine.device[i];
		struct irq_line line = { 0 };
		struct device *dev;
		int ret;

		if (place->line != NO_LINE)
			line = (struct irq_line){ .chip = vm->irqchip, .line = (uint32_t)place->line };
		ret = device_create(&dev, place->class, &vm->device_host, line, place->instance, err);
		if (ret < 0)
			goto fail;
		vm->device[vm->nr_devices++] = dev;
		ret = bus_add(place->space == SPACE_PIO ? &vm->pio : &vm->mmio, place->base, place->size,
			      dev);
		if (ret < 0) {
			err_host(err, -ret, "%s at %#llx on the bus", place->class->name,
				 (unsigned long long)place->base);
			goto fail;
		}
		continue;
	fail:
		stop_devices(vm);
		return ret;
	}
	return 0;
}

static int start_kernel(struct vm *vm, struct err *err)
{
	const struct boot_request req = {
		.kernel = vm->cfg->kernel,
		.initrd = vm->cfg->initrd,
		.builtin = vm->initrd,
		.format = vm->cfg->kernel_format,
	};

	return boot_load(&vm->boot, &req, &vm->machine, &vm->mem, err);
}

static int start_entry(struct vm *vm, struct err *err)
{
	size_t size = 0;
	void *dtb = NULL;
	int ret = vm->give_fdt ? vm_build_fdt(vm, &dtb, &size, err) : 0;

	if (ret < 0)
		return ret;
	ret = boot_finish(&vm->boot, &vm->machine, &vm->mem, dtb, size, &vm->entry, err);
	free(dtb);
	if (ret < 0)
		return ret;
	return arch_vcpu_set_entry(vm->vcpu[0], &vm->entry, err);
}

static void open_gate(struct vm *vm, unsigned int threads)
{
	pthread_mutex_lock(&vm->gate_lock);
	vm->nr_inside = threads;
	vm->gate_open = true;
	pthread_cond_broadcast(&vm->gate);
	pthread_mutex_unlock(&vm->gate_lock);
}

static void stop_threads(struct vm *vm)
{
	vm->ending = true;
	vm_resume(vm);
	virtio_cancel(vm);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		vcpu_kick(vm->vcpu[i]);
	/* They are joined with the vCPUs: workers, which end later, may kick them until then. */
	pthread_mutex_lock(&vm->gate_lock);
	while (vm->nr_inside)
		pthread_cond_wait(&vm->gate, &vm->gate_lock);
	pthread_mutex_unlock(&vm->gate_lock);
}

static int start_threads(struct vm *vm, struct err *err)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		int ret = vcpu_start(vm->vcpu[i], err);

		if (ret < 0) {
			vm->ending = true;
			open_gate(vm, i);
			stop_threads(vm);
			return ret;
		}
	}
	open_gate(vm, vm->nr_vcpus);
	return 0;
}

/*
 * In order of start; undone in reverse. A stage that fails undoes itself. The interrupt controller
 * comes after the vCPUs, which an in-kernel GIC wants to know, and before the devices, which want
 * its lines. The kernel is loaded late: what the user may have got wrong about the host is said
 * before megabytes are read.
 */
static const struct stage {
	const char *name;
	int (*start)(struct vm *vm, struct err *err);
	void (*stop)(struct vm *vm); /* NULL: what it did goes with an earlier stage */
} stages[] = {
	{ "machine", start_machine, stop_machine },
	{ "memory", start_memory, stop_memory },
	{ "kvm", start_kvm, stop_kvm },
	{ "slots", start_slots, NULL },
	{ "arch", arch_vm_init, arch_vm_finish },
	{ "vcpus", start_vcpus, stop_vcpus },
	{ "irqchip", arch_irqchip_init, arch_irqchip_finish },
	{ "virtio", virtio_create_all, virtio_destroy_all },
	{ "devices", start_devices, stop_devices },
	{ "kernel", start_kernel, NULL },
	{ "entry", start_entry, NULL },
	{ "workers", virtio_start, virtio_stop },
	{ "threads", start_threads, stop_threads }, /* last: a dry run leaves it out */
};

#define NR_STAGES (sizeof(stages) / sizeof(stages[0]))

void vm_init(struct vm *vm, const struct vm_config *cfg, struct loop *loop, struct chardev *serial,
	     struct chardev *hvc)
{
	memset(vm, 0, sizeof(*vm));
	vm->cfg = cfg;
	vm->loop = loop;
	vm->hvc = hvc;
	vm->kvm.fd = vm->kvm_vm.fd = vm->ram.fd = -1;
	pthread_mutex_init(&vm->gate_lock, NULL);
	pthread_cond_init(&vm->gate, NULL);
	pthread_mutex_init(&vm->end_lock, NULL);
	/* x86 reads all-ones where nothing answers; Arm device space reads as zero. */
	bus_init(&vm->mmio, "mmio", host_platform == PLATFORM_PC ? UINT64_MAX : 0);
	bus_init(&vm->pio, "pio", UINT64_MAX);
	vm->device_host = (struct device_host){
		.clock = &loop->clock,
		.mem = &vm->mem,
		.console = serial,
		.event = guest_event,
		.leave = guest_leaves,
		.ctx = vm,
		.machine = &vm->machine,
	};
}

static int start_until(struct vm *vm, unsigned int last, struct err *err)
{
	while (vm->stages < last) {
		const struct stage *stage = &stages[vm->stages];
		int ret;

		log_debug("starting: %s", stage->name);
		ret = stage->start(vm, err);
		if (ret < 0) {
			vm_stop(vm);
			return ret;
		}
		vm->stages++;
	}
	return 0;
}

int vm_prepare(struct vm *vm, struct err *err)
{
	return start_until(vm, NR_STAGES - 1, err);
}

int vm_start(struct vm *vm, struct err *err)
{
	return start_until(vm, vm->cfg->dry_run ? NR_STAGES - 1 : NR_STAGES, err);
}

static void stop_until(struct vm *vm, unsigned int last)
{
	while (vm->stages > last) {
		const struct stage *stage = &stages[--vm->stages];

		if (stage->stop) {
			log_debug("stopping: %s", stage->name);
			stage->stop(vm);
		}
	}
}

void vm_halt(struct vm *vm)
{
	stop_until(vm, NR_STAGES - 1);
}

void vm_stop(struct vm *vm)
{
	stop_until(vm, 0);
}

int vm_describe(struct vm *vm, struct err *err)
{
	int ret;

	/* The stages that need no KVM; the controller is what the host would be asked for first. */
	for (vm->stages = 0; vm->stages < 2; vm->stages++) {
		ret = stages[vm->stages].start(vm, err);
		if (ret < 0) {
			vm_stop(vm);
			return ret;
		}
	}
	arch_irqchip_assume(vm);
	ret = vm->cfg->kernel ? start_kernel(vm, err) : 0;
	if (ret < 0)
		vm_stop(vm);
	return ret;
}

int vm_build_fdt(struct vm *vm, void **dtb, size_t *size, struct err *err)
{
	return fdt_build(&vm->machine, dtb, size, err);
}
