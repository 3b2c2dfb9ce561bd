// SPDX-License-Identifier: BSD-2-Clause
/*
 * Ends in the way that the word "end=WAY" names. "end=ask" reads a letter from the console instead: r
 * resets, anything else switches off. "end=button-off" and "end=button-reset" wait for the power button and do
 * that, "end=button-deaf" says that it was pressed, and goes on.
 */
#include "guest.h"

/* The GPIO controller with the button, docs/machine.md, and its registers (Arm, PL061 TRM). */
#define GPIO        0x40003000ULL
#define GPIO_SPI    2
#define BUTTON      (1 << 3)
#define GPIO_BUTTON (GPIO + BUTTON * 4) /* its bit of GPIODATA alone */
#define GPIOIBE     (GPIO + 0x408)
#define GPIOIE      (GPIO + 0x410)
#define GPIOMIS     (GPIO + 0x418)
#define GPIOIC      (GPIO + 0x41c)

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

static void reset(void)
{
	psci(PSCI_SYSTEM_RESET, 0, 0, 0);
}

static void (*volatile when_pressed)(void);

/* Both edges; it is pressed while the pin is high. */
static void button(void)
{
	if (!(read8(GPIOMIS) & BUTTON))
		return;
	write8(GPIOIC, BUTTON);
	if (!read8(GPIO_BUTTON))
		return;
	print("INFO pressed\n");
	if (when_pressed)
		when_pressed();
}

static void listen(void (*then)(void))
{
	when_pressed = then;
	handler[32 + GPIO_SPI] = button;
	enable_interrupt(32 + GPIO_SPI);
	write8(GPIOIBE, BUTTON);
	write8(GPIOIE, BUTTON);
	print("INFO listening\n");
	for (;;)
		sleep_until_interrupt();
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
	else if (option_is("end", "button-off"))
		listen(power_off);
	else if (option_is("end", "button-reset"))
		listen(reset);
	else if (option_is("end", "button-deaf"))
		listen(NULL);
	/* "end=spin", and until the end is dealt with. */
	for (;;)
		;
}

void guest_main(void)
{
	print("INFO end\n");
	end();
}
