#include "storage/footprint.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "proto/base/clock.h"

enum {
	/* Below the mark by less than one part in so many, it is tight. */
	TIGHT_PART = 8,
	/* Of /proc/self/statm: seven numbers. */
	STATM_BYTES = 160,
};

static struct {
	atomic_int fd; /* of statm, less one: 0 is none */
	atomic_size_t mark, own;
	atomic_size_t gave; /* since the last trim */
	_Atomic int64_t next_look_ns, next_trim_ns;
	_Atomic uint64_t trims, overs;
} watched;

/* What is resident and no file's. 0: it cannot be known. (proc_pid_statm(5).) */
static size_t own_bytes(int fd)
{
	char text[STATM_BYTES];
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	unsigned long resident, shared;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (sscanf(text, "%*u %lu %lu", &resident, &shared) != 2 || shared > resident)
		return 0;
	return (resident - shared) * (size_t)sysconf(_SC_PAGESIZE);
}

int footprint_watch(size_t mark_bytes)
{
	int fd = atomic_load(&watched.fd);

	if (fd == 0 && mark_bytes > 0) {
		fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		atomic_store(&watched.fd, fd + 1);
	}
	atomic_store(&watched.own, 0);
	atomic_store(&watched.gave, 0);
	atomic_store(&watched.next_look_ns, 0);
	atomic_store(&watched.next_trim_ns, 0);
	atomic_store(&watched.mark, mark_bytes);
	return 0;
}

static void trim(void)
{
	int64_t begin_ns = clock_thread_ns(), took_ns;

	atomic_store(&watched.gave, 0);
	malloc_trim(0);
	took_ns = clock_thread_ns() - begin_ns;
	atomic_fetch_add(&watched.trims, 1);
	atomic_store(&watched.next_trim_ns, clock_mono_ns() + FOOTPRINT_TRIM_REST * took_ns);
}

void footprint_gave(size_t bytes)
{
	atomic_fetch_add(&watched.gave, bytes);
}

/* Whether it is this thread's turn to look. */
static bool takes_look(int64_t now_ns)
{
	int64_t next = atomic_load_explicit(&watched.next_look_ns, memory_order_relaxed);

	return now_ns >= next && atomic_compare_exchange_strong(&watched.next_look_ns, &next,
					 now_ns + FOOTPRINT_LOOK_MS * CLOCK_NS_PER_MS);
}

bool footprint_look(size_t *out_over)
{
	size_t mark = atomic_load_explicit(&watched.mark, memory_order_relaxed), own;
	int64_t now_ns;
	int fd;

	if (mark == 0)
		return false;
	now_ns = clock_mono_ns();
	if (!takes_look(now_ns))
		return false;
	fd = atomic_load(&watched.fd) - 1;
	own = own_bytes(fd);
	if (own > mark && now_ns >= atomic_load(&watched.next_trim_ns)) {
		trim();
		own = own_bytes(fd);
	}
	atomic_store(&watched.own, own);
	mark += atomic_load(&watched.gave);
	*out_over = own > mark ? own - mark : 0;
	if (*out_over)
		atomic_fetch_add(&watched.overs, 1);
	return true;
}

bool footprint_is_tight(void)
{
	size_t mark = atomic_load_explicit(&watched.mark, memory_order_relaxed);

	return mark > 0 &&
	       atomic_load_explicit(&watched.own, memory_order_relaxed) > mark - mark / TIGHT_PART;
}

void footprint_use(struct footprint_use *out)
{
	*out = (struct footprint_use){
		.own_bytes = atomic_load(&watched.own),
		.trims = atomic_load(&watched.trims),
		.overs = atomic_load(&watched.overs),
	};
}
