/*
 * Goal:   maps come back bit for bit, whole pages and single rows; what a path holds is found, and
 *         the same when written as when read; a map beyond a limit stays whole; damage ends in an
 *         error or in other maps, never outside the page.
 * Method: seeded maps of every type, width and nesting; a walk over each map as the oracle.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/wire/json_out.h"
#include "proto/wire/pack.h"
#include "proto/wire/walk.h"
#include "storage/col_map.h"
#include "storage/col_map_int.h"
#include "tests/support/event_gen.h"

enum {
	PAGE_MAX = 64 << 20,
	TYPES = 7,
	/* Random maps end here. */
	TEXT_BYTES = 4 << 20,
};

struct fixture {
	struct col_map_maker maker;
	struct span maps[LIMIT_BLOCK_ROWS];
	struct span users[LIMIT_BLOCK_ROWS]; /* another column */
	size_t offs[LIMIT_BLOCK_ROWS + 1]; /* of each row in text; the next one's if it is absent */
	uint32_t types[LIMIT_BLOCK_ROWS];
	uint32_t lengths[LIMIT_BLOCK_ROWS];
	uint32_t rows[LIMIT_BLOCK_ROWS];
	uint32_t count;
	struct buf text; /* all maps */
	struct buf page;
	struct buf got;
	struct arena mem;
	struct event_gen gen;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (!f)
		return -1;
	buf_init(&f->text, COL_MAP_RAW_MAX);
	buf_init(&f->page, PAGE_MAX);
	buf_init(&f->got, COL_MAP_RAW_MAX);
	arena_init(&f->mem, COL_MAP_MEMORY_MAX);
	col_map_maker_init(&f->maker, 0);
	f->gen.state = 7;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	col_map_maker_fini(&f->maker);
	buf_fini(&f->text);
	buf_fini(&f->page);
	buf_fini(&f->got);
	arena_fini(&f->mem);
	free(f);
	return 0;
}

/* ---- maps ---- */

static unsigned below(struct fixture *f, unsigned n)
{
	return event_gen_below(&f->gen, n);
}

static void start(struct fixture *f)
{
	f->count = 0;
	buf_reset(&f->text);
}

/* The row is what was appended to text since the one before; absent: nothing was. */
static void end_row(struct fixture *f, bool present)
{
	assert_int_equal(f->text.err, 0);
	f->types[f->count] = below(f, TYPES);
	f->maps[f->count].p = present ? f->text.p : NULL;
	f->offs[++f->count] = f->text.len;
}

/* The text does not move any more. */
static void finish(struct fixture *f)
{
	f->offs[0] = 0;
	for (uint32_t i = 0; i < f->count; i++) {
		if (f->maps[i].p)
			f->maps[i] = span_of(f->text.p + f->offs[i], f->offs[i + 1] - f->offs[i]);
		else
			f->maps[i] = SPAN_NONE;
	}
}

static void put_key(struct fixture *f, const char *name, unsigned n)
{
	char key[48];

	snprintf(key, sizeof key, "%s%u", name, n);
	pack_str(&f->text, span_str(key));
}

static void put_raw(struct fixture *f, const char *bytes, size_t n)
{
	buf_put(&f->text, bytes, n);
}

static void put_number(struct fixture *f)
{
	static const int64_t edges[] = { 0, 1, -1, 127, 128, -32, -33, 255, 256, -128, -129, 65535,
		65536, -32768, -32769, INT32_MAX, UINT32_MAX, INT64_C(1) << 32, INT32_MIN,
		(int64_t)INT32_MIN - 1, INT64_MAX, INT64_MIN };

	pack_int(&f->text, edges[below(f, ARRAY_COUNT(edges))]);
}

static void put_double(struct fixture *f)
{
	static const double odd[] = { 0.1, 12.5, -7.25, 1e300, -0.0, 0.0, 1e-9, 123456.789, 3e15,
		1.0 / 3, __builtin_inf(), __builtin_nan(""), 9007199254740993.0 };

	if (below(f, 3) > 0)
		pack_double(&f->text, (double)below(f, 100000) / 100);
	else
		pack_double(&f->text, odd[below(f, ARRAY_COUNT(odd))]);
}

