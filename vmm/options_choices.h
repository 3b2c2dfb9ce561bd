/* SPDX-License-Identifier: BSD-2-Clause */
/* What the options of options_table.c that are choices let choose from; each ends with a NULL name. */
#ifndef VIREO_VMM_OPTIONS_CHOICES_H
#define VIREO_VMM_OPTIONS_CHOICES_H

#include "vmm/options.h"

/* struct option's and struct option_choice's platforms. */
#define PC   (1u << PLATFORM_PC)
#define ARM  (1u << PLATFORM_ARM)
#define BOTH (PC | ARM)

extern const struct option_choice kernel_formats_choices[];
extern const struct option_choice irqchips_choices[];
extern const struct option_choice itss_choices[];
extern const struct option_choice backings_choices[];
extern const struct option_choice tables_choices[];
extern const struct option_choice reboots_choices[];
extern const struct option_choice consoles_choices[];
extern const struct option_choice crashes_choices[];
extern const struct option_choice stats_choices[];
extern const struct option_choice log_formats_choices[];

#endif
