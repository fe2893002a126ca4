#include "storage/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "proto/base/timefmt.h"
#include "storage/chunk_file.h"
#include "storage/dump_int.h"
#include "storage/layout.h"
#include "storage/seg_layout.h"
#include "storage/store_format.h"

enum { TEXT_BYTES_MAX = 64 << 10 };

static const struct {
	const char *name;
	const char *magic;
	const char *ending; /* of the file's name, where the magic is damaged */
} kinds[DUMP_KIND_COUNT] = {
	[DUMP_FORMAT] = { "format", LAYOUT_FORMAT_MAGIC, "format" },
	[DUMP_CTL] = { "ctl", LAYOUT_CTL_MAGIC, "ctl" },
	[DUMP_JOURNAL] = { "journal", LAYOUT_JOURNAL_MAGIC, ".aj" },
	[DUMP_MANIFEST] = { "manifest", LAYOUT_MANIFEST_MAGIC, NULL },
	[DUMP_SEGMENT] = { "segment", SEG_LAYOUT_HEAD_MAGIC, ".seg" },
	[DUMP_SIDX_TYPE] = { "type sidecar", "ASTROEVT", ".evt" },
	[DUMP_SIDX_ENTITY] = { "entity sidecar", "ASTROENT", ".ent" },
	[DUMP_SIDX_WORD] = { "word sidecar", "ASTROTOK", ".tok" },
	[DUMP_SIDX_CUBE] = { "cube sidecar", "ASTROCUB", ".cub" },
	[DUMP_REDACT] = { "deletion order", "ASTRORED", ".ids" },
	[DUMP_SCRUB] = { "state of scrubs", "ASTROSCR", "scrub" },
	[DUMP_CHUNKS] = { "chunk ids", LAYOUT_CHUNKS_MAGIC, NULL },
};

const char *dump_kind_name(enum dump_kind kind)
{
	ASSERT(kind < DUMP_KIND_COUNT);
	return kinds[kind].name;
}

/* ---- telling ---- */

int dump_emit_block(struct dump *m, const char *name, uint64_t off, uint64_t bytes, int64_t block,
	const char *column, int code, const char *why)
{
	struct dump_section s = {
		.name = name,
		.off = off,
		.bytes = bytes,
		.block = block,
		.column = column,
		.code = code,
		.why = why,
	};
	int rc = 0;

	ASSERT(code <= 0);
	buf_put_u8(&m->text, 0);
	/* A leading space separates nothing. */
	s.text = m->text.err ? "" : (const char *)m->text.p + (m->text.p[0] == ' ');
	m->result->sections++;
	m->result->damaged += code != 0;
	if (m->walker->section)
		rc = m->walker->section(m->walker->arg, &s);
	buf_reset(&m->text);
	return rc;
}

int dump_emit(
	struct dump *m, const char *name, uint64_t off, uint64_t bytes, int code, const char *why)
{
	return dump_emit_block(m, name, off, bytes, -1, NULL, code, why);
}

int dump_emit_row(struct dump *m, const struct event *ev)
{
	m->result->rows++;
	return m->walker->row ? m->walker->row(m->walker->arg, ev) : 0;
}

void dump_number(struct dump *m, const char *key, uint64_t v)
{
	buf_printf(&m->text, " %s=%" PRIu64, key, v);
}

void dump_time(struct dump *m, const char *key, int64_t ns)
{
	char when[TIMEFMT_BYTES_MAX];

	buf_printf(&m->text, " %s=", key);
	buf_put(&m->text, when, timefmt_put(when, ns));
}

void dump_hex(struct dump *m, const char *key, struct span s)
{
	buf_printf(&m->text, " %s=", key);
	for (size_t i = 0; i < s.n; i++)
		buf_printf(&m->text, "%02x", s.p[i]);
}

struct span dump_bytes(const struct dump *m, uint64_t off, uint64_t n)
{
	if (off > m->file.n || n > m->file.n - off)
		return SPAN_NONE;
	return span_of(m->file.p + off, (size_t)n);
}

