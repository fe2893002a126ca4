#include "storage/sidx_keys.h"

#include <errno.h>
#include <stdlib.h>

#include <xxhash.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/col_pack.h"

enum {
	GROUP_KEYS = 64, /* that share one start of their lists */
	MARKED = 128,
	PAGE_HEAD_BYTES = 1 + 1 + 8, /* in the directory, at least */
	DEPTH_MAX = 13,
};

static_assert(LIMIT_SEGMENT_BLOCKS < 1 << DEPTH_MAX, "a list is halved so often at most");

/* ---- writing ---- */

static struct buf *const *page_bufs(struct sidx_keys_put *k, struct buf *list[6])
{
	list[0] = &k->upper_buf;
	list[1] = &k->lows_buf;
	list[2] = &k->marks_buf;
	list[3] = &k->places_buf;
	list[4] = &k->lists_buf;
	list[5] = &k->starts;
	return list;
}

static void begin_page(struct sidx_keys_put *k)
{
	struct buf *list[6];

	page_bufs(k, list);
	for (int i = 0; i < 6; i++)
		buf_reset(list[i]);
	sidx_bits_begin(&k->upper, &k->upper_buf);
	sidx_bits_begin(&k->lows, &k->lows_buf);
	sidx_bits_begin(&k->marks, &k->marks_buf);
	sidx_bits_begin(&k->places, &k->places_buf);
	sidx_bits_begin(&k->lists, &k->lists_buf);
	k->page_keys = 0;
}

void sidx_keys_put_init(struct sidx_keys_put *k, uint32_t buckets, unsigned low_bits, bool marked,
	uint32_t blocks_count)
{
	struct buf *list[6];

	ASSERT(low_bits <= SIDX_KEYS_LOW_BITS_MAX);
	ASSERT(blocks_count > 0);
	ASSERT(blocks_count <= LIMIT_SEGMENT_BLOCKS);
	*k = (struct sidx_keys_put){
		.buckets = buckets,
		.blocks_count = blocks_count,
		.low_bits = (uint8_t)low_bits,
		.marked = marked,
	};
	page_bufs(k, list);
	for (int i = 0; i < 6; i++)
		buf_init(list[i], UINT32_MAX);
	buf_init(&k->dir, UINT32_MAX);
	buf_init(&k->pages, UINT32_MAX);
	begin_page(k);
}

void sidx_keys_put_fini(struct sidx_keys_put *k)
{
	struct buf *list[6];

	page_bufs(k, list);
	for (int i = 0; i < 6; i++)
		buf_fini(list[i]);
	buf_fini(&k->dir);
	buf_fini(&k->pages);
}

/* Bits of a number below `options`. */
static unsigned width_of(uint32_t options)
{
	ASSERT(options > 0);
	return col_pack_width(options - 1);
}

static void put_list(
	struct sidx_bits_put *b, const uint32_t *v, uint32_t n, uint32_t lo, uint32_t hi)
{
	uint32_t half = n / 2;

	if (n == 0)
		return;
	ASSERT(v[half] >= lo + half);
	ASSERT(v[half] < hi);
	sidx_bits_put(b, v[half] - lo - half, width_of(hi - lo - n + 1));
	put_list(b, v, half, lo, v[half]);
	put_list(b, v + half + 1, n - half - 1, v[half] + 1, hi);
}

/* A number from 1 on. */
static void put_gamma(struct sidx_bits_put *b, uint32_t v)
{
	unsigned width = col_pack_width(v);

	ASSERT(v > 0);
	sidx_bits_put(b, 0, width - 1);
	for (unsigned i = width; i > 0; i--)
		sidx_bits_put(b, v >> (i - 1) & 1, 1);
}

static void put_places(struct sidx_keys_put *k, const uint32_t *blocks, uint32_t count)
{
	unsigned width = col_pack_width(k->blocks_count);

	if (k->page_keys % GROUP_KEYS == 0) {
		uint32_t start = (uint32_t)k->lists.count;

		buf_put(&k->starts, &start, sizeof start);
	}
	if (count == 1) {
		sidx_bits_put(&k->places, blocks[0], width);
		return;
	}
	sidx_bits_put(&k->places, k->blocks_count, width);
	put_gamma(&k->lists, count - 1);
	put_list(&k->lists, blocks, count, 0, k->blocks_count);
}

static void put_lists(struct sidx_keys_put *k)
{
	const uint32_t *starts = (const uint32_t *)(const void *)k->starts.p;
	unsigned width = col_pack_width(k->lists.count);
	struct sidx_bits_put b;

	sidx_bits_end(&k->lists);
	if (k->lists_buf.len == 0 || k->starts.err)
		return;
	buf_put_u8(&k->pages, (uint8_t)width);
	sidx_bits_begin(&b, &k->pages);
	for (size_t i = 1; i < k->starts.len / sizeof *starts; i++)
		sidx_bits_put(&b, starts[i], width);
	sidx_bits_end(&b);
	buf_put_span(&k->pages, buf_span(&k->lists_buf));
}

