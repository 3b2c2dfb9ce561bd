/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of all options, and what is done with an entry: finding it, reading a value into the
 * structure it is a field of, writing it back as text. The command line, the definition file, the help
 * and `vireo dump config` know options only through this. The structure is a struct vm_config for
 * those of option_table[], a device's own for the keys of a kind of devices (vmm/kinds.h).
 */
#ifndef VIREO_VMM_OPTIONS_H
#define VIREO_VMM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/machine.h"
#include "kvm/err.h"
#include "vmm/config.h"

struct device_kind;

enum option_type {
	OPTION_FLAG,    /* bool; takes no value on the command line, in a definition file "on" or "off" */
	OPTION_NUMBER,  /* uint32_t: decimal */
	OPTION_SIZE,    /* uint64_t, bytes: decimal with K, M, G or T; a bare number is MiB */
	OPTION_ADDRESS, /* uint64_t: decimal, or hexadecimal after 0x; a port if it has 16 bits at most */
	OPTION_CHOICE,  /* an enum or int: one of `choices` */
	OPTION_TEXT,    /* char *: may be empty */
	OPTION_LIST,    /* struct text_list: texts, one for each time it is given; may not be empty */
	OPTION_FILE,    /* char *: a path; in a definition file relative to that file's directory */
	OPTION_PLACE,   /* char *: pty, null, socket=PATH or file=PATH, with a path as of OPTION_FILE */
};

#define OPTION_ALLOWED_MAX 192 /* bytes of what is said of allowed values */

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
	size_t offset;           /* of the field in its structure */
	size_t given;            /* offset of a bool that says a value was given; 0: there is none */
	bool repeats; /* OPTION_TEXT: several on one command line are joined by a blank; OPTION_LIST */
	/*
	 * OPTION_TEXT, OPTION_LIST: is the value one it takes? If not, why; that is empty before, and may stay so
	 * where `allowed` tells enough. NULL: any is.
	 */
	bool (*is_ok)(const char *value, char why[OPTION_ALLOWED_MAX]);
	const char *allowed;    /* then: which ones are, in words */
	bool any_text;          /* OPTION_LIST: also an empty one, a long one, one of several lines */
	bool is_send;           /* OPTION_LIST: TEXT after REGEX, also as three words */
	bool input;             /* OPTION_FILE: has to be there when the VM starts */
	bool output;            /* OPTION_FILE: what the guest says is added to it */
	unsigned int commands;  /* bits 1 << enum config_command */
	unsigned int platforms; /* bits 1 << enum platform */
	/* Numbers, sizes and addresses: the range, and what the value must be a multiple of. */
	uint64_t min, max[PLATFORM_COUNT], step;
	const struct option_choice *choices;
	size_t socket; /* OPTION_FILE: the path is a Unix socket's, of so many bytes at most; 0: it is none's */
	const char *word; /* OPTION_FILE: a value that is no path; or NULL */
	const char *help; /* the default is added to it, except for text, files and flags that are off */
};

/* What KVM wants GIC addresses to be multiples of. */
#define GICV2_ALIGN 0x1000ULL
#define GICV3_ALIGN 0x10000ULL

/* Ends with an entry whose name is NULL. Entries of one section stand together. */
extern const struct option option_table[];

#define OPTION_NAME_MAX 24 /* bytes of a name, without the NUL */

extern const char *const section_names[];  /* of the definition file; ends with NULL */
extern const char *const command_names[];  /* by enum config_command */
extern const char *const platform_names[]; /* by enum platform */

