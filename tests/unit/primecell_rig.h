/* SPDX-License-Identifier: BSD-2-Clause */
/* What Arm's PrimeCells have in common. Include after "tests/unit/fake.h". */
#ifndef VIREO_TESTS_UNIT_PRIMECELL_RIG_H
#define VIREO_TESTS_UNIT_PRIMECELL_RIG_H

/*
 * "Peripheral identification registers", "PrimeCell identification registers": what a driver binds to. Returns the
 * first one.
 */
static inline uint32_t primecell_rig_identify(struct rig *rig)
{
	uint32_t peripheral = 0, cell = 0;

	for (unsigned int i = 0; i < 4; i++) {
		peripheral |= (uint32_t)rig_read(rig, 0xfe0 + 4 * i, 4) << 8 * i;
		cell |= (uint32_t)rig_read(rig, 0xff0 + 4 * i, 4) << 8 * i;
	}
	assert_int_equal(peripheral >> 12 & 0xff, 0x41); /* Arm Limited */
	assert_int_equal(cell, 0xb105f00d);
	return peripheral;
}

#endif
