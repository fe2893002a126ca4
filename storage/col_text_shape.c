/* A SHAPED page (col_text_shape_put.c has its bytes) opened: templates, slots, codes. */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_text_place.h"
#include "storage/col_text_shape_int.h"

/* Addresses of a page whose rows are found one by one, before those of all are. */
enum { EMAILS_FEW = 64 };

bool col_text_leaf_number(
	const struct col_text_leaf *leaf, unsigned class, unsigned decimals, uint64_t *out)
{
	unsigned scale = leaf->kind == COL_TEXT_LEAF_DECIMAL ? leaf->scale : 0;
	uint64_t v = (uint64_t)leaf->number;

	if (leaf->kind != COL_TEXT_LEAF_INT && leaf->kind != COL_TEXT_LEAF_DECIMAL)
		return false;
	if (class == COL_TOKEN_INT)
		decimals = 0;
	if (leaf->number < 0 || scale > decimals)
		return false;
	for (; scale < decimals; scale++) {
		if (__builtin_mul_overflow(v, UINT64_C(10), &v))
			return false;
	}
	*out = v;
	return v < UINT64_C(1) << COL_TOKEN_ZEROES_SHIFT;
}

/* ---- the pool ---- */

static int open_pool(struct col_text_shaped *p, struct rcur *c)
{
	uint32_t entries = p->templates_count + p->words_count, sum = 0;
	struct span bytes = rcur_varbytes(c);
	struct col_text_page parent = p->base, *pool;
	struct buf raw;
	uint8_t *copy;
	int rc;

	if (c->err)
		return ERR_CORRUPT;
	/* Read whole, it is not needed any more. */
	parent.mem = p->base.work;
	rc = col_text_page_open(bytes, entries, &parent, &pool);
	if (rc < 0)
		return rc;
	if (pool->kind != COL_TEXT_BYTES)
		return ERR_CORRUPT;
	p->pool_offs = arena_alloc(p->base.mem, ((size_t)entries + 1) * sizeof *p->pool_offs);
	copy = arena_alloc(p->base.mem, (size_t)pool->raw_bytes + COL_TEXT_PAD);
	if (!p->pool_offs || !copy)
		return -ENOMEM;
	/* A buffer that is just large enough: nothing is allocated. */
	raw = (struct buf){
		.p = copy, .cap = (size_t)pool->raw_bytes + 1, .max = COL_TEXT_RAW_MAX
	};
	rc = pool->ops->all(pool, p->pool_offs + 1, &raw);
	if (rc < 0)
		return rc;
	ASSERT(raw.p == copy);
	p->pool_offs[0] = 0;
	for (uint32_t i = 1; i <= entries; i++) {
		if (p->pool_offs[i] == 0)
			return ERR_CORRUPT;
		sum += p->pool_offs[i] - 1;
		p->pool_offs[i] = sum;
	}
	p->pool = copy;
	return 0;
}

/* ---- patterns ---- */

/* The next class byte of the pattern at *at, which moves behind it; 0: the end; -1: not a pattern. */
static int next_token(struct span pattern, size_t *at, unsigned *out_param)
{
	while (*at < pattern.n) {
		unsigned class = pattern.p[(*at)++];

		if (class < COL_TOKEN_WORD)
			continue;
		*out_param = 0;
		if (col_token_has_param(class)) {
			if (*at == pattern.n)
				return -1;
			*out_param = pattern.p[(*at)++];
		}
		return col_token_numbers(class, *out_param) < 0 ? -1 : (int)class;
	}
	return 0;
}

/* Counts slots, and streams that they may have at most. */
static int count_slots(struct col_text_shaped *p, uint32_t *out_streams)
{
	uint32_t slots = 0, streams = 0;

	for (uint32_t i = 0; i < p->templates_count; i++) {
		struct span pattern = col_text_pool_at(p, i);
		unsigned param;
		size_t at = 0;
		int class;

		while ((class = next_token(pattern, &at, &param)) > 0) {
			slots++;
			streams += class == COL_TOKEN_IP6 ? COL_TEXT_IP6_GROUPS : COL_TOKEN_NUMBERS;
		}
		if (class < 0 || slots > LIMIT_TEXT_SLOTS)
			return ERR_CORRUPT;
	}
	p->slots_count = slots;
	*out_streams = streams;
	return 0;
}

