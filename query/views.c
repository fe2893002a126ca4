#include "query/views.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "proto/base/timefmt.h"
#include "proto/base/utf8.h"
#include "proto/wire/json_in.h"
#include "proto/wire/json_out.h"
#include "proto/wire/walk.h"

/* Whoever may open the lock can keep it. */
enum { FILE_MODE = 0640, LOCK_MODE = 0600, NAME_BYTES = 256 };

/* ---------------------------------------------------------------- what may stand in it */

static bool is_control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x2028 || cp == 0x2029;
}

const char *views_name_fault(struct span name)
{
	if (name.n == 0)
		return "it is empty";
	if (name.n > LIMIT_VIEW_NAME_BYTES)
		return "it is too long";
	if (!utf8_valid(name))
		return "it is not UTF-8";
	if (name.p[0] == ' ' || name.p[name.n - 1] == ' ')
		return "it has a blank at its beginning or end";
	/* Whatever a browser does to an address, these would not arrive. */
	if (span_eq(name, SPAN_LIT(".")) || span_eq(name, SPAN_LIT("..")))
		return "it is a dot alone";
	for (size_t at = 0; at < name.n;) {
		uint32_t cp;

		at += utf8_next(name.p + at, name.n - at, &cp);
		if (is_control(cp))
			return "it has a control character";
	}
	return NULL;
}

const char *views_address_fault(struct span address)
{
	if (address.n > LIMIT_VIEW_ADDRESS_BYTES)
		return "it is too long";
	if (address.n == 0 || (address.p[0] != '/' && address.p[0] != '?'))
		return "it does not begin with '/' or '?'";
	if (address.n > 1 && (address.p[1] == '/' || address.p[1] == '\\'))
		return "it names another server";
	for (size_t i = 0; i < address.n; i++) {
		if (address.p[i] <= ' ' || address.p[i] > '~')
			return "it has a character that must be percent-encoded";
	}
	return NULL;
}

/* ---------------------------------------------------------------- the list */

static int compare(struct span a, struct span b)
{
	int rc = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return rc != 0 ? rc : (a.n > b.n) - (a.n < b.n);
}

/* Where it stands, or would stand. */
static size_t place_of(const struct views *v, struct span name)
{
	size_t at = 0;

	while (at < v->count && compare(v->list[at].name, name) < 0)
		at++;
	return at;
}

static bool stands_at(const struct views *v, size_t at, struct span name)
{
	return at < v->count && span_eq(v->list[at].name, name);
}

int views_put(struct views *v, const struct views_one *one)
{
	size_t at = place_of(v, one->name);

	ASSERT(!views_name_fault(one->name));
	ASSERT(!views_address_fault(one->address));
	if (!stands_at(v, at, one->name)) {
		if (v->count == LIMIT_VIEWS)
			return VIEWS_FULL;
		memmove(&v->list[at + 1], &v->list[at], (v->count - at) * sizeof v->list[0]);
		v->count++;
	}
	v->list[at] = *one;
	return 0;
}

int views_remove(struct views *v, struct span name)
{
	size_t at = place_of(v, name);

	if (!stands_at(v, at, name))
		return VIEWS_NONE;
	v->count--;
	memmove(&v->list[at], &v->list[at + 1], (v->count - at) * sizeof v->list[0]);
	return 0;
}

void views_fini(struct views *v)
{
	buf_fini(&v->text);
	v->count = 0;
}

/* ---------------------------------------------------------------- reading */

static int not_ours(const char *name, const char *why, struct diag *d)
{
	return diag_set(d, ERR_CORRUPT, name, -1, "is no file of saved views: %s", why);
}

/* One of {"name":...,"address":...,"saved":...}; other members are not ours. */
static const char *read_one(struct rcur *c, struct views_one *out)
{
	struct walk_value map, key, value;
	struct timefmt saved = { .ns = 0 };

	*out = (struct views_one){ .saved_ns = 0 };
	if (walk_read(c, &map) < 0 || map.type != WALK_MAP)
		return "a view is no object";
	for (uint32_t i = 0; i < map.count; i++) {
		if (walk_read(c, &key) < 0 || walk_read(c, &value) < 0 || value.type != WALK_STR)
			return "a member of a view is no text";
		if (span_eq(key.data, SPAN_LIT("name")))
			out->name = value.data;
		else if (span_eq(key.data, SPAN_LIT("address")))
			out->address = value.data;
		else if (!span_eq(key.data, SPAN_LIT("saved")))
			return "a view has a member that is not known";
		else if (timefmt_parse(value.data, &saved) < 0)
			return "a view has a time that is none";
	}
	out->saved_ns = saved.ns;
	if (views_name_fault(out->name))
		return "a view has a name that cannot be one";
	return views_address_fault(out->address) ? "a view has an address that cannot be one"
						 : NULL;
}

static const char *read_views(struct rcur *c, struct views *v)
{
	struct walk_value map, key, list;
	struct views_one one;

	if (walk_read(c, &map) < 0 || map.type != WALK_MAP || map.count != 1)
		return "it is not an object with the one member `views`";
	if (walk_read(c, &key) < 0 || !span_eq(key.data, SPAN_LIT("views")))
		return "it is not an object with the one member `views`";
	if (walk_read(c, &list) < 0 || list.type != WALK_ARRAY)
		return "`views` is no list";
	for (uint32_t i = 0; i < list.count; i++) {
		const char *fault = read_one(c, &one);

		if (fault)
			return fault;
		if (views_put(v, &one) == VIEWS_FULL)
			return "there are too many views";
	}
	return NULL;
}

