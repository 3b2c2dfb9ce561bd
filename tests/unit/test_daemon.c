// SPDX-License-Identifier: BSD-2-Clause
/*
 * Programs that work for a device, with real ones: how they are found, started, heard and ended, and
 * what is left when they die. Nothing is timed: each test waits for what must come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "host/daemon.h"
#include "tests/unit/fake.h"
#include "tests/unit/loop_turn.h"

static struct loop loop;
static struct err err;
static struct daemon *d;
static int wait_status;
static unsigned int ends;
static bool have_pidfds;

static void exited(void *ctx, int status)
{
	assert_ptr_equal(ctx, &loop);
	wait_status = status;
	ends++;
	loop_stop(&loop);
}

#define SHELL(...) ((char *const[]){ "sh", "-c", __VA_ARGS__, NULL })

static struct daemon_config config_of(char *const *argv)
{
	return (struct daemon_config){
		.name = "share src",
		.argv = argv,
		.keep_fd = -1,
		.exited = exited,
		.ctx = &loop,
	};
}

static void start(char *const *argv)
{
	struct daemon_config config = config_of(argv);

	assert_int_equal(daemon_start(&d, &loop, &config, &err), 0);
}

static int setup(void **state)
{
	int self = pidfd_open(getpid(), 0);

	(void)state;
	have_pidfds = self >= 0;
	if (have_pidfds)
		close(self);
	ends = 0;
	d = NULL;
	err.text[0] = '\0';
	return loop_init(&loop, &err);
}

static void need_pidfds(void)
{
	if (!have_pidfds) {
		puts("SKIP a daemon: no pidfd_open() here (valgrind 3.19 does not know it)");
		skip();
	}
}

/* No test leaves a child behind, a zombie neither. */
static int teardown(void **state)
{
	(void)state;
	loop_finish(&loop);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	return 0;
}

static void test_end_is_noticed(void **state)
{
	(void)state;
	need_pidfds();
	start(SHELL("exit 3"));
	assert_int_equal(loop_run(&loop, &err), 0);
	assert_int_equal(ends, 1);
	assert_true(WIFEXITED(wait_status));
	assert_int_equal(WEXITSTATUS(wait_status), 3);
	daemon_stop(d);
}

/* Everything that is logged from here to hear(). */
static FILE *log_file;
static int log_saved;

static void listen_to_log(void)
{
	log_file = tmpfile();
	log_saved = dup(STDERR_FILENO);
	assert_non_null(log_file);
	assert_true(dup2(fileno(log_file), STDERR_FILENO) >= 0);
	log_set_level(LOG_INFO);
}

static char *hear(void)
{
	static char text[1 << 20];
	size_t len;

	log_set_level(LOG_WARN);
	assert_true(dup2(log_saved, STDERR_FILENO) >= 0);
	close(log_saved);
	rewind(log_file);
	len = fread(text, 1, sizeof(text) - 1, log_file);
	text[len] = '\0';
	fclose(log_file);
	return text;
}

static unsigned int lines_of(const char *text)
{
	unsigned int lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

static void test_the_log_says_how_it_ended(void **state)
{
	(void)state;
	need_pidfds();
	listen_to_log();
	start(SHELL("echo first; echo 'no such file' >&2; kill -KILL $$"));
	assert_int_equal(loop_run(&loop, &err), 0);
	assert_string_equal(hear(), "vireo: info: share src: first\n"
				    "vireo: info: share src: no such file\n"
				    "vireo: warn: share src: its program was ended by signal 9 (Killed); "
				    "its last words: no such file\n");
	assert_true(WIFSIGNALED(wait_status));
	daemon_stop(d);
}

/* One line says how it ended and what that means for the guest. */
static void test_the_log_says_what_is_lost(void **state)
{
	struct daemon_config config = config_of(SHELL("exit 3"));

	(void)state;
	config.loss = "from now on its requests fail";
	need_pidfds();
	listen_to_log();
	assert_int_equal(daemon_start(&d, &loop, &config, &err), 0);
	assert_int_equal(loop_run(&loop, &err), 0);
	assert_string_equal(hear(), "vireo: warn: share src: its program has ended with status 3; "
				    "from now on its requests fail\n");
	daemon_stop(d);
}

/* Neither lines without an end nor lines without number, nor what a terminal would obey. */
static void test_output_is_bounded(void **state)
{
	char *text, *end;

	(void)state;
	need_pidfds();
	listen_to_log();
	start(SHELL("head -c 100000 /dev/zero | tr '\\0' x; printf '\\033[2J\\n'; seq 100000"));
	assert_int_equal(loop_run(&loop, &err), 0);
	text = hear();
	assert_true(lines_of(text) < 250);
	assert_null(strchr(text, '\033'));
	for (; *text; text = end + 1) {
		end = strchr(text, '\n');
		assert_true(end - text < 400);
	}
	daemon_stop(d);
}

/* It would have been blocked by a full pipe, and can be stopped all the same. */
static void test_stop_in_the_middle_of_output(void **state)
{
	(void)state;
	need_pidfds();
	start(SHELL("exec yes"));
	daemon_stop(d);
	assert_int_equal(ends, 0);
}

/* It ends, and not by a stop, but nobody is surprised. */
static void test_expected_end(void **state)
{
	siginfo_t info;

	(void)state;
	need_pidfds();
	listen_to_log();
	start(SHELL("exit 3"));
	daemon_expect_end(d);
	assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
	loop_turn(&loop);
	assert_string_equal(hear(), "");
	daemon_stop(d);
	assert_int_equal(ends, 0);
}

static void test_stop_of_one_that_runs(void **state)
{
	(void)state;
	need_pidfds();
	start(SHELL("exec sleep 1000"));
	daemon_stop(d);
	assert_int_equal(ends, 0);
}

static void test_stop_of_one_that_ignores_sigterm(void **state)
{
	struct daemon_config config;
	char command[200], byte;
	int pipes[2];

	(void)state;
	need_pidfds();
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	snprintf(command, sizeof(command),
		 "trap '' TERM; echo >/proc/self/fd/%d; while :; do sleep 1000; done", pipes[1]);
	config = config_of(SHELL(command));
	config.keep_fd = pipes[1];
	assert_int_equal(daemon_start(&d, &loop, &config, &err), 0);
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &byte, 1), 1); /* now it ignores the signal */
	daemon_stop(d);
	assert_int_equal(read(pipes[0], &byte, 1), 0); /* nobody holds the pipe, its children neither */
	close(pipes[0]);
	assert_int_equal(ends, 0);
}

