// SPDX-License-Identifier: BSD-2-Clause
/* The I/O APICs of a machine. */
#include "devices/ioapic.h"

unsigned int ioapics_place(uint32_t nr_gsis, struct ioapic_desc place[MACHINE_MAX_IOAPICS])
{
	unsigned int nr = 0;

	while (nr < MACHINE_MAX_IOAPICS && (!nr || nr * IOAPIC_PINS < nr_gsis)) {
		place[nr] = (struct ioapic_desc){
			.base = PC_IOAPIC_BASE + nr * IOAPIC_WINDOW,
			.id = nr,
			.gsi_base = nr * IOAPIC_PINS,
			.pins = IOAPIC_PINS,
		};
		nr++;
	}
	return nr;
}

int ioapics_create(struct ioapics *all, uint32_t nr_gsis, const struct device_host *host,
		   const struct ioapic_bus *bus, struct err *err)
{
	struct ioapic_desc place[MACHINE_MAX_IOAPICS];
	unsigned int nr = ioapics_place(nr_gsis, place);

	*all = (struct ioapics){ 0 };
	while (all->nr < nr) {
		int ret = device_create(&all->dev[all->nr], &ioapic_class, host, (struct irq_line){ 0 },
					all->nr, err);

		if (ret < 0)
			return ret;
		ioapic_connect(all->dev[all->nr], &place[all->nr], bus);
		all->nr++;
	}
	return 0;
}

void ioapics_destroy(struct ioapics *all)
{
	while (all->nr)
		device_destroy(all->dev[--all->nr]);
}

void ioapics_set_line(const struct ioapics *all, uint32_t gsi, bool level)
{
	if (gsi / IOAPIC_PINS < all->nr)
		ioapic_set_line(all->dev[gsi / IOAPIC_PINS], gsi % IOAPIC_PINS, level);
}

bool ioapics_unmasked(const struct ioapics *all, uint32_t gsi)
{
	return gsi / IOAPIC_PINS < all->nr && ioapic_unmasked(all->dev[gsi / IOAPIC_PINS], gsi % IOAPIC_PINS);
}

void ioapics_eoi(const struct ioapics *all, uint8_t vector)
{
	for (unsigned int i = 0; i < all->nr; i++)
		ioapic_eoi(all->dev[i], vector);
}
