#include "tools/cmd_words.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/printable.h"
#include "proto/expr/expr_parse.h"
#include "tools/cmd_flags.h"
#include "tools/term.h"

/* What the operands leave behind until all of them are read. */
struct words {
	struct cmd_args *a;
	struct buf language; /* as it was typed */
	struct buf clauses;  /* all that is to hold beside it, in the language, joined by and */
	/* Arguments FIELD=VALUE whose field the API has no filter for: by field, any of the values. */
	const char *metas[CMD_ARGS_PARAMS_MAX];
	size_t metas_count;
};

/* ---- fields of the API ---- */

static const struct {
	const char *word;
	const char *name;
} aliases[] = {
	{ "type", "event_type" },
	{ "user", "user_id" },
	{ "level", "severity" },
};

/* The API's name for a filter whose values are taken by the letter, or NULL. */
static const char *filter_name(struct span word)
{
	static const char *const others[] = { "severity", "id" };
	int field = event_text_find(word);

	if (field >= 0)
		return event_text_name((enum event_text)field);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		if (span_eq(word, span_str(others[i])))
			return others[i];
	}
	for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
		if (span_eq(word, span_str(aliases[i].word)))
			return aliases[i].name;
	}
	return NULL;
}

/* ---- what an argument is ---- */

static size_t name_bytes(const char *p)
{
	size_t n = 0;

	while (isalnum((unsigned char)p[n]) || p[n] == '_' || p[n] == '.' || p[n] == '-')
		n++;
	return isalpha((unsigned char)*p) ? n : 0;
}

static bool is_word(const char *p, size_t n, const char *word)
{
	return strlen(word) == n && strncasecmp(p, word, n) == 0;
}

/* Whether the language goes on here, behind a blank within a value. */
static bool goes_on(const char *p)
{
	size_t n = name_bytes(p);

	if (is_word(p, n, "and") || is_word(p, n, "or") || is_word(p, n, "not") ||
		is_word(p, n, "in"))
		return p[n] == ' ' || p[n] == '(';
	return n && p[n] && strchr("=<>!:~", p[n]);
}

/* FIELD=VALUE with the value by the letter; the bytes of the field's name, or 0. */
static size_t literal_field(const char *arg)
{
	size_t n = name_bytes(arg);
	const char *value = arg + n + 1;

	if (n == 0 || arg[n] != '=' || *value == '"' || *value == '~' || strcmp(value, "*") == 0)
		return 0;
	for (const char *p = strchr(value, ' '); p; p = strchr(p, ' ')) {
		p += strspn(p, " ");
		if (goes_on(p))
			return 0;
	}
	return n;
}

/* ---- the query language ---- */

static void put_quoted(const char *value, struct buf *out)
{
	buf_put_u8(out, '"');
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (c == '"' || c == '\\')
			buf_put_u8(out, '\\');
		if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\x%02x", c);
		else
			buf_put_u8(out, c);
	}
	buf_put_u8(out, '"');
}

/* A value that reads as a word or number stays one: metadata.amount=12.5 is meant by value. */
static void put_value(const char *value, struct buf *out)
{
	size_t n =
		strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-");

	if (n == 0 || value[n])
		put_quoted(value, out);
	else if (is_word(value, n, "and") || is_word(value, n, "or") || is_word(value, n, "not") ||
		 is_word(value, n, "in"))
		put_quoted(value, out);
	else
		buf_put_str(out, value);
}

static void begin_clause(struct words *w)
{
	if (w->clauses.len)
		buf_put_str(&w->clauses, " and ");
}

/* As in journalctl, a pattern without a capital letter is for any case. */
static bool has_capital(const char *pattern)
{
	for (; *pattern; pattern++) {
		if (*pattern == '\\' && pattern[1])
			pattern++;
		else if (isupper((unsigned char)*pattern))
			return true;
	}
	return false;
}

static void put_text(struct words *w, const struct cmd_args_text *text)
{
	char *any;

	begin_clause(w);
	if (!text->regex) {
		buf_put_str(&w->clauses, "description:");
		put_quoted(text->value, &w->clauses);
		return;
	}
	buf_put_str(&w->clauses, "description=~");
	any = has_capital(text->value)
		      ? NULL
		      : arena_alloc(&w->a->text, strlen(text->value) + sizeof "(?i)");
	if (any)
		sprintf(any, "(?i)%s", text->value);
	put_quoted(any ? any : text->value, &w->clauses);
}

/* Any of the values of one field, from the i-th argument on; those that follow are marked as done. */
static void put_meta(struct words *w, size_t i)
{
	const char *arg = w->metas[i];
	size_t n = strcspn(arg, "=");

	begin_clause(w);
	buf_put_u8(&w->clauses, '(');
	for (size_t k = i; k < w->metas_count; k++) {
		const char *other = w->metas[k];

		if (!other || strncmp(other, arg, n + 1) != 0)
			continue;
		if (k > i)
			buf_put_str(&w->clauses, " or ");
		buf_put(&w->clauses, other, n + 1);
		put_value(other + n + 1, &w->clauses);
		if (k > i)
			w->metas[k] = NULL;
	}
	buf_put_u8(&w->clauses, ')');
}

