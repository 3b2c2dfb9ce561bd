// SPDX-License-Identifier: BSD-2-Clause
/* Devices in a definition file: its sections, together with the command line, dumped, and in the help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/devices_rig.h"
#include "vmm/outfile.h"

/* --- the definition file --- */

static void sections_have_the_same_keys(void **state)
{
	struct vm_config cfg = accept_text("[disk root]\n"
					   "path = /a,b # no comma is special here\n"
					   "ro = on\n"
					   "cache = unsafe\n"
					   "sync = none\n"
					   "queues = 3\n"
					   "rate = 4K\n"
					   "base = 32\n"
					   "serial = \" s \"\n"
					   "[machine]\n"
					   "cpus = 3\n"
					   "[ disk\t data ] ; more\n"
					   "path = /b\n"
					   "[rng]\n"
					   "[disk]\n"
					   "path = /c\n"
					   "[boot]\n"
					   "kernel = /k\n");
	const struct disk *disk = device(&cfg, 0, &disk_kind, "root");

	(void)state;
	assert_int_equal(count(&cfg), 4);
	assert_string_equal(disk->path, "/a,b");
	assert_true(disk->ro);
	assert_int_equal(disk->cache, 2);
	assert_int_equal(disk->sync, 1);
	assert_int_equal(disk->queues, 3);
	assert_int_equal(disk->rate, 4096);
	assert_int_equal(disk->base, 32);
	assert_string_equal(disk->serial, " s ");
	assert_string_equal(((const struct disk *)device(&cfg, 1, &disk_kind, "data"))->path, "/b");
	device(&cfg, 2, &rng_kind, "rng0");
	assert_string_equal(((const struct disk *)device(&cfg, 3, &disk_kind, "disk0"))->path, "/c");
	assert_int_equal(cfg.cpus, 3);
	assert_string_equal(cfg.kernel, "/k");
	config_finish(&cfg);
}

static void sections_that_are_refused(void **state)
{
	(void)state;
	refuse_text("[disk root]\n[rng]\n[disk root]\n", 3,
		    "section [disk root]: given before, in line 1; each has an ID of its own");
	refuse_text("[disk]\n\n[disk]\n", 3,
		    "section [disk]: given before, in line 1; give each an ID, as in [disk root]");
	refuse_text("\n[rng]\n[rng a]\n", 3,
		    "section [rng a]: given before, in line 2; a VM has one at most");
	refuse_text("[disk a b]\n", 1,
		    "section [disk ID]: \"a b\" is not allowed; allowed is 1 to 32 letters");
	refuse_text("[disk 123456789012345678901234567890123]\n", 1, "is not allowed");
	refuse_text("[foreign x]\n", 1, "section [foreign]: exists on ");
	refuse_text(
		"[disc root]\n", 1,
		"section \"disc root\": unknown; allowed are [boot], [machine], [console], [log], [smoke], [disk ID], "
		"[foreign ID], [rng], [share ID]");
	refuse_text("[disks]\n", 1, "section \"disks\": unknown");
	refuse_text("[machine x]\n", 1, "section \"machine x\": unknown");
}

static void keys_that_are_refused(void **state)
{
	(void)state;
	refuse_text("[disk root]\npath = /a\ncache = foo\n", 3,
		    "key \"cache\": \"foo\" is not allowed; allowed is writeback, none, unsafe");
	refuse_text("[disk root]\ncahce = none\n", 2,
		    "key \"cahce\": unknown; did you mean \"cache\"? Allowed are path, ro, cache, sync, "
		    "queues, rate, base, serial");
	refuse_text("[rng]\nsource = x\n", 2, "key \"source\": unknown; allowed are rate");
	refuse_text("[disk root]\nid = x\n", 2, "key \"id\": stands in the section's line: [disk ID]");
	refuse_text("[disk root]\ncpus = 2\n", 2,
		    "key \"cpus\": is not in section [disk ID]; put it under [machine]");
	refuse_text("[machine]\npath = x\n", 2, "key \"path\": unknown");
	refuse_text("[disk root]\nro = on\n\nro = off\n", 4, "key \"ro\": given before, in line 2");
	refuse_text("[disk root]\nelsewhere = on\n", 2, "key \"elsewhere\": exists on ");
	refuse_text("[disk root]\nqueues =\n", 2, "key \"queues\": has no value; allowed is a whole number");
	refuse_text("[disk root]\nro =\n", 2, "key \"ro\": has no value; allowed is on, off");
}