/* Dead before anybody looked. */
static void test_stop_of_one_that_died(void **state)
{
	siginfo_t info;

	(void)state;
	need_pidfds();
	start(SHELL("exit 0"));
	assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
	daemon_stop(d);
	assert_int_equal(ends, 0);
	daemon_stop(NULL);
}

static void stop_it(void *ctx, int status)
{
	exited(ctx, status);
	daemon_stop(d);
}

static void test_stop_from_its_own_callback(void **state)
{
	struct daemon_config config = config_of(SHELL("exit 1"));

	(void)state;
	need_pidfds();
	config.exited = stop_it;
	assert_int_equal(daemon_start(&d, &loop, &config, &err), 0);
	assert_int_equal(loop_run(&loop, &err), 0);
	assert_int_equal(ends, 1);
}

/* Only what it shall have: an empty stdin, its output, and that one descriptor. */
static void test_descriptors(void **state)
{
	char command[200], answer[200];
	int pair[2], leaked;
	struct daemon_config config;

	(void)state;
	need_pidfds();
	leaked = open("/dev/zero", O_RDONLY); /* without O_CLOEXEC */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	snprintf(command, sizeof(command),
		 "cd /proc/self/fd && test -S %d && ! test -e %d && ! test -e %d && cat && echo fine",
		 pair[1], pair[0], leaked);
	config = config_of(SHELL(command));
	config.keep_fd = pair[1];
	assert_int_equal(daemon_ask(&config, answer, sizeof(answer), &err), 0);
	assert_string_equal(answer, "fine\n");
	close(pair[0]);
	close(pair[1]);
	close(leaked);
}

/* This program ignores SIGPIPE and blocks those that it reads from a signalfd. */
static void test_signals_are_as_usual(void **state)
{
	struct daemon_config config = config_of(SHELL("grep -E 'Sig(Blk|Ign)' /proc/self/status"));
	unsigned long long blocked, ignored;
	sigset_t set, before;
	char answer[200];

	(void)state;
	need_pidfds();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &before);
	assert_int_equal(daemon_ask(&config, answer, sizeof(answer), &err), 0);
	assert_int_equal(sscanf(answer, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
	assert_int_equal(blocked, 0);
	assert_int_equal(ignored & 1ULL << (SIGPIPE - 1), 0); /* two are the C library's own */
	sigprocmask(SIG_SETMASK, NULL, &set);
	assert_true(sigismember(&set, SIGTERM)); /* and here as they were */
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGPIPE, SIG_DFL);
}

