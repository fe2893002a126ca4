#include "storage/col.h"

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"

static int no_memory(struct span page, uint32_t rows_count, size_t *out_bytes)
{
	(void)page;
	(void)rows_count;
	*out_bytes = 0;
	return 0;
}

/* A constant or a sequence is not longer; nothing else is so short. */
enum { ENOUGH_BYTES = 12 };

#define OLD(word, its_kind, stem)                                                                  \
	{                                                                                          \
		.name = word, .kind = its_kind, .decode = col_##stem##_decode, .memory = no_memory \
	}
#define STREAM(word, its_kind, costs, stem)                                                    \
	{                                                                                      \
		word, its_kind, costs, col_stream_##stem##_encode, col_stream_##stem##_decode, \
			col_stream_page_memory                                                 \
	}

static const struct col_codec table[COL_ENCODING_COUNT] = {
	[COL_SEQ] = OLD("seq", COL_KIND_INTS, int_seq),
	[COL_INT] = OLD("int", COL_KIND_INTS, int),
	[COL_DELTA] = OLD("delta", COL_KIND_INTS, int_delta),
	[COL_TIME] = OLD("time", COL_KIND_INTS, time),
	[COL_TIME_REL] = OLD("time-rel", COL_KIND_INTS, time_rel),
	[COL_CODE_SAME] = OLD("code-same", COL_KIND_CODES, dict_same),
	[COL_CODES] = OLD("codes", COL_KIND_CODES, dict_codes),
	[COL_BYTES] = { "bytes", COL_KIND_BYTES, NULL, col_bytes_encode, col_bytes_decode,
		col_bytes_memory },
	[COL_TEXT] = { .name = "text", .kind = COL_KIND_TEXT },
	[COL_MAP] = { .name = "map", .kind = COL_KIND_MAP },
	[COL_STREAM] = STREAM("stream", COL_KIND_INTS, col_stream_page_cost, page),
	[COL_STREAM_REL] = STREAM("stream-rel", COL_KIND_INTS, col_stream_page_rel_cost, page_rel),
	[COL_CODE_STREAM] = STREAM("code-stream", COL_KIND_CODES, NULL, page_codes),
};

const struct col_codec *col_codec(unsigned encoding)
{
	if (encoding >= COL_ENCODING_COUNT || !table[encoding].name)
		return NULL;
	return &table[encoding];
}

/* A sequence or a constant ends the search. */
enum col_encoding col_encode(enum col_kind kind, const struct col_input *in, struct buf *out)
{
	unsigned best = COL_ENCODING_COUNT;
	size_t best_cost = SIZE_MAX;

	ASSERT(in->rows_count > 0);
	ASSERT(in->rows_count <= LIMIT_BLOCK_ROWS);
	for (unsigned i = 0; i < COL_ENCODING_COUNT; i++) {
		const struct col_codec *c = col_codec(i);
		size_t cost;

		if (!c || c->kind != kind || !c->encode)
			continue;
		cost = c->cost ? c->cost(in) : 0;
		if (best == COL_ENCODING_COUNT || cost < best_cost) {
			best = i;
			best_cost = cost;
		}
		if (best_cost <= ENOUGH_BYTES)
			break;
	}
	ASSERT(best < COL_ENCODING_COUNT);
	table[best].encode(in, out);
	return (enum col_encoding)best;
}

bool col_is_relative(unsigned encoding)
{
	return encoding == COL_TIME_REL || encoding == COL_STREAM_REL;
}

int col_decode(unsigned encoding, enum col_kind kind, struct span page, struct col_output *out)
{
	const struct col_codec *c = col_codec(encoding);

	ASSERT(out->rows_count > 0);
	if (!c || c->kind != kind || !c->decode)
		return ERR_CORRUPT;
	return c->decode(page, out);
}
