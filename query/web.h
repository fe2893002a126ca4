/*
 * web - serves the viewer: its one document for each of its pages, and the files it asks for.
 *
 * A file has an ETag and is asked for anew each time, answered 304 while it is the same: after an
 * upgrade nobody sees old parts with new ones. Everything is sent with a Content-Security-Policy that
 * lets only these files run.
 *
 * Thread:  the loop's.
 * Memory:  a copy of the file for each answer under way.
 */
#ifndef QUERY_WEB_H
#define QUERY_WEB_H

#include "proto/http/http_call.h"

/* As http_server_route. */
void web_page(void *arg, struct http_call *call);
void web_file(void *arg, struct http_call *call);
/* The description of the API for programs. */
void web_openapi(void *arg, struct http_call *call);

#endif
