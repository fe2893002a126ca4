/*
 * Goal: no answer of a server makes astroquery read or write where it must not, or show a terminal
 *       something to obey.
 */
#include "proto/base/check.h"
#include "proto/base/printable.h"
#include "proto/base/utf8.h"
#include "tools/histogram.h"
#include "tools/reply.h"
#include "tools/rows.h"
#include "tools/show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_harmless(struct span text)
{
	for (size_t i = 0; i < text.n;) {
		uint32_t cp;

		i += utf8_next(text.p + i, text.n - i, &cp);
		ASSERT(cp == '\n' || cp == '\t' || cp == '\r' || !printable_hidden(cp));
	}
}

static void show_all(const struct source_page *page, enum show_format format)
{
	static const struct term term = { .tty = true, .columns = 80 };
	struct show s;
	struct buf record, out;

	show_init(&s, format, true, &term, NULL);
	buf_init(&record, 64 << 20);
	buf_init(&out, 64 << 20);
	for (size_t i = 0; i < page->count; i++) {
		buf_reset(&record);
		show_event(&s, &page->events[i], &record);
		show_lay(&s, buf_span(&record), &out);
	}
	show_end(&s, &out);
	check_harmless(buf_span(&out));
	buf_fini(&record);
	buf_fini(&out);
	show_fini(&s);
}

/* As an answer about groups. */
static void show_document(struct reply *r, struct span json)
{
	static const struct term term = { .tty = true, .columns = 80 };
	struct span document;
	struct rows rows;
	struct buf out;

	if (reply_read_document(r, json, &document, NULL) < 0 ||
		rows_open(&rows, document, 1, NULL) < 0)
		return;
	buf_init(&out, 64 << 20);
	for (int format = SHOW_SHORT; format <= SHOW_ID; format++)
		rows_put(&rows, (enum show_format)format, true, &term, &out);
	histogram_put(&rows, true, &term, &out, NULL);
	check_harmless(buf_span(&out));
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct source_page page;
	struct reply r;
	struct diag d;
	char text[200];

	reply_init(&r);
	if (reply_read(&r, span_of(data, n), &page, &d) == 0) {
		for (int format = SHOW_SHORT; format <= SHOW_ID; format++)
			show_all(&page, (enum show_format)format);
	}
	reply_read_context(&r, span_of(data, n), &page, &d);
	show_document(&r, span_of(data, n));
	reply_error(&r, span_of(data, n), 500, text, sizeof text);
	check_harmless(span_str(text));
	reply_fini(&r);
	return 0;
}
