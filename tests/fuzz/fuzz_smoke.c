// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a smoke boot makes of its guest's consoles: bytes in any pieces, pauses, time that passes. What is kept is text
 * that does nothing to a terminal, and bounded; a verdict stays; and each report is well-formed whatever the guest, the
 * name or the kernel's path has in it.
 */
#include <ctype.h>

#include "tests/fuzz/fuzz.h"
#include "vmm/judge.h"
#include "vmm/smoke.h"

#define TEXT_MAX 64

static struct judge *judge;
static enum judge_finding found;
static uint64_t now;

/* What expectations, failures and what is to be typed are chosen from. */
static char *const expressions[] = {
	(char *)"login:", (char *)"^a*b$",    (char *)"x?",
	(char *)"[^a]+",  (char *)"(ab|b)*c", (char *)"\\[ *[0-9.]+\\]",
};

static char *const sends[] = { (char *)"root\\n after login:", (char *)"x\\x00 after $",
			       (char *)" after a|b" };

static const char *const words[] = {
	"Kernel panic - not syncing: ",
	"---[ end Kernel panic",
	"------------[ cut here ]------------\n",
	"BUG: soft lockup - ",
	"Oops: 0000 [#1] SMP\n",
	"RIP: 0010:a+0x1/0x2 b\n",
	"pc : ",
	"[    1.000000] ",
	"<4>[ C1] ",
	"login: ",
	"ab",
	"\r\n",
	"\n",
	"\r",
	"\033[31m",
	"\033]0;title\007",
	"\033P",
	"\033\\",
	"]]>",
	"<a b='&'>",
	"\xef\xbf\xbe",
	"\xed\xa0\x80",
	"\xf4\x8f\xbf\xbf",
	"\xc2\x9b\x33\x31m",
	"# TODO\\",
};

/* --- what holds of any text that is kept --- */

static void look_at_text(const char *text, size_t most)
{
	const uint8_t *c = (const uint8_t *)text;
	json_t *string = json_string(text);

	must(string); /* it is UTF-8 */
	must(json_string_length(string) <= most);
	json_decref(string);
	for (; *c; c++) {
		must((*c >= 0x20 || *c == '\t') && *c != 0x7f);
		must(!(c[0] == 0xc2 && c[1] < 0xa0));
		must(!(c[0] == 0xef && c[1] == 0xbf && c[2] >= 0xbe));
	}
}

static void look_at_judge(void)
{
	const struct judge_line *line;

	must(judge->expect.next <= judge->expect.count && judge->send.next <= judge->send.count);
	must(judge->crash.nr_lines <= CRASH_LINES_MAX);
	must(!found || judge->finding == found);
	found = judge->finding;
	for (unsigned int i = 0; (line = judge_last_line(judge, i)); i++)
		look_at_text(line->text, JUDGE_LINE_MAX);
	for (unsigned int i = 0; i < judge->crash.nr_lines; i++)
		look_at_text(judge->crash.line[i], CRASH_LINE_MAX);
	look_at_text(judge->crash.headline, CRASH_LINE_MAX);
	look_at_text(judge->crash.where, sizeof(judge->crash.where));
}

/* --- reports --- */

static const char *skip_name(const char *c)
{
	must(isalpha((unsigned char)*c));
	while (isalnum((unsigned char)*c) || *c == '-')
		c++;
	return c;
}

static const char *skip_text(const char *c, char end)
{
	static const char *const entities[] = { "lt;", "gt;", "amp;", "quot;", "#9;", "#10;" };
	unsigned int i = 0;

	for (; *c && *c != end; c++) {
		must(*c != '<');
		must((unsigned char)*c >= 0x20 || (*c == '\n' && end == '<'));
		if (*c != '&')
			continue;
		for (i = 0; i < 6 && strncmp(c + 1, entities[i], strlen(entities[i])) != 0; i++)
			;
		must(i < 6);
	}
	return c;
}

/* Behind "<" and the name: to behind ">". True: it has no end tag of its own. */
static bool skip_attributes(const char **at)
{
	const char *c = *at;
	bool empty;

	while (*c == ' ') {
		c = skip_name(c + 1);
		must(c[0] == '=' && c[1] == '"');
		c = skip_text(c + 2, '"');
		must(*c++ == '"');
	}
	empty = *c == '/';
	c += empty;
	must(*c == '>');
	*at = c + 1;
	return empty;
}

