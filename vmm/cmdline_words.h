/* SPDX-License-Identifier: BSD-2-Clause */
/* What the words of a Linux command line come to. */
#ifndef VIREO_VMM_CMDLINE_WORDS_H
#define VIREO_VMM_CMDLINE_WORDS_H

#include <stdbool.h>

/* Does a word begin so? */
bool cmdline_has(const char *cmdline, const char *word);

/*
 * The length of the word that keeps what the kernel prints as KERN_INFO (6) from its console, the last one that has a say;
 * 0: it is shown, as the words have it.
 */
int cmdline_hides_info(const char *cmdline, const char **word);

#endif
