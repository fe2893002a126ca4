/*
 * example - logs some orders by libastrolabe, and waits until they are safe.
 *
 *	cc -o example example.c $(pkg-config --cflags --libs astrolabe)
 *	./example [TO [COUNT]]        tcp://127.0.0.1:24224, 10
 */
#include <astrolabe/client.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void on_error(void *arg, int code, const char *text)
{
	(void)arg;
	(void)code;
	fprintf(stderr, "example: %s\n", text);
}

/* One order that was paid: known fields, and metadata with a map and a list in it. */
static void fill(struct astro_client_event *ev, int64_t number)
{
	char id[32];

	snprintf(id, sizeof id, "ORD-%06" PRId64, number);
	astro_client_event_reset(ev);
	astro_client_event_str(ev, "event_type", "PAYMENT");
	astro_client_event_str(ev, "entity_type", "order");
	astro_client_event_str(ev, "entity_id", id);
	astro_client_event_str(ev, "user_id", "anna");
	astro_client_event_str(ev, "description", "order was paid");
	astro_client_event_map(ev, "metadata");
	astro_client_event_int(ev, "number", number);
	astro_client_event_float(ev, "amount", (double)number + 0.25);
	astro_client_event_bool(ev, "gift", number % 2 == 0);
	astro_client_event_map(ev, "card");
	astro_client_event_str(ev, "brand", "visa");
	astro_client_event_uint(ev, "last4", 4242);
	astro_client_event_end(ev);
	astro_client_event_list(ev, "items");
	astro_client_event_str(ev, NULL, "tea");
	astro_client_event_str(ev, NULL, "cup");
	astro_client_event_end(ev);
	astro_client_event_end(ev);
}

int main(int argc, char **argv)
{
	struct astro_client_conf conf = ASTRO_CLIENT_CONF_INIT;
	struct astro_client_counts counts = ASTRO_CLIENT_COUNTS_INIT;
	struct astro_client_event *ev = astro_client_event_new();
	struct astro_client *client = NULL;
	int64_t count = argc > 2 ? atoll(argv[2]) : 10;
	int rc;

	conf.to = argc > 1 ? argv[1] : NULL;
	conf.tag = "shop";
	conf.full = ASTRO_CLIENT_FULL_WAIT; /* a service would rather refuse, and count */
	conf.error = on_error;
	rc = ev ? astro_client_open(&conf, &client) : -1;
	for (int64_t number = 1; number <= count && rc == 0; number++) {
		fill(ev, number);
		rc = astro_client_log(client, ev);
	}
	if (rc == 0)
		rc = astro_client_flush(client, 60000);
	if (client)
		astro_client_get_counts(client, &counts);
	printf("%" PRIu64 " logged, %" PRIu64 " acked, %" PRIu64 " frames, %" PRIu64
	       " resent, %" PRIu64 " connections\n",
		counts.logged, counts.acked, counts.frames, counts.frames_resent,
		counts.connections);
	if (rc < 0)
		fprintf(stderr, "example: %s\n", astro_client_strerror(rc));
	astro_client_close(&client, 1000);
	astro_client_event_free(&ev);
	return rc < 0;
}
