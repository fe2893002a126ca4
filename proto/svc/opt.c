#include "proto/svc/opt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/svc/version.h"

enum {
	HELP_COLUMN = 30,
	OPTS_COUNT_MAX = 64, /* rows of one program's table */
};

struct parser {
	const struct opt_program *program;
	char **argv;
	int argc;
	int i; /* the argument being read */
	struct diag *diag;
};

static const struct opt *find_name(const struct opt_program *p, const char *name, size_t n)
{
	for (size_t i = 0; i < p->opts_count; i++) {
		const char *known = p->opts[i].name;

		if (known && strncmp(known, name, n) == 0 && known[n] == 0)
			return &p->opts[i];
	}
	return NULL;
}

static const struct opt *find_letter(const struct opt_program *p, char letter)
{
	for (size_t i = 0; i < p->opts_count; i++)
		if (p->opts[i].letter == letter)
			return &p->opts[i];
	return NULL;
}

static int set_int(const struct opt *o, const char *value, struct diag *d)
{
	int64_t *to = o->to;
	int64_t v = 0;
	int rc = conf_value_int(value, &v);

	if (rc == 0 && (v < o->min || v > o->max))
		rc = ERR_RANGE;
	if (rc < 0)
		return diag_set(d, rc, "", -1,
			"'%.64s' is not allowed: write a whole number from %" PRId64 " to %" PRId64,
			value, o->min, o->max);
	*to = v;
	return 0;
}

static int set(struct parser *s, const struct opt *o, const char *value, struct diag *d)
{
	switch (o->kind) {
	case OPT_FLAG:
		ASSERT(!o->arg);
		*(bool *)o->to = true;
		return 0;
	case OPT_TEXT:
		*(const char **)o->to = value;
		return 0;
	case OPT_INT:
		return set_int(o, value, d);
	case OPT_CONF:
		ASSERT(s->program->conf);
		return conf_set(
			s->program->conf, o->key, o->arg ? value : "yes", CONF_FROM_FLAG, d);
	case OPT_CALL:
		return o->call(o->to, value, d);
	}
	UNREACHABLE();
}

/* Sets the flag; a complaint gets the flag's spelling in front. */
static int apply(
	struct parser *s, const struct opt *o, const char *spelt, int spelt_n, const char *value)
{
	struct diag why = { .text = "not allowed" };
	int rc = set(s, o, value, &why);

	if (rc < 0)
		return diag_set(s->diag, rc, "", -1, "%.*s: %s", spelt_n, spelt, why.text);
	return 0;
}

/* The value of a flag: the rest of its argument, or the next argument. NULL when there is none. */
static const char *next_value(struct parser *s)
{
	return s->i + 1 < s->argc ? s->argv[++s->i] : NULL;
}

static int missing_value(struct parser *s, const struct opt *o, const char *spelt, int spelt_n)
{
	return diag_set(s->diag, ERR_SYNTAX, "", -1, "%.*s wants a value: %.*s %s", spelt_n, spelt,
		spelt_n, spelt, o->arg);
}

