/*
 * Reads the environment and the ini file into a conf.
 *
 * inih calls us for each `key = value`. It is fed line by line through a reader of ours, which
 * counts the lines (inih does not tell them), takes blanks off their start (inih would take such
 * a line for a continuation), and refuses what inih would cut or misread without a word: overlong
 * lines and NUL bytes.
 */
#include "proto/svc/conf.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

enum {
	LINE_BYTES_MAX = 190,     /* inih keeps 200, its own marks included */
	FILE_BYTES_MAX = 1 << 20, /* somebody named a device or a log */
	NAME_BYTES_MAX = 96,
};

extern char **environ;

struct load {
	struct conf *conf;
	struct buf *problems;
	const char *path;
	FILE *file;
	unsigned line;
	size_t bytes;
	unsigned set_on[CONF_KEY_COUNT]; /* line that set the key; 0: none */
	int rc;
};

/* ---- names ---- */

static int find_key(const char *section, const char *name)
{
	for (int k = 0; k < CONF_KEY_COUNT; k++)
		if (strcmp(conf_entry(k)->section, section) == 0 &&
			strcmp(conf_entry(k)->name, name) == 0)
			return k;
	return -1;
}

static bool is_section(const char *section)
{
	for (int k = 0; k < CONF_KEY_COUNT; k++)
		if (strcmp(conf_entry(k)->section, section) == 0)
			return true;
	return false;
}

/* ASTRO_STORE_DATA */
static void env_name(enum conf_key key, char dst[NAME_BYTES_MAX])
{
	const struct conf_entry *e = conf_entry(key);

	snprintf(dst, NAME_BYTES_MAX, "ASTRO_%s_%s", e->section, e->name);
	for (char *p = dst; *p; p++)
		*p = (char)toupper((unsigned char)*p);
}

/* " (did you mean X?)" or "". */
static const char *hint(
	const char *word, const char *const *words, size_t words_count, char *dst, size_t cap)
{
	const char *near = conf_closest(word, words, words_count);

	*dst = 0;
	if (near)
		snprintf(dst, cap, "; did you mean '%s'?", near);
	return dst;
}

/* ---- the environment ---- */

static void load_env(struct load *l)
{
	char name[NAME_BYTES_MAX];
	struct diag d;

	for (int k = 0; k < CONF_KEY_COUNT; k++) {
		const char *text;

		env_name(k, name);
		text = getenv(name);
		if (!text)
			continue;
		if (conf_set(l->conf, k, text, CONF_FROM_ENV, &d) < 0) {
			l->rc = d.code;
			buf_printf(l->problems, "environment: %s: %s\n", name, d.text);
		}
	}
}

/* True when the variable is meant for us: ASTRO_ and a section of ours. */
static bool in_our_section(const char *name)
{
	for (int k = 0; k < CONF_KEY_COUNT; k++) {
		char ours[NAME_BYTES_MAX];
		size_t n;

		env_name(k, ours);
		n = strlen("ASTRO_") + strlen(conf_entry(k)->section) + 1;
		if (strncmp(name, ours, n) == 0)
			return true;
	}
	return false;
}

static void check_env_name(struct load *l, const char *name)
{
	char ours[CONF_KEY_COUNT][NAME_BYTES_MAX];
	const char *words[CONF_KEY_COUNT];
	char did_you[NAME_BYTES_MAX + 32];

	if (!in_our_section(name))
		return;
	for (int k = 0; k < CONF_KEY_COUNT; k++) {
		env_name(k, ours[k]);
		if (strcmp(name, ours[k]) == 0)
			return;
		words[k] = ours[k];
	}
	l->rc = ERR_UNKNOWN;
	buf_printf(l->problems, "environment: %s: no such configuration key%s\n", name,
		hint(name, words, CONF_KEY_COUNT, did_you, sizeof did_you));
}

static void check_env_names(struct load *l)
{
	for (char **e = environ; e && *e; e++) {
		char name[NAME_BYTES_MAX];
		size_t n = strcspn(*e, "=");

		if (strncmp(*e, "ASTRO_", strlen("ASTRO_")) != 0 || n >= sizeof name)
			continue;
		memcpy(name, *e, n);
		name[n] = 0;
		check_env_name(l, name);
	}
}

/* ---- the file ---- */

static void unknown_section(struct load *l, const char *section)
{
	const char *words[CONF_KEY_COUNT];
	char did_you[NAME_BYTES_MAX + 32];

	for (int k = 0; k < CONF_KEY_COUNT; k++)
		words[k] = conf_entry(k)->section;
	if (!*section)
		buf_printf(l->problems, "%s:%u: a key before any [section]\n", l->path, l->line);
	else
		buf_printf(l->problems, "%s:%u: unknown section [%s]%s\n", l->path, l->line,
			section, hint(section, words, CONF_KEY_COUNT, did_you, sizeof did_you));
}

static void unknown_key(struct load *l, const char *section, const char *name)
{
	const char *words[CONF_KEY_COUNT];
	size_t count = 0;
	char did_you[NAME_BYTES_MAX + 32];

	for (int k = 0; k < CONF_KEY_COUNT; k++) {
		const struct conf_entry *e = conf_entry(k);

		if (strcmp(e->section, section) == 0)
			words[count++] = e->name;
	}
	hint(name, words, count, did_you, sizeof did_you);
	for (int k = 0; !*did_you && k < CONF_KEY_COUNT; k++)
		if (strcmp(conf_entry(k)->name, name) == 0)
			snprintf(did_you, sizeof did_you, "; it belongs to [%s]",
				conf_entry(k)->section);
	buf_printf(l->problems, "%s:%u: unknown key '%s' in [%s]%s\n", l->path, l->line, name,
		section, did_you);
}

