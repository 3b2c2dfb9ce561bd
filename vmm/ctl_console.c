// SPDX-License-Identifier: BSD-2-Clause
/* vireo ctl NAME console: the terminal is the guest's, until Ctrl-A d. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/terminal.h"
#include "kvm/log.h"
#include "vmm/control_client.h"
#include "vmm/run.h"

#define ESCAPE_KEY 0x01 /* Ctrl-A */

struct attached {
	int fd;
	bool is_terminal;
	bool in_done; /* stdin has come to its end */
	bool escape;  /* the last key was Ctrl-A */
	bool detach;
	uint8_t typed[4096]; /* for the guest */
	size_t sent, length;
};

static volatile sig_atomic_t continued;

static void on_fatal(int signal)
{
	terminal_restore();
	raise(signal); /* SA_RESETHAND: by default, as soon as this returns */
}

static void on_continue(int signal)
{
	(void)signal;
	continued = 1;
}

static void take_terminal(struct attached *at)
{
	static const int fatal[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction sa = { .sa_handler = on_fatal, .sa_flags = (int)SA_RESETHAND }, old;

	at->is_terminal = terminal_is_ours(STDIN_FILENO);
	if (!at->is_terminal)
		return;
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		if (!sigaction(fatal[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(fatal[i], &sa, NULL);
	sa = (struct sigaction){ .sa_handler = on_continue };
	sigaction(SIGCONT, &sa, NULL);
	fputs("Attached; Ctrl-A d detaches, Ctrl-A h lists the keys.\r\n", stderr);
	terminal_set_raw();
}

static void show_keys(void)
{
	static const char help[] = "\r\nCtrl-A d        detach; the VM goes on\r\n"
				   "Ctrl-A h        show these keys\r\n"
				   "Ctrl-A Ctrl-A   send Ctrl-A to the guest\r\n";

	(void)!write(STDERR_FILENO, help, sizeof(help) - 1);
}

/* Keeps in at->typed what is for the guest. */
static void filter_keys(struct attached *at, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len && !at->detach; i++) {
		uint8_t key = at->typed[i];

		if (!at->escape && key != ESCAPE_KEY)
			at->typed[kept++] = key;
		else if (!at->escape)
			at->escape = true;
		else {
			at->escape = false;
			if (key == 'd' || key == 'D')
				at->detach = true;
			else if (key == 'h' || key == '?')
				show_keys();
			else if (key == ESCAPE_KEY || key == 'a')
				at->typed[kept++] = ESCAPE_KEY;
		}
	}
	at->length = kept;
}

static void read_typed(struct attached *at)
{
	ssize_t n = read(STDIN_FILENO, at->typed, sizeof(at->typed));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	at->in_done = n <= 0;
	at->sent = 0;
	at->length = n > 0 ? (size_t)n : 0;
	if (at->is_terminal)
		filter_keys(at, at->length);
}

static void send_typed(struct attached *at)
{
	ssize_t n = send(at->fd, at->typed + at->sent, at->length - at->sent, MSG_NOSIGNAL);

	if (n > 0)
		at->sent += (size_t)n;
	if (at->sent == at->length)
		at->sent = at->length = 0;
}

/* False: stdout is gone. */
static bool print(const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, buf, len);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd pfd = { .fd = STDOUT_FILENO, .events = POLLOUT };

			poll(&pfd, 1, -1);
		} else if (n < 0 && errno != EINTR) {
			return false;
		}
		buf += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* 1: go on, 0: the VM has closed the connection; -1: stdout is gone. */
static int print_output(struct attached *at)
{
	char buf[4096];
	ssize_t n = recv(at->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!n)
		return 0;
	return print(buf, (size_t)n) ? 1 : -1;
}

static int serve(struct attached *at)
{
	int state = 1;

	while (state > 0 && !at->detach) {
		struct pollfd pfd[] = {
			{ .fd = at->fd, .events = POLLIN | (at->length ? POLLOUT : 0) },
			{ .fd = at->in_done || at->length ? -1 : STDIN_FILENO, .events = POLLIN },
		};

		if (poll(pfd, 2, -1) < 0) {
			if (continued && terminal_is_ours(STDIN_FILENO))
				terminal_set_raw();
			continued = 0;
			continue;
		}
		if (pfd[0].revents & POLLOUT)
			send_typed(at);
		if (pfd[0].revents & (POLLIN | POLLHUP | POLLERR))
			state = print_output(at);
		if (state > 0 && pfd[1].revents)
			read_typed(at);
	}
	return state;
}

int ctl_console(struct control_client *client)
{
	struct attached at = { .fd = client->fd };
	int state;

	fflush(stdout);
	take_terminal(&at);
	state = print(client->in + client->taken, client->length - client->taken) ? serve(&at) : -1;
	if (at.detach && at.length)
		send_typed(&at); /* what was typed just before */
	if (at.is_terminal)
		terminal_restore();
	if (state < 0) {
		log_error("stdout cannot be written any more: %s", strerrordesc_np(errno));
		return STATUS_HOST;
	}
	if (!state)
		log_warn("the VM has closed the console: it ended, or its output came too fast");
	else if (at.is_terminal)
		fputs("\nDetached.\n", stderr);
	return 0;
}