static void end_page(struct sidx_keys_put *k)
{
	size_t start = k->pages.len;
	uint64_t sum;

	sidx_bits_end(&k->upper);
	sidx_bits_end(&k->lows);
	sidx_bits_end(&k->marks);
	sidx_bits_end(&k->places);
	buf_put_span(&k->pages, buf_span(&k->upper_buf));
	buf_put_span(&k->pages, buf_span(&k->lows_buf));
	buf_put_span(&k->pages, buf_span(&k->marks_buf));
	buf_put_span(&k->pages, buf_span(&k->places_buf));
	put_lists(k);
	col_pack_varint(&k->dir, k->page_keys);
	col_pack_varint(&k->dir, k->pages.len - start);
	sum = k->pages.err ? 0 : htole64(XXH3_64bits(k->pages.p + start, k->pages.len - start));
	buf_put(&k->dir, &sum, sizeof sum);
	k->keys_count += k->page_keys;
	begin_page(k);
}

static void end_buckets(struct sidx_keys_put *k, uint32_t upto)
{
	while (k->bucket < upto) {
		sidx_bits_put(&k->upper, 0, 1);
		if (++k->bucket % SIDX_KEYS_PAGE_BUCKETS == 0 || k->bucket == k->buckets)
			end_page(k);
	}
}

void sidx_keys_put(struct sidx_keys_put *k, struct sidx_keys_at at, bool mark,
	const uint32_t *blocks, uint32_t count)
{
	ASSERT(at.bucket < k->buckets);
	ASSERT(at.low >> k->low_bits == 0);
	ASSERT(at.bucket >= k->bucket);
	ASSERT(at.bucket > k->last.bucket || at.low > k->last.low ||
		(k->keys_count == 0 && k->page_keys == 0));
	ASSERT(count > 0);
	ASSERT(count <= k->blocks_count);
	end_buckets(k, at.bucket);
	k->last = at;
	sidx_bits_put(&k->upper, 1, 1);
	sidx_bits_put(&k->lows, at.low, k->low_bits);
	if (k->marked)
		sidx_bits_put(&k->marks, mark, 1);
	if (k->blocks_count > 1)
		put_places(k, blocks, count);
	k->page_keys++;
}

int sidx_keys_put_end(struct sidx_keys_put *k)
{
	struct buf *list[6];
	int rc = 0;

	end_buckets(k, k->buckets);
	ASSERT(k->page_keys == 0);
	page_bufs(k, list);
	for (int i = 0; i < 6 && rc == 0; i++)
		rc = list[i]->err;
	if (rc == 0)
		rc = k->dir.err ? k->dir.err : k->pages.err;
	return rc;
}

void sidx_keys_put_dir(const struct sidx_keys_put *k, struct buf *out)
{
	col_pack_varint(out, k->keys_count);
	col_pack_varint(out, k->buckets);
	if (k->buckets == 0)
		return;
	buf_put_u8(out, (uint8_t)(k->low_bits | (k->marked ? MARKED : 0)));
	buf_put_span(out, buf_span(&k->dir));
}

/* ---- reading ---- */

static int read_pages(struct sidx_keys *k, struct rcur *c, uint64_t *off, uint64_t end)
{
	uint64_t keys = 0;

	for (uint32_t i = 0; i < k->pages_count; i++) {
		struct sidx_keys_page *p = &k->pages[i];
		uint64_t count = rcur_varint(c), bytes = rcur_varint(c);

		p->sum = rcur_le64(c);
		p->off = *off;
		/* A key takes a bit of its page at least: the counts are bounded by the file. */
		if (c->err || bytes > end - *off || bytes > UINT32_MAX || count > bytes * 8)
			return ERR_CORRUPT;
		p->bytes = (uint32_t)bytes;
		if (count > UINT32_MAX)
			return ERR_CORRUPT;
		p->keys_count = (uint32_t)count;
		keys += count;
		*off += bytes;
	}
	return keys == k->keys_count ? 0 : ERR_CORRUPT;
}

int sidx_keys_open(
	struct sidx_keys *k, struct rcur *c, struct span file, uint64_t *off, uint32_t blocks_count)
{
	uint64_t buckets, pages;
	uint8_t form;

