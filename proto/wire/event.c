#include "proto/wire/event.h"

#include <string.h>
#include <strings.h>

#include "proto/base/check.h"

static const char *const text_names[EVENT_TEXT_COUNT] = {
	[EVENT_TEXT_EVENT_TYPE] = "event_type",
	[EVENT_TEXT_ENTITY_TYPE] = "entity_type",
	[EVENT_TEXT_ENTITY_ID] = "entity_id",
	[EVENT_TEXT_USER_ID] = "user_id",
	[EVENT_TEXT_DESCRIPTION] = "description",
	[EVENT_TEXT_IP_ADDRESS] = "ip_address",
	[EVENT_TEXT_USER_AGENT] = "user_agent",
	[EVENT_TEXT_SERVICE] = "service",
	[EVENT_TEXT_HOST] = "host",
};

static const char *const severity_names[EVENT_SEVERITY_COUNT] = {
	"emergency",
	"alert",
	"critical",
	"error",
	"warning",
	"notice",
	"info",
	"debug",
};

static const struct {
	const char *word;
	enum event_severity severity;
} severity_words[] = {
	{ "emerg", EVENT_SEVERITY_EMERGENCY },
	{ "panic", EVENT_SEVERITY_EMERGENCY },
	{ "crit", EVENT_SEVERITY_CRITICAL },
	{ "fatal", EVENT_SEVERITY_CRITICAL },
	{ "err", EVENT_SEVERITY_ERROR },
	{ "warn", EVENT_SEVERITY_WARNING },
	{ "informational", EVENT_SEVERITY_INFO },
	{ "information", EVENT_SEVERITY_INFO },
	{ "trace", EVENT_SEVERITY_DEBUG },
};

static const struct {
	const char *name;
	enum event_severity severity;
} etypes[] = {
#define ETYPE(name, severity, meaning) { name, severity },
#include "proto/wire/etype.def"
#undef ETYPE
};

static bool same_word(struct span s, const char *word)
{
	return s.n == strlen(word) && strncasecmp((const char *)s.p, word, s.n) == 0;
}

const char *event_text_name(enum event_text field)
{
	ASSERT(field < EVENT_TEXT_COUNT);
	return text_names[field];
}

int event_text_find(struct span name)
{
	for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
		if (span_eq(name, span_str(text_names[i])))
			return i;
	}
	return -1;
}

size_t event_bytes(const struct event *ev)
{
	size_t n = ev->metadata.n;

	for (int t = 0; t < EVENT_TEXT_COUNT; t++)
		n += ev->text[t].n;
	return n;
}

const char *event_severity_name(enum event_severity severity)
{
	ASSERT(severity < EVENT_SEVERITY_COUNT);
	return severity_names[severity];
}

int event_severity_find(struct span word)
{
	if (word.n == 1 && word.p[0] >= '0' && word.p[0] <= '7')
		return word.p[0] - '0';
	for (int i = 0; i < EVENT_SEVERITY_COUNT; i++) {
		if (same_word(word, severity_names[i]))
			return i;
	}
	for (size_t i = 0; i < ARRAY_COUNT(severity_words); i++) {
		if (same_word(word, severity_words[i].word))
			return severity_words[i].severity;
	}
	return -1;
}

enum event_severity event_severity_default(struct span event_type)
{
	for (size_t i = 0; i < ARRAY_COUNT(etypes); i++) {
		if (span_eq(event_type, span_str(etypes[i].name)))
			return etypes[i].severity;
	}
	return EVENT_SEVERITY_INFO;
}
