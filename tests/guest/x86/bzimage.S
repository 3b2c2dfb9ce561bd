/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The setup sectors of a bzImage (Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"):
 * a header for a 64-bit kernel that is loaded at 1 MiB and not moved. The real-mode code is not there.
 */
	.section .setup, "a"
	.org	0x1f1
	.byte	1		/* setup_sects: one besides the boot sector */
	.word	0		/* root_flags */
	.long	image_size_16	/* syssize, in 16 bytes */
	.word	0		/* ram_size */
	.word	0xffff		/* vid_mode */
	.word	0		/* root_dev */
	.word	0xaa55		/* boot_flag */
	.byte	0xeb, header_end - 1f /* jump: over the rest of the header, whose end it tells */
1:
	.ascii	"HdrS"
	.word	0x20f		/* version */
	.long	0		/* realmode_swtch */
	.word	0		/* start_sys_seg */
	.word	0		/* kernel_version */
	.byte	0		/* type_of_loader */
	.byte	1		/* loadflags: LOADED_HIGH */
	.word	0		/* setup_move_size */
	.long	0x100000	/* code32_start */
	.long	0		/* ramdisk_image */
	.long	0		/* ramdisk_size */
	.long	0		/* bootsect_kludge */
	.word	0		/* heap_end_ptr */
	.byte	0, 0		/* ext_loader_ver, ext_loader_type */
	.long	0		/* cmd_line_ptr */
	.long	0x7fffffff	/* initrd_addr_max */
	.long	0x1000		/* kernel_alignment */
	.byte	0		/* relocatable_kernel */
	.byte	12		/* min_alignment */
	.word	1		/* xloadflags: XLF_KERNEL_64 */
	.long	2047		/* cmdline_size */
	.long	0		/* hardware_subarch */
	.quad	0		/* hardware_subarch_data */
	.long	0		/* payload_offset */
	.long	0		/* payload_length */
	.quad	0		/* setup_data */
	.quad	0x100000	/* pref_address */
	.long	run_size	/* init_size */
	.long	0		/* handover_offset */
	.long	0		/* kernel_info_offset */
header_end:
	.org	0x400

	.section .note.GNU-stack, "", @progbits
