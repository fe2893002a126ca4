/*
 * ecs - a document of the Elastic Common Schema, as Beats, Logstash and others send it, as a record with
 * our names. The fields may be nested or dotted: {"host":{"name":"a"}} and {"host.name":"a"} mean the same.
 *
 *	ours          theirs, the first that is there
 *	timestamp     @timestamp
 *	host          host.name, host.hostname
 *	level         log.level
 *	service       service.name
 *	user_id       user.id, user.name
 *	event_type    event.action, event.kind (unless it is "event", which says nothing)
 *	ip_address    source.ip, client.ip
 *	user_agent    user_agent.original
 *
 * A document that has a text of our name has the last word. What was taken is not kept a second time;
 * everything else stays, and what is an object under one of our names goes to the metadata.
 *
 * Life:    new once per thread, record..., free.
 * Thread:  one at a time.
 * Memory:  taken in new; the record is appended to the caller's buffer.
 * Errors:  ERR_TYPE, the document is no map; ERR_LIMIT, it has more than LIMIT_MAP_PAIRS pairs, or the
 *          buffer is full; those of walk. The buffer is then as it was.
 */
#ifndef PROTO_WIRE_ECS_H
#define PROTO_WIRE_ECS_H

#include "proto/base/buf.h"
#include "proto/base/span.h"

struct ecs;

int ecs_new(struct ecs **out);
void ecs_free(struct ecs **e);

/* One msgpack map, whole, as one msgpack map. What more is known: a text under its own name, or absent. */
struct ecs_more {
	struct span index; /* _index */
	struct span id;    /* _id */
};
int ecs_record(struct ecs *e, struct span document, const struct ecs_more *more, struct buf *out);

#endif
