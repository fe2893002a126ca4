/*
 * http_es - what clients of Elasticsearch ask before they send, and after: who is there, which version,
 * whether there are templates, policies and pipelines. Nothing of this is kept; all of it is answered so
 * that they go on.
 *
 *	GET /                           the name and version that they want to see
 *	GET /_license, /_xpack          a basic license, in force
 *	GET /_cluster/health, /_cat/health   green
 *	GET /_NAME/x, HEAD              404: there is none
 *	PUT, POST, DELETE /_NAME/x      acknowledged, and forgotten
 *
 * Life:    static. Thread: the loop's.
 */
#ifndef COLLECTOR_HTTP_ES_H
#define COLLECTOR_HTTP_ES_H

#include "proto/http/http_call.h"

/* Handlers of routes; arg is not looked at. The last one's route streams, for templates are large. */
void http_es_info(void *arg, struct http_call *call);
void http_es_license(void *arg, struct http_call *call);
void http_es_xpack(void *arg, struct http_call *call);
void http_es_health(void *arg, struct http_call *call);
void http_es_cat_health(void *arg, struct http_call *call);
void http_es_thing(void *arg, struct http_call *call);

#endif