	ASSERT(*off <= file.n);
	*k = (struct sidx_keys){ .blocks_count = blocks_count, .base = file.p };
	k->keys_count = rcur_varint(c);
	buckets = rcur_varint(c);
	if (c->err || buckets > UINT32_MAX || blocks_count == 0)
		return ERR_CORRUPT;
	if (buckets == 0)
		return k->keys_count == 0 ? 0 : ERR_CORRUPT;
	form = rcur_u8(c);
	k->low_bits = form & (MARKED - 1);
	k->marked = form & MARKED;
	pages = (buckets + SIDX_KEYS_PAGE_BUCKETS - 1) / SIDX_KEYS_PAGE_BUCKETS;
	if (c->err || k->low_bits > SIDX_KEYS_LOW_BITS_MAX ||
		pages > rcur_left(c) / PAGE_HEAD_BYTES)
		return ERR_CORRUPT;
	k->buckets = (uint32_t)buckets;
	k->pages = calloc(pages, sizeof *k->pages);
	if (!k->pages)
		return -ENOMEM;
	k->pages_count = (uint32_t)pages;
	return read_pages(k, c, off, file.n);
}

void sidx_keys_close(struct sidx_keys *k)
{
	free(k->pages);
	k->pages = NULL;
}

/* A page cut into its parts. */
struct parts {
	const struct sidx_keys *k;
	uint32_t keys_count;
	uint32_t buckets;
	struct span upper, lows, marks, places, starts, lists;
	unsigned start_width;
};

static struct span bits_part(struct rcur *c, uint64_t bits)
{
	return rcur_bytes(c, (size_t)((bits + 7) / 8));
}

static int cut_page(const struct sidx_keys *k, uint32_t page, struct parts *out)
{
	struct sidx_keys_page *p = &k->pages[page];
	struct rcur c = rcur_of(k->base + p->off, p->bytes);
	uint64_t n = p->keys_count, before = (uint64_t)page * SIDX_KEYS_PAGE_BUCKETS;

	if (!p->checked) {
		if (XXH3_64bits(c.p, p->bytes) != p->sum)
			return ERR_CORRUPT;
		p->checked = true;
	}
	*out = (struct parts){ .k = k, .keys_count = p->keys_count };
	out->buckets =
		(uint32_t)(k->buckets - before < SIDX_KEYS_PAGE_BUCKETS ? k->buckets - before
									: SIDX_KEYS_PAGE_BUCKETS);
	out->upper = bits_part(&c, n + out->buckets);
	out->lows = bits_part(&c, n * k->low_bits);
	out->marks = bits_part(&c, k->marked ? n : 0);
	if (k->blocks_count > 1)
		out->places = bits_part(&c, n * col_pack_width(k->blocks_count));
	if (rcur_left(&c) > 0) {
		out->start_width = rcur_u8(&c);
		if (out->start_width > SIDX_BITS_WIDTH_MAX || n == 0)
			return ERR_CORRUPT;
		out->starts = bits_part(&c, (n - 1) / GROUP_KEYS * out->start_width);
		out->lists = rcur_bytes(&c, rcur_left(&c));
	}
	return c.err ? ERR_CORRUPT : 0;
}

/* The bit behind the n-th 0 (from 1 on) of a bit string, or behind its end. */
static uint64_t behind_zero(struct span s, uint32_t n)
{
	for (size_t off = 0; off < s.n; off += 8) {
		uint64_t zeroes = ~sidx_bits_word(s, off);
		uint32_t here = (uint32_t)__builtin_popcountll(zeroes);

		if (here < n) {
			n -= here;
			continue;
		}
		for (; n > 1; n--)
			zeroes &= zeroes - 1;
		return off * 8 + (unsigned)__builtin_ctzll(zeroes) + 1;
	}
	return (uint64_t)s.n * 8;
}

static void set_block(uint64_t *blocks, uint32_t block)
{
	if (blocks)
		blocks[block / 64] |= UINT64_C(1) << block % 64;
}

/* blocks NULL: only moved past. */
static void get_list(
	struct sidx_bits *b, uint32_t n, uint32_t lo, uint32_t hi, uint64_t *blocks, int depth)
{
	uint32_t half = n / 2, v;

	if (n == 0 || b->bad)
		return;
	ASSERT(depth <= DEPTH_MAX);
	ASSERT(hi - lo >= n);
	v = sidx_bits_get(b, width_of(hi - lo - n + 1));
	if (v > hi - lo - n) {
		b->bad = true;
		return;
	}
	v += lo + half;
	set_block(blocks, v);
	get_list(b, half, lo, v, blocks, depth + 1);
	get_list(b, n - half - 1, v + 1, hi, blocks, depth + 1);
}

static uint32_t get_gamma(struct sidx_bits *b)
{
	unsigned zeroes = 0;
	uint32_t v = 1;

	while (!b->bad && sidx_bits_get(b, 1) == 0) {
		if (++zeroes >= SIDX_BITS_WIDTH_MAX)
			b->bad = true;
	}
	for (; zeroes > 0 && !b->bad; zeroes--)
		v = v << 1 | sidx_bits_get(b, 1);
	return v;
}

