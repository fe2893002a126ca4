/*
 * A segment and its sidecars. With the footer intact all pages are told, each with its own checksum;
 * without it only header, trailer and footer by themselves, for nothing else says where pages are.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "proto/wire/json_out.h"
#include "storage/block.h"
#include "storage/col.h"
#include "storage/dump_int.h"
#include "storage/seg_reader.h"
#include "storage/sidx_cube.h"
#include "storage/sidx_entity.h"
#include "storage/sidx_type.h"
#include "storage/sidx_word.h"

struct segment_dump {
	struct dump *m;
	struct seg_reader *reader;
	struct block *block;
};

/* ---- by the bytes alone ---- */

static int emit_head(struct dump *m)
{
	struct span head = dump_bytes(m, 0, SEG_LAYOUT_HEAD_BYTES);
	struct rcur c = rcur_of(head.p, head.n);
	struct span magic = rcur_bytes(&c, 8), uuid;
	uint16_t version = rcur_le16(&c), compat = rcur_le16(&c);
	uint32_t incompat = rcur_le32(&c);
	uint64_t id;
	int64_t created_ns;
	int code = 0;

	uuid = rcur_bytes(&c, 16);
	id = rcur_le64(&c);
	created_ns = (int64_t)rcur_le64(&c);
	rcur_le64(&c);
	if (c.err || memcmp(magic.p, SEG_LAYOUT_HEAD_MAGIC, 8) != 0 ||
		rcur_le64(&c) != XXH3_64bits(head.p, SEG_LAYOUT_HEAD_SUM_OFF))
		code = ERR_CORRUPT;
	dump_number(m, "version", version);
	dump_number(m, "compat", compat);
	dump_number(m, "incompat", incompat);
	dump_hex(m, "store", uuid);
	buf_printf(&m->text, " id=%016" PRIx64, id);
	dump_time(m, "created", created_ns);
	return dump_emit(
		m, "header", 0, SEG_LAYOUT_HEAD_BYTES, code, "magic or checksum do not hold");
}

struct trailer {
	uint64_t footer_off;
	uint64_t footer_bytes;
	uint64_t footer_sum;
	bool holds;
};

static int emit_trailer(struct dump *m, struct trailer *out)
{
	uint64_t off = m->file.n < SEG_LAYOUT_TAIL_BYTES ? 0 : m->file.n - SEG_LAYOUT_TAIL_BYTES;
	struct span tail = dump_bytes(m, off, SEG_LAYOUT_TAIL_BYTES);
	struct rcur c = rcur_of(tail.p, tail.n);
	uint64_t sum;

	out->footer_off = rcur_le64(&c);
	out->footer_bytes = rcur_le64(&c);
	out->footer_sum = rcur_le64(&c);
	rcur_le64(&c);
	sum = rcur_le64(&c);
	out->holds = !c.err && memcmp(c.p, SEG_LAYOUT_TAIL_MAGIC, 8) == 0 &&
		     XXH3_64bits(tail.p, SEG_LAYOUT_TAIL_SUM_OFF) == sum;
	dump_number(m, "footer_off", out->footer_off);
	dump_number(m, "footer_bytes", out->footer_bytes);
	buf_printf(&m->text, " sum=%016" PRIx64, sum);
	return dump_emit(m, "trailer", off, m->file.n - off, out->holds ? 0 : ERR_CORRUPT,
		"magic or checksum do not hold: cut short?");
}

static int emit_footer(struct dump *m, const struct trailer *t)
{
	struct span footer = dump_bytes(m, t->footer_off, t->footer_bytes);
	bool holds = footer.p && XXH3_64bits(footer.p, footer.n) == t->footer_sum;
	struct rcur c = rcur_of(footer.p, footer.n);

	for (unsigned i = 0; holds && rcur_left(&c) > 0 && i < 64; i++) {
		uint64_t id = rcur_varint(&c);
		struct span body = rcur_varbytes(&c);

		buf_printf(&m->text, " section_%" PRIu64 "=%zu", id, body.n);
	}
	return dump_emit(m, "footer", t->footer_off, t->footer_bytes, holds ? 0 : ERR_CORRUPT,
		"the checksum does not hold: blocks and pages cannot be found");
}

