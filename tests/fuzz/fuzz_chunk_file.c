/*
 * Goal:   no chunk file, however damaged, makes a reader read outside a page or give more ids than its
 *         limit.
 * Method: the header, then pages; with an odd length the sums are put right first, or nothing would get
 *         past them.
 */
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/limits.h"
#include "storage/chunk_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void put64(uint8_t *p, uint64_t v)
{
	struct wcur c = wcur_of(p, sizeof v);

	wcur_le64(&c, v);
}

static void one_page(const uint8_t *p, size_t n, bool right)
{
	uint8_t page[LAYOUT_CHUNKS_PAGE_BYTES] = { 0 };
	const uint64_t number = 3, off = LAYOUT_CHUNKS_PAGE_BYTES;
	uint64_t all = 0;
	int count;

	memcpy(page, p, n < sizeof page ? n : sizeof page);
	/* The count is the first byte of short inputs, so that they have one. */
	if (n > 0 && n < LAYOUT_CHUNKS_PAGE_COUNT)
		page[LAYOUT_CHUNKS_PAGE_COUNT] = p[0];
	if (right)
		put64(page + LAYOUT_CHUNKS_PAGE_SUM,
			XXH3_64bits_withSeed(page, LAYOUT_CHUNKS_PAGE_SUM, number + off));
	count = chunk_file_page(page, number, off);
	ASSERT(count < 0 || (count > 0 && count <= CHUNK_FILE_PAGE_IDS));
	for (int i = 0; i < count; i++)
		all ^= chunk_file_id(page, (uint32_t)i).lo;
	ASSERT(count > 0 || all == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint8_t head[LAYOUT_CHUNKS_HEAD_BYTES] = { 0 };
	size_t head_bytes = n < sizeof head ? n : sizeof head;
	struct chunk_file_head h;

	memcpy(head, p, head_bytes);
	if (n % 2) {
		memcpy(head, LAYOUT_CHUNKS_MAGIC "\1\0\0\0\0\0\0", 16);
		put64(head + LAYOUT_CHUNKS_SUM, XXH3_64bits(head, LAYOUT_CHUNKS_SUM));
	}
	if (chunk_file_get_head(head, n % 2 ? sizeof head : head_bytes, &h) == 0) {
		ASSERT(h.ids_count <= LIMIT_CHUNK_FILE_IDS);
		ASSERT(h.since <= h.number);
	}
	one_page(p + head_bytes, n - head_bytes, n % 2);
	return 0;
}
