#include "storage/sidx_word_maker.h"

#include <errno.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "proto/wire/walk.h"

enum {
	/* Its share of the segment's bytes. */
	SHARE = 16,
	/* What a segment so small that this is nothing may take. */
	BYTES_MIN = 4096,
	/* Of a key: two for its bucket, some for its blocks. */
	KEY_BITS = 2 + 4,
	UUID_PARTS = 3,
	RECENT_BYTES = 16,
	RECENT_SHIFT = 12,
	RECENT_DIGITS = 3, /* a longer token that begins with so many is a number */
	NUMBER_MASK = (1 << RECENT_DIGITS) - 1,
	WHOLE = 1 << 16, /* in a recent's length: of a string that is cut into tokens itself */
};

static_assert(1 << RECENT_SHIFT == SIDX_WORD_MAKER_RECENT, "places");

void sidx_word_maker_init(struct sidx_word_maker *m)
{
	memset(m, 0, sizeof *m);
	m->ranges = 1;
	sidx_postings_init(&m->words);
	sidx_token_init(&m->text);
	sidx_keys_put_init(&m->table, 0, 0, false, 1);
}

void sidx_word_maker_fini(struct sidx_word_maker *m)
{
	sidx_postings_fini(&m->words);
	sidx_token_fini(&m->text);
	sidx_keys_put_fini(&m->table);
}

void sidx_word_maker_begin(struct sidx_word_maker *m, unsigned range, unsigned ranges)
{
	m->ranges = ranges;
	m->err = 0;
	if (range == 0)
		memset(&m->shapes, 0, sizeof m->shapes);
	sidx_postings_reset(&m->words, range, ranges);
	memset(m->recent, 0, sizeof m->recent);
}

/* ---- gathering ---- */

static void note(uint64_t *shapes, unsigned shape)
{
	shapes[shape / 64] |= UINT64_C(1) << shape % 64;
}

/* The runs of a uuid are not recorded: any hex of these lengths may be one. */
static void note_uuid(struct sidx_word_shapes *s)
{
	static const uint8_t runs[UUID_PARTS] = { 4, 8, 12 };

	for (int i = 0; i < UUID_PARTS; i++) {
		note(s->inside, SIDX_TOKEN_DIGITS * SIDX_TOKEN_LENGTHS + runs[i]);
		note(s->inside, SIDX_TOKEN_HEX * SIDX_TOKEN_LENGTHS + runs[i]);
	}
}

/* A piece of 1 to RECENT_BYTES bytes as numbers: with its length they are the piece. */
static struct sidx_word_recent pack(const uint8_t *p, size_t n, uint32_t block)
{
	struct sidx_word_recent r = { .n = (uint32_t)n, .block = block };
	uint32_t head, tail;

	if (n >= 8) {
		memcpy(&r.first, p, 8);
		memcpy(&r.last, p + n - 8, 8);
	} else if (n >= 4) {
		memcpy(&head, p, 4);
		memcpy(&tail, p + n - 4, 4);
		r.first = head;
		r.last = tail;
	} else {
		r.first = (uint64_t)p[0] << 16 | (uint64_t)p[n / 2] << 8 | p[n - 1];
	}
	return r;
}

/* The same of bytes behind which as many more may be read: without a branch. */
static struct sidx_word_recent pack_token(const uint8_t *p, size_t n, uint32_t block)
{
	static const uint64_t masks[RECENT_BYTES / 2 + 1] = { 0, 0xff, 0xffff, 0xffffff, 0xffffffff,
		0xffffffffff, 0xffffffffffff, 0xffffffffffffff, UINT64_MAX };
	struct sidx_word_recent r = { .n = (uint32_t)n, .block = block };

	memcpy(&r.first, p, 8);
	memcpy(&r.last, p + 8, 8);
	r.first = le64toh(r.first) & masks[n < 8 ? n : 8];
	r.last = le64toh(r.last) & masks[n < 8 ? 0 : n - 8];
	return r;
}

static struct sidx_word_recent *place_of(
	struct sidx_word_maker *m, const struct sidx_word_recent *r)
{
	uint64_t v = (r->first ^ (r->last << 23 | r->last >> 41)) * UINT64_C(0x9e3779b97f4a7c15);

	return &m->recent[v >> (64 - RECENT_SHIFT)];
}

static bool is_recent(const struct sidx_word_recent *at, const struct sidx_word_recent *r)
{
	return at->first == r->first && at->last == r->last && at->n == r->n &&
	       at->block == r->block;
}

