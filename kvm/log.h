/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log lines on stderr: one write(2) per line, so that lines of several threads never mix.
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

/* Sets the most verbose level that is printed. The default is LOG_WARN. Call before threads start. */
void log_set_level(enum log_level level);

/*
 * Says whether the terminal is in raw mode, in which a line needs CR LF at its end. May be called
 * from any thread.
 */
void log_set_raw_terminal(bool raw);

/* The level of that name (error, warn, info, debug), or -1. */
int log_level_from_name(const char *name);

/* Prints one line "vireo: LEVEL: text" if `level` is enabled. Lines over 1 KiB are cut. */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

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
