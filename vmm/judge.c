// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/judge.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/options.h"

const char *const watch_names[] = {
	[WATCH_SERIAL] = "ttyS0",
	[WATCH_HVC] = "hvc0",
};

/* --- rules --- */

/* A digit behind a backslash that is not itself behind one, and not in brackets, where both are themselves. */
static bool has_back_reference(const char *regex)
{
	bool in_brackets = false;

	for (const char *c = regex; *c; c++) {
		if (in_brackets && c[0] == '[' && c[1] == ':' && strstr(c, ":]")) {
			c = strstr(c, ":]") + 1;
		} else if (in_brackets) {
			in_brackets = *c != ']';
		} else if (*c == '[') {
			in_brackets = true;
			c += c[1] == '^';
			c += c[1] == ']';
		} else if (*c == '\\' && c[1]) {
			if (isdigit((unsigned char)*++c))
				return true;
		}
	}
	return false;
}

/* False, and why, if it is none. */
static bool compile(struct judge_rule *rule, const char *text, char why[OPTION_ALLOWED_MAX])
{
	int ret;

	if (has_back_reference(text)) {
		snprintf(why, OPTION_ALLOWED_MAX, "it has a back-reference (\\1)");
		return false;
	}
	ret = regcomp(&rule->regex, text, REG_EXTENDED);
	if (ret) {
		regerror(ret, &rule->regex, why, OPTION_ALLOWED_MAX);
		return false;
	}
	rule->text = text;
	return true;
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower(c) - 'a' + 10 : -1;
}

/* One escape at `c`, behind the backslash: the byte, and how many characters it takes; 0: it is none. */
static size_t unescape(const char *c, char *byte)
{
	static const char names[] = "nrt\\", bytes[] = "\n\r\t\\";
	const char *at = *c ? strchr(names, *c) : NULL;

	if (at) {
		*byte = bytes[at - names];
		return 1;
	}
	if (*c != 'x' || hex_digit(c[1]) < 0 || hex_digit(c[2]) < 0)
		return 0;
	*byte = (char)(hex_digit(c[1]) << 4 | hex_digit(c[2]));
	return 3;
}

/* Room for the text is at rule->type. */
static bool read_type(struct judge_rule *rule, const char *text, size_t len, char why[OPTION_ALLOWED_MAX])
{
	for (const char *c = text; c < text + len; c++) {
		size_t taken = *c == '\\' ? unescape(c + 1, &rule->type[rule->type_len]) : 0;

		if (*c == '\\' && !taken) {
			snprintf(why, OPTION_ALLOWED_MAX,
				 "in TEXT, \\ stands before n, r, t, \\ or xNN only");
			return false;
		}
		if (!taken)
			rule->type[rule->type_len] = *c;
		rule->type_len++;
		c += taken;
	}
	return true;
}

static bool read_send(struct judge_rule *rule, const char *text, char why[OPTION_ALLOWED_MAX])
{
	static const char between[] = " after ";
	const char *after = strstr(text, between);

	snprintf(why, OPTION_ALLOWED_MAX, "it has no \"%s\"", between);
	rule->type = after ? malloc(strlen(text)) : NULL;
	return rule->type && read_type(rule, text, (size_t)(after - text), why) &&
	       compile(rule, after + sizeof(between) - 1, why);
}

bool judge_regex_ok(const char *regex, char why[OPTION_ALLOWED_MAX])
{
	struct judge_rule rule = { 0 };
	bool ok = compile(&rule, regex, why);

	if (ok)
		regfree(&rule.regex);
	return ok;
}

bool judge_send_ok(const char *text, char why[OPTION_ALLOWED_MAX])
{
	struct judge_rule rule = { 0 };
	bool ok = read_send(&rule, text, why);

	if (ok)
		regfree(&rule.regex);
	free(rule.type);
	return ok;
}

