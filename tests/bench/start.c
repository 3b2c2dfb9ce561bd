// SPDX-License-Identifier: BSD-2-Clause
/*
 * How long a VM takes from exec to its first instruction. The guest is a bzImage of 10 MiB whose
 * 64-bit entry writes one byte to COM1 and halts; what is measured is from fork to that byte on the
 * program's stdout, which includes the first KVM_RUN and one exit. Then the program's resident memory
 * is looked at, but for mappings of 64 MiB and more (guest RAM), and it is ended.
 *
 *   start RUNS PROGRAM [ARGUMENT...] [-- PROGRAM [ARGUMENT...]]...
 *
 * An argument {} becomes the kernel's path. The programs take turns, run by run, so that what else
 * the machine does meets them alike. Prints the best and the median of each, the ratio of each
 * median to the first program's, and the memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KERNEL_SIZE    (10u << 20)
#define SETUP_SECTS    4
#define MAX_RUNS       1000
#define MAX_PROGRAMS   4
#define GUEST_RAM_LIKE (64ul << 20)

/* Entered at the load address + 0x200. */
static const uint8_t code[] = {
	0x66, 0xba, 0xf8, 0x03, /* mov dx, 0x3f8 */
	0xb0, '!',              /* mov al, '!' */
	0xee,                   /* out dx, al */
	0xfa,                   /* cli */
	0xf4,                   /* hlt */
	0xeb, 0xfd,             /* jmp to the hlt */
};

static void put(uint8_t *image, unsigned int offset, uint64_t value, size_t size)
{
	memcpy(image + offset, &value, size);
}

/* Linux, Documentation/x86/boot.rst, "The Real-Mode Kernel Header". */
static int write_kernel(const char *path)
{
	uint8_t *image = calloc(1, KERNEL_SIZE);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int ret = -1;

	if (image && fd >= 0) {
		put(image, 0x1f1, SETUP_SECTS, 1);
		put(image, 0x1f4, (KERNEL_SIZE - (SETUP_SECTS + 1) * 512) / 16, 4); /* syssize */
		put(image, 0x1fe, 0xaa55, 2);
		put(image, 0x200, 0x6aeb, 2); /* jmp over the header */
		memcpy(image + 0x202, "HdrS", 4);
		put(image, 0x206, 0x020f, 2);
		put(image, 0x211, 1, 1); /* loaded high */
		put(image, 0x214, 0x100000, 4);
		put(image, 0x22c, 0x7fffffff, 4);
		put(image, 0x230, 0x200000, 4); /* alignment */
		put(image, 0x234, 1, 1);        /* relocatable */
		put(image, 0x235, 21, 1);
		put(image, 0x236, 1, 2); /* 64-bit entry */
		put(image, 0x238, 2047, 4);
		put(image, 0x258, 0x1000000, 8);
		put(image, 0x260, KERNEL_SIZE, 4);
		memcpy(image + (SETUP_SECTS + 1) * 512 + 0x200, code, sizeof(code));
		ret = write(fd, image, KERNEL_SIZE) == (ssize_t)KERNEL_SIZE ? 0 : -1;
	}
	if (fd >= 0)
		close(fd);
	free(image);
	return ret;
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* KiB that the process has in memory, but for what is as large as guest RAM. */
static unsigned long resident_kib(pid_t pid)
{
	unsigned long first, last, kib, total = 0;
	char path[32], line[256];
	bool counts = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &first, &last) == 2)
			counts = last - first < GUEST_RAM_LIKE;
		else if (counts && sscanf(line, "Rss: %lu kB", &kib) == 1)
			total += kib;
	}
	if (f)
		fclose(f);
	return total;
}

/* Up to the first byte; ms, or a negative number. */
static double one_run(char **argv, unsigned long *resident)
{
	double start, first = -1;
	int out[2], status;
	char byte;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return -1;
	start = now_ms();
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, STDIN_FILENO);
		dup2(null, STDERR_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(out[1]);
	while (pid > 0 && first < 0 && read(out[0], &byte, 1) == 1)
		if (byte == '!')
			first = now_ms() - start;
	*resident = pid > 0 ? resident_kib(pid) : 0;
	close(out[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	return first;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Splits the arguments at "--" and puts the kernel's path in. */
static int split(char **args, char *kernel, char **program[MAX_PROGRAMS])
{
	int count = 0;

	for (char **begin = args; *begin && count < MAX_PROGRAMS; begin = args) {
		program[count++] = begin;
		for (; *args && strcmp(*args, "--"); args++)
			if (!strcmp(*args, "{}"))
				*args = kernel;
		if (*args)
			*args++ = NULL;
	}
	return count;
}

static int measure(char **program[], int count, int runs, double ms[][MAX_RUNS], unsigned long resident[])
{
	for (int run = 0; run < runs; run++) {
		for (int p = 0; p < count; p++) {
			ms[p][run] = one_run(program[p], &resident[p]);
			if (ms[p][run] >= 0)
				continue;
			fprintf(stderr, "start: %s did not bring the guest to its first byte\n",
				program[p][0]);
			return -1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	static double ms[MAX_PROGRAMS][MAX_RUNS];
	unsigned long resident[MAX_PROGRAMS];
	char kernel[] = "/tmp/vireo-bench-XXXXXX";
	char **program[MAX_PROGRAMS];
	int runs = argc > 2 ? atoi(argv[1]) : 0, count, fd, ret = 1;

	if (runs < 1 || runs > MAX_RUNS) {
		fprintf(stderr, "usage: start RUNS PROGRAM [ARGUMENT...] [-- PROGRAM [ARGUMENT...]]...\n");
		return 2;
	}
	fd = mkstemp(kernel);
	if (fd < 0 || write_kernel(kernel) < 0) {
		fprintf(stderr, "start: cannot write %s: %s\n", kernel, strerror(errno));
		goto out;
	}
	count = split(argv + 2, kernel, program);
	if (measure(program, count, runs, ms, resident) < 0)
		goto out;
	for (int p = 0; p < count; p++) {
		qsort(ms[p], (size_t)runs, sizeof(ms[p][0]), by_value);
		printf("%-24s best %7.2f ms, median %7.2f ms, ratio %.2f, %lu KiB without guest RAM\n",
		       program[p][0], ms[p][0], ms[p][runs / 2], ms[p][runs / 2] / ms[0][runs / 2],
		       resident[p]);
	}
	ret = 0;
out:
	if (fd >= 0) {
		close(fd);
		unlink(kernel);
	}
	return ret;
}
