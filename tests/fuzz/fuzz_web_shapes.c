/*
 * Goal: nothing that a browser, a file or the collector says to the API makes it read outside of it: Origin
 * and lists of origins, Accept-Encoding, If-None-Match, the file of saved views, the collector's page.
 * Method: the first byte chooses what the rest is.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/origin.h"
#include "proto/http/http_accept.h"
#include "proto/http/http_origin.h"
#include "query/ingest.h"
#include "query/views.h"
#include "tests/support/mem_vfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fields(struct span value)
{
	static struct http_parse_request req;
	struct http_call_problem problem;

	req.fields_count = 1;
	req.host = SPAN_LIT("localhost:9000");
	req.fields[0] = (struct http_parse_field){ SPAN_LIT("Accept-Encoding"), value };
	http_accept_gzip(&req);
	req.fields[0].name = SPAN_LIT("If-None-Match");
	http_accept_has(&req, SPAN_LIT("\"0123\""));
	req.fields[0].name = SPAN_LIT("Origin");
	http_origin_ok(&req, &problem);
	origin_find("https://a.example http://localhost:3000", value);
}

static void list(struct span text)
{
	char *copy = malloc(text.n + 1);
	struct diag d;

	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	if (origin_check(copy, &d) == 0)
		origin_find(copy, SPAN_LIT("https://a.example"));
	free(copy);
}

/* What was read can be written, and read again. */
static void views(struct span file)
{
	static struct views v;
	struct mem_vfs m;
	struct diag d;
	struct buf out;
	int rc;

	mem_vfs_init(&m, file);
	rc = views_load(&m.table, 0, "views.json", &v, &d);
	ASSERT(rc == 0 || rc == ERR_CORRUPT || rc == ERR_LIMIT);
	if (rc < 0)
		return;
	ASSERT(v.count <= LIMIT_VIEWS);
	buf_init(&out, LIMIT_VIEWS_FILE_BYTES);
	views_print(&v, &out);
	ASSERT(out.err == 0);
	buf_fini(&out);
	views_fini(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ingest_figures figures;
	struct span rest;

	if (size == 0)
		return 0;
	rest = span_of(data + 1, size - 1);
	switch (data[0]) {
	case 'f':
		fields(rest);
		break;
	case 'l':
		list(rest);
		break;
	case 'v':
		views(rest);
		break;
	default:
		ingest_read(rest, &figures);
		ASSERT(figures.doors_count <= LIMIT_FIGURES_DOORS);
	}
	return 0;
}
