/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls, and the little of a C library that the init program needs. It is linked with nothing
 * else. Only calls that both architectures have are used; each returns what the kernel returns: 0 or more,
 * or a negative errno.
 */
#ifndef VIREO_INIT_SYS_H
#define VIREO_INIT_SYS_H

#include <asm/poll.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* start_x86.S, start_arm64.S */
long sys_call(long number, long a, long b, long c, long d, long e, long f);

#define SYS3(name, a, b, c) sys_call(__NR_##name, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define SYS6(name, a, b, c, d, e, f) \
	sys_call(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline int sys_open(const char *path, int flags)
{
	return (int)SYS6(openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600, 0, 0);
}

static inline long sys_read(int fd, void *buf, size_t len)
{
	return SYS3(read, fd, buf, len);
}

static inline long sys_write(int fd, const void *buf, size_t len)
{
	return SYS3(write, fd, buf, len);
}

static inline int sys_close(int fd)
{
	return (int)SYS3(close, fd, 0, 0);
}

static inline int sys_mkdir(const char *path, unsigned int mode)
{
	return (int)SYS3(mkdirat, AT_FDCWD, path, mode);
}

static inline int sys_mount(const char *source, const char *target, const char *type, unsigned long flags,
			    const char *data)
{
	return (int)SYS6(mount, source, target, type, flags, data, 0);
}

static inline bool sys_exists(const char *path)
{
	return !SYS3(faccessat, AT_FDCWD, path, 0);
}

/* Waits without a limit. */
static inline long sys_poll(struct pollfd *pfd, unsigned int count)
{
	return SYS6(ppoll, pfd, count, 0, 0, 0, 0);
}

/* lib.c. The compiler calls the first four by itself. */
void *memcpy(void *to, const void *from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *to, int value, size_t len);
int memcmp(const void *a, const void *b, size_t len);
size_t strlen(const char *s);

/* Text put together in a buffer; what does not fit is cut. */
struct text {
	char bytes[512];
	size_t len;
};

void text_add(struct text *t, const char *s);
void text_number(struct text *t, unsigned long n);

/* All of it, in as many writes as it takes; nothing can be done about a failure. */
void write_all(int fd, const void *buf, size_t len);

#endif
