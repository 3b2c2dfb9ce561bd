// SPDX-License-Identifier: BSD-2-Clause
/* The definition file: what it says, what it is refused for and where, and the dump of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "tests/unit/config_rig.h"
#include "vmm/options.h"

/* --- what is read --- */

static void every_key_is_read(void **state)
{
	struct vm_config cfg = accept_text("# a VM\n"
					   "[machine]\n"
					   "cpus = 4\n"
					   "memory = 2G\n"
					   "irqchip = auto\n"
					   "on-reboot = restart\n"
					   "timeout = 90\n"
					   "stop-timeout = 7\n"
					   "\n"
					   "[boot]\n"
					   "kernel = /boot/vmlinuz\n"
					   "initrd = /boot/initrd.img\n"
					   "append = quiet splash\n"
					   "cmdline = console=ttyS0 root=/dev/vda\n"
					   "; done\n"
					   "[console]\n"
					   "console = null\n");

	(void)state;
	assert_int_equal(cfg.cpus, 4);
	assert_int_equal(cfg.memory, 2 * GIB);
	assert_int_equal(cfg.irqchip, CHOOSE_AUTO);
	assert_int_equal(cfg.on_reboot, ON_REBOOT_RESTART);
	assert_int_equal(cfg.timeout, 90);
	assert_int_equal(cfg.stop_timeout, 7);
	assert_string_equal(cfg.kernel, "/boot/vmlinuz");
	assert_string_equal(cfg.initrd, "/boot/initrd.img");
	assert_string_equal(cfg.append, "quiet splash");
	assert_string_equal(cfg.cmdline, "console=ttyS0 root=/dev/vda");
	assert_int_equal(cfg.console, CONSOLE_NULL);
	config_finish(&cfg);
}

static void what_is_not_said_stays_default(void **state)
{
	struct vm_config cfg = accept_text(""), defaults;

	(void)state;
	config_init(&defaults);
	assert_same_vm(&cfg, &defaults);
	config_finish(&cfg);
	cfg = accept_text("\n# nothing\n[machine]\n[boot]\n[machine]\n");
	assert_same_vm(&cfg, &defaults);
	config_finish(&cfg);
	config_finish(&defaults);
}

static void expect_cpus(const char *text, size_t size, unsigned int cpus)
{
	struct vm_config cfg = accept_bytes(text, size);

	assert_int_equal(cfg.cpus, cpus);
	config_finish(&cfg);
}

#define EXPECT_CPUS(text, cpus) expect_cpus(text, sizeof(text) - 1, cpus)

static void lines_may_be_written_in_many_ways(void **state)
{
	(void)state;
	EXPECT_CPUS("[machine]\ncpus=3\n", 3);
	EXPECT_CPUS("[machine]\n\t cpus \t=\t 3 \t\n", 3);
	EXPECT_CPUS("  [ machine ]  # the machine\ncpus = 3", 3);
	EXPECT_CPUS("[machine]\r\ncpus = 3\r\n\r\n", 3);
	EXPECT_CPUS("[machine]\r\ncpus = 3\r", 3);
	EXPECT_CPUS("\xef\xbb\xbf[machine]\ncpus = 3\n", 3);
	EXPECT_CPUS("[machine]\ncpus = \"3\"\n", 3);
	EXPECT_CPUS("[machine]\ncpus = 3 # three\n", 3);
	EXPECT_CPUS("[machine]\ncpus = 3\t; three\n", 3);
	EXPECT_CPUS("[machine]\ncpus = \"3\" # three\n", 3);
	EXPECT_CPUS("[machine]\n#cpus = 2\n;cpus = 2\ncpus = 3\n", 3);
	EXPECT_CPUS("[machine]\n[boot]\n[machine]\ncpus = 3\n", 3);
}

static void expect_append(const char *value, const char *expected)
{
	char text[256];
	struct vm_config cfg;

	snprintf(text, sizeof(text), "[boot]\nappend = %s\n", value);
	cfg = accept_text(text);
	assert_string_equal(cfg.append, expected);
	config_finish(&cfg);
}

