#include "proto/syslog/syslog_sd.h"

#include "proto/base/check.h"

struct scan {
	const uint8_t *p;
	const uint8_t *end;
};

static bool take(struct scan *s, char c)
{
	bool there = s->p < s->end && *s->p == (uint8_t)c;

	s->p += there;
	return there;
}

/* An SD-NAME: up to a space, an equals sign, a bracket or a quote. */
static bool name(struct scan *s, struct span *out)
{
	const uint8_t *from = s->p;

	while (s->p<s->end && * s->p> ' ' && *s->p != '=' && *s->p != ']' && *s->p != '"' &&
		*s->p != 0x7f)
		s->p++;
	*out = span_of(from, (size_t)(s->p - from));
	return out->n > 0;
}

/* Of a value the opening quote is taken; takes the closing one. */
static bool value(struct scan *s, struct syslog_sd_param *out)
{
	const uint8_t *from = s->p;

	for (; s->p < s->end; s->p++) {
		if (*s->p == '"') {
			out->value = span_of(from, (size_t)(s->p - from));
			s->p++;
			return true;
		}
		if (*s->p != '\\' || s->p + 1 == s->end)
			continue;
		if (s->p[1] == '"' || s->p[1] == '\\' || s->p[1] == ']') {
			out->escaped = true;
			s->p++;
		}
	}
	return false;
}

static bool param(struct scan *s, struct syslog_sd *sd)
{
	struct syslog_sd_param *p = &sd->params[sd->params_count];

	if (sd->params_count == LIMIT_SYSLOG_PARAMS)
		return false;
	p->escaped = false;
	if (!name(s, &p->name) || !take(s, '='))
		return false;
	take(s, ' ');
	if (!take(s, '"') || !value(s, p))
		return false;
	sd->params_count++;
	return true;
}

/* Of an element the opening bracket is taken. */
static bool element(struct scan *s, struct syslog_sd *sd)
{
	struct syslog_sd_element *e = &sd->elements[sd->elements_count];

	if (sd->elements_count == LIMIT_SYSLOG_ELEMENTS || !name(s, &e->id))
		return false;
	e->first = sd->params_count;
	while (take(s, ' ')) {
		/* Some put a space before the closing bracket. */
		if (s->p < s->end && *s->p == ']')
			break;
		if (!param(s, sd))
			return false;
	}
	e->count = sd->params_count - e->first;
	sd->elements_count++;
	return take(s, ']');
}

size_t syslog_sd_read(struct span text, struct syslog_sd *out)
{
	struct scan s = { text.p, span_end(text) };

	out->elements_count = out->params_count = 0;
	while (take(&s, '[')) {
		if (element(&s, out))
			continue;
		out->elements_count = out->params_count = 0;
		return 0;
	}
	return (size_t)(s.p - text.p);
}

size_t syslog_sd_unescape(struct span v, uint8_t *dst)
{
	size_t n = 0;

	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '\\' && i + 1 < v.n &&
			(v.p[i + 1] == '"' || v.p[i + 1] == '\\' || v.p[i + 1] == ']'))
			i++;
		dst[n++] = v.p[i];
	}
	ASSERT(n <= v.n);
	return n;
}
