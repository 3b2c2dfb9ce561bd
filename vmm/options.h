/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of all options, and what is done with an entry: finding it, reading a value into a
 * struct vm_config, writing it back as text. The command line, the definition file, the help and
 * `vireo dump config` know options only through this.
 */
#ifndef VIREO_VMM_OPTIONS_H
#define VIREO_VMM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/machine.h"
#include "kvm/err.h"
#include "vmm/config.h"

enum option_type {
	OPTION_FLAG,    /* bool; takes no value on the command line, in a definition file "on" or "off" */
	OPTION_NUMBER,  /* uint32_t: decimal */
	OPTION_SIZE,    /* uint64_t, bytes: decimal with K, M, G or T; a bare number is MiB */
	OPTION_ADDRESS, /* uint64_t: decimal, or hexadecimal after 0x; a port if it has 16 bits at most */
	OPTION_CHOICE,  /* an enum or int: one of `choices` */
	OPTION_TEXT,    /* char *: may be empty */
	OPTION_FILE,    /* char *: a path; in a definition file relative to that file's directory */
};

/* One word a choice takes. The list ends with a NULL name. */
struct option_choice {
	const char *name;
	unsigned int value;
	unsigned int platforms; /* bits 1 << enum platform */
};

struct option {
	const char *name; /* on the command line after "--", in a definition file the key */
	char letter;      /* or 0 */
	enum option_type type;
	const char *section;     /* of the definition file; NULL: command line only */
	const char *placeholder; /* of the value, in the help; NULL for a flag and to list the choices */
	size_t offset;           /* of the field in struct vm_config */
	size_t given;            /* offset of a bool that says a value was given; 0: there is none */
	bool repeats;            /* OPTION_TEXT: several on one command line are joined by a blank */
	unsigned int commands;   /* bits 1 << enum config_command */
	unsigned int platforms;  /* bits 1 << enum platform */
	/* Numbers, sizes and addresses: the range, and what the value must be a multiple of. */
	uint64_t min, max[PLATFORM_COUNT], step;
	const struct option_choice *choices;
	const char *help; /* the default is added to it, except for text, files and flags */
};

/* What KVM wants GIC addresses to be multiples of. */
#define GICV2_ALIGN 0x1000ULL
#define GICV3_ALIGN 0x10000ULL

/* Ends with an entry whose name is NULL. Entries of one section stand together. */
extern const struct option option_table[];

extern const char *const section_names[];  /* of the definition file; ends with NULL */
extern const char *const command_names[];  /* by enum config_command */
extern const char *const platform_names[]; /* by enum platform */

/* Where a value was found, for messages. */
struct option_origin {
	const char *file;  /* the definition file; NULL: the command line */
	unsigned int line; /* in the file, from 1 */
};
extern const struct option_origin command_line;

/*
 * A user's text made fit for a message: control characters replaced, and cut after 120 bytes, a
 * file name after 300.
 */
struct quoted {
	char text[304];
};
struct quoted quote(const char *text);
struct quoted quote_path(const char *path);

/* The option of that name or letter, whatever command and platform it is for, or NULL. */
const struct option *option_by_name(const char *name);
const struct option *option_by_letter(char letter);

bool option_is_for_command(const struct option *opt, enum config_command command);
bool option_is_for_host(const struct option *opt);

/*
 * The candidate that a mistyped `name` most likely meant, or NULL: the options of `command`, or
 * the keys of a definition file.
 */
const char *option_nearest(const char *name, enum config_command command);
const char *option_nearest_key(const char *name);

/* Fills in `err`: the place, the option's name and the text. Returns -EINVAL. */
int option_error(struct err *err, const struct option_origin *origin, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Is the option for this platform? If not, -EINVAL and the platform it is for in `err`. */
int option_check_host(const struct option *opt, const struct option_origin *origin, struct err *err);

/*
 * Reads `value` (NULL for a flag on the command line) into the option's field. Returns 0; -EINVAL with the place, the
 * option, the value and what is allowed in `err`; or -ENOMEM. The field changes only on success.
 */
int option_set(struct vm_config *cfg, const struct option *opt, const char *value,
	       const struct option_origin *origin, struct err *err);

/*
 * What a text or a file name may be: at most so many bytes (those of PATH_MAX, and twice a kernel's
 * command line), and no control character but the tab, so that a line of text stays one.
 */
#define OPTION_STRING_MAX 4095
bool option_string_ok(const char *text);

/* What values the option takes on this platform, as messages put it after "allowed". */
#define OPTION_ALLOWED_MAX 192
void option_allowed(const struct option *opt, char text[OPTION_ALLOWED_MAX]);

/* The value of a number, size, address, choice or flag as text that option_set() reads back; else "". */
#define OPTION_VALUE_MAX 32
void option_format(const struct vm_config *cfg, const struct option *opt, char text[OPTION_VALUE_MAX]);

/* The value of a text or file option, owned by `cfg`; NULL: it has none. */
const char *option_text(const struct vm_config *cfg, const struct option *opt);

/* Has the option a value: given by the user, or by default? */
bool option_has_value(const struct vm_config *cfg, const struct option *opt);

/* A command line, taken word by word. */
struct option_scan {
	enum config_command command;
	int argc;
	char *const *argv;
	int next;          /* index of the next argument */
	bool options_over; /* "--" was seen */
};

struct option_word {
	const struct option *option; /* NULL: `value` is a positional argument */
	const char *value;           /* points into argv; NULL for a flag */
};

/* The next word. Returns 1, 0 at the end, or -EINVAL with the cause in `err`. */
int option_next(struct option_scan *scan, struct option_word *word, struct err *err);

/* Checks of a whole definition that only one platform has: platform_x86.c, platform_arm64.c. */
int platform_check(const struct vm_config *cfg, struct err *err);

#endif
