// SPDX-License-Identifier: BSD-2-Clause
/* vireo probe: what this host's KVM can do, item by item, and what to do about what is missing. */
#include "vmm/probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "vmm/run.h"

#define NEWER_KERNEL "use a host with a newer kernel"

void probe_add(struct probe *probe, const char *key, bool ok, bool needed, const char *advice,
	       const char *fmt, ...)
{
	struct probe_item *item;
	va_list ap;

	if (probe->count == PROBE_MAX_ITEMS)
		return;
	item = &probe->item[probe->count++];
	*item = (struct probe_item){ .key = key, .ok = ok, .needed = needed, .advice = ok ? NULL : advice };
	va_start(ap, fmt);
	vsnprintf(item->detail, sizeof(item->detail), fmt, ap);
	va_end(ap);
}

void probe_add_cap(struct probe *probe, const char *key, int fd, struct kvm_cap cap, bool needed,
		   const char *what)
{
	bool ok = kvm_check(fd, cap);

	probe_add(probe, key, ok, needed, NEWER_KERNEL, "%s (%s)", what, cap.name);
}

static void probe_kvm(struct probe *probe)
{
	struct kvm kvm;
	struct err err;
	int max;

	if (kvm_open(&kvm, &err) < 0) {
		probe_add(probe, "kvm", false, true, NULL, "%s", err.text);
		return;
	}
	probe_add(probe, "kvm", true, true, NULL, KVM_DEVICE_PATH ", API version %d", KVM_API_VERSION);
	max = kvm_check(kvm.fd, KVM_CAP_NAME(MAX_VCPUS));
	probe_add(probe, "max-vcpus", max > 0, false, NULL, "up to %d vCPUs in a VM (%d recommended)", max,
		  kvm_check(kvm.fd, KVM_CAP_NAME(NR_VCPUS)));
	probe_add_cap(probe, "user-memory", kvm.fd, KVM_CAP_NAME(USER_MEMORY), true,
		      "guest RAM from the program's");
	probe_add_cap(probe, "immediate-exit", kvm.fd, KVM_CAP_NAME(IMMEDIATE_EXIT), true,
		      "exits completed without running on");
	probe_add_cap(probe, "ioeventfd", kvm.fd, KVM_CAP_NAME(IOEVENTFD), false,
		      "notifications without an exit");
	probe_arch(probe, &kvm);
	kvm_close(&kvm);
}

static void print_text(const struct probe *probe, const struct utsname *un, bool usable)
{
	printf("vireo %s on Linux %s, %s\n", VIREO_VERSION, un->release, un->machine);
	for (unsigned int i = 0; i < probe->count; i++) {
		const struct probe_item *item = &probe->item[i];

		printf("%-4s %-16s %s\n",
		       item->ok       ? "yes"
		       : item->needed ? "NO"
				      : "no",
		       item->key, item->detail);
		if (item->advice)
			printf("%-4s %-16s -> %s\n", "", "", item->advice);
	}
	printf("%s\n", !usable ? "This host cannot run VMs with vireo."
		       : probe->stock_kernels
			       ? "This host can run distribution kernels."
			       : "This host can run small test guests, but no distribution kernels.");
}

static void print_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			printf("\\u%04x", *text);
		else
			putchar(*text);
	}
	putchar('"');
}

static void print_member(const char *name, const char *text)
{
	printf("\"%s\": ", name);
	if (text)
		print_string(text);
	else
		printf("null");
}

static void print_json(const struct probe *probe, const struct utsname *un, bool usable)
{
	printf("{\n  ");
	print_member("version", VIREO_VERSION);
	printf(",\n  ");
	print_member("kernel", un->release);
	printf(",\n  ");
	print_member("machine", un->machine);
	printf(",\n  \"usable\": %s,\n  \"stock_kernels\": %s,\n  \"items\": [", usable ? "true" : "false",
	       probe->stock_kernels ? "true" : "false");
	for (unsigned int i = 0; i < probe->count; i++) {
		const struct probe_item *item = &probe->item[i];

		printf("%s\n    { ", i ? "," : "");
		print_member("key", item->key);
		printf(", \"ok\": %s, \"needed\": %s, ", item->ok ? "true" : "false",
		       item->needed ? "true" : "false");
		print_member("detail", item->detail);
		printf(", ");
		print_member("advice", item->advice);
		printf(" }");
	}
	printf("\n  ]\n}\n");
}

int command_probe(const struct vm_config *cfg)
{
	struct probe probe = { 0 };
	struct utsname un;
	bool usable = true;

	uname(&un);
	probe_kvm(&probe);
	for (unsigned int i = 0; i < probe.count; i++)
		usable &= probe.item[i].ok || !probe.item[i].needed;
	probe.stock_kernels &= usable;

	if (cfg->json)
		print_json(&probe, &un, usable);
	else
		print_text(&probe, &un, usable);
	return usable ? 0 : STATUS_HOST;
}
