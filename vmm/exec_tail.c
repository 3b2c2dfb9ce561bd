// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/exec_tail.h"

#include <stdio.h>
#include <string.h>

#include "kvm/log.h"

#define LINES 20

/* Any thread. */
static size_t put(struct chardev *chr, const uint8_t *buf, size_t len)
{
	struct exec_tail *tail = (struct exec_tail *)chr;

	pthread_mutex_lock(&tail->lock);
	for (size_t i = 0; i < len; i++) {
		tail->ring[tail->head++ % EXEC_TAIL_SIZE] = (char)buf[i];
		tail->is_full |= tail->head == EXEC_TAIL_SIZE;
	}
	pthread_mutex_unlock(&tail->lock);
	return len;
}

static const struct chardev_ops tail_ops = { .put = put, .get = chardev_get_nothing };

void exec_tail_init(struct exec_tail *tail)
{
	memset(tail, 0, sizeof(*tail));
	tail->chr.ops = &tail_ops;
	tail->chr.connected = true;
	pthread_mutex_init(&tail->lock, NULL);
}

void exec_tail_finish(struct exec_tail *tail)
{
	pthread_mutex_destroy(&tail->lock);
}

/* In one piece, as text that does nothing to a terminal. Returns its length. */
static size_t copy(struct exec_tail *tail, char text[EXEC_TAIL_SIZE])
{
	size_t len = 0;

	pthread_mutex_lock(&tail->lock);
	for (uint32_t i = tail->is_full ? tail->head - EXEC_TAIL_SIZE : 0; i != tail->head; i++) {
		char c = tail->ring[i % EXEC_TAIL_SIZE];

		if (c == '\r')
			continue;
		text[len++] = c == '\n' || c == '\t' || (c >= ' ' && c < 0x7f) ? c : '?';
	}
	pthread_mutex_unlock(&tail->lock);
	return len;
}

bool exec_tail_has_panic(struct exec_tail *tail, char *line, size_t size)
{
	char text[EXEC_TAIL_SIZE + 1];
	const char *at;

	text[copy(tail, text)] = '\0';
	at = strstr(text, "Kernel panic - not syncing");
	if (at)
		snprintf(line, size, "%.*s", (int)strcspn(at, "\n"), at);
	return at;
}

void exec_tail_show(struct exec_tail *tail)
{
	char text[EXEC_TAIL_SIZE];
	size_t end = copy(tail, text), at = end;
	unsigned int lines = 0;

	if (at && text[at - 1] == '\n')
		at--;
	end = at;
	while (at && (text[at - 1] != '\n' || ++lines < LINES))
		at--;
	while (at < end) {
		const char *line = text + at;
		size_t len = strcspn(line, "\n");

		if (len > end - at)
			len = end - at;
		log_error("guest: %.*s", (int)len, line);
		at += len + 1;
	}
}
