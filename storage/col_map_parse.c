#include "storage/col_map_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/wire/walk.h"
#include "storage/col_map_bytes.h"
#include "storage/col_map_int.h"

enum {
	NODES_MAX = LIMIT_MAP_MEMBERS,
	SLOTS = 1 << 18,
	PATH_SLOTS = 1 << 14,
	NO_EDGE = UINT32_MAX,
	/* What a row of its own path needs is always left. */
	LEAVES_APART_MAX = LIMIT_MAP_LEAVES - LIMIT_BLOCK_ROWS,
	/* A key's head in a set's text, at most. */
	KEY_HEAD_BYTES = 8,
};

static_assert(SLOTS >= 2 * NODES_MAX, "a free slot is always near");
static_assert(PATH_SLOTS >= 2 * LIMIT_MAP_PATHS, "a free slot is always near");
static_assert(LIMIT_MAP_PATHS < UINT16_MAX, "paths are 16 bits wide");

struct col_map_parse_node {
	uint32_t in;  /* the edge that leads here; NO_EDGE: the root */
	uint32_t out; /* the edge taken last from here; NO_EDGE: none */
	uint16_t set; /* of a map that ends here; COL_MAP_SET_ABSENT: not known yet */
};

struct col_map_parse_edge {
	struct span key;
	uint32_t from;
	uint32_t slot;
	uint16_t outer;
	uint16_t path;
	bool is_map;
};

void col_map_parse_fini(struct col_map_parse *p)
{
	free(p->paths);
	free(p->sets);
	free(p->members);
	free(p->leaves);
	free(p->row_sets);
	free(p->nodes);
	free(p->edges);
	free(p->slots);
	free(p->path_slots);
	free(p->stamps);
	*p = (struct col_map_parse){ 0 };
}

static int prepare(struct col_map_parse *p)
{
	if (p->stamps)
		return 0;
	p->paths = malloc(LIMIT_MAP_PATHS * sizeof *p->paths);
	p->sets = malloc(LIMIT_MAP_SETS * sizeof *p->sets);
	p->members = malloc(LIMIT_MAP_MEMBERS * sizeof *p->members);
	p->row_sets = malloc(LIMIT_BLOCK_ROWS * sizeof *p->row_sets);
	p->slots = calloc(SLOTS, sizeof *p->slots);
	p->path_slots = calloc(PATH_SLOTS, sizeof *p->path_slots);
	p->stamps = calloc(LIMIT_MAP_PATHS, 1);
	if (p->paths && p->sets && p->members && p->row_sets && p->slots && p->path_slots &&
		p->stamps)
		return 0;
	col_map_parse_fini(p);
	return -ENOMEM;
}

/* Room for one element more in an array that doubles. */
static int grow(void **array, uint32_t count, uint32_t *cap, size_t size)
{
	uint32_t want = *cap ? *cap * 2 : 1024;
	void *more;

	if (count < *cap)
		return 0;
	more = realloc(*array, want * size);
	if (!more)
		return -ENOMEM;
	*array = more;
	*cap = want;
	return 0;
}

static int add_node(struct col_map_parse *p, uint32_t in)
{
	if (grow((void **)&p->nodes, p->nodes_count, &p->nodes_cap, sizeof *p->nodes) < 0)
		return -ENOMEM;
	p->nodes[p->nodes_count++] =
		(struct col_map_parse_node){ .in = in, .out = NO_EDGE, .set = COL_MAP_SET_ABSENT };
	return 0;
}

int col_map_parse_begin(struct col_map_parse *p)
{
	int rc = prepare(p);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < p->edges_count; i++)
		p->slots[p->edges[i].slot] = 0;
	memset(p->path_slots, 0, PATH_SLOTS * sizeof *p->path_slots);
	p->nodes_count = p->edges_count = p->leaves_count = p->rows_count = 0;
	p->key_bytes = p->set_bytes = 0;
	p->paths[COL_MAP_PATH_WHOLE] = (struct col_map_parse_path){ .key = SPAN_LIT("") };
	p->paths_count = 1;
	p->members[0] = COL_MAP_PATH_WHOLE;
	p->members_count = 1;
	p->sets[COL_MAP_SET_ABSENT] = (struct col_map_parse_set){ 0, 0 };
	p->sets[COL_MAP_SET_WHOLE] = (struct col_map_parse_set){ 0, 1 };
	p->sets_count = COL_MAP_SETS_OWN;
	return add_node(p, NO_EDGE);
}