/* The text, a caret under the place, and what to do. A long text is shown from near the place on. */
static void tell(struct span text, const struct expr_err *err)
{
	enum { BEFORE = 50, SHOWN = 72 };
	struct buf line, before;
	size_t from = err->at > BEFORE ? err->at - BEFORE : 0;
	size_t n = text.n - from < SHOWN ? text.n - from : SHOWN;

	buf_init(&line, 4096);
	buf_init(&before, 4096);
	printable_put(span_of(text.p + from, err->at - from), PRINTABLE_LINE, &before);
	printable_put(span_of(text.p + from, n), PRINTABLE_LINE, &line);
	fprintf(stderr, "astroquery: %s\n  %s%.*s%s\n  %*s^\n", err->error, from ? "..." : "",
		(int)line.len, (const char *)line.p, from + n < text.n ? "..." : "",
		(int)term_width(buf_span(&before)) + (from ? 3 : 0), "");
	if (*err->hint)
		fprintf(stderr, "  %s\n", err->hint);
	fprintf(stderr, "See 'astroquery --help'.\n");
	buf_fini(&line);
	buf_fini(&before);
}

/* One part: what was typed, or what was made of arguments and flags. */
static int parse(struct expr_builder *b, const struct words *w, const struct buf *part,
	const struct expr **out)
{
	const struct expr_parse_conf conf = {
		.now_ns = clock_wall_ns(),
		.zone = w->a->utc ? WHEN_UTC : WHEN_LOCAL,
	};
	struct expr_err err;

	if (expr_parse(b, buf_span(part), &conf, out, &err) == 0)
		return 0;
	tell(buf_span(part), &err);
	return CMD_WORDS_TOLD;
}

/* The normal form of both parts together becomes the parameter q. */
static int add_q(struct words *w, struct expr_builder *b, struct diag *d)
{
	const struct expr *typed = expr_true(b), *made = typed, *all;
	struct buf text;
	char *kept;
	int rc = 0;

	if (w->language.len)
		rc = parse(b, w, &w->language, &typed);
	if (rc == 0 && w->clauses.len)
		rc = parse(b, w, &w->clauses, &made);
	if (rc != 0)
		return rc;
	all = expr_normalise(b, expr_and(b, typed, made));
	if (!all)
		return diag_set(d, b->err, "", -1, "the expression is too large");
	if (all->kind == EXPR_TRUE)
		return 0;
	buf_init(&text, CMD_ARGS_TEXT_BYTES_MAX);
	expr_print(all, &text);
	buf_put_u8(&text, 0);
	kept = text.err ? NULL : arena_dup(&w->a->text, text.p, text.len);
	buf_fini(&text);
	return kept ? cmd_args_add(w->a, "q", kept, d) : cmd_args_no_memory(d);
}

static int read_language(struct words *w, struct diag *d)
{
	struct expr_builder b;
	int rc;

	if (w->language.err || w->clauses.err)
		return cmd_args_no_memory(d);
	if (w->language.len) {
		char *typed = arena_alloc(&w->a->text, w->language.len + 1);

		if (!typed)
			return cmd_args_no_memory(d);
		memcpy(typed, w->language.p, w->language.len);
		typed[w->language.len] = 0;
		w->a->words = typed;
	}
	expr_builder_init(&b);
	rc = add_q(w, &b, d);
	expr_builder_fini(&b);
	return rc;
}

/* ---- operands ---- */

/* Words that hold an expression together over several arguments: and, or, not, parentheses. */
static bool is_joint(const char *arg)
{
	size_t n = strlen(arg);

	return n && (is_word(arg, n, "and") || is_word(arg, n, "or") || is_word(arg, n, "not") ||
			    *arg == '(' || arg[n - 1] == ')');
}

/* An argument as a part of one expression: a value with blanks in it keeps together. */
static void put_argument(struct words *w, const char *arg)
{
	size_t n = literal_field(arg);

	if (w->language.len)
		buf_put_u8(&w->language, ' ');
	if (n && strchr(arg, ' ')) {
		buf_put(&w->language, arg, n + 1);
		put_quoted(arg + n + 1, &w->language);
	} else {
		buf_put_str(&w->language, arg);
	}
}

static int read_operand(struct words *w, const char *arg, struct diag *d)
{
	size_t n = literal_field(arg);
	const char *name;

	if (n == 6 && strncmp(arg, "entity", 6) == 0)
		return cmd_flags_entity(w->a, arg + n + 1, d);
	name = n ? filter_name(span_of(arg, n)) : NULL;
	if (name)
		return cmd_args_add(w->a, name, arg + n + 1, d);
	if (n && w->metas_count == CMD_ARGS_PARAMS_MAX)
		return cmd_args_no_memory(d);
	if (n) {
		w->metas[w->metas_count++] = arg;
		return 0;
	}
	put_argument(w, arg);
	return 0;
}

static int read_operands(struct words *w, int count, char **words, struct diag *d)
{
	bool joined = false;
	int rc = 0;

	for (int i = 0; i < count; i++)
		joined |= literal_field(words[i]) == 0 && is_joint(words[i]);
	for (int i = 0; i < count && rc == 0; i++) {
		if (joined)
			put_argument(w, words[i]);
		else
			rc = read_operand(w, words[i], d);
	}
	return rc;
}

int cmd_words_read(struct cmd_args *a, int count, char **words, struct diag *d)
{
	struct words w = { .a = a };
	int rc;

	buf_init(&w.language, CMD_ARGS_TEXT_BYTES_MAX);
	buf_init(&w.clauses, CMD_ARGS_TEXT_BYTES_MAX);
	rc = read_operands(&w, count, words, d);
	for (size_t i = 0; i < w.metas_count; i++) {
		if (w.metas[i])
			put_meta(&w, i);
	}
	for (size_t i = 0; i < a->given.texts_count; i++)
		put_text(&w, &a->given.texts[i]);
	if (rc == 0)
		rc = read_language(&w, d);
	buf_fini(&w.language);
	buf_fini(&w.clauses);
	return rc;
}
