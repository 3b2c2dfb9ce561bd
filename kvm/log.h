/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log lines on stderr: one write(2) per line, so that lines of several threads never mix.
 *
 * A line belongs to an area, the one that its file names before this header:
 *
 *	#define LOG_AREA AREA_NET
 *	#include "kvm/log.h"
 *
 * What a guest can trigger again and again is logged at debug level and bounded by its caller
 * (once per address, once per kind): a guest must not be able to fill a log.
 */
#ifndef VIREO_KVM_LOG_H
#define VIREO_KVM_LOG_H

#include <stdatomic.h>
#include <stdbool.h>

enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
};

enum log_area {
	AREA_BOOT,    /* kernels and what they are told */
	AREA_CONSOLE, /* consoles, console ports, the serial port */
	AREA_DEVICE,  /* buses and devices that have no area of their own */
	AREA_DISK,    /* disks, images and persistent memory */
	AREA_IRQ,     /* interrupt controllers, lines and messages */
	AREA_KVM,     /* vCPUs and what KVM can and cannot do */
	AREA_NET,     /* network cards */
	AREA_VIRTIO,  /* other virtio devices, their daemons, vhost-user */
	AREA_VMM,     /* the program as a whole */
	AREA_COUNT,
};

#ifndef LOG_AREA
#define LOG_AREA AREA_VMM
#endif

/* The most verbose level of each area that is printed. */
struct log_levels {
	enum log_level of[AREA_COUNT];
};

/*
 * Reads "[LEVEL][,AREA=LEVEL]...": the areas that are not named have LEVEL, or LOG_WARN. 0; or -EINVAL, for what
 * is none of LOG_LEVELS_ALLOWED or gives an area two levels.
 */
int log_levels_parse(struct log_levels *levels, const char *text);
bool log_levels_ok(const char *text);

#define LOG_LEVELS_ALLOWED                                                                                           \
	"LEVEL[,AREA=LEVEL]... with the levels error, warn, info, debug and the areas boot, console, device, disk, " \
	"irq, kvm, net, virtio, vmm"

/* The default is LOG_WARN everywhere. Call before threads start. */
void log_set_levels(const struct log_levels *levels);
void log_set_level(enum log_level level); /* of all areas */

/* Lines are "vireo: LEVEL: text", or one JSON object each. Call before threads start. */
enum log_format {
	LOG_TEXT,
	LOG_JSON,
};
void log_set_format(enum log_format format);

/*
 * Looks at what stderr is: colours for a terminal, unless NO_COLOR or TERM=dumb is in the environment;
 * priorities for the journal (JOURNAL_STREAM). Until then lines are plain. Call before threads start.
 */
void log_look_at_stderr(void);

/*
 * Says whether the terminal is in raw mode, in which a line needs CR LF at its end. May be called
 * from any thread.
 */
void log_set_raw_terminal(bool raw);

/* Prints one line if `level` is enabled in `area`. Texts of about 1 KiB are cut. */
void log_line(enum log_area area, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same at whatever level is enabled: what the user has asked to be told. It counts as LOG_INFO. */
void log_line_always(enum log_area area, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * A guest that resets in a loop fills no log either. After log_hold_repeats() no line is said that was said
 * before, and not more than LOG_REMEMBERED in all, since the start of the program or the last log_forget();
 * but errors, and what the user has asked to be told, always are. Any thread.
 */
#define LOG_REMEMBERED 256
void log_hold_repeats(void);
void log_forget(void); /* Somebody has asked for something: all may be said again. */

/*
 * Shows `text` on the terminal that stderr is, in place of what it showed before; NULL takes it away, and so
 * does the next log line. Nothing where stderr is something else, or cannot do it. Any thread.
 */
void log_show_status(const char *text);
bool log_can_show_status(void);

#define log_error(...) log_line(LOG_AREA, LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_AREA, LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_AREA, LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_AREA, LOG_DEBUG, __VA_ARGS__)

#define log_always(...) log_line_always(LOG_AREA, __VA_ARGS__)

/* For what a guest can repeat: one line for the life of the program, from each place in the code. */
#define log_debug_once(...)                     \
	do {                                    \
		static _Atomic bool logged_;    \
		if (!logged_) {                 \
			logged_ = true;         \
			log_debug(__VA_ARGS__); \
		}                               \
	} while (0)

#endif