/* What the text, cut into tokens, may begin with. */
struct covered {
	struct span entity_id;
	size_t to; /* the tokens before are of the entity's id */
	size_t n;  /* of whose name there are so many bytes */
	bool any;
};

/* Records the token, or notes why not. */
static void add_token(struct sidx_word_maker *m, uint32_t block, const struct sidx_token *token,
	struct covered *c)
{
	unsigned shape = sidx_token_shape(&m->text, token);

	if (token->uuid)
		note_uuid(&m->shapes);
	if (token->off < c->to && sidx_token_is_covered(shape)) {
		note(token->n == c->n ? m->shapes.exact : m->shapes.inside, shape);
		c->any = true;
		return;
	}
	sidx_postings_add(&m->words, sidx_token_hash(&m->text, token), shape, block);
}

/* Of some digits, which seldom come again: they would drive words out, to no use. */
static inline bool is_number(const struct sidx_token_text *t, const struct sidx_token *token)
{
	uint64_t from_here =
		t->digits[token->off / SIDX_TOKEN_STEP] >> token->off % SIDX_TOKEN_STEP;

	return token->n > RECENT_DIGITS && (from_here & NUMBER_MASK) == NUMBER_MASK;
}

/* True: every token of it is recorded. */
static bool add_text(
	struct sidx_word_maker *m, uint32_t block, struct span text, struct span entity_id)
{
	struct covered c = { .entity_id = entity_id };
	struct sidx_token token;
	int rc = sidx_token_set(&m->text, text);

	if (rc < 0)
		m->err = rc;
	while (rc == 0 && sidx_token_next(&m->text, &token)) {
		struct sidx_word_recent r, *at;

		if (token.off >= c.to) {
			c.n = sidx_token_entity(&m->text, &token, entity_id);
			c.to = token.off + c.n;
		}
		if (token.n > RECENT_BYTES || token.off < c.to || is_number(&m->text, &token)) {
			add_token(m, block, &token, &c);
			continue;
		}
		r = pack_token(m->text.folded + token.off, token.n, block);
		at = place_of(m, &r);
		if (is_recent(at, &r))
			continue;
		*at = r;
		add_token(m, block, &token, &c);
	}
	return !c.any;
}

/* Names of keys and words of few values come again and again: these are not cut each time. */
static void add_string(
	struct sidx_word_maker *m, uint32_t block, struct span text, struct span entity_id)
{
	struct sidx_word_recent r, *at;

	if (text.n > RECENT_BYTES) {
		add_text(m, block, text, entity_id);
		return;
	}
	r = pack(text.p, text.n, block);
	r.n |= WHOLE;
	at = place_of(m, &r);
	if (!is_recent(at, &r) && add_text(m, block, text, entity_id))
		*at = r;
}

/*
 * The next string of a msgpack value, absent: something else was passed, or the cursor failed. Heads of
 * maps and arrays are passed like numbers, so nothing nests; what is short is told by its first byte.
 */
static struct span next_string(struct rcur *c)
{
	uint8_t b = *c->p;
	struct walk_value v;

	if (b < 0xa0 || b >= 0xe0) {
		c->p++;
		return SPAN_NONE;
	}
	if (b < 0xc0) {
		c->p++;
		return rcur_bytes(c, b & 0x1f);
	}
	return walk_read(c, &v) == 0 && v.type == WALK_STR ? v.data : SPAN_NONE;
}

/* Every string, keys too. */
static void add_metadata(
	struct sidx_word_maker *m, uint32_t block, struct span map, struct span entity_id)
{
	struct rcur c = rcur_of(map.p, map.n);

	while (rcur_left(&c) > 0) {
		struct span text = next_string(&c);

		if (text.n > 0)
			add_string(m, block, text, entity_id);
	}
}

void sidx_word_maker_row(struct sidx_word_maker *m, uint32_t block, const struct event *ev)
{
	struct span id = ev->text[EVENT_TEXT_ENTITY_ID];

	ASSERT(block < LIMIT_SEGMENT_BLOCKS);
	if (m->words.full || m->err)
		return;
	if (ev->text[EVENT_TEXT_DESCRIPTION].n > 0)
		add_text(m, block, ev->text[EVENT_TEXT_DESCRIPTION], id);
	if (ev->metadata.n > 0)
		add_metadata(m, block, ev->metadata, id);
}

bool sidx_word_maker_full(const struct sidx_word_maker *m)
{
	return m->words.full;
}

