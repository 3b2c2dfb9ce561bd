// SPDX-License-Identifier: BSD-2-Clause
/* Firecracker's configuration file as a definition, as whatever writes such files gives it: tests/fuzz/config_fuzz.h. */
#include "tests/fuzz/config_fuzz.h"

static const char *const words[FUZZ_WORDS] = {
	"{",
	"}",
	"[",
	"]",
	",",
	":",
	"\"",
	"true",
	"false",
	"null",
	"1",
	"128",
	"99999999999999999999",
	"-1",
	"1e400",
	"\"/a\"",
	"\"boot-source\":{",
	"\"kernel_image_path\":\"/k\"",
	"\"initrd_path\":",
	"\"boot_args\":",
	"\"machine-config\":{",
	"\"vcpu_count\":",
	"\"mem_size_mib\":",
	"\"smt\":",
	"\"track_dirty_pages\":",
	"\"huge_pages\":\"2M\"",
	"\"cpu_template\":",
	"\"drives\":[{",
	"\"drive_id\":\"root\"",
	"\"path_on_host\":\"/d\"",
	"\"is_root_device\":true",
	"\"partuuid\":",
	"\"is_read_only\":",
	"\"cache_type\":\"Unsafe\"",
	"\"io_engine\":\"Async\"",
	"\"rate_limiter\":",
	"\"socket\":\"/s\"",
	"\"network-interfaces\":[{",
	"\"iface_id\":\"eth0\"",
	"\"host_dev_name\":\"tap0\"",
	"\"guest_mac\":\"06:00:AC:10:00:02\"",
	"\"pmem\":[{",
	"\"id\":\"p\"",
	"\"root_device\":true",
	"\"read_only\":true",
	"\"vsock\":{",
	"\"guest_cid\":3",
	"\"uds_path\":\"/v\"",
	"\"balloon\":{",
	"\"amount_mib\":64",
	"\"deflate_on_oom\":true",
	"\"stats_polling_interval_s\":",
	"\"free_page_reporting\":true",
	"\"entropy\":{}",
	"\"logger\":{",
	"\"level\":\"Debug\"",
	"\"show_level\":",
	"\"metrics\":",
	"}]",
	"},{",
	"\\u0000",
	"\\u001b[31m",
};

static int read_json(struct reading *r, char *text, size_t size)
{
	return config_read_firecracker(r, text, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_text text;
	unsigned int nr_words = 0;

	log_set_level(LOG_ERROR);
	while (words[nr_words])
		nr_words++;
	if (fuzz_config_text(&text, data, size, words, nr_words))
		fuzz_config_try(read_json, &text);
	return 0;
}
