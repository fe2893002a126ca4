/*
 * rows - prints every event of a data directory as a line of JSON, read by the library alone, so that
 * a test of the collector depends on no other program. Lines come unit by unit, not in id order.
 *
 * Exit status: 0, or 1 with a message when anything could not be read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/arena.h"
#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/wire/json_out.h"
#include "storage/scan.h"
#include "storage/store.h"

enum {
	SLICE = 256,
	ARENA_BYTES = 1 << 30,
	LINE_BYTES = 64 << 20,
};

struct printer {
	struct scan *scan;
	struct scan_scratch *scratch;
	struct scan_stats stats;
	struct arena arena;
	struct buf line;
	struct diag d;
};

static int print_slice(struct printer *p, size_t unit, const uint32_t *rows, size_t count)
{
	static struct event events[SLICE];
	int rc;

	arena_reset(&p->arena);
	rc = scan_fetch(
		p->scan, unit, rows, count, p->scratch, &p->arena, events, &p->stats, &p->d);
	for (size_t i = 0; rc >= 0 && i < count; i++) {
		buf_reset(&p->line);
		rc = json_out_event(&events[i], &p->line);
		if (rc >= 0) {
			fwrite(p->line.p, 1, p->line.len, stdout);
			putchar('\n');
		}
	}
	return rc;
}

static int print_unit(struct printer *p, size_t unit)
{
	const struct scan_hit *hits;
	uint32_t *rows = NULL;
	size_t count;
	int rc = scan_select(p->scan, unit, p->scratch, &hits, &count, &p->stats, &p->d);

	if (rc < 0 || count == 0)
		return rc;
	rows = malloc(count * sizeof *rows);
	if (!rows)
		return -1;
	for (size_t i = 0; i < count; i++)
		rows[i] = hits[i].row;
	for (size_t at = 0; rc >= 0 && at < count; at += SLICE)
		rc = print_slice(p, unit, rows + at, count - at < SLICE ? count - at : SLICE);
	free(rows);
	return rc;
}

static int print_all(struct printer *p, struct store_snapshot *snap)
{
	struct scan_spec spec;
	int rc;

	scan_spec_init(&spec);
	rc = scan_open(snap, &spec, &p->scan, &p->stats, &p->d);
	if (rc < 0)
		return rc;
	for (size_t u = 0; rc >= 0 && u < scan_unit_count(p->scan); u++)
		rc = print_unit(p, u);
	scan_close(&p->scan);
	return rc;
}

/* Segments may be retired before they are opened: the next snapshot does without them. */
static int print_newest(struct printer *p, struct store_reader *reader)
{
	int rc = ERR_STALE;

	while (rc == ERR_STALE) {
		struct store_snapshot *snap = NULL;

		rc = store_reader_snapshot(reader, &snap, &p->d);
		if (rc == 0)
			rc = print_all(p, snap);
		store_snapshot_free(&snap);
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct printer p = { .scratch = scan_scratch_new() };
	struct store_conf conf = { .dir = argv[argc - 1] };
	struct store_reader *reader = NULL;
	char text[1024];
	int rc;

	if (argc != 2 || !p.scratch) {
		fputs("usage: rows DIR\n", stderr);
		return 1;
	}
	arena_init(&p.arena, ARENA_BYTES);
	buf_init(&p.line, LINE_BYTES);
	rc = store_reader_open(&conf, &reader, &p.d);
	if (rc == 0)
		rc = print_newest(&p, reader);
	if (rc < 0 || p.stats.damaged_units) {
		fprintf(stderr, "rows: %s\n", diag_format(&p.d, text, sizeof text));
		rc = -1;
	}
	store_reader_close(&reader);
	scan_scratch_free(&p.scratch);
	arena_fini(&p.arena);
	buf_fini(&p.line);
	return rc < 0;
}
