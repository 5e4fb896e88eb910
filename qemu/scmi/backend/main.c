// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "backend.h"
#include "util.h"

#define CLIENTS_MAX	4
#define LINE_MAX_LEN	256
#define REDIAL_US	50000

static const char usage_text[] =
"Usage: scmi-backend --socket|--connect PATH --control PATH [OPTION]...\n"
"       scmi-backend ctl CONTROL-PATH COMMAND...\n"
"\n"
"A vhost-user SCMI device for QEMU's vhost-user-scmi, made for tests: base,\n"
"power domain, clock, reset and voltage protocols, with faults on demand.\n"
"\n"
"  --socket PATH    listen here for QEMU (-chardev socket,path=PATH)\n"
"  --connect PATH   connect to QEMU, which listens here (-chardev socket,\n"
"                   path=PATH,server=on,wait=on), again and again: with QEMU\n"
"                   10.0 the only way that survives a disconnection, since its\n"
"                   vhost-user-scmi cannot start with reconnect-ms=\n"
"  --control PATH   listen here for the commands below, one a line\n"
"  --state FILE     keep the platform's state in FILE, so that it outlives us\n"
"  --async          offer asynchronous clock, reset and voltage commands\n"
"  --verbose        log each command\n"
"  --help           this\n"
"\n"
"It prints \"ready\" when its sockets exist. The second form sends one command\n"
"and prints the answer; the exit status is 0 only if the command was done.\n"
"\n"
"A front-end that comes back finds the platform as it was. QEMU then sets up\n"
"the queues where the used ring ends, so a command that was not answered is\n"
"there again. The same holds for a back-end that was killed and started again,\n"
"if it has --state; otherwise the platform starts anew. What a guest subscribed\n"
"to stays, too: 'reset' before another guest starts.\n"
"\n"
"counters: message P:M is how often message M of protocol P came, responses P\n"
"how many delayed responses the guest got to those of protocol P. masked and\n"
"unmasked are the commands that came while the driver had, or had not, set\n"
"VRING_AVAIL_F_NO_INTERRUPT; with the event index (switch it off by event_idx=off\n"
"at QEMU's -device) a driver does not use that flag. calls and no_calls are the\n"
"answers for which it got an interrupt, or wanted none. malformed are buffers\n"
"without room for a header or an answer, lost are commands that a stop left\n"
"unanswered. last_us is when the last command came, now_us is now, both of\n"
"CLOCK_MONOTONIC. broken names the queue that is not looked at any more, and why.\n"
"\n"
"Commands:\n";

static int stopped;

static void stop(int sig)
{
	(void)sig;
	__atomic_store_n(&stopped, 1, __ATOMIC_RELAXED);
}

#define die(format, ...) do {						\
	fprintf(stderr, "error: " format "\n", ##__VA_ARGS__);		\
	exit(1);							\
} while (0)

static __u64 now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
}

/* ---- sockets ------------------------------------------------------------- */

static int unix_socket(const char *path, struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("no socket: %s", strerror(errno));
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(addr->sun_path))
		die("%s is too long for a socket; use a shorter path", path);
	memcpy(addr->sun_path, path, strlen(path));
	return fd;
}

/* A socket that a killed process left behind is in the way; a file is not ours */
static void remove_socket(const char *path)
{
	struct stat st;

	if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
		unlink(path);
}

static int listen_on(const char *path)
{
	struct sockaddr_un addr;
	int fd = unix_socket(path, &addr);

	remove_socket(path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(fd, CLIENTS_MAX))
		die("cannot listen on %s: %s", path, strerror(errno));
	return fd;
}

