/*
 * tcp_rtt - how far away the peer of a TCP connection is.
 *
 * Life:    none; the descriptor is the caller's.
 * Thread:  any.
 * Errors:  UINT32_MAX where the kernel does not tell.
 */
#ifndef PROTO_NET_TCP_RTT_H
#define PROTO_NET_TCP_RTT_H

#include <stdint.h>

/* The shortest round trip of the connection so far, in us; the one of its beginning counts. */
uint32_t tcp_rtt_us(int fd);

#endif
