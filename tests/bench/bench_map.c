/*
 * bench_map - what pages of metadata cost: bytes and CPU time a row, to write them and to read them
 * whole and row by row, and which paths the bytes belong to. Every page is compared with its maps.
 *
 *	bench_map [FILE [ROWS [LEVEL]]]
 *
 * FILE holds events: concatenated msgpack maps (gen_events -f msgpack), or JSON, one a line; without
 * it, seeded events of tests/support are used. ROWS in a block, 65536 by default. LEVEL above 0
 * compresses as astrocompact does. The line to beat is the maps as they are, in pieces of 1 MiB
 * through `zstd -3`, where that program is installed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/wire/json_in.h"
#include "proto/wire/walk.h"
#include "storage/col_map.h"
#include "storage/col_map_read.h"
#include "tests/support/event_file.h"

enum { TOP = 40, TYPES = 4096, PIECE = 1 << 20, PATHS = 16384, PROBES = 1000 };

struct path_cost {
	char name[120];
	uint64_t bytes;
	uint64_t count;
	char how[8];
};

static struct span *maps;
static struct span *types;
static struct span *sources[COL_TEXT_SOURCES];
static const char *const source_names[COL_TEXT_SOURCES] = { "entity_id", "entity_type", "user_id",
	"ip_address", "service", "host" };
static uint32_t *codes;
static size_t rows_count, rows_cap;
static struct path_cost costs[PATHS];
static uint32_t costs_count;

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench_map: %s\n", what);
	exit(1);
}

static void add_row(struct span map, struct span type, const struct span *others)
{
	if (rows_count == rows_cap) {
		rows_cap = rows_cap ? rows_cap * 2 : 1 << 16;
		maps = realloc(maps, rows_cap * sizeof *maps);
		types = realloc(types, rows_cap * sizeof *types);
		if (!maps || !types)
			die("out of memory");
		for (int i = 0; i < COL_TEXT_SOURCES; i++) {
			sources[i] = realloc(sources[i], rows_cap * sizeof **sources);
			if (!sources[i])
				die("out of memory");
		}
	}
	for (int i = 0; i < COL_TEXT_SOURCES; i++)
		sources[i][rows_count] = others[i];
	maps[rows_count] = map;
	types[rows_count++] = type;
}

/* ---- input ---- */

static void add_event(struct rcur *c)
{
	struct walk_value head, key;
	struct span map = SPAN_NONE, type = SPAN_NONE, value, others[COL_TEXT_SOURCES] = { 0 };

	if (walk_read(c, &head) < 0 || head.type != WALK_MAP)
		die("no event");
	for (uint32_t i = 0; i < head.count; i++) {
		if (walk_read(c, &key) < 0 || walk_take(c, &value) < 0)
			die("no event");
		if (span_eq(key.data, SPAN_LIT("metadata")))
			map = value;
		else if (span_eq(key.data, SPAN_LIT("event_type")))
			type = value;
		for (int k = 0; k < COL_TEXT_SOURCES; k++) {
			struct rcur v = rcur_of(value.p, value.n);
			struct walk_value text;

			if (!span_eq(key.data, span_str(source_names[k])))
				continue;
			if (walk_read(&v, &text) == 0 && text.type == WALK_STR)
				others[k] = text.data;
		}
	}
	add_row(map, type, others);
}

static void load_json(struct span text)
{
	static struct buf b;
	struct rcur c;
	size_t used;

	buf_init(&b, (size_t)4 << 30);
	/* The spans point into it: it must not move. */
	buf_reserve(&b, text.n + (1 << 20));
	while (text.n > 1) {
		size_t start = b.len;

		if (json_in_value(text, JSON_IN_REPAIR, &b, &used, NULL) < 0)
			break;
		text.p += used;
		text.n -= used;
		c = rcur_of(b.p + start, b.len - start);
		add_event(&c);
	}
}

static void load(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct rcur c;
	void *p;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(path);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		die(path);
	c = rcur_of(p, (size_t)st.st_size);
	if (*c.p == '{') {
		load_json(span_of(p, (size_t)st.st_size));
		return;
	}
	while (rcur_left(&c) > 0)
		add_event(&c);
}

static void load_seeded(void)
{
	size_t n;
	struct event *ev = event_file_load(NULL, &n);

	for (size_t i = 0; i < n; i++) {
		const struct span *t = ev[i].text;
		const struct span others[COL_TEXT_SOURCES] = { t[EVENT_TEXT_ENTITY_ID],
			t[EVENT_TEXT_ENTITY_TYPE], t[EVENT_TEXT_USER_ID], t[EVENT_TEXT_IP_ADDRESS],
			t[EVENT_TEXT_SERVICE], t[EVENT_TEXT_HOST] };

		add_row(ev[i].metadata, t[EVENT_TEXT_EVENT_TYPE], others);
	}
}

