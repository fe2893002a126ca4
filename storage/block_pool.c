#include "storage/block_pool.h"

#include <pthread.h>

#include "proto/base/check.h"
#include "storage/block_reader_int.h"
#include "storage/footprint.h"
#include "storage/seg_reader_int.h"

enum {
	BUCKETS = 256,
	/* Of what readers hold, the heap loses about one part in so many between pieces. */
	HEAP_LOSS = 10,
	/* One part in so many of what they may hold is not lent. */
	LEAST_PART = 4,
	/* With the process below its mark again, a look gives back one part in so many of the strain. */
	EASE_PART = 8,
	EASE_BYTES = 64 << 10,
	/* How often blocks were asked for, by hash; halved after so many times for each idle one. */
	HEATS = 4096,
	HEAT_TURNS = 8,
	HEAT_MAX = 200,
	/* Asked for so many times more for its size, a block takes the place of another one. */
	HEAT_MORE = 2,
	/* So many old ones are looked at, which lie far apart in memory. */
	LOOKS = 16,
};

static struct {
	pthread_mutex_t lock;
	size_t budget;
	struct block_pool_use use;
	struct block_reader *buckets[BUCKETS]; /* of idle ones, by block */
	struct block_reader *newest, *oldest;  /* of idle ones, by when they were given back */
	struct block_reader *taken;
	size_t largest; /* that any idle one ever was */
	size_t last;    /* what the one given back last held, all that it had grown by included */
	uint32_t random;
	uint8_t heats[HEATS];
	uint32_t heated; /* times, since they were halved */
	size_t strain;   /* what idle ones give up because the process holds too much */
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER, .budget = LIMIT_BLOCK_POOL_BYTES, .random = 1 };

static uint64_t hash_of(uint64_t seg_serial, uint32_t block)
{
	return (seg_serial * 0x9e3779b97f4a7c15 + block) * 0x9e3779b97f4a7c15;
}

static struct block_reader **bucket_of(uint64_t seg_serial, uint32_t block)
{
	return &pool.buckets[hash_of(seg_serial, block) >> 56];
}

static uint32_t heat_at(uint64_t seg_serial, uint32_t block)
{
	return (hash_of(seg_serial, block) >> 40) % HEATS;
}

static uint8_t heat_of(const struct block_reader *b)
{
	return pool.heats[b->pooled.heat_at];
}

/* ---- lists, with the lock held ---- */

static void chain_remove(struct block_reader *b)
{
	struct block_reader **at = bucket_of(b->seg_serial, b->block);

	while (*at != b)
		at = &(*at)->pooled.chain;
	*at = b->pooled.chain;
}

/* passing: the first one to go. */
static void idle_add(struct block_reader *b, size_t bytes, bool passing)
{
	struct block_reader **bucket = bucket_of(b->seg_serial, b->block);
	struct block_reader *prev = passing ? pool.oldest : NULL;
	struct block_reader *next = passing ? NULL : pool.newest;

	if (bytes > pool.largest)
		pool.largest = bytes;
	b->pooled.bytes = bytes;
	b->pooled.passing = passing;
	b->pooled.heat_at = heat_at(b->seg_serial, b->block);
	b->pooled.chain = *bucket;
	*bucket = b;
	b->pooled.prev = prev;
	b->pooled.next = next;
	*(prev ? &prev->pooled.next : &pool.newest) = b;
	*(next ? &next->pooled.prev : &pool.oldest) = b;
	pool.use.bytes += bytes;
	pool.use.idle_count++;
}

static void idle_remove(struct block_reader *b)
{
	chain_remove(b);
	if (b->pooled.prev)
		b->pooled.prev->pooled.next = b->pooled.next;
	else
		pool.newest = b->pooled.next;
	if (b->pooled.next)
		b->pooled.next->pooled.prev = b->pooled.prev;
	else
		pool.oldest = b->pooled.prev;
	ASSERT(pool.use.bytes >= b->pooled.bytes);
	pool.use.bytes -= b->pooled.bytes;
	pool.use.idle_count--;
}

static void taken_add(struct block_reader *b, const struct seg_reader *seg)
{
	b->pooled.stale = false;
	b->pooled.seg_serial = seg->serial;
	b->pooled.prev = NULL;
	b->pooled.next = pool.taken;
	if (pool.taken)
		pool.taken->pooled.prev = b;
	pool.taken = b;
	pool.use.taken_count++;
	pool.use.taken_bytes += b->pooled.bytes;
}

static void taken_remove(struct block_reader *b)
{
	if (b->pooled.prev)
		b->pooled.prev->pooled.next = b->pooled.next;
	else
		pool.taken = b->pooled.next;
	if (b->pooled.next)
		b->pooled.next->pooled.prev = b->pooled.prev;
	ASSERT(pool.use.taken_count > 0);
	pool.use.taken_count--;
	pool.use.taken_bytes -= b->pooled.bytes;
}