/* What it may not change it cannot, though it is root; and only it finds the directory so. */
static void test_read_only_directory(void **state)
{
	char dir[] = "/tmp/vireo-daemon-XXXXXX", file[64], command[200], answer[200];
	struct daemon_config config = config_of(SHELL(command));

	(void)state;
	need_pidfds();
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/file", dir);
	snprintf(command, sizeof(command), "touch %s 2>&1 | grep -o 'Read-only.*'; touch /tmp/. && echo done",
		 file);
	config.read_only = dir;
	config.fake_root = geteuid() != 0;
	if (daemon_ask(&config, answer, sizeof(answer), &err) < 0) {
		printf("SKIP a read-only directory: %s\n", err.text);
		rmdir(dir);
		skip();
	}
	assert_string_equal(answer, "Read-only file system\ndone\n");
	close(open(file, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(unlink(file), 0);
	config.read_only = "/nonexistent";
	assert_int_equal(daemon_ask(&config, answer, sizeof(answer), &err), -ENOENT);
	assert_non_null(strstr(err.text, "share src: mounting the directory read-only for /"));
	rmdir(dir);
}

static void test_user_namespace(void **state)
{
	struct daemon_config config = config_of(SHELL("id -u; cat /proc/self/uid_map | tr -s ' '"));
	char answer[200], expected[64];

	(void)state;
	need_pidfds();
	config.fake_root = true;
	if (daemon_ask(&config, answer, sizeof(answer), &err) < 0) {
		printf("SKIP a user namespace: %s\n", err.text);
		skip();
	}
	snprintf(expected, sizeof(expected), "0\n 0 %u 1\n", (unsigned int)geteuid());
	assert_string_equal(answer, expected);
}

/* setgroups(2) fails in a user namespace that gave it up: to the program it must not seem so. */
static void test_user_namespace_lets_groups_be_dropped(void **state)
{
	struct daemon_config config = config_of(
		SHELL("setpriv --clear-groups true && echo dropped; cat /proc/self/setgroups"));
	char answer[200];

	(void)state;
	need_pidfds();
	config.fake_root = true;
	if (daemon_ask(&config, answer, sizeof(answer), &err) < 0) {
		printf("SKIP groups in a user namespace: %s\n", err.text);
		skip();
	}
	assert_string_equal(answer, "dropped\ndeny\n");
}

static void test_last_words(void **state)
{
	siginfo_t info;

	(void)state;
	need_pidfds();
	start(SHELL("echo one; printf two"));
	assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
	assert_string_equal(daemon_last_words(d), "two");
	daemon_stop(d);
}

static void test_not_installed(void **state)
{
	struct daemon_config config = config_of((char *const[]){ "no-such-daemon", NULL });

	(void)state;
	config.hint = "apt install no-such";
	assert_int_equal(daemon_start(&d, &loop, &config, &err), -ENOENT);
	assert_string_equal(err.text,
			    "share src: cannot find the program no-such-daemon (in PATH, "
			    "/usr/lib/qemu, /usr/libexec, /usr/lib, /usr/sbin); apt install no-such");
}

static void test_cannot_be_run(void **state)
{
	char path[] = "/tmp/vireo-daemon-XXXXXX";
	struct daemon_config config = config_of((char *const[]){ path, NULL });
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, "\177ELF", 4), 4);
	assert_int_equal(fchmod(fd, 0700), 0);
	close(fd);
	assert_int_equal(daemon_start(&d, &loop, &config, &err), -ENOEXEC);
	assert_non_null(strstr(err.text, "share src: starting /tmp/vireo-daemon-"));
	assert_non_null(strstr(err.text, "Exec format error"));
	unlink(path);
}

static void test_find(void **state)
{
	char path[200], dir[] = "/tmp/vireo-daemon-XXXXXX", program[64], *before = strdup(getenv("PATH"));

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(program, sizeof(program), "%s/tool", dir);
	close(open(program, O_CREAT | O_WRONLY, 0600));
	setenv("PATH", dir, 1);
	assert_int_equal(daemon_find(path, sizeof(path), "tool"), -ENOENT); /* not executable */
	assert_int_equal(daemon_find(path, sizeof(path), program), -ENOENT);
	assert_int_equal(chmod(program, 0700), 0);
	assert_int_equal(daemon_find(path, sizeof(path), "tool"), 0);
	assert_string_equal(path, program);
	assert_int_equal(daemon_find(path, sizeof(path), program), 0);
	assert_string_equal(path, program);
	assert_int_equal(daemon_find(path, 8, "tool"), -ENAMETOOLONG);
	setenv("PATH", "::/nowhere:", 1);
	assert_int_equal(daemon_find(path, sizeof(path), "tool"), -ENOENT);
	setenv("PATH", before, 1);
	free(before);
	unlink(program);
	rmdir(dir);
}

static void test_answers_are_bounded(void **state)
{
	struct daemon_config config = config_of(SHELL("seq 1000"));
	char answer[10];

	(void)state;
	need_pidfds();
	assert_int_equal(daemon_ask(&config, answer, sizeof(answer), &err), 0);
	assert_string_equal(answer, "1\n2\n3\n4\n5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_end_is_noticed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_log_says_how_it_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_log_says_what_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_output_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_in_the_middle_of_output, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expected_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_of_one_that_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_of_one_that_ignores_sigterm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_of_one_that_died, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_from_its_own_callback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signals_are_as_usual, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_only_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_user_namespace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_user_namespace_lets_groups_be_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_installed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cannot_be_run, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers_are_bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
