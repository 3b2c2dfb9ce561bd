// SPDX-License-Identifier: BSD-2-Clause
#include "init/embed.h"

/* INIT_PROGRAM: the file, from the Makefile. */
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	".globl init_program, init_program_end\n"
	"init_program:\n"
	".incbin \"" INIT_PROGRAM "\"\n"
	"init_program_end:\n"
	".byte 0\n"
	".popsection\n");