/* Where a value was found, for messages. */
struct option_origin {
	const char *file;  /* the definition file; NULL: the command line */
	unsigned int line; /* in the file, from 1; 0: not known */
	const char *key;   /* what the file calls it, if it is not the option's name; else NULL */
	const char *
		kind; /* of a key in a device's option, or in a key that holds the same: that option; else NULL */
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
 * The candidate that a mistyped `name` most likely meant, or NULL: the options of `command`, the keys
 * of a definition file outside of devices' sections, or the entries of `keys`.
 */
const char *option_nearest(const char *name, enum config_command command);
const char *option_nearest_key(const char *name);
const char *option_nearest_of(const char *name, const struct option *keys);

/* Fills in `err`: the place, the option's name and the text. Returns -EINVAL. */
int option_error(struct err *err, const struct option_origin *origin, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Are `platforms`, those of what is called `name`, also this one? If not, -EINVAL and the platform it is
 * for in `err`.
 */
int option_check_host(const char *name, unsigned int platforms, const struct option_origin *origin,
		      struct err *err);

/* The first of `platforms`, bits as in struct option. */
const char *platform_first(unsigned int platforms);

/*
 * Reads `value` (NULL for a flag on the command line) into the option's field of the structure `base`.
 * Returns 0; -EINVAL with the place, the option, the value and what is allowed in `err`; or -ENOMEM. The
 * field changes only on success.
 */
int option_set(void *base, const struct option *opt, const char *value, const struct option_origin *origin,
	       struct err *err);

/*
 * What a text or a file name may be: at most so many bytes (those of PATH_MAX, and twice a kernel's
 * command line), and no control character but the tab, so that a line of text stays one.
 */
#define OPTION_STRING_MAX 4095
bool option_string_ok(const char *text);

/* What values the option takes on this platform, as messages put it after "allowed". */
void option_allowed(const struct option *opt, char text[OPTION_ALLOWED_MAX]);

/* The value of a number, size, address, choice or flag as text that option_set() reads back; else "". */
#define OPTION_VALUE_MAX 32
void option_format(const void *base, const struct option *opt, char text[OPTION_VALUE_MAX]);

/* Is the option's field a char *? */
bool option_is_string(const struct option *opt);

/* The path in such an option's value: it, or a part of it, or its end where there is none. */
const char *option_path(const struct option *opt, const char *value);

/* The texts of a list, owned by `base`. */
const struct text_list *option_list(const void *base, const struct option *opt);

/* The value of a text, file or place option, owned by `base`; NULL: it has none. */
const char *option_text(const void *base, const struct option *opt);

/* Has the option a value: given by the user, or by default? */
bool option_has_value(const void *base, const struct option *opt);

/*
 * `base` is a byte for byte copy: gives it texts, lists and files of its own, those of the original's being another's.
 * -ENOMEM: some are missing, and the others its own all the same.
 */
int option_copy_texts(void *base, const struct option *keys);

/* Frees the texts, lists and files of `keys`, which are fields of `base`. */
void option_free_texts(void *base, const struct option *keys);

/* A command line, taken word by word. */
struct option_scan {
	enum config_command command;
	int argc;
	char *const *argv;
	int next;          /* index of the next argument */
	bool options_over; /* "--" was seen */
};

struct option_word {
	const struct option *option;    /* NULL: see `kind` */
	const struct device_kind *kind; /* a device of this kind; NULL: `value` is a positional argument */
	const char *value;              /* points into argv; NULL for a flag, or a device without a value */
	const char *after;              /* --send TEXT after REGEX: the regex; else NULL */
};

/* The next word. Returns 1, 0 at the end, or -EINVAL with the cause in `err`. */
int option_next(struct option_scan *scan, struct option_word *word, struct err *err);

/* The source of a value that was found at `origin`, whose file name is the config's. */
struct value_source option_source(const struct option_origin *origin);

/* option_set() for an option of option_table[], which also remembers where its value comes from. */
int config_set(struct vm_config *cfg, const struct option *opt, const char *value,
	       const struct option_origin *origin, struct err *err);

/* Takes away what a text or file option has. */
void config_unset(struct vm_config *cfg, const struct option *opt);

/* A copy of the name of a definition file, which lasts as long as the config; NULL without memory. */
const char *config_name(struct vm_config *cfg, const char *path);

/* Where the value of the option `name` comes from. */
const struct value_source *config_source(const struct vm_config *cfg, const char *name);

/* Puts "FILE:LINE: " in front of what `err` says, if `source` is in a file. Returns -EINVAL. */
int source_error(struct err *err, const struct value_source *source);

/*
 * What becomes of a mistake: `ret` and `err` are what it was found with. Where `m` wants to hear of all, it is told,
 * and 0 returned: go on. Else `ret`.
 */
int mistake(struct mistakes *m, int ret, const struct err *err);

/*
 * Checks of a whole definition that only one platform has, of which config_machine() has made `m`: platform_x86.c,
 * platform_arm64.c.
 */
int platform_check(const struct vm_config *cfg, const struct machine *m, struct err *err);

#endif
