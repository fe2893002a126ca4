#include "tools/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "proto/base/clock.h"

enum { EVERY_MS = 200 };

void progress_init(struct progress *p, bool wanted)
{
	*p = (struct progress){
		.on = wanted && isatty(STDERR_FILENO) == 1 && isatty(STDOUT_FILENO) != 1,
		.begun_ns = clock_mono_ns(),
	};
	p->next_ns = p->begun_ns + EVERY_MS * CLOCK_NS_PER_MS;
}

void progress_tell(struct progress *p, uint64_t events, uint64_t total, uint64_t bytes)
{
	int64_t now;
	double seconds;

	if (!p->on)
		return;
	now = clock_mono_ns();
	if (now < p->next_ns)
		return;
	p->next_ns = now + EVERY_MS * CLOCK_NS_PER_MS;
	p->drawn = true;
	seconds = (double)(now - p->begun_ns) / (double)CLOCK_NS_PER_SEC;
	fprintf(stderr, "\r\x1b[K%" PRIu64, events);
	if (total)
		fprintf(stderr, " of %" PRIu64 " events (%.0f %%)", total,
			(double)events * 100 / (double)total);
	else
		fprintf(stderr, " events");
	fprintf(stderr, ", %.1f MB, %.1f s, %.0f events/s", (double)bytes / 1e6, seconds,
		(double)events / seconds);
}

void progress_end(struct progress *p)
{
	if (p->drawn)
		fprintf(stderr, "\r\x1b[K");
	p->drawn = false;
}