static void class_pair(struct load *l, const char *section, const char *name, const char *value)
{
	struct diag d;
	int rc = conf_class_put(&l->conf->classes, l->path, section, name, value, l->line, &d);

	if (rc == 0)
		return;
	l->rc = rc;
	buf_printf(l->problems, "%s:%u: [%s] %s: %s\n", l->path, l->line, section, name, d.text);
}

static void rule_pair(struct load *l, const char *section, const char *name, const char *value)
{
	struct diag d;
	int rc = conf_rule_put(&l->conf->rules, l->path, section, name, value, l->line, &d);

	if (rc == 0)
		return;
	l->rc = rc;
	buf_printf(l->problems, "%s:%u: [%s] %s: %s\n", l->path, l->line, section, name, d.text);
}

/* Called by inih. Problems are told here, so the answer is always "go on". */
static int on_pair(void *user, const char *section, const char *name, const char *value)
{
	struct load *l = user;
	struct diag d;
	int key = find_key(section, name);

	if (conf_class_is(section)) {
		class_pair(l, section, name, value);
		return 1;
	}
	if (conf_rule_is(section)) {
		rule_pair(l, section, name, value);
		return 1;
	}
	if (key < 0) {
		l->rc = ERR_UNKNOWN;
		if (is_section(section))
			unknown_key(l, section, name);
		else
			unknown_section(l, section);
		return 1;
	}
	if (l->set_on[key]) {
		l->rc = ERR_SYNTAX;
		buf_printf(l->problems, "%s:%u: [%s] %s is given twice, first in line %u\n",
			l->path, l->line, section, name, l->set_on[key]);
		return 1;
	}
	l->set_on[key] = l->line;
	if (conf_set(l->conf, (enum conf_key)key, value, CONF_FROM_FILE, &d) < 0) {
		l->rc = d.code;
		buf_printf(l->problems, "%s:%u: [%s] %s: %s\n", l->path, l->line, section, name,
			d.text);
	}
	return 1;
}

static void bad_line(struct load *l, const char *what)
{
	l->rc = ERR_SYNTAX;
	buf_printf(l->problems, "%s:%u: %s\n", l->path, l->line, what);
}

/* One line without leading blanks, however long it is in the file; false at the end. */
static bool read_line(struct load *l, char dst[LINE_BYTES_MAX + 1])
{
	size_t n = 0;
	bool too_long = false, has_nul = false;
	int c;

	while ((c = getc(l->file)) != EOF && ++l->bytes < FILE_BYTES_MAX && c != '\n') {
		has_nul |= c == 0;
		if (n == 0 && isspace(c))
			continue;
		if (n < LINE_BYTES_MAX)
			dst[n++] = (char)c;
		else
			too_long = true;
	}
	dst[n] = 0;
	if (c == EOF && n == 0)
		return false;
	l->line++;
	if (!too_long && !has_nul)
		return true;
	bad_line(l, has_nul ? "a NUL byte: this is not a text file"
			    : "longer than 190 bytes; a long value can be given as a flag or in "
			      "the environment");
	dst[0] = 0;
	return true;
}

/* fgets for inih. */
static char *on_read(char *dst, int cap, void *user)
{
	struct load *l = user;
	char line[LINE_BYTES_MAX + 1];

	ASSERT(cap > LINE_BYTES_MAX + 2);
	if (l->bytes >= FILE_BYTES_MAX || !read_line(l, line))
		return NULL;
	snprintf(dst, (size_t)cap, "%s\n", line);
	return dst;
}

static int load_file(struct load *l, bool must_exist)
{
	int line;

	l->file = fopen(l->path, "re");
	if (!l->file && errno == ENOENT && !must_exist)
		return 0;
	if (!l->file) {
		buf_printf(l->problems, "%s: cannot be opened: %s\n", l->path, err_text(-errno));
		return l->rc = -errno;
	}
	line = ini_parse_stream(on_read, l, on_pair, l);
	if (ferror(l->file)) {
		l->line = 0;
		bad_line(l, "cannot be read");
	} else if (l->bytes >= FILE_BYTES_MAX) {
		bad_line(l, "larger than 1 MiB: this is no configuration file");
	} else if (line != 0) {
		l->line = (unsigned)(line > 0 ? line : 0);
		bad_line(l, "write [section], key = value, or a comment after # or ;");
	}
	fclose(l->file);
	return l->rc;
}

int conf_load(struct conf *c, const char *file, struct buf *problems)
{
	struct load l = { .conf = c, .problems = problems };
	const char *path = file ? file : getenv("ASTRO_CONFIG");
	char *copy = file ? strdup(file) : NULL;
	int rc;

	if (file && !copy)
		return -ENOMEM;
	free(c->file);
	c->file = copy;
	conf_class_fini(&c->classes);
	conf_rule_fini(&c->rules);
	load_env(&l);
	check_env_names(&l);
	l.path = path ? path : CONF_FILE_DEFAULT;
	if (*l.path)
		load_file(&l, path != NULL);
	rc = c->check ? c->check(c, problems) : 0;
	return l.rc < 0 ? l.rc : rc;
}
