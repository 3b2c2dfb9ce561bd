// SPDX-License-Identifier: BSD-2-Clause
/*
 * restore start FILE OPTION...    runs a VM; when its guest asks for it, saves it to FILE and ends
 * restore resume FILE OPTION...   the same with a VM that goes on from FILE
 * restore spoil FILE OPTION...    tries to load states like that in FILE with something wrong in each
 *
 * The options are those of `vireo run`. The guest finds a device that vireo does not have:
 *
 *   offset 0   write: save this VM
 *          4   write: raise the line of that SPI
 *          8   write: lower it
 *         12   write: an MSI to the ITS: device id in bits 31:16, event in bits 15:0
 *
 * Status 0: saved, or switched off by the guest; 1: anything else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/chardev.h"
#include "host/loop.h"
#include "kvm/log.h"
#include "vmm/config.h"
#include "vmm/state_arm64.h"
#include "vmm/vm.h"

#define DEVICE          0x4f000000ULL
#define GITS_TRANSLATER 0x10040

/* How often `spoil` tries. */
#define SPOILS 40

enum { REG_SAVE = 0, REG_RAISE = 4, REG_LOWER = 8, REG_MSI = 12, REGS_SIZE = 16 };

static struct vm vm;
static struct loop loop;
static bool save_asked;

/* --- the device --- */

static bool test_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	(void)dev;
	(void)offset;
	(void)size;
	*value = 0;
	return true;
}

static bool test_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct irqchip *chip = vm.irqchip;

	(void)dev;
	(void)size;
	switch (offset) {
	case REG_SAVE:
		save_asked = true;
		vm_end(&vm, VM_QUIT);
		break;
	case REG_RAISE:
	case REG_LOWER:
		chip->ops->set_line(chip, (uint32_t)value, offset == REG_RAISE);
		break;
	case REG_MSI:
		chip->ops->send_msi(chip, vm.machine.irqchip.its.base + GITS_TRANSLATER, value & 0xffff,
				    (uint32_t)value >> 16);
		break;
	}
	return true;
}

static const struct device_class test_class = {
	.name = "restore-test",
	.size = sizeof(struct device),
	.access_max = 4,
	.read = test_read,
	.write = test_write,
};

/* --- the console: standard output, no input --- */

static size_t put(struct chardev *chr, const uint8_t *buf, size_t len)
{
	(void)chr;
	fwrite(buf, 1, len, stdout);
	if (memchr(buf, '\n', len))
		fflush(stdout);
	return len;
}

static const struct chardev_ops chardev_ops = { .put = put, .get = chardev_get_nothing };
static struct chardev console = { .ops = &chardev_ops, .connected = true };

/* --- the file: size of the state, the state, RAM --- */

static int write_file(const char *path, struct err *err)
{
	void *block;
	size_t size;
	uint64_t length;
	FILE *file;
	int ret = state_arm64_save(&vm, &block, &size, err);

	if (ret < 0)
		return ret;
	length = size;
	file = fopen(path, "w");
	if (!file || fwrite(&length, sizeof(length), 1, file) != 1 || fwrite(block, size, 1, file) != 1 ||
	    fwrite(vm.ram.host, vm.ram.size, 1, file) != 1)
		ret = err_host(err, errno, "%s", path);
	if (file && fclose(file) && !ret)
		ret = err_host(err, errno, "%s", path);
	free(block);
	return ret;
}

/* RAM into the VM, the state to *block, malloc'ed. */
static int read_file(const char *path, void **block, size_t *size, struct err *err)
{
	FILE *file = fopen(path, "r");
	uint64_t length;
	int ret = 0;

	*block = NULL;
	if (!file || fread(&length, sizeof(length), 1, file) != 1 || length > 1 << 24 ||
	    !(*block = malloc(length)) || fread(*block, length, 1, file) != 1 ||
	    fread(vm.ram.host, vm.ram.size, 1, file) != 1)
		ret = err_host_text(err, "%s cannot be read, or is not a state", path);
	if (file)
		fclose(file);
	*size = ret ? 0 : length;
	return ret;
}