static int parse(struct span json, const char *name, struct views *out, struct diag *d)
{
	struct json_in_error e;
	struct rcur c;
	const char *fault;
	char text[160];
	int rc = json_in_text(json, 0, &out->text, &e);

	if (rc == -ENOMEM)
		return diag_set(d, rc, name, -1, "no memory for the saved views");
	if (rc < 0)
		return not_ours(name, json_in_explain(&e, text, sizeof text), d);
	c = rcur_of(out->text.p, out->text.len);
	fault = read_views(&c, out);
	return fault ? not_ours(name, fault, d) : 0;
}

static int read_file(const struct vfs *vfs, int fd, struct buf *out)
{
	struct vfs_stat st;
	ssize_t got;
	int rc = vfs->fstat(vfs->ctx, fd, &st);

	if (rc < 0)
		return rc;
	if (st.bytes > LIMIT_VIEWS_FILE_BYTES)
		return ERR_LIMIT;
	rc = buf_reserve(out, st.bytes + 1);
	if (rc < 0)
		return rc;
	got = vfs->pread(vfs->ctx, fd, out->p, st.bytes, 0);
	if (got < 0)
		return (int)got;
	out->len = (size_t)got;
	return 0;
}

int views_load(const struct vfs *vfs, int dir, const char *name, struct views *out, struct diag *d)
{
	struct buf json;
	int fd = vfs->open(vfs->ctx, dir, name, O_RDONLY, 0), rc;

	out->count = 0;
	buf_init(&out->text, 2 * LIMIT_VIEWS_FILE_BYTES);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return diag_set(d, fd, name, -1, "open the file of saved views");
	buf_init(&json, LIMIT_VIEWS_FILE_BYTES + 1);
	rc = read_file(vfs, fd, &json);
	vfs->close(vfs->ctx, fd);
	if (rc < 0)
		diag_set(d, rc, name, -1, "read the file of saved views");
	else
		rc = parse(buf_span(&json), name, out, d);
	buf_fini(&json);
	if (rc < 0)
		views_fini(out);
	return rc;
}

/* ---------------------------------------------------------------- writing */

void views_print_one(const struct views_one *one, struct buf *out)
{
	buf_put_str(out, "{\"name\":");
	json_out_string(one->name, out);
	buf_put_str(out, ",\"address\":");
	json_out_string(one->address, out);
	buf_put_str(out, ",\"saved\":");
	json_out_time(one->saved_ns, out);
	buf_put_u8(out, '}');
}

void views_print(const struct views *v, struct buf *out)
{
	buf_put_str(out, "[");
	for (size_t i = 0; i < v->count; i++) {
		buf_put_str(out, i ? ",\n" : "\n");
		views_print_one(&v->list[i], out);
	}
	buf_put_str(out, "\n]");
}

/* A name beside the file's; false: it is too long. */
static bool name_beside(const char *name, const char *suffix, char out[NAME_BYTES])
{
	return (size_t)snprintf(out, NAME_BYTES, "%s%s", name, suffix) < NAME_BYTES;
}

int views_lock(const struct vfs *vfs, int dir, const char *name, struct diag *d)
{
	char lock[NAME_BYTES];
	int fd, rc;

	if (!name_beside(name, ".lock", lock))
		return diag_set(d, -ENAMETOOLONG, name, -1, "name a file of saved views");
	fd = vfs->open(vfs->ctx, dir, lock, O_RDWR | O_CREAT, LOCK_MODE);
	rc = fd < 0 ? fd : vfs->lock(vfs->ctx, fd, true, true);
	if (rc == 0)
		return fd;
	if (fd >= 0)
		vfs->close(vfs->ctx, fd);
	return diag_set(d, rc, lock, -1, "lock the saved views");
}

static int write_file(const struct vfs *vfs, int dir, const char *name, struct span text)
{
	int fd = vfs->open(vfs->ctx, dir, name, O_WRONLY | O_CREAT | O_TRUNC, FILE_MODE), rc;

	if (fd < 0)
		return fd;
	rc = vfs->pwrite_all(vfs->ctx, fd, text.p, text.n, 0);
	if (rc == 0)
		rc = vfs->fsync(vfs->ctx, fd);
	vfs->close(vfs->ctx, fd);
	return rc;
}

int views_save(
	const struct vfs *vfs, int dir, const char *name, const struct views *v, struct diag *d)
{
	char fresh[NAME_BYTES];
	struct buf text;
	int rc;

	if (!name_beside(name, ".new", fresh))
		return diag_set(d, -ENAMETOOLONG, name, -1, "name a file of saved views");
	buf_init(&text, LIMIT_VIEWS_FILE_BYTES);
	buf_put_str(&text, "{\"views\":");
	views_print(v, &text);
	buf_put_str(&text, "}\n");
	rc = text.err ? text.err : write_file(vfs, dir, fresh, buf_span(&text));
	buf_fini(&text);
	if (rc == 0)
		rc = vfs->rename(vfs->ctx, dir, fresh, name);
	if (rc == 0)
		rc = vfs->fsync(vfs->ctx, dir);
	else
		vfs->unlink(vfs->ctx, dir, fresh);
	return rc < 0 ? diag_set(d, rc, name, -1, "write the saved views") : 0;
}
