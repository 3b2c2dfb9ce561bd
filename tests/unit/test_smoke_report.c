// SPDX-License-Identifier: BSD-2-Clause
/* Verdicts as JUnit XML, JSON and TAP: whatever the guest said, they stay well-formed. Files that are written at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/outfile.h"
#include "vmm/smoke.h"

static struct vm_config cfg = { .kernel = (char *)"vmlinuz", .cpus = 2, .memory = 256 << 20 };

/* Markup, quotes, a directive, an end of CDATA, control characters and bytes that are no UTF-8. */
static const char hostile[] =
	"</failure> ]]> & \"quoted\" 'x' # not ok \\ \x1b[31mred\x1b[0m \x01 \xff \xc3\xa4 \xef\xbf\xbe";

static json_t *results;

static void add(const char *name, enum smoke_kind kind, int status, const char *message)
{
	json_t *result = smoke_result_plain(&cfg, name, kind, status, message), *lines = json_array();

	json_object_set_new(result, "seconds", json_real(1.25));
	json_array_append_new(lines, json_pack("{s:f, s:s, s:o}", "seconds", 0.5, "console", "ttyS0", "line",
					       smoke_text(hostile)));
	json_object_set_new(result, "last_lines", lines);
	if (kind == SMOKE_PANIC)
		json_object_set_new(result, "trace",
				    json_pack("[o, s]", smoke_text(hostile), "panic+0x1/0x2"));
	json_array_append_new(results, result);
}

static int setup(void **state)
{
	(void)state;
	results = json_array();
	add("good", SMOKE_PASSED, 0, "login:");
	add(hostile, SMOKE_PANIC, 1, hostile);
	add("slow", SMOKE_TIMEOUT, 124, "not seen");
	add("host", SMOKE_HOST, 1, "no /dev/kvm");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	json_decref(results);
	return 0;
}

static char *text(const char *format)
{
	char *report = smoke_report_text(format, results, 1700000000, 4.5);

	assert_non_null(report);
	/* Nothing in it that a terminal, an XML parser or a JSON parser would choke on. */
	for (const char *c = report; *c; c++)
		assert_true((unsigned char)*c >= 0x20 || *c == '\n' || *c == '\t');
	assert_null(strchr(report, '\x7f'));
	assert_null(strstr(report, "\xff"));
	return report;
}

static unsigned int count(const char *in, const char *what)
{
	unsigned int n = 0;

	for (const char *p = in; (p = strstr(p, what)); p += strlen(what))
		n++;
	return n;
}

static void test_xml(void **state)
{
	char *xml = text("xml");

	(void)state;
	assert_non_null(strstr(xml, "tests=\"4\" failures=\"2\" errors=\"1\" time=\"4.500\""));
	assert_non_null(strstr(xml, "timestamp=\"2023-11-14T22:13:20\""));
	assert_non_null(strstr(xml, "<testcase classname=\"vireo.smoke\" name=\"good\" time=\"1.250\"/>"));
	assert_int_equal(count(xml, "<testcase "), 4);
	assert_int_equal(count(xml, "<failure "), 2);
	assert_int_equal(count(xml, "</failure>"), 2);
	assert_int_equal(count(xml, "<error "), 1);
	assert_int_equal(count(xml, "]]>"), 0);
	assert_non_null(strstr(
		xml, "&lt;/failure&gt; ]]&gt; &amp; &quot;quoted&quot; 'x' # not ok \\ red \\x01 \\xff "
		     "\xc3\xa4 \\xef\\xbf\\xbe"));
	assert_non_null(strstr(xml, "type=\"panic\""));
	assert_non_null(strstr(xml, "panic+0x1/0x2"));
	free(xml);
}

static void test_json(void **state)
{
	char *report = text("json");
	json_t *all = json_loads(report, 0, NULL), *panic;

	(void)state;
	assert_non_null(all);
	assert_int_equal(json_integer_value(json_object_get(all, "tests")), 4);
	assert_int_equal(json_integer_value(json_object_get(all, "passed")), 1);
	assert_int_equal(json_integer_value(json_object_get(all, "failed")), 1);
	assert_int_equal(json_integer_value(json_object_get(all, "timeouts")), 1);
	assert_int_equal(json_integer_value(json_object_get(all, "errors")), 1);
	assert_string_equal(smoke_string(all, "started"), "2023-11-14T22:13:20Z");
	panic = json_array_get(json_object_get(all, "results"), 1);
	assert_string_equal(smoke_string(panic, "kind"), "panic");
	assert_string_equal(smoke_string(panic, "verdict"), "failed");
	assert_non_null(strstr(smoke_string(panic, "message"), "</failure> ]]> & \"quoted\""));
	json_decref(all);
	free(report);
}