static void put_text(struct fixture *f)
{
	char s[80];
	unsigned n;

	switch (below(f, 4)) {
	case 0:
		n = (unsigned)snprintf(s, sizeof s, "word%u", below(f, 5));
		break;
	case 1:
		n = (unsigned)snprintf(
			s, sizeof s, "%016llx", (unsigned long long)event_gen_random(&f->gen));
		break;
	case 2:
		n = (unsigned)snprintf(
			s, sizeof s, "C:\\Windows\\%u\\file-%u.dll", below(f, 9), below(f, 400));
		break;
	default:
		n = below(f, sizeof s);
		for (unsigned i = 0; i < n; i++)
			s[i] = (char)below(f, 256);
		break;
	}
	pack_str(&f->text, span_of(s, n));
}

/* What no column is made for: wider than need be, arrays, bin, ext, float32, empty maps ... */
static void put_odd(struct fixture *f)
{
	static const struct {
		const char *p;
		size_t n;
	} odd[] = { { "\xcc\x05", 2 }, { "\xd0\x05", 2 },
		{ "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9 }, { "\xd1\xff\xff", 3 },
		{ "\xca\x3f\x80\x00\x00", 5 }, { "\x93\x01\x02\x03", 4 }, { "\x90", 1 },
		{ "\x80", 1 }, { "\xc4\x02xy", 4 }, { "\xd4\x07x", 3 }, { "\xd9\x02hi", 4 },
		{ "\xda\x00\x01h", 4 }, { "\x91\x81\xa1k\x01", 5 }, { "\xde\x00\x01\xa1k\x01", 6 },
		{ "\xc7\x03\x01"
		  "abc",
			6 } };
	unsigned i = below(f, ARRAY_COUNT(odd));

	put_raw(f, odd[i].p, odd[i].n);
}

static void put_map(struct fixture *f, unsigned shape, unsigned depth);

static void put_value(struct fixture *f, unsigned kind, unsigned shape, unsigned depth)
{
	switch (kind % 9) {
	case 0:
		put_number(f);
		break;
	case 1:
		pack_int(&f->text, 1000 + below(f, 40));
		break;
	case 2:
		put_double(f);
		break;
	case 3:
	case 4:
		put_text(f);
		break;
	case 5:
		pack_bool(&f->text, below(f, 4) > 0);
		break;
	case 6:
		pack_nil(&f->text);
		break;
	case 7:
		if (depth < 12) {
			put_map(f, shape * 7 + 1, depth + 1);
			break;
		}
		/* fall through */
	default:
		put_odd(f);
		break;
	}
}

/* The shape says which keys there are and of what kind; one value in 16 is of another. */
static void put_map(struct fixture *f, unsigned shape, unsigned depth)
{
	unsigned n = 1 + shape % 6 + (shape % 11 == 0 ? 14 : 0);

	pack_map_head(&f->text, n);
	for (unsigned k = 0; k < n; k++) {
		unsigned kind = shape + k * 5;

		put_key(f, "key", k * (1 + shape % 3));
		if (below(f, 16) == 0)
			kind = below(f, 9);
		put_value(f, kind, shape + k, depth);
	}
}

static void random_maps(struct fixture *f, uint32_t rows, unsigned shapes)
{
	start(f);
	for (uint32_t i = 0; i < rows && f->text.len < TEXT_BYTES; i++) {
		bool present = below(f, 50) > 0;

		if (present)
			put_map(f, below(f, shapes), 0);
		end_row(f, present);
	}
	finish(f);
}

/* ---- the oracle ---- */

/* The value of a path of the map, by walking; absent: it has none. */
static struct span walk_to(const struct col_map *m, uint32_t path, struct span map)
{
	struct walk_value head, key;
	struct span value = map;
	int32_t outer;
	struct span name = col_map_key(m, path, &outer);
	struct rcur c;

	if (outer > 0)
		value = walk_to(m, (uint32_t)outer, map);
	c = rcur_of(value.p, value.n);
	if (!value.p || walk_read(&c, &head) < 0 || head.type != WALK_MAP)
		return SPAN_NONE;
	for (uint32_t i = 0; i < head.count; i++) {
		assert_int_equal(walk_read(&c, &key), 0);
		assert_int_equal(walk_take(&c, &value), 0);
		if (span_eq(key.data, name))
			return value;
	}
	return SPAN_NONE;
}

static struct span cell_bytes(const struct col_map_cell *x, const struct buf *texts, struct buf *b)
{
	double v;

	buf_reset(b);
	switch (x->type) {
	case COL_MAP_NULL:
		pack_nil(b);
		break;
	case COL_MAP_FALSE:
	case COL_MAP_TRUE:
		pack_bool(b, x->type == COL_MAP_TRUE);
		break;
	case COL_MAP_INT:
		pack_int(b, x->i);
		break;
	case COL_MAP_DECIMAL:
		v = col_map_double(x->i, x->scale);
		pack_double(b, v);
		break;
	case COL_MAP_DOUBLE:
		pack_double(b, x->f);
		break;
	case COL_MAP_STR:
		pack_str(b, span_of(texts->p + x->off, x->bytes));
		break;
	default:
		buf_put(b, texts->p + x->off, x->bytes);
		break;
	}
	return buf_span(b);
}

static void check_cells(
	struct fixture *f, struct col_map *m, uint32_t path, struct col_map_cell *cells)
{
	static struct buf texts = { .max = COL_MAP_RAW_MAX }, one = { .max = COL_MAP_RAW_MAX };
	uint32_t n = 0;

	for (uint32_t i = below(f, 3); i < f->count; i += 1 + below(f, 4))
		f->rows[n++] = i;
	buf_reset(&texts);
	assert_int_equal(col_map_cells(m, path, f->rows, n, &texts, cells), 0);
	for (uint32_t i = 0; i < n; i++) {
		struct span want = walk_to(m, path, f->maps[f->rows[i]]);

		if (cells[i].present == COL_MAP_IN_WHOLE) {
			assert_true(col_map_has_whole(m));
			continue;
		}
		if (!cells[i].present) {
			/* A map that is not empty is no leaf. */
			assert_true(!want.p || (*want.p & 0xf0) == 0x80 || *want.p == 0xde);
			continue;
		}
		assert_true(col_map_types(m, path) & 1u << cells[i].type);
		assert_true(span_eq(want, cell_bytes(&cells[i], &texts, &one)));
	}
	buf_fini(&texts);
	buf_fini(&one);
}

/* ---- round trips ---- */

static int give_types(
	void *ctx, enum col_text_key key, const uint32_t *rows, size_t count, uint32_t *out)
{
	const struct fixture *f = ctx;

	assert_int_equal(key, COL_TEXT_KEY_EVENT_TYPE);
	for (size_t i = 0; i < count; i++)
		out[i] = f->types[rows ? rows[i] : i];
	return 0;
}

static int give_users(void *ctx, enum col_text_source source, const uint32_t *rows, size_t count,
	struct span *out)
{
	const struct fixture *f = ctx;

	assert_int_equal(source, COL_TEXT_USER_ID);
	for (size_t i = 0; i < count; i++)
		out[i] = f->users[rows ? rows[i] : i];
	return 0;
}

static struct col_map *open_page(struct fixture *f, struct col_text_env *env)
{
	struct col_map *m = NULL;

	*env = (struct col_text_env){ .ctx = f, .key = give_types, .source = give_users };
	arena_reset(&f->mem);
	assert_int_equal(col_map_open(buf_span(&f->page), f->count, env, &f->mem, &m), 0);
	return m;
}

/* The JSON text of a map that stands as msgpack in the fixture. */
static void check_json(struct fixture *f, uint32_t row, struct span got)
{
	struct span map = f->maps[row];
	struct buf want;
	int rc;

	buf_init(&want, 8 << 20);
	rc = map.p ? json_out_value(map, &want) : 0;
	if (json_out_is_damage(rc))
		buf_put_str(&want, "null");
	else
		assert_int_equal(rc, 0);
	assert_int_equal(got.p != NULL, map.p != NULL);
	assert_int_equal(got.n, want.len);
	assert_memory_equal(got.p ? got.p : want.p, want.p, want.len);
	buf_fini(&want);
}

static void check_rows_json(
	struct fixture *f, struct col_map *m, uint32_t n, struct col_text_value *v)
{
	int rc;

	buf_reset(&f->got);
	rc = col_map_get_json(m, f->rows, n, &f->got, v);
	if (rc == COL_MAP_JSON_NOT) {
		assert_int_equal(f->page.p[0], COL_MAP_WHOLE);
		return;
	}
	assert_int_equal(rc, 0);
	for (uint32_t i = 0; i < n; i++)
		check_json(f, f->rows[i],
			v[i].length ? span_of(f->got.p + v[i].off, v[i].length - 1) : SPAN_NONE);
}

static void check_rows(struct fixture *f, struct col_map *m, uint32_t step)
{
	struct col_text_value *v = calloc(f->count, sizeof *v);
	uint32_t n = 0;

	for (uint32_t i = below(f, step); i < f->count; i += 1 + below(f, step))
		f->rows[n++] = i;
	buf_reset(&f->got);
	assert_int_equal(col_map_get(m, f->rows, n, &f->got, v), 0);
	for (uint32_t i = 0; i < n; i++) {
		struct span want = f->maps[f->rows[i]];

		assert_int_equal(v[i].length, want.p ? want.n + 1 : 0);
		assert_true(span_eq(want, span_of(f->got.p + v[i].off, want.n)));
	}
	check_rows_json(f, m, n, v);
	free(v);
}

static void check_all(struct fixture *f, struct col_map *m)
{
	const uint8_t *p;

	buf_reset(&f->got);
	assert_int_equal(col_map_all(m, f->lengths, &f->got), 0);
	p = f->got.p;
	for (uint32_t i = 0; i < f->count; i++) {
		assert_int_equal(f->lengths[i], f->maps[i].p ? f->maps[i].n + 1 : 0);
		assert_true(span_eq(f->maps[i], span_of(p, f->maps[i].n)));
		p += f->maps[i].n;
	}
	assert_ptr_equal(p, f->got.p + f->got.len);
}

/* What a text was told when the page was made is what it is told when it is read. */
static void check_leaves(struct fixture *f, struct col_map *m)
{
	struct col_text_leaf *a = calloc(f->count, sizeof *a), *b = calloc(f->count, sizeof *b);
	uint32_t leaves = col_map_maker_leaves(&f->maker);

	assert_true(leaves <= col_map_paths_count(m));
	for (uint32_t leaf = 0; leaf < leaves; leaf++) {
		assert_int_equal(col_map_maker_leaf(&f->maker, leaf, NULL, f->count, a), 0);
		assert_int_equal(col_map_leaf(m, leaf, NULL, f->count, b), 0);
		for (uint32_t i = 0; i < f->count; i++) {
			assert_int_equal(a[i].kind, b[i].kind);
			if (a[i].kind == COL_TEXT_LEAF_WORD)
				assert_true(span_eq(a[i].word, b[i].word));
			if (a[i].kind == COL_TEXT_LEAF_DECIMAL)
				assert_int_equal(a[i].scale, b[i].scale);
			if (a[i].kind == COL_TEXT_LEAF_INT || a[i].kind == COL_TEXT_LEAF_DECIMAL)
				assert_int_equal(a[i].number, b[i].number);
		}
	}
	free(a);
	free(b);
}

static void put_page(struct fixture *f, bool typed)
{
	struct col_map_in in = { .rows_count = f->count, .maps = f->maps };

	in.sources[COL_TEXT_USER_ID] = f->users;
	if (typed) {
		in.types = f->types;
		in.types_count = TYPES;
	}
	buf_reset(&f->page);
	buf_put_u8(&f->page, 0xee);
	assert_int_equal(col_map_put(&f->maker, &in, &f->page), 0);
	/* It is appended. */
	memmove(f->page.p, f->page.p + 1, --f->page.len);
}

static struct col_map *check_page(struct fixture *f, bool typed, struct col_text_env *env)
{
	struct col_map *m;

	put_page(f, typed);
	m = open_page(f, env);
	check_all(f, m);
	check_rows(f, m, 2);
	check_rows(f, m, 700);
	check_rows(f, m, 5000);
	m = open_page(f, env);
	check_rows(f, m, 9000);
	check_rows(f, m, 30);
	return m;
}

static void round_trips(void **state)
{
	static const uint32_t rows[] = { 1, 2, 3, 17, 128, 1000, 4097, 6000, 18000 };
	struct fixture *f = *state;
	struct col_text_env env;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		for (unsigned shapes = 1; shapes <= 40; shapes = shapes * 3 + 2) {
			struct col_map *m;

			f->maker.level = (int)(i & 1);
			random_maps(f, rows[i], shapes);
			m = check_page(f, shapes > 1, &env);
			check_leaves(f, m);
		}
	}
}

