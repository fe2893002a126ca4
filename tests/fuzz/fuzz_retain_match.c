/*
 * Goal: no text makes the reader of retention rules read past its end, loop or leave an exit open, and
 * whatever it takes gives one answer for an event.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/retain_match.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct event event_of(const char *word, unsigned severity)
{
	struct event ev = { .severity = (uint8_t)severity };

	for (int i = 0; i < EVENT_TEXT_COUNT; i += 2)
		ev.text[i] = span_str(word);
	return ev;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct retain_match_program program = { 0 };
	struct retain_match_part part;
	char *text = malloc(n + 1);
	struct diag d = { 0 };

	if (!text)
		abort();
	memcpy(text, p, n);
	text[n] = 0;
	if (retain_match_compile(&program, text, &part, &d) == 0) {
		retain_match_patch(&program, part.exits[1], -2);
		retain_match_patch(&program, part.exits[0], -1);
		for (unsigned i = 0; i < EVENT_SEVERITY_COUNT; i++) {
			struct event ev = event_of(i % 2 ? "AUTH" : NULL, i);
			int32_t at = retain_match_run(&program, part.first, &ev);

			ASSERT(at == -1 || at == -2);
		}
	} else {
		ASSERT(d.text[0]);
	}
	retain_match_fini(&program);
	free(text);
	return 0;
}
