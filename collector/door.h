/*
 * door - what the collector does with every door for events, whatever is spoken there: one interface,
 * one list. A door is opened by main.c and put into the list; from then on it is met only here.
 *
 * Life:    opened, door_put, the steps of the end in the order of the functions, door_free_all.
 * Thread:  the loop's.
 * Memory:  a door embeds its struct door.
 */
#ifndef COLLECTOR_DOOR_H
#define COLLECTOR_DOOR_H

#include <stdbool.h>
#include <stdint.h>

struct door;

/* Each may be NULL: the door has nothing to do then, and is empty. */
struct door_ops {
	/* More batches are durable, or the disk has room again: sends acks, and reads on. */
	void (*durable)(struct door *d);
	/* The disk is full: nothing more is read until `durable` finds it is not. */
	void (*stall)(struct door *d);
	/* Bytes of events received, rising: at the end one waits for it to stand still. */
	uint64_t (*bytes_in)(struct door *d);
	/* Bytes that it has, or that the kernel holds for it, wait for the journal. */
	bool (*behind)(struct door *d);
	/* The end, step by step. */
	void (*stop_accepting)(struct door *d);
	void (*stop_reading)(struct door *d);
	/* Lets every peer end when its answers are written, at most LIMIT_DRAIN_WRITE_MS from now. */
	void (*finish)(struct door *d);
	void (*end_all)(struct door *d);
	bool (*empty)(struct door *d);
	/* Once empty. The memory must stay until the loop has run to its end. */
	void (*close)(struct door *d);
	void (*free)(struct door *d);
};

struct door {
	const struct door_ops *ops;
	struct door *next;
};

/* Behind those that are there. */
void door_put(struct door **list, struct door *d);

void door_durable_all(struct door *list);
void door_stall_all(struct door *list);
uint64_t door_bytes_in_all(struct door *list);
bool door_behind_any(struct door *list);
void door_stop_accepting_all(struct door *list);
void door_stop_reading_all(struct door *list);
void door_finish_all(struct door *list);
void door_end_all(struct door *list);
bool door_empty_all(struct door *list);
void door_close_all(struct door *list);
void door_free_all(struct door **list);

#endif
