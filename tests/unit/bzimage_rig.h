/* SPDX-License-Identifier: BSD-2-Clause */
/* A bzImage made by the test, as Linux's "The Linux/x86 Boot Protocol" describes one, and its loading. */
#ifndef VIREO_TESTS_BZIMAGE_RIG_H
#define VIREO_TESTS_BZIMAGE_RIG_H

#include "tests/unit/boot_rig.h"

#define PREF        0x1000000ULL
#define CODE_SIZE   0x6010U /* a multiple of 16 */
#define INIT_SIZE   0x500000ULL
#define SETUP_SECTS 3
#define SETUP_SIZE  ((SETUP_SECTS + 1) * 512)
#define HEADER_END  0x26c
#define BOOT_PARAMS 0x1000ULL
#define FILE_MAX    (129 * 512 + CODE_SIZE)

struct bzimage {
	uint8_t data[FILE_MAX];
	size_t size;
};

/* A kernel as Linux 6.1 would be, with noise wherever the loader has no business. */
static inline void make_bzimage(struct bzimage *bz)
{
	uint8_t *d = bz->data;

	fill_pattern(d, FILE_MAX, 77);
	memset(d + 0x1f1, 0, HEADER_END - 0x1f1);
	bz->size = SETUP_SIZE + CODE_SIZE;
	d[0x1f1] = SETUP_SECTS;
	put_le(d + 0x1f2, 2, 1);              /* root_flags */
	put_le(d + 0x1f4, 4, CODE_SIZE / 16); /* syssize */
	put_le(d + 0x1fe, 2, 0xaa55);         /* boot_flag */
	put_le(d + 0x200, 2, 0xeb | (HEADER_END - 0x202) << 8);
	memcpy(d + 0x202, "HdrS", 4);
	put_le(d + 0x206, 2, 0x20f);      /* version */
	d[0x211] = 0x01;                  /* loadflags: LOADED_HIGH */
	put_le(d + 0x214, 4, 0x100000);   /* code32_start */
	put_le(d + 0x22c, 4, 0x7fffffff); /* initrd_addr_max */
	put_le(d + 0x230, 4, 0x200000);   /* kernel_alignment */
	d[0x234] = 1;                     /* relocatable_kernel */
	d[0x235] = 21;                    /* min_alignment */
	put_le(d + 0x236, 2, 0x003f);     /* xloadflags */
	put_le(d + 0x238, 4, 2047);       /* cmdline_size */
	put_le(d + 0x248, 4, 0x2cc);      /* payload_offset */
	put_le(d + 0x24c, 4, 0x5000);     /* payload_length */
	put_le(d + 0x258, 8, PREF);       /* pref_address */
	put_le(d + 0x260, 4, INIT_SIZE);  /* init_size */
	put_le(d + 0x264, 4, 0x190);      /* handover_offset */
	put_le(d + 0x268, 4, 0x4000);     /* kernel_info_offset */
}

static struct bzimage bz; /* of the running test */

static inline int bzimage_setup(void **state)
{
	int ret = rig_setup(state);

	if (ret)
		return ret;
	make_bzimage(&bz);
	rig_machine(*state, PLATFORM_PC, 64 * MIB, true);
	return 0;
}

static inline void write_kernel(struct rig *rig)
{
	rig_file(rig->kernel, bz.data, bz.size);
}

static inline void load(struct rig *rig, bool with_initrd)
{
	write_kernel(rig);
	if (rig_load(rig, with_initrd) != 0)
		fail_msg("%s", rig->err.text);
}

static inline void finish(struct rig *rig, const void *dtb, size_t dtb_size)
{
	if (boot_finish(&rig->boot, &rig->m, &rig->mem, dtb, dtb_size, &rig->entry, &rig->err) != 0)
		fail_msg("%s", rig->err.text);
}

#endif
