// SPDX-License-Identifier: BSD-2-Clause
/* What vireo check says of a definition: all that run and smoke would refuse on every host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/config_rig.h"

/* All that is found in a file, each with a newline behind it. */
static char all[8192];

static void found(const char *text)
{
	assert_true(is_one_line(text));
	assert_true(strlen(all) + strlen(text) + 2 < sizeof(all));
	strcat(all, text);
	strcat(all, "\n");
}

static unsigned int check_path(const char *path)
{
	struct mistakes m = { .found = found };
	struct vm_config cfg;
	struct err err;

	*all = '\0';
	assert_int_equal(config_check_file(&cfg, path, &m, &err), 0);
	assert_null(m.told.text);
	config_finish(&cfg);
	return m.count;
}

static unsigned int check(const char *text)
{
	char path[64];
	int fd = hold_bytes(text, strlen(text), path);
	unsigned int count = check_path(path);

	close(fd);
	return count;
}

/* The one mistake in `text`: in line `line`, and what is said has `part`. Run or smoke refuse it with the same words. */
static void refuse(enum config_command command, const char *text, unsigned int line, const char *part)
{
	char path[64], where[24];
	int fd = hold_bytes(text, strlen(text), path);

	assert_int_equal(check_path(path), 1);
	snprintf(where, sizeof(where), ":%u: ", line);
	assert_memory_equal(all, path, strlen(path));
	assert_memory_equal(all + strlen(path), where, strlen(where));
	assert_contains(all, part);
	refuse_args(command, part, ARGS("-f", path, "-k", "k"));
	refuse_args(command, where, ARGS("-f", path, "-k", "k"));
	close(fd);
}

static void the_machine_is_looked_at(void **state)
{
	char text[4096] = "";

	(void)state;
	refuse(COMMAND_RUN, "[machine]\nmemory = 1G\n[balloon]\ntarget = 1025M\n", 3,
	       "balloon balloon0: target: 1025M is not allowed; allowed is at most the guest's memory, 1024M");
	assert_int_equal(check("[balloon]\ntarget = 1G\n[machine]\nmemory = 1G\n"), 0);
	for (unsigned int i = 0; i < 64; i++)
		sprintf(text + strlen(text), "[disk d%u]\npath = p\n", i);
	refuse(COMMAND_RUN, text, 127, "64 virtio devices: a machine has room for");
	*text = '\0';
	for (unsigned int i = 0; i < 32; i++)
		sprintf(text + strlen(text), "[port p%u]\nfile = p\n", i);
	refuse(COMMAND_RUN, text, 1, "port p31: a VM has 31 ports at most");
}

/* A value that was refused is not there, and what the others mean without it is nothing to be told. */
static void what_follows_from_a_mistake_is_none(void **state)
{
	(void)state;
	assert_int_equal(check("[machine]\nmemory = 2X\n[balloon]\ntarget = 1G\n"), 1);
	assert_contains(all, ":2: key \"memory\"");
	assert_int_equal(check("[console]\nconsole = virtioo\n[test a]\nhvc = pty\n"), 1);
}

