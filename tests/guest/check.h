/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every tiny guest speaks: lines on its console that tests/guest/run understands.
 *
 *   PASS name                  a check held
 *   FAIL name: detail          it did not
 *   SKIP name: reason          it cannot be made here
 *   INFO text                  for the runner to compare with what it knows
 *   END n passed, m failed     the last line; n and m must be the numbers of lines above
 */
#ifndef GUEST_CHECK_H
#define GUEST_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Formats with %s, %c, %u and %d (unsigned, int), %x (unsigned) and %lx (uint64_t). One CPU at a time. */
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* `name`: lower case, no blanks; `ok`: whether it holds. */
void check(const char *name, bool ok);
void check_eq(const char *name, uint64_t got, uint64_t want);
void check_range(const char *name, uint64_t got, uint64_t least, uint64_t most);
void skip(const char *name, const char *reason);

/* Prints the last line and switches the machine off. */
void finish(void) __attribute__((noreturn));

/* The value of `name=value` (or "" for a lone word) on the kernel's command line, or NULL. Ends at a blank. */
const char *option(const char *name);
uint64_t option_number(const char *name, uint64_t otherwise);
bool option_is(const char *name, const char *value);

/* --- from the architecture --- */

extern const char *cmdline;
void put_char(char c);
void power_off(void) __attribute__((noreturn));

/* --- the guest itself: called when the machine is set up; finish() follows --- */

void guest_main(void);

/* The compiler may call these. */
void *memset(void *to, int byte, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
