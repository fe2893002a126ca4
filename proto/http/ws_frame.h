/*
 * ws_frame - frames of WebSocket (RFC 6455, section 5): reads what a client sends, byte by byte if it
 * comes so, and writes the heads of what a server sends.
 *
 * Everything is refused at the first byte that makes it wrong: reserved bits and opcodes, frames without a
 * mask, control frames that are long or in parts, parts that continue nothing or interrupt another message,
 * lengths not written in their shortest form, messages and numbers of parts beyond LIMIT_WS_*, text that is
 * not UTF-8, close codes that nobody may send.
 *
 * What clients say in messages is of no use here: a message is checked and counted, its bytes are not kept.
 *
 * Why not a library: the messages of a server go to many connections, formatted once and sent from where
 * they stand, and a client's need no memory; a library's queues would hold a copy for each of both.
 *
 * Life:    zeroed at the beginning of a connection; after a failure nothing more may be read.
 * Thread:  none of its own.
 * Memory:  the struct.
 * Errors:  next: ERR_SYNTAX or ERR_LIMIT, with the close code and its reason in the struct.
 */
#ifndef PROTO_HTTP_WS_FRAME_H
#define PROTO_HTTP_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/span.h"
#include "proto/base/utf8.h"

enum ws_frame_op {
	WS_FRAME_CONTINUE = 0,
	WS_FRAME_TEXT = 1,
	WS_FRAME_BINARY = 2,
	WS_FRAME_CLOSE = 8,
	WS_FRAME_PING = 9,
	WS_FRAME_PONG = 10,
};

enum ws_frame_code {
	WS_FRAME_NORMAL = 1000,
	WS_FRAME_AWAY = 1001,
	WS_FRAME_PROTOCOL = 1002,
	WS_FRAME_NO_CODE = 1005, /* never sent: the close frame had none */
	WS_FRAME_BAD_TEXT = 1007,
	WS_FRAME_POLICY = 1008,
	WS_FRAME_TOO_LARGE = 1009,
	WS_FRAME_TRY_LATER = 1013,
};

enum {
	/* Outcome: more bytes are needed. */
	WS_FRAME_MORE = 1,
	/* A frame of a server without its payload, at most; a client's is four longer. */
	WS_FRAME_HEAD_BYTES = 10,
	/* Payload of a control frame. */
	WS_FRAME_CONTROL_BYTES = 125,
};

/* Members are private, but for code and reason. */
struct ws_frame {
	uint8_t head[WS_FRAME_HEAD_BYTES + 4];
	unsigned head_n;  /* bytes of it that are there; 0 between frames */
	uint64_t left;    /* of the payload, once the head is whole */
	unsigned mask_at; /* which byte of the mask is next */
	bool in_payload;  /* the head is whole */
	bool in_message;  /* parts of one are still to come */
	bool text;        /* and it is text */
	struct utf8_steps utf8;
	uint64_t message_bytes;
	unsigned fragments;
	uint8_t control[WS_FRAME_CONTROL_BYTES];
	unsigned control_n;
	/* After a failure: what to close with. Static text. */
	enum ws_frame_code code;
	const char *reason;
};

/* What is whole now. */
struct ws_frame_seen {
	enum ws_frame_op op; /* TEXT or BINARY: a message */
	struct span control; /* payload of a control frame; until the next call */
	uint64_t bytes;      /* of a message */
	unsigned code;       /* of CLOSE: as sent, or WS_FRAME_NO_CODE */
};

/*
 * Takes bytes up to the end of the next message or control frame: 0, *out is filled; WS_FRAME_MORE: all
 * were taken. *out_took of n.
 */
int ws_frame_next(struct ws_frame *f, const uint8_t *p, size_t n, size_t *out_took,
	struct ws_frame_seen *out);

/* The head of a whole message or control frame of n bytes, as a server sends it; its bytes. */
size_t ws_frame_head(uint8_t dst[WS_FRAME_HEAD_BYTES], enum ws_frame_op op, uint64_t n);

#endif
