// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kvm/log.h"

#define PATIENCE NSEC_PER_SEC /* what takes no longer is not worth a line */

static uint64_t seconds(const struct progress *p)
{
	return (clock_monotonic(&p->loop->clock) - p->since) / NSEC_PER_SEC;
}

static void tick(void *ctx)
{
	struct progress *p = ctx;
	char text[128];

	snprintf(text, sizeof(text), "vireo: waiting for %s: %" PRIu64 " s", p->until, seconds(p));
	if (!p->console)
		log_show_status(text);
	if (!p->console || console_show_status(p->console, text))
		clock_timer_set(&p->loop->clock, &p->timer, clock_monotonic(&p->loop->clock) + NSEC_PER_SEC);
}

void progress_begin(struct progress *p, struct loop *loop, struct console *console, const char *until)
{
	progress_end(p); /* the timer of the boot before may be set still */
	*p = (struct progress){ .loop = loop, .console = console, .until = until };
	p->timer = (struct clock_timer){ .fire = tick, .ctx = p, .deadline = CLOCK_NEVER };
	p->since = clock_monotonic(&loop->clock);
}

void progress_describe(char *text, size_t len, const char *what, const char *path, uint64_t done,
		       uint64_t size, uint64_t seconds)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	if (size)
		snprintf(text, len, "reading the %s %.80s: %" PRIu64 "%%", what, name, done * 100 / size);
	else
		snprintf(text, len, "reading the %s %.80s: %" PRIu64 " KiB, %" PRIu64 " s", what, name,
			 done >> 10, seconds);
}

void progress_loading(struct progress *p, const char *what, const char *path, uint64_t done, uint64_t size)
{
	char text[160] = "vireo: ";

	if (!log_can_show_status() || clock_monotonic(&p->loop->clock) - p->since < PATIENCE)
		return;
	progress_describe(text + strlen(text), sizeof(text) - strlen(text), what, path, done, size,
			  seconds(p));
	log_show_status(text);
}

void progress_waiting(struct progress *p)
{
	log_show_status(NULL);
	p->since = clock_monotonic(&p->loop->clock);
	if (p->until && log_can_show_status())
		clock_timer_set(&p->loop->clock, &p->timer, p->since + PATIENCE);
}

void progress_end(struct progress *p)
{
	if (p->loop)
		clock_timer_set(&p->loop->clock, &p->timer, CLOCK_NEVER);
	log_show_status(NULL);
}
