/*
 * .TOK FILE: header, directory, pages.
 *
 * DIRECTORY
 *   u8       complete     0: too many tokens; nothing follows
 *   3 * 16   sets of shapes: not recorded as a whole entity id, in a longer one or a uuid, at all
 *            bit class * 32 + length (31: or more); classes: 0 digits, 1 hex, 2 other, 3 uuid
 *   a table (sidx_keys.h) without marks; the hash is the top 33 bits of XXH3-64 of the token, each
 *            byte of it or-ed with 0x20
 */
#include "storage/sidx_word.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/col_pack.h"
#include "storage/sidx_keys.h"

enum {
	BLOCK_WORDS = LIMIT_SEGMENT_BLOCKS / 64,
	LOW_BITS_MAX = 6,
	NAME_MAX = 256, /* a longer one is not looked for in .ent */
	HASH_SHIFT = 64 - SIDX_KEYS_HASH_BITS,
};

static_assert((int)SIDX_WORD_UNKNOWN == (int)SIDX_ENTITY_UNKNOWN, "passed on");

struct sidx_word {
	struct sidx_file file;
	bool complete;
	struct sidx_word_shapes shapes;
	struct sidx_keys table;
	uint32_t blocks_count;
};

/*
 * A false key names one block of several: with a bit less for each doubling of the blocks the chance
 * of a block to be read in vain stays about one in 64, while a key's bytes stay the same.
 */
unsigned sidx_word_low_bits(uint32_t blocks_count)
{
	unsigned less = col_pack_width(blocks_count - 1);

	return less < LOW_BITS_MAX ? LOW_BITS_MAX - less : 1;
}

static void read_shapes(struct rcur *c, uint64_t *out)
{
	for (int i = 0; i < SIDX_TOKEN_SHAPES / 64; i++)
		out[i] = rcur_le64(c);
}

static int read_dir(struct sidx_word *x)
{
	struct rcur c = rcur_of(x->file.dir.p, x->file.dir.n);
	struct span file = span_of(x->file.map, x->file.map_bytes);
	uint64_t off = x->file.pages_off;
	int rc = 0;

	x->complete = rcur_u8(&c) == 1;
	if (x->complete) {
		read_shapes(&c, x->shapes.exact);
		read_shapes(&c, x->shapes.inside);
		read_shapes(&c, x->shapes.dropped);
		rc = sidx_keys_open(&x->table, &c, file, &off, x->blocks_count);
	}
	if (rc == 0 && (c.err || rcur_left(&c) != 0 || off != file.n))
		rc = ERR_CORRUPT;
	return rc;
}

int sidx_word_open(const struct vfs *vfs, int dir, const char *name, const struct seg_info *seg,
	struct sidx_word **out, struct diag *d)
{
	struct sidx_word *x = calloc(1, sizeof *x);
	int rc;

	if (!x)
		return diag_set(d, -ENOMEM, name, -1, "opening a sidecar");
	x->blocks_count = seg->blocks_count;
	rc = sidx_common_open(vfs, dir, name, SIDX_WORD, seg, &x->file, d);
	if (rc == 0) {
		rc = read_dir(x);
		if (rc < 0)
			diag_set(d, rc, name, SIDX_COMMON_HEAD_BYTES,
				"the directory of a word index");
	}
	if (rc < 0) {
		sidx_word_close(&x);
		return rc;
	}
	*out = x;
	return 0;
}

void sidx_word_close(struct sidx_word **x)
{
	if (!*x)
		return;
	sidx_common_close(&(*x)->file);
	sidx_keys_close(&(*x)->table);
	free(*x);
	*x = NULL;
}

/* One search: the words of a text. */
struct search {
	const struct sidx_word *x;
	const struct sidx_entity *entity;
	struct sidx_token_text text;
	uint64_t all[BLOCK_WORDS]; /* blocks that may hold every token so far */
	bool known;                /* a token has told something */
	struct diag *d;
};

/* The name in letters of one case, if .ent can be asked for it. */
static int find_cased(struct search *s, struct span name, bool upper, uint64_t *blocks)
{
	uint8_t cased[NAME_MAX];

	if (name.n > sizeof cased)
		return SIDX_WORD_UNKNOWN;
	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];

		if (upper && c >= 'a' && c <= 'z')
			c -= 'a' - 'A';
		else if (!upper && c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		cased[i] = c;
	}
	return sidx_entity_find_id(s->entity, span_of(cased, name.n), blocks, s->d);
}

/* Blocks with an entity of that name, whose id's letters are all of one case. */
static int find_entity(struct search *s, struct span name, uint64_t *blocks)
{
	int rc;

	if (!s->entity)
		return SIDX_WORD_UNKNOWN;
	rc = find_cased(s, name, false, blocks);
	return rc == 0 ? find_cased(s, name, true, blocks) : rc;
}

