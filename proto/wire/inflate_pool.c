#include "proto/wire/inflate_pool.h"

#include <errno.h>

#include "proto/base/check.h"

void inflate_pool_init(struct inflate_pool *p)
{
	*p = (struct inflate_pool){ 0 };
}

void inflate_pool_fini(struct inflate_pool *p)
{
	while (p->spares_count > 0)
		inflate_free(&p->spares[--p->spares_count]);
	free(p->piece);
	p->piece = NULL;
}

int inflate_pool_take(struct inflate_pool *p, struct inflate **out)
{
	if (!p->piece)
		p->piece = malloc(LIMIT_INFLATE_PIECE_BYTES);
	if (!p->piece)
		return -ENOMEM;
	if (p->spares_count == 0)
		return inflate_new(out);
	*out = p->spares[--p->spares_count];
	return 0;
}

void inflate_pool_give(struct inflate_pool *p, struct inflate **z)
{
	if (!*z)
		return;
	if (p->spares_count == LIMIT_INFLATE_SPARES ||
		inflate_bytes(*z) > LIMIT_INFLATE_SPARE_BYTES) {
		inflate_free(z);
		return;
	}
	p->spares[p->spares_count++] = *z;
	*z = NULL;
}

size_t inflate_pool_bytes(const struct inflate_pool *p)
{
	size_t n = p->piece ? LIMIT_INFLATE_PIECE_BYTES : 0;

	for (unsigned i = 0; i < p->spares_count; i++)
		n += inflate_bytes(p->spares[i]);
	return n;
}
