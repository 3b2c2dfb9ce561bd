// SPDX-License-Identifier: BSD-2-Clause
/* Firecracker's configuration file as a definition: what becomes of each key, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/log.h"
#include "tests/unit/config_rig.h"

/* The value of a device's key as it would stand in a definition. */
static void assert_key(const struct vm_config *cfg, const char *kind, const char *id, const char *name,
		       const char *value)
{
	const struct device_kind *k = device_kind_by_name(kind);
	const struct device_config *dc = devices_find(cfg, k, id);
	const struct option *key = device_key(k, name);
	char text[OPTION_VALUE_MAX];

	assert_non_null(dc);
	assert_non_null(key);
	if (key->type == OPTION_TEXT || key->type == OPTION_FILE) {
		assert_string_equal(option_text(dc, key), value);
		return;
	}
	option_format(dc, key, text);
	assert_string_equal(text, value);
}

static void assert_cmdline(const struct vm_config *cfg, const char *expected)
{
	char *cmdline = config_cmdline(cfg);

	assert_string_equal(cmdline, expected);
	free(cmdline);
}

static void each_key_becomes_ours(void **state)
{
	struct vm_config cfg = accept_text(
		"\n {\"boot-source\": {\"kernel_image_path\": \"/k\", \"initrd_path\": \"/i\",\n"
		"\"boot_args\": \"console=ttyS0 panic=1\"},\n"
		"\"machine-config\": {\"vcpu_count\": 4, \"mem_size_mib\": 1024, \"smt\": false,\n"
		"\"track_dirty_pages\": false, \"huge_pages\": \"2M\", \"cpu_template\": \"None\"},\n"
		"\"network-interfaces\": [{\"iface_id\": \"eth0\", \"host_dev_name\": \"tap7\",\n"
		"\"guest_mac\": \"06:00:AC:10:00:02\"}, {\"iface_id\": \"eth1\", \"host_dev_name\": \"t\"}],\n"
		"\"vsock\": {\"guest_cid\": 7, \"uds_path\": \"/v\"},\n"
		"\"balloon\": {\"amount_mib\": 64, \"deflate_on_oom\": false, \"stats_polling_interval_s\": 5},\n"
		"\"entropy\": {},\n"
		"\"pmem\": [{\"id\": \"p\", \"path_on_host\": \"/p\", \"read_only\": true}],\n"
		"\"logger\": {\"level\": \"Debug\", \"show_level\": true, \"show_log_origin\": false}}\n");

	(void)state;
	assert_string_equal(cfg.kernel, "/k");
	assert_string_equal(cfg.initrd, "/i");
	assert_cmdline(&cfg, "console=ttyS0 panic=1");
	assert_int_equal(cfg.cpus, 4);
	assert_int_equal(cfg.memory, GIB);
	assert_int_equal(cfg.memory_backing, BACKING_HUGETLB);
	assert_key(&cfg, "net", "eth0", "tap", "tap7");
	assert_key(&cfg, "net", "eth0", "mac", "06:00:AC:10:00:02");
	assert_key(&cfg, "net", "eth1", "tap", "t");
	assert_key(&cfg, "vsock", "", "cid", "7");
	assert_key(&cfg, "vsock", "", "path", "/v");
	assert_key(&cfg, "balloon", "", "target", "64M");
	assert_key(&cfg, "balloon", "", "deflate-on-oom", "off");
	assert_key(&cfg, "balloon", "", "free-page-reporting", "off");
	assert_key(&cfg, "balloon", "", "stats", "5");
	assert_key(&cfg, "rng", "", "rate", "0");
	assert_key(&cfg, "pmem", "p", "path", "/p");
	assert_key(&cfg, "pmem", "p", "ro", "on");
	assert_string_equal(cfg.log, "debug");
	assert_survives_dump(&cfg);
	config_finish(&cfg);
}

#define DRIVES(drives) "{\"drives\": [" drives "]}"

/* Firecracker's defaults are other ones than ours. */
static void drives_are_disks(void **state)
{
	struct vm_config cfg = accept_text(
		DRIVES("{\"drive_id\": \"a\", \"path_on_host\": \"/a\", \"is_root_device\": false},"
		       "{\"drive_id\": \"b\", \"path_on_host\": \"/b\", \"is_root_device\": false, "
		       "\"is_read_only\": true, \"cache_type\": \"Writeback\", \"io_engine\": \"Async\", "
		       "\"rate_limiter\": null, \"socket\": null, \"partuuid\": null},"
		       "{\"drive_id\": \"c\", \"socket\": \"/c\", \"is_root_device\": false}"));

	(void)state;
	assert_key(&cfg, "disk", "a", "path", "/a");
	assert_key(&cfg, "disk", "a", "ro", "off");
	assert_key(&cfg, "disk", "a", "cache", "unsafe");
	assert_key(&cfg, "disk", "a", "aio", "threads");
	assert_key(&cfg, "disk", "b", "ro", "on");
	assert_key(&cfg, "disk", "b", "cache", "writeback");
	assert_key(&cfg, "disk", "b", "aio", "io_uring");
	assert_key(&cfg, "vhost-user-blk", "c", "socket", "/c");
	assert_int_equal(cfg.memory, 128 * MIB);
	assert_int_equal(cfg.cpus, 1);
	assert_cmdline(&cfg, "console=ttyS0");
	config_finish(&cfg);
}