/* ---- paths and edges ---- */

/* The path of the key in the outer one; 0: there are too many. */
static uint16_t path_of(struct col_map_parse *p, uint16_t outer, struct span key, bool is_map)
{
	uint32_t at =
		(uint32_t)col_map_bytes_hash(key, (uint64_t)outer << 1 | is_map) & (PATH_SLOTS - 1);
	struct col_map_parse_path *x;

	for (; p->path_slots[at]; at = (at + 1) & (PATH_SLOTS - 1)) {
		x = &p->paths[p->path_slots[at]];
		if (x->outer == outer && x->is_map == is_map && col_map_bytes_same(x->key, key))
			return p->path_slots[at];
	}
	if (p->paths_count == LIMIT_MAP_PATHS || p->key_bytes + key.n > LIMIT_MAP_KEY_BYTES)
		return 0;
	p->key_bytes += (uint32_t)key.n;
	p->paths[p->paths_count] =
		(struct col_map_parse_path){ .key = key, .outer = outer, .is_map = is_map };
	p->path_slots[at] = (uint16_t)p->paths_count;
	return (uint16_t)p->paths_count++;
}

/* The edge's place in *out; 1: there are too many. */
static int add_edge(struct col_map_parse *p, const struct col_map_parse_edge *like, uint32_t *out)
{
	uint16_t path;

	if (p->nodes_count == NODES_MAX)
		return 1;
	path = path_of(p, like->outer, like->key, like->is_map);
	if (path == 0)
		return 1;
	if (grow((void **)&p->edges, p->edges_count, &p->edges_cap, sizeof *p->edges) < 0 ||
		add_node(p, p->edges_count) < 0)
		return -ENOMEM;
	p->edges[p->edges_count] = *like;
	p->edges[p->edges_count].path = path;
	p->slots[like->slot] = p->edges_count + 1;
	*out = p->edges_count++;
	/* Edge i leads to node i + 1. */
	ASSERT(p->nodes_count == p->edges_count + 1);
	return 0;
}

static inline bool is_edge(
	const struct col_map_parse_edge *e, const struct col_map_parse_edge *like)
{
	return e->from == like->from && e->outer == like->outer && e->is_map == like->is_map &&
	       col_map_bytes_same(e->key, like->key);
}

/* The edge from like->from with like's key, made if need be. */
static int take_edge(struct col_map_parse *p, struct col_map_parse_edge *like, uint32_t *out)
{
	struct col_map_parse_node *node = &p->nodes[like->from];
	uint32_t at;
	int rc;

	if (node->out != NO_EDGE && is_edge(&p->edges[node->out], like)) {
		*out = node->out;
		return 0;
	}
	at = (uint32_t)col_map_bytes_hash(like->key, (uint64_t)like->from << 32 | like->outer) &
	     (SLOTS - 1);
	for (; p->slots[at]; at = (at + 1) & (SLOTS - 1)) {
		*out = p->slots[at] - 1;
		if (!is_edge(&p->edges[*out], like))
			continue;
		node->out = *out;
		return 0;
	}
	like->slot = at;
	rc = add_edge(p, like, out);
	if (rc == 0)
		p->nodes[like->from].out = *out;
	return rc;
}

/* ---- key sets ---- */

/* The members of a map that ends at the node, in front of members[end]; their number, or 0xffff. */
static uint32_t list_members(struct col_map_parse *p, uint32_t node, uint16_t *end)
{
	uint32_t count = 0;
	bool twice = false;

	for (uint32_t e = p->nodes[node].in; e != NO_EDGE; e = p->nodes[p->edges[e].from].in) {
		twice |= p->stamps[p->edges[e].path];
		p->stamps[p->edges[e].path] = 1;
		if (!p->edges[e].is_map)
			*--end = p->edges[e].path;
		count += !p->edges[e].is_map;
		p->set_bytes += (uint32_t)p->edges[e].key.n + KEY_HEAD_BYTES;
	}
	for (uint32_t e = p->nodes[node].in; e != NO_EDGE; e = p->nodes[p->edges[e].from].in)
		p->stamps[p->edges[e].path] = 0;
	return twice ? UINT32_MAX : count;
}

