/*
 * http_logs - POST /api/logs: events as JSON. One object, an array of them, or one after another, each on a
 * line of its own or not (proto/wire/json_stream.h). Names and aliases are those of all doors.
 */
#ifndef COLLECTOR_HTTP_LOGS_H
#define COLLECTOR_HTTP_LOGS_H

#include "collector/http_intake.h"
#include "proto/wire/json_stream.h"

extern const struct http_intake_shape http_logs_shape;

/*
 * For shapes whose bodies are JSON values: takes the next value into the scratch buffer. 0; or
 * JSON_STREAM_MORE; or negative, the request is over. Bad lines and values that are no objects are counted
 * as bad and passed over. *out_at is where it stands.
 */
int http_logs_next(struct http_intake_request *r, struct json_stream *s, struct span *out_record,
	struct http_intake_place *out_at);

#endif
