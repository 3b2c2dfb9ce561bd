// SPDX-License-Identifier: BSD-2-Clause
/* Which files of one command line would destroy each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "tests/unit/config_rig.h"
#include "vmm/outputs.h"

static char home[PATH_MAX], work[] = "/tmp/vireo-outputs-XXXXXX";

static int enter(void **state)
{
	(void)state;
	assert_non_null(getcwd(home, sizeof(home)));
	memcpy(work + strlen(work) - 6, "XXXXXX", 6);
	assert_non_null(mkdtemp(work));
	return chdir(work) || mkdir("dir", 0777) || symlink("dir", "way") || symlink("new", "link");
}

static int leave(void **state)
{
	static const char *const files[] = { "there", "hard", "link", "way", "fifo", "vm.conf" };

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(files[i]);
	return rmdir("dir") || chdir(home) || rmdir(work);
}

static void put(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* `part`: what is said of these arguments; NULL: nothing. */
static void checked(enum config_command command, const char *part, const char *const *args)
{
	struct vm_config cfg = accept_args(command, args);
	struct err err;
	int ret = outputs_check(&cfg, &err);

	config_finish(&cfg);
	if (ret && !part)
		fail_msg("refused: %s", err.text);
	assert_int_equal(ret, part ? -EINVAL : 0);
	if (part)
		assert_contains(err.text, part);
}

#define RUNS(...)           checked(COMMAND_RUN, NULL, ARGS("k", __VA_ARGS__))
#define SMOKES(...)         checked(COMMAND_SMOKE, NULL, ARGS("k", __VA_ARGS__))
#define NO_RUN(part, ...)   checked(COMMAND_RUN, part, ARGS("k", __VA_ARGS__))
#define NO_SMOKE(part, ...) checked(COMMAND_SMOKE, part, ARGS("k", __VA_ARGS__))

static void files_of_one_vm(void **state)
{
	(void)state;
	RUNS("--trace", "a", "--console-log", "b", "--serial", "file=c", "--hvc", "file=d", "--port",
	     "p,file=e");
	NO_RUN("--trace ./a: that is the file of --console-log, too", "--console-log", "a", "--trace", "./a");
	NO_RUN("--trace a: that is the file of --serial", "--serial", "file=a", "--trace", "a");
	NO_RUN("--console-log dir/a: that is the file of --serial", "--serial", "file=way/a", "--console-log",
	       "dir/a");
	NO_RUN("--trace new: that is the file of --hvc", "--hvc", "file=link", "--trace", "new");
	NO_RUN("--port a: that is the file of --trace", "--trace", "a", "--port", "p,file=a");
	NO_RUN("--port ./a: given twice", "--port", "p,file=a", "--port", "q,file=./a");
	RUNS("--trace", "dir/a", "--console-log", "a");
	put("there", "");
	assert_int_equal(link("there", "hard"), 0);
	NO_RUN("--trace hard: that is the file of --console-log", "--console-log", "there", "--trace",
	       "hard");
	RUNS("--console-log", "there", "--trace", "a");
}

static void reports(void **state)
{
	(void)state;
	SMOKES("--report", "a.xml", "--report", "a.json", "--trace", "t.json");
	NO_SMOKE("--report z.json: that is the file of --trace", "--report", "z.json", "--trace", "z.json");
	NO_SMOKE("--report y.json: that is the file of --console-log", "--console-log", "./y.json",
		 "--report", "y.json");
	NO_SMOKE("--report ./a.xml: given twice", "--report", "a.xml", "--report", "./a.xml");
}

static void what_is_no_file_is_shared(void **state)
{
	(void)state;
	assert_int_equal(mkfifo("fifo", 0666), 0);
	RUNS("--console-log", "/dev/null", "--trace", "/dev/null", "--serial", "file=/dev/null");
	RUNS("--console-log", "fifo", "--trace", "./fifo");
	RUNS("--console-log", "/dev/stderr", "--serial", "file=/dev/stderr");
	RUNS("--console-log", "/nowhere/a", "--trace", "/nowhere/a");
}

/* Into which the shell has put standard output: what adds to it spares what is there. */
static void standard_output_may_be_a_file(void **state)
{
	int saved = dup(STDOUT_FILENO), fd;

	(void)state;
	fflush(stdout);
	put("there", "");
	fd = open("there", O_WRONLY);
	assert_true(fd >= 0 && saved >= 0);
	dup2(fd, STDOUT_FILENO);
	RUNS("--console-log", "/dev/stdout", "--serial", "file=/dev/stdout");
	NO_RUN("--trace /dev/stdout: that is the file of --console-log", "--console-log", "/dev/stdout",
	       "--trace", "/dev/stdout");
	NO_RUN("--console-log there: that is the file of --serial", "--console-log", "there", "--serial",
	       "file=/dev/stdout");
	dup2(saved, STDOUT_FILENO);
	close(saved);
	close(fd);
}

static void files_of_several_vms(void **state)
{
	(void)state;
	put("vm.conf", "[matrix]\nappend = a b, a-b\n[console]\nconsole-log = l-{name}\n");
	NO_SMOKE("vm.conf:4: --console-log ", "-f", "vm.conf");
	put("vm.conf", "[matrix]\nappend = a b, a-b\n");
	SMOKES("-f", "vm.conf");
	NO_SMOKE("--trace t-append=a-b.json: would be that of two tests", "-f", "vm.conf", "--trace",
		 "t-{name}.json");
	put("vm.conf", "[test a]\n[test b]\n");
	SMOKES("-f", "vm.conf", "--trace", "{name}.json", "--console-log", "{name}.log", "--report",
	       "r.json");
	NO_SMOKE("--report ./a.json: that is the file of --trace", "-f", "vm.conf", "--trace", "{name}.json",
		 "--report", "./a.json");
	NO_SMOKE("that is the file of --console-log", "-f", "vm.conf", "--console-log", "{name}", "--trace",
		 "./{name}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files_of_one_vm, enter, leave),
		cmocka_unit_test_setup_teardown(reports, enter, leave),
		cmocka_unit_test_setup_teardown(what_is_no_file_is_shared, enter, leave),
		cmocka_unit_test_setup_teardown(standard_output_may_be_a_file, enter, leave),
		cmocka_unit_test_setup_teardown(files_of_several_vms, enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
