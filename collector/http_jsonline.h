/*
 * http_jsonline - POST /insert/jsonline, as the clients of VictoriaLogs send it: an object on each line, and
 * which of its fields is the message, the time, or names the stream, in parameters or VL- headers.
 *
 *	_msg_field    VL-Msg-Field     names, by commas; the first that holds a text becomes the description
 *	_time_field   VL-Time-Field    names; the first that holds a time becomes the timestamp
 *	_stream_fields VL-Stream-Fields names; of these `service`, `service_name`, `app`, `application`, `job`,
 *	              `container_name` and `unit` stand for a missing service, `hostname`, `instance`, `node` for
 *	              a missing host; the fields themselves stay where they are
 *	ignore_fields VL-Ignore-Fields names of fields that are dropped
 *	extra_fields  VL-Extra-Fields  name=value, by commas: added to each
 *
 * A name with dots reaches into maps. Where a chosen field takes the place of another, that one is kept in
 * the metadata under _displaced.
 */
#ifndef COLLECTOR_HTTP_JSONLINE_H
#define COLLECTOR_HTTP_JSONLINE_H

#include "collector/http_intake.h"

extern const struct http_intake_shape http_jsonline_shape;

#endif
