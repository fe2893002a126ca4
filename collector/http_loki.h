/*
 * http_loki - POST /loki/api/v1/push, as the clients of Loki send it: protobuf packed with Snappy, or JSON
 * (proto/wire/loki_push.h). 204 when every line is durable that could be stored; 400 when none could.
 */
#ifndef COLLECTOR_HTTP_LOKI_H
#define COLLECTOR_HTTP_LOKI_H

#include "collector/http_intake.h"

extern const struct http_intake_shape http_loki_shape;

#endif