/* ---- slots ---- */

static bool method_fits(unsigned method, unsigned class)
{
	switch (method) {
	case COL_TEXT_WORD:
	case COL_TEXT_WORDS:
		return class == COL_TOKEN_WORD;
	case COL_TEXT_LEAF:
		return class == COL_TOKEN_WORD || class == COL_TOKEN_INT || class == COL_TOKEN_DEC;
	case COL_TEXT_INT:
	case COL_TEXT_PADDED:
	case COL_TEXT_ZEROES:
		return class == COL_TOKEN_INT;
	case COL_TEXT_NUMBERS:
		return class != COL_TOKEN_WORD && class != COL_TOKEN_INT && class != COL_TOKEN_IP6;
	case COL_TEXT_GROUPS:
		return class == COL_TOKEN_IP6;
	case COL_TEXT_KEYED:
		return class == COL_TOKEN_IP4;
	default:
		return false;
	}
}

static void take_words(
	struct col_text_shaped *p, struct rcur *c, struct col_text_slot *slot, uint32_t *word)
{
	uint64_t count = slot->method == COL_TEXT_WORD ? 1 : rcur_varint(c);

	if (count == 0 || count > p->words_count - *word) {
		c->err = ERR_CORRUPT;
		return;
	}
	slot->word_idx = p->templates_count + *word;
	slot->words_count = (uint32_t)count;
	*word += (uint32_t)count;
}

static unsigned streams_of(const struct col_text_slot *slot)
{
	switch (slot->method) {
	case COL_TEXT_WORDS:
	case COL_TEXT_INT:
	case COL_TEXT_PADDED:
	case COL_TEXT_KEYED:
		return 1;
	case COL_TEXT_ZEROES:
		return 2;
	case COL_TEXT_NUMBERS:
		return (unsigned)col_token_numbers(slot->class, slot->param);
	case COL_TEXT_GROUPS:
		return COL_TEXT_IP6_GROUPS;
	default:
		return 0;
	}
}

static void read_slot_key(struct col_text_shaped *p, struct rcur *c, struct col_text_slot *slot)
{
	uint64_t keys;

	slot->key = rcur_u8(c);
	keys = rcur_varint(c);
	if (slot->key >= COL_TEXT_KEYS || keys == 0 || keys > COL_STREAM_COUNT_MAX) {
		c->err = ERR_CORRUPT;
		return;
	}
	slot->keys_count = (uint32_t)keys;
	p->base.uses_keys |= 1u << slot->key;
}

static void read_slot(
	struct col_text_shaped *p, struct rcur *c, struct col_text_slot *slot, uint32_t *word)
{
	slot->method = rcur_u8(c);
	if (c->err || !method_fits(slot->method, slot->class)) {
		c->err = ERR_CORRUPT;
		return;
	}
	if (slot->method == COL_TEXT_WORD || slot->method == COL_TEXT_WORDS)
		take_words(p, c, slot, word);
	if (slot->method == COL_TEXT_LEAF) {
		uint64_t leaf = rcur_varint(c);

		if (leaf > UINT32_MAX)
			c->err = ERR_CORRUPT;
		slot->leaf = (uint32_t)leaf;
		p->base.uses_leaves = true;
	}
	if (slot->method == COL_TEXT_KEYED)
		read_slot_key(p, c, slot);
	if (slot->method == COL_TEXT_PADDED) {
		slot->digits = rcur_u8(c);
		if (slot->digits > COL_TOKEN_DIGITS_MAX)
			c->err = ERR_CORRUPT;
	}
	slot->stream_idx = p->streams_count;
	slot->streams_count = (uint8_t)streams_of(slot);
	slot->columns_count = slot->streams_count;
	if (slot->method == COL_TEXT_LEAF)
		slot->columns_count = slot->class == COL_TOKEN_WORD ? 2 : 1;
	for (unsigned i = 0; i < slot->streams_count; i++)
		p->streams[p->streams_count++].bytes.n = rcur_varint(c);
}

