// SPDX-License-Identifier: BSD-2-Clause
#include "kvm/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void put(struct err *err, enum err_kind kind, const char *fmt, va_list ap)
{
	err->kind = kind;
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
}

int err_host(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	put(err, ERR_HOST, fmt, ap);
	va_end(ap);

	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s", strerrordesc_np(code) ?: "unknown error");
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
