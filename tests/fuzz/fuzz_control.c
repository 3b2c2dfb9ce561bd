// SPDX-License-Identifier: BSD-2-Clause
/*
 * The control socket: clients that come, send whatever they like in whatever pieces, read when they like, and go. Every
 * line that comes back is an answer, none is longer than it may be, and the loop always comes to rest. The VM behind it is
 * not started.
 */
#include <errno.h>
#include <jansson.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/line_server.h"
#include "kvm/log.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/control.h"
#include "vmm/session.h"

#define CLIENTS    20 /* more than there may be */
#define ANSWER_MAX 65536

static struct vm_config cfg;
static struct session s;
static char path[64];

static struct client {
	int fd; /* -1: there is none */
	bool attached;
	char got[ANSWER_MAX];
	size_t length;
} client[CLIENTS];

/* What an input may say in few bytes. */
static const char *const words[] = {
	"{\"execute\":\"",
	"status",
	"pause",
	"resume",
	"reset",
	"quit",
	"console",
	"stats",
	"nmi",
	"balloon",
	"resize-disk",
	"sysrq",
	"powerbutton",
	"\"}\n",
	"\",\"id\":1}\n",
	"\",\"arguments\":{",
	"\"size\":4096",
	"\"cpu\":0",
	"\"key\":\"t\"",
	"\"disk\":\"root\"",
	"\"console\":\"serial\"",
	"}}\n",
	",",
	"\n",
};

#define NR_WORDS (sizeof(words) / sizeof(words[0]))

static void turn(void)
{
	struct epoll_event ev;
	unsigned int turns = 0;
	bool more = true;

	while (more) {
		struct loop_source *source = s.loop.soon;

		must(++turns < 500000);
		more = source != NULL;
		if (source) {
			s.loop.soon = source->next_soon;
			source->soon = false;
			source->ready(source->ctx, 0);
		}
		if (epoll_wait(s.loop.epoll_fd, &ev, 1, 0) == 1) {
			source = ev.data.ptr;
			source->ready(source->ctx, ev.events);
			more = true;
		}
	}
}

static void look_at_answer(struct client *c, const char *line, size_t len)
{
	json_t *answer = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL), *result;

	must(json_is_object(answer));
	result = json_object_get(answer, "return");
	must(!!json_object_get(answer, "vireo") + !!result + !!json_object_get(answer, "error") == 1);
	c->attached = json_object_get(result, "console") != NULL;
	json_decref(answer);
}

/* False: nothing more comes now. */
static bool read_answers(struct client *c)
{
	ssize_t n = recv(c->fd, c->got + c->length, sizeof(c->got) - c->length, MSG_DONTWAIT);
	char *end;

	if (n <= 0)
		return false;
	c->length += (size_t)n;
	while (!c->attached && (end = memchr(c->got, '\n', c->length))) {
		size_t len = (size_t)(end - c->got);

		look_at_answer(c, c->got, len);
		c->length -= len + 1;
		memmove(c->got, end + 1, c->length);
	}
	if (c->attached)
		c->length = 0;
	must(c->length < sizeof(c->got));
	return true;
}

static void come(struct client *c)
{
	if (c->fd >= 0)
		return;
	*c = (struct client){ .fd = unix_connect(path) };
	if (c->fd < 0) { /* those that came and went have filled the backlog */
		turn();
		c->fd = unix_connect(path);
	}
	must(c->fd >= 0);
}

static void go(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void say(const struct client *c, const void *bytes, size_t len)
{
	if (c->fd >= 0)
		(void)!send(c->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void say_much(struct input *in, const struct client *c)
{
	static char much[70000];
	size_t len = take(in, 2) * 2 % sizeof(much);

	memset(much, (int)take(in, 1), len);
	say(c, much, len);
}

/* The guest prints, and reads what was typed. */
static void run_guest(struct input *in)
{
	static uint8_t bytes[4096];

	s.serial->ops->put(s.serial, bytes, take(in, 2) % sizeof(bytes));
	s.serial->ops->get(s.serial, bytes, take(in, 1));
}

/* The vCPUs rest, after a pause; or the VM ended, and starts anew. */
static void run_vm(void)
{
	if (s.vm.ending) {
		vm_init(&s.vm, &cfg, &s.loop, s.serial, s.hvc);
		s.vm.nr_resting = 1;
		s.loop.stop = false;
		control_boot(s.control);
	} else if (s.vm.pausing) {
		s.vm.nr_resting = 0;
		s.vm.resting(s.vm.resting_ctx);
	} else {
		s.vm.nr_resting = 1;
	}
}

static void step(struct input *in)
{
	uint8_t what = (uint8_t)take(in, 1), byte;
	struct client *c = &client[take_below(in, CLIENTS)];

	switch ((what & 0x7f) % 10) {
	case 0:
		come(c);
		break;
	case 1:
		go(c);
		break;
	case 2:
		byte = (uint8_t)take(in, 1);
		say(c, &byte, 1);
		break;
	case 3:
		say_much(in, c);
		break;
	case 4:
		if (c->fd >= 0)
			shutdown(c->fd, SHUT_WR);
		break;
	case 5:
		run_guest(in);
		break;
	case 6:
		run_vm();
		break;
	case 7:
		while (c->fd >= 0 && read_answers(c))
			turn();
		break;
	default: {
		const char *word = words[take_below(in, NR_WORDS)];

		say(c, word, strlen(word));
	}
	}
	if (what & 0x80)
		turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct session_ops none;
	struct input in = { data, size };
	struct err err;

	log_set_level(LOG_ERROR);
	snprintf(path, sizeof(path), "/tmp/vireo-fuzz-control.%d", getpid());
	cfg = (struct vm_config){ .name = (char *)"vm", .control = path, .memory = 64 << 20 };
	memset(&s, 0, sizeof(s));
	s.cfg = &cfg;
	s.ops = &none;
	s.boots = 1;
	must(!loop_init(&s.loop, &err));
	must(!control_open(&s, &err));
	must(!control_connect(s.control, &err));
	vm_init(&s.vm, &cfg, &s.loop, s.serial, s.hvc);
	s.vm.nr_resting = 1;
	control_boot(s.control);
	for (unsigned int i = 0; i < CLIENTS; i++)
		client[i].fd = -1;
	while (in.left)
		step(&in);
	turn();
	control_close(s.control);
	for (unsigned int i = 0; i < CLIENTS; i++)
		go(&client[i]);
	loop_finish(&s.loop);
	return 0;
}
