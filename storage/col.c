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

#define INTS(word, stem)                                                                          \
	{                                                                                         \
		word, COL_KIND_INTS, col_##stem##_cost, col_##stem##_encode, col_##stem##_decode, \
			no_memory                                                                 \
	}
#define CODES(word, stem)                                                                          \
	{                                                                                          \
		word, COL_KIND_CODES, col_##stem##_cost, col_##stem##_encode, col_##stem##_decode, \
			no_memory                                                                  \
	}

static const struct col_codec table[COL_ENCODING_COUNT] = {
	[COL_SEQ] = INTS("seq", int_seq),
	[COL_INT] = INTS("int", int),
	[COL_DELTA] = INTS("delta", int_delta),
	[COL_TIME] = INTS("time", time),
	[COL_TIME_REL] = INTS("time-rel", time_rel),
	[COL_CODE_SAME] = CODES("code-same", dict_same),
	[COL_CODES] = CODES("codes", dict_codes),
	[COL_BYTES] = { "bytes", COL_KIND_BYTES, NULL, col_bytes_encode, col_bytes_decode,
		col_bytes_memory },
	[COL_TEXT] = { .name = "text", .kind = COL_KIND_TEXT },
	[COL_MAP] = { .name = "map", .kind = COL_KIND_MAP },
	/* Made and read by seg_encode and block_reader, which know their memory. */
	[COL_STREAM] = { .name = "stream", .kind = COL_KIND_INTS },
	[COL_STREAM_REL] = { .name = "stream-rel", .kind = COL_KIND_INTS },
	[COL_CODE_STREAM] = { .name = "code-stream", .kind = COL_KIND_CODES },
};

const struct col_codec *col_codec(unsigned encoding)
{
	if (encoding >= COL_ENCODING_COUNT || !table[encoding].name)
		return NULL;
	return &table[encoding];
}

/* A sequence beats whatever else there is, and finding out is cheap: it ends the search. */
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
		if (best_cost <= 2)
			break;
	}
	ASSERT(best < COL_ENCODING_COUNT);
	table[best].encode(in, out);
	return (enum col_encoding)best;
}

int col_decode(unsigned encoding, enum col_kind kind, struct span page, struct col_output *out)
{
	const struct col_codec *c = col_codec(encoding);

	ASSERT(out->rows_count > 0);
	if (!c || c->kind != kind || !c->decode)
		return ERR_CORRUPT;
	return c->decode(page, out);
}
