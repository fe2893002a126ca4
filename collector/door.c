#include "collector/door.h"

#include <stddef.h>

void door_put(struct door **list, struct door *d)
{
	while (*list)
		list = &(*list)->next;
	d->next = NULL;
	*list = d;
}

/* One step of all doors that have it. */
#define DOOR_EACH(list, step)                                   \
	do {                                                    \
		for (struct door *d = (list); d; d = d->next) { \
			if (d->ops->step)                       \
				d->ops->step(d);                \
		}                                               \
	} while (0)

void door_durable_all(struct door *list)
{
	DOOR_EACH(list, durable);
}

void door_stall_all(struct door *list)
{
	DOOR_EACH(list, stall);
}

uint64_t door_bytes_in_all(struct door *list)
{
	uint64_t sum = 0;

	for (struct door *d = list; d; d = d->next)
		sum += d->ops->bytes_in ? d->ops->bytes_in(d) : 0;
	return sum;
}

bool door_behind_any(struct door *list)
{
	for (struct door *d = list; d; d = d->next) {
		if (d->ops->behind && d->ops->behind(d))
			return true;
	}
	return false;
}

void door_stop_accepting_all(struct door *list)
{
	DOOR_EACH(list, stop_accepting);
}

void door_stop_reading_all(struct door *list)
{
	DOOR_EACH(list, stop_reading);
}

void door_finish_all(struct door *list)
{
	DOOR_EACH(list, finish);
}

void door_end_all(struct door *list)
{
	DOOR_EACH(list, end_all);
}

bool door_empty_all(struct door *list)
{
	for (struct door *d = list; d; d = d->next) {
		if (d->ops->empty && !d->ops->empty(d))
			return false;
	}
	return true;
}

void door_close_all(struct door *list)
{
	DOOR_EACH(list, close);
}

void door_free_all(struct door **list)
{
	struct door *next;

	for (struct door *d = *list; d; d = next) {
		next = d->next;
		if (d->ops->free)
			d->ops->free(d);
	}
	*list = NULL;
}