static void read_template(struct col_text_shaped *p, struct rcur *c, uint32_t idx, uint32_t *word)
{
	struct col_text_template *t = &p->templates[idx];
	unsigned param = 0;
	size_t at = 0;
	int class;

	t->pattern = col_text_pool_at(p, idx);
	t->slot_idx = p->slots_count;
	while (!c->err && (class = next_token(t->pattern, &at, &param)) > 0) {
		struct col_text_slot *slot = &p->slots[p->slots_count++];

		slot->class = (uint8_t) class;
		slot->param = (uint8_t)param;
		t->slots_count++;
		if (class == COL_TOKEN_EMAIL) {
			t->emails_count++;
		} else if (class == COL_TOKEN_COPY) {
			if (param >= COL_TEXT_SOURCES)
				c->err = ERR_CORRUPT;
			t->sources |= (uint16_t)(1u << param);
		} else {
			read_slot(p, c, slot, word);
			t->leaves |= slot->method == COL_TEXT_LEAF;
			t->keyed |= slot->method == COL_TEXT_KEYED;
			t->columns_count += slot->columns_count;
		}
	}
	p->base.uses_sources |= t->sources;
	p->columns_max = t->columns_count > p->columns_max ? t->columns_count : p->columns_max;
	p->emails_max = t->emails_count > p->emails_max ? t->emails_count : p->emails_max;
}

static int read_templates(struct col_text_shaped *p, struct rcur *c)
{
	uint32_t streams, word = 0;
	struct arena *mem = p->base.mem;
	int rc = count_slots(p, &streams);

	if (rc < 0)
		return rc;
	p->templates = arena_calloc(mem, (size_t)p->templates_count + 1, sizeof *p->templates);
	p->slots = arena_calloc(mem, (size_t)p->slots_count + 1, sizeof *p->slots);
	/* As many as there could be; most slots have fewer. */
	p->streams = arena_calloc(p->base.work, (size_t)streams + 1, sizeof *p->streams);
	if (!p->templates || !p->slots || !p->streams)
		return -ENOMEM;
	p->slots_count = 0;
	p->mails =
		arena_calloc(mem, COL_TEXT_TEMPLATE + (size_t)p->templates_count, sizeof *p->mails);
	if (!p->mails)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->templates_count && !c->err; i++) {
		read_template(p, c, i, &word);
		p->mails[COL_TEXT_TEMPLATE + i] = p->templates[i].emails_count;
	}
	if (c->err || word != p->words_count)
		return ERR_CORRUPT;
	p->streams = arena_dup(mem, p->streams, (p->streams_count + 1) * sizeof *p->streams);
	return p->streams ? 0 : -ENOMEM;
}

/* ---- the whole page ---- */

/* Codes in the lists of so many keys, which c stands before. */
static uint32_t count_key_codes(struct rcur c, uint32_t keys)
{
	uint32_t sum = 0;

	for (uint32_t k = 0; k < keys && !c.err; k++) {
		uint64_t count = rcur_varint(&c);

		/* Each code takes a byte at least. */
		if (count > rcur_left(&c))
			break;
		sum += (uint32_t)count;
		for (; count > 0; count--)
			(void)rcur_varint(&c);
	}
	return sum;
}

