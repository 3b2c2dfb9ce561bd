// SPDX-License-Identifier: BSD-2-Clause
/* What --trace and --stats write, from records with known times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/lapic.h"
#include "tests/json.h"
#include "tests/unit/fake.h"
#include "vmm/trace.h"

#define CPUS      2
#define START     1000 /* the fake clock's first time */
#define EXIT_IO   2
#define EXIT_MMIO 6

static struct rig rig;
static struct machine machine;
static char *text;

static const struct vm_config no_inputs;

static void start(enum platform platform, uint32_t records, bool count)
{
	const struct trace_setup setup = {
		.clock = &rig.clock.clock,
		.threads = 1 + CPUS,
		.records = records,
		.count = count,
	};
	struct err err;

	rig_init(&rig);
	assert_int_equal(machine_init(&machine, platform, CPUS, 256 << 20, &err), 0);
	if (platform == PLATFORM_PC)
		machine.irqchip = (struct irqchip_desc){
			.lapic_base = PC_LAPIC_BASE,
			.ioapic[0].base = PC_IOAPIC_BASE,
			.nr_ioapics = 1,
		};
	assert_int_equal(trace_start(&setup, &err), 0);
}

static int stop(void **state)
{
	(void)state;
	trace_stop();
	free(text);
	text = NULL;
	return 0;
}

/* At START + `ns`, by thread `thread`. */
static void at(uint64_t ns, unsigned int thread)
{
	rig.clock.monotonic = START + ns;
	trace_thread(thread);
}

static void write_trace(void)
{
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	trace_begin_json(out);
	assert_true(trace_write_json(out, START, 1 + CPUS, &machine));
	fclose(out);
	assert_true(json_valid(text));
}

static void write_stats(void (*write)(FILE *out, unsigned int threads, const struct machine *m))
{
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	write(out, 1 + CPUS, &machine);
	fclose(out);
}

/* The line with `event`, which must be there once, has `detail`. */
static void has(const char *event, const char *detail)
{
	const char *line = strstr(text, event), *found;

	if (!line)
		fail_msg("no %s in: %s", event, text);
	assert_null(strstr(line + 1, event));
	while (line > text && line[-1] != '\n')
		line--;
	found = strstr(line, detail);
	if (!found || found > strchr(line, '\n'))
		fail_msg("no %s in: %.*s", detail, (int)strcspn(line, "\n"), line);
}

static void lacks(const char *what)
{
	if (strstr(text, what))
		fail_msg("%s in: %s", what, text);
}

/* --- the grammar's own test: the rest relies on it --- */