/* The rest of a message has to follow at once. */
static void set_timeout(int fd)
{
	struct timeval limit = { .tv_sec = 1 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

/* ---- scmi-backend ctl ---------------------------------------------------- */

static int ctl(int argc, char **argv)
{
	char line[4096];
	struct sockaddr_un addr;
	FILE *stream;
	int i, fd;

	if (argc < 2)
		die("name a control socket and a command; see --help");
	fd = unix_socket(argv[0], &addr);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("cannot connect to %s: %s", argv[0], strerror(errno));
	stream = fdopen(fd, "r+");
	if (!stream)
		die("no memory");
	for (i = 1; i < argc; i++)
		fprintf(stream, "%s ", argv[i]);
	fputc('\n', stream);
	fflush(stream);

	while (fgets(line, sizeof(line), stream)) {
		if (!strcmp(line, "ok\n"))
			return 0;
		if (!strncmp(line, "error: ", 7)) {
			fputs(line, stderr);
			return 1;
		}
		fputs(line, stdout);
	}
	die("the back-end has gone");
}

/* ---- the server ---------------------------------------------------------- */

struct client {
	int fd;
	size_t len;
	char line[LINE_MAX_LEN];
};

struct server {
	struct backend b;
	const char *path;
	bool dial;		/* the front-end listens, not we */
	int listener, conn;
	int control;
	struct client client[CLIENTS_MAX];
};

static void hang_up(struct server *s)
{
	if (s->conn < 0)
		return;
	close_fd(&s->conn);
	backend_disconnect(&s->b);
}

static void stop_listening(struct server *s)
{
	if (s->listener >= 0)
		remove_socket(s->path);
	close_fd(&s->listener);
}

static void connected(struct server *s, int fd)
{
	if (fd < 0)
		return;
	set_timeout(fd);
	s->conn = fd;
	s->b.counters.connections++;
}

static void dial(struct server *s)
{
	struct sockaddr_un addr;
	int fd = unix_socket(s->path, &addr);

	s->b.listen_at = s->b.now + REDIAL_US;	/* if it fails, or ends soon */
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		close_fd(&fd);
	connected(s, fd);
}

static void connection(struct server *s)
{
	if (s->b.disconnect) {
		s->b.disconnect = false;
		stop_listening(s);
		hang_up(s);	/* last: who sees it connects again at once */
	}
	if (s->listener >= 0 || s->conn >= 0 || s->b.now < s->b.listen_at)
		return;
	if (s->dial)
		dial(s);
	else
		s->listener = listen_on(s->path);
}

static void front_end(struct server *s)
{
	if (s->conn < 0)
		connected(s, accept4(s->listener, NULL, NULL, SOCK_CLOEXEC));
	else if (vu_receive(&s->b, s->conn))
		hang_up(s);
}

static void new_client(struct server *s)
{
	int i, fd = accept4(s->control, NULL, NULL, SOCK_CLOEXEC);

	for (i = 0; i < CLIENTS_MAX; i++) {
		if (s->client[i].fd < 0) {
			s->client[i].fd = fd;
			s->client[i].len = 0;
			return;
		}
	}
	close_fd(&fd);
}

static bool answer_client(struct server *s, struct client *c)
{
	char *text = NULL;
	size_t size;
	ssize_t sent;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		die("no memory");
	control_line(&s->b, c->line, out);
	fclose(out);
	/* Who does not read what he asked for does not get it. */
	sent = send(c->fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	free(text);
	return sent == (ssize_t)size;
}

static bool read_client(struct server *s, struct client *c)
{
	ssize_t got = recv(c->fd, c->line + c->len, LINE_MAX_LEN - 1 - c->len,
			   MSG_DONTWAIT);
	char *end;

	if (got <= 0)
		return false;
	c->len += got;
	while ((end = memchr(c->line, '\n', c->len))) {
		size_t rest = c->line + c->len - (end + 1);

		*end = '\0';
		if (!answer_client(s, c))
			return false;
		memmove(c->line, end + 1, rest);
		c->len = rest;
	}
	return c->len < LINE_MAX_LEN - 1;
}

static void drain(int fd)
{
	__u64 value;

	if (read(fd, &value, sizeof(value)) < 0)
		return;
}

static void wait_and_serve(struct server *s, const sigset_t *mask)
{
	struct pollfd fds[2 + QUEUES + CLIENTS_MAX];
	struct timespec wait, *timeout = NULL;
	__u64 due = backend_due(&s->b);
	unsigned int i;

	if (s->listener < 0 && s->conn < 0 && s->b.listen_at < due)
		due = s->b.listen_at;
	if (due != NEVER) {
		due = due > s->b.now ? due - s->b.now : 0;
		wait.tv_sec = due / 1000000;
		wait.tv_nsec = due % 1000000 * 1000;
		timeout = &wait;
	}
	fds[0].fd = s->conn < 0 ? s->listener : s->conn;
	fds[1].fd = s->control;
	for (i = 0; i < QUEUES; i++)
		fds[2 + i].fd = queue_running(&s->b.queue[i]) ?
				s->b.queue[i].kick : -1;
	for (i = 0; i < CLIENTS_MAX; i++)
		fds[2 + QUEUES + i].fd = s->client[i].fd;
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i].events = POLLIN;
	if (ppoll(fds, ARRAY_SIZE(fds), timeout, mask) < 0)
		return;

	s->b.now = now_us();
	for (i = 0; i < QUEUES; i++) {
		if (fds[2 + i].revents)
			drain(fds[2 + i].fd);
	}
	for (i = 0; i < CLIENTS_MAX; i++) {
		if (fds[2 + QUEUES + i].revents &&
		    !read_client(s, &s->client[i]))
			close_fd(&s->client[i].fd);
	}
	if (fds[1].revents)
		new_client(s);
	if (fds[0].revents)
		front_end(s);
}

static struct scmi_state *map_state(const char *path)
{
	const int prot = PROT_READ | PROT_WRITE;
	struct scmi_state *state;
	int fd = -1, flags = MAP_PRIVATE | MAP_ANONYMOUS;

	if (path) {
		flags = MAP_SHARED;
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 || ftruncate(fd, sizeof(*state)))
			die("cannot use %s: %s", path, strerror(errno));
	}
	state = mmap(NULL, sizeof(*state), prot, flags, fd, 0);
	if (state == MAP_FAILED)
		die("cannot map the state: %s", strerror(errno));
	close_fd(&fd);
	return state;
}

static void serve(struct server *s, const char *control)
{
	struct sigaction action = { .sa_handler = stop };
	sigset_t mask, old;
	int i;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, &old);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);

	for (i = 0; i < CLIENTS_MAX; i++)
		s->client[i].fd = -1;
	s->conn = -1;
	s->control = listen_on(control);
	s->listener = s->dial ? -1 : listen_on(s->path);
	puts("ready");
	fflush(stdout);

	s->b.now = now_us();
	while (!__atomic_load_n(&stopped, __ATOMIC_RELAXED)) {
		connection(s);
		backend_run(&s->b);
		wait_and_serve(s, &old);
	}
	hang_up(s);
	stop_listening(s);
	remove_socket(control);
}