/* --- running --- */

static int prepare(const struct vm_config *cfg, struct err *err)
{
	struct device *dev;
	int ret;

	vm_init(&vm, cfg, &loop, &console, NULL);
	ret = vm_prepare(&vm, err);
	if (ret < 0)
		return ret;
	ret = device_create(&dev, &test_class, &vm.device_host, (struct irq_line){ 0 }, 0, err);
	if (ret < 0)
		return ret;
	vm.device[vm.nr_devices++] = dev;
	if (bus_add(&vm.mmio, DEVICE, REGS_SIZE, dev) < 0)
		return err_host_text(err, "the device's place is taken");
	return 0;
}

static int run(const struct vm_config *cfg, const char *path, bool resume, struct err *err)
{
	void *block = NULL;
	size_t size;
	int ret = prepare(cfg, err);

	if (!ret && resume)
		ret = read_file(path, &block, &size, err);
	if (!ret && resume)
		ret = state_arm64_load(&vm, block, size, err);
	free(block);
	if (!ret)
		ret = vm_start(&vm, err);
	if (!ret)
		ret = loop_run(&loop, err);
	if (!ret && save_asked) {
		vm_halt(&vm);
		ret = write_file(path, err);
		if (!ret)
			printf("INFO saved\n");
	} else if (!ret && vm.why != VM_POWEROFF) {
		ret = err_host_text(err, "the VM ended in a way it should not: %s", vm.cause.text);
	}
	vm_stop(&vm);
	return ret;
}

/*
 * One state that is not right, in a VM of its own. One that is cut off is refused; of others no more is
 * asked than that the program goes on.
 */
static int spoil_once(const struct vm_config *cfg, const char *path, unsigned int seed, unsigned int *refused,
		      struct err *err)
{
	bool cut = seed % 4 == 0, taken;
	struct err why;
	uint8_t *block = NULL;
	size_t size;
	int ret = prepare(cfg, err);

	if (!ret)
		ret = read_file(path, (void **)&block, &size, err);
	if (!ret) {
		srand(seed);
		if (cut)
			size = (size_t)rand() % size;
		else
			for (int i = rand() % 8; i >= 0; i--)
				block[(size_t)rand() % (seed % 4 == 1 ? 512 : size)] ^=
					(uint8_t)(1 + rand() % 255);
		taken = state_arm64_load(&vm, block, size, &why) == 0;
		*refused += !taken;
		if (cut && taken)
			ret = err_host_text(err, "a state cut off after %zu bytes was taken", size);
	}
	free(block);
	vm_stop(&vm);
	return ret;
}

static int spoil(const struct vm_config *cfg, const char *path, struct err *err)
{
	unsigned int refused = 0;
	int ret = 0;

	for (unsigned int seed = 0; seed < SPOILS && !ret; seed++)
		ret = spoil_once(cfg, path, seed, &refused, err);
	if (!ret)
		printf("INFO refused %u of %u\n", refused, SPOILS);
	return ret;
}

int main(int argc, char *argv[])
{
	struct vm_config cfg;
	struct err err;
	int ret;

	if (argc < 3) {
		fprintf(stderr, "usage: restore start|resume|spoil FILE OPTION...\n");
		return 1;
	}
	ret = config_parse(&cfg, COMMAND_RUN, argc - 3, argv + 3, &err);
	if (!ret)
		ret = loop_init(&loop, &err);
	if (!ret) {
		if (!strcmp(argv[1], "spoil"))
			ret = spoil(&cfg, argv[2], &err);
		else
			ret = run(&cfg, argv[2], !strcmp(argv[1], "resume"), &err);
		loop_finish(&loop);
	}
	if (ret < 0)
		fprintf(stderr, "restore: %s\n", err.text);
	config_finish(&cfg);
	return ret < 0;
}