/* Extensible Markup Language (XML) 1.0, as far as these reports use it: the elements are closed in their order. */
static void look_at_xml(const char *xml)
{
	static const char declaration[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
	const char *open[8], *c = xml + strlen(declaration);
	unsigned int depth = 0;

	must(!strncmp(xml, declaration, strlen(declaration)));
	while (*(c = skip_text(c, '<'))) {
		bool is_end = *++c == '/';
		const char *name = c + is_end;

		c = skip_name(name);
		if (is_end) {
			must(depth-- && !strncmp(open[depth], name, (size_t)(c - name)) && *c++ == '>');
			continue;
		}
		must(depth < 8);
		open[depth++] = name;
		depth -= skip_attributes(&c);
	}
	must(!depth);
}

static void look_at_json(const char *text, const json_t *results)
{
	json_t *all = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	must(json_equal(json_object_get(all, "results"), results));
	json_decref(all);
}

static void look_at_yaml(const char *value, size_t len)
{
	json_t *string = json_loadb(value, len, JSON_DECODE_ANY, NULL);

	must(json_is_string(string));
	json_decref(string);
}

/* Test Anything Protocol 13: nothing that a guest says can be read as a test point of its own. */
static void look_at_tap(const char *text)
{
	unsigned int points = 0;

	for (const char *line = text, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		must(end);
		points += !strncmp(line, "ok ", 3) || !strncmp(line, "not ok ", 7);
		if (!strncmp(line, "    - ", 6))
			look_at_yaml(line + 6, (size_t)(end - line) - 6);
		else if (!strncmp(line, "  message: ", 11))
			look_at_yaml(line + 11, (size_t)(end - line) - 11);
		else
			must(line[0] == ' ' || points || !strncmp(line, "TAP version 13", 14) ||
			     !strncmp(line, "1..1", 4));
	}
	must(points == 1);
}

static json_t *line_json(const struct judge_line *line)
{
	/* Of a boot: reports have nine digits. */
	return json_pack("{s:o,s:s,s:s}", "seconds", smoke_seconds(line->when % (86400 * NSEC_PER_SEC)),
			 "console", watch_names[line->source], "line", line->text);
}

/* A verdict, with all that a guest may have in it. */
static json_t *make_result(const struct vm_config *cfg, const char *name)
{
	enum smoke_kind kind = judge->finding == JUDGE_CRASHED  ? (enum smoke_kind)judge->crash.kind
			       : judge->finding == JUDGE_PASSED ? SMOKE_PASSED
								: SMOKE_FAIL_ON;
	const struct judge_line *line;
	char message[2 * CRASH_LINE_MAX];
	json_t *result, *trace = json_array(), *last = json_array();

	snprintf(message, sizeof(message), "%.800s; %.99s", judge->crash.headline, name);
	result = smoke_result_plain(cfg, name, kind, kind != SMOKE_PASSED, message);
	for (unsigned int i = 0; i < judge->crash.nr_lines; i++)
		json_array_append_new(trace, json_string(judge->crash.line[i]));
	for (unsigned int i = 0; (line = judge_last_line(judge, i)); i++)
		json_array_append_new(last, line_json(line));
	json_object_set_new(result, "trace", trace);
	json_object_set_new(result, "last_lines", last);
	json_object_set_new(result, "host", smoke_text(name));
	return result;
}

static void look_at_reports(const struct vm_config *cfg, const char *name)
{
	static const char *const formats[] = { "xml", "json", "tap" };
	json_t *results = json_pack("[o]", make_result(cfg, name));

	must(results);
	for (unsigned int i = 0; i < 3; i++) {
		char *text = smoke_report_text(formats[i], results, 1000000000, 1.5);

		must(text);
		if (i == 0)
			look_at_xml(text);
		else if (i == 1)
			look_at_json(text, results);
		else
			look_at_tap(text);
		free(text);
	}
	json_decref(results);
}

/* --- the guest --- */

static void say(enum watch_source source, const void *bytes, size_t len)
{
	judge_put(judge, source, bytes, len, now);
}

static void say_much(struct input *in, enum watch_source source)
{
	static char much[3 * LINE_MAX_BYTES];

	memset(much, (int)take(in, 1), sizeof(much));
	say(source, much, take_below(in, sizeof(much)));
}

static void say_bytes(struct input *in, enum watch_source source)
{
	size_t len = take(in, 1) % TEXT_MAX;

	len = len < in->left ? len : in->left;
	say(source, in->data, len);
	in->data += len;
	in->left -= len;
}

static void step(struct input *in)
{
	uint8_t what = (uint8_t)take(in, 1);
	enum watch_source source = what & 0x80 ? WATCH_HVC : WATCH_SERIAL;
	const char *word;

	switch ((what & 0x7f) % 8) {
	case 0:
		judge_pause(judge);
		break;
	case 1:
		now += take_value(in) & 0xffffffffff;
		judge_time(judge, now);
		break;
	case 2:
		say_much(in, source);
		break;
	case 3:
	case 4:
		say_bytes(in, source);
		break;
	default:
		word = words[take_below(in, sizeof(words) / sizeof(words[0]))];
		say(source, word, strlen(word));
	}
	look_at_judge();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	char kernel[TEXT_MAX + 1] = "", *chosen[4];
	unsigned int nr_expect = take_below(&in, 4), fail = (unsigned int)take(&in, 1);
	struct vm_config cfg = { .kernel = kernel, .cpus = 1 };
	struct err err;

	for (unsigned int i = 0; i < nr_expect; i++)
		chosen[i] = expressions[take_below(&in, 6)];
	chosen[nr_expect] = expressions[fail % 6];
	cfg.expect = (struct text_list){ .text = chosen, .count = nr_expect };
	cfg.fail_on = (struct text_list){ .text = chosen + nr_expect, .count = fail >> 7 };
	cfg.send = (struct text_list){ .text = (char **)sends, .count = take_below(&in, 4) };
	for (unsigned int i = 0; i < TEXT_MAX && fail & 0x40; i++)
		kernel[i] = (char)take(&in, 1);

	judge = calloc(1, sizeof(*judge));
	must(judge);
	now = NSEC_PER_SEC;
	found = JUDGE_NOTHING;
	must(!judge_init(judge, &cfg, nr_expect ? NULL : "never", &err));
	while (in.left)
		step(&in);
	judge_end(judge);
	look_at_judge();
	look_at_reports(&cfg, kernel);
	judge_finish(judge);
	free(judge);
	return 0;
}
