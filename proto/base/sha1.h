/*
 * sha1 - the digest that protocols of old ask for (FIPS 180-4), where it proves nothing: the WebSocket
 * handshake. Nothing here may rest on its strength.
 *
 * Thread: none of its own. Memory: none. Errors: none.
 */
#ifndef PROTO_BASE_SHA1_H
#define PROTO_BASE_SHA1_H

#include <stdint.h>

#include "proto/base/span.h"

enum { SHA1_BYTES = 20 };

void sha1(struct span text, uint8_t out[SHA1_BYTES]);

#endif