static void refuse_append(const char *value, const char *part)
{
	char text[256];

	snprintf(text, sizeof(text), "[boot]\nappend = %s\n", value);
	refuse_text(text, 2, part);
}

static void values_quotes_and_comments(void **state)
{
	(void)state;
	expect_append("a  b", "a  b");
	expect_append("a=b", "a=b");
	expect_append("a#b;c", "a#b;c");
	expect_append("a #b", "a");
	expect_append("a ;b", "a");
	expect_append("back\\slash", "back\\slash");
	expect_append("x=\"a b\" y", "x=\"a b\" y");
	expect_append("\"\"", "");
	expect_append("\" a # b \"", " a # b ");
	expect_append("\"say \\\"hi\\\" \\\\ twice\"", "say \"hi\" \\ twice");
	expect_append("\"x\"   ; comment", "x");
	expect_append("\"x\"# comment", "x");

	refuse_append("\"never closed", "key \"append\": the closing \" is missing");
	refuse_append("\"ends in \\\"", "key \"append\": the closing \" is missing");
	refuse_append("\"bad \\n\"", "key \"append\": in quotes, \\ stands only before");
	refuse_append("\"a\" b", "key \"append\": \"b\" follows the closing \"");
	refuse_append("x=\"a # b\"", "key \"append\": a \" has no partner");
	refuse_append("", "key \"append\": has no value; allowed is a text");
	refuse_append("# comment", "key \"append\": has no value");
}

static void a_kernel_line_may_be_long_but_a_line_has_an_end(void **state)
{
	static char text[20000];
	struct vm_config cfg;
	int start = snprintf(text, sizeof(text), "[boot]\nappend = \"");

	(void)state;
	/* The longest text, each byte escaped. */
	for (int i = 0; i < OPTION_STRING_MAX; i++)
		memcpy(text + start + 2 * i, "\\\"", 2);
	strcpy(text + start + 2 * OPTION_STRING_MAX, "\"\n");
	cfg = accept_text(text);
	assert_int_equal(strlen(cfg.append), OPTION_STRING_MAX);
	config_finish(&cfg);

	memset(text + start, 'x', 16384);
	strcpy(text + start + 16384, "\"\n");
	refuse_text(text, 2, "a line may have 16384");
}

/* --- what is refused, and where --- */

static void refusals_name_line_key_and_what_is_allowed(void **state)
{
	(void)state;
	refuse_text("[machine]\n\ncpus = many\n", 3,
		    "key \"cpus\": \"many\" is not allowed; allowed is a whole number from 1 to ");
	refuse_text("[machine]\ncpus = 0\n", 2, "key \"cpus\": \"0\" is not allowed");
	refuse_text("[machine]\nmemory = 256MB\n", 2,
		    "key \"memory\": \"256MB\" is not allowed; allowed is a size");
	refuse_text("[machine]\nirqchip = none\n", 2,
		    "key \"irqchip\": \"none\" is not allowed; allowed is auto");
	refuse_text("[machine]\non-reboot = halt\n", 2,
		    "key \"on-reboot\": \"halt\" is not allowed; allowed is exit, restart");
	refuse_text("[machine]\ntimeout = -1\n", 2, "key \"timeout\": \"-1\" is not allowed");
	refuse_text("[machine]\ncpus =\n", 2,
		    "key \"cpus\": has no value; allowed is a whole number from 1 to");
	refuse_text("[boot]\nkernel = \"\"\n", 2,
		    "key \"kernel\": \"\" is not allowed; allowed is the name of a file");
	refuse_text("[machine]\ncpus = 2\nmemory = 1G\ncpus = 3\n", 4,
		    "key \"cpus\": given before, in line 2");
	refuse_text("[boot]\nappend = a\nappend = b\n", 3, "key \"append\": given before, in line 2");
}

