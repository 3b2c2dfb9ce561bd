// SPDX-License-Identifier: BSD-2-Clause
/* Devices on the command line: how they are written, what they come to, what is refused and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/devices_rig.h"

/* --- the command line --- */

static void every_type_of_key_is_taken(void **state)
{
	struct vm_config cfg = RUN(
		"vmlinuz", "--disk",
		"/a,id=root,ro,cache=none,sync=unsafe,queues=2,rate=2M,base=0x10,serial=x y");
	const struct disk *disk = device(&cfg, 0, &disk_kind, "root");

	(void)state;
	assert_int_equal(count(&cfg), 1);
	assert_string_equal(disk->path, "/a");
	assert_string_equal(disk->serial, "x y");
	assert_true(disk->ro && disk->have_sync && disk->have_base);
	assert_int_equal(disk->cache, 1);
	assert_int_equal(disk->sync, 2);
	assert_int_equal(disk->queues, 2);
	assert_int_equal(disk->rate, 2 * MIB);
	assert_int_equal(disk->base, 0x10);
	config_finish(&cfg);
}

static void what_is_not_said_is_the_default(void **state)
{
	struct vm_config cfg = RUN("vmlinuz", "--disk=/a");
	const struct disk *disk = device(&cfg, 0, &disk_kind, "disk0");

	(void)state;
	assert_false(disk->ro || disk->have_sync || disk->have_base);
	assert_int_equal(disk->queues, 4);
	assert_int_equal(disk->rate, MIB);
	assert_null(disk->serial);
	config_finish(&cfg);
	cfg = RUN("vmlinuz");
	assert_null(cfg.devices);
	config_finish(&cfg);
}

static void flags_may_be_on_and_off(void **state)
{
	struct vm_config cfg = RUN("vmlinuz", "--disk", "/a,ro", "--disk", "/a,ro=on", "--disk", "/a,ro=off");

	(void)state;
	assert_true(((const struct disk *)device(&cfg, 0, &disk_kind, "disk0"))->ro);
	assert_true(((const struct disk *)device(&cfg, 1, &disk_kind, "disk1"))->ro);
	assert_false(((const struct disk *)device(&cfg, 2, &disk_kind, "disk2"))->ro);
	config_finish(&cfg);
	REFUSE("--disk: key \"ro\": \"yes\" is not allowed; allowed is on, off", "k", "--disk", "/a,ro=yes");
}

static void expect_path(const char *value, const char *path)
{
	struct vm_config cfg = RUN("vmlinuz", "--disk", value);

	assert_string_equal(((const struct disk *)device(&cfg, 0, &disk_kind, "disk0"))->path, path);
	config_finish(&cfg);
}

static void the_first_value_and_commas(void **state)
{
	(void)state;
	expect_path("a", "a");
	expect_path("path=a", "a");
	expect_path("a=b", "a=b");
	expect_path("./ro=b", "./ro=b");
	expect_path("a,,b", "a,b");
	expect_path(",,a,,,,b,,", ",a,,b,");
	expect_path("a,,,ro", "a,");
	expect_path("ro=on,path=a,,b", "a,b");
	expect_path("path=a=b", "a=b");
}

static void values_that_are_refused(void **state)
{
	(void)state;
	REFUSE("--disk: key \"cache\": \"foo\" is not allowed; allowed is writeback, none, unsafe", "k",
	       "--disk", "/a,cache=foo");
	REFUSE("--disk: key \"queues\": \"17\" is not allowed; allowed is a whole number from 1 to 16", "k",
	       "--disk", "/a,queues=17");
	REFUSE("--disk: key \"path\": \"\" is not allowed; allowed is the name of a file", "k", "--disk", "");
	REFUSE("--disk: key \"path\": \"\" is not allowed", "k", "--disk", ",ro");
	REFUSE("--disk: key \"path\": \"a?b\" is not allowed", "k", "--disk", "a\nb");
	REFUSE("--disk: needs a value: the name of a file", "k", "--disk");
	REFUSE("--disk: key \"cache\": needs a value: writeback, none, unsafe", "k", "--disk", "/a,cache");
	REFUSE("--disk: key \"cache\": \"\" is not allowed", "k", "--disk", "/a,cache=");
	REFUSE("--disk: key \"cache\": given twice", "k", "--disk", "/a,cache=none,cache=none");
	REFUSE("--disk: key \"path\": given twice", "k", "--disk", "/a,path=/b");
	/* A flag is no first value, but the name of a file. */
	REFUSE("--disk: key \"path\": given twice", "k", "--disk", "ro,path=/a");
	REFUSE("--disk: nothing between two commas or at an end", "k", "--disk", "/a,");
	REFUSE("--disk: nothing between two commas or at an end", "k", "--disk", "id=x,path=a,,,");
	REFUSE("--disk: key \"elsewhere\": exists on", "k", "--disk", "/a,elsewhere");
}

