// SPDX-License-Identifier: BSD-2-Clause
#include "init/sys.h"

void *memcpy(void *to, const void *from, size_t len)
{
	return memmove(to, from, len);
}

void *memmove(void *to, const void *from, size_t len)
{
	const char *f = from;
	char *t = to;

	/* The barriers keep the compiler from finding a call of memmove() in here. */
	if (t <= f) {
		for (size_t i = 0; i < len; i++) {
			t[i] = f[i];
			__asm__ volatile("" ::: "memory");
		}
	} else {
		while (len--) {
			t[len] = f[len];
			__asm__ volatile("" ::: "memory");
		}
	}
	return to;
}

void *memset(void *to, int value, size_t len)
{
	char *t = to;

	for (size_t i = 0; i < len; i++) {
		t[i] = (char)value;
		__asm__ volatile("" ::: "memory");
	}
	return to;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const unsigned char *x = a, *y = b;

	for (size_t i = 0; i < len; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

size_t strlen(const char *s)
{
	size_t len = 0;

	while (s[len]) {
		len++;
		__asm__ volatile("");
	}
	return len;
}

void text_add(struct text *t, const char *s)
{
	while (*s && t->len < sizeof(t->bytes) - 1)
		t->bytes[t->len++] = *s++;
	t->bytes[t->len] = '\0';
}

void text_number(struct text *t, unsigned long n)
{
	char digits[24];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	text_add(t, digits + at);
}

void write_all(int fd, const void *buf, size_t len)
{
	const char *at = buf;

	while (len) {
		long n = sys_write(fd, at, len);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return;
		at += n;
		len -= (size_t)n;
	}
}
