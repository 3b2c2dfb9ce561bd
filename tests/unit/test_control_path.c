// SPDX-License-Identifier: BSD-2-Clause
/* Where control sockets are, and who has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/control_path.h"

static char dir[40], expected[80];
static struct vm_config cfg;
static struct control_path path;
static struct err err;

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/vireo-control.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	setenv("XDG_RUNTIME_DIR", dir, 1);
	snprintf(expected, sizeof(expected), "%s/vireo/web.sock", dir);
	cfg = (struct vm_config){ .name = (char *)"web" };
	path.lock_fd = -1;
	return 0;
}

static int teardown(void **state)
{
	char sub[64];

	(void)state;
	control_path_release(&path);
	snprintf(sub, sizeof(sub), "%s/vireo", dir);
	rmdir(sub);
	return rmdir(dir); /* nothing is left */
}

static void take(void)
{
	assert_int_equal(control_path_take(&path, &cfg, &err), 1);
}

static void refuse(const struct vm_config *who, int code, const char *what)
{
	struct control_path other;

	assert_int_equal(control_path_take(&other, who, &err), code);
	assert_int_equal(other.lock_fd, -1);
	if (!strstr(err.text, what))
		fail_msg("\"%s\" does not say \"%s\"", err.text, what);
}

static void a_name_has_its_place(void **state)
{
	struct stat st;
	char sub[64];

	(void)state;
	take();
	assert_string_equal(path.socket, expected);
	snprintf(sub, sizeof(sub), "%s/vireo", dir);
	assert_int_equal(stat(sub, &st), 0);
	assert_int_equal(st.st_mode & ACCESSPERMS, 0700);
	assert_int_equal(control_owner(path.socket), getpid());
	control_path_release(&path);
	assert_int_equal(stat(path.lock, &st), -1);
	take(); /* and again */
}

static void a_name_is_one_vms(void **state)
{
	struct vm_config other = cfg;
	char pid[16];

	(void)state;
	take();
	snprintf(pid, sizeof(pid), "%d", getpid());
	refuse(&other, -EADDRINUSE, pid);
	refuse(&other, -EADDRINUSE, expected);
	refuse(&other, -EADDRINUSE, "--name web");
	control_path_release(&path);
	take();
}

static void what_a_dead_vm_left_is_taken_over(void **state)
{
	(void)state;
	take();
	/* As if it had been killed: the lock goes, the file stays. */
	close(path.lock_fd);
	path.lock_fd = -1;
	take();
	assert_int_equal(control_owner(path.socket), getpid());
}

static void there_need_not_be_one(void **state)
{
	struct vm_config none = { .name = (char *)"web", .control = (char *)"none" }, unnamed = { 0 };

	(void)state;
	assert_int_equal(control_path_take(&path, &none, &err), 0);
	assert_int_equal(control_path_take(&path, &unnamed, &err), 0);
}

static void a_path_is_taken_as_it_is(void **state)
{
	char at[64];
	struct vm_config by_path = { .control = at };

	(void)state;
	snprintf(at, sizeof(at), "%s/c", dir);
	assert_int_equal(control_path_take(&path, &by_path, &err), 1);
	assert_string_equal(path.socket, at);
	refuse(&by_path, -EADDRINUSE, at);
	snprintf(at, sizeof(at), "%s/nowhere/c", dir);
	refuse(&by_path, -ENOENT, at);
	assert_int_equal(err.kind, ERR_USER);
}

static void paths_have_a_length(void **state)
{
	char at[300];
	struct vm_config by_path = { .control = at };

	(void)state;
	memset(at, 'x', sizeof(at));
	at[0] = '/';
	at[108] = '\0';
	refuse(&by_path, -EINVAL, "107 bytes");
	setenv("XDG_RUNTIME_DIR", at, 1);
	refuse(&cfg, -EINVAL, "too long");
}

static void somebody_elses_file_is_left_alone(void **state)
{
	char at[64], lock[80], text[64] = "";
	struct vm_config by_path = { .control = at };
	FILE *file;

	(void)state;
	snprintf(at, sizeof(at), "%s/c", dir);
	snprintf(lock, sizeof(lock), "%s.lock", at);
	file = fopen(lock, "w");
	assert_non_null(file);
	fputs("what somebody has written here and wants to keep", file);
	fclose(file);
	refuse(&by_path, -EINVAL, "no lock file");
	file = fopen(lock, "r");
	assert_non_null(fgets(text, sizeof(text), file));
	assert_string_equal(text, "what somebody has written here and wants to keep");
	fclose(file);
	unlink(lock);
	assert_int_equal(symlink("/etc/passwd", lock), 0);
	refuse(&by_path, -ELOOP, lock);
	unlink(lock);
}

static void a_directory_of_others_is_refused(void **state)
{
	char sub[64];

	(void)state;
	snprintf(sub, sizeof(sub), "%s/vireo", dir);
	assert_int_equal(mkdir(sub, 0700), 0);
	assert_int_equal(chmod(sub, 0777), 0);
	refuse(&cfg, -EINVAL, "written by others");
	rmdir(sub);
	assert_int_equal(symlink("/tmp", sub), 0);
	refuse(&cfg, -EINVAL, "is none");
	unlink(sub);
}

static void without_a_directory_it_says_what_to_do(void **state)
{
	(void)state;
	setenv("XDG_RUNTIME_DIR", "/nowhere", 1);
	refuse(&cfg, -ENOENT, "--control PATH");
	assert_int_equal(err.kind, ERR_USER);
}

static void both_directories_are_looked_into(void **state)
{
	char directory[CONTROL_DIRECTORIES][UNIX_PATH_MAX_LENGTH + 1];

	(void)state;
	assert_int_equal(control_directories(directory), 2);
	expected[strlen(expected) - strlen("/web.sock")] = '\0';
	assert_string_equal(directory[0], expected);
	assert_string_equal(directory[1], "/run/vireo");
	/* A path that is not absolute counts as none. */
	setenv("XDG_RUNTIME_DIR", "relative", 1);
	assert_int_equal(control_directories(directory), 1);
	assert_string_equal(directory[0], "/run/vireo");
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(control_directories(directory), 1);
}

static void names_are_checked(void **state)
{
	static const char *const good[] = { "a", "web", "0-1_2.x", "abcdefghijklmnopqrstuvwxyz012345" };
	static const char *const bad[] = { "",
					   ".",
					   "..",
					   "-x",
					   "_x",
					   ".x",
					   "a/b",
					   "a b",
					   "a\n",
					   "\xc3\xa9",
					   "abcdefghijklmnopqrstuvwxyz0123456" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(config_name_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(config_name_ok(bad[i]));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_name_has_its_place),
		TEST(a_name_is_one_vms),
		TEST(what_a_dead_vm_left_is_taken_over),
		TEST(there_need_not_be_one),
		TEST(a_path_is_taken_as_it_is),
		TEST(paths_have_a_length),
		TEST(somebody_elses_file_is_left_alone),
		TEST(a_directory_of_others_is_refused),
		TEST(without_a_directory_it_says_what_to_do),
		TEST(both_directories_are_looked_into),
		TEST(names_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
