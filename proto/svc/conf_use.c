#include "proto/svc/conf_use.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/svc/daemon.h"
#include "proto/svc/logger.h"

/* A file has a MiB at most, and what is printed of it is about as long. */
enum { TEXT_BYTES = 2 << 20 };

/* The next line of the text, without its end; false after the last. */
static bool next_line(struct span *text, struct span *out_line)
{
	const uint8_t *nl;
	size_t n;

	if (text->n == 0)
		return false;
	nl = memchr(text->p, '\n', text->n);
	n = nl ? (size_t)(nl - text->p) : text->n;
	*out_line = span_of(text->p, n);
	n += nl != NULL;
	*text = span_of(text->p + n, text->n - n);
	return true;
}

bool conf_use_load(struct conf *conf, const char *file, const char *program)
{
	struct buf problems;
	struct span rest, line;
	int rc;

	buf_init(&problems, TEXT_BYTES);
	rc = conf_load(conf, file, &problems);
	rest = buf_span(&problems);
	while (rc < 0 && next_line(&rest, &line))
		fprintf(stderr, "%s: %.*s\n", program, (int)line.n, (const char *)line.p);
	buf_fini(&problems);
	return rc == 0;
}

void conf_use_print(struct conf *conf)
{
	struct buf text;

	buf_init(&text, TEXT_BYTES);
	conf_print(conf, &text);
	fwrite(text.p, 1, text.len, stdout);
	buf_fini(&text);
	puts("configuration ok");
}

static void log_change(void *arg, int key, bool applied)
{
	const struct conf *conf = arg;
	char name[96] = "[class ...]";

	if (key == CONF_CHANGED_RULES) {
		LOGGER(LOGGER_NOTICE, "config", "changed", LOGGER_STR("key", "[rule ...]"));
		return;
	}
	if (key != CONF_CHANGED_CLASSES)
		snprintf(name, sizeof name, "[%s] %s", conf_entry(key)->section,
			conf_entry(key)->name);
	if (applied)
		LOGGER(LOGGER_NOTICE, "config", "changed", LOGGER_STR("key", name),
			LOGGER_STR("value", conf_shown(conf, key)));
	else
		LOGGER(LOGGER_WARNING, "config", "changed, but takes effect with a restart only",
			LOGGER_STR("key", name));
}

/* A manager that waits for the reload (Type=notify-reload) wants to know when it began. */
static void tell_reloading(void)
{
	char text[64];

	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
		clock_mono_ns() / CLOCK_NS_PER_US);
	daemon_notify(text);
}

void conf_use_reread(struct conf *conf, void (*apply)(void *arg), void *arg)
{
	struct buf problems;
	struct span rest, line;

	tell_reloading();
	buf_init(&problems, TEXT_BYTES);
	if (conf_reload(conf, log_change, conf, &problems) == 0) {
		apply(arg);
		LOGGER(LOGGER_NOTICE, "config", "reread");
	} else {
		rest = buf_span(&problems);
		while (next_line(&rest, &line))
			LOGGER(LOGGER_ERROR, "config", "not reread", LOGGER_SPAN("problem", line));
	}
	buf_fini(&problems);
	daemon_notify("READY=1");
}