static void cells(void **state)
{
	struct fixture *f = *state;
	struct col_map_cell *out = calloc(LIMIT_BLOCK_ROWS, sizeof *out);
	const struct span none = SPAN_LIT("none");
	struct col_text_env env;

	for (unsigned shapes = 2; shapes < 30; shapes += 9) {
		struct col_map *m;

		random_maps(f, 1500, shapes);
		put_page(f, true);
		m = open_page(f, &env);
		for (uint32_t path = 1; path < col_map_paths_count(m); path++) {
			int32_t outer;
			struct span keys[LIMIT_MAP_NESTING + 1];
			uint32_t n = 0, at = path;

			if (col_map_types(m, path) == 0)
				continue;
			check_cells(f, m, path, out);
			do {
				struct span key = col_map_key(m, at, &outer);

				memmove(keys + 1, keys, n++ * sizeof *keys);
				keys[0] = key;
				at = (uint32_t)outer;
			} while (outer > 0);
			assert_int_equal(col_map_find(m, keys, n), path);
		}
		assert_int_equal(col_map_find(m, &none, 1), -1);
		assert_int_equal(col_map_find(m, NULL, 0), -1);
	}
	free(out);
}

/* Events of two kinds with a value that follows from another one: columns that cost nothing. */
static void what_follows_costs_nothing(void **state)
{
	struct fixture *f = *state;
	struct col_text_env env;
	size_t with;

	for (int follows = 1; follows >= 0; follows--) {
		start(f);
		for (uint32_t i = 0; i < 20000; i++) {
			unsigned city = below(f, 64);

			pack_map_head(&f->text, 3);
			put_key(f, "kind", 0);
			pack_int(&f->text, 4624);
			put_key(f, "city", 0);
			put_key(f, "city number ", city);
			put_key(f, "country", 0);
			put_key(f, "country ", follows ? city / 4 : below(f, 16));
			end_row(f, true);
		}
		finish(f);
		check_page(f, false, &env);
		if (follows)
			with = f->page.len;
	}
	/* Six bits a row, and a small table. */
	assert_true(with < 20000 * 6 / 8 + 1000);
	assert_true(f->page.len > 20000 * 10 / 8);
}