static void get_key_list(struct sidx_bits *b, uint32_t blocks_count, uint64_t *blocks)
{
	uint32_t n = get_gamma(b);

	if (b->bad || n >= blocks_count)
		b->bad = true;
	else
		get_list(b, n + 1, 0, blocks_count, blocks, 0);
}

/* The lists of the group that key i is in, and where they begin. */
static struct sidx_bits lists_at(const struct parts *p, uint32_t i)
{
	uint32_t group = i / GROUP_KEYS;

	return sidx_bits_of(
		p->lists, group ? sidx_bits_at(p->starts, group - 1, p->start_width) : 0);
}

static int get_blocks(const struct parts *p, uint32_t i, uint64_t *blocks)
{
	uint32_t several = p->k->blocks_count, place;
	unsigned width = col_pack_width(several);
	struct sidx_bits b;

	if (several == 1) {
		set_block(blocks, 0);
		return 0;
	}
	place = sidx_bits_at(p->places, i, width);
	if (place > several)
		return ERR_CORRUPT;
	if (place < several) {
		set_block(blocks, place);
		return 0;
	}
	b = lists_at(p, i);
	for (uint32_t k = i / GROUP_KEYS * GROUP_KEYS; k < i && !b.bad; k++) {
		if (sidx_bits_at(p->places, k, width) == several)
			get_key_list(&b, several, NULL);
	}
	if (b.bad)
		return ERR_CORRUPT;
	get_key_list(&b, several, blocks);
	return b.bad ? ERR_CORRUPT : 0;
}

int sidx_keys_find(
	const struct sidx_keys *k, struct sidx_keys_at at, uint64_t *blocks, bool *out_mark)
{
	uint32_t bucket = at.bucket % SIDX_KEYS_PAGE_BUCKETS;
	struct parts p;
	uint64_t bit;
	int rc;

	if (k->buckets == 0)
		return 0;
	ASSERT(at.bucket < k->buckets);
	rc = cut_page(k, at.bucket / SIDX_KEYS_PAGE_BUCKETS, &p);
	if (rc < 0)
		return rc;
	bit = bucket ? behind_zero(p.upper, bucket) : 0;
	if (bit < bucket)
		return ERR_CORRUPT;
	for (uint64_t i = bit - bucket; sidx_bits_at(p.upper, bit, 1); bit++, i++) {
		if (i >= p.keys_count)
			return ERR_CORRUPT;
		if (sidx_bits_at(p.lows, i, k->low_bits) != at.low)
			continue;
		*out_mark = k->marked && sidx_bits_at(p.marks, i, 1);
		rc = get_blocks(&p, (uint32_t)i, blocks);
		return rc < 0 ? rc : SIDX_KEYS_FOUND;
	}
	return 0;
}

bool sidx_keys_is_read(const struct sidx_keys *k, struct sidx_keys_at at)
{
	if (k->buckets == 0)
		return true;
	ASSERT(at.bucket < k->buckets);
	return k->pages[at.bucket / SIDX_KEYS_PAGE_BUCKETS].checked;
}

/* ---- checking ---- */

/* As many keys and buckets as are claimed, and lows that rise. */
static bool buckets_hold(const struct parts *p)
{
	struct sidx_bits b = sidx_bits_of(p->upper, 0);
	uint32_t keys = 0, zeroes = 0;
	int64_t last = -1;

	while (zeroes < p->buckets && !b.bad) {
		uint32_t low;

		if (sidx_bits_get(&b, 1) == 0) {
			zeroes++;
			last = -1;
			continue;
		}
		low = sidx_bits_at(p->lows, keys, p->k->low_bits);
		if (keys++ >= p->keys_count || low <= last)
			return false;
		last = low;
	}
	return !b.bad && keys == p->keys_count;
}

static bool places_hold(const struct parts *p)
{
	uint32_t several = p->k->blocks_count;
	struct sidx_bits b = sidx_bits_of(p->lists, 0);

	for (uint32_t i = 0; i < p->keys_count && several > 1; i++) {
		uint32_t place = sidx_bits_at(p->places, i, col_pack_width(several));

		if (place > several)
			return false;
		if (i % GROUP_KEYS == 0 && p->lists.n > 0 && lists_at(p, i).at != b.at)
			return false;
		if (place == several)
			get_key_list(&b, several, NULL);
		if (b.bad)
			return false;
	}
	return (b.at + 7) / 8 == p->lists.n;
}

int sidx_keys_check(const struct sidx_keys *k)
{
	for (uint32_t i = 0; i < k->pages_count; i++) {
		struct parts p;
		int rc = cut_page(k, i, &p);

		if (rc < 0)
			return rc;
		if (!buckets_hold(&p) || !places_hold(&p))
			return ERR_CORRUPT;
	}
	return 0;
}
