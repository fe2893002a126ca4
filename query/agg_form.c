#include "query/agg_int.h"

#include <errno.h>
#include <xxhash.h>

#include "proto/base/check.h"
#include "query/agg_spare.h"

enum { SLOTS_MIN = 64 };

/* ---------------------------------------------------------------- texts */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

bool agg_form_of(struct span text, struct col_text_form *out, uint32_t *out_number)
{
	size_t end = text.n, begin;
	uint32_t number = 0;

	if (text.n > COL_TEXT_FORM_BYTES_MAX)
		return false;
	while (end > 0 && !is_digit(text.p[end - 1]))
		end--;
	for (begin = end; begin > 0 && is_digit(text.p[begin - 1]);)
		begin--;
	if (end == begin || end - begin > COL_TEXT_FORM_DIGITS_MAX)
		return false;
	for (size_t i = begin; i < end; i++)
		number = number * 10 + (uint32_t)(text.p[i] - '0');
	*out = (struct col_text_form){ .front = span_of(text.p, begin),
		.back = span_of(text.p + end, text.n - end),
		.digits = (uint32_t)(end - begin) };
	*out_number = number;
	return true;
}

struct span agg_form_put(const struct col_text_form *f, uint32_t number, uint8_t *dst)
{
	size_t n = f->front.n + f->digits;

	ASSERT(n + f->back.n <= COL_TEXT_FORM_BYTES_MAX);
	if (f->front.n)
		memcpy(dst, f->front.p, f->front.n);
	for (uint32_t i = 1; i <= f->digits; i++, number /= 10)
		dst[n - i] = (uint8_t)('0' + number % 10);
	if (f->back.n)
		memcpy(dst + n, f->back.p, f->back.n);
	return span_of(dst, n + f->back.n);
}

bool agg_form_same(const struct col_text_form *a, const struct col_text_form *b)
{
	return a->digits == b->digits && span_eq(a->front, b->front) && span_eq(a->back, b->back);
}

uint64_t agg_form_seed(const struct col_text_form *f)
{
	uint64_t front = XXH3_64bits_withSeed(f->front.p, f->front.n, f->digits);

	return XXH3_64bits_withSeed(f->back.p, f->back.n, front);
}

uint64_t agg_form_hash(uint64_t seed, uint32_t number)
{
	uint64_t h = seed ^ number * UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
	h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}

uint64_t agg_form_hash_cell(const struct agg_cell *c)
{
	struct col_text_form f;
	uint32_t number;

	if (c->kind != AGG_CELL_TEXT || !agg_form_of(c->text, &f, &number))
		return agg_cell_hash(c);
	return agg_form_hash(agg_form_seed(&f), number);
}

/* ---------------------------------------------------------------- numbers */

void agg_form_fini(struct agg_form *f)
{
	agg_spare_give(f->slots, f->slots_count * sizeof f->slots[0]);
}

static struct agg_form_slot *slot_of(struct agg_form_slot *slots, uint32_t count, uint32_t number)
{
	uint32_t at = agg_form_place(number, count);

	while (slots[at].id && slots[at].number != number)
		at = (at + 1) & (count - 1);
	return &slots[at];
}

static int grow(struct agg_form *f, uint32_t count, size_t *held)
{
	struct agg_form_slot *slots = agg_spare_grow(NULL, 0, count * sizeof slots[0]);

	if (!slots)
		return -ENOMEM;
	memset(slots, 0, count * sizeof slots[0]);
	for (uint32_t i = 0; i < f->slots_count; i++) {
		if (f->slots[i].id)
			*slot_of(slots, count, f->slots[i].number) = f->slots[i];
	}
	*held += (count - f->slots_count) * sizeof slots[0];
	agg_spare_give(f->slots, f->slots_count * sizeof slots[0]);
	f->slots = slots;
	f->slots_count = count;
	return 0;
}

int agg_form_need(struct agg_form *f, uint32_t hint, size_t max, size_t *held)
{
	uint32_t wanted = f->slots_count ? f->slots_count * 2 : SLOTS_MIN;
	bool more;
	int rc = agg_room_slots(f->count, f->slots_count, sizeof f->slots[0], max, *held, &more);

	if (rc != 0 || !more)
		return rc;
	while (hint + hint / 2 > wanted && *held + 2 * wanted * sizeof f->slots[0] <= max)
		wanted *= 2;
	return grow(f, wanted, held);
}

void agg_form_add(struct agg_form *f, uint32_t number, uint32_t id)
{
	struct agg_form_slot *slot = slot_of(f->slots, f->slots_count, number);

	ASSERT(slot->id == 0);
	*slot = (struct agg_form_slot){ number, id + 1 };
	f->count++;
}
