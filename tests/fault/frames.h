/*
 * frames - an endless row of frames that every fault test appends in order, so that what a store must
 * hold follows from a number alone: a prefix of it, ending with a whole frame.
 */
#ifndef TESTS_FAULT_FRAMES_H
#define TESTS_FAULT_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/store.h"
#include "tests/support/simfs.h"

/* Frame `number` (from 1): its batches and rows; a few fill a large part of a journal file. */
unsigned frames_batches(uint64_t number);
unsigned frames_rows(uint64_t number, unsigned batch);
/* The id behind the last row of the frame, when ids begin at 1. */
uint64_t frames_next_id(uint64_t number);
/* The last frame that ends before or with the id; the id must end one, else 0 is returned. */
uint64_t frames_ending(uint64_t id);
struct store_chunk frames_chunk(uint64_t number);

/* Appends the whole frame as one group. */
int frames_append(struct store_writer *w, uint64_t number, struct diag *d);

/*
 * Reads all unsealed rows and compares them with the frames. Returns the last id, and fails the test
 * where anything is missing, twice, half or another's.
 */
uint64_t frames_check_reader(const struct vfs *vfs);
/* The remembered chunk ids are those of the frames 1 .. last, no other. */
void frames_check_chunks(struct store_writer *w, uint64_t last);

/* The configuration of all fault tests. */
struct store_conf frames_conf(const struct vfs *vfs);

#endif