/* ---- the small files ---- */

static uint64_t u64_at(const struct dump *m, uint64_t off)
{
	struct span s = dump_bytes(m, off, 8);
	struct rcur c = rcur_of(s.p, s.n);

	return rcur_le64(&c);
}

static int dump_format(struct dump *m)
{
	struct store_format f;
	int rc = store_format_get(m->file.p, m->file.n, &f);

	if (rc == 0) {
		dump_hex(m, "uuid", span_of(f.uuid, sizeof f.uuid));
		dump_number(m, "node", f.node);
		dump_time(m, "created", f.created_ns);
	}
	return dump_emit(m, "format", 0, m->file.n, rc,
		rc == ERR_TOO_NEW ? "a newer version wrote it"
				  : "the checksum or a field does not hold");
}

/* A line of ctl: its sum stands behind its fields, its turn before them. */
static int ctl_line(struct dump *m, const char *name, uint64_t turn_off, uint64_t sum_off,
	const char *const *keys)
{
	uint64_t first = turn_off + 8, n = sum_off - first, turn = u64_at(m, turn_off);
	struct span fields = dump_bytes(m, first, n);
	int code = 0;

	if (!fields.p)
		return dump_emit(m, name, turn_off, 0, ERR_TRUNCATED, "the page is cut short");
	for (size_t i = 0; keys[i]; i++)
		dump_number(m, keys[i], u64_at(m, first + 8 * i));
	dump_number(m, "turn", turn);
	if (turn % 2 != 0)
		code = ERR_STALE;
	else if (XXH3_64bits(fields.p, fields.n) != u64_at(m, sum_off))
		code = ERR_CORRUPT;
	return dump_emit(m, name, turn_off, n + 16, code,
		code == ERR_STALE ? "half-written" : "the line's checksum does not hold");
}

static int dump_ctl(struct dump *m)
{
	static const char *const commit[] = { "file", "off", "id", NULL };
	static const char *const manifest[] = { "number", "bytes", "changes", "sealed", NULL };
	struct span head = dump_bytes(m, 0, LAYOUT_CTL_SUM);
	bool holds = head.p && XXH3_64bits(head.p, head.n) == u64_at(m, LAYOUT_CTL_SUM);
	int rc;

	dump_hex(m, "uuid", dump_bytes(m, LAYOUT_CTL_UUID, LAYOUT_UUID_BYTES));
	rc = dump_emit(m, "header", 0, LAYOUT_CTL_SUM + 8, holds ? 0 : ERR_CORRUPT,
		"the checksum does not hold");
	if (rc < 0)
		return rc;
	dump_number(m, "starts", u64_at(m, LAYOUT_CTL_STARTS));
	dump_time(m, "last", (int64_t)u64_at(m, LAYOUT_CTL_STARTED));
	dump_number(m, "pid", u64_at(m, LAYOUT_CTL_PID));
	dump_hex(m, "ended", dump_bytes(m, LAYOUT_CTL_ENDED, 8));
	rc = dump_emit(
		m, "start", LAYOUT_CTL_STARTS, LAYOUT_CTL_ENDED + 8 - LAYOUT_CTL_STARTS, 0, NULL);
	if (rc == 0)
		rc = ctl_line(m, "commit", LAYOUT_CTL_COMMIT_TURN, LAYOUT_CTL_COMMIT_SUM, commit);
	if (rc == 0)
		rc = ctl_line(
			m, "manifest", LAYOUT_CTL_MANIFEST_TURN, LAYOUT_CTL_MANIFEST_SUM, manifest);
	if (rc < 0)
		return rc;
	dump_time(m, "at", (int64_t)u64_at(m, LAYOUT_CTL_BEAT));
	return dump_emit(m, "beat", LAYOUT_CTL_BEAT, 8, 0, NULL);
}

/* ---- which file ---- */

