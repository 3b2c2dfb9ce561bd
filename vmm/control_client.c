// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/control_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "devices/clock.h"

#define FIRST_SIZE 4096u
#define ANSWER_MAX (64u << 20) /* bytes; far more than any answer has */

uint64_t control_client_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

int control_client_connect(struct control_client *client)
{
	int fd = unix_connect(client->path);

	client->fd = fd < 0 ? -1 : fd;
	return fd < 0 ? fd : 0;
}

void control_client_close(struct control_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	free(client->in);
	client->fd = -1;
	client->in = NULL;
	client->length = client->size = client->taken = 0;
}

/* Waits for `events`, until `deadline`. 0, -ETIMEDOUT, or what poll(2) says. */
static int await(const struct control_client *client, short events, uint64_t deadline)
{
	struct pollfd pfd = { .fd = client->fd, .events = events };

	for (;;) {
		uint64_t now = control_client_now(), left = deadline > now ? deadline - now : 0;
		struct timespec ts = { (time_t)(left / NSEC_PER_SEC), (long)(left % NSEC_PER_SEC) };
		int n = ppoll(&pfd, 1, deadline == CLOCK_NEVER ? NULL : &ts, NULL);

		if (n > 0)
			return 0;
		if (!n)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

/* A request is short, and the first on its connection: it finds room. */
int control_client_send(struct control_client *client, const char *command, json_t *arguments)
{
	json_t *request = json_pack("{s:s,s:o*}", "execute", command, "arguments", arguments);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) : 0;
	int ret = 0;

	json_decref(request);
	if (!text)
		return -ENOMEM;
	text[len] = '\n';
	if (send(client->fd, text, len + 1, MSG_NOSIGNAL) != (ssize_t)(len + 1))
		ret = -EPIPE;
	free(text);
	return ret;
}

static int make_room(struct control_client *client)
{
	size_t size = client->size ? 2 * client->size : FIRST_SIZE;
	char *grown;

	if (client->length < client->size)
		return 0;
	if (size > ANSWER_MAX)
		return -EMSGSIZE;
	grown = realloc(client->in, size);
	if (!grown)
		return -ENOMEM;
	client->in = grown;
	client->size = size;
	return 0;
}

int control_client_line(struct control_client *client, uint64_t deadline, char **line)
{
	size_t looked = 0;

	client->length -= client->taken;
	if (client->taken)
		memmove(client->in, client->in + client->taken, client->length);
	client->taken = 0;
	for (;;) {
		char *end = client->length ? memchr(client->in + looked, '\n', client->length - looked)
					   : NULL;
		ssize_t n;
		int ret;

		if (end) {
			*end = '\0';
			*line = client->in;
			client->taken = (size_t)(end + 1 - client->in);
			return 0;
		}
		looked = client->length;
		ret = make_room(client);
		if (!ret)
			ret = await(client, POLLIN, deadline);
		if (ret < 0)
			return ret;
		n = recv(client->fd, client->in + client->length, client->size - client->length, 0);
		if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
			return -EPIPE;
		client->length += n > 0 ? (size_t)n : 0;
	}
}
