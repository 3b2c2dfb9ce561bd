// SPDX-License-Identifier: BSD-2-Clause
#include "kvm/log.h"
#include "vmm/run.h"

int report(const struct err *err)
{
	log_error("%s", err->text);
	return err->kind == ERR_USER ? STATUS_USAGE : STATUS_HOST;
}