/* `count` rules; what is of a rule that could not be made is freed with those before it. */
static int make_rules(struct judge_rules *rules, const char *option, char *const *text, unsigned int count,
		      struct err *err)
{
	bool is_send = !strcmp(option, "send");
	char why[OPTION_ALLOWED_MAX];

	rules->rule = calloc(count + 1, sizeof(*rules->rule));
	if (!rules->rule)
		return err_host(err, ENOMEM, "--%s", option);
	for (; rules->count < count; rules->count++) {
		struct judge_rule *rule = &rules->rule[rules->count];
		const char *value = text[rules->count];

		if (!(is_send ? read_send(rule, value, why) : compile(rule, value, why))) {
			free(rule->type);
			return err_user(err, "--%s: \"%s\" is not allowed: %s", option, quote(value).text,
					why);
		}
	}
	return 0;
}

static void free_rules(struct judge_rules *rules)
{
	for (unsigned int i = 0; i < rules->count; i++) {
		regfree(&rules->rule[i].regex);
		free(rules->rule[i].type);
		free(rules->rule[i].line);
	}
	free(rules->rule);
}

/* --- searching --- */

static void copy_line(struct judge_line *to, enum watch_source source, uint64_t when, const char *text)
{
	to->source = source;
	to->when = when;
	snprintf(to->text, sizeof(to->text), "%.*s", (int)lines_cut(text, JUDGE_LINE_MAX), text);
}

static void mark_seen(struct judge_rule *rule, const struct judge_end *end, const char *text, uint64_t when)
{
	rule->is_seen = true;
	rule->line = malloc(sizeof(*rule->line));
	if (rule->line)
		copy_line(rule->line, end->source, when, text);
}

/* Is the next of `rules` in this line, behind what has been found in it? Then it is seen. */
static bool find_next(struct judge_rules *rules, const struct judge_end *end, const char *text, size_t len,
		      uint64_t when, bool is_whole)
{
	size_t at = rules->at[end->source];
	struct judge_rule *rule = &rules->rule[rules->next];
	regmatch_t match;
	int flags = (at ? REG_NOTBOL : 0) | (is_whole ? 0 : REG_NOTEOL);

	if (rules->next == rules->count || at > len || regexec(&rule->regex, text + at, 1, &match, flags))
		return false;
	rules->at[end->source] = at + (size_t)match.rm_eo;
	rules->next++;
	mark_seen(rule, end, text, when);
	return true;
}

static bool find_failure(struct judge *judge, const struct judge_end *end, const char *text, uint64_t when,
			 bool is_whole)
{
	for (unsigned int i = 0; i < judge->fail_on.count; i++) {
		struct judge_rule *rule = &judge->fail_on.rule[i];

		if (regexec(&rule->regex, text, 0, NULL, is_whole ? 0 : REG_NOTEOL))
			continue;
		mark_seen(rule, end, text, when);
		judge->failed_on = rule;
		judge->finding = JUDGE_FAILED;
		return true;
	}
	return false;
}

/* What must not come beats what is expected. */
static void search(struct judge *judge, struct judge_end *end, const char *text, size_t len, uint64_t when,
		   bool is_whole)
{
	if (find_failure(judge, end, text, when, is_whole))
		return;
	while ((is_whole || !judge->expects_line) &&
	       find_next(&judge->expect, end, text, len, when, is_whole))
		if (judge->seen)
			judge->seen(judge->ctx, &judge->expect.rule[judge->expect.next - 1]);
	if (judge->expect.next == judge->expect.count) {
		judge->finding = JUDGE_PASSED;
		return;
	}
	while (find_next(&judge->send, end, text, len, when, is_whole)) {
		const struct judge_rule *rule = &judge->send.rule[judge->send.next - 1];

		if (judge->type)
			judge->type(judge->ctx, end->source, rule->type, rule->type_len);
	}
}

static void end_crash(struct judge *judge)
{
	judge->finding = JUDGE_CRASHED;
	judge->deadline = CLOCK_NEVER;
}