/* Codes of event types as a segment's dictionary has them. */
static uint32_t code_types(void)
{
	static struct span known[TYPES];
	uint32_t count = 1;

	codes = malloc(rows_count * sizeof *codes);
	if (!codes)
		die("out of memory");
	for (size_t i = 0; i < rows_count; i++) {
		uint32_t k =
			(uint32_t)(types[i].n ? XXH3_64bits(types[i].p, types[i].n) : 0) % TYPES;

		while (known[k].p && !span_eq(known[k], types[i]))
			k = (k + 1) % TYPES;
		known[k] = types[i];
		codes[i] = k;
		count = k >= count ? k + 1 : count;
	}
	return count;
}

/* ---- what it costs ---- */

struct totals {
	uint64_t raw, page, tables, rows, loose;
	uint64_t blocks;
	double put_s, all_s, get_s;
	uint64_t gets;
};

static int give_types(
	void *ctx, enum col_text_key key, const uint32_t *rows, size_t count, uint32_t *out)
{
	size_t first = *(size_t *)ctx;

	ASSERT(key == COL_TEXT_KEY_EVENT_TYPE);
	for (size_t i = 0; i < count; i++)
		out[i] = codes[first + (rows ? rows[i] : i)];
	return 0;
}

static int give_source(void *ctx, enum col_text_source source, const uint32_t *rows, size_t count,
	struct span *out)
{
	size_t first = *(size_t *)ctx;

	for (size_t i = 0; i < count; i++)
		out[i] = sources[source][first + (rows ? rows[i] : i)];
	return 0;
}

static void name_path(const struct col_map *m, uint32_t path, char *to, size_t size)
{
	int32_t parent;
	struct span key = col_map_key(m, path, &parent);
	size_t at = 0;

	if (parent > 0) {
		name_path(m, (uint32_t)parent, to, size);
		at = strlen(to);
		at += (size_t)snprintf(to + at, size - at, ".");
	}
	if (at < size)
		snprintf(to + at, size - at, "%.*s", (int)key.n, (const char *)key.p);
}

static void add_costs(const struct col_map *m)
{
	static const char *const how[] = { "", "syms", "symtext", "stream", "text", "loose" };

	for (uint32_t i = 0; i < m->paths_count; i++) {
		const struct col_map_path *p = &m->paths[i];
		char name[120];
		uint32_t k;

		if (p->count == 0)
			continue;
		name_path(m, i, name, sizeof name);
		for (k = 0; k < costs_count && strcmp(costs[k].name, name) != 0; k++)
			;
		if (k == PATHS)
			continue;
		if (k == costs_count) {
			costs_count++;
			snprintf(costs[k].name, sizeof name, "%s", name);
		}
		costs[k].count += p->count;
		costs[k].bytes += p->symbols.n;
		for (uint32_t j = 0; j < p->parts_count; j++) {
			costs[k].bytes += p->parts[j].section.n;
			snprintf(
				costs[k].how, sizeof costs[k].how, "%s", how[p->parts[j].encoding]);
		}
	}
}

static void check(const struct span *want, uint32_t n, const uint32_t *lengths, const struct buf *b)
{
	const uint8_t *p = b->p;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t bytes = lengths[i] ? lengths[i] - 1 : 0;

		if ((lengths[i] == 0) != !want[i].p || !span_eq(want[i], span_of(p, bytes)))
			die("a map came back changed");
		p += bytes;
	}
}

static void read_block(size_t first, uint32_t n, struct span page, struct totals *t)
{
	static uint32_t lengths[LIMIT_BLOCK_ROWS];
	struct col_text_env env = { .ctx = &first, .key = give_types, .source = give_source };
	struct arena mem;
	struct buf b;
	struct col_map *m;
	double start;

	arena_init(&mem, COL_MAP_MEMORY_MAX);
	buf_init(&b, COL_MAP_RAW_MAX);
	start = cpu_s();
	if (col_map_open(page, n, &env, &mem, &m) < 0 || col_map_all(m, lengths, &b) < 0)
		die("a page cannot be read");
	t->all_s += cpu_s() - start;
	check(maps + first, n, lengths, &b);
	if (m->form == COL_MAP_APART) {
		t->rows += m->rows_sym.body.n;
		t->loose += m->loose_page.n;
		add_costs(m);
	}
	for (uint32_t i = 0; i < PROBES / 10; i++) {
		uint32_t row = (uint32_t)((uint64_t)(i * 7919 + 13) * 104729 % n);
		struct col_text_value v;

		arena_reset(&mem);
		b.len = 0;
		start = cpu_s();
		if (col_map_open(page, n, &env, &mem, &m) < 0 ||
			col_map_get(m, &row, 1, &b, &v) < 0)
			die("a row cannot be read");
		t->get_s += cpu_s() - start;
		t->gets++;
		if (!span_eq(maps[first + row], span_of(b.p + v.off, v.length ? v.length - 1 : 0)))
			die("a row came back changed");
	}
	arena_fini(&mem);
	buf_fini(&b);
}

