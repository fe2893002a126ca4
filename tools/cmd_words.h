/*
 * cmd_words - the operands of a command line: FIELD=VALUE and the query language.
 *
 * An argument FIELD=VALUE is taken by the letter: the value is what stands after the sign, blanks and
 * all, and a field given again means any of its values. It belongs to the language instead if its value
 * begins with a quote, is * (the field is there), or goes on after a blank with and, or, not, in or
 * another comparison. All other arguments are the language, joined by blanks. Where and, or, not or a
 * parenthesis is an argument, all arguments are one expression.
 *
 * Thread: one. Memory: the arena of the cmd_args. Errors: negative; the reason was told on stderr, with
 * the place in the text, where cmd_words_told says so, else it is in the diag.
 */
#ifndef TOOLS_CMD_WORDS_H
#define TOOLS_CMD_WORDS_H

#include "tools/cmd_args.h"

/* Outcome of cmd_words_read: what is wrong was shown on stderr, with the place. */
enum { CMD_WORDS_TOLD = 1 };

/* Operands, -g and --regex, as parameters; `q` is the normal form of all that is in the language. */
int cmd_words_read(struct cmd_args *a, int count, char **words, struct diag *d);

#endif
