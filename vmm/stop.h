/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How SIGTERM ends a VM: the first one presses the guest's power button; a second one, or --stop-timeout,
 * ends the run with the status of the signal, as the first does where the guest cannot notice the button.
 */
#ifndef VIREO_VMM_STOP_H
#define VIREO_VMM_STOP_H

#include <stdbool.h>

#include "vmm/session.h"

struct stop {
	struct session *session;
	struct clock_timer timer;
	bool asked; /* the button has been pressed; a guest's reset does not undo that */
};

/* The session's loop must be there, and outlives the stop. All are called in its thread. */
void stop_init(struct stop *stop, struct session *session);
void stop_finish(struct stop *stop);

/* SIGTERM has come. True: the guest has been asked to power off; false: the run is to be ended. */
bool stop_gently(struct stop *stop);

#endif
