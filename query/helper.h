/*
 * helper - the second thread of an engine: it sleeps between queries instead of being made and ended by
 * each of them.
 *
 *	helper_start -> both work -> helper_join
 *
 * It has the priority of whoever starts it: one made under another priority ends, and a new one takes
 * its place. helper_lower lowers the one at work.
 *
 * Life:    new, start and join any number of times, free after the last join.
 * Thread:  start, join and free from one thread at a time; lower from any.
 * Memory:  the struct; a thread from the first start on.
 * Errors:  start: false when no thread can be had; the caller does all the work then.
 */
#ifndef QUERY_HELPER_H
#define QUERY_HELPER_H

#include <stdbool.h>

struct helper;

/* NULL: out of memory. */
struct helper *helper_new(void);
/* Clears the pointer; NULL is nothing. */
void helper_free(struct helper **h);

/* Runs work(arg) there. True must be followed by helper_join. */
bool helper_start(struct helper *h, void (*work)(void *arg), void *arg);
/* Until the work is done. */
void helper_join(struct helper *h);

/* To this nice value, as of setpriority(2); nothing where no thread is. */
void helper_lower(struct helper *h, int nice);

#endif
