// SPDX-License-Identifier: BSD-2-Clause
#include "check.h"

#include <stdarg.h>

static unsigned int passed, failed;

static void print_string(const char *s)
{
	while (*s)
		put_char(*s++);
}

static void print_number(uint64_t n, unsigned int base)
{
	char digits[21];
	unsigned int at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		unsigned int digit = (unsigned int)(n % base);

		digits[--at] = (char)(digit < 10 ? '0' + digit : 'a' + digit - 10);
		n /= base;
	} while (n);
	print_string(digits + at);
}

static void print_signed(int n)
{
	if (n < 0)
		put_char('-');
	print_number(n < 0 ? -(uint64_t)n : (uint64_t)n, 10);
}

void print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		bool wide = false;

		if (*fmt != '%') {
			put_char(*fmt);
			continue;
		}
		if (*++fmt == 'l') {
			wide = true;
			fmt++;
		}
		switch (*fmt) {
		case 's':
			print_string(va_arg(ap, const char *));
			break;
		case 'c':
			put_char((char)va_arg(ap, int));
			break;
		case 'd':
			print_signed(va_arg(ap, int));
			break;
		default:
			print_number(wide ? va_arg(ap, uint64_t) : va_arg(ap, unsigned int),
				     *fmt == 'x' ? 16 : 10);
		}
	}
	va_end(ap);
}

void check(const char *name, bool ok)
{
	if (ok) {
		passed++;
		print("PASS %s\n", name);
	} else {
		failed++;
		print("FAIL %s: it does not hold\n", name);
	}
}

void check_eq(const char *name, uint64_t got, uint64_t want)
{
	if (got == want) {
		check(name, true);
	} else {
		failed++;
		print("FAIL %s: 0x%lx, not 0x%lx\n", name, got, want);
	}
}

void check_range(const char *name, uint64_t got, uint64_t least, uint64_t most)
{
	if (got >= least && got <= most) {
		check(name, true);
	} else {
		failed++;
		print("FAIL %s: 0x%lx, not 0x%lx to 0x%lx\n", name, got, least, most);
	}
}

void skip(const char *name, const char *reason)
{
	print("SKIP %s: %s\n", name, reason);
}

void finish(void)
{
	print("END %u passed, %u failed\n", passed, failed);
	power_off();
}

/* Where the word `name` of `list` goes on after its name, or NULL. */
static const char *find_option(const char *list, const char *name)
{
	while (*list) {
		const char *word = list, *n = name;

		while (*n && *word == *n)
			word++, n++;
		if (!*n && (*word == '=' || *word == ' ' || !*word))
			return *word == '=' ? word + 1 : word;
		while (*list && *list != ' ')
			list++;
		while (*list == ' ')
			list++;
	}
	return NULL;
}

const char *option(const char *name)
{
	return cmdline ? find_option(cmdline, name) : NULL;
}

uint64_t option_number(const char *name, uint64_t otherwise)
{
	const char *digit = option(name);
	uint64_t n = 0;

	if (!digit)
		return otherwise;
	while (*digit >= '0' && *digit <= '9')
		n = n * 10 + (uint64_t)(*digit++ - '0');
	return n;
}

bool option_is(const char *name, const char *value)
{
	const char *is = option(name);

	if (!is)
		return false;
	while (*value && *is == *value)
		is++, value++;
	return !*value && (*is == ' ' || !*is);
}

/* Volatile, so that the compiler does not make calls of these functions out of their own loops. */

void *memset(void *to, int byte, size_t n)
{
	volatile uint8_t *t = to;

	while (n--)
		*t++ = (uint8_t)byte;
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	volatile uint8_t *t = to;
	const uint8_t *f = from;

	while (n--)
		*t++ = *f++;
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const volatile uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
