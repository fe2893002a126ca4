/*
 * http_alerts - POST /api/alerts: alerts, stored as ALERT events. One object, an array, or one on each line.
 *
 *	plain         {"severity", "description" or "message", "title", "source", ...}: as /api/logs, but that the
 *	              type is ALERT, a description is found in `title`, `summary` or `name` too, and a service in
 *	              `source`
 *	Alertmanager  {"alerts": [{"status", "labels", "annotations", "startsAt", "endsAt", "fingerprint"}], ...}, its
 *	              webhook; or such alerts themselves
 */
#ifndef COLLECTOR_HTTP_ALERTS_H
#define COLLECTOR_HTTP_ALERTS_H

#include "collector/http_intake.h"

extern const struct http_intake_shape http_alerts_shape;

#endif
