/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the init program is told, and how it talks while the command runs. Numbers are little-endian, as the guest's
 * and the host's are.
 *
 * The initramfs has a file "modules", if there are any: names of files in /lib, one to a line, in the order to load them in.
 * It has a file "exec" where a command is to be run: records of a struct exec_record and `size` bytes each.
 *
 * The streams are four ports of a virtio console. On each, init first writes one byte that means nothing: the write waits
 * until the guest knows that the host's end is open. On "control", both sides send struct exec_frame.
 */
#ifndef VIREO_INIT_PROTOCOL_H
#define VIREO_INIT_PROTOCOL_H

#include <stdint.h>

#define EXEC_PORT_STDIN   "vireo.stdin"
#define EXEC_PORT_STDOUT  "vireo.stdout"
#define EXEC_PORT_STDERR  "vireo.stderr"
#define EXEC_PORT_CONTROL "vireo.control"

#define EXEC_TAG_ROOT \
	"vireo.root" /* of the share that is the root; those of --rw are vireo.rw0, vireo.rw1, ... */

enum exec_record_kind {
	EXEC_ARGUMENT,    /* with its NUL, and the next three */
	EXEC_ENVIRONMENT, /* "KEY=VALUE" */
	EXEC_DIRECTORY,   /* to run in */
	EXEC_MOUNT,       /* the share vireo.rwN, N counted from 0, is to be mounted here */
	EXEC_USER,        /* struct exec_user */
	EXEC_TERMINAL,    /* struct exec_terminal: stdin and stdout are a terminal */
	EXEC_COPIED, /* nothing: the root is in the initramfs's directory /root, without the directory to run in */
	EXEC_NO_ROOT, /* nothing: the shares are served by somebody who is not root on the host */
};

struct exec_record {
	uint32_t kind, size;
};

struct exec_user {
	uint32_t uid, gid;
};

struct exec_terminal {
	uint16_t columns, rows;
	uint32_t with_stderr; /* else stderr is a pipe */
};

enum exec_frame_kind {
	/* From the guest. */
	EXEC_STARTED = 1,
	EXEC_EXITED,  /* value: the exit status; a and b: how many bytes went to stdout and to stderr */
	EXEC_NOT_RUN, /* value: why execve() failed, an errno */
	EXEC_FAILED,  /* before that: what, it has said on the console */
	/* From the host. */
	EXEC_SIGNAL = 16, /* value: its number */
	EXEC_WINDOW,      /* a: columns, b: rows */
	EXEC_CLOSED,      /* value: 1, stdout, or 2, stderr: nobody reads it any more */
};

struct exec_frame {
	uint32_t kind, value;
	uint64_t a, b;
};

#endif