static void keys_that_do_not_belong(void **state)
{
	(void)state;
	refuse_text("[machine]\nmemmory = 1G\n", 2, "key \"memmory\": unknown; did you mean \"memory\"?");
	refuse_text("[machine]\nvcpus = 1\n", 2, "key \"vcpus\": unknown; did you mean \"cpus\"?");
	refuse_text("[machine]\nCPUS = 1\n", 2, "key \"CPUS\": unknown; did you mean \"cpus\"?");
	refuse_text("[machine]\nfrobnicate = 1\n", 2, "key \"frobnicate\": unknown; allowed are");
	refuse_text("[machine]\n= 1\n", 2, "key \"\": unknown");
	/* Options of the command line alone are no keys. */
	refuse_text("[log]\noutput = x\n", 2, "key \"output\": unknown");
	refuse_text("[machine]\nconfig = x\n", 2, "key \"config\": unknown");
	refuse_text("[machine]\ndry-run = yes\n", 2, "key \"dry-run\": unknown");
	refuse_text("# a\ncpus = 2\n", 2, "key \"cpus\": stands before any section; put it under [machine]");
	refuse_text("[boot]\ncpus = 2\n", 2,
		    "key \"cpus\": is not in section [boot]; put it under [machine]");
}

static void lines_that_are_none(void **state)
{
	(void)state;
	refuse_text("[machine]\ncpus\n", 2, "\"cpus\": allowed are [section], key = value, and # comment");
	refuse_text("[machin]\n", 1, "section \"machin\": unknown; allowed are [boot], [machine], [console]");
	refuse_text("[]\n", 1, "section \"\": unknown");
	refuse_text("[tape root]\n", 1, "section \"tape root\": unknown");
	refuse_text("[machine\n", 1, "\"[machine\": a section needs a closing ]");
	refuse_text("[machine] cpus = 1\n", 1, "\"cpus = 1\": only a comment may follow a section");
}

static void what_is_no_text(void **state)
{
	static const char nul[] = "[machine]\ncpus = 2\0\n", utf16[] = "[\0m\0a\0",
			  elf[] = "\x7f"
				  "ELF\x02\x01\x01";

	(void)state;
	refuse_bytes(nul, sizeof(nul) - 1, 2, "control character 0x00; a definition file is plain text");
	refuse_bytes(utf16, sizeof(utf16) - 1, 1, "control character 0x00");
	refuse_bytes(elf, sizeof(elf) - 1, 1, "control character 0x7f");
	refuse_text("[machine]\ncpus = \x1b[2J2\n", 2, "control character 0x1b");
	refuse_text("[machine]\rcpus = 2\n", 1, "control character 0x0d");
}

static void files_that_cannot_be_read(void **state)
{
	static char big[(256 << 10) + 1];
	struct vm_config cfg;
	struct err err;

	(void)state;
	REFUSE("definition file \"/no/such/file\": No such file or directory", "-f", "/no/such/file",
	       "vmlinuz");
	REFUSE("definition file \"/\": is a directory; give the file itself", "-f", "/", "vmlinuz");
	REFUSE("--config: \"\" is not allowed", "-f", "", "vmlinuz");
	/* Endless, and one byte too many. */
	REFUSE("definition file \"/dev/zero\": larger than 262144 bytes", "-f", "/dev/zero", "vmlinuz");
	memset(big, '\n', sizeof(big));
	assert_int_equal(read_bytes(&cfg, big, sizeof(big), &err), -EINVAL);
	assert_contains(err.text, "larger than");
	config_finish(&cfg);
	assert_int_equal(read_bytes(&cfg, big, sizeof(big) - 1, &err), 0);
	config_finish(&cfg);
}

