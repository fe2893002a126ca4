#include "tests/support/pack.h"

#include <zlib.h>
#include <zstd.h>

#include "proto/base/check.h"

/* bits: of the window, and 16 more for gzip (zlib.h). */
static void put_deflate(struct buf *out, struct span s, int bits)
{
	z_stream z = { 0 };
	size_t bound;

	ASSERT(deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	bound = deflateBound(&z, (uLong)s.n);
	ASSERT(buf_reserve(out, bound) == 0);
	z.next_in = (z_const Bytef *)(uintptr_t)s.p;
	z.avail_in = (uInt)s.n;
	z.next_out = out->p + out->len;
	z.avail_out = (uInt)bound;
	ASSERT(deflate(&z, Z_FINISH) == Z_STREAM_END);
	out->len += bound - z.avail_out;
	deflateEnd(&z);
}

void pack_gzip(struct buf *out, struct span s)
{
	put_deflate(out, s, 31);
}

void pack_zlib(struct buf *out, struct span s)
{
	put_deflate(out, s, 15);
}

void pack_zstd(struct buf *out, struct span s, int window_log)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	ZSTD_inBuffer from = { s.p, s.n, 0 };
	ZSTD_outBuffer to;

	ASSERT(c);
	ASSERT(buf_reserve(out, ZSTD_compressBound(s.n)) == 0);
	to = (ZSTD_outBuffer){ out->p + out->len, out->cap - out->len, 0 };
	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
	if (window_log > 0) {
		ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
		ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
		ZSTD_compressStream2(c, &to, &from, ZSTD_e_continue);
	}
	ASSERT(ZSTD_compressStream2(c, &to, &from, ZSTD_e_end) == 0);
	out->len += to.pos;
	ZSTD_freeCCtx(c);
}
