#include "collector/rules.h"

#include <inttypes.h>
#include <stddef.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/rule/rule.h"
#include "proto/svc/logger.h"
#include "storage/retain_class.h"

enum { PROBLEMS_BYTES = 64 << 10 };

static bool is_class(
	const struct conf *conf, const struct retain_class_set *running, const char *name)
{
	if (running && !retain_class_rule(running, name))
		return false;
	return strcmp(name, RETAIN_CLASS_DEFAULT) == 0 || conf_class_find(&conf->classes, name);
}

static int check_classes(
	const struct conf *conf, const struct retain_class_set *running, struct buf *problems)
{
	int rc = 0;

	for (size_t i = 0; i < conf->rules.count; i++) {
		const struct conf_rule *rule = &conf->rules.list[i];

		for (size_t k = 0; k < rule->lines_count; k++) {
			const struct conf_rule_line *l = &rule->lines[k];

			if (l->key != CONF_RULE_CLASS || is_class(conf, running, l->text))
				continue;
			rc = ERR_UNKNOWN;
			buf_printf(problems,
				"%s:%u: [rule %s] class: there is no section [class %s]%s\n",
				conf->rules.file, l->line, rule->name, l->text,
				running ? ", or there was none at the start" : "");
		}
	}
	return rc;
}

int rules_check(
	const struct conf *conf, const struct retain_class_set *running, struct buf *problems)
{
	struct rule_set *set = NULL;
	int rc = rule_set_new(&conf->rules, clock_wall_ns(), &set, problems);
	int classes = check_classes(conf, running, problems);

	rule_set_free(&set);
	return rc < 0 ? rc : classes;
}

void rules_apply(struct collector *c)
{
	struct rule_set *set = NULL;
	struct buf problems;
	int rc = 0;

	buf_init(&problems, PROBLEMS_BYTES);
	if (!c->intake.rules)
		rc = rule_run_new(&c->intake.rules);
	if (rc == 0)
		rc = rule_set_new(&c->conf.rules, clock_wall_ns(), &set, &problems);
	if (rc == 0)
		rc = rule_run_use(c->intake.rules, &set);
	if (rc < 0)
		LOGGER(LOGGER_ERROR, "config", "the rules are not applied: those before stay",
			LOGGER_STR("reason", err_text(rc)));
	rule_set_free(&set);
	buf_fini(&problems);
}

/* ---- metrics ---- */

static const struct figure {
	const char *name, *help;
	size_t at; /* of a uint64_t in struct rule_counts */
} figures[] = {
	{ "matched", "Events that the rule applied to.", offsetof(struct rule_counts, matched) },
	{ "dropped", "Events that the rule dropped, or sampled away.",
		offsetof(struct rule_counts, dropped) },
	{ "masked", "Texts in which the rule masked something.",
		offsetof(struct rule_counts, masked) },
	{ "given_up",
		"Texts on which a regular expression of the rule took too many steps: its masks "
		"are applied to the whole of them.",
		offsetof(struct rule_counts, given_up) },
	{ "unmapped", "Values that the rule could not put where they should go.",
		offsetof(struct rule_counts, unmapped) },
};

static void print_figure(const struct rule_run *run, const struct figure *f, struct buf *out)
{
	buf_printf(out, "# HELP astro_collector_rule_%s_total %s\n", f->name, f->help);
	buf_printf(out, "# TYPE astro_collector_rule_%s_total counter\n", f->name);
	for (size_t i = 0; i < rule_run_rules(run); i++) {
		struct rule_counts counts;
		const char *rule = rule_run_counts(run, i, &counts);
		uint64_t n;

		memcpy(&n, (const char *)&counts + f->at, sizeof n);
		buf_printf(out, "astro_collector_rule_%s_total{rule=\"%s\"} %" PRIu64 "\n", f->name,
			rule, n);
	}
}

void rules_print(const struct collector *c, struct buf *out)
{
	const struct rule_run *run = c->intake.rules;

	if (!run || rule_run_rules(run) == 0)
		return;
	for (size_t i = 0; i < ARRAY_COUNT(figures); i++)
		print_figure(run, &figures[i], out);
}
