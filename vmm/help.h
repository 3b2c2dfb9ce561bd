/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The help, as what it consists of: texts, options, kinds of devices. help_text() (vmm/config.h) makes pages for a
 * terminal of it, docs/ the manual pages.
 */
#ifndef VIREO_VMM_HELP_H
#define VIREO_VMM_HELP_H

#include <stdbool.h>

struct device_kind;
struct option;

struct help_writer {
	/*
	 * Whole lines of at most 80 bytes: "Usage: ..." first, then paragraphs with blank lines between them; what is
	 * to stay as it is begins with blanks.
	 */
	void (*text)(struct help_writer *w, const char *text);
	void (*option)(struct help_writer *w, const struct option *opt);
	void (*kind)(struct help_writer *w, const struct device_kind *kind);
};

/* The topic number `index`, each a command, in the order of the overview; NULL: there are no more. */
const char *help_topic(unsigned int index);

/* Hands the help on `topic`, or the overview for NULL, to `w`. False: no such topic. Not for several threads. */
bool help_write(const char *topic, struct help_writer *w);

#endif