static void test_json(void **state)
{
	static const char *const good[] = { "{}", " [1, -2.5e+3, \"a\\n\\u00e9\", true, null]\n",
					    "{\"a\":{\"b\":[]},\"c\":0}" };
	static const char *const bad[] = { "",      "{",         "{}x",  "[1,]",     "{\"a\":}",
					   "{a:1}", "[01]",      "[1.]", "[\"\n\"]", "[\"\\x\"]",
					   "[1 2]", "{\"a\" 1}", "tru" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(json_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(json_valid(bad[i]));
}

/* --- the trace --- */

static void test_empty(void **state)
{
	(void)state;
	start(PLATFORM_PC, 16, false);
	write_trace();
	has("\"otherData\"", "\"records\":0,\"lost\":0");
	has("\"name\":\"vCPU 1\"", "\"tid\":2");
}

/* Nothing was ever started: no machine either. */
static void test_without_a_machine(void **state)
{
	(void)state;
	start(PLATFORM_PC, 16, false);
	memset(&machine, 0, sizeof(machine));
	at(0, 0);
	trace_line(3, true);
	write_trace();
	has("\"name\":\"line 3\"", "\"tid\":10003");
}

static void test_lost_records_are_told(void **state)
{
	(void)state;
	start(PLATFORM_PC, 16, false);
	for (unsigned int i = 0; i < 20; i++)
		trace_kick(0);
	write_trace();
	has("\"otherData\"", "\"records\":16,\"lost\":4");
}

static void test_the_life_of_a_level_interrupt(void **state)
{
	(void)state;
	start(PLATFORM_PC, 100, false);
	at(1500, 0);
	trace_line(4, true);
	at(1600, 0);
	trace_route(4, APIC_FIXED, 0x31, 1);
	at(1700, 0);
	trace_accept(1, APIC_FIXED, 0x31);
	at(2000, 2);
	trace_inject(1, 0x31);
	at(3000, 2);
	trace_line(4, false);
	at(4001, 2);
	trace_eoi(1, 0x31);
	write_trace();

	has("\"name\":\"serial, line 4\"", "\"tid\":10004");
	has("\"line raised\"",
	    "\"ph\":\"X\",\"pid\":1,\"tid\":10004,\"ts\":1.500,\"cat\":\"interrupt\",\"dur\":0,"
	    "\"bind_id\":\"0x1\",\"flow_out\":true,\"args\":{\"line\":4}}");
	has("\"routed\"", "\"tid\":10004,\"ts\":1.600");
	has("\"routed\"", "\"bind_id\":\"0x1\",\"flow_in\":true,\"flow_out\":true");
	has("\"routed\"", "\"vector\":\"0x31\",\"delivery\":\"fixed\",\"destination\":\"0x1\"");
	has("\"IRR\"", "\"tid\":2,\"ts\":1.700");
	has("\"IRR\"", "\"bind_id\":\"0x1\",\"flow_in\":true,\"flow_out\":true");
	has("\"injected\"", "\"tid\":2,\"ts\":2.000");
	has("\"injected\"", "\"bind_id\":\"0x1\",\"flow_in\":true,\"flow_out\":true");
	has("\"EOI\"", "\"tid\":2,\"ts\":4.001");
	has("\"EOI\"", "\"bind_id\":\"0x1\",\"flow_in\":true,\"args\"");
	has("\"line lowered\"", "\"ph\":\"i\",\"pid\":1,\"tid\":10004,\"ts\":3.000");

	/* The line's span, and the interrupt's bar with its two parts. */
	has("\"asserted\",\"ph\":\"B\"", "\"ts\":1.500");
	has("\"asserted\",\"ph\":\"E\"", "\"ts\":3.000");
	has("\"vCPU 1 vector 0x31\",\"ph\":\"b\"", "\"ts\":1.700");
	has("\"pending\",\"ph\":\"b\"", "\"ts\":1.700");
	has("\"pending\",\"ph\":\"e\"", "\"ts\":2.000");
	has("\"in service\",\"ph\":\"b\"", "\"ts\":2.000");
	has("\"in service\",\"ph\":\"e\"", "\"ts\":4.001");
	has("\"vCPU 1 vector 0x31\",\"ph\":\"e\"", "\"ts\":4.001");
}

/* A line that stays up is sent again at the EOI: the same flow goes on. */
static void test_a_line_that_stays_up(void **state)
{
	const char *second;

	(void)state;
	start(PLATFORM_PC, 100, false);
	at(0, 0);
	trace_line(4, true);
	trace_route(4, APIC_FIXED, 0x31, 0);
	trace_accept(0, APIC_FIXED, 0x31);
	at(1, 1);
	trace_inject(0, 0x31);
	at(2, 1);
	trace_eoi(0, 0x31);
	trace_route(4, APIC_FIXED, 0x31, 0);
	trace_accept(0, APIC_FIXED, 0x31);
	write_trace();
	second = strstr(text, "\"EOI\"");
	assert_non_null(second);
	second = strstr(second, "\"IRR\"");
	assert_non_null(second);
	assert_non_null(strstr(second, "\"bind_id\":\"0x1\""));
	lacks("\"bind_id\":\"0x2\"");
	has("\"asserted\",\"ph\":\"E\"", "\"ts\":0.002"); /* ended with the trace */
}

static void test_an_ipi_is_sent_and_received(void **state)
{
	(void)state;
	start(PLATFORM_PC, 100, false);
	at(10, 1);
	trace_ipi(0, APIC_FIXED, 0xf2, 1);
	at(20, 1);
	trace_accept(1, APIC_FIXED, 0xf2);
	at(30, 2);
	trace_accept(1, APIC_FIXED, 0x31); /* another thread's: not the IPI's */
	write_trace();
	has("\"IPI sent\"", "\"tid\":1,\"ts\":0.010");
	has("\"IPI sent\"", "\"bind_id\":\"0x1\",\"flow_out\":true");
	has("\"IPI received\"", "\"tid\":2,\"ts\":0.020");
	has("\"IPI received\"", "\"bind_id\":\"0x1\",\"flow_in\":true");
	has("\"IRR\"", "\"bind_id\":\"0x2\",\"flow_out\":true");
}

static void test_a_merged_interrupt(void **state)
{
	(void)state;
	start(PLATFORM_PC, 100, false);
	trace_accept(0, APIC_FIXED, 0x31);
	at(100, 0);
	trace_accept(0, APIC_FIXED, 0x31);
	write_trace();
	has("\"ts\":0.100,\"cat\":\"interrupt\",\"dur\":0", "\"merged\":true");
	has("\"vCPU 0 vector 0x31\",\"ph\":\"b\"", "\"ts\":0.000");
}

static void test_init_forgets_what_is_pending(void **state)
{
	(void)state;
	start(PLATFORM_PC, 100, false);
	trace_accept(1, APIC_FIXED, 0x31);
	at(50, 1);
	trace_ipi(0, APIC_INIT, 0, 1);
	trace_accept(1, APIC_INIT, 0);
	write_trace();
	has("\"pending\",\"ph\":\"e\"", "\"ts\":0.050");
	has("\"IPI received\"", "\"tid\":2,\"ts\":0.050");
	has("\"IPI received\"", "\"delivery\":\"INIT\"");
}

static void test_a_timer_from_arming_to_irr(void **state)
{
	(void)state;
	start(PLATFORM_PC, 100, false);
	at(100, 1);
	trace_timer_arm(0, START + 5100);
	at(5200, 1);
	trace_timer_fire(0, 0xec);
	trace_timer_arm(0, START + 9000); /* a periodic one goes on before its interrupt is accepted */
	trace_accept(0, APIC_FIXED, 0xec);
	write_trace();
	has("\"ns\":5000", "}");
	has("\"timer fired\"", "\"ts\":5.200");
	has("\"timer fired\"", "\"bind_id\":\"0x1\",\"flow_in\":true,\"flow_out\":true");
	has("\"IRR\"", "\"bind_id\":\"0x1\",\"flow_in\":true");
}

static void exit_at(uint64_t begin, uint16_t reason, uint64_t address, uint8_t access, bool write)
{
	const struct trace_exit exit = {
		.reason = reason,
		.access = access,
		.write = write,
		.address = address,
	};

	trace_exit(0, START + begin, &exit);
}

static void test_spans(void **state)
{
	(void)state;
	start(PLATFORM_PC, 100, false);
	at(2000, 1);
	trace_guest(0, START + 1000);
	at(2500, 1);
	exit_at(2000, EXIT_IO, 0x3f8, 1, true);
	at(9000, 1);
	trace_halt(0, START + 3000);
	exit_at(2600, 5, 0, 0, false);
	at(9100, 1);
	exit_at(9000, EXIT_MMIO, 0xfee000b0, 4, true);
	write_trace();
	has("\"guest\"", "\"tid\":1,\"ts\":1.000,\"dur\":1.000");
	has("\"name\":\"IO\"", "\"ts\":2.000,\"dur\":0.500,\"cat\":\"exit\",\"args\":{\"port\":\"0x3f8\","
			       "\"access\":\"write\",\"bytes\":1,\"at\":\"serial\"}}");
	has("\"name\":\"HLT\"", "\"ts\":2.600,\"dur\":6.400");
	has("\"name\":\"halt\"", "\"ts\":3.000,\"dur\":6.000");
	has("\"name\":\"MMIO\"",
	    "\"address\":\"0xfee000b0\",\"access\":\"write\",\"bytes\":4,\"at\":\"lapic\"");
}

static void test_arm_names(void **state)
{
	(void)state;
	start(PLATFORM_ARM, 100, false);
	trace_line(0, true);
	trace_route(0, 0, 32, 1);
	trace_accept(0, 0, 32);
	write_trace();
	has("\"name\":\"serial, line 0\"", "\"tid\":10000");
	has("\"name\":\"pending\",\"ph\":\"X\"", "\"intid\":32");
	has("\"vCPU 0 INTID 32\",\"ph\":\"b\"", "\"cat\":\"interrupt\"");
}

/* A new boot begins with nothing pending. */
static void test_a_restart(void **state)
{
	(void)state;
	start(PLATFORM_PC, 100, false);
	trace_accept(0, APIC_FIXED, 0x31);
	at(70, 0);
	trace_boot();
	write_trace();
	has("\"boot\"", "\"ph\":\"i\",\"pid\":1,\"tid\":1,\"ts\":0.070,\"s\":\"g\"");
	has("\"pending\",\"ph\":\"e\"", "\"ts\":0.070");
}

/* Whatever the records are, even after a stranger's hand: JSON comes out. */
static void test_any_records(void **state)
{
	uint64_t seed = 42;

	(void)state;
	start(PLATFORM_PC, 5000, true);
	for (unsigned int i = 0; i < 5000; i++) {
		uint64_t x = fake_random(&seed);
		struct trace_record r = {
			.event = (uint8_t)(x % TRACE_EVENTS),
			.subject = (uint16_t)(x >> 8 & 1),
			.vector = (uint16_t)(x >> 16),
			.delivery = (uint8_t)(x >> 32),
			.reason = (uint16_t)(x >> 40 & 63),
			.access = (uint8_t)(x >> 46),
			.arg = x,
		};

		if (r.event <= TRACE_ROUTED)
			r.subject = (uint16_t)(x >> 20);
		at(i, (unsigned int)(x >> 50) % (1 + CPUS));
		r.time = rig.clock.monotonic;
		trace_put(&r);
	}
	write_trace();
	free(text);
	write_stats(stats_write_json);
	assert_true(json_valid(text));
}

/* --- statistics --- */

static void some_counts(void)
{
	start(PLATFORM_PC, 0, true);
	at(0, 0);
	trace_line(4, true);
	trace_kick(1);
	at(0, 1);
	exit_at(0, EXIT_IO, 0x3f8, 1, true);
	exit_at(0, EXIT_IO, 0x3f8, 1, true);
	at(0, 2);
	exit_at(0, EXIT_IO, 0x3f8, 1, true);
	exit_at(0, EXIT_MMIO, 0xfee000b0, 4, true);
	exit_at(0, 5, 0, 0, false);
	trace_inject(1, 0x31);
	trace_inject(1, 0xec);
	trace_inject(1, 0xec);
}

static void test_stats_json(void **state)
{
	(void)state;
	some_counts();
	write_stats(stats_write_json);
	assert_true(json_valid(text));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
	assert_non_null(strstr(text, "{\"all\":{\"exits\":5,\"injected\":3,"));
	assert_non_null(strstr(text, "\"exits_by_reason\":{\"IO\":3,\"HLT\":1,\"MMIO\":1},"
				     "\"injected_by_vector\":{\"0x31\":1,\"0xec\":2}}"));
	assert_non_null(strstr(text, "\"exits_by_address\":[{\"exit\":\"IO\",\"access\":\"write\","
				     "\"address\":\"0x3f8\",\"at\":\"serial\",\"count\":3},"
				     "{\"exit\":\"MMIO\",\"access\":\"write\",\"address\":\"0xfee000b0\","
				     "\"at\":\"lapic\",\"count\":1}],\"exits_elsewhere\":0"));
	assert_non_null(strstr(text, "\"lines\":[{\"line\":4,\"device\":\"serial\",\"raised\":1}]"));
	assert_non_null(strstr(text, "\"vcpus\":[{\"exits\":2,\"injected\":0,"));
	assert_non_null(strstr(text, "},{\"exits\":3,\"injected\":3,"));
	assert_non_null(strstr(text, "\"event_loop\":{\"exits\":0,"));
}

static void test_stats_table(void **state)
{
	(void)state;
	some_counts();
	write_stats(stats_write_table);
	assert_non_null(strstr(text, "           3  IO\n"));
	assert_non_null(strstr(text, "           1  HLT\n"));
	assert_non_null(strstr(text, "           3  IO         write 0x3f8          serial\n"));
	assert_non_null(strstr(text, "           2  vector 0xec\n"));
	assert_non_null(strstr(text, "           1  line 4 serial\n"));
	assert_non_null(strstr(text, "\nall                   5            3"));
}

/* More addresses than are shown. */
static void test_stats_of_many_addresses(void **state)
{
	(void)state;
	start(PLATFORM_PC, 0, true);
	for (unsigned int i = 0; i < 100; i++)
		exit_at(0, EXIT_IO, i * 8 + 0x4000, 1, true);
	write_stats(stats_write_table);
	assert_non_null(strstr(text, "          80  elsewhere\n"));
}

static void test_stats_of_nothing(void **state)
{
	(void)state;
	start(PLATFORM_ARM, 0, true);
	write_stats(stats_write_json);
	assert_true(json_valid(text));
	assert_non_null(strstr(text, "\"injected_by_intid\":{}"));
}

/* --- the file --- */

static void test_a_file_that_cannot_be_opened(void **state)
{
	struct outfile out;
	struct err err;

	(void)state;
	assert_int_equal(outfile_open(&out, "--trace", "/nowhere/file", &no_inputs, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_non_null(strstr(err.text, "--trace /nowhere/file"));
	assert_non_null(strstr(err.text, "No such file or directory"));
}

static void test_a_full_device(void **state)
{
	struct outfile out;
	struct stat st;
	struct err err;

	(void)state;
	assert_int_equal(outfile_open(&out, "--trace", "/dev/full", &no_inputs, &err), 0);
	fputs("{", out.file);
	assert_int_equal(outfile_flush(&out, &err), -ENOSPC);
	assert_int_equal(err.kind, ERR_HOST);
	assert_non_null(strstr(err.text, "No space left on device"));
	assert_true(outfile_close(&out, &err) < 0);
	assert_int_equal(stat("/dev/full", &st), 0); /* it is still there */
}

static void test_half_a_file_is_removed(void **state)
{
	const struct rlimit none = { .rlim_cur = 100, .rlim_max = RLIM_INFINITY };
	const struct rlimit all = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };
	char path[] = "/tmp/vireo-outfile.XXXXXX";
	struct outfile out;
	struct err err;
	int ret;

	(void)state;
	close(mkstemp(path));
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(outfile_open(&out, "--trace", path, &no_inputs, &err), 0);
	for (int i = 0; i < 1000; i++)
		fputc('x', out.file);
	setrlimit(RLIMIT_FSIZE, &none);
	ret = outfile_close(&out, &err);
	setrlimit(RLIMIT_FSIZE, &all);
	assert_int_equal(ret, -EFBIG);
	assert_non_null(strstr(err.text, "File too large"));
	assert_int_equal(access(path, F_OK), -1);
}

/* Without memory for the rest there is no file either, though all that was written has reached it. */
static void test_a_discarded_file_is_removed(void **state)
{
	char path[] = "/tmp/vireo-outfile.XXXXXX";
	struct outfile out;
	struct err err;

	(void)state;
	close(mkstemp(path));
	assert_int_equal(outfile_open(&out, "--trace", path, &no_inputs, &err), 0);
	fputs("{", out.file);
	assert_int_equal(outfile_flush(&out, &err), 0);
	outfile_discard(&out);
	assert_null(out.file);
	assert_int_equal(access(path, F_OK), -1);

	assert_int_equal(outfile_open(&out, "--trace", "/dev/null", &no_inputs, &err), 0);
	outfile_discard(&out);
	assert_int_equal(access("/dev/null", F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test_teardown(test_empty, stop),
		cmocka_unit_test_teardown(test_without_a_machine, stop),
		cmocka_unit_test_teardown(test_lost_records_are_told, stop),
		cmocka_unit_test_teardown(test_the_life_of_a_level_interrupt, stop),
		cmocka_unit_test_teardown(test_a_line_that_stays_up, stop),
		cmocka_unit_test_teardown(test_an_ipi_is_sent_and_received, stop),
		cmocka_unit_test_teardown(test_a_merged_interrupt, stop),
		cmocka_unit_test_teardown(test_init_forgets_what_is_pending, stop),
		cmocka_unit_test_teardown(test_a_timer_from_arming_to_irr, stop),
		cmocka_unit_test_teardown(test_spans, stop),
		cmocka_unit_test_teardown(test_arm_names, stop),
		cmocka_unit_test_teardown(test_a_restart, stop),
		cmocka_unit_test_teardown(test_any_records, stop),
		cmocka_unit_test_teardown(test_stats_json, stop),
		cmocka_unit_test_teardown(test_stats_table, stop),
		cmocka_unit_test_teardown(test_stats_of_many_addresses, stop),
		cmocka_unit_test_teardown(test_stats_of_nothing, stop),
		cmocka_unit_test(test_a_file_that_cannot_be_opened),
		cmocka_unit_test(test_a_full_device),
		cmocka_unit_test(test_half_a_file_is_removed),
		cmocka_unit_test(test_a_discarded_file_is_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
