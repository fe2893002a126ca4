/*
 * What can be known of a block without reading a page of it: its zone maps and the segment's
 * sidecars exclude it, or prove that some conditions hold for all its rows, or count its matches.
 */
#include "storage/scan_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "storage/redact.h"
#include "storage/snapshot_int.h"

enum { PIECES_MIN = 64, WORDS_MAX = LIMIT_SEGMENT_BLOCKS / 64 };

/* What the sidecars say of the blocks of one segment. */
struct hints {
	bool by_key; /* only blocks of this set hold the entity, the user and the words asked for */
	uint64_t blocks[WORDS_MAX];
	bool by_type; /* rows of the types asked for, by block */
	uint32_t type_rows[LIMIT_SEGMENT_BLOCKS];
};

static uint32_t conds_of(const struct scan_spec *spec)
{
	uint32_t conds = 0;

	if (spec->id_min > 0 || spec->id_max < UINT64_MAX)
		conds |= SCAN_COND_ID;
	if (spec->severity_mask != 255)
		conds |= SCAN_COND_SEVERITY;
	if (spec->from_ns > INT64_MIN || spec->to_ns < INT64_MAX)
		conds |= SCAN_COND_TIME;
	if (spec->received_from_ns > INT64_MIN || spec->received_to_ns < INT64_MAX)
		conds |= SCAN_COND_RECEIVED;
	if (spec->contains.n > 0)
		conds |= SCAN_COND_CONTAINS;
	for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
		if (spec->text[i].values_count > 0)
			conds |= (uint32_t)SCAN_COND_TEXT << i;
	}
	return conds;
}

int scan_plan_init(struct scan *s, const struct scan_spec *spec)
{
	int rc = needle_init(&s->needle, spec->contains);

	s->spec = *spec;
	s->conds = conds_of(spec);
	for (int i = 0; i < EVENT_TEXT_COUNT && rc == 0; i++)
		rc = textset_init(&s->sets[i], spec->text[i].values, spec->text[i].values_count);
	return rc;
}

bool scan_plan_overlaps(const struct scan *s, int64_t time_min_ns, int64_t time_max_ns,
	uint64_t id_min, uint64_t id_max)
{
	const struct scan_spec *spec = &s->spec;

	return time_max_ns >= spec->from_ns && time_min_ns <= spec->to_ns &&
	       id_max >= spec->id_min && id_min <= spec->id_max;
}

static struct scan_piece *add_piece(struct scan *s)
{
	if (s->pieces_count == s->pieces_cap) {
		size_t cap = s->pieces_cap ? s->pieces_cap * 2 : PIECES_MIN;
		struct scan_piece *p = realloc(s->pieces, cap * sizeof *p);

		if (!p)
			return NULL;
		s->pieces = p;
		s->pieces_cap = cap;
	}
	memset(&s->pieces[s->pieces_count], 0, sizeof *s->pieces);
	return &s->pieces[s->pieces_count++];
}

/* ---- sidecars ---- */

static void all_blocks(const struct seg_info *info, uint64_t *blocks)
{
	ASSERT(info->blocks_count <= LIMIT_SEGMENT_BLOCKS);
	for (uint32_t i = 0; i < info->blocks_count; i++)
		blocks[i / 64] |= UINT64_C(1) << i % 64;
}

/* True: `found` has the blocks of any of the entities. */
static bool find_entities(const struct scan *s, const struct sidx_entity *x, uint64_t *found)
{
	const struct textset *ids = &s->sets[EVENT_TEXT_ENTITY_ID];
	const struct textset *types = &s->sets[EVENT_TEXT_ENTITY_TYPE];

	for (size_t i = 0; i < ids->count; i++) {
		if (!ids->values[i].p)
			return false;
		for (size_t k = 0; k < types->count; k++) {
			if (sidx_entity_find(x, types->values[k], ids->values[i], found, NULL) != 0)
				return false;
		}
		if (types->count == 0 && sidx_entity_find_id(x, ids->values[i], found, NULL) != 0)
			return false;
	}
	return true;
}

