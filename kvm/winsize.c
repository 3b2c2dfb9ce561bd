// SPDX-License-Identifier: BSD-2-Clause
#include "kvm/winsize.h"

#include <sys/ioctl.h>

void winsize_get(int fd, uint16_t *columns, uint16_t *rows)
{
	struct winsize size = { 0 };

	(void)ioctl(fd, TIOCGWINSZ, &size); /* if it fails, there is no size */
	*columns = size.ws_col;
	*rows = size.ws_row;
}
