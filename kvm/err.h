/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors, as every room of the house reports them.
 *
 * A function that can fail takes a struct err as its last argument and returns 0 or a negative
 * errno value. The place where the user's words are known fills in one line: what was wrong,
 * where, what is allowed and what to do. main() prints that line and turns the kind into the
 * exit status. The caller owns the struct; it may be on the stack and needs no initialisation.
 */
#ifndef VIREO_KVM_ERR_H
#define VIREO_KVM_ERR_H

enum err_kind {
	ERR_HOST, /* the host or KVM refused: exit status 1 */
	ERR_USER, /* what the user asked for cannot be: exit status 2 */
};

struct err {
	enum err_kind kind;
	char text[768]; /* one line without a newline; longer text is cut */
};

/*
 * Records a host failure. `code` is a positive errno value; its strerror text is appended after
 * ": ". Returns -code, so that callers can write `return err_host(err, errno, "open %s", path);`.
 */
int err_host(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * As err_host(), for a file or a socket that the user has named and that could not be made or opened. It is their
 * mistake where `code` says that no such one can be: its directory is not there or not theirs, say. `hint` is what
 * to do, and comes last; NULL: to name another place.
 */
int err_place(struct err *err, int code, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Records a host failure that has no errno of its own. Returns -EIO. */
int err_host_text(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Records a mistake in what the user asked for. Returns -EINVAL. */
int err_user(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
