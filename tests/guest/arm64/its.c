// SPDX-License-Identifier: BSD-2-Clause
/*
 * The ITS of a GICv3 on two CPUs: commands, LPIs to either CPU, and then commands and registers that no
 * sane guest would write, after which it must still work.
 */
#include "gicd.h"
#include "lpi.h"

#define DEVICE 7

static void registers(void)
{
	uint64_t typer = read64(GIC_ITS + GITS_TYPER);

	check("in-the-device-tree", fdt_has("arm,gic-v3-its") && !fdt_has("arm,gic-v2m-frame"));
	check("distributor-has-lpis", read32(GIC_DIST + GICD_TYPER) >> 17 & 1);
	check("redistributor-has-lpis", read64(redistributor(0) + 8) & 1);
	check("its-has-physical-lpis", typer & 1);
	check_eq("collections-go-to-processor-numbers", typer >> 19 & 1, 0);
	check_eq("its-is-off", read32(GIC_ITS + GITS_CTLR) & 1, 0);
	check_eq("its-is-quiescent", read32(GIC_ITS + GITS_CTLR) >> 31, 1);
	check_eq("table-of-devices", read64(GIC_ITS + GITS_BASER) >> 56 & 7, 1);
	check_eq("table-of-collections", read64(GIC_ITS + GITS_BASER + 8) >> 56 & 7, 4);
}

static unsigned int all_lpis(void)
{
	unsigned int sum = 0;

	for (unsigned int cpu = 0; cpu < 2; cpu++)
		for (unsigned int i = 0; i < MAX_LPIS; i++)
			sum += lpis[cpu][i];
	return sum;
}

/* Event N of the device is LPI N; `cpu` is where it is to go. */
static void map(unsigned int n, unsigned int cpu)
{
	configure_lpi(n, true);
	its_map_event(DEVICE, n, n, cpu);
	its_event(ITS_INV, DEVICE, n);
}

static void commands(void)
{
	check("mapd", its_map_device(DEVICE, true));
	map(0, 0);
	map(1, 1);

	its_event(ITS_INT, DEVICE, 0);
	check("int", wait_until(lpis[0][0] == 1));
	its_event(ITS_INT, DEVICE, 1);
	check("int-to-the-other-cpu", wait_until(lpis[1][1] == 1));
	for (unsigned int i = 0; i < 20; i++) {
		its_event(ITS_INT, DEVICE, 0);
		(void)wait_until(lpis[0][0] == 2 + i);
	}
	delay(MOMENT);
	check_eq("each-int-once", lpis[0][0], 21);

	configure_lpi(0, false);
	its_event(ITS_INV, DEVICE, 0);
	its_event(ITS_INT, DEVICE, 0);
	its_event(ITS_INT, DEVICE, 0);
	delay(MOMENT);
	check_eq("disabled", lpis[0][0], 21);
	configure_lpi(0, true);
	delay(MOMENT);
	check_eq("disabled-until-inv", lpis[0][0], 21);
	its_event(ITS_INV, DEVICE, 0);
	check("pending-comes-once-enabled", wait_until(lpis[0][0] == 22));
	delay(MOMENT);
	check_eq("pending-comes-once", lpis[0][0], 22);

	configure_lpi(0, false);
	its_command(ITS_INVALL, 0, 0, 0);
	its_event(ITS_INT, DEVICE, 0);
	its_event(ITS_CLEAR, DEVICE, 0);
	configure_lpi(0, true);
	its_command(ITS_INVALL, 0, 0, 0);
	delay(MOMENT);
	check_eq("clear", lpis[0][0], 22);

	its_move_event(DEVICE, 0, 1);
	its_event(ITS_INT, DEVICE, 0);
	check("movi", wait_until(lpis[1][0] == 1));
	its_command(ITS_MOVALL, 0, 1ULL << 16, 0);
	its_move_event(DEVICE, 0, 0);
	its_event(ITS_INT, DEVICE, 0);
	check("movi-back", wait_until(lpis[0][0] == 23));

	its_event(ITS_DISCARD, DEVICE, 0);
	its_event(ITS_INT, DEVICE, 0);
	delay(MOMENT);
	check_eq("discard", lpis[0][0], 23);
	map(0, 0);
	its_event(ITS_INT, DEVICE, 0);
	check("mapped-again", wait_until(lpis[0][0] == 24));

	its_map_device(DEVICE, false);
	its_event(ITS_INT, DEVICE, 0);
	its_event(ITS_INT, DEVICE, 1);
	delay(MOMENT);
	settle();
	check_eq("unmapped-device", all_lpis(), 26);
}

/* --- what no sane guest does --- */

static uint64_t state = 0x495453;

/* xorshift64 */
static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint64_t any_address(void)
{
	static const uint64_t some[] = { 0, GIC_ITS, GIC_DIST, UART, 0x50000000, 0xfffffffff0000, RAM };

	return any() & 1 ? some[any() % 7] : any() & 0xfffffffffff00;
}

static void hostile_commands(void)
{
	unsigned int done = 0;

	for (unsigned int i = 0; i < 2000; i++) {
		uint64_t device = any() & 1 ? DEVICE : (uint32_t)any();
		uint64_t c = any_address() | (any() & 1) << 63 | (any() & 3);

		done += its_command(device << 32 | (any() & 0x1f),
				    (any() & 0xffffffff00000000) | (any() & 0x1f), c, any());
	}
	check_eq("hostile-commands-end", done, 2000);
}

static void hostile_registers(void)
{
	for (unsigned int i = 0; i < 1000; i++) {
		static const unsigned int reg[] = { GITS_CTLR,      GITS_TYPER,  GITS_CBASER,
						    GITS_CWRITER,   GITS_CREADR, GITS_BASER,
						    GITS_BASER + 8, 0x4,         0xffe8 };
		uint64_t at = GIC_ITS + (any() & 7 ? reg[any() % 9] : any() & 0x1fff8);

		switch (any() & 3) {
		case 0:
			write64(at, any() & 1 ? any() : any_address() | 1ULL << 63);
			break;
		case 1:
			write32(at, (uint32_t)any());
			break;
		case 2:
			(void)read64(at);
			break;
		default:
			(void)read32(at);
		}
	}
	check("hostile-registers", true);
}

static void works_again(void)
{
	unsigned int before;

	write32(GIC_ITS + GITS_CTLR, 0);
	(void)wait_until(read32(GIC_ITS + GITS_CTLR) >> 31);
	write64(GIC_ITS + GITS_BASER, 0);
	write64(GIC_ITS + GITS_BASER + 8, 0);
	start_lpis(2);
	its_map_device(DEVICE, true);
	map(8, 1);
	before = lpis[1][8];
	its_event(ITS_INT, DEVICE, 8);
	check("works-after-all", wait_until(lpis[1][8] == before + 1));
}

void guest_main(void)
{
	registers();
	check_eq("second-cpu", (uint64_t)start_cpu(1), PSCI_SUCCESS);
	check("started", wait_until(is_up(1)));
	interrupts(true);
	start_lpis(2);
	commands();
	hostile_commands();
	hostile_registers();
	works_again();
	interrupts(false);
}
