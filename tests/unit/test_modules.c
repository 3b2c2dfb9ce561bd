// SPDX-License-Identifier: BSD-2-Clause
/* Which modules are loaded, in which order; which kernel a file is. */
#include "tests/unit/packer.h"

#include <stdio.h>
#include <unistd.h>

#include "boot/modules.h"
#include "boot/release.h"
#include "tests/unit/file_rig.h"

static char dir[64], path[96];
static struct modules m;
static struct err err;

static void write_file(const char *name, const void *data, size_t size)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file_rig_write(path, data, size);
}

static void write_text(const char *name, const char *text)
{
	write_file(name, text, strlen(text));
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/vireo-modules.XXXXXX");
	assert_non_null(mkdtemp(dir));
	m = (struct modules){ 0 };
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "modules.dep", "modules.builtin", "kernel" };

	(void)state;
	modules_finish(&m);
	for (unsigned int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static int add(const char *name)
{
	return modules_add(&m, dir, "6.1.0-test", name, &err);
}

static void assert_order(const char *const *names, unsigned int count)
{
	assert_int_equal(m.path.count, count);
	for (unsigned int i = 0; i < count; i++)
		assert_string_equal(m.path.text[i], names[i]);
}

/* modules.dep(5): what is needed stands behind the colon, what is to be loaded first at the end. */
static void dependencies_come_first(void **state)
{
	static const char *const order[] = { "kernel/a/ring.ko.xz", "kernel/a/virtio.ko.xz",
					     "kernel/b/virtio_mmio.ko.xz", "kernel/b/other.ko",
					     "kernel/c/virtio_console.ko.zst" };

	(void)state;
	write_text(
		"modules.dep",
		"kernel/x/virtio_mmio_not.ko:\n"
		"kernel/a/ring.ko.xz:\n"
		"kernel/a/virtio.ko.xz: kernel/a/ring.ko.xz\n"
		"kernel/b/virtio_mmio.ko.xz: kernel/a/virtio.ko.xz kernel/a/ring.ko.xz\n"
		"kernel/c/virtio_console.ko.zst: kernel/b/other.ko kernel/a/virtio.ko.xz kernel/a/ring.ko.xz\n"
		"kernel/b/other.ko:");
	write_text("modules.builtin", "kernel/fs/fuse/fuse.ko\n");
	assert_int_equal(add("virtio_mmio"), 0);
	assert_int_equal(add("virtio-console"), 0); /* "-" is "_" */
	assert_int_equal(add("virtio_mmio"), 0);    /* once */
	assert_int_equal(add("fuse"), 0);           /* needs no file */
	assert_order(order, 5);
}

static void what_is_not_there_is_an_error_that_says_where(void **state)
{
	(void)state;
	write_text("modules.dep", "kernel/virtio.ko:\nkernel/virtio.kox:\nkernel/notoverlay.ko:\n");
	write_text("modules.builtin", "");
	assert_int_equal(add("overlay"), -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_non_null(strstr(err.text, "6.1.0-test"));
	assert_non_null(strstr(err.text, "overlay"));
	assert_non_null(strstr(err.text, dir));
	assert_int_equal(m.path.count, 0);
}

static void no_directory_at_all(void **state)
{
	(void)state;
	assert_int_equal(add("overlay"), -EINVAL);
	assert_non_null(strstr(err.text, "6.1.0-test"));
	assert_non_null(strstr(err.text, "modules.dep"));
	assert_non_null(strstr(err.text, "--modules DIR"));
}

/* --- which kernel it is --- */

static char release[RELEASE_MAX + 1];

static int release_of(const void *data, size_t size)
{
	write_file("kernel", data, size);
	memset(release, 0, sizeof(release));
	return kernel_release(path, release, &err);
}

/* Linux, Documentation/arch/x86/boot.rst: the offset of the text, less 0x200. */
static void a_bzimage_says_it_in_its_header(void **state)
{
	uint8_t image[8192] = { 0 };

	(void)state;
	memcpy(image + 0x202, "HdrS", 4);
	image[0x20f] = 0x10; /* 0x1000 */
	strcpy((char *)image + 0x1200, "6.1.0-56-cloud-amd64 (someone@somewhere) #1 SMP");
	assert_int_equal(release_of(image, sizeof(image)), 0);
	assert_string_equal(release, "6.1.0-56-cloud-amd64");
	/* One that points behind the file's end is none. */
	image[0x20f] = 0x7f;
	assert_int_equal(release_of(image, sizeof(image)), -EINVAL);
	assert_non_null(strstr(err.text, "--modules none"));
}

static void an_image_says_it_in_its_banner(void **state)
{
	static const char text[] = "....Linux version %s (%s)....Linux version 6.12.1-arm64 (gcc) #1....";
	static const char cut[] = "Linux version 6.12";

	(void)state;
	assert_int_equal(release_of(text, sizeof(text)), 0);
	assert_string_equal(release, "6.12.1-arm64");
	assert_int_equal(release_of(cut, sizeof(cut) - 1), -EINVAL); /* perhaps there was more of it */
}

/* It becomes a part of a path. */
static void a_hostile_version(void **state)
{
	static const char long_one[] =
		"Linux version 6111111111111111111111111111111111111111111111111111111111111111111111 x";
	static const char *const texts[] = { "Linux version 6/../../etc (x)", "Linux version ../etc (x)",
					     "Linux version 6\t1 x", "Linux version ", long_one };

	(void)state;
	for (unsigned int i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(release_of(texts[i], strlen(texts[i])), -EINVAL);
}

static void a_packed_image(void **state)
{
	static const char text[] = "....Linux version 6.1.9 (x)";
	uint8_t packed[512];

	(void)state;
	for (enum packing p = PACKED_GZIP; p <= PACKED_ZSTD; p++) {
		size_t size = pack(p, text, sizeof(text), packed, sizeof(packed));

		assert_int_equal(release_of(packed, size), 0);
		assert_string_equal(release, "6.1.9");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(dependencies_come_first, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_there_is_an_error_that_says_where, setup,
						teardown),
		cmocka_unit_test_setup_teardown(no_directory_at_all, setup, teardown),
		cmocka_unit_test_setup_teardown(a_bzimage_says_it_in_its_header, setup, teardown),
		cmocka_unit_test_setup_teardown(an_image_says_it_in_its_banner, setup, teardown),
		cmocka_unit_test_setup_teardown(a_hostile_version, setup, teardown),
		cmocka_unit_test_setup_teardown(a_packed_image, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
