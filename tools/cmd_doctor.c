#include "tools/cmd_doctor.h"

#include "tools/doctor.h"
#include "tools/doctor_dir.h"
#include "tools/doctor_http.h"

#define COLLECTOR_DEFAULT "http://127.0.0.1:24280"

int cmd_doctor_run(struct cmd_run *r, bool *out_failed, bool *out_warned, struct diag *d)
{
	const struct cmd_args *a = r->args;
	struct doctor doctor;
	struct buf text;
	int rc = 0;

	doctor_init(&doctor);
	if (a->dir)
		doctor_dir_check(&doctor, a->dir);
	if (a->addr)
		doctor_http_query(&doctor, a->addr);
	if (a->collector || !a->dir)
		doctor_http_collector(&doctor, a->collector ? a->collector : COLLECTOR_DEFAULT,
			a->collector != NULL);
	buf_init(&text, SIZE_MAX);
	doctor_put(&doctor, a->format_given ? a->format : SHOW_SHORT, &r->term, &text);
	if (text.err || doctor.rows.err)
		rc = diag_set(d, text.err ? text.err : doctor.rows.err, "", -1,
			"no memory for the findings");
	else
		cmd_run_text(r, buf_span(&text));
	r->shown = doctor_count(&doctor);
	*out_failed = doctor.counts[DOCTOR_FAIL] > 0;
	*out_warned = doctor.counts[DOCTOR_WARN] > 0;
	buf_fini(&text);
	doctor_fini(&doctor);
	return rc;
}
