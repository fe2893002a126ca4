/*
 * rule_find - where in a text something stands that is not to be stored: e-mail addresses, card
 * numbers, bearer tokens. Where in doubt more is found rather than less, but for what would hit ids and
 * times all day.
 *
 * An e-mail address: a name (letters, digits, . _ % + - ~, letters of Latin, Greek and Cyrillic, and '
 * between letters), @ or %40 as in an URL, and a domain whose last label begins with a letter:
 * root@10.0.0.12 and root@localhost are none.
 * A card number: 13 to 19 digits that begin and are as long as those of a card network, whose last digit
 * is right by Luhn, in one piece or in groups, the first of them of four, with one blank or hyphen
 * between. Not as part of a word or of a decimal fraction.
 * A bearer token: the word bearer, in any case; blanks, + or %20, : or =; then letters, digits and
 * any of - . _ ~ + / = %. Words as in "bearer of bad news" are none.
 *
 * Thread: any. Memory: none. Errors: none.
 * Malice:  time is proportional to the bytes.
 */
#ifndef PROTO_RULE_RULE_FIND_H
#define PROTO_RULE_RULE_FIND_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/needle.h"
#include "proto/base/span.h"

/* The first at or after `from`, which is 0 or where the last one ended: *out_from .. *out_to. */
bool rule_find_email(struct span text, size_t from, size_t *out_from, size_t *out_to);
bool rule_find_card(struct span text, size_t from, size_t *out_from, size_t *out_to);
/* `word` is RULE_FIND_BEARER; the place is that of the token alone. */
#define RULE_FIND_BEARER "bearer"
bool rule_find_bearer(
	const struct needle *word, struct span text, size_t from, size_t *out_from, size_t *out_to);

/* False: none is in these bytes, be they a text or msgpack with texts in it. */
bool rule_find_may_email(struct span bytes);
bool rule_find_may_card(struct span bytes);

#endif