/*
 * Whether a block of that heat and size is worth its memory more than an idle one, and clearly so. (That is
 * the rule of caches of things of different sizes: Cherkasova, GreedyDual-Size-Frequency, 1998.)
 */
static bool is_worth_more(uint32_t heat, size_t bytes, const struct block_reader *than)
{
	return heat * (uint64_t)than->pooled.bytes >= (heat_of(than) + HEAT_MORE) * (uint64_t)bytes;
}

/*
 * Of those that do not pass through, any of the half that was used longest ago, so that no order of
 * questions always meets those that are needed next; or an older one, if it is asked for clearly less for
 * what it holds. NULL: there is none.
 */
static struct block_reader *old_one(void)
{
	struct block_reader *b = pool.oldest, *coolest;
	size_t steps;

	while (b && b->pooled.passing)
		b = b->pooled.prev;
	pool.random = pool.random * 1664525 + 1013904223;
	steps = pool.use.idle_count / 2 < LOOKS ? pool.use.idle_count / 2 : LOOKS;
	steps = (pool.random >> 16) % (steps + 1);
	coolest = b;
	while (steps-- > 0 && b && b->pooled.prev) {
		b = b->pooled.prev;
		if (heat_of(b) * (uint64_t)coolest->pooled.bytes <
			heat_of(coolest) * (uint64_t)b->pooled.bytes)
			coolest = b;
	}
	return b && is_worth_more(heat_of(b), b->pooled.bytes, coolest) ? coolest : b;
}

/* Which one to give up: one that passes through, else an old one. */
static struct block_reader *choose(void)
{
	return pool.oldest->pooled.passing ? pool.oldest : old_one();
}

/* A block is asked for. */
static void heat(uint64_t seg_serial, uint32_t block)
{
	uint8_t *h = &pool.heats[heat_at(seg_serial, block)];

	*h += *h < HEAT_MAX;
	if (++pool.heated < HEAT_TURNS * (pool.use.idle_count + 1))
		return;
	pool.heated = 0;
	for (uint32_t i = 0; i < HEATS; i++)
		pool.heats[i] /= 2;
}

static size_t less(size_t from, size_t by)
{
	return from > by ? from - by : 0;
}

/* What idle ones may hold. */
static size_t room(void)
{
	const struct block_pool_use *u = &pool.use;
	size_t most = less(pool.budget, u->taken_bytes);
	size_t least = most / LEAST_PART;

	return less(u->lent < most - least ? most - u->lent : least, pool.strain);
}

/*
 * Whether one that is given back only passes through: there is no room for another one beside it, and
 * the one that would go for it is worth about as much. A query that goes through more blocks than fit,
 * again and again, so finds those warm that came first, and not each one gone when its turn comes. What
 * earlier questions left in large blocks makes room for small ones, though.
 */
static bool is_passing(const struct block_reader *b, size_t bytes)
{
	const struct block_reader *other;

	/* Old ones lie far apart in memory: none is looked at where there is room for any. */
	if (pool.use.bytes + bytes + pool.largest <= room())
		return false;
	other = old_one();
	if (!other || pool.use.bytes + bytes + other->pooled.bytes <= room())
		return false;
	return !is_worth_more(pool.heats[heat_at(b->seg_serial, b->block)], bytes, other);
}

/* Those over the budget, as a list by `next` to be freed without the lock. */
static struct block_reader *take_excess(void)
{
	struct block_reader *list = NULL;
	size_t most = room();

	while (pool.use.bytes > most) {
		struct block_reader *b = choose();

		idle_remove(b);
		b->pooled.next = list;
		list = b;
	}
	return list;
}

static void free_list(struct block_reader *list)
{
	while (list) {
		struct block_reader *b = list;

		list = b->pooled.next;
		block_reader_free(&b);
	}
}

static size_t eased(size_t strain)
{
	return strain > EASE_BYTES ? strain - strain / EASE_PART : 0;
}

void block_pool_look(void)
{
	struct block_reader *list;
	size_t over, most, before;

	if (!footprint_look(&over))
		return;
	pthread_mutex_lock(&pool.lock);
	before = pool.use.bytes;
	most = room() < before ? room() : before;
	pool.strain = over ? pool.strain + room() - less(most, over) : eased(pool.strain);
	list = take_excess();
	footprint_gave(before - pool.use.bytes);
	pthread_mutex_unlock(&pool.lock);
	free_list(list);
}

/* ---- face ---- */

static struct block_reader *find(const struct seg_reader *seg, uint32_t block)
{
	struct block_reader *b = *bucket_of(seg->serial, block);

