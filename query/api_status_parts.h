/*
 * api_status_parts - parts of the answer of /api/status that are made of what is in memory: retention
 * classes with what their rules say, and what the collector said of its doors.
 *
 * Thread:  free.
 * Errors:  stick in the buffer.
 */
#ifndef QUERY_API_STATUS_PARTS_H
#define QUERY_API_STATUS_PARTS_H

#include "proto/svc/conf.h"
#include "query/ingest.h"
#include "storage/store_summary.h"

/* ,"retention":{...},"classes":[...]: those of the store by name, then those that have no segment yet. */
void api_status_parts_classes(
	const struct store_summary *s, const struct conf *conf, struct buf *out);

/* ,"ingest":{...},"doors":[...]; nothing where there are no figures. */
void api_status_parts_ingest(const struct ingest_figures *f, struct buf *out);

#endif