static int unknown_name(struct parser *s, const char *arg, int arg_n)
{
	const struct opt_program *p = s->program;
	const char *words[OPTS_COUNT_MAX + 2];
	char name[64];
	size_t count = 0;
	const char *near;

	ASSERT(p->opts_count <= OPTS_COUNT_MAX);
	for (size_t i = 0; i < p->opts_count; i++)
		if (p->opts[i].name)
			words[count++] = p->opts[i].name;
	words[count++] = "help";
	words[count++] = "version";
	snprintf(name, sizeof name, "%.*s", arg_n - 2, arg + 2);
	near = conf_closest(name, words, count);
	return diag_set(s->diag, ERR_SYNTAX, "", -1, "unknown flag %.*s%s%s%s", arg_n, arg,
		near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

/* --name, --name=VALUE, --name VALUE */
static int long_flag(struct parser *s)
{
	const char *arg = s->argv[s->i];
	int spelt_n = (int)strcspn(arg, "=");
	const struct opt *o = find_name(s->program, arg + 2, (size_t)spelt_n - 2);
	const char *value = arg[spelt_n] ? arg + spelt_n + 1 : NULL;

	if (!o && strcmp(arg, "--help") == 0)
		return OPT_HELP;
	if (!o && strcmp(arg, "--version") == 0)
		return OPT_VERSION;
	if (!o)
		return unknown_name(s, arg, spelt_n);
	if (!o->arg && value)
		return diag_set(s->diag, ERR_SYNTAX, "", -1, "%.*s takes no value", spelt_n, arg);
	if (o->arg && !value)
		value = next_value(s);
	if (o->arg && !value)
		return missing_value(s, o, arg, spelt_n);
	return apply(s, o, arg, spelt_n, value ? value : "");
}

/* -x, -xyz, -xVALUE, -x VALUE */
static int short_flags(struct parser *s)
{
	for (const char *p = s->argv[s->i] + 1; *p; p++) {
		const struct opt *o = find_letter(s->program, *p);
		char spelt[3] = { '-', *p, 0 };
		const char *value = "";
		int rc;

		if (!o && *p == 'h')
			return OPT_HELP;
		if (!o)
			return diag_set(s->diag, ERR_SYNTAX, "", -1, "unknown flag %s", spelt);
		if (o->arg)
			value = p[1] ? p + 1 : next_value(s);
		if (!value)
			return missing_value(s, o, spelt, 2);
		rc = apply(s, o, spelt, 2, value);
		if (rc || o->arg)
			return rc;
	}
	return 0;
}

/* Operands keep their order behind the flags, as getopt(3) leaves them. */
static void operands_last(char **argv, int argc, char **operands, int count)
{
	ASSERT(count < argc || argc == 0);
	memcpy(argv + (argc - count), operands, (size_t)count * sizeof *operands);
}

int opt_parse(const struct opt_program *p, int argc, char **argv, int *out_first, struct diag *d)
{
	struct parser s = { .program = p, .argv = argv, .argc = argc, .diag = d };
	char **operands = calloc((size_t)argc + 1, sizeof *operands);
	bool only_operands = false;
	int count = 0, rc = 0;

	if (!operands)
		return diag_set(d, -ENOMEM, "", -1, "read the command line");
	for (s.i = 1; s.i < argc && rc == 0; s.i++) {
		char *arg = argv[s.i];

		if (only_operands || arg[0] != '-' || arg[1] == 0)
			operands[count++] = arg;
		else if (strcmp(arg, "--") == 0)
			only_operands = true;
		else
			rc = arg[1] == '-' ? long_flag(&s) : short_flags(&s);
	}
	if (rc == 0 && count > 0 && !*p->operands)
		rc = diag_set(d, ERR_SYNTAX, "", -1, "unexpected argument '%.64s'", operands[0]);
	if (rc == 0) {
		operands_last(argv, argc, operands, count);
		*out_first = argc - count;
	}
	free(operands);
	return rc;
}

/* ---- help ---- */

/* Words from column HELP_COLUMN on, at most 80 wide. */
static void print_wrapped(const char *text, int column, FILE *to)
{
	while (*text) {
		int n = (int)strcspn(text, " ");

		if (column + n > 80) {
			fprintf(to, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		}
		fprintf(to, "%.*s", n, text);
		column += n;
		text += n;
		if (*text == ' ') {
			fputc(' ', to);
			column++;
			text++;
		}
	}
	fputc('\n', to);
}

static void print_row(char letter, const char *name, const char *arg, const char *help, FILE *to)
{
	char left[96];
	int n;

	n = snprintf(left, sizeof left, "  %c%c%s%s%s%s%s", letter ? '-' : ' ',
		letter ? letter : ' ', letter && name ? ", " : "  ", name ? "--" : "",
		name ? name : "", arg ? " " : "", arg ? arg : "");
	fputs(left, to);
	if (n >= HELP_COLUMN) {
		fputc('\n', to);
		n = 0;
	}
	fprintf(to, "%*s", HELP_COLUMN - n, "");
	print_wrapped(help, HELP_COLUMN, to);
}

void opt_print_help(const struct opt_program *p, FILE *to)
{
	fprintf(to, "usage: %s [FLAG]...%s%s\n\n%s\n\n", p->name, *p->operands ? " " : "",
		p->operands, p->about);
	for (size_t i = 0; i < p->opts_count; i++) {
		const struct opt *o = &p->opts[i];

		print_row(o->letter, o->name, o->arg, o->help, to);
	}
	if (!find_name(p, "help", 4))
		print_row(find_letter(p, 'h') ? 0 : 'h', "help", NULL, "this text", to);
	print_row(0, "version", NULL, "the version", to);
	if (p->more)
		fprintf(to, "\n%s", p->more);
}

void opt_print_version(const struct opt_program *p, FILE *to)
{
	fprintf(to, "%s (Astrolabe) %s\n", p->name, version_text);
}

int opt_start(const struct opt_program *p, int argc, char **argv, int *out_first)
{
	struct diag d = { .text = "" };
	int rc = opt_parse(p, argc, argv, out_first, &d);

	if (rc == 0)
		return -1;
	if (rc < 0) {
		fprintf(stderr, "%s: %s\nSee '%s --help'.\n", p->name, d.text, p->name);
		return OPT_EXIT_USAGE;
	}
	if (rc == OPT_HELP)
		opt_print_help(p, stdout);
	else
		opt_print_version(p, stdout);
	return fflush(stdout) == 0 ? 0 : 1;
}
