/*
 * pump - sends datagrams that were made before, as fast as the kernel takes them or at a steady rate:
 * a sender that is not the bottleneck of a bench.
 *
 *     pump udp HOST PORT RATE COUNT FILE
 *     pump unix PATH - RATE COUNT FILE
 *
 * FILE holds datagrams, each after its length as u32 of this machine's order; they are sent again from
 * the first on until COUNT have gone. RATE is datagrams a second, 0: no pause. Prints how many went.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, BURSTS_PER_SECOND = 1000 };

static struct iovec *datagrams;
static size_t datagrams_count;

static void die(const char *what)
{
	fprintf(stderr, "pump: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *p;
	size_t at = 0, room = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(path);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED)
		die(path);
	while (at + 4 <= (size_t)st.st_size) {
		uint32_t n;

		memcpy(&n, p + at, sizeof n);
		if (datagrams_count == room) {
			room = room ? room * 2 : 1024;
			datagrams = realloc(datagrams, room * sizeof *datagrams);
			if (!datagrams)
				die("memory");
		}
		datagrams[datagrams_count++] = (struct iovec){ p + at + 4, n };
		at += 4 + n;
	}
	close(fd);
}

static int connect_udp(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *ai;
	int fd;

	if (getaddrinfo(host, port, &hints, &ai) != 0)
		die(host);
	fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		die(host);
	freeaddrinfo(ai);
	return fd;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&sa, sizeof sa) < 0)
		die(path);
	return fd;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void wait_until(double due_s)
{
	double left = due_s - now_s();
	struct timespec t = { (time_t)left, (long)((left - (double)(time_t)left) * 1e9) };

	if (left > 0)
		nanosleep(&t, NULL);
}

static size_t send_some(int fd, size_t first, size_t count)
{
	struct mmsghdr messages[BATCH] = { 0 };
	int n;

	if (count > BATCH)
		count = BATCH;
	for (size_t i = 0; i < count; i++) {
		messages[i].msg_hdr.msg_iov = &datagrams[(first + i) % datagrams_count];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	n = sendmmsg(fd, messages, (unsigned)count, 0);
	if (n < 0 && errno != EINTR && errno != ENOBUFS && errno != EAGAIN)
		die("send");
	return n < 0 ? 0 : (size_t)n;
}

int main(int argc, char **argv)
{
	size_t sent = 0, count, burst;
	double rate, begin;
	int fd;

	if (argc != 7) {
		fprintf(stderr, "usage: pump udp|unix HOST|PATH PORT|- RATE COUNT FILE\n");
		return 2;
	}
	rate = atof(argv[4]);
	count = strtoull(argv[5], NULL, 10);
	load(argv[6]);
	if (datagrams_count == 0)
		return 2;
	fd = strcmp(argv[1], "udp") == 0 ? connect_udp(argv[2], argv[3]) : connect_unix(argv[2]);
	begin = now_s();
	while (sent < count) {
		burst = rate > 0 ? (size_t)(rate / BURSTS_PER_SECOND) + 1 : BATCH;
		if (burst > count - sent)
			burst = count - sent;
		while (burst > 0) {
			size_t n = send_some(fd, sent, burst);

			sent += n;
			burst -= n;
		}
		if (rate > 0)
			wait_until(begin + (double)sent / rate);
	}
	printf("%zu\n", sent);
	close(fd);
	return 0;
}