/* ---- by the footer ---- */

static int emit_page(struct segment_dump *s, int64_t block, int col, const struct seg_page *p,
	int rc, const struct diag *why)
{
	const struct col_codec *codec = col_codec(p->encoding);

	buf_printf(&s->m->text, " encoding=%s codec=%s", codec ? codec->name : "dict",
		p->codec == SEG_LAYOUT_CODEC_LZ4 ? "lz4" : "none");
	if (p->is_inline)
		buf_printf(&s->m->text, " inline=yes");
	return dump_emit_block(s->m, block < 0 ? "dictionary" : "page", p->off, p->bytes, block,
		seg_reader_col_name(col), rc, why->text);
}

static int emit_pages(struct segment_dump *s, uint32_t block)
{
	int rc = 0;

	for (int col = 0; col < SEG_COL_COUNT && rc == 0; col++) {
		struct diag why = { 0 };
		int code = seg_reader_check_page(s->reader, block, col, &why);

		/* Sound pages are many and told only on demand. */
		if (code < 0 || s->m->walker->pages)
			rc = emit_page(
				s, block, col, seg_reader_page(s->reader, block, col), code, &why);
	}
	return rc;
}

static int emit_dicts(struct segment_dump *s)
{
	int rc = 0;

	for (int col = 0; col < SEG_COL_COUNT && rc == 0; col++) {
		const struct seg_page *p = seg_reader_dict_page(s->reader, col);
		struct diag why = { 0 };
		int code = p ? seg_reader_check_dict(s->reader, col, &why) : 0;

		if (p && (code < 0 || s->m->walker->pages))
			rc = emit_page(s, -1, col, p, code, &why);
	}
	return rc;
}

static void put_bounds(struct dump *m, const struct seg_block *b)
{
	dump_number(m, "rows", b->rows_count);
	buf_printf(&m->text, " ids=%" PRIu64 "..%" PRIu64, b->id_min, b->id_max);
	dump_time(m, "from", b->time_min_ns);
	dump_time(m, "to", b->time_max_ns);
	dump_number(m, "raw", b->raw_bytes);
}

/* Where the pages of a block begin and how long they are together. */
static void page_range(
	struct segment_dump *s, uint32_t block, uint64_t *out_off, uint64_t *out_bytes)
{
	*out_off = UINT64_MAX;
	*out_bytes = 0;
	for (int col = 0; col < SEG_COL_COUNT; col++) {
		const struct seg_page *p = seg_reader_page(s->reader, block, col);

		if (!p->is_inline && p->off < *out_off)
			*out_off = p->off;
		*out_bytes += p->is_inline ? 0 : p->bytes;
	}
	if (*out_off == UINT64_MAX)
		*out_off = SEG_LAYOUT_HEAD_BYTES;
}

