// SPDX-License-Identifier: BSD-2-Clause
/* PSCI and a second CPU (Arm, "Power State Coordination Interface"); "cpus=2" on the command line. */
#include "guest.h"

#define PING 3
#define PONG 4

#define AFFINITY_ON  0
#define AFFINITY_OFF 1

static void pong(void)
{
	send_sgi(PONG, 0);
}

static void enable_ping(void)
{
	enable_interrupt(PING);
}

static volatile uint64_t seen_mpidr;

static void look_at_self(void)
{
	seen_mpidr = read_sysreg("mpidr_el1") & 0xffffff;
}

static void switch_off(void)
{
	interrupts(false);
	psci(PSCI_CPU_OFF, 0, 0, 0);
}

static void functions(void)
{
	check_range("version", (uint64_t)psci(PSCI_VERSION, 0, 0, 0), 0x2, 0x1ffff);
	check_eq("features-of-cpu-on", (uint64_t)psci(PSCI_FEATURES, PSCI_CPU_ON, 0, 0), PSCI_SUCCESS);
	check_eq("features-of-reset2", (uint64_t)psci(PSCI_FEATURES, PSCI_SYSTEM_RESET2, 0, 0), PSCI_SUCCESS);
	check_eq("unknown-function", (uint64_t)psci(0x840000ff, 0, 0, 0), (uint64_t)PSCI_NOT_SUPPORTED);
	check_eq("cpu-on-of-nobody", (uint64_t)psci(PSCI_CPU_ON, 0x700, RAM, 0),
		 (uint64_t)PSCI_INVALID_PARAMETERS);
	check_eq("cpu-on-of-self", (uint64_t)psci(PSCI_CPU_ON, 0, RAM, 0), (uint64_t)PSCI_ALREADY_ON);
	check_eq("second-is-off", (uint64_t)psci(PSCI_AFFINITY_INFO, 1, 0, 0), AFFINITY_OFF);
}

static void start_second(const char *name)
{
	check_eq("cpu-on", (uint64_t)start_cpu(1), PSCI_SUCCESS);
	check(name, wait_until(is_up(1)));
	check("calls", call_on(1, look_at_self));
	check_eq("its-mpidr", seen_mpidr, 1);
	check_eq("affinity-info-on", (uint64_t)psci(PSCI_AFFINITY_INFO, 1, 0, 0), AFFINITY_ON);
	check_eq("cpu-on-again", (uint64_t)psci(PSCI_CPU_ON, 1, RAM, 0), (uint64_t)PSCI_ALREADY_ON);
}

/* SGIs there and back, the answer from the handler on the other CPU; this one asleep meanwhile. */
static void ping_pong(void)
{
	unsigned int before = taken[0][PONG], i;

	handler[PING] = pong;
	enable_interrupt(PONG);
	call_on(1, enable_ping);
	for (i = 0; i < 50; i++) {
		send_sgi(PING, 1);
		while (taken[0][PONG] == before + i)
			sleep_until_interrupt();
	}
	check_eq("there-and-back", taken[0][PONG] - before, 50);
	check_eq("on-the-other-cpu", taken[1][PING], 50);
	handler[PING] = NULL;
}

static void off_and_on(void)
{
	run_on(1, switch_off);
	check("off", wait_until(psci(PSCI_AFFINITY_INFO, 1, 0, 0) == AFFINITY_OFF));
	start_second("started-again");
}

void guest_main(void)
{
	functions();
	start_second("started");
	ping_pong();
	off_and_on();
}