/* A text that is mostly, or always, another column's value of the row. */
static void copies(void **state)
{
	static char names[3000][16];
	struct fixture *f = *state;
	struct col_map_cell *out = calloc(LIMIT_BLOCK_ROWS, sizeof *out);
	struct col_text_env env;

	for (unsigned odd = 0; odd < 3; odd++) {
		struct col_map *m;
		unsigned keys;

		start(f);
		for (uint32_t i = 0; i < 6000; i++) {
			snprintf(names[i % 3000], sizeof names[0], "usr-%06u",
				i % 3000 * 577 % 10007);
			f->users[i] = span_str(names[i % 3000]);
			pack_map_head(&f->text, 2);
			put_key(f, "who", 0);
			if (odd == 0 || below(f, 8) >= odd)
				pack_str(&f->text, f->users[i]);
			else if (odd == 1)
				put_text(f);
			else
				put_value(f, below(f, 9), 3, 0);
			put_key(f, "n", 0);
			put_number(f);
			end_row(f, true);
		}
		finish(f);
		m = check_page(f, false, &env);
		check_cells(f, m, 1, out);
		check_leaves(f, m);
		/* A path of several types has no copies. */
		assert_int_equal(col_map_uses(m, &keys), odd < 2 ? 1u << COL_TEXT_USER_ID : 0);
		if (odd == 2)
			break;
		/* Without the column there is no answer, and none that is wrong. */
		env.source = NULL;
		buf_reset(&f->got);
		assert_int_equal(col_map_all(m, f->lengths, &f->got), ERR_CORRUPT);
	}
	memset(f->users, 0, sizeof f->users);
	free(out);
}