static uint32_t count_members(const struct col_map_parse *p, uint32_t node)
{
	uint32_t count = 0;

	for (uint32_t e = p->nodes[node].in; e != NO_EDGE; e = p->nodes[p->edges[e].from].in)
		count += !p->edges[e].is_map;
	return count;
}

/* A key that stands twice, or a limit: such maps stay whole. */
static uint16_t make_set(struct col_map_parse *p, uint32_t node)
{
	uint32_t count = count_members(p, node), bytes = p->set_bytes;

	if (p->sets_count == LIMIT_MAP_SETS || count > LIMIT_MAP_MEMBERS - p->members_count)
		return COL_MAP_SET_WHOLE;
	if (list_members(p, node, p->members + p->members_count + count) != count ||
		p->set_bytes > LIMIT_MAP_SET_BYTES) {
		p->set_bytes = bytes;
		return COL_MAP_SET_WHOLE;
	}
	p->sets[p->sets_count] = (struct col_map_parse_set){ p->members_count, count };
	p->members_count += count;
	return (uint16_t)p->sets_count++;
}

/* ---- values ---- */

/* The head of a map in its smallest width; -1: it is something else. */
static int32_t map_head(struct rcur *c)
{
	size_t left = rcur_left(c);

	if (left > 0 && (*c->p & 0xf0) == 0x80)
		return *c->p++ & 0x0f;
	if (left > 3 && *c->p == 0xde && (c->p[1] || c->p[2] > 15)) {
		c->p += 3;
		return c->p[-2] << 8 | c->p[-1];
	}
	return -1;
}

/* A str in its smallest width; absent: it is something else. */
static inline struct span str_of(struct rcur *c)
{
	const uint8_t *p = c->p;
	size_t left = rcur_left(c), head = 1, n;

	if (left > 0 && (p[0] & 0xe0) == 0xa0) {
		n = p[0] & 0x1f;
	} else if (left > 1 && p[0] == 0xd9 && p[1] > 31) {
		head = 2;
		n = p[1];
	} else if (left > 2 && p[0] == 0xda && p[1] > 0) {
		head = 3;
		n = (size_t)p[1] << 8 | p[2];
	} else if (left > 4 && p[0] == 0xdb && (p[1] || p[2])) {
		head = 5;
		n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
	} else {
		return SPAN_NONE;
	}
	if (n > left - head)
		return SPAN_NONE;
	c->p += head + n;
	return span_of(p + head, n);
}

/* An integer in its smallest width, 2 to 9 bytes long, from -2^63 to 2^63 - 1. */
static bool wide_int(struct rcur *c, int64_t *out)
{
	static const int64_t least[] = { 0x80, 0x100, 0x10000, INT64_C(1) << 32 };
	static const int64_t below[] = { -32, INT8_MIN, INT16_MIN, INT32_MIN };
	unsigned code = *c->p, k = code & 3, bytes = 1u << k;
	uint64_t v = 0;

	if ((code & 0xfc) != 0xcc && (code & 0xfc) != 0xd0)
		return false;
	if (rcur_left(c) < 1 + bytes)
		return false;
	for (unsigned i = 1; i <= bytes; i++)
		v = v << 8 | c->p[i];
	if (code >= 0xd0)
		v = (uint64_t)((int64_t)(v << (64 - 8 * bytes)) >> (64 - 8 * bytes));
	*out = (int64_t)v;
	if (code < 0xd0 ? *out < least[k] : *out >= below[k])
		return false;
	c->p += 1 + bytes;
	return true;
}

/* Anything else: as it stands. */
static int take_other(struct rcur *c, struct col_map_leaf *out)
{
	struct span s;

	if (walk_take(c, &s) < 0)
		return 1;
	out->type = COL_MAP_OTHER;
	out->bits = (uintptr_t)s.p;
	out->bytes = (uint32_t)s.n;
	return 0;
}

