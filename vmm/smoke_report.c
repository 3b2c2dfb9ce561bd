// SPDX-License-Identifier: BSD-2-Clause
/* Verdicts as files: JUnit XML, JSON, TAP 13. All texts in them are lines as of host/lines.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/options.h"
#include "vmm/outfile.h"
#include "vmm/smoke.h"

struct counts {
	unsigned int all, passed, failed, timeouts, errors;
};

static bool is(const json_t *result, const char *verdict)
{
	return !strcmp(smoke_string(result, "verdict"), verdict);
}

static struct counts count(const json_t *results)
{
	struct counts n = { 0 };
	json_t *result;
	size_t i;

	json_array_foreach(results, i, result)
	{
		n.all++;
		n.passed += is(result, "passed");
		n.failed += is(result, "failed");
		n.timeouts += is(result, "timeout");
		n.errors += is(result, "error") || is(result, "interrupted");
	}
	return n;
}

static double number(const json_t *result, const char *member)
{
	return json_number_value(json_object_get(result, member));
}

static void format_time(int64_t seconds, char text[32])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &tm);
}

/* --- JSON --- */

static void put_json(FILE *out, const json_t *results, int64_t started, double seconds)
{
	struct counts n = count(results);
	char time_text[32], zoned[40];
	json_t *all;

	format_time(started, time_text);
	snprintf(zoned, sizeof(zoned), "%sZ", time_text);
	all = json_pack("{s:s, s:s, s:f, s:i, s:i, s:i, s:i, s:i, s:O}", "vireo", VIREO_VERSION, "started",
			zoned, "seconds", (double)(int64_t)(seconds * 1000) / 1000, "tests", (int)n.all,
			"passed", (int)n.passed, "failed", (int)n.failed, "timeouts", (int)n.timeouts,
			"errors", (int)n.errors, "results", results);
	if (!all || json_dumpf(all, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) < 0)
		fputs("null", out);
	fputc('\n', out);
	json_decref(all);
}

/* --- JUnit --- */

static void put_xml_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\t': /* in an attribute it would be read as a blank */
			fputs("&#9;", out);
			break;
		case '\n':
			fputs("&#10;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

static void put_attribute(FILE *out, const char *name, const char *value)
{
	fprintf(out, " %s=\"", name);
	put_xml_text(out, value);
	fputc('"', out);
}

/* What stands in a report besides the message: the trace, else the last lines. */
static void put_details(FILE *out, const json_t *result, void (*put_line)(FILE *out, const char *line))
{
	const json_t *trace = json_object_get(result, "trace"), *last = json_object_get(result, "last_lines");
	char head[96];
	json_t *line;
	size_t i;

	if (*smoke_string(result, "host")) {
		put_line(out, "The host says:");
		put_line(out, smoke_string(result, "host"));
	}
	if (trace)
		put_line(out, "The kernel's trace:");
	json_array_foreach(trace, i, line) put_line(out, json_string_value(line));
	if (json_array_size(last))
		put_line(out, "The last lines of the console:");
	json_array_foreach(last, i, line)
	{
		char *whole;

		snprintf(head, sizeof(head), "[%10.3f] %s: ", number(line, "seconds"),
			 smoke_string(line, "console"));
		if (asprintf(&whole, "%s%s", head, smoke_string(line, "line")) < 0)
			continue;
		put_line(out, whole);
		free(whole);
	}
}

static void put_xml_line(FILE *out, const char *line)
{
	put_xml_text(out, line);
	fputc('\n', out);
}

static void put_testcase(FILE *out, const json_t *result)
{
	const char *element = is(result, "failed") || is(result, "timeout") ? "failure" : "error";

	fputs("    <testcase classname=\"vireo.smoke\"", out);
	put_attribute(out, "name", smoke_string(result, "name"));
	fprintf(out, " time=\"%.3f\"", number(result, "seconds"));
	if (is(result, "passed")) {
		fputs("/>\n", out);
		return;
	}
	fprintf(out, ">\n      <%s", element);
	put_attribute(out, "message", smoke_string(result, "message"));
	put_attribute(out, "type", smoke_string(result, "kind"));
	fputs(">", out);
	put_details(out, result, put_xml_line);
	fprintf(out, "</%s>\n    </testcase>\n", element);
}

/*
 * The order and the attributes are those that the common schemas of JUnit reports agree on: no attributes in
 * <testsuites>, id and package in <testsuite>, <properties> first, <system-out> and <system-err> last.
 */
static void put_xml(FILE *out, const json_t *results, int64_t started, double seconds)
{
	struct counts n = count(results);
	char host[256] = "", time_text[32];
	json_t *result, *fit;
	size_t i;

	gethostname(host, sizeof(host) - 1);
	fit = smoke_text(host);
	format_time(started, time_text);
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite id=\"0\" package=\"vireo\" "
		"name=\"smoke\" timestamp=\"%s\"",
		time_text);
	put_attribute(out, "hostname", json_string_length(fit) ? json_string_value(fit) : "localhost");
	json_decref(fit);
	fprintf(out, " tests=\"%u\" failures=\"%u\" errors=\"%u\" time=\"%.3f\">\n    <properties>\n", n.all,
		n.failed + n.timeouts, n.errors, seconds);
	fputs("      <property name=\"vireo\" value=\"" VIREO_VERSION "\"/>\n    </properties>\n", out);
	json_array_foreach(results, i, result) put_testcase(out, result);
	fputs("    <system-out/>\n    <system-err/>\n  </testsuite>\n</testsuites>\n", out);
}