static bool find_users(const struct scan *s, const struct sidx_entity *x, uint64_t *found)
{
	const struct textset *users = &s->sets[EVENT_TEXT_USER_ID];

	for (size_t i = 0; i < users->count; i++) {
		if (!users->values[i].p ||
			sidx_entity_find_user(x, users->values[i], found, NULL) != 0)
			return false;
	}
	return true;
}

static void narrow(struct hints *h, const uint64_t *found)
{
	for (int i = 0; i < WORDS_MAX; i++)
		h->blocks[i] &= found[i];
	h->by_key = true;
}

static void ask_entities(
	const struct scan *s, const struct sidx_set *set, struct hints *h, struct scan_stats *stats)
{
	uint64_t entities[WORDS_MAX] = { 0 }, users[WORDS_MAX] = { 0 };
	bool by_id = s->sets[EVENT_TEXT_ENTITY_ID].count > 0;
	bool by_user = s->sets[EVENT_TEXT_USER_ID].count > 0;

	if (!by_id && !by_user)
		return;
	if (!set->entity) {
		stats->sidecars_bypassed++;
		return;
	}
	if (by_id && find_entities(s, set->entity, entities))
		narrow(h, entities);
	else if (by_id)
		stats->sidecars_bypassed++;
	if (by_user && find_users(s, set->entity, users))
		narrow(h, users);
	else if (by_user)
		stats->sidecars_bypassed++;
}

static void ask_words(
	const struct scan *s, const struct sidx_set *set, struct hints *h, struct scan_stats *stats)
{
	uint64_t words[WORDS_MAX] = { 0 };
	int rc;

	if (s->spec.contains.n == 0)
		return;
	if (!set->word) {
		stats->sidecars_bypassed++;
		return;
	}
	rc = sidx_word_find_part(set->word, set->entity, s->spec.contains, words, NULL);
	if (rc == 0)
		narrow(h, words);
	else if (rc < 0)
		stats->sidecars_bypassed++;
}

/* A sidecar that counts more rows than a block has is not believed. */
static bool plausible(const struct seg_reader *r, const struct hints *h)
{
	for (uint32_t i = 0; i < seg_reader_info(r)->blocks_count; i++) {
		if (h->type_rows[i] > seg_reader_block(r, i)->rows_count)
			return false;
	}
	return true;
}

static int ask_types(const struct scan *s, const struct seg_reader *r, const struct sidx_set *set,
	struct hints *h, struct scan_stats *stats)
{
	const struct textset *types = &s->sets[EVENT_TEXT_EVENT_TYPE];
	int before = -1;

	if (types->count == 0)
		return 0;
	if (!set->type) {
		stats->sidecars_bypassed++;
		return 0;
	}
	if (!sidx_type_complete(set->type))
		return 0;
	for (size_t i = 0; i < types->count; i++) {
		int at = sidx_type_find(set->type, types->values[i]);
		struct sidx_type_block *blocks;
		struct sidx_type_entry e;

		/* A value given twice counts once: the set is sorted. */
		if (at < 0 || at == before)
			continue;
		before = at;
		sidx_type_entry(set->type, (size_t)at, &e);
		blocks = malloc(e.blocks_count * sizeof *blocks);
		if (!blocks)
			return -ENOMEM;
		sidx_type_blocks(set->type, (size_t)at, blocks);
		for (uint32_t k = 0; k < e.blocks_count; k++)
			h->type_rows[blocks[k].block] += blocks[k].rows_count;
		free(blocks);
	}
	h->by_type = plausible(r, h);
	stats->sidecars_bypassed += !h->by_type;
	return 0;
}

/* ---- zone maps ---- */

/* A condition on a number: false when no row can hold; dropped from *conds when all do. */
static bool range(uint32_t *conds, uint32_t cond, bool overlaps, bool covers)
{
	if (!(*conds & cond))
		return true;
	if (covers)
		*conds &= ~cond;
	return overlaps;
}