static void unknown_keys_name_the_nearest_and_all(void **state)
{
	(void)state;
	REFUSE("--disk: key \"cahce\": unknown; did you mean \"cache\"? Allowed are path, ro, cache, sync, "
	       "queues, rate, base, serial, id",
	       "k", "--disk", "/a,cahce=none");
	REFUSE("--disk: key \"b.img\": unknown; allowed are path, ro, cache, sync, queues, rate, base, serial, "
	       "id; a comma in a value is written \",,\"",
	       "k", "--disk", "/a,b.img");
	REFUSE("--rng: key \"source\": unknown; allowed are rate, id", "k", "--rng=source=/dev/random");
	REFUSE("--disk: key \"\": unknown", "k", "--disk", "/a,=x");
	REFUSE("unknown option \"--disc\"; did you mean --disk?", "k", "--disc", "x");
	/* What this platform has not is not what was meant. */
	REFUSE("unknown option \"--foreing\"; \"vireo help run\" lists them all", "k", "--foreing");
	REFUSE("--foreign: exists on ", "k", "--foreign");
	refuse_args(COMMAND_PROBE, "--rng: is not an option of \"vireo probe\" but of \"vireo run\"",
		    ARGS("--rng"));
}

static void a_kind_without_a_first_value_takes_no_argument(void **state)
{
	struct vm_config cfg = RUN("--rng", "vmlinuz");

	(void)state;
	assert_string_equal(cfg.kernel, "vmlinuz");
	assert_int_equal(((const struct rng *)device(&cfg, 0, &rng_kind, "rng0"))->rate, 0);
	config_finish(&cfg);
	cfg = RUN("--rng=rate=7,id=x", "vmlinuz");
	assert_int_equal(((const struct rng *)device(&cfg, 0, &rng_kind, "x"))->rate, 7);
	config_finish(&cfg);
	REFUSE("--rng: nothing between", "k", "--rng=");

	/* The next argument is its value if it can be nothing else. */
	cfg = RUN("--rng", "rate=8,id=y", "vmlinuz");
	assert_int_equal(((const struct rng *)device(&cfg, 0, &rng_kind, "y"))->rate, 8);
	assert_string_equal(cfg.kernel, "vmlinuz");
	config_finish(&cfg);
	cfg = RUN("--rng", "./rate=8");
	assert_string_equal(cfg.kernel, "./rate=8");
	assert_int_equal(((const struct rng *)device(&cfg, 0, &rng_kind, "rng0"))->rate, 0);
	config_finish(&cfg);
	cfg = RUN("--rng", "id=z", "rate=8"); /* the kernel, of an odd name */
	assert_string_equal(cfg.kernel, "rate=8");
	config_finish(&cfg);
	REFUSE("--rng: given twice; once is allowed", "k", "--rng", "--rng=id=b");
}

static void ids(void **state)
{
	struct vm_config cfg = RUN("k", "--disk", "/a", "--disk", "/b,id=disk0", "--disk", "/c", "--share",
				   "/d,id=disk0", "--disk", "id=A-z_0.9,path=/e");

	(void)state;
	assert_int_equal(count(&cfg), 5);
	/* The ones without an id get what none has; ids of two kinds have nothing to do with each other. */
	device(&cfg, 0, &disk_kind, "disk1");
	device(&cfg, 1, &disk_kind, "disk0");
	device(&cfg, 2, &disk_kind, "disk2");
	device(&cfg, 3, &share_kind, "disk0");
	device(&cfg, 4, &disk_kind, "A-z_0.9");
	config_finish(&cfg);

	cfg = RUN("k", "--disk", "/a,id=12345678901234567890123456789012");
	config_finish(&cfg);
	REFUSE("--disk: key \"id\": \"123456789012345678901234567890123\" is not allowed; allowed is 1 to 32 "
	       "letters, digits, \"-\", \"_\" and \".\"",
	       "k", "--disk", "/a,id=123456789012345678901234567890123");
	REFUSE("--disk: key \"id\": \"a b\" is not allowed", "k", "--disk", "/a,id=a b");
	REFUSE("--disk: key \"id\": \"\" is not allowed", "k", "--disk", "/a,id=");
	REFUSE("--disk: key \"id\": \"\xc3\xa4\" is not allowed", "k", "--disk", "/a,id=\xc3\xa4");
	REFUSE("--disk: key \"id\": needs a value: 1 to 32", "k", "--disk", "/a,id");
	REFUSE("--disk: key \"id\": given twice", "k", "--disk", "/a,id=a,id=a");
	REFUSE("--disk: key \"id\": \"a\" given twice; each disk has an id of its own", "k", "--disk",
	       "/a,id=a", "--disk", "/b,id=a");
}