/* ---- the table ---- */

static void count_shapes(struct sidx_word_maker *m)
{
	const struct sidx_postings *p = &m->words;

	memset(m->keys, 0, sizeof m->keys);
	for (size_t i = 0; i < p->count; i++) {
		if (i == 0 || sidx_postings_hash(p->v[i]) != sidx_postings_hash(p->v[i - 1]))
			m->keys[sidx_postings_tag(p->v[i])]++;
	}
}

/* The shape to give up next: numbers before others, then by keys. */
static unsigned dearest(const struct sidx_word_maker *m)
{
	unsigned numbers = 0, any = 0;

	for (unsigned i = 1; i < SIDX_TOKEN_SHAPES; i++) {
		if (m->keys[i] > m->keys[any])
			any = i;
		if (i < SIDX_TOKEN_LENGTHS && m->keys[i] > m->keys[numbers])
			numbers = i;
	}
	return m->keys[numbers] > 0 ? numbers : any;
}

static void choose_shapes(struct sidx_word_maker *m, const struct seg_info *seg)
{
	unsigned bits = KEY_BITS + sidx_word_low_bits(seg->blocks_count);
	uint64_t bytes = 0, max = seg->file_bytes / SHARE;

	count_shapes(m);
	if (max < BYTES_MIN)
		max = BYTES_MIN;
	for (unsigned i = 0; i < SIDX_TOKEN_SHAPES; i++)
		bytes += (uint64_t)m->keys[i] * m->ranges * bits / 8;
	while (bytes > max) {
		unsigned shape = dearest(m);

		if (m->keys[shape] == 0)
			break;
		bytes -= (uint64_t)m->keys[shape] * m->ranges * bits / 8;
		m->keys[shape] = 0;
		note(m->shapes.dropped, shape);
	}
}

static void drop_shapes(struct sidx_word_maker *m)
{
	struct sidx_postings *p = &m->words;
	size_t n = 0;

	for (size_t i = 0; i < p->count; i++) {
		if (!sidx_word_has_shape(m->shapes.dropped, sidx_postings_tag(p->v[i])))
			p->v[n++] = p->v[i];
	}
	p->count = n;
}

static void begin_table(struct sidx_word_maker *m, const struct seg_info *seg)
{
	size_t keys = sidx_postings_keys(&m->words);

	/* Other ranges may have what this one has not; and a bucket must not be in two of them. */
	if (keys == 0 && m->ranges > 1)
		keys = 1;
	sidx_keys_put_fini(&m->table);
	sidx_keys_put_init(&m->table, (uint32_t)keys * m->ranges,
		sidx_word_low_bits(seg->blocks_count), false, seg->blocks_count);
}

int sidx_word_maker_range_end(struct sidx_word_maker *m, const struct seg_info *seg)
{
	struct sidx_postings_group g = { 0 };
	int rc = m->err ? m->err : sidx_postings_sort(&m->words);
	bool first = m->words.lo == 0;

	if (rc < 0)
		return rc;
	if (first)
		choose_shapes(m, seg);
	drop_shapes(m);
	if (first)
		begin_table(m, seg);
	while (sidx_postings_next(&m->words, m->table.buckets, m->table.low_bits, &g))
		sidx_keys_put(
			&m->table, g.at, false, m->blocks, sidx_postings_blocks(&g, m->blocks));
	return 0;
}

static void put_shapes(const uint64_t *shapes, struct buf *out)
{
	for (int i = 0; i < SIDX_TOKEN_SHAPES / 64; i++) {
		uint64_t le = htole64(shapes[i]);

		buf_put(out, &le, sizeof le);
	}
}

int sidx_word_maker_put(struct sidx_word_maker *m, const struct seg_info *seg, struct buf *out)
{
	static const uint8_t head[SIDX_COMMON_HEAD_BYTES];
	size_t dir_bytes;
	int rc = sidx_keys_put_end(&m->table);

	if (rc < 0)
		return rc;
	ASSERT(out->len == 0);
	buf_put(out, head, sizeof head);
	buf_put_u8(out, 1);
	put_shapes(m->shapes.exact, out);
	put_shapes(m->shapes.inside, out);
	put_shapes(m->shapes.dropped, out);
	sidx_keys_put_dir(&m->table, out);
	dir_bytes = out->len - sizeof head;
	buf_put_span(out, buf_span(&m->table.pages));
	sidx_common_seal(out, SIDX_WORD, seg, dir_bytes);
	return out->err;
}