	while (b && (b->seg_serial != seg->serial || b->block != block))
		b = b->pooled.chain;
	return b;
}

/*
 * The warm reader; or one long unused, whose memory serves again where the pool is full. NULL: none.
 * The reader is in the list of those taken.
 */
static struct block_reader *take_idle(const struct seg_reader *seg, uint32_t block, bool *out_warm)
{
	struct block_reader *b = find(seg, block);

	*out_warm = b != NULL;
	heat(seg->serial, block);
	if (b)
		pool.use.hits++;
	else
		pool.use.misses++;
	if (!b && pool.oldest && pool.use.bytes + pool.oldest->pooled.bytes > room())
		b = choose();
	if (!b)
		return NULL;
	idle_remove(b);
	taken_add(b, seg);
	return b;
}

struct block_reader *block_pool_take(const struct seg_reader *seg, uint32_t block)
{
	struct block_reader *b;
	bool warm;

	pthread_mutex_lock(&pool.lock);
	b = take_idle(seg, block, &warm);
	pthread_mutex_unlock(&pool.lock);
	if (!warm)
		block_pool_look();
	if (!b) {
		b = block_reader_new();
		if (!b)
			return NULL;
		/* One that passes through needs about as much for each of its blocks. */
		b->tables.recycle = true;
		pthread_mutex_lock(&pool.lock);
		/* And a new one about as much as the one before. */
		b->pooled.bytes = pool.last;
		taken_add(b, seg);
		pthread_mutex_unlock(&pool.lock);
	}
	block_reader_enter(b, seg, block);
	block_reader_recount(b);
	return b;
}

uint32_t block_pool_count(
	const struct seg_reader *seg, uint32_t block, int col, const struct textset *set)
{
	const struct block_reader *b;
	uint32_t count = UINT32_MAX;

	pthread_mutex_lock(&pool.lock);
	b = find(seg, block);
	if (b)
		count = block_reader_equal_count(b, col, set);
	pthread_mutex_unlock(&pool.lock);
	return count;
}

static size_t with_loss(size_t held)
{
	return held + held / HEAP_LOSS;
}

void block_pool_give(struct block_reader **bp)
{
	struct block_reader *b = *bp, *over = NULL;
	size_t held, spare;
	bool passing;

	*bp = NULL;
	if (!b)
		return;
	block_reader_watch(b, NULL, NULL);
	held = block_reader_held(b);
	spare = block_reader_spare(b);
	pthread_mutex_lock(&pool.lock);
	taken_remove(b);
	pool.last = with_loss(held);
	passing = is_passing(b, with_loss(held - spare));
	/* What is left of other blocks serves the next one that passes; with one that stays it is lost. */
	if (!passing && spare > 0) {
		block_reader_trim(b);
		held -= spare;
	}
	if (!b->pooled.stale && with_loss(held) <= room()) {
		idle_add(b, with_loss(held), passing);
		b = NULL;
		over = take_excess();
	}
	pthread_mutex_unlock(&pool.lock);
	block_reader_free(&b);
	free_list(over);
}

void block_pool_drop(uint64_t seg_serial)
{
	struct block_reader *list = NULL;

	pthread_mutex_lock(&pool.lock);
	for (struct block_reader *b = pool.newest, *next; b; b = next) {
		next = b->pooled.next;
		if (b->seg_serial != seg_serial)
			continue;
		idle_remove(b);
		b->pooled.next = list;
		list = b;
	}
	for (struct block_reader *b = pool.taken; b; b = b->pooled.next)
		b->pooled.stale |= b->pooled.seg_serial == seg_serial;
	pthread_mutex_unlock(&pool.lock);
	free_list(list);
}

size_t block_pool_set(size_t budget_bytes)
{
	struct block_reader *over;
	size_t before;

	pthread_mutex_lock(&pool.lock);
	before = pool.budget;
	pool.budget = budget_bytes;
	over = take_excess();
	pthread_mutex_unlock(&pool.lock);
	free_list(over);
	return before;
}

void block_pool_lend(size_t bytes)
{
	struct block_reader *over;

	pthread_mutex_lock(&pool.lock);
	pool.use.lent += bytes;
	over = take_excess();
	pthread_mutex_unlock(&pool.lock);
	free_list(over);
	block_pool_look();
}

void block_pool_return(size_t bytes)
{
	pthread_mutex_lock(&pool.lock);
	ASSERT(bytes <= pool.use.lent);
	pool.use.lent -= bytes;
	pthread_mutex_unlock(&pool.lock);
}

void block_pool_use(struct block_pool_use *out)
{
	pthread_mutex_lock(&pool.lock);
	*out = pool.use;
	pthread_mutex_unlock(&pool.lock);
}
