/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket of a VM (docs/control.md): it lasts as long as the session, over the guest's resets. All is
 * the main thread's, and every function takes NULL: there is no control socket.
 */
#ifndef VIREO_VMM_CONTROL_H
#define VIREO_VMM_CONTROL_H

#include "kvm/err.h"

struct control;
struct session;

/*
 * Makes the control socket that session->cfg asks for: session->control, NULL if it asks for none. Before the
 * consoles are opened; the loop is there. -EADDRINUSE with a line if a live VM has it.
 */
int control_open(struct session *session, struct err *err);

/* Comes between the guest and session->serial and ->hvc, so that clients can attach to the consoles. */
int control_connect(struct control *control, struct err *err);

/* session->vm is initialised, and about to start for the next time. */
void control_boot(struct control *control);

/* No more clients; session->serial and ->hvc are again what they were. The VM has been stopped. */
void control_close(struct control *control);

#endif
