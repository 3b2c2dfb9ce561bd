// SPDX-License-Identifier: BSD-2-Clause
/*
 * How long a VM takes from exec to its first instruction. The guest is a bzImage of 10 MiB whose
 * 64-bit entry writes one byte to COM1 and powers off; what is measured is from fork to that byte
 * on the program's stdout, which includes the first KVM_RUN and one exit. Prints the best and the
 * median of some runs, and the resident memory of the program without guest RAM.
 *
 *   start VIREO [RUNS]
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KERNEL_SIZE (10u << 20)
#define SETUP_SECTS 4
#define MAX_RUNS    1000

/* Entered at the load address + 0x200. */
static const uint8_t code[] = {
	0x66, 0xba, 0xf8, 0x03, /* mov dx, 0x3f8 */
	0xb0, '!',              /* mov al, '!' */
	0xee,                   /* out dx, al */
	0x66, 0xba, 0x00, 0x06, /* mov dx, 0x600: sleep control */
	0xb0, 0x34,             /* mov al, SLP_EN | 5 << 2 */
	0xee,                   /* out dx, al */
	0xf4,                   /* hlt */
	0xeb, 0xfd,             /* jmp back to hlt */
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

/* One run; ms to the first byte, or a negative number. */
static double one_run(const char *vireo, const char *kernel)
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
		dup2(out[1], STDOUT_FILENO);
		close(STDIN_FILENO);
		execl(vireo, vireo, "run", "-m", "256M", kernel, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	if (pid > 0 && read(out[0], &byte, 1) == 1 && byte == '!')
		first = now_ms() - start;
	close(out[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return -1;
	return first;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static double ms[MAX_RUNS];
	char kernel[] = "/tmp/vireo-bench-XXXXXX";
	int runs = argc > 2 ? atoi(argv[2]) : 30, fd, ret = 1;

	if (argc < 2 || runs < 1 || runs > MAX_RUNS) {
		fprintf(stderr, "usage: start VIREO [RUNS]  (1 to %d runs)\n", MAX_RUNS);
		return 2;
	}
	fd = mkstemp(kernel);
	if (fd < 0 || write_kernel(kernel) < 0) {
		fprintf(stderr, "start: cannot write %s: %s\n", kernel, strerror(errno));
		return 1;
	}
	close(fd);
	for (int i = 0; i < runs; i++) {
		ms[i] = one_run(argv[1], kernel);
		if (ms[i] < 0) {
			fprintf(stderr, "start: %s did not run the guest to its power-off\n", argv[1]);
			goto out;
		}
	}
	qsort(ms, (size_t)runs, sizeof(ms[0]), by_value);
	printf("exec to the guest's first byte, 256 MiB, 10 MiB bzImage: best %.2f ms, median %.2f ms (%d runs)\n",
	       ms[0], ms[runs / 2], runs);
	ret = 0;
out:
	unlink(kernel);
	return ret;
}
