// SPDX-License-Identifier: BSD-2-Clause
/*
 * Ends in the way that the word "end=WAY" names. "end=ask" reads a letter from the console instead: r
 * resets, anything else switches off.
 */
#include "guest.h"

static void ask(void)
{
	while (!(uart_read(UART_LSR) & LSR_DR))
		;
	if (uart_read(UART_DATA) == 'r')
		psci(PSCI_SYSTEM_RESET, 0, 0, 0);
	else
		power_off();
}

/* As kvm-unit-tests tell: code * 2 + 1, and power off. */
static void exit_status(unsigned int code)
{
	print("EXIT: STATUS=%u\n", code * 2 + 1);
	power_off();
}

static void end(void)
{
	if (option_is("end", "poweroff"))
		power_off();
	else if (option_is("end", "reset"))
		psci(PSCI_SYSTEM_RESET, 0, 0, 0);
	else if (option_is("end", "reset2"))
		psci(PSCI_SYSTEM_RESET2, 0, 0, 0);
	else if (option_is("end", "panic"))
		write8(PVPANIC, 1);
	else if (option_is("end", "exit-status"))
		exit_status(1);
	else if (option_is("end", "halt"))
		wfi();
	else if (option_is("end", "ask"))
		ask();
	/* "end=spin", and until the end is dealt with. */
	for (;;)
		;
}

void guest_main(void)
{
	print("INFO end\n");
	end();
}
