#include "proto/svc/procstat.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/clock.h"

static int64_t timeval_ns(struct timeval t)
{
	return t.tv_sec * CLOCK_NS_PER_SEC + t.tv_usec * CLOCK_NS_PER_US;
}

static uint64_t count_fds(void)
{
	uint64_t n = 0;
	struct dirent *e;
	DIR *dir = opendir("/proc/self/fd");

	if (!dir)
		return 0;
	while ((e = readdir(dir)))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n - 1; /* the directory itself */
}

/* The second number of /proc/self/statm is the resident pages. */
static uint64_t resident(void)
{
	uint64_t pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%*u %" SCNu64, &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Field 22 of /proc/self/stat counts ticks from boot; names in field 2 may hold spaces and ')'. */
static int64_t read_start_time(void)
{
	char text[1024];
	uint64_t ticks;
	const char *p = NULL;
	struct timespec boot;
	FILE *f = fopen("/proc/self/stat", "re");

	if (!f)
		return 0;
	if (fgets(text, sizeof text, f))
		p = strrchr(text, ')');
	fclose(f);
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (!p || sscanf(p, "%" SCNu64, &ticks) != 1)
		return 0;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return clock_wall_ns() - (boot.tv_sec * CLOCK_NS_PER_SEC + boot.tv_nsec) +
	       (int64_t)(ticks * (uint64_t)(CLOCK_NS_PER_SEC / sysconf(_SC_CLK_TCK)));
}

/* Read once: the wall clock may be set later, the start of a process does not move. */
static int64_t start_time(void)
{
	static _Atomic int64_t known_ns;
	int64_t ns = atomic_load(&known_ns);

	if (ns == 0) {
		ns = read_start_time();
		atomic_store(&known_ns, ns);
	}
	return ns;
}

void procstat_read(struct procstat *out)
{
	struct rusage use = { 0 };
	struct rlimit files = { 0 };

	getrusage(RUSAGE_SELF, &use);
	getrlimit(RLIMIT_NOFILE, &files);
	*out = (struct procstat){
		.cpu_ns = timeval_ns(use.ru_utime) + timeval_ns(use.ru_stime),
		.start_ns = start_time(),
		.resident_bytes = resident(),
		.resident_bytes_max = (uint64_t)use.ru_maxrss * 1024,
		.fds = count_fds(),
		.fds_max = files.rlim_cur,
	};
}