static uint64_t yardstick(void)
{
	uint64_t sum = 0, raw = 0;
	FILE *f = NULL;
	unsigned long piece;

	if (system("command -v zstd >/dev/null") != 0)
		return 0;
	for (size_t i = 0; i < rows_count; i++) {
		if (!f)
			f = popen("zstd -3 -c | wc -c >/tmp/bench_map.bytes", "w");
		if (!f)
			return 0;
		if (maps[i].n)
			fwrite(maps[i].p, 1, maps[i].n, f);
		raw += maps[i].n;
		if (raw < PIECE && i + 1 < rows_count)
			continue;
		pclose(f);
		f = fopen("/tmp/bench_map.bytes", "r");
		if (!f || fscanf(f, "%lu", &piece) != 1)
			return 0;
		sum += piece;
		fclose(f);
		f = NULL;
		raw = 0;
	}
	unlink("/tmp/bench_map.bytes");
	return sum;
}

static int by_bytes(const void *a, const void *b)
{
	const struct path_cost *x = a, *y = b;

	return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static void report(const struct totals *t)
{
	double n = (double)rows_count;
	uint64_t zstd = yardstick();

	printf("rows %zu in %llu blocks, raw %.1f B/row, page %.2f B/row", rows_count,
		(unsigned long long)t->blocks, (double)t->raw / n, (double)t->page / n);
	if (zstd)
		printf(", zstd -3 %.2f B/row", (double)zstd / n);
	printf("\nput %.0f ns/row, all %.0f ns/row, one row alone %.1f us\n", t->put_s / n * 1e9,
		t->all_s / n * 1e9, t->get_s / (double)t->gets * 1e6);
	printf("key sets %.3f B/row, loose texts %.3f B/row\n", (double)t->rows / n,
		(double)t->loose / n);
	qsort(costs, costs_count, sizeof *costs, by_bytes);
	for (uint32_t i = 0; i < costs_count && i < TOP; i++)
		printf("  %9llu bytes %8llu values %6.2f B/value  %-8s %s\n",
			(unsigned long long)costs[i].bytes, (unsigned long long)costs[i].count,
			(double)costs[i].bytes / (double)costs[i].count, costs[i].how,
			costs[i].name);
}

/* Rows of the block from first on. */
static uint32_t block_rows(size_t first, uint32_t most, uint64_t *raw)
{
	uint64_t bytes = 0;
	uint32_t n = 0;

	while (n < most && first + n < rows_count && bytes < LIMIT_BLOCK_BYTES)
		bytes += maps[first + n++].n;
	*raw += bytes;
	return n;
}

int main(int argc, char **argv)
{
	uint32_t most = argc > 2 ? (uint32_t)atoi(argv[2]) : LIMIT_BLOCK_ROWS, types_count;
	struct col_map_maker maker;
	struct totals t = { 0 };
	struct buf page;

	if (argc > 1)
		load(argv[1]);
	else
		load_seeded();
	if (most < 1 || most > LIMIT_BLOCK_ROWS)
		die("ROWS is 1 .. 65536");
	types_count = code_types();
	buf_init(&page, 8 * COL_MAP_RAW_MAX);
	col_map_maker_init(&maker, argc > 3 ? atoi(argv[3]) : 0);
	for (size_t first = 0; first < rows_count;) {
		uint32_t n = block_rows(first, most, &t.raw);
		struct col_map_in in = { .rows_count = n,
			.maps = maps + first,
			.types = codes + first,
			.types_count = types_count };
		double start = cpu_s();

		for (int i = 0; i < COL_TEXT_SOURCES; i++)
			in.sources[i] = sources[i] + first;
		buf_reset(&page);
		if (col_map_put(&maker, &in, &page) < 0)
			die("a page cannot be written");
		t.put_s += cpu_s() - start;
		t.page += page.len;
		t.blocks++;
		read_block(first, n, buf_span(&page), &t);
		first += n;
	}
	col_map_maker_fini(&maker);
	buf_fini(&page);
	report(&t);
	return 0;
}