static bool numbers(const struct scan_spec *spec, const struct seg_block *b, uint32_t *conds)
{
	return range(conds, SCAN_COND_ID, b->id_max >= spec->id_min && b->id_min <= spec->id_max,
		       b->id_min >= spec->id_min && b->id_max <= spec->id_max) &&
	       range(conds, SCAN_COND_TIME,
		       b->time_max_ns >= spec->from_ns && b->time_min_ns <= spec->to_ns,
		       b->time_min_ns >= spec->from_ns && b->time_max_ns <= spec->to_ns) &&
	       range(conds, SCAN_COND_RECEIVED,
		       b->received_max_ns >= spec->received_from_ns &&
			       b->received_min_ns <= spec->received_to_ns,
		       b->received_min_ns >= spec->received_from_ns &&
			       b->received_max_ns <= spec->received_to_ns);
}

static struct span prefix(struct span s)
{
	return s.n > SEG_LAYOUT_PREFIX_BYTES ? span_of(s.p, SEG_LAYOUT_PREFIX_BYTES) : s;
}

static bool zone_may_hold(const struct seg_zone *z, uint32_t rows, struct span value)
{
	if (!value.p)
		return z->present_count < rows;
	value = prefix(value);
	return z->present_count > 0 && span_cmp(value, span_of(z->min, z->min_n)) >= 0 &&
	       span_cmp(value, span_of(z->max, z->max_n)) <= 0;
}

/* All rows have one and the same value, and it was not cut: SPAN_NONE with true: all are absent. */
static bool zone_is_constant(const struct seg_zone *z, uint32_t rows, struct span *out)
{
	*out = SPAN_NONE;
	if (z->present_count == 0)
		return true;
	*out = span_of(z->min, z->min_n);
	return z->present_count == rows && z->min_n < SEG_LAYOUT_PREFIX_BYTES &&
	       span_eq(*out, span_of(z->max, z->max_n));
}

static bool texts(const struct scan *s, const struct seg_block *b, uint32_t *conds)
{
	for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
		const struct textset *set = &s->sets[i];
		const struct seg_zone *z = &b->text[i];
		bool possible = false;
		struct span constant;

		for (size_t k = 0; k < set->count && !possible; k++)
			possible = zone_may_hold(z, b->rows_count, set->values[k]);
		if (set->count > 0 && !possible)
			return false;
		if (set->count > 0 && zone_is_constant(z, b->rows_count, &constant) &&
			textset_has(set, constant))
			*conds &= ~((uint32_t)SCAN_COND_TEXT << i);
	}
	return !(*conds & SCAN_COND_CONTAINS) || b->text[EVENT_TEXT_DESCRIPTION].present_count > 0;
}

static uint32_t rows_of_severities(const struct seg_block *b, uint8_t mask)
{
	uint32_t n = 0;

	for (int i = 0; i < EVENT_SEVERITY_COUNT; i++)
		n += mask >> i & 1 ? b->severity_rows[i] : 0;
	return n;
}

/* ---- units ---- */

static uint32_t shown(const struct scan *s, uint64_t id_min, uint64_t id_max)
{
	const struct redact_set *redact = s->snap ? snapshot_redact(s->snap) : NULL;

	return redact_set_any(redact, id_min, id_max) ? SCAN_COND_SHOWN : 0;
}

/* False: no row of the block matches. Else what is left to decide, and the count if nothing is. */
static bool judge(const struct scan *s, const struct seg_block *b, uint32_t block,
	const struct hints *h, struct scan_piece *p)
{
	uint32_t severe = rows_of_severities(b, s->spec.severity_mask);

	p->conds = s->conds | shown(s, b->id_min, b->id_max);
	if (!numbers(&s->spec, b, &p->conds) || severe == 0 || !texts(s, b, &p->conds))
		return false;
	if (h->by_key && !(h->blocks[block / 64] >> block % 64 & 1))
		return false;
	if (h->by_type && h->type_rows[block] == 0)
		return false;
	if (severe == b->rows_count)
		p->conds &= ~(uint32_t)SCAN_COND_SEVERITY;
	if (h->by_type && h->type_rows[block] == b->rows_count)
		p->conds &= ~(uint32_t)SCAN_COND_TYPE;
	p->counted = true;
	if (p->conds == 0)
		p->count = b->rows_count;
	else if (p->conds == SCAN_COND_SEVERITY)
		p->count = severe;
	else if (p->conds == SCAN_COND_TYPE && h->by_type)
		p->count = h->type_rows[block];
	else
		p->counted = false;
	return true;
}

