// SPDX-License-Identifier: BSD-2-Clause
/* Opening raw images: what is taken, what is refused and how, who has it. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/unit/block_rig.h"

static void facts_of_a_file(void **state)
{
	struct world *w = world_setup(state);

	make_file(w->path, MIB);
	must_open(w, &(struct block_options){ 0 });
	assert_int_equal(w->bd->logical_block, 512);
	assert_int_equal(w->bd->physical_block, 4096);
	assert_true(w->bd->writeback);
	assert_false(w->bd->read_only);
	world_close(w);
	must_open(w, &(struct block_options){ .block_size = 4096, .read_only = true });
	assert_int_equal(w->bd->logical_block, 4096);
	assert_int_equal(w->bd->physical_block, 4096);
	assert_true(w->bd->read_only);
	assert_false(w->bd->can_zero);
	assert_int_equal(w->bd->discard_granularity, 0);
	world_free(w);
}

static void refused(struct world *w, const struct block_options *opt, const char *text, enum err_kind kind)
{
	struct err err = { .text = "" };

	assert_true(world_open(w, opt, &err) < 0);
	assert_int_equal(err.kind, kind);
	assert_non_null(strstr(err.text, text));
	assert_int_equal(strncmp(err.text, "disk t: ", 8), 0);
}

static void other_formats_are_refused_with_what_converts_them(void **state)
{
	static const struct {
		const char *magic, *qemu;
		unsigned int len, at;
	} other[] = {
		{ "QFI\xfb\0\0\0\x03", "-f qcow2", 8, 0 },
		{ "QFI\xfb\0\0\0\x02", "-f qcow2", 8, 0 },
		{ "vhdxfile", "-f vhdx", 8, 0 },
		{ "KDMV", "-f vmdk", 4, 0 },
		{ "conectix", "-f vpc", 8, 0 },
		{ "\x7f\x10\xda\xbe", "-f vdi", 4, 64 },
	};
	struct world *w = world_setup(state);

	for (unsigned int i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		uint8_t head[1024] = { 0 };

		memcpy(head + other[i].at, other[i].magic, other[i].len);
		write_file(w->path, head, sizeof(head));
		refused(w, &(struct block_options){ 0 }, "qemu-img convert", ERR_USER);
		refused(w, &(struct block_options){ .read_only = true }, other[i].qemu, ERR_USER);
	}
	/* What a guest may well want to read is none of them. */
	write_file(w->path, "\x1f\x8b\x08 a tar archive, for example", 30);
	must_open(w, &(struct block_options){ 0 });
	world_free(w);
}

static void what_is_no_image_is_refused(void **state)
{
	struct world *w = world_setup(state);

	refused(w, &(struct block_options){ 0 }, "truncate -s", ERR_USER);
	make_file(w->path, 0);
	refused(w, &(struct block_options){ 0 }, "is empty", ERR_USER);
	unlink(w->path);
	assert_int_equal(mkdir(w->path, 0700), 0);
	refused(w, &(struct block_options){ .read_only = true }, "a directory", ERR_USER);
	rmdir(w->path);
	assert_int_equal(mkfifo(w->path, 0600), 0);
	refused(w, &(struct block_options){ .read_only = true }, "neither", ERR_USER);
	world_free(w);
}

static void one_writer_or_many_readers(void **state)
{
	const struct block_options rw = { 0 }, ro = { .read_only = true };
	struct world *w = world_setup(state), second = { .aio = BLOCK_AIO_THREADS };
	char holder[64];
	struct err err = { .text = "" };

	assert_int_equal(loop_init(&second.loop, &err), 0);
	strcpy(second.path, w->path);
	make_file(w->path, MIB);
	snprintf(holder, sizeof(holder), "in use by process %d", (int)getpid());

	must_open(w, &rw);
	refused(&second, &rw, holder, ERR_HOST);
	refused(&second, &ro, holder, ERR_HOST);
	world_close(w);
	must_open(w, &ro);
	refused(&second, &rw, holder, ERR_HOST);
	must_open(&second, &ro);
	world_close(w);
	world_close(&second);
	must_open(&second, &rw);
	world_close(&second);
	loop_finish(&second.loop);
	world_free(w);
}

/* A program that dies keeps nothing locked. */
static void a_lock_ends_with_its_process(void **state)
{
	struct world *w = world_setup(state);
	struct err err = { .text = "" };
	int pipes[2], status;
	pid_t child;
	char byte;

	make_file(w->path, MIB);
	assert_int_equal(pipe(pipes), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		assert_int_equal(loop_init(&w->loop, &err), 0);
		must_open(w, &(struct block_options){ 0 });
		(void)!write(pipes[1], "x", 1);
		pause();
	}
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	refused(w, &(struct block_options){ 0 }, "in use by process", ERR_HOST);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	must_open(w, &(struct block_options){ 0 });
	close(pipes[0]);
	close(pipes[1]);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts_of_a_file),
		cmocka_unit_test(other_formats_are_refused_with_what_converts_them),
		cmocka_unit_test(what_is_no_image_is_refused),
		cmocka_unit_test(one_writer_or_many_readers),
		cmocka_unit_test(a_lock_ends_with_its_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
