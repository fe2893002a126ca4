/*
 * replay_main - runs a fuzz target without a fuzzer: every seed as it is, then changes of it that
 * are the same on every run: cut short, bits flipped, bytes set to edge values, pieces repeated,
 * moved or dropped, two seeds joined. Then some inputs of pure noise.
 *
 * usage: fuzz_<stem> SEEDS...    files, or directories of files; or a file that once failed
 *
 * Each input lies in memory of exactly its size, so that a sanitizer sees the first byte too far.
 * When the target dies, the last line says which seed and which change it was, and the input is
 * left in ./crash-<pid> for a second look.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/check.h"

enum {
	SEEDS_MAX = 4096,
	SEED_BYTES_MAX = 1 << 20,
	CHANGES_PER_SEED = 2000,
	CHANGED_BYTES_MAX = 4 << 20, /* of one seed's changes together: large seeds get fewer */
	NOISE_INPUTS = 20000,
	NOISE_BYTES_MAX = 256,
};

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int __attribute__((weak)) LLVMFuzzerInitialize(int *argc, char ***argv);
void __attribute__((weak)) __sanitizer_set_death_callback(void (*cb)(void));

struct seed {
	char *name;
	uint8_t *p;
	size_t n;
};

static struct seed seeds[SEEDS_MAX];
static size_t seeds_count;

/* What is being run, for the handler of its death. */
static const uint8_t *input;
static size_t input_bytes;
static const char *input_name = "";
static unsigned input_change;

static uint64_t rng = 88172645463325252;

static uint64_t next(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static size_t below(size_t n)
{
	return n ? next() % n : 0;
}

/* ---- death ---- */

static void on_death(void)
{
	char text[512];
	char path[64];
	int fd;

	snprintf(path, sizeof path, "crash-%d", (int)getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd >= 0 && write(fd, input, input_bytes) == (ssize_t)input_bytes)
		close(fd);
	snprintf(text, sizeof text, "\nnot ok 1 - %s, change %u, %zu bytes, left in %s\n",
		input_name, input_change, input_bytes, path);
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(1);
}

static void on_signal(int number)
{
	on_death();
	signal(number, SIG_DFL);
	raise(number);
}

static void watch_for_death(void)
{
	if (__sanitizer_set_death_callback) {
		__sanitizer_set_death_callback(on_death);
		signal(SIGABRT, on_signal);
		return;
	}
	signal(SIGABRT, on_signal);
	signal(SIGSEGV, on_signal);
	signal(SIGBUS, on_signal);
	signal(SIGFPE, on_signal);
	signal(SIGILL, on_signal);
}

/* ---- seeds ---- */

static void *must(void *p)
{
	if (!p) {
		fprintf(stderr, "out of memory\n");
		exit(1);
	}
	return p;
}

static void add_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p = must(malloc(SEED_BYTES_MAX));
	size_t n;

	if (!f || seeds_count == SEEDS_MAX) {
		fprintf(stderr, "%s: %s\n", path, f ? "too many seeds" : strerror(errno));
		exit(1);
	}
	n = fread(p, 1, SEED_BYTES_MAX, f);
	fclose(f);
	seeds[seeds_count++] = (struct seed){ must(strdup(path)), must(realloc(p, n ? n : 1)), n };
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct seed *)a)->name, ((const struct seed *)b)->name);
}

static void add(const char *path)
{
	struct stat st;
	struct dirent *e;
	DIR *dir;

	if (stat(path, &st) < 0)
		return; /* a target may have no seeds yet */
	if (!S_ISDIR(st.st_mode)) {
		add_file(path);
		return;
	}
	dir = must(opendir(path));
	while ((e = readdir(dir))) {
		char file[4096];

		snprintf(file, sizeof file, "%s/%s", path, e->d_name);
		if (e->d_name[0] != '.' && stat(file, &st) == 0 && S_ISREG(st.st_mode))
			add_file(file);
	}
	closedir(dir);
	qsort(seeds, seeds_count, sizeof *seeds, by_name);
}

/* ---- changes ---- */

static void run(const uint8_t *p, size_t n, const char *name, unsigned change)
{
	uint8_t *copy = must(malloc(n ? n : 1));

	memcpy(copy, p, n);
	input = copy;
	input_bytes = n;
	input_name = name;
	input_change = change;
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static void change_bytes(uint8_t *p, size_t n)
{
	static const uint8_t edges[] = { 0x00, 0x01, 0x7F, 0x80, 0xC0, 0xFE, 0xFF, '"', '\\', '\n',
		'0', '-' };

	for (size_t k = below(4) + 1; n && k > 0; k--) {
		size_t at = below(n);

		if (next() & 1)
			p[at] ^= (uint8_t)(1u << below(8));
		else
			p[at] = edges[below(sizeof edges)];
	}
}

/* Drops, repeats or moves a piece; the result has at most 64 bytes more. */
static size_t change_pieces(uint8_t *p, size_t n)
{
	size_t from = below(n), len = below(n - from < 64 ? n - from : 64);
	size_t to = below(n);

	if (next() & 1) {
		memmove(p + from, p + from + len, n - from - len);
		return n - len;
	}
	memmove(p + to + len, p + to, n - to);
	if (from + len <= to || from >= to + len)
		memcpy(p + to, p + from + (from >= to ? len : 0), len);
	return n + len;
}

static size_t join(uint8_t *p, size_t n)
{
	const struct seed *other = &seeds[below(seeds_count)];
	size_t head = below(n + 1), from = below(other->n + 1), len = other->n - from;

	memcpy(p + head, other->p + from, len);
	return head + len;
}

/* One change of a seed into p, which has room for it; returns its bytes. */
static size_t change(const struct seed *s, uint8_t *p)
{
	size_t n = s->n;

	memcpy(p, s->p, n);
	switch (below(5)) {
	case 0:
		return below(n + 1);
	case 1:
		return join(p, n);
	case 2:
		n = change_pieces(p, n);
		break;
	default:
		break;
	}
	change_bytes(p, n);
	return n;
}

static unsigned run_seed(const struct seed *s, uint8_t *scratch)
{
	size_t done = 0;
	unsigned i;

	run(s->p, s->n, s->name, 0);
	for (i = 1; i <= CHANGES_PER_SEED && done < CHANGED_BYTES_MAX; i++) {
		size_t n = change(s, scratch);

		run(scratch, n, s->name, i);
		done += n;
	}
	return i;
}

static unsigned run_noise(void)
{
	uint8_t p[NOISE_BYTES_MAX];

	for (unsigned i = 1; i <= NOISE_INPUTS; i++) {
		size_t n = below(sizeof p + 1);

		for (size_t k = 0; k < n; k++)
			p[k] = (uint8_t)(next() >> 32);
		run(p, n, "noise", i);
	}
	return NOISE_INPUTS;
}

int main(int argc, char **argv)
{
	uint8_t *scratch = must(malloc(2 * SEED_BYTES_MAX + 64));
	unsigned inputs = 0;

	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	watch_for_death();
	printf("1..1\n");
	fflush(stdout);
	for (int i = 1; i < argc; i++)
		add(argv[i]);
	for (size_t i = 0; i < seeds_count; i++)
		inputs += run_seed(&seeds[i], scratch);
	inputs += run_noise();
	printf("ok 1 - %u inputs from %zu seeds\n", inputs, seeds_count);
	for (size_t i = 0; i < seeds_count; i++) {
		free(seeds[i].name);
		free(seeds[i].p);
	}
	free(scratch);
	return 0;
}