/* ---- maps that stay whole ---- */

static struct col_map *check_whole(struct fixture *f, uint32_t whole)
{
	static struct col_text_env env;
	struct col_map *m;
	uint32_t n = 0;

	finish(f);
	m = check_page(f, false, &env);
	assert_true(col_map_has_whole(m));
	for (uint32_t i = 0; i < f->count; i++) {
		struct col_map_cell cell;

		if (col_map_paths_count(m) < 2)
			return m;
		buf_reset(&f->got);
		assert_int_equal(col_map_cells(m, 1, &i, 1, &f->got, &cell), 0);
		n += cell.present == COL_MAP_IN_WHOLE;
	}
	assert_int_equal(n, whole);
	return m;
}

static void no_maps_stay_whole(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} odd[] = { { "", 0 }, { "\xc0", 1 }, { "\x81", 1 }, { "\x81\xa1k", 3 },
		{ "\x81\x01\x01", 3 }, { "\x82\xa1k\x01\xa1k\x02", 7 }, { "\x80\x00", 2 },
		{ "\xde\x00\x01\xa1k\x01", 6 }, { "\x81\xd9\x01k\x01", 5 }, { "\x81\xa1k\xc1", 4 },
		{ "\x81\xa1k\xa5no", 6 }, { "\x82\xa1m\x81\xa1k\x01\xa1m\x81\xa1j\x01", 13 },
		{ "\x81\xa1k\x81\x01\x01", 6 } };
	struct fixture *f = *state;

	start(f);
	for (uint32_t i = 0; i < 1000; i++) {
		put_map(f, 4, 0);
		end_row(f, true);
	}
	for (size_t i = 0; i < ARRAY_COUNT(odd); i++) {
		put_raw(f, odd[i].p, odd[i].n);
		end_row(f, true);
	}
	check_whole(f, ARRAY_COUNT(odd));
}