static void each_device_has_its_keys_once(void **state)
{
	struct vm_config cfg = accept_text("[disk a]\nqueues = 1\n[disk b]\nqueues = 2\n");

	(void)state;
	assert_int_equal(((const struct disk *)device(&cfg, 0, &disk_kind, "a"))->queues, 1);
	assert_int_equal(((const struct disk *)device(&cfg, 1, &disk_kind, "b"))->queues, 2);
	config_finish(&cfg);
}

/* --- both --- */

#define FILE_TEXT "[disk a]\npath = a\nro = on\n[rng]\nrate = 5\n[disk]\npath = /plain\n"

static void the_command_line_adds_and_replaces(void **state)
{
	const struct disk *disk;
	struct vm_config cfg;
	char path[64];
	int fd = hold_bytes(FILE_TEXT, sizeof(FILE_TEXT) - 1, path);

	(void)state;
	cfg = RUN("k", "--disk", "/new", "-f", path);
	assert_int_equal(count(&cfg), 4);
	disk = device(&cfg, 0, &disk_kind, "a");
	assert_string_equal(disk->path, "/proc/self/fd/a");
	device(&cfg, 1, &rng_kind, "rng0");
	device(&cfg, 2, &disk_kind, "disk0");
	disk = device(&cfg, 3, &disk_kind, "disk1");
	assert_string_equal(disk->path, "/new");
	config_finish(&cfg);

	/* All of the file's device goes, and its place is kept: that is what the guest counts. */
	cfg = RUN("k", "--rng", "--disk", "b,id=a", "-f", path, "--disk", "c,id=disk0");
	assert_int_equal(count(&cfg), 3);
	disk = device(&cfg, 0, &disk_kind, "a");
	assert_string_equal(disk->path, "b");
	assert_false(disk->ro);
	assert_int_equal(((const struct rng *)device(&cfg, 1, &rng_kind, "rng0"))->rate, 0);
	assert_string_equal(((const struct disk *)device(&cfg, 2, &disk_kind, "disk0"))->path, "c");
	config_finish(&cfg);

	REFUSE("--disk: key \"id\": \"a\" given twice", "k", "-f", path, "--disk", "b,id=a", "--disk",
	       "c,id=a");
	REFUSE("--rng: given twice", "k", "-f", path, "--rng", "--rng");
	close(fd);
}

/* --- dump, help, output files --- */

static void a_dump_has_every_device_and_reads_back(void **state)
{
	struct vm_config cfg = RUN("/k", "--disk",
				   "/a,,b \"x\" # y,id=root,cache=none,serial=", "--rng=rate=9", "--disk",
				   "/c,ro,sync=none,rate=3K,base=0x40", "--share", "/d,local");
	struct err err;
	char *dump = config_dump(&cfg, &err), *text;

	(void)state;
	assert_non_null(dump);
	text = without_sources(dump);
	free(dump);
	assert_contains(text,
			"\n[disk root]\npath = \"/a,b \\\"x\\\" # y\"\nro = off\ncache = none\n# sync =\n"
			"queues = 4\nrate = 1M\n# base =\nserial = \"\"\n");
	assert_contains(text, "\n[rng rng0]\nrate = 9\n");
	assert_contains(text, "\n[disk disk0]\n");
	assert_null(strstr(text, "elsewhere"));
	free(text);
	assert_survives_dump(&cfg);
	config_finish(&cfg);
}

