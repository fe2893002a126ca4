#include "storage/page.h"

#include <lz4.h>
#include <lz4hc.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/seg_layout.h"

enum {
	/* A smaller page is not worth the branch when it is read. */
	WRAP_BYTES_MIN = 64,
};

size_t page_lz4(struct span raw, int level, struct buf *out)
{
	int bound, n;

	ASSERT(raw.n > 0);
	ASSERT(raw.n <= LZ4_MAX_INPUT_SIZE);
	bound = LZ4_compressBound((int)raw.n);
	if (buf_reserve(out, (size_t)bound) < 0)
		return 0;
	if (level > 0)
		n = LZ4_compress_HC(
			(const char *)raw.p, (char *)out->p + out->len, (int)raw.n, bound, level);
	else
		n = LZ4_compress_default(
			(const char *)raw.p, (char *)out->p + out->len, (int)raw.n, bound);
	if (n <= 0 || !page_pays(raw.n, (size_t)n))
		return 0;
	ASSERT(n <= bound);
	out->len += (size_t)n;
	return (size_t)n;
}

int page_unlz4(struct span block, uint8_t *dst, size_t raw_bytes)
{
	int n;

	if (block.n > INT32_MAX || raw_bytes > INT32_MAX)
		return ERR_CORRUPT;
	n = LZ4_decompress_safe((const char *)block.p, (char *)dst, (int)block.n, (int)raw_bytes);
	return n >= 0 && (size_t)n == raw_bytes ? 0 : ERR_CORRUPT;
}

uint8_t page_wrap(struct span raw, int level, struct buf *out)
{
	size_t start = out->len;
	uint32_t bytes = htole32((uint32_t)raw.n);

	if (raw.n >= WRAP_BYTES_MIN) {
		buf_put(out, &bytes, sizeof bytes);
		if (page_lz4(raw, level, out) > 0)
			return SEG_LAYOUT_CODEC_LZ4;
		out->len = start;
	}
	buf_put_span(out, raw);
	return SEG_LAYOUT_CODEC_NONE;
}

size_t page_raw_bytes(struct span page, uint8_t codec)
{
	struct rcur c = rcur_of(page.p, page.n);
	uint32_t raw = rcur_le32(&c);

	return codec == SEG_LAYOUT_CODEC_LZ4 && !c.err ? raw : 0;
}

int page_unwrap_to(struct span page, uint8_t *dst, size_t raw_bytes)
{
	ASSERT(page.n >= sizeof(uint32_t));
	return page_unlz4(
		span_of(page.p + sizeof(uint32_t), page.n - sizeof(uint32_t)), dst, raw_bytes);
}

int page_unwrap(struct span page, uint8_t codec, struct buf *scratch, struct span *out)
{
	size_t raw = page_raw_bytes(page, codec);

	*out = page;
	if (codec == SEG_LAYOUT_CODEC_NONE)
		return 0;
	if (raw == 0 || raw > scratch->max)
		return ERR_CORRUPT;
	buf_reset(scratch);
	if (buf_reserve(scratch, raw) < 0)
		return scratch->err;
	if (page_unwrap_to(page, scratch->p, raw) < 0)
		return ERR_CORRUPT;
	scratch->len = raw;
	*out = buf_span(scratch);
	return 0;
}
