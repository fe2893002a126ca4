#include "proto/wire/handshake.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "proto/base/check.h"
#include "proto/wire/forward_int.h"

enum {
	PING_ELEMENTS = 6,
	DIGEST_PARTS = 4,
	SHA512_BYTES = HANDSHAKE_DIGEST_BYTES / 2,
};

/* The elements of a PING that is one. */
struct ping {
	struct span host, salt, digest, user, password;
};

int handshake_init(struct handshake *h, const struct handshake_keys *keys)
{
	memset(h, 0, sizeof *h);
	buf_init(&h->ping, LIMIT_PING_BYTES);
	h->auth_bytes = keys->users_count > 0 ? sizeof h->auth : 0;
	if (RAND_bytes(h->nonce, sizeof h->nonce) != 1 || RAND_bytes(h->auth, sizeof h->auth) != 1)
		return -EIO;
	return 0;
}

void handshake_fini(struct handshake *h)
{
	buf_fini(&h->ping);
}

/* ---- digests ---- */

static struct span nonce_of(const struct handshake *h)
{
	return span_of(h->nonce, sizeof h->nonce);
}

/* Lower-case hex of the SHA-512 of the parts, one after another. False: no memory. */
static bool digest(const struct span parts[DIGEST_PARTS], uint8_t out[HANDSHAKE_DIGEST_BYTES])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t raw[SHA512_BYTES];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) == 1;

	for (int i = 0; i < DIGEST_PARTS; i++)
		good = good && EVP_DigestUpdate(ctx, parts[i].p, parts[i].n) == 1;
	good = good && EVP_DigestFinal_ex(ctx, raw, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	for (int i = 0; good && i < SHA512_BYTES; i++) {
		out[2 * i] = (uint8_t)hex[raw[i] >> 4];
		out[2 * i + 1] = (uint8_t)hex[raw[i] & 15];
	}
	return good;
}

static bool is_digest(const struct span parts[DIGEST_PARTS], struct span said)
{
	uint8_t right[HANDSHAKE_DIGEST_BYTES];

	return digest(parts, right) && said.n == sizeof right &&
	       CRYPTO_memcmp(right, said.p, sizeof right) == 0;
}

static bool key_holds(
	const struct handshake *h, const struct handshake_keys *keys, const struct ping *p)
{
	const struct span parts[DIGEST_PARTS] = { p->salt, p->host, nonce_of(h), keys->key };

	return is_digest(parts, p->digest);
}

/* As long for a name that nobody has as for one with another password. */
static bool user_holds(
	const struct handshake *h, const struct handshake_keys *keys, const struct ping *p)
{
	struct span parts[DIGEST_PARTS] = { span_of(h->auth, h->auth_bytes), p->user,
		SPAN_LIT("nobody"), span_of(h->auth, 0) };
	bool known = false;

	for (size_t i = 0; i < keys->users_count; i++) {
		if (!known && span_eq(keys->users[i].name, p->user)) {
			known = true;
			parts[2] = keys->users[i].password;
		}
	}
	return is_digest(parts, p->password) && known;
}

/* ---- messages ---- */

/* The message in memory of the caller, which it fits. */
static struct buf message_in(uint8_t dst[HANDSHAKE_OUT_BYTES])
{
	return (struct buf){ .p = dst, .cap = HANDSHAKE_OUT_BYTES, .max = HANDSHAKE_OUT_BYTES };
}

static void put_str(struct buf *b, struct span s)
{
	ASSERT(s.n <= UINT16_MAX);
	if (s.n < 32) {
		buf_put_u8(b, (uint8_t)(0xa0 + s.n));
	} else if (s.n < 256) {
		buf_put_u8(b, 0xd9);
		buf_put_u8(b, (uint8_t)s.n);
	} else {
		buf_put_u8(b, 0xda);
		buf_put_u8(b, (uint8_t)(s.n >> 8));
		buf_put_u8(b, (uint8_t)s.n);
	}
	buf_put_span(b, s);
}

/* Not as str: some clients would read that as text and change it. */
static void put_bin(struct buf *b, struct span s)
{
	buf_put_u8(b, 0xc4);
	buf_put_u8(b, (uint8_t)s.n);
	buf_put_span(b, s);
}

