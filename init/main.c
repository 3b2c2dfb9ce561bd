// SPDX-License-Identifier: BSD-2-Clause
/*
 * The init program of guests that bring none: process 1 of an initramfs that vmm/initramfs.c makes. It loads
 * the modules that are in there, and says that the kernel got this far.
 */
#include <asm/ioctls.h>
#include <linux/mount.h>
#include <linux/reboot.h>
#include <linux/utsname.h>

#include "init/exec.h"

#define CONSOLE 1 /* The kernel has opened /dev/console as 0, 1 and 2. */

/* syslog(2): from here on the kernel's own messages stay off the console, or come there as before. */
#define CONSOLE_OFF 6
#define CONSOLE_ON  7

void init_main(void) __attribute__((noreturn));

void say(const char *text)
{
	struct text line = { .len = 0 };

	text_add(&line, "vireo-init: ");
	text_add(&line, text);
	text_add(&line, "\n");
	/* The kernel would write one of its own in the midst of this, whenever the port's FIFO is filled. */
	SYS3(syslog, CONSOLE_OFF, 0, 0);
	write_all(CONSOLE, line.bytes, line.len);
	SYS3(ioctl, CONSOLE, TCSBRK, 1); /* tcdrain() */
	SYS3(syslog, CONSOLE_ON, 0, 0);
}

void power_off(void)
{
	bool can = sys_exists("/sys/firmware/acpi/tables") ||
		   sys_exists("/sys/firmware/devicetree/base/psci");

	SYS3(sync, 0, 0, 0);
	SYS6(reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
	     can ? LINUX_REBOOT_CMD_POWER_OFF : LINUX_REBOOT_CMD_RESTART, 0, 0, 0);
	for (;;)
		sys_poll(NULL, 0);
}

static void mount_system(void)
{
	sys_mkdir("/proc", 0755);
	sys_mkdir("/sys", 0755);
	sys_mkdir("/dev", 0755);
	sys_mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	sys_mount("sys", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	sys_mount("dev", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
}

/* Those that are online: the affinity of a process that nobody has restricted. */
static unsigned int count_cpus(void)
{
	uint64_t mask[128] = { 0 };
	long size = SYS3(sched_getaffinity, 0, sizeof(mask), mask);
	unsigned int count = 0;

	for (long i = 0; i < size * 8; i++)
		count += mask[i / 64] >> (i % 64) & 1;
	return count;
}

static void report_reached(void)
{
	struct text line = { .len = 0 };
	struct new_utsname uts = { 0 };
	unsigned int cpus = count_cpus();

	SYS3(uname, &uts, 0, 0);
	text_add(&line, "reached, Linux ");
	text_add(&line, uts.release);
	text_add(&line, " ");
	text_add(&line, uts.machine);
	text_add(&line, ", ");
	text_number(&line, cpus);
	text_add(&line, cpus == 1 ? " CPU" : " CPUs");
	say(line.bytes);
}

static void load_module(const char *name)
{
	struct text path = { .len = 0 };
	long ret;
	int fd;

	text_add(&path, "/lib/");
	text_add(&path, name);
	fd = sys_open(path.bytes, O_RDONLY);
	ret = fd < 0 ? fd : SYS3(finit_module, fd, "", 0);
	if (ret == -EEXIST)
		ret = 0;
	if (ret < 0)
		fail("cannot load the module", name, ret);
	sys_close(fd);
}

/* In the order of their lines. */
static void load_modules(void)
{
	int fd = sys_open("/modules", O_RDONLY);
	char name[256], c;
	size_t len = 0;

	if (fd < 0)
		return;
	while (sys_read(fd, &c, 1) == 1) {
		name[len] = c == '\n' ? '\0' : c;
		if (c == '\n')
			load_module(name);
		len = c == '\n' ? 0 : len + (len < sizeof(name) - 1);
	}
	sys_close(fd);
}

void init_main(void)
{
	mount_system();
	load_modules();
	if (sys_exists("/exec"))
		job_run("/exec");
	report_reached();
	power_off();
}
