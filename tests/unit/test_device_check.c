// SPDX-License-Identifier: BSD-2-Clause
/* What the kinds of devices refuse that their keys by themselves would allow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/config_rig.h"

static void test_tags_of_shares(void **state)
{
	struct vm_config cfg;

	(void)state;
	cfg = RUN("k", "--share", "/a", "--share", "/b,tag=b", "--port", "b,file=f", "--share", "/c,id=c");
	config_finish(&cfg);
	REFUSE("share one: tag: \"src\" is that of share two, too; give one of them another by tag=TAG", "k",
	       "--share", "/a,tag=src,id=one", "--share", "/b,tag=src,id=two");
	/* Without a tag it is the id. */
	REFUSE("share src: tag: \"src\" is that of share share0, too", "k", "--share", "/a,id=src", "--rng",
	       "--share", "/b,tag=src");
	REFUSE("share share0: tag: \"src\" is that of share src, too", "k", "--share", "/a,tag=src",
	       "--share", "/b,id=src");
}

/* unix(7): sun_path has 108 bytes, of which one ends it; a vsock's has to leave room for "_4294967295". */
static const struct {
	const char *option, *before, *named;
	int most;
} sockets[] = {
	{ "--net", "socket=", "--net: key \"socket\"", 107 },
	{ "--vsock", "3,path=", "--vsock: key \"path\"", 96 },
	{ "--share", "tag=t,socket=", "--share: key \"socket\"", 107 },
	{ "--port", "agent,socket=", "--port: key \"socket\"", 107 },
	{ "--vhost-user-blk", "", "--vhost-user-blk: key \"socket\"", 107 },
	{ "--vhost-user-net", "socket=", "--vhost-user-net: key \"socket\"", 107 },
	{ "--serial", "socket=", "--serial", 107 },
	{ "--hvc", "socket=", "--hvc", 107 },
	{ "--control", "", "--control", 107 },
};

static void test_paths_of_sockets(void **state)
{
	char value[140], line[300];
	struct vm_config cfg;

	(void)state;
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		snprintf(value, sizeof(value), "%s/%0*d", sockets[i].before, sockets[i].most - 1, 0);
		cfg = RUN("k", sockets[i].option, value);
		config_finish(&cfg);
		snprintf(value, sizeof(value), "%s/%0*d", sockets[i].before, sockets[i].most, 0);
		snprintf(line, sizeof(line),
			 "%s: \"/%0*d\" is too long; allowed is a path of at most %d bytes", sockets[i].named,
			 sockets[i].most, 0, sockets[i].most);
		REFUSE(line, "k", sockets[i].option, value);
	}
	/* No other path is as short as that. */
	snprintf(value, sizeof(value), "file=/%0120d", 0);
	cfg = RUN("k", "--serial", value);
	config_finish(&cfg);
}

static void test_target_of_a_balloon(void **state)
{
	struct vm_config cfg = RUN("k", "-m", "256M", "--balloon", "target=256M");

	(void)state;
	config_finish(&cfg);
	REFUSE("balloon balloon0: target: 5000M is not allowed; allowed is at most the guest's memory, 256M",
	       "k", "-m", "256M", "--balloon", "target=5000M");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tags_of_shares),
		cmocka_unit_test(test_paths_of_sockets),
		cmocka_unit_test(test_target_of_a_balloon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
