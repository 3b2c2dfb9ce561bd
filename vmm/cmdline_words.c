// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/cmdline_words.h"

#include <stdlib.h>
#include <string.h>

bool cmdline_has(const char *cmdline, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = cmdline; (p = strstr(p, word)); p += len)
		if (p == cmdline || p[-1] == ' ')
			return true;
	return false;
}

/* What follows "--" is init's. */
int cmdline_hides_info(const char *cmdline, const char **word)
{
	int hiding = 0;

	for (const char *p = cmdline; *p; p += strspn(p, " ")) {
		int len = (int)strcspn(p, " ");
		bool loglevel = len > 9 && !strncmp(p, "loglevel=", 9),
		     quiet = len == 5 && !strncmp(p, "quiet", 5);
		char *end = NULL;
		long level = loglevel ? strtol(p + 9, &end, 0) : 0;

		if (len == 2 && !strncmp(p, "--", 2))
			break;
		if (len == 15 && !strncmp(p, "ignore_loglevel", 15))
			return 0;
		loglevel = loglevel && end != p + 9; /* else the kernel ignores it, too */
		if (quiet || (loglevel && level <= 6)) {
			*word = p;
			hiding = len;
		} else if (loglevel || (len == 5 && !strncmp(p, "debug", 5))) {
			hiding = 0;
		}
		p += len;
	}
	return hiding;
}