static void tests_are_looked_at(void **state)
{
	(void)state;
	refuse(COMMAND_SMOKE, "[test a]\nserial = pty\nconsole = virtio\n", 2,
	       "serial: a smoke boot watches");
	refuse(COMMAND_SMOKE, "[console]\nconsole = null\n[test b]\n", 2, "console null: there is nothing");
	refuse(COMMAND_SMOKE, "[boot]\ninitrd = i\n[test c]\nappend = quiet\n", 4, "\"quiet\" hides");
	assert_int_equal(check("[boot]\ninitrd = i\n[test c]\nappend = quiet\nexpect = x\n"), 0);
	refuse(COMMAND_SMOKE, "[machine]\nname = n\n[test a]\n[test b]\n", 2,
	       "--name n: would be that of two");
	refuse(COMMAND_SMOKE, "[machine]\ncontrol = c\n[test a]\n[test b]\n", 2,
	       "would be that of two tests");
	assert_int_equal(check("[machine]\ncontrol = none\n[test a]\nname = a\n[test b]\nname = b\n"), 0);
	refuse(COMMAND_SMOKE, "[console]\nconsole-log = l\n[test a]\n", 2,
	       "let its name have \"{name}\" in it");
	refuse(COMMAND_SMOKE, "[log]\ntrace = t\n[test a]\n", 2, "let its name have \"{name}\" in it");
	refuse(COMMAND_SMOKE, "[test a]\ncpus = 1\n[matrix]\ncpus = 1, 2\n", 2, "is one of the lists");
	refuse(COMMAND_SMOKE,
	       "[machine]\nmemory = 1G\n[test a]\n[test b]\nmemory = 64M\n[balloon]\ntarget = 1G\n", 6,
	       "target: 1G is not allowed; allowed is at most the guest's memory, 64M");
	/* Each by itself, and with what the sections say. */
	assert_int_equal(check("[machine]\nmemory = 1G\n[test a]\nballoon = target=1G\n"), 0);
	assert_int_equal(check("[test a]\nballoon = target=1G\n[matrix]\nmemory = 1G, 2G\n"), 0);
}

/* Only a file with tests or keys of smoke's is meant for it: but not by what is said in full and is so anyway. */
static void a_file_for_run_may_have_what_smoke_refuses(void **state)
{
	(void)state;
	assert_int_equal(check("[console]\nserial = pty\n"), 0);
	assert_int_equal(check("[console]\nserial = pty\n[smoke]\non-crash = fail\nretries = 0\n"), 0);
	refuse(COMMAND_SMOKE, "[console]\nserial = pty\n[smoke]\nretries = 1\n", 2,
	       "serial: a smoke boot watches");
	refuse(COMMAND_SMOKE, "[console]\nserial = pty\n[smoke]\nexpect = x\n", 2,
	       "serial: a smoke boot watches");
}

static void what_all_tests_have_is_told_once(void **state)
{
	(void)state;
	assert_int_equal(
		check("[machine]\nmemory = 64M\n[balloon]\ntarget = 1G\n[test a]\n[test b]\nserial = pty\n"
		      "[matrix]\ncpus = 1, 2\n"),
		2);
	assert_contains(
		all,
		":3: balloon balloon0: target: 1G is not allowed; allowed is at most the guest's memory, 64M (test \"a cpus=1\")\n");
	assert_contains(all,
			":7: serial: a smoke boot watches the consoles; leave it out (--console says which "
			"there are) (test \"b cpus=1\")\n");
	assert_null(strstr(all, "cpus=2"));
}

/* What can be read only once is read once. */
static void a_pipe_is_read_once(void **state)
{
	static const char text[] =
		"[boot]\nkernel = /k\n[machine]\nmemory = 1G\n[test a]\nballoon = target=1G\n";
	struct vm_config cfg;
	char path[64];
	int fds[2];

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(pipe(fds), 0);
		assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
		close(fds[1]);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
		if (i) {
			assert_int_equal(check_path(path), 0);
		} else {
			cfg = accept_args(COMMAND_SMOKE, ARGS("-f", path));
			assert_int_equal(cfg.nr_tests, 1);
			assert_int_equal(cfg.tests[0].memory, GIB);
			assert_string_equal(cfg.tests[0].kernel, "/k");
			config_finish(&cfg);
		}
		close(fds[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_machine_is_looked_at),
		cmocka_unit_test(what_follows_from_a_mistake_is_none),
		cmocka_unit_test(tests_are_looked_at),
		cmocka_unit_test(a_file_for_run_may_have_what_smoke_refuses),
		cmocka_unit_test(what_all_tests_have_is_told_once),
		cmocka_unit_test(a_pipe_is_read_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