static int emit_rows(struct segment_dump *s)
{
	for (uint32_t row = 0; row < s->block->rows_count; row++) {
		struct event ev;
		int rc;

		block_get(s->block, row, &ev);
		rc = dump_emit_row(s->m, &ev);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int emit_block(struct segment_dump *s, uint32_t block)
{
	struct diag why = { 0 };
	uint64_t off, bytes;
	int rc, code = seg_reader_rows(s->reader, block, s->block, &why);

	if (code == -ENOMEM)
		return diag_set(s->m->d, code, s->m->name, -1, "decode a block");
	page_range(s, block, &off, &bytes);
	put_bounds(s->m, seg_reader_block(s->reader, block));
	rc = dump_emit_block(s->m, "block", off, bytes, block, NULL, code, why.text);
	if (rc == 0)
		rc = emit_pages(s, block);
	if (rc == 0 && code == 0 && s->m->walker->row)
		rc = emit_rows(s);
	return rc;
}

static int emit_types(struct segment_dump *s)
{
	for (size_t i = 0; i < seg_reader_type_count(s->reader); i++) {
		uint64_t rows;
		struct span name = seg_reader_type(s->reader, i, &rows);
		int rc;

		buf_put_str(&s->m->text, " name=");
		if (name.p)
			json_out_string(name, &s->m->text);
		else
			buf_put_str(&s->m->text, "-");
		dump_number(s->m, "rows", rows);
		rc = dump_emit(s->m, "type", 0, 0, 0, NULL);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int emit_contents(struct segment_dump *s)
{
	const struct seg_info *info = seg_reader_info(s->reader);
	int rc;

	dump_number(s->m, "blocks", info->blocks_count);
	dump_number(s->m, "rows", info->rows_count);
	buf_printf(&s->m->text, " ids=%" PRIu64 "..%" PRIu64, info->id_min, info->id_max);
	dump_time(s->m, "from", info->time_min_ns);
	dump_time(s->m, "to", info->time_max_ns);
	dump_number(s->m, "raw", info->raw_bytes);
	rc = dump_emit(s->m, "segment", 0, info->file_bytes, 0, NULL);
	for (uint32_t i = 0; i < info->blocks_count && rc == 0; i++)
		rc = emit_block(s, i);
	if (rc == 0)
		rc = emit_dicts(s);
	if (rc == 0)
		rc = emit_types(s);
	return rc;
}

int dump_segment(struct dump *m)
{
	struct segment_dump s = { .m = m };
	struct trailer trailer = { 0 };
	struct diag why = { .off = -1 };
	int code, rc = emit_head(m);

	if (rc == 0)
		rc = emit_trailer(m, &trailer);
	if (rc == 0 && trailer.holds)
		rc = emit_footer(m, &trailer);
	if (rc < 0)
		return rc;
	s.block = block_new();
	if (!s.block)
		return diag_set(m->d, -ENOMEM, m->name, -1, "dump a segment");
	code = seg_reader_open(m->vfs, m->dir, m->name, &s.reader, &why);
	if (code == 0)
		rc = emit_contents(&s);
	else
		rc = dump_emit(m, "segment", why.off < 0 ? 0 : (uint64_t)why.off, m->file.n, code,
			why.text);
	seg_reader_close(&s.reader);
	block_free(&s.block);
	return rc;
}

/* ---- sidecars ---- */

struct sidecar {
	uint64_t dir_bytes;
	uint64_t dir_sum;
	bool holds;
};

static int emit_sidecar_head(struct dump *m, struct sidecar *out)
{
	struct span head = dump_bytes(m, 0, SIDX_COMMON_HEAD_BYTES);
	struct rcur c = rcur_of(head.p, head.n);
	struct span uuid;
	uint64_t id, sum;
	uint16_t version;

	rcur_bytes(&c, 8);
	version = rcur_le16(&c);
	rcur_bytes(&c, 6);
	uuid = rcur_bytes(&c, 16);
	id = rcur_le64(&c);
	sum = rcur_le64(&c);
	out->dir_bytes = rcur_le64(&c);
	out->dir_sum = rcur_le64(&c);
	rcur_le64(&c);
	out->holds = rcur_le64(&c) == XXH3_64bits(head.p, head.p ? SIDX_COMMON_HEAD_SUM_OFF : 0) &&
		     !c.err;
	dump_number(m, "version", version);
	dump_hex(m, "store", uuid);
	buf_printf(&m->text, " segment=%016" PRIx64 " sum=%016" PRIx64, id, sum);
	return dump_emit(m, "header", 0, SIDX_COMMON_HEAD_BYTES, out->holds ? 0 : ERR_CORRUPT,
		"the checksum does not hold");
}

static int emit_directory(struct dump *m, const struct sidecar *s)
{
	struct span dir = dump_bytes(m, SIDX_COMMON_HEAD_BYTES, s->dir_bytes);
	bool holds = dir.p && XXH3_64bits(dir.p, dir.n) == s->dir_sum;
	uint64_t pages_off = SIDX_COMMON_HEAD_BYTES + dir.n;
	int rc = dump_emit(m, "directory", SIDX_COMMON_HEAD_BYTES, dir.n, holds ? 0 : ERR_CORRUPT,
		"the checksum does not hold");

	if (rc < 0 || !holds || pages_off >= m->file.n)
		return rc;
	return dump_emit(m, "pages", pages_off, m->file.n - pages_off, 0, NULL);
}

static int emit_type_entries(struct dump *m, const struct sidx_type *x)
{
	int rc = 0;

	for (size_t i = 0; i < sidx_type_count(x) && rc == 0; i++) {
		struct sidx_type_entry e;

		sidx_type_entry(x, i, &e);
		buf_put_str(&m->text, " name=");
		if (e.name.p)
			json_out_string(e.name, &m->text);
		else
			buf_put_str(&m->text, "-");
		dump_number(m, "rows", e.rows_count);
		buf_printf(&m->text, " ids=%" PRIu64 "..%" PRIu64, e.id_min, e.id_max);
		dump_number(m, "blocks", e.blocks_count);
		buf_printf(&m->text, " rare=%s", e.rare ? "yes" : "no");
		rc = dump_emit(m, "type", 0, 0, 0, NULL);
	}
	return rc;
}

static void tell_entities(struct dump *m, const struct sidx_entity *x)
{
	uint64_t entities, users;

	sidx_entity_counts(x, &entities, &users);
	dump_number(m, "entities", entities);
	dump_number(m, "users", users);
}

/* Shapes as "digits:4,5,7": lengths, of each class that has any. */
static void tell_shapes(struct dump *m, const char *name, const uint64_t *shapes)
{
	static const char *const classes[] = { "digits", "hex", "other", "uuid" };
	const char *sep;

	buf_printf(&m->text, " %s=", name);
	for (unsigned kind = 0; kind < SIDX_TOKEN_CLASSES; kind++) {
		sep = ":";
		for (unsigned n = 1; n < SIDX_TOKEN_LENGTHS; n++) {
			if (!sidx_word_has_shape(shapes, kind * SIDX_TOKEN_LENGTHS + n))
				continue;
			if (*sep == ':')
				buf_printf(&m->text, "/%s", classes[kind]);
			buf_printf(&m->text, "%s%u", sep, n);
			sep = ",";
		}
	}
}

static void tell_words(struct dump *m, const struct sidx_word *x)
{
	const struct sidx_word_shapes *s = sidx_word_shapes(x);

	dump_number(m, "words", sidx_word_count(x));
	tell_shapes(m, "exact", s->exact);
	tell_shapes(m, "inside", s->inside);
	tell_shapes(m, "dropped", s->dropped);
}

static int emit_cube_values(struct dump *m, const struct sidx_cube *x)
{
	static const struct {
		enum sidx_cube_dim dim;
		const char *section;
	} texts[] = { { SIDX_CUBE_EVENT_TYPE, "event_types" },
		{ SIDX_CUBE_ENTITY_TYPE, "entity_types" }, { SIDX_CUBE_SERVICE, "services" } };
	int rc = 0;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0] && rc == 0; i++) {
		uint32_t count = sidx_cube_values(x, texts[i].dim);

		for (uint32_t k = 0; k < count; k++) {
			struct span v = sidx_cube_value(x, texts[i].dim, k);

			buf_put_u8(&m->text, ' ');
			if (v.p)
				json_out_string(v, &m->text);
			else
				buf_put_str(&m->text, "-");
		}
		rc = dump_emit(m, texts[i].section, 0, 0, 0, NULL);
	}
	return rc;
}

static int emit_cube_tables(struct dump *m, const struct sidx_cube *x)
{
	static const char *const names[SIDX_CUBE_DIMS] = { "event_type", "entity_type", "severity",
		"service" };
	int rc = 0;

	for (size_t i = 0; i < sidx_cube_tables(x) && rc == 0; i++) {
		const struct sidx_cube_table *t = sidx_cube_table(x, i);
		const char *sep = " by=";

		for (int dim = 0; dim < SIDX_CUBE_DIMS; dim++) {
			if (t->dims >> dim & 1)
				buf_printf(&m->text, "%s%s", sep, names[dim]);
			sep = t->dims >> dim & 1 ? "," : sep;
		}
		dump_number(m, "bucket_s", (uint64_t)(t->bucket_ns / 1000000000));
		dump_number(m, "buckets", t->buckets_count);
		dump_time(m, "first", t->buckets[0]);
		dump_time(m, "last", t->buckets[t->buckets_count - 1]);
		dump_number(m, "lines", t->combos_count);
		dump_number(m, "counts_bytes", t->counts.n);
		rc = dump_emit(m, "table", 0, 0, 0, NULL);
	}
	return rc;
}

struct answers {
	struct sidx_type *type;
	struct sidx_entity *entity;
	struct sidx_word *word;
	struct sidx_cube *cube;
};

static int open_answers(struct dump *m, enum dump_kind kind, const struct seg_info *info,
	struct answers *a, struct diag *why)
{
	int rc;

	if (kind == DUMP_SIDX_TYPE)
		return sidx_type_open(m->vfs, m->dir, m->name, info, &a->type, why);
	if (kind == DUMP_SIDX_ENTITY) {
		rc = sidx_entity_open(m->vfs, m->dir, m->name, info, &a->entity, why);
		return rc == 0 ? sidx_entity_check(a->entity, why) : rc;
	}
	if (kind == DUMP_SIDX_CUBE) {
		rc = sidx_cube_open(m->vfs, m->dir, m->name, info, &a->cube, why);
		return rc == 0 ? sidx_cube_check(a->cube, why) : rc;
	}
	rc = sidx_word_open(m->vfs, m->dir, m->name, info, &a->word, why);
	return rc == 0 ? sidx_word_check(a->word, why) : rc;
}

/* What it says, as far as its segment stands beside it to be asked. */
static int emit_answers(struct dump *m, enum dump_kind kind, const struct seg_info *info)
{
	struct answers a = { 0 };
	struct diag why = { 0 };
	int rc, code = open_answers(m, kind, info, &a, &why);

	if (code == 0 && a.entity)
		tell_entities(m, a.entity);
	if (code == 0 && a.word)
		tell_words(m, a.word);
	rc = dump_emit(m, "sidecar", why.off < 0 ? 0 : (uint64_t)why.off, 0, code, why.text);
	if (rc == 0 && code == 0 && a.type)
		rc = emit_type_entries(m, a.type);
	if (rc == 0 && code == 0 && a.cube)
		rc = emit_cube_values(m, a.cube);
	if (rc == 0 && code == 0 && a.cube)
		rc = emit_cube_tables(m, a.cube);
	sidx_type_close(&a.type);
	sidx_entity_close(&a.entity);
	sidx_word_close(&a.word);
	sidx_cube_close(&a.cube);
	return rc;
}

int dump_sidecar(struct dump *m, enum dump_kind kind)
{
	struct seg_reader *reader = NULL;
	struct sidecar s = { 0 };
	char seg[DIAG_FILE_BYTES];
	size_t n = strlen(m->name);
	int rc = emit_sidecar_head(m, &s);

	if (rc == 0 && s.holds)
		rc = emit_directory(m, &s);
	if (rc < 0 || n < 4 || n >= sizeof seg)
		return rc;
	snprintf(seg, sizeof seg, "%.*s.seg", (int)(n - 4), m->name);
	if (seg_reader_open(m->vfs, m->dir, seg, &reader, NULL) < 0)
		return 0;
	rc = emit_answers(m, kind, seg_reader_info(reader));
	seg_reader_close(&reader);
	return rc;
}