/* Maps of which each brings so many paths of its own. */
static void too_many_paths(void **state)
{
	enum { EACH = 100, FIT = (LIMIT_MAP_PATHS - 1) / EACH, ROWS = FIT + 20 };
	struct fixture *f = *state;

	start(f);
	for (uint32_t i = 0; i < ROWS; i++) {
		pack_map_head(&f->text, EACH);
		for (uint32_t k = 0; k < EACH; k++) {
			put_key(f, "p", EACH * i + k);
			pack_int(&f->text, i);
		}
		end_row(f, true);
	}
	check_whole(f, ROWS - FIT);
}

/* Different maps of the same few keys, which are long: it is their text in all sets that ends them. */
static void too_much_key_text_of_sets(void **state)
{
	enum { KEYS = 12, KEY_BYTES = 4096, BESIDE_BYTES = 8 };
	static char key[KEY_BYTES];
	struct fixture *f = *state;
	uint64_t all = 0, used = 0;
	uint32_t fit = 0, i = 0;

	memset(key, 'x', sizeof key);
	start(f);
	while (all < 2 * LIMIT_MAP_SET_BYTES) {
		uint32_t n = (uint32_t)__builtin_popcount(++i);
		uint64_t bytes = n * (KEY_BYTES + BESIDE_BYTES);

		pack_map_head(&f->text, n);
		for (uint32_t k = 0; k < KEYS; k++) {
			key[0] = (char)('a' + k);
			if (i & 1u << k)
				pack_str(&f->text, span_of(key, sizeof key)), pack_int(&f->text, i);
		}
		end_row(f, true);
		all += bytes;
		if (used + bytes <= LIMIT_MAP_SET_BYTES)
			used += bytes, fit++;
	}
	assert_true(i < 1u << KEYS);
	check_whole(f, i - fit);
}

static void too_many_sets(void **state)
{
	struct fixture *f = *state;

	start(f);
	for (uint32_t i = 0; i < 5000; i++) {
		/* 13 bits choose which of 13 keys there are. */
		pack_map_head(&f->text, (uint32_t)__builtin_popcount(i));
		for (unsigned k = 0; k < 13; k++) {
			if (!(i & 1u << k))
				continue;
			put_key(f, "k", k);
			pack_int(&f->text, i);
		}
		end_row(f, true);
	}
	check_whole(f, 5000 - (LIMIT_MAP_SETS - 2));
}

static void too_much_key_text(void **state)
{
	struct fixture *f = *state;
	char key[4096];

	start(f);
	memset(key, 'x', sizeof key);
	for (uint32_t i = 0; i < 80; i++) {
		key[0] = (char)('0' + i);
		pack_map_head(&f->text, 1);
		pack_str(&f->text, span_of(key, sizeof key));
		pack_int(&f->text, i);
		end_row(f, true);
	}
	check_whole(f, 80 - LIMIT_MAP_KEY_BYTES / 4096);
}