static void paths_of_devices_are_dumped_in_full(void **state)
{
	struct vm_config cfg = RUN("/k", "--disk", "a"), again;
	struct err err;
	char *text = config_dump(&cfg, &err), *here = getcwd(NULL, 0), *expected;

	(void)state;
	assert_non_null(text);
	again = accept_text(text);
	assert_true(asprintf(&expected, "%s/a", here) > 0);
	assert_string_equal(((const struct disk *)device(&again, 0, &disk_kind, "disk0"))->path, expected);
	config_finish(&again);
	config_finish(&cfg);
	free(expected);
	free(here);
	free(text);
}

static void the_help_lists_kinds_and_keys(void **state)
{
	const char *text = help_text("run");

	(void)state;
	assert_contains(text, "\nDevices.");
	assert_contains(text,
			"\n      --disk FILE[,KEY=VALUE]...\n                          a disk; may repeat\n");
	assert_contains(text, "\n      --rng[=KEY=VALUE[,KEY=VALUE]...]\n");
	assert_contains(text, "\n                          random numbers; once\n");
	assert_contains(text, "\n          ro              not to be written\n");
	assert_contains(text,
			"\n          cache=writeback|none|unsafe\n                          how to cache "
			"(default writeback)\n");
	assert_contains(text, "\n          queues=N        number of queues (default 4)\n");
	assert_contains(text, "\n          base=ADDR       an address\n");
	assert_contains(text, "\n          dax             a flag that is on by default (default on)\n");
	assert_contains(text, " only: what this platform has not; may repeat\n");
	while (*text) {
		const char *end = strchr(text, '\n');

		assert_non_null(end);
		assert_true(end - text <= 80);
		text = end + 1;
	}
}

static void a_device_s_file_is_not_written_over(void **state)
{
	char path[] = "/tmp/vireo-test-XXXXXX";
	struct outfile out;
	struct vm_config cfg;
	struct err err;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	cfg = RUN("/k", "--disk", "/nowhere", "--disk", path);
	assert_int_equal(outfile_open(&out, "--trace", path, &cfg, &err), -EINVAL);
	assert_contains(err.text, "that is the file of --disk");
	config_finish(&cfg);
	close(fd);
	unlink(path);
}

/* --- rubbish --- */

static const char *const lines[] = {
	"[disk a]\n",
	"[disk]\n",
	"[disk disk0]\n",
	"[rng]\n",
	"[rng r]\n",
	"[share s]\n",
	"[machine]\n",
	"[boot]\n",
	"path = /a\n",
	"ro = on\n",
	"queues = 2\n",
	"rate = 8K\n",
	"cache = none\n",
	"sync = unsafe\n",
	"base = 0x20\n",
	"serial = \" q\\\" \"\n",
	"dir = /d\n",
	"local = on\n",
	"cpus = 2\n",
	"[disk",
	" = ",
	"\n",
	"id = x\n",
	"[foreign]\n",
};

static void any_definition_is_taken_or_refused_in_one_line(void **state)
{
	struct rubbish r = { .state = 0x5649524f53454354 };
	struct tally t = { 0 };

	(void)state;
	for (int round = 0; round < 4000; round++) {
		struct vm_config cfg;
		struct err err;
		char text[512];

		make_text(&r, lines, NR(lines), 7, text, sizeof(text));
		if (tally(&t, read_bytes(&cfg, text, strlen(text), &err), &err))
			assert_survives_dump(&cfg);
		config_finish(&cfg);
	}
	assert_many_of_both(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_have_the_same_keys),
		cmocka_unit_test(sections_that_are_refused),
		cmocka_unit_test(keys_that_are_refused),
		cmocka_unit_test(each_device_has_its_keys_once),
		cmocka_unit_test(the_command_line_adds_and_replaces),
		cmocka_unit_test(a_dump_has_every_device_and_reads_back),
		cmocka_unit_test(paths_of_devices_are_dumped_in_full),
		cmocka_unit_test(the_help_lists_kinds_and_keys),
		cmocka_unit_test(a_device_s_file_is_not_written_over),
		cmocka_unit_test(any_definition_is_taken_or_refused_in_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
