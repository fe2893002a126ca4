#include "tools/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child: a pager, or at least something that copies its input. */
_Noreturn static void run_pager(const char *command, int in)
{
	signal(SIGPIPE, SIG_DFL);
	dup2(in, STDIN_FILENO);
	/* F: leave when it fits one page; R: colours; S: cut long lines; X: leave the screen alone. */
	setenv("LESS", "FRSX", 0);
	setenv("LESSCHARSET", "utf-8", 0);
	if (command) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	} else {
		execlp("less", "less", (char *)NULL);
		execlp("more", "more", (char *)NULL);
	}
	execlp("cat", "cat", (char *)NULL);
	_exit(127);
}

static const char *pager_command(void)
{
	const char *command = getenv("ASTRO_PAGER");

	return command ? command : getenv("PAGER");
}

static void start_pager(struct sink *s)
{
	const char *command = pager_command();
	int ends[2];

	if (command && (!*command || strcmp(command, "cat") == 0))
		return;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	s->pager = fork();
	if (s->pager == 0)
		run_pager(command, ends[0]);
	close(ends[0]);
	if (s->pager < 0) {
		close(ends[1]);
		s->pager = 0;
		return;
	}
	s->fd = ends[1];
}

void sink_open(struct sink *s, bool pager)
{
	*s = (struct sink){ .fd = STDOUT_FILENO };
	buf_init(&s->buf, SIZE_MAX);
	signal(SIGPIPE, SIG_IGN);
	if (pager)
		start_pager(s);
}

void sink_flush(struct sink *s)
{
	size_t at = 0;

	while (at < s->buf.len && !s->gone && !s->err) {
		ssize_t n = write(s->fd, s->buf.p + at, s->buf.len - at);

		if (n >= 0) {
			at += (size_t)n;
			s->bytes += (uint64_t)n;
		} else if (errno == EPIPE) {
			s->gone = true;
		} else if (errno != EINTR) {
			s->err = -errno;
		}
	}
	buf_reset(&s->buf);
}

void sink_drain(struct sink *s)
{
	if (s->buf.err)
		s->err = s->buf.err;
	if (s->gone || s->err)
		buf_reset(&s->buf);
	else if (s->buf.len >= SINK_BYTES)
		sink_flush(s);
}

void sink_put(struct sink *s, struct span text)
{
	buf_put_span(&s->buf, text);
	sink_drain(s);
}

bool sink_is_gone(struct sink *s)
{
	struct pollfd p = { .fd = s->fd };

	/* Only a pipe tells before a write. */
	if (!s->gone && poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP)))
		s->gone = true;
	return s->gone;
}

int sink_close(struct sink *s)
{
	int err;

	sink_flush(s);
	if (s->pager) {
		close(s->fd);
		/* The terminal is the pager's: Ctrl-C is for it. */
		signal(SIGINT, SIG_IGN);
		while (waitpid(s->pager, NULL, 0) < 0 && errno == EINTR)
			;
		signal(SIGINT, SIG_DFL);
	}
	err = s->err;
	buf_fini(&s->buf);
	return err;
}