size_t handshake_helo(const struct handshake *h, uint8_t dst[HANDSHAKE_OUT_BYTES])
{
	struct buf b = message_in(dst);

	buf_put_u8(&b, 0x92);
	put_str(&b, SPAN_LIT("HELO"));
	buf_put_u8(&b, 0x83);
	put_str(&b, SPAN_LIT("nonce"));
	put_bin(&b, nonce_of(h));
	put_str(&b, SPAN_LIT("auth"));
	put_bin(&b, span_of(h->auth, h->auth_bytes));
	put_str(&b, SPAN_LIT("keepalive"));
	buf_put_u8(&b, 0xc3);
	ASSERT(b.err == 0);
	return b.len;
}

static size_t put_pong(const struct handshake *h, const struct handshake_keys *keys,
	const struct ping *p, const char *reason, uint8_t dst[HANDSHAKE_OUT_BYTES])
{
	struct buf b = message_in(dst);
	const struct span parts[DIGEST_PARTS] = { p->salt, keys->host, nonce_of(h), keys->key };
	uint8_t right[HANDSHAKE_DIGEST_BYTES];
	bool accepted = !*reason;

	ASSERT(keys->host.n <= HANDSHAKE_HOST_BYTES);
	buf_put_u8(&b, 0x95);
	put_str(&b, SPAN_LIT("PONG"));
	buf_put_u8(&b, accepted ? 0xc3 : 0xc2);
	put_str(&b, span_str(reason));
	put_str(&b, accepted ? keys->host : SPAN_LIT(""));
	if (accepted && digest(parts, right))
		put_str(&b, span_of(right, sizeof right));
	else
		put_str(&b, SPAN_LIT(""));
	ASSERT(b.err == 0);
	return b.len;
}

/* A str or bin; nil is an empty one where that is allowed. */
static bool take_text(struct rcur *c, bool nil, struct span *out)
{
	struct walk_value v;

	if (walk_read(c, &v) < 0)
		return false;
	*out = walk_is_text(&v) ? v.data : SPAN_LIT("");
	return walk_is_text(&v) || (nil && v.type == WALK_NIL);
}

static bool read_ping(struct span message, struct ping *p)
{
	struct rcur c = rcur_of(message.p, message.n);
	struct walk_value v;
	struct span word;

	return walk_read(&c, &v) == 0 && v.type == WALK_ARRAY && v.count == PING_ELEMENTS &&
	       take_text(&c, false, &word) && span_eq(word, SPAN_LIT("PING")) &&
	       take_text(&c, false, &p->host) && take_text(&c, false, &p->salt) &&
	       take_text(&c, false, &p->digest) && take_text(&c, true, &p->user) &&
	       take_text(&c, true, &p->password);
}

/* ---- the server's side ---- */

/* What its clients know the reasons by. */
static const char *reason_of(enum forward_fault fault)
{
	switch (fault) {
	case FORWARD_FAULT_NONE:
		return "";
	case FORWARD_FAULT_KEY:
		return "shared_key mismatch";
	case FORWARD_FAULT_USER:
		return "username/password mismatch";
	default:
		return "invalid ping message";
	}
}

static enum forward_fault judge(const struct handshake *h, const struct handshake_keys *keys,
	struct span message, struct ping *p)
{
	if (!read_ping(message, p))
		return FORWARD_FAULT_PING;
	if (!key_holds(h, keys, p))
		return FORWARD_FAULT_KEY;
	return keys->users_count > 0 && !user_holds(h, keys, p) ? FORWARD_FAULT_USER
								: FORWARD_FAULT_NONE;
}

int handshake_next(struct handshake *h, const struct handshake_keys *keys, struct rcur *in,
	uint8_t dst[HANDSHAKE_OUT_BYTES], size_t *out_n)
{
	struct span message = SPAN_LIT("");
	struct ping p = { .salt = message };
	int rc = ERR_SYNTAX;

	*out_n = 0;
	if (rcur_left(in) == 0)
		return HANDSHAKE_MORE;
	if (h->gather.midway || forward_int_is_array(*in->p)) {
		rc = gather_value(
			&h->gather, in, rcur_left(in), &h->ping, LIMIT_PING_BYTES, &message);
		if (rc == -ENOMEM)
			return rc;
		if (rc == GATHER_MORE && !h->gather.over)
			return HANDSHAKE_MORE;
		h->fault = rc == 0 ? judge(h, keys, message, &p) : FORWARD_FAULT_PING;
	} else {
		h->fault = forward_int_diagnose(span_of(in->p, rcur_left(in)));
		if (h->fault == FORWARD_FAULT_FRAME)
			h->fault = FORWARD_FAULT_PING;
	}
	*out_n = put_pong(h, keys, &p, reason_of(h->fault), dst);
	return h->fault == FORWARD_FAULT_NONE ? HANDSHAKE_ACCEPTED : HANDSHAKE_REFUSED;
}