/* --- TAP --- */

/* YAML takes JSON's strings. */
static void put_yaml(FILE *out, const char *text)
{
	json_t *string = json_string(text);

	if (string)
		json_dumpf(string, out, JSON_ENCODE_ANY);
	json_decref(string);
}

static void put_tap_line(FILE *out, const char *line)
{
	fputs("    - ", out);
	put_yaml(out, line);
	fputc('\n', out);
}

/* "#" begins a directive. */
static void put_tap_name(FILE *out, const char *name)
{
	for (; *name; name++) {
		if (*name == '#' || *name == '\\')
			fputc('\\', out);
		fputc(*name, out);
	}
}

static void put_tap(FILE *out, const json_t *results)
{
	json_t *result;
	size_t i;

	fprintf(out, "TAP version 13\n1..%zu\n", json_array_size(results));
	json_array_foreach(results, i, result)
	{
		fprintf(out, "%sok %zu - ", is(result, "passed") ? "" : "not ", i + 1);
		put_tap_name(out, smoke_string(result, "name"));
		fprintf(out, "\n  ---\n  duration_ms: %.0f\n  message: ", number(result, "seconds") * 1000);
		put_yaml(out, smoke_string(result, "message"));
		fputc('\n', out);
		if (!is(result, "passed")) {
			fprintf(out, "  severity: %s\n  kind: %s\n  details:\n",
				is(result, "error") ? "error" : "fail", smoke_string(result, "kind"));
			put_details(out, result, put_tap_line);
		}
		fputs("  ...\n", out);
	}
}

/* --- all --- */

static const char *const formats[] = { "xml", "json", "tap" };

static const char *format_of(const char *path)
{
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!strcmp(dot + 1, formats[i]))
			return formats[i];
	return NULL;
}

int smoke_check_reports(const struct vm_config *cfg, struct err *err)
{
	for (unsigned int i = 0; i < cfg->report.count; i++) {
		const char *path = cfg->report.text[i];
		int ret;

		if (!format_of(path))
			return err_user(err,
					"--report %s: its suffix does not say what to write; allowed is .xml "
					"(JUnit), .json or .tap",
					quote_path(path).text);
		ret = outfile_check("report", path, cfg, err);
		if (ret)
			return ret;
	}
	return 0;
}

char *smoke_report_text(const char *format, const json_t *results, int64_t started, double seconds)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool failed;

	if (!out)
		return NULL;
	if (!strcmp(format, "xml"))
		put_xml(out, results, started, seconds);
	else if (!strcmp(format, "json"))
		put_json(out, results, started, seconds);
	else
		put_tap(out, results);
	failed = ferror(out);
	if (fclose(out) || failed) {
		free(text);
		return NULL;
	}
	return text;
}

int smoke_write_reports(const struct vm_config *cfg, const json_t *results, int64_t started, double seconds,
			struct err *err)
{
	int ret = 0;

	for (unsigned int i = 0; i < cfg->report.count; i++) {
		const char *path = cfg->report.text[i];
		char *text = smoke_report_text(format_of(path), results, started, seconds);
		struct err this;
		int failed = text ? outfile_replace("report", path, text, strlen(text), &this)
				  : err_host(&this, ENOMEM, "report %s", path);

		free(text);
		/* The others are written all the same. */
		if (failed && !ret) {
			ret = failed;
			*err = this;
		}
	}
	return ret;
}