static void keys_are_checked_together_at_the_end(void **state)
{
	(void)state;
	REFUSE("disk x: no path; it is an image that it needs", "k", "--disk", "id=x");
	REFUSE("disk disk0: no path", "k", "--disk", "ro=on");
}

static void errors_of_a_device_name_it(void **state)
{
	struct device_config dc = { .kind = &disk_kind, .id = "root" };
	struct err err;

	(void)state;
	assert_int_equal(device_error(&err, &dc, "%d wrong", 1), -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_string_equal(err.text, "disk root: 1 wrong");
	assert_int_equal(device_host_error(&err, &dc, ENOSPC, "open %s", "x"), -ENOSPC);
	assert_int_equal(err.kind, ERR_HOST);
	assert_string_equal(err.text, "disk root: open x: No space left on device");
}

/* --- memory --- */

static enum kvm_ram_backing backing(struct vm_config cfg)
{
	enum kvm_ram_backing ram = config_memory_backing(&cfg);

	config_finish(&cfg);
	return ram;
}

static void memory_is_shareable_where_a_device_shares_it(void **state)
{
	(void)state;
	assert_int_equal(backing(RUN("k")), KVM_RAM_ANONYMOUS);
	assert_int_equal(backing(RUN("k", "--rng")), KVM_RAM_ANONYMOUS);
	assert_int_equal(backing(RUN("k", "--rng", "--share", "/d")), KVM_RAM_MEMFD);
	assert_int_equal(backing(RUN("k", "--memory-backing", "auto", "--share", "/d")), KVM_RAM_MEMFD);
	assert_int_equal(backing(RUN("k", "--memory-backing", "memfd")), KVM_RAM_MEMFD);
	assert_int_equal(backing(RUN("k", "--memory-backing", "anonymous")), KVM_RAM_ANONYMOUS);
	assert_int_equal(backing(RUN("k", "--memory-backing", "hugetlb", "--share", "/d")), KVM_RAM_HUGETLB);
	REFUSE("memory-backing: anonymous is not allowed with share src, which shares the guest's memory",
	       "k", "--memory-backing", "anonymous", "--share", "/d,id=src");
}

/* --- rubbish --- */

static const char *const pieces[] = {
	"/a",   ",",  ",,",      "=",      "path=/p", ",id=a",     ",id=",      "ro",           ",ro=off",
	"id=",  "x",  ",cache=", "none",   "unsafe",  ",queues=2", ",rate=1K",  ",base=0x10",   ",serial=",
	"\xff", "\n", ",path=",  ",local", "rate=3",  "",          ",id=disk1", ",serial=a\tb",
};

static void any_value_is_taken_or_refused_in_one_line(void **state)
{
	static const char *const options[] = { "--disk", "--share", "--rng" };
	struct rubbish r = { .state = 0x5649524f44455649 };
	struct tally t = { 0 };

	(void)state;
	for (int round = 0; round < 4000; round++) {
		char arg[3][300];
		struct vm_config cfg;
		struct err err;

		for (int i = 0; i < 3; i++) {
			int len = snprintf(arg[i], sizeof(arg[i]), "%s=", options[rubbish_below(&r, 3)]);

			make_text(&r, pieces, NR(pieces), 6, arg[i] + len, sizeof(arg[i]) - (size_t)len);
		}
		tally(&t,
		      parse_args(&cfg, COMMAND_RUN, ARGS("/k", arg[0], round % 2 ? arg[1] : "--cpus=1"),
				 &err),
		      &err);
		config_finish(&cfg);
	}
	assert_many_of_both(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_of_key_is_taken),
		cmocka_unit_test(what_is_not_said_is_the_default),
		cmocka_unit_test(flags_may_be_on_and_off),
		cmocka_unit_test(the_first_value_and_commas),
		cmocka_unit_test(values_that_are_refused),
		cmocka_unit_test(unknown_keys_name_the_nearest_and_all),
		cmocka_unit_test(a_kind_without_a_first_value_takes_no_argument),
		cmocka_unit_test(ids),
		cmocka_unit_test(keys_are_checked_together_at_the_end),
		cmocka_unit_test(errors_of_a_device_name_it),
		cmocka_unit_test(memory_is_shareable_where_a_device_shares_it),
		cmocka_unit_test(any_value_is_taken_or_refused_in_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