/* Only the console that spoke of it first: on another the same comes once more. */
static void look_for_crash(struct judge *judge, enum watch_source source, const char *text)
{
	bool is_new = !judge->crash.kind;

	if (judge->ignore_crashes || (!is_new && source != judge->crash_source))
		return;
	crash_line(&judge->crash, text);
	if (!judge->crash.kind)
		return;
	if (is_new) {
		judge->crash_source = source;
		judge->crash_begun = judge->now;
	}
	judge->deadline = judge->now + JUDGE_CRASH_QUIET;
	if (judge->deadline > judge->crash_begun + JUDGE_CRASH_MOST)
		judge->deadline = judge->crash_begun + JUDGE_CRASH_MOST;
	if (judge->crash.is_over)
		end_crash(judge);
}

static void on_line(void *ctx, const char *text, size_t len, uint64_t begun, bool cut)
{
	struct judge_end *end = ctx;
	struct judge *judge = end->judge;

	copy_line(&judge->last[judge->nr_lines++ % JUDGE_LAST_LINES], end->source, begun, text);
	if (!judge->finding && !judge->crash.kind)
		search(judge, end, text, len, begun, !cut);
	if (!judge->finding)
		look_for_crash(judge, end->source, text);
	judge->expect.at[end->source] = judge->send.at[end->source] = end->searched = 0;
}

/* --- from outside --- */

int judge_init(struct judge *judge, const struct vm_config *cfg, const char *expect, struct err *err)
{
	char *only = (char *)expect;
	int ret;

	memset(judge, 0, sizeof(*judge));
	judge->deadline = CLOCK_NEVER;
	judge->ignore_crashes = cfg->on_crash == ON_CRASH_IGNORE;
	judge->expects_line = expect;
	for (int i = 0; i < WATCH_SOURCES; i++) {
		judge->end[i].judge = judge;
		judge->end[i].source = (enum watch_source)i;
		lines_init(&judge->end[i].lines, on_line, &judge->end[i]);
	}
	ret = expect ? make_rules(&judge->expect, "expect", &only, 1, err)
		     : make_rules(&judge->expect, "expect", cfg->expect.text, cfg->expect.count, err);
	if (!ret)
		ret = make_rules(&judge->fail_on, "fail-on", cfg->fail_on.text, cfg->fail_on.count, err);
	if (!ret)
		ret = make_rules(&judge->send, "send", cfg->send.text, cfg->send.count, err);
	return ret;
}

void judge_finish(struct judge *judge)
{
	free_rules(&judge->expect);
	free_rules(&judge->fail_on);
	free_rules(&judge->send);
	crash_finish(&judge->crash);
}

void judge_put(struct judge *judge, enum watch_source source, const uint8_t *bytes, size_t len, uint64_t now)
{
	judge->now = now;
	lines_put(&judge->end[source].lines, bytes, len, now);
}

void judge_pause(struct judge *judge)
{
	for (int i = 0; i < WATCH_SOURCES; i++) {
		struct judge_end *end = &judge->end[i];
		const struct lines *lines = &end->lines;

		if (judge->finding || judge->crash.kind || lines->len == end->searched)
			continue;
		end->searched = lines->len;
		search(judge, end, lines->text, lines->len, lines->begun, false);
	}
}

void judge_time(struct judge *judge, uint64_t now)
{
	if (now >= judge->deadline && !judge->finding)
		end_crash(judge);
}

void judge_end(struct judge *judge)
{
	for (int i = 0; i < WATCH_SOURCES; i++)
		lines_end(&judge->end[i].lines);
	if (judge->crash.kind && !judge->finding)
		end_crash(judge);
}

const struct judge_line *judge_last_line(const struct judge *judge, unsigned int i)
{
	uint64_t kept = judge->nr_lines < JUDGE_LAST_LINES ? judge->nr_lines : JUDGE_LAST_LINES;

	return i < kept ? &judge->last[(judge->nr_lines - kept + i) % JUDGE_LAST_LINES] : NULL;
}