/* Root may read everything, and becomes someone else for the moment. */
static void a_file_without_the_right_to_read(void **state)
{
	bool root = !geteuid();
	struct vm_config cfg;
	struct err err;
	char path[64];
	int fd = hold_bytes("", 0, path), ret;

	(void)state;
	assert_int_equal(fchmod(fd, 0), 0);
	if (root && seteuid(65534)) {
		close(fd);
		puts("SKIP definition file without the right to read it: root cannot become another user here");
		skip();
	}
	config_init(&cfg);
	ret = config_read_file(&cfg, path, &err);
	if (root) {
		assert_int_equal(seteuid(0), 0);
		prctl(PR_SET_DUMPABLE, 1); /* the change of user has cleared it, and the sanitizers need it */
	}
	close(fd);
	assert_int_equal(ret, -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_contains(err.text, path);
	assert_contains(err.text, "Permission denied");
	config_finish(&cfg);
}

/* --- with the command line --- */

static struct vm_config with_file(const char *text, const char *const *rest)
{
	const char *args[16] = { "vmlinuz", "-f" };
	struct vm_config cfg;
	char path[64];
	int fd = hold_bytes(text, strlen(text), path);

	args[2] = path;
	for (int i = 0; rest[i]; i++)
		args[3 + i] = rest[i];
	cfg = accept_args(COMMAND_RUN, args);
	assert_string_equal(cfg.config_file, path);
	close(fd);
	return cfg;
}

#define FILE_TEXT \
	"[machine]\ncpus = 2\nmemory = 1G\n[boot]\nkernel = /k\nappend = quiet\n[console]\nconsole = null\n"

static void the_command_line_beats_the_file(void **state)
{
	struct vm_config cfg = with_file(FILE_TEXT,
					 ARGS("-c", "1", "-a", "x", "-a", "y", "--console=serial"));

	(void)state;
	assert_int_equal(cfg.cpus, 1);
	assert_int_equal(cfg.memory, GIB);
	assert_string_equal(cfg.kernel, "vmlinuz");
	assert_string_equal(cfg.append, "x y");
	assert_int_equal(cfg.console, CONSOLE_SERIAL);
	config_finish(&cfg);
}

static void the_kernel_may_come_from_the_file(void **state)
{
	struct vm_config cfg;
	char path[64];
	int fd = hold_bytes(FILE_TEXT, sizeof(FILE_TEXT) - 1, path);

	(void)state;
	cfg = RUN("-c2", "-f", path);
	assert_string_equal(cfg.kernel, "/k");
	config_finish(&cfg);
	close(fd);
}

static void expect_cmdline(struct vm_config cfg, const char *expected)
{
	char *cmdline = config_cmdline(&cfg);

	assert_string_equal(cmdline, expected);
	free(cmdline);
	config_finish(&cfg);
}

static void command_lines_of_both(void **state)
{
	static const char append[] = "[boot]\nappend = quiet\n",
			  cmdline[] = "[boot]\ncmdline = root=/dev/vda\n";

	(void)state;
	expect_cmdline(with_file(append, ARGS("-c1")), "console=ttyS0 quiet");
	expect_cmdline(with_file(append, ARGS("-a", "debug")), "console=ttyS0 debug");
	/* --cmdline replaces it all. */
	expect_cmdline(with_file(append, ARGS("--cmdline", "x")), "x");
	expect_cmdline(with_file(append, ARGS("-a", "debug", "--cmdline", "x")), "x debug");
	expect_cmdline(with_file(cmdline, ARGS("-a", "debug")), "root=/dev/vda debug");
	expect_cmdline(with_file(cmdline, ARGS("--cmdline", "x")), "x");
}

static void a_mistake_in_the_file_is_one_even_if_the_command_line_beats_it(void **state)
{
	char path[64];
	int fd = hold_bytes("[machine]\ncpus = 0\n", 19, path);

	(void)state;
	REFUSE(":2: key \"cpus\"", "vmlinuz", "-f", path, "-c", "1");
	close(fd);
}

/* --- paths --- */

/* A directory of its own, with a definition in a directory below. */
struct place {
	char dir[256], below[280], file[300];
};

static void make_place(struct place *p, const char *text)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	snprintf(p->dir, sizeof(p->dir), "%.200s/vireo-test-XXXXXX", tmp && *tmp ? tmp : P_tmpdir);
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->below, sizeof(p->below), "%s/vms", p->dir);
	assert_int_equal(mkdir(p->below, 0700), 0);
	snprintf(p->file, sizeof(p->file), "%s/vm.conf", p->below);
	fd = open(p->file, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void remove_place(const struct place *p)
{
	unlink(p->file);
	rmdir(p->below);
	assert_int_equal(rmdir(p->dir), 0);
}

static void paths_in_a_file_start_from_its_directory(void **state)
{
	struct place p;
	struct vm_config cfg, again;
	struct err err;
	char *home = getcwd(NULL, 0), *here, *text, expected[400];

	(void)state;
	make_place(&p, "[boot]\nkernel = linux/vmlinuz\ninitrd = /abs\nappend = a/b\n");
	assert_non_null(home);

	cfg = RUN("-f", p.file);
	snprintf(expected, sizeof(expected), "%s/linux/vmlinuz", p.below);
	assert_string_equal(cfg.kernel, expected);
	assert_string_equal(cfg.initrd, "/abs");
	assert_string_equal(cfg.append, "a/b");
	config_finish(&cfg);

	/* Named from where we are, it is still its directory; our own paths start here. */
	assert_int_equal(chdir(p.dir), 0);
	cfg = RUN("-f", "vms/vm.conf", "-i", "initrd");
	assert_string_equal(cfg.kernel, "vms/linux/vmlinuz");
	assert_string_equal(cfg.initrd, "initrd");

	/* A dump is good anywhere. */
	text = config_dump(&cfg, &err);
	assert_non_null(text);
	here = getcwd(NULL, 0);
	assert_int_equal(chdir("/"), 0);
	again = accept_text(text);
	snprintf(expected, sizeof(expected), "%s/vms/linux/vmlinuz", here);
	assert_string_equal(again.kernel, expected);
	snprintf(expected, sizeof(expected), "%s/initrd", here);
	assert_string_equal(again.initrd, expected);
	free(text);
	config_finish(&again);
	config_finish(&cfg);

	assert_int_equal(chdir(p.below), 0);
	cfg = RUN("-f", "vm.conf");
	assert_string_equal(cfg.kernel, "linux/vmlinuz");
	config_finish(&cfg);

	assert_int_equal(chdir(home), 0);
	remove_place(&p);
	free(here);
	free(home);
}

/* --- dump --- */

static void a_dump_has_every_key_and_reads_back(void **state)
{
	struct vm_config cfg;
	struct err err;
	char *text;

	(void)state;
	config_init(&cfg);
	text = config_dump(&cfg, &err);
	assert_non_null(text);
	for (const struct option *opt = option_table; opt->name; opt++) {
		char line[64];

		if (!opt->section || !option_is_for_host(opt))
			continue;
		snprintf(line, sizeof(line), "%s =", opt->name);
		assert_contains(text, line);
	}
	assert_contains(text, "memory = 256M  ");
	assert_contains(text, "cmdline = \"console=ttyS0\"  ");
	free(text);
	assert_survives_dump(&cfg);

	cfg = RUN("/vmlinuz", "-i", "/a \"b\"\\c#d ;e", "-c2", "-m", "65540K", "-a", " x=\"a b\" # y ",
		  "--cmdline", "a\tb", "--timeout=7", "--on-reboot=restart", "--console=null");
	assert_survives_dump(&cfg);
	config_finish(&cfg);
	cfg = RUN("/vmlinuz", "--cmdline", "", "-a", "");
	assert_survives_dump(&cfg);
	config_finish(&cfg);
}

static void a_path_that_fits_no_line_is_not_dumped(void **state)
{
	struct vm_config cfg = RUN("vmlinuz");
	struct err err = { .text = "" };
	char *home = getcwd(NULL, 0), dir[256];

	(void)state;
	assert_non_null(home);
	snprintf(dir, sizeof(dir), "%.200s/vireo\n[boot]-XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : P_tmpdir);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_null(config_dump(&cfg, &err));
	assert_true(is_one_line(err.text));
	assert_contains(err.text, "--kernel");
	/* Nor one that starts in a directory that is gone. */
	assert_int_equal(rmdir(dir), 0);
	assert_null(config_dump(&cfg, &err));
	assert_int_equal(err.kind, ERR_HOST);
	assert_contains(err.text, "current directory");
	assert_int_equal(chdir(home), 0);
	config_finish(&cfg);
	free(home);
}

/* --- rubbish --- */

static const char *const pieces[] = {
	"[machine]\n",
	"[boot]\n",
	"[console]\n",
	"[",
	"]",
	"\n",
	"\r\n",
	" = ",
	"=",
	"\"",
	"\\",
	"\\\"",
	"# c",
	" ; c",
	" ",
	"\t",
	"cpus = 2\n",
	"memory = 64M\n",
	"memory",
	"kernel = /k\n",
	"kernel = \"/k k\"\n",
	"append = a b\n",
	"append",
	"cmdline = \"x\"\n",
	"console = null\n",
	"timeout = 5\n",
	"irqchip = auto\n",
	"gic-irqs = 96\n",
	"on-reboot",
	"exit",
	"2",
	"0x1000",
	"K",
	"\xef\xbb\xbf",
	"\xff",
	"\x01",
	"x",
};

/* A definition put together from pieces, in which some bytes are then changed. */
static size_t make_definition(struct rubbish *r, char *text, size_t room)
{
	uint32_t count = rubbish_below(r, 12), changes = rubbish_below(r, 4) ? 0 : rubbish_below(r, 4);
	size_t size = 0;

	while (count--) {
		const char *piece = pieces[rubbish_below(r, sizeof(pieces) / sizeof(pieces[0]))];
		size_t len = strlen(piece);

		if (size + len > room)
			break;
		memcpy(text + size, piece, len);
		size += len;
	}
	while (size && changes--)
		text[rubbish_below(r, (uint32_t)size)] = (char)rubbish_below(r, 256);
	return size;
}

static void any_bytes_are_a_definition_or_refused_in_one_line(void **state)
{
	struct rubbish r = { .state = 0x5649524f434f4e46 };
	struct tally t = { 0 };

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct vm_config cfg;
		struct err err;
		char bytes[512];
		size_t size;

		if (round % 4) {
			size = make_definition(&r, bytes, sizeof(bytes));
		} else {
			size = rubbish_below(&r, sizeof(bytes));
			for (size_t i = 0; i < size; i++)
				bytes[i] = (char)rubbish_below(&r, 256);
		}
		if (tally(&t, read_bytes(&cfg, bytes, size, &err), &err))
			assert_survives_dump(&cfg);
		config_finish(&cfg);
	}
	assert_many_of_both(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(what_is_not_said_stays_default),
		cmocka_unit_test(lines_may_be_written_in_many_ways),
		cmocka_unit_test(values_quotes_and_comments),
		cmocka_unit_test(a_kernel_line_may_be_long_but_a_line_has_an_end),
		cmocka_unit_test(refusals_name_line_key_and_what_is_allowed),
		cmocka_unit_test(keys_that_do_not_belong),
		cmocka_unit_test(lines_that_are_none),
		cmocka_unit_test(what_is_no_text),
		cmocka_unit_test(files_that_cannot_be_read),
		cmocka_unit_test(a_file_without_the_right_to_read),
		cmocka_unit_test(the_command_line_beats_the_file),
		cmocka_unit_test(the_kernel_may_come_from_the_file),
		cmocka_unit_test(command_lines_of_both),
		cmocka_unit_test(a_mistake_in_the_file_is_one_even_if_the_command_line_beats_it),
		cmocka_unit_test(paths_in_a_file_start_from_its_directory),
		cmocka_unit_test(a_dump_has_every_key_and_reads_back),
		cmocka_unit_test(a_path_that_fits_no_line_is_not_dumped),
		cmocka_unit_test(any_bytes_are_a_definition_or_refused_in_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