static int find_hash(struct search *s, const struct sidx_token *token, uint64_t *blocks)
{
	const struct sidx_keys *k = &s->x->table;
	uint64_t hash = sidx_token_hash(&s->text, token) >> HASH_SHIFT;
	bool mark;
	int rc;

	if (k->buckets == 0)
		return 0;
	rc = sidx_keys_find(k, sidx_keys_at(hash, k->buckets, k->low_bits), blocks, &mark);
	if (rc < 0)
		return diag_set(s->d, rc, s->x->file.name, (int64_t)s->x->file.pages_off,
			"a page of a word index");
	return 0;
}

/* Whether no byte of a name can stand before or behind it in the texts that are looked for. */
static bool is_whole(const struct search *s, struct span name)
{
	return name.p > s->text.raw && name.p + name.n < s->text.raw + s->text.n;
}

/* Blocks that may hold the token, into blocks[]; SIDX_WORD_UNKNOWN: any may. */
static int find_token(struct search *s, const struct sidx_token *token, uint64_t *blocks)
{
	const struct sidx_word_shapes *shapes = &s->x->shapes;
	struct span name = sidx_token_name(&s->text, token);
	unsigned shape = sidx_token_shape(&s->text, token);
	int rc;

	if (sidx_word_has_shape(shapes->dropped, shape))
		return SIDX_WORD_UNKNOWN;
	rc = find_hash(s, token, blocks);
	if (rc == 0 && sidx_word_has_shape(shapes->exact, shape))
		rc = find_entity(s, span_of(s->text.raw + token->off, token->n), blocks);
	if (rc == 0 && sidx_word_has_shape(shapes->inside, shape))
		rc = is_whole(s, name) ? find_entity(s, name, blocks) : SIDX_WORD_UNKNOWN;
	return rc;
}

static int narrow(struct search *s, const struct sidx_token *token)
{
	uint64_t found[BLOCK_WORDS] = { 0 };
	int rc = find_token(s, token, found);

	if (rc == SIDX_WORD_UNKNOWN)
		return 0;
	if (rc < 0)
		return rc;
	for (int i = 0; i < BLOCK_WORDS; i++)
		s->all[i] = s->known ? s->all[i] & found[i] : found[i];
	s->known = true;
	return 0;
}

/* edges: a token at either end of the text is whole there, too. */
static int search(struct search *s, struct span text, bool edges)
{
	struct sidx_token token;
	int rc = sidx_token_set(&s->text, text);

	while (rc == 0 && sidx_token_next(&s->text, &token)) {
		if (edges || (token.off > 0 && token.off + token.n < text.n))
			rc = narrow(s, &token);
	}
	return rc;
}

static int find(const struct sidx_word *x, const struct sidx_entity *entity, struct span text,
	bool edges, uint64_t *blocks, struct diag *d)
{
	struct search s = { .x = x, .entity = entity, .d = d };
	int rc;

	if (!x->complete || text.n == 0)
		return SIDX_WORD_UNKNOWN;
	sidx_token_init(&s.text);
	rc = search(&s, text, edges);
	sidx_token_fini(&s.text);
	if (rc < 0)
		return rc == -ENOMEM ? diag_set(d, rc, x->file.name, -1, "a search") : rc;
	if (!s.known)
		return SIDX_WORD_UNKNOWN;
	for (uint32_t i = 0; i < (x->blocks_count + 63) / 64; i++)
		blocks[i] |= s.all[i];
	return 0;
}

int sidx_word_find(const struct sidx_word *x, const struct sidx_entity *entity, struct span words,
	uint64_t *blocks, struct diag *d)
{
	return find(x, entity, words, true, blocks, d);
}

int sidx_word_find_part(const struct sidx_word *x, const struct sidx_entity *entity,
	struct span needle, uint64_t *blocks, struct diag *d)
{
	return find(x, entity, needle, false, blocks, d);
}

bool sidx_word_may_have(const struct sidx_word *x, const struct sidx_entity *entity, uint32_t block,
	struct span word)
{
	uint64_t blocks[BLOCK_WORDS] = { 0 };

	ASSERT(block < x->blocks_count);
	return find(x, entity, word, true, blocks, NULL) != 0 ||
	       blocks[block / 64] >> block % 64 & 1;
}

uint64_t sidx_word_count(const struct sidx_word *x)
{
	return x->table.keys_count;
}

const struct sidx_word_shapes *sidx_word_shapes(const struct sidx_word *x)
{
	return &x->shapes;
}

int sidx_word_check(const struct sidx_word *x, struct diag *d)
{
	if (sidx_keys_check(&x->table) == 0)
		return 0;
	return diag_set(
		d, ERR_CORRUPT, x->file.name, (int64_t)x->file.pages_off, "a page of a word index");
}
