/*
 * conf - the configuration of a program: the table conf.def, an ini file, ASTRO_* variables of the
 * environment, and flags. A flag beats the environment, which beats the file, which beats the
 * default, in whatever order they are read.
 *
 *	[store]                          ASTRO_STORE_DATA=/srv/astrolabe
 *	data = /srv/astrolabe            --data /srv/astrolabe
 *
 * Sections [class NAME] and [rule NAME] are no keys of the table: conf_class.h, conf_rule.h.
 *
 * A key nobody knows is an error that names the closest known one; so is a known variable's name
 * with a slip (ASTRO_STORE_DAAT). Every key of the file is checked, whichever program reads it.
 *
 * Life:    init, flags by conf_set, conf_load once, read, fini. conf_reload any time later.
 * Thread:  reading is free for all while nobody reloads.
 * Memory:  texts are copied; a pointer from conf_text lives until fini, or, for a key that may be
 *          reread, until conf_reload.
 * Errors:  every mistake becomes one line in `problems` that ends with what to do.
 */
#ifndef PROTO_SVC_CONF_H
#define PROTO_SVC_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "proto/svc/conf_class.h"
#include "proto/svc/conf_rule.h"
#include "proto/svc/conf_value.h"

/* Read when --config and ASTRO_CONFIG name no other; it need not exist then. */
#define CONF_FILE_DEFAULT "/etc/astrolabe/astrolabe.conf"

enum conf_key {
#define CONF(key, section, name, type, standard, min, max, reload, text) CONF_##key,
#include "proto/svc/conf.def"
#undef CONF
	CONF_KEY_COUNT,
};

enum conf_source {
	CONF_FROM_DEFAULT,
	CONF_FROM_FILE,
	CONF_FROM_ENV,
	CONF_FROM_FLAG,
};

/* The row of conf.def. */
const struct conf_entry *conf_entry(enum conf_key key);

struct conf_value {
	char *text;
	int64_t num;
	enum conf_source source;
};

struct conf {
	char *file; /* as conf_load was given it */
	struct conf_value values[CONF_KEY_COUNT];
	struct conf_classes classes; /* of the file alone, and so the rules */
	struct conf_rules rules;
	/*
	 * Unless NULL: called at the end of conf_load, for what only the program can tell to be wrong.
	 * 0, or negative with a line in `problems` for each mistake.
	 */
	int (*check)(const struct conf *c, struct buf *problems);
};

/* Every key at its default. -ENOMEM is the only failure. */
int conf_init(struct conf *c);
void conf_fini(struct conf *c);

/*
 * One value, unless a stronger source has set the key. On failure (ERR_SYNTAX, ERR_RANGE,
 * -ENOMEM) the key keeps its value and the diag says what is allowed; its file is "".
 */
int conf_set(struct conf *c, enum conf_key key, const char *text, enum conf_source source,
	struct diag *d);

/*
 * Reads the environment and the file: `file`, else ASTRO_CONFIG, else CONF_FILE_DEFAULT; an empty
 * name means no file. Negative when there was any problem: each is a line in `problems`, ended by
 * '\n', and the others were applied nevertheless.
 */
int conf_load(struct conf *c, const char *file, struct buf *problems);

/*
 * Reads file and environment again. Keys that may be reread take their new values; `changed` is
 * called for each key whose text differs, applied or (restart needed) not, with CONF_CHANGED_CLASSES if
 * the classes do, which stay as they were read first, and with CONF_CHANGED_RULES if the rules do, which
 * are applied. On any problem: nothing is changed.
 */
enum { CONF_CHANGED_CLASSES = CONF_KEY_COUNT, CONF_CHANGED_RULES };
typedef void (*conf_changed_cb)(void *arg, int key, bool applied);
int conf_reload(struct conf *c, conf_changed_cb changed, void *arg, struct buf *problems);

/* The value as written. */
const char *conf_text(const struct conf *c, enum conf_key key);
/* The same for whoever shows it: a secret that is set is "(secret)". */
const char *conf_shown(const struct conf *c, enum conf_key key);
/* Bytes, nanoseconds, number, 0 or 1, mode, level: by the key's type. Asserts that it has one. */
int64_t conf_num(const struct conf *c, enum conf_key key);
bool conf_bool(const struct conf *c, enum conf_key key);
/* False and an empty host when the key names no address. */
bool conf_addr(const struct conf *c, enum conf_key key, struct conf_addr *out);

/* "[store]\ndata = ...": every key with its value and where it came from, for --check-config. */
void conf_print(const struct conf *c, struct buf *out);

/* The word of `words` that is closest to `word`, or NULL when none is near. */
const char *conf_closest(const char *word, const char *const *words, size_t words_count);

#endif
