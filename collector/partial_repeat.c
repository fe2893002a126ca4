/* A frame that was stored before: what of its parts was not. */
#include "collector/partial_int.h"

static_assert((int)LIMIT_PARTIALS <= (int)LIMIT_FRAME_CHUNKS, "a repeated frame lacks no more");

/* From this part on those of one message were left open by the first copy, and are not stored yet. */
struct missing {
	XXH128_hash_t name;
	uint32_t number;
};

struct repeat {
	const struct partial_out *out;
	struct missing missing[LIMIT_PARTIALS];
	unsigned missing_count;
};

typedef int (*each_cb)(
	void *arg, const struct partial_part *part, struct span tag, const struct forward_entry *e);

/* Calls cb for those that have a number. */
static int each_part(struct rcur c, each_cb cb, void *arg)
{
	struct forward_entry entry;
	struct partial_part part;
	struct span tag;
	int rc = 0;

	while (rc >= 0 && partial_next_part(&c, &part, &tag, &entry)) {
		if (part.number != PARTIAL_NO_NUMBER)
			rc = cb(arg, &part, tag, &entry);
	}
	return rc < 0 ? rc : 0;
}

/* The same, of the frame under way. */
static int each_new_part(struct partial *p, each_cb cb, void *arg)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < LIMIT_PARTIALS; i++) {
		if (p->messages[i].used)
			rc = each_part(partial_new_parts(&p->messages[i]), cb, arg);
	}
	return rc < 0 ? rc : each_part(rcur_of(p->alone.p, p->alone.len), cb, arg);
}

struct look {
	struct repeat *r;
	partial_known_cb known;
	struct store_chunk id, *ids;
	uint32_t *ids_count;
	uint64_t *seq;
};

static int look_for_missing(
	void *arg, const struct partial_part *part, struct span tag, const struct forward_entry *e)
{
	struct look *l = arg;
	struct store_chunk open = parts_ledger_id(l->id, part->number, PARTS_LEDGER_OPEN);
	struct store_chunk stored = parts_ledger_id(l->id, part->number, PARTS_LEDGER_STORED);
	struct repeat *r = l->r;
	uint64_t seq;

	(void)tag;
	(void)e;
	if (!l->known(r->out->arg, open, &seq))
		return 0;
	if (l->known(r->out->arg, stored, &seq)) {
		*l->seq = seq > *l->seq ? seq : *l->seq;
	} else if (r->missing_count < LIMIT_PARTIALS) {
		r->missing[r->missing_count++] = (struct missing){ part->name, part->number };
		l->ids[(*l->ids_count)++] = stored;
	}
	return 0;
}

static int hand_missing(
	void *arg, const struct partial_part *part, struct span tag, const struct forward_entry *e)
{
	const struct repeat *r = arg;

	for (unsigned i = 0; i < r->missing_count; i++) {
		if (part->number >= r->missing[i].number &&
			XXH128_isEqual(part->name, r->missing[i].name))
			return r->out->part(r->out->arg, tag, e);
	}
	return 0;
}

/* What the frame brings of them is not joined, so nothing behind it can be. */
static void give_up_touched(struct partial *p)
{
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++) {
		struct partial_message *m = &p->messages[i];

		m->lost |= m->count > m->settled_count;
	}
}

int partial_repeat(struct partial *p, struct store_chunk id, partial_known_cb known,
	const struct partial_out *out, struct store_chunk *ids, uint32_t *ids_count, uint64_t *seq)
{
	struct repeat r = { .out = out };
	struct look look = { &r, known, id, ids, ids_count, seq };
	int rc = 0;

	*ids_count = 0;
	if (!p->large) {
		each_new_part(p, look_for_missing, &look);
		rc = each_new_part(p, hand_missing, &r);
	}
	give_up_touched(p);
	partial_abort(p);
	return rc;
}