static void too_many_members(void **state)
{
	struct fixture *f = *state;
	uint32_t rows = 400, fit = 0, members = 1;

	start(f);
	for (uint32_t i = 0; i < rows; i++) {
		unsigned n = 900 + i % 100, odd = i / 100;

		/* Each its own set of about a thousand paths. */
		pack_map_head(&f->text, n + 1);
		for (unsigned k = 0; k < n; k++) {
			put_key(f, "", k);
			pack_int(&f->text, 1);
		}
		put_key(f, "odd", odd);
		pack_int(&f->text, 1);
		end_row(f, true);
		if (members + n + 1 <= LIMIT_MAP_MEMBERS) {
			members += n + 1;
			fit++;
		}
	}
	finish(f);
	put_page(f, false);
	/* The tree of keys may be full before. */
	assert_true(fit < rows);
	check_page(f, false, &(struct col_text_env){ 0 });
}

static void too_many_leaves(void **state)
{
	struct fixture *f = *state;
	uint32_t fit = (LIMIT_MAP_LEAVES - LIMIT_BLOCK_ROWS) / 20;

	start(f);
	for (uint32_t i = 0; i < fit + 50; i++) {
		pack_map_head(&f->text, 20);
		for (unsigned k = 0; k < 20; k++) {
			put_key(f, "", k);
			pack_int(&f->text, i & 1);
		}
		end_row(f, true);
	}
	check_whole(f, 50);
}

static void deep_maps(void **state)
{
	struct fixture *f = *state;
	struct col_text_env env;
	struct col_map *m;

	start(f);
	for (uint32_t i = 0; i < 200; i++) {
		for (unsigned d = 0; d < 1 + i % 60; d++) {
			pack_map_head(&f->text, 1);
			put_key(f, "d", d);
		}
		pack_int(&f->text, i);
		end_row(f, true);
	}
	finish(f);
	m = check_page(f, false, &env);
	/* Maps that are taken apart, and their leaves; whole. */
	assert_int_equal(col_map_paths_count(m), 2 * LIMIT_MAP_NESTING - 1 + 1);
}

/* ---- damage ---- */

static void try_page(struct fixture *f, struct span page)
{
	struct col_text_env env = { .ctx = f, .key = give_types };
	struct col_text_value v[8];
	struct col_map *m;
	uint32_t rows[8];

	arena_reset(&f->mem);
	if (col_map_open(page, f->count, &env, &f->mem, &m) < 0)
		return;
	buf_reset(&f->got);
	col_map_all(m, f->lengths, &f->got);
	for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++)
		rows[i] = i * (f->count / ARRAY_COUNT(rows));
	buf_reset(&f->got);
	col_map_get(m, rows, ARRAY_COUNT(rows), &f->got, v);
	buf_reset(&f->got);
	col_map_get_json(m, rows, ARRAY_COUNT(rows), &f->got, v);
	for (uint32_t path = 0; path < col_map_paths_count(m); path++) {
		struct col_text_leaf leaves[8];

		col_map_leaf(m, path, rows, ARRAY_COUNT(rows), leaves);
	}
}

static void damage(void **state)
{
	struct fixture *f = *state;
	uint8_t *copy;
	size_t n;

	random_maps(f, 600, 9);
	put_page(f, true);
	n = f->page.len;
	copy = malloc(n);
	for (size_t i = 0; i < 1500; i++) {
		size_t at = i < n && i < 500 ? i : event_gen_random(&f->gen) % n;

		memcpy(copy, f->page.p, n);
		copy[at] ^= (uint8_t)(1 + below(f, 255));
		try_page(f, span_of(copy, n));
	}
	free(copy);
	for (size_t i = 0; i < n; i += 1 + i / 64) {
		copy = malloc(i ? i : 1);
		memcpy(copy, f->page.p, i);
		try_page(f, span_of(copy, i));
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(round_trips, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cells, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_follows_costs_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(copies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_maps_stay_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many_paths, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_much_key_text_of_sets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many_sets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_much_key_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many_members, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many_leaves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(deep_maps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("col_map", tests, NULL, NULL);
}
