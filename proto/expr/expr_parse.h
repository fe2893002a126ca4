/*
 * expr_parse - text of the query language to a tree, and back.
 *
 *	or    = and { "or" and }
 *	and   = not { [ "and" ] not }
 *	not   = ( "not" | "!" ) not | "(" [ or ] ")" | test
 *	test  = field cmp value | field [ "not" ] "in" "(" value { "," value } ")"
 *	      | field "=" "*"                  the field is there
 *	      | field ":" value                contains, ASCII case ignored
 *	      | field ( "=~" | "!~" ) value    regular expression (PCRE2), matches somewhere
 *	      | "entity" ( "=" | "!=" ) TYPE/ID | "entity" [ "not" ] "in" "(" TYPE/ID ... ")"
 *	      | value                          text of the description, as description:value
 *	cmp   = "=" | "!=" | "<" | "<=" | ">" | ">="
 *	field = a field of an event, an alias of one, or metadata.path; a part of a path may be quoted:
 *	        metadata."a.b".c
 *	value = a bare word (letters, digits, _ - . : / @ + % # and what is not ASCII), or "text" with
 *	        \" \\ \n \t \xHH \u{H...}; of a regular expression only \" is taken so: "\d+" needs no
 *	        second backslash
 *
 * Words that stand alone are a test each, and adjacent tests are joined by and: `disk full` finds both
 * words anywhere, `"disk full"` the text as it is. Without a slash, entity is the id.
 * and, or, not, in: in any case; as values they want quotes. Of severities the worse is the greater;
 * an order wants a word there. Times are those of proto/base/when.h, in
 * quotes if they have blanks; with = a time covers the unit that it names. The empty text is true.
 *
 * Errors: ERR_SYNTAX, ERR_UNKNOWN, ERR_RANGE, ERR_LIMIT, ERR_DEPTH, -ENOMEM, with an expr_err that says
 *         where, what was expected and what was found.
 */
#ifndef PROTO_EXPR_EXPR_PARSE_H
#define PROTO_EXPR_EXPR_PARSE_H

#include "proto/base/buf.h"
#include "proto/base/when.h"
#include "proto/expr/expr.h"

struct expr_err {
	int code;
	size_t at; /* offset of the first byte that is wrong, in the text; its length: the end */
	char error[160]; /* a clause without a full stop: what was expected, what was found */
	char hint[160];  /* what to do, or "" */
};

struct expr_parse_conf {
	int64_t now_ns;      /* what `now` and -1h are taken from */
	enum when_zone zone; /* of times without one */
};

/* Not normalised. *out belongs to the builder. */
int expr_parse(struct expr_builder *b, struct span text, const struct expr_parse_conf *conf,
	const struct expr **out, struct expr_err *err);

/* Appends text that parses to the same normal tree, whatever now and zone are. */
void expr_print(const struct expr *x, struct buf *out);
/* Appends a value as it must be written: bare where that is the same, else in quotes. */
void expr_print_value(struct span value, struct buf *out);
/* Appends the name of a field as expr_field_find takes it. */
void expr_print_field(const struct expr_field *f, struct buf *out);

#endif