/* Moves past one value; 1: it is none. */
static inline int take_value(struct rcur *c, struct col_map_leaf *out)
{
	struct span s = str_of(c);
	uint8_t b;
	int64_t v;

	if (s.p) {
		out->type = COL_MAP_STR;
		out->bits = (uintptr_t)s.p;
		out->bytes = (uint32_t)s.n;
		return 0;
	}
	if (rcur_left(c) == 0)
		return 1;
	b = *c->p;
	if (b < 0x80 || b >= 0xe0) {
		out->bits = (uint64_t)(int64_t)(int8_t)b;
		out->type = COL_MAP_INT;
		c->p++;
	} else if (b == 0xcb && rcur_left(c) >= 9) {
		c->p++;
		out->bits = rcur_be64(c);
		out->type = COL_MAP_DOUBLE;
	} else if (b == 0xc0 || b == 0xc2 || b == 0xc3) {
		out->type = b == 0xc0 ? COL_MAP_NULL : b == 0xc2 ? COL_MAP_FALSE : COL_MAP_TRUE;
		c->p++;
	} else if (wide_int(c, &v)) {
		out->bits = (uint64_t)v;
		out->type = COL_MAP_INT;
	} else {
		return take_other(c, out);
	}
	return 0;
}

static int add_leaf(struct col_map_parse *p, struct col_map_leaf leaf)
{
	if (grow((void **)&p->leaves, p->leaves_count, &p->leaves_cap, sizeof *p->leaves) < 0)
		return -ENOMEM;
	p->leaves[p->leaves_count++] = leaf;
	return 0;
}

/* ---- rows ---- */

/* Where a row is: the maps it is inside, and the node its keys have led to. */
struct place {
	uint32_t left[LIMIT_MAP_NESTING]; /* pairs still to come at each level */
	uint16_t outer[LIMIT_MAP_NESTING];
	unsigned level;
	uint32_t node;
};

/* One pair. 1: the row stays whole. */
static int take_pair(struct col_map_parse *p, struct rcur *c, struct place *at)
{
	struct col_map_parse_edge like = { .from = at->node, .outer = at->outer[at->level] };
	struct rcur inner;
	struct col_map_leaf leaf = { 0 };
	int32_t pairs;
	uint32_t edge;
	int rc;

	like.key = str_of(c);
	if (!like.key.p)
		return 1;
	inner = *c;
	pairs = at->level + 1 < LIMIT_MAP_NESTING ? map_head(&inner) : -1;
	like.is_map = pairs > 0;
	rc = take_edge(p, &like, &edge);
	if (rc != 0)
		return rc;
	at->node = edge + 1;
	at->left[at->level]--;
	if (like.is_map) {
		*c = inner;
		at->level++;
		at->left[at->level] = (uint32_t)pairs;
		at->outer[at->level] = p->edges[edge].path;
		return 0;
	}
	leaf.path = p->edges[edge].path;
	if (p->leaves_count >= LEAVES_APART_MAX || take_value(c, &leaf) != 0)
		return 1;
	return add_leaf(p, leaf);
}

/* The row's set in *out_set, its leaves at the end of the others. 1: it stays whole. */
static int take_apart(struct col_map_parse *p, struct span map, uint16_t *out_set)
{
	struct rcur c = rcur_of(map.p, map.n);
	struct place at = { .node = 0 };
	int32_t pairs = map_head(&c);

	if (pairs < 0)
		return 1;
	at.left[0] = (uint32_t)pairs;
	for (;;) {
		int rc;

		while (at.left[at.level] == 0 && at.level > 0)
			at.level--;
		if (at.left[at.level] == 0)
			break;
		rc = take_pair(p, &c, &at);
		if (rc != 0)
			return rc;
	}
	if (rcur_left(&c) > 0)
		return 1;
	if (p->nodes[at.node].set == COL_MAP_SET_ABSENT)
		p->nodes[at.node].set = make_set(p, at.node);
	*out_set = p->nodes[at.node].set;
	return *out_set == COL_MAP_SET_WHOLE;
}

int col_map_parse_row(struct col_map_parse *p, struct span map)
{
	uint32_t first = p->leaves_count;
	uint16_t set = COL_MAP_SET_ABSENT;
	int rc = map.p ? take_apart(p, map, &set) : 0;

	ASSERT(p->rows_count < LIMIT_BLOCK_ROWS);
	if (rc == 1) {
		struct col_map_leaf whole = { .bits = (uintptr_t)map.p,
			.bytes = (uint32_t)map.n,
			.path = COL_MAP_PATH_WHOLE,
			.type = COL_MAP_OTHER };

		set = COL_MAP_SET_WHOLE;
		p->leaves_count = first;
		rc = add_leaf(p, whole);
	}
	if (rc < 0)
		return rc;
	for (uint32_t i = first; i < p->leaves_count; i++)
		p->paths[p->leaves[i].path].count++;
	p->row_sets[p->rows_count++] = set;
	return 0;
}