int main(int argc, char **argv)
{
	enum { SOCKET, CONNECT, CONTROL, STATE, ASYNC, VERBOSE, HELP };
	static const struct option options[] = {
		{ "socket", required_argument, NULL, SOCKET },
		{ "connect", required_argument, NULL, CONNECT },
		{ "control", required_argument, NULL, CONTROL },
		{ "state", required_argument, NULL, STATE },
		{ "async", no_argument, NULL, ASYNC },
		{ "verbose", no_argument, NULL, VERBOSE },
		{ "help", no_argument, NULL, HELP },
		{}
	};
	const char *control = NULL, *state_path = NULL;
	static struct server s;
	bool async = false, verbose = false;
	int option;

	if (argc > 1 && !strcmp(argv[1], "ctl"))
		return ctl(argc - 2, argv + 2);

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case SOCKET:
		case CONNECT:
			s.path = optarg;
			s.dial = option == CONNECT;
			break;
		case CONTROL:
			control = optarg;
			break;
		case STATE:
			state_path = optarg;
			break;
		case ASYNC:
			async = true;
			break;
		case VERBOSE:
			verbose = true;
			break;
		case HELP:
			printf("%s%s", usage_text, control_help);
			return 0;
		default:
			die("%s is no option, or lacks its argument; see --help",
			    argv[optind - 1]);
		}
	}
	if (!s.path || !control || optind != argc)
		die("--socket or --connect, and --control, are needed; see --help");

	backend_init(&s.b, map_state(state_path));
	s.b.scmi.async = async;
	s.b.verbose = verbose;
	if (!scmi_state_ok(s.b.scmi.state))
		backend_reset(&s.b);
	serve(&s, control);
	return 0;
}
