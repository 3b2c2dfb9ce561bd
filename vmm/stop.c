// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/stop.h"

#include <signal.h>

#include "kvm/log.h"

static void time_is_up(void *ctx)
{
	struct stop *stop = ctx;

	log_warn("the guest did not power off within %u seconds of SIGTERM (--stop-timeout)",
		 stop->session->cfg->stop_timeout);
	vm_end_by_signal(&stop->session->vm, SIGTERM);
}

void stop_init(struct stop *stop, struct session *session)
{
	*stop = (struct stop){
		.session = session,
		.timer = { .fire = time_is_up, .ctx = stop, .deadline = CLOCK_NEVER },
	};
}

void stop_finish(struct stop *stop)
{
	clock_timer_set(&stop->session->loop.clock, &stop->timer, CLOCK_NEVER);
}

bool stop_gently(struct stop *stop)
{
	struct session *s = stop->session;
	unsigned int seconds = s->cfg->stop_timeout;
	struct err err;

	log_forget();
	if (stop->asked) {
		log_info("SIGTERM again: ending the run");
		return false;
	}
	if (vm_press_power_button(&s->vm, &err) < 0) {
		log_info("SIGTERM: %s; ending the run", err.text);
		return false;
	}
	stop->asked = true;
	if (!seconds) {
		log_warn("SIGTERM: the guest is asked to power off; a second SIGTERM ends it at once");
		return true;
	}
	log_warn(
		"SIGTERM: the guest is asked to power off, within %u seconds; a second SIGTERM ends it at once",
		seconds);
	clock_timer_set(&s->loop.clock, &stop->timer,
			clock_monotonic(&s->loop.clock) + seconds * NSEC_PER_SEC);
	return true;
}
