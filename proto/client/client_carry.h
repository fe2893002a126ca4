/*
 * client_carry - the thread of a client: takes frames out of its queue and carries them.
 *
 * Life:    start once everything else of the client stands; stop waits for its end.
 * Thread:  start and stop by the client's owner; wake by anybody.
 * Errors:  start: negative errno. Later ones go to the client's callback and counters.
 */
#ifndef PROTO_CLIENT_CLIENT_CARRY_H
#define PROTO_CLIENT_CLIENT_CARRY_H

struct astro_client;

int client_carry_start(struct astro_client *c);
/* `closing` is set. */
void client_carry_stop(struct astro_client *c);
void client_carry_wake(const struct astro_client *c);

#endif