static int add_block(struct scan *s, const struct seg_reader *r, uint32_t block,
	const struct hints *h, struct scan_stats *stats)
{
	const struct seg_block *b = seg_reader_block(r, block);
	struct scan_piece judged = { 0 }, *p;

	ASSERT(s->segments_count > 0);
	if (!judge(s, b, block, h, &judged)) {
		stats->blocks_pruned++;
		return 0;
	}
	p = add_piece(s);
	if (!p)
		return -ENOMEM;
	p->conds = judged.conds;
	p->counted = judged.counted;
	p->count = judged.count;
	p->segment = (uint32_t)s->segments_count - 1;
	p->block = block;
	p->unit = (struct scan_unit){
		.time_min_ns = b->time_min_ns,
		.time_max_ns = b->time_max_ns,
		.id_min = b->id_min,
		.id_max = b->id_max,
		.rows_count = b->rows_count,
		.all = p->conds == 0,
	};
	return 0;
}

int scan_plan_segment(struct scan *s, const struct seg_reader *r, size_t snapshot_idx,
	struct scan_stats *stats, struct diag *d)
{
	const struct seg_info *info = seg_reader_info(r);
	struct scan_segment *seg = &s->segments[s->segments_count++];
	struct hints *h = calloc(1, sizeof *h);
	int rc;

	*seg = (struct scan_segment){ r, snapshot_idx, NULL };
	if (!h)
		return diag_set(d, -ENOMEM, seg_reader_name(r), -1, "planning a scan");
	if (s->sets[EVENT_TEXT_EVENT_TYPE].count > 0 || s->sets[EVENT_TEXT_ENTITY_ID].count > 0 ||
		s->sets[EVENT_TEXT_USER_ID].count > 0 || s->spec.contains.n > 0)
		seg->sidecars = sidx_set_get(r);
	all_blocks(info, h->blocks);
	rc = seg->sidecars ? ask_types(s, r, seg->sidecars, h, stats) : 0;
	if (rc == 0 && seg->sidecars) {
		ask_entities(s, seg->sidecars, h, stats);
		ask_words(s, seg->sidecars, h, stats);
	}
	for (uint32_t i = 0; i < info->blocks_count && rc == 0; i++)
		rc = add_block(s, r, i, h, stats);
	free(h);
	return rc < 0 ? diag_set(d, rc, seg_reader_name(r), -1, "planning a scan") : 0;
}

int scan_plan_batch(struct scan *s, size_t snapshot_idx, struct diag *d)
{
	const struct snapshot_batch *b = snapshot_batch(s->snap, snapshot_idx);
	struct scan_piece *p;

	if (!scan_plan_overlaps(s, b->time_min_ns, b->time_max_ns, b->id_min, b->id_max))
		return 0;
	p = add_piece(s);
	if (!p)
		return diag_set(d, -ENOMEM, "", -1, "planning a scan");
	p->journal = true;
	p->segment = (uint32_t)snapshot_idx;
	p->conds = s->conds | shown(s, b->id_min, b->id_max);
	if (b->id_min >= s->spec.id_min && b->id_max <= s->spec.id_max)
		p->conds &= ~(uint32_t)SCAN_COND_ID;
	if (b->time_min_ns >= s->spec.from_ns && b->time_max_ns <= s->spec.to_ns)
		p->conds &= ~(uint32_t)SCAN_COND_TIME;
	p->counted = p->conds == 0;
	p->count = b->rows_count;
	p->unit = (struct scan_unit){
		.time_min_ns = b->time_min_ns,
		.time_max_ns = b->time_max_ns,
		.id_min = b->id_min,
		.id_max = b->id_max,
		.rows_count = b->rows_count,
		.all = p->conds == 0,
	};
	return 0;
}