static bool ends_with(const char *name, const char *ending)
{
	size_t n = strlen(name), e = ending ? strlen(ending) : 0;

	return e > 0 && n >= e && strcmp(name + n - e, ending) == 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int find_kind(const struct dump *m, enum dump_kind *out)
{
	const char *base = base_name(m->name);

	for (int i = 0; i < DUMP_KIND_COUNT; i++) {
		if (m->file.n >= LAYOUT_MAGIC_BYTES &&
			memcmp(m->file.p, kinds[i].magic, LAYOUT_MAGIC_BYTES) == 0) {
			*out = (enum dump_kind)i;
			return 0;
		}
	}
	for (int i = 0; i < DUMP_KIND_COUNT; i++) {
		bool is = i <= DUMP_CTL ? strcmp(base, kinds[i].ending) == 0
					: ends_with(base, kinds[i].ending);

		if (i == DUMP_MANIFEST)
			is = strncmp(base, "manifest-", 9) == 0;
		if (i == DUMP_CHUNKS)
			is = chunk_file_number(base) > 0;
		if (i == DUMP_JOURNAL)
			is |= strcmp(base, "spare") == 0;
		if (i == DUMP_REDACT)
			is |= ends_with(base, ".done");
		if (is) {
			*out = (enum dump_kind)i;
			return 0;
		}
	}
	return diag_set(m->d, ERR_UNKNOWN, m->name, -1,
		"tell what file this is: neither its first bytes nor its name are ours");
}

static int walk(struct dump *m)
{
	int rc = find_kind(m, &m->result->kind);

	if (rc < 0)
		return rc;
	if (m->file.n == 0)
		return dump_emit(m, "file", 0, 0, ERR_TRUNCATED, "the file is empty");
	switch (m->result->kind) {
	case DUMP_FORMAT:
		return dump_format(m);
	case DUMP_CTL:
		return dump_ctl(m);
	case DUMP_JOURNAL:
		return dump_journal(m);
	case DUMP_MANIFEST:
		return dump_manifest(m);
	case DUMP_SEGMENT:
		return dump_segment(m);
	case DUMP_SIDX_TYPE:
	case DUMP_SIDX_ENTITY:
	case DUMP_SIDX_WORD:
	case DUMP_SIDX_CUBE:
		return dump_sidecar(m, m->result->kind);
	case DUMP_REDACT:
		return dump_redact(m);
	case DUMP_SCRUB:
		return dump_scrub(m);
	case DUMP_CHUNKS:
		return dump_chunks(m);
	case DUMP_KIND_COUNT:
		break;
	}
	UNREACHABLE();
}

static int map_file(struct dump *m)
{
	const uint8_t *p = NULL;
	struct vfs_stat st;
	int rc, fd = m->vfs->open(m->vfs->ctx, m->dir, m->name, O_RDONLY, 0);

	if (fd < 0)
		return diag_set(m->d, fd, m->name, -1, "open the file");
	rc = m->vfs->fstat(m->vfs->ctx, fd, &st);
	if (rc == 0 && st.is_dir)
		rc = -EISDIR;
	if (rc == 0)
		rc = m->vfs->map(m->vfs->ctx, fd, st.bytes, &p);
	m->vfs->close(m->vfs->ctx, fd);
	if (rc < 0)
		return diag_set(m->d, rc, m->name, -1, "read the file");
	m->file = span_of(p, p ? (size_t)st.bytes : 0);
	return 0;
}

int dump_walk(const struct vfs *vfs, int dir, const char *name, const struct dump_walker *walker,
	struct dump_result *out, struct diag *d)
{
	struct dump_result result = { .kind = DUMP_KIND_COUNT };
	struct dump m = {
		.vfs = vfs ? vfs : vfs_real(),
		.dir = dir,
		.name = name,
		.walker = walker,
		.result = &result,
		.d = d,
	};
	int rc;

	buf_init(&m.text, TEXT_BYTES_MAX);
	rc = map_file(&m);
	if (rc == 0)
		rc = walk(&m);
	if (m.file.p)
		m.vfs->unmap(m.vfs->ctx, m.file.p, m.file.n);
	buf_fini(&m.text);
	*out = result;
	return rc;
}
