// SPDX-License-Identifier: BSD-2-Clause
/*
 * Ends in the way that the word "end=WAY" names. "end=ask" reads a letter from the console instead: r
 * resets, anything else switches off; with "end=ask-both" a second CPU resets, too, a bit sooner or later.
 * "end=button-off" and "end=button-reset" wait for the power button and do that, "end=button-deaf" says that it
 * was pressed, and goes on.
 */
#include "lines.h"

#define I8042_DATA    0x60
#define I8042_COMMAND 0x64
#define PULSE_RESET   0xfe
#define WRITE_OUTPUT  0xd1
#define PVPANIC       0x505
#define ACPI_RESET    0x602
#define DEBUG_EXIT    0xf4
#define BUTTON_LINE   9 /* docs/machine.md */
#define BUTTON        VECTOR(6)

extern const uint8_t to_reset_vector[], to_reset_vector_end[];

/* The runner looks for the bytes from UD2 on in what is said about it. */
static void triple_fault(void)
{
	static const uint8_t no_idt[10];

	__asm__ volatile("lidt %0\n"
			 "ud2\n"
			 ".byte 0x90, 0xde, 0xad\n"
			 :
			 : "m"(no_idt));
}

/* As Linux reboots when it knows no better way. */
static void reset_vector(void)
{
	memcpy((void *)TRAMPOLINE, to_reset_vector, (size_t)(to_reset_vector_end - to_reset_vector));
	__asm__ volatile("pushq %0\n"
			 "pushq $0\n"
			 "lretq\n"
			 :
			 : "i"(SEL_CODE16));
}

static void i8042_pulse(void)
{
	outb(I8042_COMMAND, PULSE_RESET);
}

static void i8042_output_port(void)
{
	outb(I8042_COMMAND, WRITE_OUTPUT);
	outb(I8042_DATA, 0);
}

static void acpi_reset(void)
{
	outb(ACPI_RESET, 1);
}

static void panic(void)
{
	outb(PVPANIC, 1);
}

/* The number in the word "value=N", as wide as it needs. */
static void debug_exit(void)
{
	uint32_t value = (uint32_t)option_number("value", 0);

	if (value <= 0xff)
		outb(DEBUG_EXIT, (uint8_t)value);
	else if (value <= 0xffff)
		outw(DEBUG_EXIT, (uint16_t)value);
	else
		outl(DEBUG_EXIT, value);
}

static void init_bootstrap_processor(void)
{
	ipi(apic_id(), ICR_INIT | ICR_LEVEL | ICR_ASSERT);
}

static void halt(void)
{
	cli();
	hlt();
}

static void spin(void)
{
}

static void ask(void)
{
	while (!(uart_read(UART_LSR) & LSR_DR))
		pause();
	if (uart_read(UART_DATA) == 'r')
		acpi_reset();
	else
		power_off();
}

#define APART 0x3ffff /* clock ticks, at most */

static void reset_some_time(void)
{
	delay((rdtsc() >> 4) & APART);
	acpi_reset();
}

static void ask_both(void)
{
	check("second-cpu", start_cpu(1));
	while (!(uart_read(UART_LSR) & LSR_DR))
		pause();
	if (uart_read(UART_DATA) != 'r')
		power_off();
	run_on(1, reset_some_time);
	delay(APART / 2);
	acpi_reset();
}

static void (*volatile when_pressed)(void);

static void button(struct frame *f)
{
	(void)f;
	print("INFO pressed\n");
	eoi();
	if (when_pressed)
		when_pressed();
}

/* As an operating system does that found the event device's interrupt in the ACPI tables: an edge. */
static void listen(void (*then)(void))
{
	when_pressed = then;
	handler[BUTTON] = button;
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	route(BUTTON_LINE, apic_id(), BUTTON);
	print("INFO listening\n");
	for (;;)
		sti_hlt();
}

static void button_off(void)
{
	listen(power_off);
}

static void button_reset(void)
{
	listen(acpi_reset);
}

static void button_deaf(void)
{
	listen(NULL);
}

static const struct {
	const char *way;
	void (*go)(void);
} ways[] = {
	{ "poweroff", power_off },
	{ "triple-fault", triple_fault },
	{ "reset-vector", reset_vector },
	{ "i8042-pulse", i8042_pulse },
	{ "i8042-output-port", i8042_output_port },
	{ "acpi-reset", acpi_reset },
	{ "panic", panic },
	{ "debug-exit", debug_exit },
	{ "init", init_bootstrap_processor },
	{ "halt", halt },
	{ "spin", spin },
	{ "ask", ask },
	{ "ask-both", ask_both },
	{ "button-off", button_off },
	{ "button-reset", button_reset },
	{ "button-deaf", button_deaf },
};

void guest_main(void)
{
	for (unsigned int i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (!option_is("end", ways[i].way))
			continue;
		print("INFO end %s\n", ways[i].way);
		ways[i].go();
		/* The vCPU may go on for a while until the end is dealt with. */
		for (;;)
			pause();
	}
	check("known-way-to-end", false);
}