static void the_root_device_comes_first_and_is_told_to_the_kernel(void **state)
{
	static const struct {
		const char *text, *first, *cmdline;
	} cases[] = {
		{ DRIVES("{\"drive_id\": \"a\", \"path_on_host\": \"/a\", \"is_root_device\": false},"
			 "{\"drive_id\": \"b\", \"path_on_host\": \"/b\", \"is_root_device\": true}"),
		  "b", "console=ttyS0 root=/dev/vda rw" },
		{ DRIVES("{\"drive_id\": \"b\", \"path_on_host\": \"/b\", \"is_root_device\": true, "
			 "\"is_read_only\": true, \"partuuid\": \"0eaa91a0-01\"}"),
		  "b", "console=ttyS0 root=PARTUUID=0eaa91a0-01 ro" },
		{ "{\"boot-source\": {\"kernel_image_path\": \"k\", \"boot_args\": \"quiet\"}, \"pmem\": [{\"id\": "
		  "\"a\", \"path_on_host\": \"/a\"}, {\"id\": \"b\", \"path_on_host\": \"/b\", \"root_device\": "
		  "true}]}",
		  "a", "quiet root=/dev/pmem1 rw" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm_config cfg = accept_text(cases[i].text);

		assert_string_equal(cfg.devices->id, cases[i].first);
		assert_cmdline(&cfg, cases[i].cmdline);
		config_finish(&cfg);
	}
}

static void the_command_line_adds_to_the_arguments(void **state)
{
	static const char text[] = DRIVES(
		"{\"drive_id\": \"a\", \"path_on_host\": \"/a\", \"is_root_device\": true}");
	struct vm_config cfg;
	char path[64];
	int fd = hold_bytes(text, sizeof(text) - 1, path);

	(void)state;
	cfg = RUN("-f", path, "-a", "quiet", "k");
	assert_cmdline(&cfg, "console=ttyS0 root=/dev/vda rw quiet");
	config_finish(&cfg);
	close(fd);
}

/* --- refusals --- */

static void refuse_json(const char *text, const char *part)
{
	struct vm_config cfg;
	struct err err;
	int ret = read_bytes(&cfg, text, strlen(text), &err);

	config_finish(&cfg);
	if (!ret)
		fail_msg("accepted: %s", text);
	assert_int_equal(ret, -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_true(is_one_line(err.text));
	assert_int_equal(strncmp(err.text, "/proc/self/fd/", 14), 0);
	assert_contains(err.text, part);
}

static void what_is_no_json_has_a_line(void **state)
{
	(void)state;
	refuse_json("{\n\"drives\": [}\n", ":2: no valid JSON: ");
	refuse_json("{\n\n\"a\": 1, \"a\": 2}", ":3: no valid JSON: ");
	refuse_json("{", ":1: no valid JSON: ");
	refuse_json("{}\n{}", ":2: no valid JSON: ");
	refuse_json("{\"a\": \"\\u0000\"}", ":1: no valid JSON: ");
	refuse_json("{\"a\": \"\xff\"}", ":1: no valid JSON: ");
	refuse_json("{\"a\": nul}", ":1: no valid JSON: ");
}

/* Wherever a key of each object's may stand, one that is none is refused by its whole name. */
static void unknown_keys_are_named(void **state)
{
	static const char *const objects[] = { "boot-source", "machine-config", "vsock",
					       "balloon",     "entropy",        "logger" };
	static const char *const lists[] = { "drives", "network-interfaces", "pmem" };
	char text[128], part[64];

	(void)state;
	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		snprintf(text, sizeof(text), "{\"%s\": {\"frob\": 1}}", objects[i]);
		snprintf(part, sizeof(part), ": key \"%s.frob\": unknown; allowed are ", objects[i]);
		refuse_json(text, part);
		snprintf(text, sizeof(text), "{\"%s\": []}", objects[i]);
		snprintf(part, sizeof(part), ": key \"%s\": an array is not allowed; allowed is an object",
			 objects[i]);
		refuse_json(text, part);
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		snprintf(text, sizeof(text), "{\"%s\": [{\"frob\": 1}]}", lists[i]);
		snprintf(part, sizeof(part), ": key \"%s[0].frob\": unknown; allowed are ", lists[i]);
		refuse_json(text, part);
		snprintf(text, sizeof(text), "{\"%s\": {}}", lists[i]);
		snprintf(part, sizeof(part), ": key \"%s\": an object is not allowed; allowed is an array",
			 lists[i]);
		refuse_json(text, part);
		snprintf(text, sizeof(text), "{\"%s\": [3]}", lists[i]);
		snprintf(part, sizeof(part), ": key \"%s[0]\": a whole number is not allowed", lists[i]);
		refuse_json(text, part);
	}
	refuse_json("{\"frob\": {}}", ": key \"frob\": unknown; allowed are boot-source");
}

static void what_there_is_not_is_said(void **state)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{ "{\"cpu-config\": {}}", "key \"cpu-config\": Vireo has no CPU templates" },
		{ "{\"metrics\": {\"metrics_path\": \"m\"}}", "key \"metrics\": " },
		{ "{\"mmds-config\": {}}", "key \"mmds-config\": " },
		{ "{\"memory-hotplug\": {}}", "key \"memory-hotplug\": " },
		{ "{\"machine-config\": {\"smt\": true}}",
		  "key \"machine-config.smt\": true is not allowed" },
		{ "{\"machine-config\": {\"track_dirty_pages\": true}}",
		  "key \"machine-config.track_dirty_pages\": true is not allowed" },
		{ "{\"machine-config\": {\"huge_pages\": \"1G\"}}",
		  "key \"machine-config.huge_pages\": \"1G\" is not allowed; allowed is \"None\", \"2M\"" },
		{ "{\"machine-config\": {\"cpu_template\": \"T2\"}}",
		  "key \"machine-config.cpu_template\": \"T2\" is not allowed" },
		{ "{\"machine-config\": {\"vcpu_count\": 0}}",
		  "key \"machine-config.vcpu_count\": \"0\" is not allowed" },
		{ "{\"machine-config\": {\"vcpu_count\": -1}}", "key \"machine-config.vcpu_count\": \"-1\"" },
		{ "{\"machine-config\": {\"vcpu_count\": \"2\"}}",
		  "key \"machine-config.vcpu_count\": a string is not allowed; allowed is a whole number" },
		{ "{\"machine-config\": {\"vcpu_count\": 1.5}}", "a fraction is not allowed" },
		{ "{\"machine-config\": {\"vcpu_count\": 2}}",
		  "key \"machine-config.mem_size_mib\": is missing" },
		{ "{\"machine-config\": {\"mem_size_mib\": 8}}",
		  "key \"machine-config.mem_size_mib\": \"8M\"" },
		{ "{\"boot-source\": {}}", "key \"boot-source.kernel_image_path\": is missing" },
		{ "{\"boot-source\": {\"boot_args\": 1}}", "key \"boot-source.boot_args\": a whole number" },
		{ "{\"logger\": {\"log_path\": \"l\"}}",
		  "key \"logger.log_path\": the log is standard error" },
		{ "{\"logger\": {\"level\": \"Off\"}}", "key \"logger.level\": \"Off\" is not allowed" },
		{ "{\"logger\": {\"show_level\": 1}}", "key \"logger.show_level\": a whole number" },
		{ "{\"logger\": {\"show_log_origin\": true}}",
		  "key \"logger.show_log_origin\": true is not allowed" },
		{ "{\"entropy\": {\"rate_limiter\": {}}}", "key \"entropy.rate_limiter\": " },
		{ "{\"vsock\": {\"guest_cid\": 2, \"uds_path\": \"v\"}}", "key \"vsock.guest_cid\": \"2\"" },
		{ "{\"vsock\": {\"guest_cid\": 3}}", "key \"vsock.uds_path\": is missing" },
		{ "{\"balloon\": {\"amount_mib\": 1}}", "key \"balloon.deflate_on_oom\": is missing" },
		{ "{\"balloon\": {\"free_page_hinting\": true}}", "key \"balloon.free_page_hinting\": true" },
		{ "{\"network-interfaces\": [{\"iface_id\": \"a\", \"rx_rate_limiter\": {}}]}",
		  "key \"network-interfaces[0].rx_rate_limiter\": Vireo does not limit rates" },
		{ DRIVES("{\"drive_id\": \"a b\"}"), "key \"drives[0].drive_id\": \"a b\" is not allowed" },
		{ DRIVES("{\"drive_id\": \"a\", \"is_root_device\": false}"),
		  "key \"drives[0].path_on_host\": is missing" },
		{ DRIVES("{\"drive_id\": \"a\", \"path_on_host\": \"/a\"}"),
		  "key \"drives[0].is_root_device\": is missing" },
		{ DRIVES("{\"drive_id\": \"a\", \"path_on_host\": \"/a\", \"is_root_device\": 1}"),
		  "key \"drives[0].is_root_device\": a whole number is not allowed" },
		{ DRIVES("{\"rate_limiter\": {}}"), "key \"drives[0].rate_limiter\": " },
		{ DRIVES("{\"io_engine\": \"Mad\"}"), "key \"drives[0].io_engine\": \"Mad\"" },
		{ DRIVES("{\"socket\": \"s\", \"path_on_host\": \"p\"}"),
		  "key \"drives[0].path_on_host\": not with socket" },
		{ DRIVES("{\"drive_id\": \"a\", \"path_on_host\": \"/a\", \"is_root_device\": true, "
			 "\"partuuid\": \"a b\"}"),
		  "key \"drives[0].partuuid\": " },
		{ DRIVES("{\"drive_id\": \"a\", \"path_on_host\": \"/a\", \"is_root_device\": true},"
			 "{\"drive_id\": \"b\", \"path_on_host\": \"/b\", \"is_root_device\": true}"),
		  "key \"drives[1].is_root_device\": there is a root device already" },
		{ DRIVES("{\"drive_id\": \"a\", \"path_on_host\": \"/a\", \"is_root_device\": false},"
			 "{\"drive_id\": \"a\", \"path_on_host\": \"/b\", \"is_root_device\": false}"),
		  "key \"drives[1]\": its id was given before" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refuse_json(cases[i].text, cases[i].part);
}

static unsigned int told;

static void count(const char *text)
{
	assert_true(is_one_line(text));
	told++;
}

static void all_mistakes_are_told(void **state)
{
	static const char text[] = "{\"frob\": 1, \"boot-source\": {\"boot_args\": 1, \"frob\": 2},\n"
				   "\"drives\": [{\"frob\": 1}, 2], \"vsock\": {}}";
	struct mistakes m = { .found = count };
	struct vm_config cfg;
	struct err err;
	char path[64];
	int fd = hold_bytes(text, sizeof(text) - 1, path);

	(void)state;
	told = 0;
	assert_int_equal(config_check_file(&cfg, path, &m, &err), 0);
	/* frob; boot_args, frob, no kernel; frob, three keys missing, 2; two keys missing. */
	assert_int_equal(told, 11);
	assert_int_equal(m.count, 11);
	config_finish(&cfg);
	close(fd);
}

/* Whatever is cut off or changed, the answer is one line or a definition. */
static void rubbish_is_survived(void **state)
{
	static const char good[] =
		"{\"boot-source\": {\"kernel_image_path\": \"k\"}, \"drives\": [{\"drive_id\": \"a\", "
		"\"path_on_host\": \"/a\", \"is_root_device\": true, \"socket\": null}], \"vsock\": {\"guest_cid\": "
		"3, \"uds_path\": \"v\"}, \"pmem\": [{\"id\": \"x\", \"path_on_host\": \"p\"}], \"logger\": "
		"{\"level\": \"info\"}}";
	struct rubbish r = { .state = 7 };
	struct tally t = { 0 };

	(void)state;
	for (int i = 0; i < 3000; i++) {
		size_t size = sizeof(good) - 1;
		char bytes[sizeof(good)];
		struct vm_config cfg;
		struct err err;

		memcpy(bytes, good, sizeof(good));
		if (i % 3 == 0)
			size = 1 + rubbish_below(&r, (uint32_t)size - 1);
		for (uint32_t n = rubbish_below(&r, 4); n; n--)
			bytes[1 + rubbish_below(&r, (uint32_t)sizeof(good) - 2)] =
				"{}[]\":,1tnx \xff"[rubbish_below(&r, 13)];
		tally(&t, read_bytes(&cfg, bytes, size, &err), &err);
		config_finish(&cfg);
	}
	assert_many_of_both(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_key_becomes_ours),
		cmocka_unit_test(drives_are_disks),
		cmocka_unit_test(the_root_device_comes_first_and_is_told_to_the_kernel),
		cmocka_unit_test(the_command_line_adds_to_the_arguments),
		cmocka_unit_test(what_is_no_json_has_a_line),
		cmocka_unit_test(unknown_keys_are_named),
		cmocka_unit_test(what_there_is_not_is_said),
		cmocka_unit_test(all_mistakes_are_told),
		cmocka_unit_test(rubbish_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
