// SPDX-License-Identifier: BSD-2-Clause
/*
 * Accesses to device memory: widths, addresses where nothing is, the small devices, and instructions
 * whose accesses the CPU does not describe to the hypervisor ("ISV" in Arm ARM, "ISS encoding for an
 * exception from a Data Abort"): pairs and write-back. Those abort, and the guest goes on.
 */
#include "guest.h"

static void widths(void)
{
	write8(UART + UART_SCR, 0x5a);
	check_eq("8-bit", read8(UART + UART_SCR), 0x5a);
	check_eq("16-bit", read16(UART + UART_SCR - 1) >> 8, 0x5a);
	check_eq("32-bit", read32(UART + 4) >> 24, 0x5a);
	check_eq("64-bit", read64(UART) >> 56, 0x5a);
	write64(UART + 8, UINT64_MAX);
	write16(UART + UART_SCR - 1, 0xa500);
	check_eq("16-bit-write", read8(UART + UART_SCR), 0xa5);
}

static void unclaimed(void)
{
	check_eq("nothing-8", read8(NO_DEVICE), 0);
	check_eq("nothing-16", read16(NO_DEVICE), 0);
	check_eq("nothing-32", read32(NO_DEVICE), 0);
	check_eq("nothing-64", read64(NO_DEVICE), 0);
	write8(NO_DEVICE, 1);
	write64(NO_DEVICE, UINT64_MAX);
	check_eq("write-is-ignored", read32(NO_DEVICE), 0);
}

static void load_pair(void)
{
	uint64_t a, b;

	__asm__ volatile("ldp %0, %1, [%2]" : "=r"(a), "=r"(b) : "r"(UART) : "memory");
}

static void store_pair(void)
{
	__asm__ volatile("stp %0, %0, [%1]" : : "r"(0ULL), "r"(NO_DEVICE) : "memory");
}

static void load_post_indexed(void)
{
	uint64_t at = UART + UART_SCR;
	uint32_t value;

	__asm__ volatile("ldrb %w0, [%1], #1" : "=r"(value), "+r"(at) : : "memory");
}

static void undescribed(void)
{
	uint64_t esr = exception_of(load_pair());

	check_eq("load-pair-aborts", ESR_CLASS(esr), CLASS_DATA_ABORT);
	check_eq("load-pair-address", last_far, UART);
	check_eq("store-pair-aborts", ESR_CLASS(exception_of(store_pair())), CLASS_DATA_ABORT);
	check_eq("post-indexed-aborts", ESR_CLASS(exception_of(load_post_indexed())), CLASS_DATA_ABORT);
	check_eq("and-goes-on", read8(UART + UART_SCR), 0xa5);
}

static void rtc(void)
{
	uint32_t begin = read32(RTC);

	check_eq("rtc-part", read32(RTC + 0xfe0) & 0xff, 0x31);
	check_eq("rtc-primecell", read32(RTC + 0xff0) & 0xff, 0x0d);
	check("rtc-goes", wait_until(read32(RTC) != begin));
	print("INFO seconds %u\n", read32(RTC));
}

static void small_devices(void)
{
	check("pvpanic-knows-panicked", read8(PVPANIC) & 1);
}

void guest_main(void)
{
	widths();
	unclaimed();
	undescribed();
	rtc();
	small_devices();
}
