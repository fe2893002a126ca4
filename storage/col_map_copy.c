/*
 * Texts that are another column's value of the same row: the file of an event about a file, the user
 * of a log-on. Where most of a path's values are, they become a type of their own that has no bytes,
 * and the others stay as they are; the types' symbols say which is which.
 */
#include "storage/col_map_make.h"

#include "proto/base/check.h"
#include "storage/col_map_bytes.h"

enum {
	SAMPLE = 64,
	/* A text that does not recur comes to about one byte in so many. */
	PACKED = 4,
};

static bool is_copy(const struct col_map_make *m, uint32_t leaf, unsigned source)
{
	struct span s = m->sources[source][m->rows[leaf]];

	return s.p && col_map_bytes_same(s, col_map_make_text(&m->leaves[leaf]));
}

/* The source that most values of a sample are equal to; COL_TEXT_SOURCES: none is. */
static unsigned find_source(const struct col_map_make *m, const struct col_map_make_path *x)
{
	uint32_t count = x->count < SAMPLE ? x->count : SAMPLE, most = count / 2;
	unsigned best = COL_TEXT_SOURCES;

	for (unsigned s = 0; s < COL_TEXT_SOURCES; s++) {
		uint32_t same = 0;

		for (uint32_t i = 0; m->sources[s] && i < count; i++)
			same += is_copy(
				m, x->first + (uint32_t)((uint64_t)i * x->count / count), s);
		if (same > most) {
			most = same;
			best = s;
		}
	}
	return best;
}

/* About what the values cost without their symbols. */
static size_t text_cost(const struct col_map_make *m, const struct col_map_make_path *x)
{
	uint32_t n = x->syms_count ? x->syms_count : x->count;
	size_t bytes = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t leaf = x->syms_count ? m->entries[x->entries + i] : x->first + i;

		bytes += m->leaves[leaf].bytes / PACKED + 2;
	}
	return bytes;
}

/* About what the values that are no copies cost, and which ones are which. */
static size_t rest_cost(struct col_map_make *m, const struct col_map_make_path *x, unsigned source,
	uint32_t *out_copies)
{
	struct col_sym_in in = { .syms = m->trial,
		.count = x->count,
		.syms_count = 2,
		.contexts = m->contexts,
		.contexts_count = m->parse->sets_count };
	size_t rest = 0;

	*out_copies = 0;
	for (uint32_t i = 0; i < x->count; i++) {
		m->trial[i] = is_copy(m, x->first + i, source);
		m->contexts[i] = m->parse->row_sets[m->rows[x->first + i]];
		*out_copies += m->trial[i];
		if (!m->trial[i])
			rest += m->leaves[x->first + i].bytes / PACKED + 2;
	}
	return rest + (*out_copies < x->count ? col_sym_cost(&m->sym, &in) : 0);
}

bool col_map_make_copy(struct col_map_make *m, struct col_map_make_path *x, size_t cost)
{
	unsigned source = find_source(m, x);
	uint32_t copies;
	size_t rest;

	if (source == COL_TEXT_SOURCES)
		return false;
	rest = rest_cost(m, x, source, &copies);
	if (rest >= cost + text_cost(m, x))
		return false;
	ASSERT(copies > 0);
	for (uint32_t i = 0; i < x->count; i++) {
		if (m->trial[i])
			m->leaves[x->first + i].type = (uint8_t)(COL_MAP_COPY + source);
	}
	x->types = (uint16_t)(1u << (COL_MAP_COPY + source));
	if (copies < x->count)
		x->types |= 1u << COL_MAP_STR;
	col_map_make_retype(m, x);
	return true;
}