static void test_tap(void **state)
{
	char *tap = text("tap"), *line, *rest = tap;
	unsigned int ok = 0, not_ok = 0;

	(void)state;
	assert_int_equal(strncmp(tap, "TAP version 13\n1..4\nok 1 - good\n  ---\n", 38), 0);
	while ((line = strsep(&rest, "\n"))) {
		ok += !strncmp(line, "ok ", 3);
		not_ok += !strncmp(line, "not ok ", 7);
		/* All else is indented: nothing that the guest says becomes a line of TAP. */
		if (strncmp(line, "ok ", 3) && strncmp(line, "not ok ", 7) && strncmp(line, "TAP ", 4) &&
		    strcmp(line, "1..4") && *line)
			assert_int_equal(*line, ' ');
		if (!strncmp(line, "not ok 2", 8))
			assert_non_null(strstr(line, "\\# not ok"));
	}
	assert_int_equal(ok, 1);
	assert_int_equal(not_ok, 3);
	free(tap);
}

/* Not longer than a guest's lines, its trace and so on can be. */
static void test_text_is_bounded(void **state)
{
	static char long_text[100000];
	json_t *fit;

	(void)state;
	memset(long_text, 1, sizeof(long_text) - 1);
	fit = smoke_text(long_text);
	assert_non_null(fit);
	assert_true(json_string_length(fit) <= 4096);
	json_decref(fit);
}

static int status_of(int a, int b, int c)
{
	json_t *all = json_pack("[{s:i}, {s:i}, {s:i}]", "status", a, "status", b, "status", c);
	int status = smoke_status_of_all(all);

	json_decref(all);
	return status;
}

static void test_status_of_all(void **state)
{
	(void)state;
	assert_int_equal(status_of(0, 0, 0), 0);
	assert_int_equal(status_of(0, 124, 0), 124);
	assert_int_equal(status_of(124, 1, 0), 1);
	assert_int_equal(status_of(1, 130, 124), 130);
	assert_int_equal(status_of(130, 1, 2), 2);
}

/* --- files --- */

static char dir[] = "/tmp/vireo-report.XXXXXX", path[64], other[64];

static void in_directory(void)
{
	strcpy(dir, "/tmp/vireo-report.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/r.xml", dir);
	snprintf(other, sizeof(other), "%s/link.xml", dir);
}

static void expect_content(const char *of, const char *want)
{
	char got[64] = "";
	int fd = open(of, O_RDONLY);

	assert_true(fd >= 0 && read(fd, got, sizeof(got) - 1) >= 0);
	close(fd);
	assert_string_equal(got, want);
}

static void test_file_is_replaced_as_a_whole(void **state)
{
	struct stat st;
	struct err err;
	mode_t mask = umask(027);

	(void)state;
	in_directory();
	assert_int_equal(outfile_check("report", path, &cfg, &err), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(outfile_replace("report", path, "new", 3, &err), 0);
	expect_content(path, "new");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	/* An old one keeps its mode, a link is followed. */
	assert_int_equal(chmod(path, 0604), 0);
	assert_int_equal(symlink(path, other), 0);
	assert_int_equal(outfile_check("report", other, &cfg, &err), 0);
	assert_int_equal(outfile_replace("report", other, "newer", 5, &err), 0);
	expect_content(path, "newer");
	assert_int_equal(lstat(other, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0604);
	umask(mask);
	unlink(other);
	unlink(path);
	assert_int_equal(rmdir(dir), 0); /* nothing else was left */
}

static void test_file_that_cannot_be_written(void **state)
{
	struct err err;

	(void)state;
	in_directory();
	assert_int_equal(outfile_check("report", dir, &cfg, &err), -EINVAL);
	assert_non_null(strstr(err.text, "Is a directory"));
	assert_int_equal(outfile_check("report", "/no/such/r.xml", &cfg, &err), -EINVAL);
	assert_non_null(strstr(err.text, "No such file"));
	assert_int_equal(outfile_replace("report", "/dev/full", "x", 1, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "report /dev/full"));
	assert_int_equal(outfile_replace("report", "/no/such/r.xml", "x", 1, &err), -ENOENT);
	cfg.kernel = path;
	assert_int_equal(outfile_replace("report", path, "kernel", 6, &err), 0);
	assert_int_equal(outfile_check("report", path, &cfg, &err), -EINVAL);
	assert_non_null(strstr(err.text, "--kernel"));
	cfg.kernel = (char *)"vmlinuz";
	unlink(path);
	rmdir(dir);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_xml),
		TEST(test_json),
		TEST(test_tap),
		cmocka_unit_test(test_text_is_bounded),
		cmocka_unit_test(test_status_of_all),
		cmocka_unit_test(test_file_is_replaced_as_a_whole),
		cmocka_unit_test(test_file_that_cannot_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