/* Lists of the key that codes depend on: templates of each of its values. */
static int read_key(struct col_text_shaped *p, struct rcur *c)
{
	uint32_t at = 0;
	uint64_t keys;

	p->key = rcur_u8(c);
	if (c->err || p->key > COL_TEXT_KEYS)
		return ERR_CORRUPT;
	if (p->key == 0)
		return 0;
	p->base.uses_keys |= 1u << (p->key - 1);
	keys = rcur_varint(c);
	/* Each key takes a byte at least. */
	if (c->err || keys > rcur_left(c) || keys > COL_TEXT_ROWS_MAX + 1)
		return ERR_CORRUPT;
	p->keys_count = (uint32_t)keys;
	p->key_offs = arena_alloc(p->base.mem, (p->keys_count + 1) * sizeof *p->key_offs);
	p->key_codes = arena_alloc(p->base.mem,
		((size_t)count_key_codes(*c, p->keys_count) + 1) * sizeof *p->key_codes);
	if (!p->key_offs || !p->key_codes)
		return -ENOMEM;
	for (uint32_t k = 0; k < p->keys_count; k++) {
		uint64_t count = rcur_varint(c);

		p->key_offs[k] = at;
		if (count > rcur_left(c))
			return ERR_CORRUPT;
		for (; count > 0; count--) {
			uint64_t code = rcur_varint(c);

			if (code >= COL_TEXT_TEMPLATE + p->templates_count)
				return ERR_CORRUPT;
			p->key_codes[at++] = (uint16_t)code;
		}
	}
	p->key_offs[p->keys_count] = at;
	return c->err ? ERR_CORRUPT : 0;
}

/* Each key has one code at most, which no other has. */
static bool key_tells_code(const struct col_text_shaped *p)
{
	uint8_t taken[COL_TEXT_TEMPLATE + LIMIT_TEXT_TEMPLATES] = { 0 };

	for (uint32_t k = 0; k < p->keys_count; k++) {
		uint32_t count = p->key_offs[k + 1] - p->key_offs[k];

		if (count > 1 || (count == 1 && taken[p->key_codes[p->key_offs[k]]]++))
			return false;
	}
	return p->keys_count > 0 && p->emails_max == 0;
}

static struct span page_inside(struct rcur *c)
{
	struct span s = rcur_varbytes(c);

	return s.n ? s : SPAN_NONE;
}

static int shape_numbers(struct col_text_page *base, struct col_text_numbers *out)
{
	return col_text_number_split((struct col_text_shaped *)base, base->work, out);
}

static const struct col_text_ops shape_ops = {
	.get = col_text_shape_get,
	.all = col_text_shape_all,
	.equal = col_text_shape_equal,
	.contains = col_text_shape_contains,
	.letters = col_text_shape_letters,
	.numbers = shape_numbers,
	.labels = col_text_number_labels,
};

int col_text_shape_open(
	struct rcur *c, const struct col_text_page *base, struct col_text_page **out)
{
	struct col_text_shaped *p = arena_calloc(base->mem, 1, sizeof *p);
	uint64_t raw = rcur_varint(c), templates = rcur_varint(c), words = rcur_varint(c);
	int rc;

	if (!p)
		return -ENOMEM;
	p->base = *base;
	p->base.ops = &shape_ops;
	if (c->err || raw > COL_TEXT_RAW_MAX || templates == 0 ||
		templates > LIMIT_TEXT_TEMPLATES || words > COL_STREAM_COUNT_MAX)
		return ERR_CORRUPT;
	p->base.raw_bytes = (uint32_t)raw;
	p->templates_count = (uint32_t)templates;
	p->words_count = (uint32_t)words;
	rc = open_pool(p, c);
	if (rc == 0)
		rc = read_key(p, c);
	p->codes_bytes.n = rcur_varint(c);
	p->counts_bytes.n = rcur_varint(c);
	if (rc == 0)
		rc = read_templates(p, c);
	if (rc < 0)
		return rc;
	p->key_tells = key_tells_code(p);
	p->emails_bytes = page_inside(c);
	p->residue_bytes = page_inside(c);
	p->codes_bytes = rcur_bytes(c, p->codes_bytes.n);
	p->counts_bytes = rcur_bytes(c, p->counts_bytes.n);
	for (uint32_t i = 0; i < p->streams_count; i++)
		p->streams[i].bytes = rcur_bytes(c, p->streams[i].bytes.n);
	if (c->err || rcur_left(c) != 0)
		return ERR_CORRUPT;
	*out = &p->base;
	return 0;
}

/* ---- pages inside, streams ---- */

