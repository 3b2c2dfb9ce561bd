// SPDX-License-Identifier: BSD-2-Clause
#include "kvm/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void put(struct err *err, enum err_kind kind, const char *fmt, va_list ap)
{
	err->kind = kind;
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
}

static void add(struct err *err, const char *separator, const char *text)
{
	size_t len = strlen(err->text);

	snprintf(err->text + len, sizeof(err->text) - len, "%s%s", separator, text);
}

int err_host(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(err, ERR_HOST, fmt, ap);
	va_end(ap);
	add(err, ": ", strerrordesc_np(code) ?: "unknown error");
	return -code;
}

static bool is_of_the_name(int code)
{
	switch (code) {
	case EACCES:
	case EISDIR:
	case ELOOP:
	case ENAMETOOLONG:
	case ENOENT:
	case ENOTDIR:
	case ENXIO: /* a FIFO that nobody reads */
	case EROFS:
		return true;
	}
	return false;
}

int err_place(struct err *err, int code, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(err, is_of_the_name(code) ? ERR_USER : ERR_HOST, fmt, ap);
	va_end(ap);
	add(err, ": ", strerrordesc_np(code) ?: "unknown error");
	add(err, "; ", hint ?: "name one in a directory that is there and that you may write to");
	return -code;
}

int err_host_text(struct err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(err, ERR_HOST, fmt, ap);
	va_end(ap);
	return -EIO;
}

int err_user(struct err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(err, ERR_USER, fmt, ap);
	va_end(ap);
	return -EINVAL;
}
