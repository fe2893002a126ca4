/*
 * assets - the files of the web viewer, part of the program: embed.py makes the table at build time.
 *
 * Thread: any. Memory: static, read-only.
 */
#ifndef QUERY_WEB_ASSETS_H
#define QUERY_WEB_ASSETS_H

#include <stddef.h>

struct assets_file {
	const char *name; /* "app.js" */
	const char *type; /* for Content-Type */
	const char *etag; /* of the plain bytes, without quotes */
	const unsigned char *plain;
	size_t plain_bytes;
	const unsigned char *gzip;
	size_t gzip_bytes;
};

/* Sorted by name. */
extern const struct assets_file assets_files[];
extern const size_t assets_files_count;

#endif