/* The row that shows each address, which takes all codes. */
static int need_email_rows(struct col_text_shaped *p)
{
	uint32_t at = 0;
	int rc = col_text_shape_codes(p);

	if (rc < 0 || p->email_rows)
		return rc;
	p->email_rows = arena_alloc(p->base.mem, (size_t)p->emails_count * sizeof(uint32_t));
	if (!p->email_rows)
		return -ENOMEM;
	for (uint32_t row = 0; row < p->base.rows_count; row++) {
		for (unsigned n = p->mails[p->codes[row]]; n > 0; n--)
			p->email_rows[at++] = row;
	}
	ASSERT(at == p->emails_count);
	return 0;
}

/* Rows of few addresses, each found by its place. 1: they are too many, or it was too often. */
static int few_email_rows(
	struct col_text_shaped *p, const uint32_t *places, size_t count, uint32_t *out)
{
	int rc = 0;

	if (!places || p->email_rows || p->counts_bytes.n == 0 ||
		count > EMAILS_FEW - p->emails_found)
		return 1;
	p->emails_found += (uint32_t)count;
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = col_text_place_email(p, places[i], &out[i]);
	return rc;
}

static int email_key(
	void *ctx, enum col_text_key key, const uint32_t *rows, size_t count, uint32_t *out)
{
	struct col_text_shaped *p = ctx;
	uint32_t own[512];
	int rc = p->base.env->key ? few_email_rows(p, rows, count, own) : ERR_CORRUPT;

	if (rc == 0)
		return p->base.env->key(p->base.env->ctx, key, own, count, out);
	if (rc == 1)
		rc = need_email_rows(p);
	for (size_t i = 0; i < count && rc == 0; i += 512) {
		size_t n = count - i < 512 ? count - i : 512;

		for (size_t k = 0; k < n; k++)
			own[k] = p->email_rows[rows ? rows[i + k] : i + k];
		rc = p->base.env->key(p->base.env->ctx, key, own, n, out + i);
	}
	return rc;
}

/* The page inside sees addresses as its rows: only keys are translated, nothing else is asked for. */
int col_text_shape_emails(struct col_text_shaped *p)
{
	struct col_text_page parent = p->base, *page;
	int rc;

	if (p->emails || p->emails_count == 0)
		return 0;
	p->emails_env = (struct col_text_env){ .ctx = p, .key = email_key };
	parent.env = &p->emails_env;
	rc = col_text_page_open(p->emails_bytes, p->emails_count, &parent, &page);
	if (rc == 0)
		p->emails = page;
	return rc;
}

int col_text_shape_residue(struct col_text_shaped *p)
{
	if (p->residue || p->residue_count == 0)
		return 0;
	return col_text_page_open(p->residue_bytes, p->residue_count, &p->base, &p->residue);
}

int col_text_shape_stream(struct col_text_shaped *p, const struct col_text_template *t,
	const struct col_text_slot *slot, unsigned i, struct col_stream **out)
{
	struct col_text_stream *s = &p->streams[slot->stream_idx + i];
	struct rcur c = rcur_of(s->bytes.p, s->bytes.n);
	int rc;

	ASSERT(i < slot->streams_count);
	*out = &s->s;
	if (s->open)
		return 0;
	rc = col_stream_open(&c, t->rows_count, p->base.mem, &s->s);
	if (rc < 0)
		return rc == -ENOMEM ? rc : ERR_CORRUPT;
	s->open = true;
	return 0;
}

int col_text_shape_depend(struct col_text_shaped *p, const struct col_text_template *t,
	const struct col_text_slot *slot, struct col_depend **out)
{
	struct col_text_stream *s = &p->streams[slot->stream_idx];
	struct rcur c = rcur_of(s->bytes.p, s->bytes.n);
	int rc;

	ASSERT(slot->method == COL_TEXT_KEYED);
	if (!s->depend)
		s->depend = arena_alloc(p->base.mem, sizeof *s->depend);
	*out = s->depend;
	if (!s->depend)
		return -ENOMEM;
	if (s->open)
		return 0;
	rc = col_depend_open(&c, t->rows_count, slot->keys_count, p->base.mem, s->depend);
	if (rc < 0)
		return rc == -ENOMEM ? rc : ERR_CORRUPT;
	s->open = true;
	return 0;
}
