/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that a test looks at, and such as cannot grow. Include after <cmocka.h>. */
#ifndef VIREO_TESTS_UNIT_FILE_RIG_H
#define VIREO_TESTS_UNIT_FILE_RIG_H

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

/* That text is all that the file has. */
static inline void file_rig_holds(const char *path, const char *text)
{
	char buf[256] = "";
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	buf[fread(buf, 1, sizeof(buf) - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(buf, text);
}

/* The file is made, and has that. */
static inline void file_rig_write(const char *path, const void *data, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

/* From now on no file of this process gets more bytes than that. Returns what file_rig_unlimit() takes. */
static inline rlim_t file_rig_limit(rlim_t most)
{
	struct rlimit limit;
	rlim_t before;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	before = limit.rlim_cur;
	limit.rlim_cur = most;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	return before;
}

static inline void file_rig_unlimit(rlim_t before)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = before;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

#endif
