// SPDX-License-Identifier: GPL-2.0
/*
 * Usage: scmi-test BACKEND [TEST]
 *
 * Plays QEMU and its guest against the back-end BACKEND, a process of its own
 * for each test, and prints KTAP. A back-end that a sanitizer stopped, or that
 * lost memory, fails its test by its exit status.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_ring.h>

#include "backend.h"
#include "util.h"

/* What we share is in the middle of the file, to see what is written beside. */
#define PAGE		0x1000ULL
#define FILE_SIZE	(34 * PAGE)
#define OFFSET		PAGE
#define SIZE		(32 * PAGE)
#define GUEST		0x40000000ULL
#define USER		0x7f1234560000ULL
#define CANARY		0xa5

#define NUM		16
#define RING(q)		((q) * 2 * PAGE)
#define DESC(q)		RING(q)
#define AVAIL(q)	(RING(q) + NUM * sizeof(struct vring_desc))
#define USED(q)		(RING(q) + PAGE)
#define DATA		(8 * PAGE)
#define BUFFER(q, i)	(DATA + (q) * 8 * PAGE + (i) * 0x200)	/* out, in */
#define INDIRECT	(24 * PAGE)

#define SOON		5000	/* ms that anything may take at most */

enum {
	GET_FEATURES = 1, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE,
	SET_LOG_BASE, SET_LOG_FD, SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE,
	GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR,
	GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM,
	SET_VRING_ENABLE, RESET_DEVICE = 34, SET_STATUS = 39, GET_STATUS,
};

#define F_P2A		BIT_ULL(0)
#define F_INDIRECT	BIT_ULL(28)
#define F_EVENT_IDX	BIT_ULL(29)
#define F_PROTOCOL	BIT_ULL(30)
#define F_VERSION_1	BIT_ULL(32)
#define F_DEFAULT	(F_P2A | F_INDIRECT | F_PROTOCOL | F_VERSION_1)

static const char *backend_path;
static char folder[32];
static char socket_path[64], control_path[64], state_path[64];
static const char *const no_options[] = { NULL };

static pid_t pid = -1;
static int conn = -1, ram_fd = -1;
static __u8 *file, *ram;	/* the whole, and what the back-end gets */
static struct {
	int kick, call, err;
	__u16 avail, used;
} queue[QUEUES];
static bool failed;

static bool expect(bool ok, int line, const char *what)
{
	if (!ok) {
		printf("# line %d: %s\n", line, what);
		failed = true;
	}
	return ok;
}

#define EXPECT(x)	expect(x, __LINE__, #x)
#define EXPECT_EQ(a, b) expect_eq(a, b, __LINE__, #a " == " #b)

static bool expect_eq(long long a, long long b, int line, const char *what)
{
	if (!expect(a == b, line, what))
		printf("#   %lld (%#llx), wanted %lld (%#llx)\n", a, a, b, b);
	return a == b;
}

static void bail_out(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	if (pid > 0)
		kill(pid, SIGKILL);
	exit(1);
}

static __u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

static void nap(unsigned int ms)
{
	usleep(ms * 1000);
}

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* Whether an eventfd was signalled; clears it */
static bool signalled(int fd, int ms)
{
	__u64 value;

	return readable(fd, ms) && read(fd, &value, sizeof(value)) > 0;
}

/* ---- the process --------------------------------------------------------- */

static int try_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = SOON / 1000 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncat(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static void start_backend(const char *const *options)
{
	const char *argv[10] = {
		backend_path, "--socket", socket_path, "--control",
		control_path,
	};
	unsigned int i;
	char ready[6];
	int out[2];

	for (i = 5; *options; i++)
		argv[i] = *options++;
	if (pipe(out))
		bail_out("pipe");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		execv(backend_path, (char **)argv);
		_exit(127);
	}
	close(out[1]);
	if (read(out[0], ready, 6) != 6 || memcmp(ready, "ready\n", 6))
		bail_out("the back-end does not start");
	close(out[0]);
}

static void stop_backend(void)
{
	__u64 until = now_ms() + SOON;
	int status = -1;

	kill(pid, SIGTERM);
	while (!waitpid(pid, &status, WNOHANG)) {
		if (now_ms() > until)
			kill(pid, SIGKILL);
		nap(1);
	}
	pid = -1;
	EXPECT_EQ(status, 0);
}

/* ---- the control socket -------------------------------------------------- */

static char answer[8192];	/* of the last command, without ok or error */

static bool ends_with(const char *end)
{
	size_t len = strlen(answer), n = strlen(end);

	return len >= n && !strcmp(answer + len - n, end);
}

/* Reads one answer; true if it is "ok" */
static bool ctl_answer(int fd)
{
	char *last;
	size_t n = 0;
	ssize_t got;

	answer[0] = '\0';
	do {
		got = recv(fd, answer + n, sizeof(answer) - 1 - n, 0);
		if (got <= 0)
			return false;
		n += got;
		answer[n] = '\0';
		last = strstr(answer, "error: ");
	} while (!ends_with("ok\n") && !(last && ends_with("\n")));
	return !last;
}

static bool ctl(const char *line)
{
	int fd = try_connect(control_path);
	bool ok = fd >= 0 && dprintf(fd, "%s\n", line) > 0 && ctl_answer(fd);

	close(fd);
	return ok;
}

/* The number behind "name " in the answer's line that begins with start */
static long long value(const char *command, const char *start, const char *name)
{
	char *line, *end, *at;

	if (!ctl(command))
		return -1;
	for (line = answer; *line; line = end + 1) {
		end = strchr(line, '\n');
		*end = '\0';
		if (strncmp(line, start, strlen(start)))
			continue;
		at = strstr(line + strlen(start), name);
		if (at)
			return atoll(at + strlen(name));
	}
	return -1;
}

static long long state(const char *start, const char *name)
{
	return value("state", start, name);
}

static long long counter(const char *name)
{
	return value("counters", name, " ");
}

static void wait_counter(const char *name, long long least)
{
	__u64 until = now_ms() + SOON;
	long long n;

	while ((n = counter(name)) >= 0 && n < least && now_ms() < until)
		nap(1);
	EXPECT(n >= least);
}

/* ---- vhost-user ---------------------------------------------------------- */

static bool vu_send(__u32 request, __u32 flags, const void *payload, __u32 size,
		    const int *fds, unsigned int n_fds)
{
	__u32 header[3] = { request, 1 | flags, size };
	struct iovec iov[] = { { header, 12 }, { (void *)payload, size } };
	char control[CMSG_SPACE(16 * sizeof(int))] = {};
	struct msghdr hdr = { .msg_iov = iov, .msg_iovlen = 2 };

	if (n_fds) {
		hdr.msg_control = control;
		hdr.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		CMSG_FIRSTHDR(&hdr)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&hdr)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&hdr)->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&hdr)), fds,
		       n_fds * sizeof(int));
	}
	return sendmsg(conn, &hdr, MSG_NOSIGNAL) == 12 + (ssize_t)size;
}

/* The answer's payload as a number: of 64 bits, or its second half */
static long long vu_answer(__u32 request)
{
	__u32 header[3];
	__u32 payload[2];

	if (recv(conn, header, 12, MSG_WAITALL) != 12 ||
	    header[0] != request || header[1] != 5 || header[2] != 8 ||
	    recv(conn, payload, 8, MSG_WAITALL) != 8)
		return -1;
	if (request == GET_VRING_BASE)
		return payload[1];
	return payload[0] | (__u64)payload[1] << 32;
}

static long long vu_get(__u32 request)
{
	return vu_send(request, 0, NULL, 0, NULL, 0) ? vu_answer(request) : -1;
}

/* Sends something and asks how it went: 0 is well */
static long long vu_try(__u32 request, const void *payload, __u32 size,
			const int *fds, unsigned int n_fds)
{
	return vu_send(request, 8, payload, size, fds, n_fds) ?
	       vu_answer(request) : -1;
}

static long long vu_set(__u32 request, __u64 number)
{
	return vu_try(request, &number, sizeof(number), NULL, 0);
}

static long long vu_fd(__u32 request, __u64 number, int fd)
{
	return vu_try(request, &number, sizeof(number), &fd, 1);
}

static long long vu_vring(__u32 request, __u32 index, __u32 number)
{
	__u32 payload[] = { index, number };

	return vu_try(request, payload, sizeof(payload), NULL, 0);
}

struct table {
	__u32 n, padding;
	struct mem_desc region[2];
};

static long long vu_mem(const struct table *table, unsigned int n_fds)
{
	int fds[] = { ram_fd, ram_fd };

	return vu_try(SET_MEM_TABLE, table,
		      8 + table->n * sizeof(struct mem_desc), fds, n_fds);
}

static long long vu_addr(__u32 index, __u64 desc, __u64 avail, __u64 used)
{
	struct {
		__u32 index, flags;
		__u64 desc, used, avail, log;
	} payload = { index, 0, USER + desc, USER + used, USER + avail, 0 };

	return vu_try(SET_VRING_ADDR, &payload, sizeof(payload), NULL, 0);
}

static const struct table one_region = {
	1, 0, { { GUEST, SIZE, USER, OFFSET } }
};

/* As QEMU does when the driver has set DRIVER_OK */
static void start_queue(unsigned int q, __u16 base)
{
	EXPECT_EQ(vu_vring(SET_VRING_NUM, q, NUM), 0);
	EXPECT_EQ(vu_vring(SET_VRING_BASE, q, base), 0);
	EXPECT_EQ(vu_addr(q, DESC(q), AVAIL(q), USED(q)), 0);
	EXPECT_EQ(vu_fd(SET_VRING_KICK, q, queue[q].kick), 0);
	EXPECT_EQ(vu_fd(SET_VRING_CALL, q, queue[q].call), 0);
	EXPECT_EQ(vu_fd(SET_VRING_ERR, q, queue[q].err), 0);
	EXPECT_EQ(vu_vring(SET_VRING_ENABLE, q, 1), 0);
}

static void connect_front_end(__u64 features)
{
	close_fd(&conn);
	conn = try_connect(socket_path);
	EXPECT(conn >= 0);
	EXPECT_EQ(vu_set(SET_FEATURES, features), 0);
	EXPECT_EQ(vu_mem(&one_region, 1), 0);
}

static void reset_queue(unsigned int q)
{
	memset(ram + RING(q), 0, 2 * PAGE);
	queue[q].avail = 0;
	queue[q].used = 0;
}

static void start(__u64 features, const char *const *options)
{
	unsigned int q;

	failed = false;
	memset(file, CANARY, FILE_SIZE);
	for (q = 0; q < QUEUES; q++) {
		reset_queue(q);
		queue[q].kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		queue[q].call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		queue[q].err = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	}
	start_backend(options);
	connect_front_end(features);
	start_queue(CMDQ, 0);
	if (features & F_P2A)
		start_queue(EVENTQ, 0);
}

static void check_canary(void)
{
	size_t i;

	for (i = 0; i < PAGE; i++) {
		if (file[i] != CANARY || file[OFFSET + SIZE + i] != CANARY)
			break;
	}
	EXPECT_EQ(i, PAGE);
}

static void end(void)
{
	unsigned int q;

	stop_backend();
	close_fd(&conn);
	check_canary();
	for (q = 0; q < QUEUES; q++) {
		close_fd(&queue[q].kick);
		close_fd(&queue[q].call);
		close_fd(&queue[q].err);
	}
}

/* ---- the driver ---------------------------------------------------------- */

static struct vring_desc *desc_of(unsigned int q)
{
	return (struct vring_desc *)(ram + DESC(q));
}

static struct vring_avail *avail_of(unsigned int q)
{
	return (struct vring_avail *)(ram + AVAIL(q));
}

static struct vring_used *used_of(unsigned int q)
{
	return (struct vring_used *)(ram + USED(q));
}

static void set_desc(struct vring_desc *d, __u64 guest, __u32 len, __u16 flags,
		     __u16 next)
{
	d->addr = htole64(guest);
	d->len = htole32(len);
	d->flags = htole16(flags);
	d->next = htole16(next);
}

static void kick(unsigned int q)
{
	__u64 one = 1;

	EXPECT(write(queue[q].kick, &one, sizeof(one)) == sizeof(one));
}

static void make_available(unsigned int q, __u16 head)
{
	avail_of(q)->ring[queue[q].avail++ % NUM] = htole16(head);
	__atomic_store_n(&avail_of(q)->idx, htole16(queue[q].avail),
			 __ATOMIC_SEQ_CST);
}

static __u16 used_idx(unsigned int q)
{
	return le16toh(__atomic_load_n(&used_of(q)->idx, __ATOMIC_SEQ_CST));
}

/* Waits for the next used buffer; returns its length, its head in *head */
static long long get_used(unsigned int q, __u32 *head, unsigned int ms)
{
	struct vring_used_elem *e = &used_of(q)->ring[queue[q].used % NUM];
	__u64 until = now_ms() + ms;

	while (used_idx(q) == queue[q].used) {
		if (now_ms() >= until)
			return -1;
		nap(1);
	}
	queue[q].used++;
	*head = le32toh(e->id);
	return le32toh(e->len);
}

/* What came back for a command at the descriptors slot and slot + 1 */
struct reply {
	long long len;		/* -1: none came */
	__u32 header;
	__s32 status;
	__u32 word[64];
};

#define ROOM	200

static __u16 token;

/* word: the header, which gets a new token here, and the arguments */
static void put_command(unsigned int slot, __u32 room, const __u32 *word,
			unsigned int n)
{
	struct vring_desc *d = desc_of(CMDQ) + slot;
	__u32 *out = (__u32 *)(ram + BUFFER(CMDQ, slot));
	unsigned int i;

	for (i = 0; i < n; i++)
		out[i] = htole32(word[i]);
	out[0] |= htole32((__u32)(++token & 0x3ff) << 18);
	memset(ram + BUFFER(CMDQ, slot + 1), CANARY, 0x200);
	set_desc(d, GUEST + BUFFER(CMDQ, slot), 4 * n, VRING_DESC_F_NEXT,
		 slot + 1);
	set_desc(d + 1, GUEST + BUFFER(CMDQ, slot + 1), room,
		 VRING_DESC_F_WRITE, 0);
}

#define COUNT(...)	ARRAY_SIZE(((__u32[]){ __VA_ARGS__ }))
#define PUT(slot, room, ...) \
	put_command(slot, room, (__u32[]){ __VA_ARGS__ }, COUNT(__VA_ARGS__))

static struct reply get_reply(unsigned int slot, unsigned int ms)
{
	const __u32 *in = (__u32 *)(ram + BUFFER(CMDQ, slot + 1));
	struct reply reply = {};
	unsigned int i;
	__u32 head;

	reply.len = get_used(CMDQ, &head, ms);
	if (reply.len < 0)
		return reply;
	EXPECT_EQ(head, slot);
	EXPECT(reply.len <= 0x200);
	EXPECT_EQ(ram[BUFFER(CMDQ, slot + 1) + reply.len], CANARY);
	reply.header = le32toh(in[0]);
	reply.status = le32toh(in[1]);
	for (i = 0; i < 64; i++)
		reply.word[i] = le32toh(in[2 + i]);
	return reply;
}

static void send_command(unsigned int slot, const __u32 *word, unsigned int n)
{
	put_command(slot, ROOM, word, n);
	make_available(CMDQ, slot);
	kick(CMDQ);
}

static struct reply ask(const __u32 *word, unsigned int n)
{
	struct reply reply;

	send_command(0, word, n);
	reply = get_reply(0, SOON);
	if (reply.len >= 4)
		EXPECT_EQ(reply.header,
			  word[0] | (__u32)(token & 0x3ff) << 18);
	return reply;
}

#define SEND_WORDS(slot, ...) \
	send_command(slot, (__u32[]){ __VA_ARGS__ }, COUNT(__VA_ARGS__))
#define SEND(slot, protocol, id, ...) \
	SEND_WORDS(slot, SCMI_HDR(protocol, SCMI_COMMAND, id), ##__VA_ARGS__)
#define ASK_WORDS(...)	ask((__u32[]){ __VA_ARGS__ }, COUNT(__VA_ARGS__))
#define ASK(protocol, id, ...) \
	ASK_WORDS(SCMI_HDR(protocol, SCMI_COMMAND, id), ##__VA_ARGS__)

/* The command has to have this status, and nothing with it */
#define EXPECT_STATUS(wanted, ...) do {			\
	struct reply r_ = ASK(__VA_ARGS__);		\
							\
	EXPECT_EQ(r_.status, wanted);			\
	EXPECT_EQ(r_.len, 8);				\
} while (0)

static void put_event_buffer(unsigned int slot, __u32 size)
{
	memset(ram + BUFFER(EVENTQ, slot), CANARY, 0x200);
	set_desc(desc_of(EVENTQ) + slot, GUEST + BUFFER(EVENTQ, slot), size,
		 VRING_DESC_F_WRITE, 0);
	make_available(EVENTQ, slot);
	kick(EVENTQ);
}

/* Waits for an event of n words, header included */
static const __u32 *get_event(unsigned int n, unsigned int ms)
{
	static __u32 word[8];
	__u32 head = 0;

	EXPECT_EQ(get_used(EVENTQ, &head, ms), 4 * n);
	memcpy(word, ram + BUFFER(EVENTQ, head), sizeof(word));
	return word;
}

#define CLOCK_EVENT	SCMI_HDR(SCMI_CLOCK, SCMI_NOTIFICATION, 0)
#define DOMAIN_EVENT	SCMI_HDR(SCMI_POWER, SCMI_NOTIFICATION, 0)

/* ---- the tests: control plane -------------------------------------------- */

static void test_features(void)
{
	__u64 all = F_DEFAULT | F_EVENT_IDX;

	EXPECT_EQ(vu_get(GET_FEATURES), all);
	EXPECT_EQ(vu_set(SET_FEATURES, all | BIT_ULL(34)), 1);
	EXPECT_EQ(vu_get(GET_PROTOCOL_FEATURES),
		  BIT_ULL(0) | BIT_ULL(3) | BIT_ULL(13) | BIT_ULL(16));
	EXPECT_EQ(vu_set(SET_PROTOCOL_FEATURES, BIT_ULL(3)), 0);
	EXPECT_EQ(vu_set(SET_PROTOCOL_FEATURES, BIT_ULL(9)), 1);
	EXPECT_EQ(vu_get(GET_QUEUE_NUM), 2);
	EXPECT_EQ(vu_try(SET_OWNER, NULL, 0, NULL, 0), 0);
	EXPECT_EQ(vu_try(RESET_OWNER, NULL, 0, NULL, 0), 0);
}

/* A front-end without the protocol features has no SET_VRING_ENABLE. */
static void test_enabled_by_kick(void)
{
	EXPECT_EQ(vu_try(RESET_DEVICE, NULL, 0, NULL, 0), 0);
	reset_queue(CMDQ);
	EXPECT_EQ(vu_set(SET_FEATURES, F_VERSION_1), 0);
	EXPECT_EQ(vu_vring(SET_VRING_BASE, CMDQ, 0), 0);
	EXPECT_EQ(vu_fd(SET_VRING_KICK, CMDQ, queue[CMDQ].kick), 0);
	EXPECT_EQ(ASK(SCMI_BASE, 0).word[0], 0x20001);
}

/* A disabled queue is left alone, and goes on without a new kick. */
static void test_enable(void)
{
	EXPECT(ctl("delay 200"));
	SEND(0, SCMI_BASE, 0);
	wait_counter("delayed", 1);
	EXPECT_EQ(vu_vring(SET_VRING_ENABLE, CMDQ, 0), 0);
	nap(400);
	EXPECT(ctl("state"));	/* whatever else it does meanwhile */
	EXPECT_EQ(used_idx(CMDQ), 0);
	EXPECT_EQ(vu_vring(SET_VRING_ENABLE, CMDQ, 1), 0);
	EXPECT_EQ(get_reply(0, SOON).status, SCMI_SUCCESS);
	EXPECT(ctl("delay 0"));

	EXPECT_EQ(vu_vring(SET_VRING_ENABLE, CMDQ, 0), 0);
	SEND(0, SCMI_BASE, 0);
	EXPECT_EQ(get_reply(0, 100).len, -1);
	EXPECT_EQ(vu_vring(SET_VRING_ENABLE, CMDQ, 1), 0);
	EXPECT_EQ(get_reply(0, SOON).status, SCMI_SUCCESS);
}

static void test_status(void)
{
	EXPECT_EQ(vu_set(SET_STATUS, 15), 0);
	EXPECT_EQ(vu_get(GET_STATUS), 15);
	EXPECT_EQ(counter("resets"), 0);
	EXPECT_EQ(vu_set(SET_STATUS, 256), 1);
	EXPECT_EQ(vu_set(SET_STATUS, 0), 0);
	EXPECT_EQ(counter("resets"), 1);
	EXPECT_EQ(counter("cmdq_running"), 0);
	EXPECT_EQ(counter("eventq_running"), 0);
}

/* A reset takes the queues but not what the platform is. */
static void test_reset(void)
{
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 7, 1, 1, 0);
	EXPECT_EQ(vu_try(RESET_DEVICE, NULL, 0, NULL, 0), 0);
	EXPECT_EQ(counter("cmdq_running"), 0);
	EXPECT_EQ(state("clock 1 ", "enabled "), 1);
	reset_queue(CMDQ);
	start_queue(CMDQ, 0);
	EXPECT_EQ(ASK(SCMI_BASE, 0).word[0], 0x20001);
}

/* After a stop, the driver goes on where it was. */
static void test_stop_and_go(void)
{
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 7, 1, 1, 0);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 7, 2, 1, 0);
	EXPECT(vu_send(GET_VRING_BASE, 0, (__u32[]){ CMDQ, 0 }, 8, NULL, 0));
	EXPECT_EQ(vu_answer(GET_VRING_BASE), 2);
	EXPECT_EQ(counter("cmdq_running"), 0);
	EXPECT_EQ(counter("stops"), 1);
	start_queue(CMDQ, 2);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 7, 1, 0, 0);
	EXPECT_EQ(state("clock 1 ", "enabled "), 0);
	EXPECT_EQ(value("state stop", "clock 1 ", "enabled "), 1);
}

/* What is only slow is answered before the queue stops, what is held is not. */
static void test_stop_with_commands(void)
{
	EXPECT(ctl("delay 60000"));
	SEND(0, SCMI_CLOCK, 7, 1, 1, 0);
	wait_counter("delayed", 1);
	EXPECT(ctl("fault hold 1"));
	SEND(2, SCMI_CLOCK, 7, 2, 1, 0);
	wait_counter("held", 1);
	EXPECT(vu_send(GET_VRING_BASE, 0, (__u32[]){ CMDQ, 0 }, 8, NULL, 0));
	EXPECT_EQ(vu_answer(GET_VRING_BASE), 2);
	EXPECT_EQ(get_reply(0, 0).status, SCMI_SUCCESS);
	EXPECT_EQ(used_idx(CMDQ), 1);
	EXPECT_EQ(state("clock 1 ", "enabled "), 1);
	EXPECT_EQ(state("clock 2 ", "enabled "), 0);
	EXPECT_EQ(counter("lost"), 1);
}

/* Each of these is refused, and the connection goes on. */
static void test_refused(void)
{
	static const struct table overlap = {
		2, 0, { { GUEST, SIZE, USER, OFFSET },
			{ GUEST + SIZE - 1, PAGE, USER + SIZE, 0 } }
	}, user_overlap = {
		2, 0, { { GUEST, SIZE, USER, OFFSET },
			{ GUEST + SIZE, PAGE, USER + SIZE - 1, 0 } }
	}, beyond = {
		1, 0, { { GUEST, FILE_SIZE + 1, USER, 0 } }
	}, wrap = {
		1, 0, { { -PAGE, 2 * PAGE, USER, 0 } }
	}, offset_wrap = {
		1, 0, { { GUEST, 2 * PAGE, USER, -PAGE } }
	}, empty = {
		1, 0, { { GUEST, 0, USER, 0 } }
	};
	const struct table *const tables[] = {
		&overlap, &user_overlap, &beyond, &wrap, &offset_wrap, &empty,
	};
	__u64 many[2 + 9 * 4] = { 9 };
	int event = eventfd(0, EFD_CLOEXEC);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tables); i++)
		EXPECT_EQ(vu_mem(tables[i], tables[i]->n), 1);
	EXPECT_EQ(vu_mem(&one_region, 0), 1);
	EXPECT_EQ(vu_mem(&one_region, 2), 1);
	EXPECT_EQ(vu_try(SET_MEM_TABLE, &one_region, 8, &ram_fd, 1), 1);
	EXPECT_EQ(vu_try(SET_MEM_TABLE, many, 8 + 8 * 32, &ram_fd, 1), 1);
	EXPECT_EQ(vu_try(SET_MEM_TABLE, &one_region, 40, &event, 1), 1);
	EXPECT_EQ(vu_mem(&one_region, 1), 0);

	/* of a running queue */
	EXPECT_EQ(vu_vring(SET_VRING_NUM, CMDQ, NUM), 1);
	EXPECT_EQ(vu_vring(SET_VRING_BASE, CMDQ, 0), 1);
	EXPECT_EQ(vu_addr(CMDQ, DESC(0), AVAIL(0), USED(0)), 1);
	EXPECT_EQ(vu_fd(SET_VRING_KICK, CMDQ, event), 1);

	EXPECT_EQ(vu_try(RESET_DEVICE, NULL, 0, NULL, 0), 0);
	EXPECT_EQ(vu_vring(SET_VRING_NUM, 2, NUM), 1);
	EXPECT_EQ(vu_vring(SET_VRING_NUM, CMDQ, 0), 1);
	EXPECT_EQ(vu_vring(SET_VRING_NUM, CMDQ, 3), 1);
	EXPECT_EQ(vu_vring(SET_VRING_NUM, CMDQ, 2048), 1);
	EXPECT_EQ(vu_vring(SET_VRING_BASE, CMDQ, 0x10000), 1);
	EXPECT_EQ(vu_vring(SET_VRING_BASE, 2, 0), 1);
	EXPECT_EQ(vu_vring(SET_VRING_ENABLE, 2, 1), 1);
	EXPECT_EQ(vu_vring(SET_VRING_ENABLE, CMDQ, 2), 1);
	EXPECT_EQ(vu_addr(2, DESC(0), AVAIL(0), USED(0)), 1);
	EXPECT_EQ(vu_set(SET_VRING_KICK, 0), 1);
	EXPECT_EQ(vu_set(SET_VRING_KICK, 0x100), 1);
	EXPECT_EQ(vu_fd(SET_VRING_KICK, 2, event), 1);
	EXPECT_EQ(vu_fd(SET_VRING_CALL, 2, event), 1);
	EXPECT_EQ(vu_fd(SET_VRING_CALL, 0x100, event), 1);
	EXPECT_EQ(vu_set(SET_VRING_CALL, 0x200), 1);
	EXPECT_EQ(vu_fd(SET_VRING_ERR, 2, event), 1);
	EXPECT_EQ(vu_fd(SET_FEATURES, F_DEFAULT, event), 1);
	EXPECT_EQ(vu_vring(SET_LOG_BASE, 0, 0), 1);
	EXPECT_EQ(vu_vring(1000, 0, 0), 1);
	EXPECT_EQ(vu_try(SET_OWNER, many, 4, NULL, 0), 1);
	close(event);
}

/* A queue does not start on rings that are not all shared, or not aligned. */
static void test_refused_rings(void)
{
	static const struct {
		__u64 desc, avail, used;
	} bad[] = {
		{ SIZE - 16, AVAIL(0), USED(0) },
		{ DESC(0), SIZE - 4, USED(0) },
		{ DESC(0), AVAIL(0), SIZE - 8 },
		{ -16ULL, AVAIL(0), USED(0) },
		{ DESC(0) + 8, AVAIL(0), USED(0) },
		{ DESC(0), AVAIL(0) + 1, USED(0) },
		{ DESC(0), AVAIL(0), USED(0) + 2 },
	};
	unsigned int i;

	EXPECT_EQ(vu_try(RESET_DEVICE, NULL, 0, NULL, 0), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(vu_addr(CMDQ, bad[i].desc, bad[i].avail, bad[i].used),
			  0);
		EXPECT_EQ(vu_fd(SET_VRING_KICK, CMDQ, queue[CMDQ].kick), 1);
	}
	reset_queue(CMDQ);
	start_queue(CMDQ, 0);
	EXPECT_EQ(ASK(SCMI_BASE, 0).word[0], 0x20001);
}

/* Open files of the back-end that are such */
static unsigned int count_fds(const char *what)
{
	char path[64], target[256];
	struct dirent *entry;
	unsigned int n = 0;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		len = readlinkat(dirfd(dir), entry->d_name, target,
				 sizeof(target) - 1);
		target[len > 0 ? len : 0] = '\0';
		if (strstr(target, what))
			n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

static unsigned int count_mappings(const char *what)
{
	char path[64], line[512];
	unsigned int n = 0;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	in = fopen(path, "r");
	while (in && fgets(line, sizeof(line), in))
		if (strstr(line, what))
			n++;
	if (in)
		fclose(in);
	return n;
}

/* After a stop it has no kick any more, after the end nothing of us at all. */
static void test_lets_go(void)
{
	__u64 until = now_ms() + SOON;

	EXPECT_EQ(count_mappings("memfd:ram"), 1);
	EXPECT_EQ(count_fds("memfd:ram"), 0);
	EXPECT_EQ(count_fds("eventfd"), 6);
	EXPECT_EQ(vu_try(RESET_DEVICE, NULL, 0, NULL, 0), 0);
	EXPECT_EQ(count_fds("eventfd"), 4);
	EXPECT_EQ(vu_fd(SET_FEATURES, F_DEFAULT, ram_fd), 1);
	EXPECT_EQ(count_fds("memfd:ram"), 0);
	close_fd(&conn);
	while (count_fds("eventfd") && now_ms() < until)
		nap(1);
	EXPECT_EQ(count_fds("eventfd"), 0);
	EXPECT_EQ(count_mappings("memfd:ram"), 0);
}

static bool closed(void)
{
	char byte;

	return !recv(conn, &byte, 1, 0);
}

/* Without the wish for an answer, only the end tells what is wrong. */
static void test_connection_ends(void)
{
	__u32 header[3] = { SET_FEATURES, 1, 100000 };

	EXPECT(vu_send(1000, 0, NULL, 0, NULL, 0));
	EXPECT(closed());
	connect_front_end(F_DEFAULT);
	EXPECT(vu_send(SET_VRING_NUM, 0, NULL, 0, NULL, 0));
	EXPECT(closed());
	connect_front_end(F_DEFAULT);
	EXPECT_EQ(send(conn, header, 12, 0), 12);	/* longer than any */
	EXPECT(closed());
	connect_front_end(F_DEFAULT);
	EXPECT_EQ(send(conn, header, 5, 0), 5);		/* half a header */
	EXPECT(closed());
	connect_front_end(F_DEFAULT);
	header[2] = 8;					/* no payload */
	EXPECT_EQ(send(conn, header, 12, 0), 12);
	EXPECT(closed());
	connect_front_end(F_DEFAULT);
	EXPECT_EQ(vu_vring(GET_VRING_BASE, 2, 0), -1);	/* no answer of ours */
	connect_front_end(F_DEFAULT);
	EXPECT_EQ(counter("connections"), 7);
}

/* ---- the tests: protocols ------------------------------------------------ */

static void test_base(void)
{
	struct reply r = ASK(SCMI_BASE, 0);

	EXPECT_EQ(r.len, 12);
	EXPECT_EQ(r.word[0], 0x20001);
	EXPECT_EQ(ASK(SCMI_BASE, 1).word[0], 4 | 1 << 8);
	EXPECT_EQ(ASK(SCMI_BASE, 2, 6).status, SCMI_SUCCESS);
	EXPECT_STATUS(SCMI_NOT_FOUND, SCMI_BASE, 2, 0x20);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_BASE, 0x10, 0x20001);
	EXPECT_STATUS(SCMI_NOT_SUPPORTED, SCMI_BASE, 0x10, 0x30000);
	r = ASK(SCMI_BASE, 3);
	EXPECT_EQ(r.len, 24);
	EXPECT(!strcmp((char *)r.word, "virtio-noirq"));
	EXPECT_EQ(ASK(SCMI_BASE, 4).len, 24);
	EXPECT_EQ(ASK(SCMI_BASE, 5).len, 12);
	r = ASK(SCMI_BASE, 6, 0);
	EXPECT_EQ(r.word[0], 4);
	EXPECT_EQ(r.word[1], SCMI_POWER | SCMI_CLOCK << 8 | SCMI_RESET << 16 |
		  (__u32)SCMI_VOLTAGE << 24);
	r = ASK(SCMI_BASE, 6, 3);
	EXPECT_EQ(r.word[0], 1);
	EXPECT_EQ(r.word[1], SCMI_VOLTAGE);
	EXPECT_STATUS(SCMI_INVALID_PARAMETERS, SCMI_BASE, 6, 4);
	r = ASK(SCMI_BASE, 7, 1);
	EXPECT_EQ(r.word[0], 1);
	EXPECT(!strcmp((char *)&r.word[1], "OSPM"));
	EXPECT_EQ(ASK(SCMI_BASE, 7, -1).word[0], 1);
	EXPECT_STATUS(SCMI_NOT_FOUND, SCMI_BASE, 7, 2);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_BASE, 8, 1);
}

static void test_clock(void)
{
	struct reply r;

	EXPECT_EQ(ASK(SCMI_CLOCK, 0).word[0], 0x30000);
	EXPECT_EQ(ASK(SCMI_CLOCK, 1).word[0], 4);
	r = ASK(SCMI_CLOCK, 3, 1);
	EXPECT_EQ(r.len, 8 + 24);
	EXPECT_EQ(r.word[0], 0x80000000);
	EXPECT(!strcmp((char *)&r.word[1], "bus"));
	EXPECT_EQ(ASK(SCMI_CLOCK, 6, 1).word[0], 24000000);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 5, 0, 1, 28000000, 0);
	EXPECT_EQ(ASK(SCMI_CLOCK, 6, 1).word[0], 28000000);
	EXPECT_EQ(state("clock 1 ", "rate "), 28000000);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 7, 1, 1, 0);
	EXPECT_EQ(ASK(SCMI_CLOCK, 0xb, 1, 0).word[1], 1);
	EXPECT_EQ(ASK(SCMI_CLOCK, 3, 1).word[0], 0x80000001);
	EXPECT_EQ(state("clock 1 ", "enabled "), 1);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 7, 1, 0, 0);
	EXPECT_EQ(ASK(SCMI_CLOCK, 0xb, 1, 0).word[1], 0);
	EXPECT_STATUS(SCMI_INVALID_PARAMETERS, SCMI_CLOCK, 7, 1, 3, 0);
	EXPECT_STATUS(SCMI_NOT_SUPPORTED, SCMI_CLOCK, 7, 1, 0x10001, 0);
	EXPECT_STATUS(SCMI_NOT_SUPPORTED, SCMI_CLOCK, 0xb, 1, 1);
	EXPECT_EQ(value("counters", "message 0x14:0x6", " "), 2);
}

/* A range comes whole, a list in as many pieces as the buffers ask for. */
static void test_clock_rates(void)
{
	struct reply r = ASK(SCMI_CLOCK, 4, 1, 0);
	unsigned int n, total = 0;
	__u64 last = 0, rate;

	EXPECT_EQ(r.len, 12 + 3 * 8);
	EXPECT_EQ(r.word[0], 1 << 12 | 3);
	EXPECT_EQ(r.word[1], 24000000);
	EXPECT_EQ(r.word[3], 400000000);
	EXPECT_EQ(r.word[5], 4000000);
	do {
		PUT(0, 60, SCMI_HDR(SCMI_CLOCK, 0, 4), 2, total);
		make_available(CMDQ, 0);
		kick(CMDQ);
		r = get_reply(0, SOON);
		n = r.word[0] & 0xfff;
		EXPECT_EQ(r.len, 12 + n * 8);
		rate = r.word[1] | (__u64)r.word[2] << 32;
		EXPECT(n > 0 && n <= 6 && rate > last);
		last = rate;
		total += n;
		EXPECT_EQ(r.word[0] >> 16, 18 - total);
	} while (r.word[0] >> 16 && !failed);
	EXPECT_EQ(total, 18);
	EXPECT_STATUS(SCMI_INVALID_PARAMETERS, SCMI_CLOCK, 4, 2, 18);
	EXPECT_STATUS(SCMI_INVALID_PARAMETERS, SCMI_CLOCK, 4, 1, 1);
}

static void test_clock_rounding(void)
{
	static const struct {
		__u32 flags, rate, got;
	} cases[] = {
		{ 0, 31999999, 28000000 },	/* down */
		{ 4, 28000001, 32000000 },	/* up */
		{ 8, 29999999, 28000000 },	/* to the next */
		{ 8, 30000001, 32000000 },
		{ 4, 400000000, 400000000 },
		{ 0, 24000000, 24000000 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 5, cases[i].flags, 1,
			      cases[i].rate, 0);
		EXPECT_EQ(state("clock 1 ", "rate "), cases[i].got);
	}
	EXPECT_STATUS(SCMI_INVALID_PARAMETERS, SCMI_CLOCK, 5, 4, 1, 23999999, 0);
	EXPECT_STATUS(SCMI_INVALID_PARAMETERS, SCMI_CLOCK, 5, 0, 1, 400000001, 0);
	EXPECT_STATUS(SCMI_INVALID_PARAMETERS, SCMI_CLOCK, 5, 0, 1, 28000000, 1);
	EXPECT_STATUS(SCMI_NOT_SUPPORTED, SCMI_CLOCK, 5, 1, 1, 28000000, 0);
	EXPECT_EQ(state("clock 1 ", "rate "), 24000000);
}

static void test_voltage(void)
{
	struct reply r;

	EXPECT_EQ(ASK(SCMI_VOLTAGE, 0).word[0], 0x20001);
	EXPECT_EQ(ASK(SCMI_VOLTAGE, 1).word[0], 3);
	r = ASK(SCMI_VOLTAGE, 3, 0);
	EXPECT_EQ(r.len, 8 + 20);
	EXPECT(!strcmp((char *)&r.word[1], "core"));
	r = ASK(SCMI_VOLTAGE, 4, 0, 0);
	EXPECT_EQ(r.len, 12 + 3 * 4);
	EXPECT_EQ(r.word[0], 1 << 12 | 3);
	EXPECT_EQ(r.word[3], 25000);
	r = ASK(SCMI_VOLTAGE, 4, 1, 1);
	EXPECT_EQ(r.word[0], 2);
	EXPECT_EQ(r.word[1], 2500000);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_VOLTAGE, 5, 0, 7);
	EXPECT_EQ(ASK(SCMI_VOLTAGE, 6, 0).word[0], 7);
	EXPECT_EQ(state("supply 0 ", "enabled "), 1);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_VOLTAGE, 5, 0, 0);
	EXPECT_EQ(state("supply 0 ", "enabled "), 0);
	EXPECT_STATUS(SCMI_INVALID_PARAMETERS, SCMI_VOLTAGE, 5, 0, 1);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_VOLTAGE, 7, 0, 0, 625000);
	EXPECT_EQ(ASK(SCMI_VOLTAGE, 8, 0).word[0], 625000);
	EXPECT_EQ(state("supply 0 ", "level "), 625000);
	EXPECT_STATUS(SCMI_INVALID_PARAMETERS, SCMI_VOLTAGE, 7, 0, 0, 625001);
	EXPECT_STATUS(SCMI_INVALID_PARAMETERS, SCMI_VOLTAGE, 7, 0, 0, -625000);
	EXPECT_STATUS(SCMI_NOT_SUPPORTED, SCMI_VOLTAGE, 7, 0, 1, 650000);
	EXPECT_EQ(state("supply 0 ", "level "), 625000);
}

static void test_reset_domains(void)
{
	struct reply r;

	EXPECT_EQ(ASK(SCMI_RESET, 0).word[0], 0x30000);
	EXPECT_EQ(ASK(SCMI_RESET, 1).word[0], 2);
	r = ASK(SCMI_RESET, 3, 1);
	EXPECT_EQ(r.len, 8 + 24);
	EXPECT_EQ(r.word[0], 0);
	EXPECT(!strcmp((char *)&r.word[2], "gpu"));
	EXPECT_STATUS(SCMI_NOT_FOUND, SCMI_RESET, 3, 2);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_RESET, 4, 1, 1, 0);
	EXPECT_EQ(state("reset 1 ", "count "), 1);
	EXPECT_EQ(state("reset 1 ", "asserted "), 0);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_RESET, 4, 1, 2, 0);
	EXPECT_EQ(state("reset 1 ", "asserted "), 1);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_RESET, 4, 1, 0, 0);
	EXPECT_EQ(state("reset 1 ", "asserted "), 0);
	EXPECT_EQ(state("reset 1 ", "count "), 1);
	EXPECT_STATUS(SCMI_INVALID_PARAMETERS, SCMI_RESET, 4, 1, 1, 1);
	EXPECT_STATUS(SCMI_NOT_SUPPORTED, SCMI_RESET, 4, 1, 5, 0);
	EXPECT_EQ(state("reset 0 ", "count "), 0);
}

static void test_power(void)
{
	struct reply r;

	EXPECT_EQ(ASK(SCMI_POWER, 0).word[0], 0x30001);
	r = ASK(SCMI_POWER, 1);
	EXPECT_EQ(r.len, 8 + 16);
	EXPECT_EQ(r.word[0], 3);
	r = ASK(SCMI_POWER, 3, 1);
	EXPECT_EQ(r.word[0], 0xa0000000);
	EXPECT(!strcmp((char *)&r.word[1], "gpu"));
	EXPECT_EQ(ASK(SCMI_POWER, 5, 0).word[0], 0);
	EXPECT_EQ(ASK(SCMI_POWER, 5, 1).word[0], 0x40000000);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_POWER, 4, 0, 1, 0);
	EXPECT_EQ(ASK(SCMI_POWER, 5, 1).word[0], 0);
	EXPECT_EQ(state("domain 1 ", "on "), 1);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_POWER, 4, 0, 1, 0x40000000);
	EXPECT_EQ(state("domain 1 ", "on "), 0);
	EXPECT_STATUS(SCMI_INVALID_PARAMETERS, SCMI_POWER, 4, 0, 1, 1);
	EXPECT_STATUS(SCMI_NOT_SUPPORTED, SCMI_POWER, 4, 1, 1, 0);
	EXPECT_EQ(state("domain 1 ", "on "), 0);
}

static void test_wrong_commands(void)
{
	static const __u32 many[30] = {
		SCMI_HDR(SCMI_CLOCK, SCMI_COMMAND, 5)
	};
	struct reply r;

	EXPECT_STATUS(SCMI_NOT_SUPPORTED, 0x13, 0, 0);
	EXPECT_STATUS(SCMI_NOT_SUPPORTED, SCMI_CLOCK, 0x20, 0);
	EXPECT_STATUS(SCMI_PROTOCOL_ERROR, SCMI_CLOCK, 6, 1, 0);
	EXPECT_EQ(ASK(SCMI_CLOCK, 6).status, SCMI_PROTOCOL_ERROR);
	EXPECT_EQ(ask(many, ARRAY_SIZE(many)).status, SCMI_PROTOCOL_ERROR);
	EXPECT_STATUS(SCMI_NOT_FOUND, SCMI_CLOCK, 6, 4);
	EXPECT_STATUS(SCMI_NOT_FOUND, SCMI_CLOCK, 5, 0, 4, 1000000, 0);
	EXPECT_STATUS(SCMI_NOT_FOUND, SCMI_VOLTAGE, 8, 3);
	EXPECT_STATUS(SCMI_NOT_FOUND, SCMI_POWER, 5, -1);
	PUT(0, ROOM, SCMI_HDR(SCMI_CLOCK, SCMI_DELAYED, 6), 0);
	make_available(CMDQ, 0);
	kick(CMDQ);
	EXPECT_EQ(get_reply(0, SOON).status, SCMI_PROTOCOL_ERROR);

	/* no room for the value, only for the status */
	PUT(0, 15, SCMI_HDR(SCMI_CLOCK, SCMI_COMMAND, 6), 0);
	make_available(CMDQ, 0);
	kick(CMDQ);
	r = get_reply(0, SOON);
	EXPECT_EQ(r.status, SCMI_PROTOCOL_ERROR);
	EXPECT_EQ(r.len, 8);
	EXPECT_EQ(counter("other"), 1);
	EXPECT_EQ(counter("malformed"), 0);
}

/* ---- the tests: events --------------------------------------------------- */

static void test_notifications(void)
{
	const __u32 *word;

	put_event_buffer(0, 128);
	EXPECT(!ctl("notify clock 1"));
	EXPECT(ctl("set clock 1 rate 28000000"));
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 9, 1, 1);
	EXPECT_EQ(state("clock 1 ", "notify "), 1);
	EXPECT_EQ(used_idx(EVENTQ), 0);

	EXPECT(ctl("set clock 1 rate 32000000"));
	word = get_event(5, SOON);
	EXPECT(signalled(queue[EVENTQ].call, SOON));
	EXPECT_EQ(word[0], CLOCK_EVENT);
	EXPECT_EQ(word[1], SCMI_PLATFORM);
	EXPECT_EQ(word[2], 1);
	EXPECT_EQ(word[3], 32000000);
	EXPECT_EQ(word[4], 0);

	EXPECT_STATUS(SCMI_SUCCESS, SCMI_POWER, 6, 2, 1);
	put_event_buffer(1, 128);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_POWER, 4, 0, 2, 0);
	word = get_event(4, SOON);
	EXPECT_EQ(word[0], DOMAIN_EVENT);
	EXPECT_EQ(word[1], SCMI_AGENT);
	EXPECT_EQ(word[2], 2);
	EXPECT_EQ(word[3], 0);
	EXPECT_EQ(counter("events"), 2);

	EXPECT_STATUS(SCMI_SUCCESS, SCMI_POWER, 6, 2, 0);
	EXPECT(!ctl("notify domain 2"));
}

/* Without a buffer they wait, in order, and are not lost. */
static void test_notifications_wait(void)
{
	unsigned int i;

	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 9, 0, 1);
	EXPECT(ctl("set clock 0 rate 2000000"));
	EXPECT(ctl("set clock 0 rate 3000000"));
	EXPECT(ctl("set clock 0 rate 4000000"));
	EXPECT_EQ(counter("events_waiting"), 3);
	for (i = 1; i <= 3; i++) {
		put_event_buffer(i, 128);
		EXPECT_EQ(get_event(5, SOON)[3], (1 + i) * 1000000);
	}
	EXPECT_EQ(counter("events_waiting"), 0);
	for (i = 0; i < EVENTS_MAX + 1; i++)
		ctl("notify clock 0");
	EXPECT_EQ(counter("events_waiting"), EVENTS_MAX);
	EXPECT_EQ(counter("events_dropped"), 1);
	EXPECT(ctl("reset"));
	EXPECT_EQ(counter("events_waiting"), 0);
}

/* A driver that masks its interrupts gets the buffer and no interrupt. */
static void test_notify_masked(void)
{
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 9, 0, 1);
	avail_of(EVENTQ)->flags = htole16(VRING_AVAIL_F_NO_INTERRUPT);
	put_event_buffer(0, 128);
	EXPECT(ctl("notify clock 0"));
	get_event(5, SOON);
	EXPECT(!signalled(queue[EVENTQ].call, 50));
}

static void test_tick(void)
{
	unsigned int i;

	EXPECT_STATUS(SCMI_SUCCESS, SCMI_POWER, 6, 0, 1);
	for (i = 0; i < 4; i++)
		put_event_buffer(i, 128);
	EXPECT(ctl("tick 20 domain 0"));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(get_event(4, SOON)[0], DOMAIN_EVENT);
	EXPECT(ctl("tick 0"));
	i = counter("events_waiting");
	nap(100);
	EXPECT_EQ(counter("events_waiting"), i);
}

/* A guest without an event queue is told so. */
static void test_no_event_queue(void)
{
	EXPECT_STATUS(SCMI_NOT_SUPPORTED, SCMI_CLOCK, 9, 1, 1);
	EXPECT_STATUS(SCMI_NOT_SUPPORTED, SCMI_POWER, 6, 1, 1);
	EXPECT_STATUS(SCMI_NOT_SUPPORTED, SCMI_BASE, 8, 1);
	EXPECT_EQ(state("clock 1 ", "notify "), 0);
}

/* The delayed response to the last command, with the object's number and n values */
static const __u32 *get_delayed(__u32 protocol, __u32 message, __u32 object,
				unsigned int n)
{
	const __u32 *word = get_event(3 + n, SOON);

	EXPECT_EQ(word[0], SCMI_HDR(protocol, SCMI_DELAYED, message) |
		  (__u32)(token & 0x3ff) << 18);
	EXPECT_EQ(word[1], SCMI_SUCCESS);
	EXPECT_EQ(word[2], object);
	return &word[3];
}

static void test_async(void)
{

	EXPECT_EQ(ASK(SCMI_CLOCK, 1).word[0], 8 << 16 | 4);
	put_event_buffer(0, 128);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 5, 1, 1, 40000000, 0);
	EXPECT_EQ(get_delayed(SCMI_CLOCK, 5, 1, 2)[0], 40000000);

	EXPECT_EQ(ASK(SCMI_VOLTAGE, 3, 0).word[0], 1u << 31);
	put_event_buffer(1, 128);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_VOLTAGE, 7, 0, 1, 650000);
	EXPECT_EQ(state("supply 0 ", "level "), 650000);
	EXPECT_EQ(get_delayed(SCMI_VOLTAGE, 7, 0, 1)[0], 650000);

	EXPECT_EQ(ASK(SCMI_RESET, 3, 0).word[0], 1u << 31);
	put_event_buffer(2, 128);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_RESET, 4, 0, 5, 0);
	EXPECT_EQ(state("reset 0 ", "count "), 1);
	get_delayed(SCMI_RESET, 4, 0, 0);
	/* The flag is only valid for an autonomous reset (DEN0056, RESET) */
	EXPECT_STATUS(SCMI_INVALID_PARAMETERS, SCMI_RESET, 4, 0, 6, 0);
	EXPECT_EQ(counter("responses 0x14"), 1);
	EXPECT_EQ(counter("responses 0x16"), 1);
	EXPECT_EQ(counter("responses 0x17"), 1);
}

/* ---- the tests: queues --------------------------------------------------- */

static void test_interrupts(void)
{
	ASK(SCMI_BASE, 0);
	EXPECT(signalled(queue[CMDQ].call, SOON));
	avail_of(CMDQ)->flags = htole16(VRING_AVAIL_F_NO_INTERRUPT);
	ASK(SCMI_BASE, 0);
	ASK(SCMI_BASE, 0);
	EXPECT(!signalled(queue[CMDQ].call, 50));
	EXPECT_EQ(counter("unmasked"), 1);
	EXPECT_EQ(counter("masked"), 2);
	EXPECT_EQ(counter("calls"), 1);
	EXPECT_EQ(counter("no_calls"), 2);
	EXPECT(ctl("counters reset"));
	EXPECT_EQ(counter("masked"), 0);
	avail_of(CMDQ)->flags = 0;
	EXPECT_EQ(vu_set(SET_VRING_CALL, 0x100 | CMDQ), 0);	/* none */
	ASK(SCMI_BASE, 0);
	EXPECT(!signalled(queue[CMDQ].call, 50));
}

static __u16 avail_event(void)
{
	return le16toh(*(__u16 *)&used_of(CMDQ)->ring[NUM]);
}

static void test_event_idx(void)
{
	__u16 *used_event = &avail_of(CMDQ)->ring[NUM];

	*used_event = htole16(1);
	ASK(SCMI_BASE, 0);
	EXPECT(!signalled(queue[CMDQ].call, 50));
	ASK(SCMI_BASE, 0);
	EXPECT(signalled(queue[CMDQ].call, SOON));
	ASK(SCMI_BASE, 0);
	EXPECT(!signalled(queue[CMDQ].call, 50));
	EXPECT_EQ(counter("event_idx"), 1);
	EXPECT_EQ(counter("calls"), 1);
	EXPECT_EQ(avail_event(), 3);
}

static void test_indirect(void)
{
	struct vring_desc *table = (struct vring_desc *)(ram + INDIRECT);
	__u32 head;

	/* in pieces: the reply's buffers are 5, 0 and 100 bytes */
	PUT(0, ROOM, SCMI_HDR(SCMI_CLOCK, 0, 6), 1);
	set_desc(&table[0], GUEST + BUFFER(0, 0), 3, VRING_DESC_F_NEXT, 2);
	set_desc(&table[2], GUEST + BUFFER(0, 0) + 3, 5, VRING_DESC_F_NEXT, 1);
	set_desc(&table[1], GUEST + BUFFER(0, 1), 5,
		 VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 4);
	set_desc(&table[4], GUEST + BUFFER(0, 1), 0,
		 VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 3);
	set_desc(&table[3], GUEST + BUFFER(0, 1) + 5, 100, VRING_DESC_F_WRITE,
		 0);
	set_desc(desc_of(CMDQ), GUEST + INDIRECT, 5 * 16, VRING_DESC_F_INDIRECT,
		 0);
	make_available(CMDQ, 0);
	kick(CMDQ);
	EXPECT_EQ(get_used(CMDQ, &head, SOON), 16);
	EXPECT_EQ(le32toh(*(__u32 *)(ram + BUFFER(0, 1) + 8)), 24000000);
}

/* Around the indices' end, and more than once around the ring */
static void test_wrap(void)
{
	unsigned int i;

	EXPECT_EQ(vu_try(RESET_DEVICE, NULL, 0, NULL, 0), 0);
	reset_queue(CMDQ);
	queue[CMDQ].avail = 65530;
	queue[CMDQ].used = 65530;
	avail_of(CMDQ)->idx = htole16(65530);
	used_of(CMDQ)->idx = htole16(65530);
	start_queue(CMDQ, 65530);
	for (i = 0; i < 3 * NUM && !failed; i++)
		EXPECT_EQ(ASK(SCMI_BASE, 0).word[0], 0x20001);
	EXPECT_EQ(used_idx(CMDQ), (__u16)(65530 + 3 * NUM));
}

/* One kick for all that fits into the ring */
static void test_batch(void)
{
	unsigned int i;
	__u32 head;

	for (i = 0; i < NUM; i += 2) {
		PUT(i, ROOM, SCMI_HDR(SCMI_CLOCK, 0, 6), 0);
		make_available(CMDQ, i);
	}
	kick(CMDQ);
	for (i = 0; i < NUM; i += 2) {
		EXPECT_EQ(get_used(CMDQ, &head, SOON), 16);
		EXPECT_EQ(head, i);
	}
}

/* A buffer may lie across two regions that touch, and not across a hole. */
static void test_regions(void)
{
	const __u64 cut = BUFFER(CMDQ, 1) + 10;
	struct table table = {
		2, 0, { { GUEST, cut, USER, OFFSET },
			{ GUEST + cut, SIZE - cut, USER + cut, OFFSET + cut } }
	};

	EXPECT_EQ(vu_mem(&table, 2), 0);
	EXPECT_EQ(ASK(SCMI_CLOCK, 6, 1).word[0], 24000000);
	table.region[1].guest++;
	EXPECT_EQ(vu_mem(&table, 2), 0);
	SEND(0, SCMI_CLOCK, 6, 1);
	EXPECT_EQ(get_reply(0, 100).len, -1);
	EXPECT(signalled(queue[CMDQ].err, SOON));
}

/* ---- the tests: faults --------------------------------------------------- */

static void test_delay(void)
{
	__u64 t = now_ms();

	EXPECT(ctl("delay 200"));
	SEND(0, SCMI_CLOCK, 7, 1, 1, 0);
	wait_counter("delayed", 1);
	if (now_ms() - t < 150)
		EXPECT_EQ(state("clock 1 ", "enabled "), 0);
	EXPECT_EQ(get_reply(0, SOON).status, SCMI_SUCCESS);
	EXPECT(now_ms() - t >= 200);
	EXPECT_EQ(state("clock 1 ", "enabled "), 1);
	EXPECT(ctl("delay 0"));
	EXPECT_EQ(ASK(SCMI_BASE, 0).status, SCMI_SUCCESS);
}

static void test_hold(void)
{
	EXPECT(ctl("fault hold 1 0x14:7"));
	EXPECT_EQ(ASK(SCMI_CLOCK, 6, 1).status, SCMI_SUCCESS);
	SEND(0, SCMI_CLOCK, 7, 1, 1, 0);
	EXPECT_EQ(get_reply(0, 100).len, -1);
	EXPECT_EQ(state("clock 1 ", "enabled "), 0);
	EXPECT_EQ(counter("held"), 1);

	/* others go on meanwhile */
	SEND(2, SCMI_CLOCK, 7, 2, 1, 0);
	EXPECT_EQ(get_reply(2, SOON).status, SCMI_SUCCESS);
	EXPECT(ctl("release"));
	EXPECT_EQ(get_reply(0, SOON).status, SCMI_SUCCESS);
	EXPECT_EQ(state("clock 1 ", "enabled "), 1);
	EXPECT_EQ(counter("held"), 0);
	EXPECT_EQ(counter("answered"), 3);
}

static void test_late(void)
{
	__u64 t = now_ms();

	EXPECT(ctl("fault late:200 1 0x14:7"));
	SEND(0, SCMI_CLOCK, 7, 1, 1, 0);
	wait_counter("delayed", 1);

	/* others are answered meanwhile, and the next one at once */
	SEND(2, SCMI_CLOCK, 7, 2, 1, 0);
	EXPECT_EQ(get_reply(2, SOON).status, SCMI_SUCCESS);
	EXPECT_EQ(get_reply(0, SOON).status, SCMI_SUCCESS);
	EXPECT(now_ms() - t >= 200);
	EXPECT_EQ(state("clock 1 ", "enabled "), 1);
}

static void test_garbage(void)
{
	struct reply r;

	EXPECT(ctl("fault token 1"));
	SEND(0, SCMI_CLOCK, 6, 1);
	r = get_reply(0, SOON);
	EXPECT_EQ(r.len, 16);
	EXPECT((r.header & SCMI_HDR_TOKEN) != (__u32)(token & 0x3ff) << 18);
	EXPECT_EQ(r.header & ~SCMI_HDR_TOKEN, SCMI_HDR(SCMI_CLOCK, 0, 6));

	EXPECT(ctl("fault short 1"));
	EXPECT_EQ(ASK(SCMI_CLOCK, 6, 1).len, 4);

	EXPECT(ctl("fault status:-6 2 0x14"));
	EXPECT_EQ(ASK(SCMI_BASE, 0).status, SCMI_SUCCESS);
	EXPECT_STATUS(-6, SCMI_CLOCK, 7, 1, 1, 0);
	EXPECT_EQ(state("clock 1 ", "enabled "), 0);
	EXPECT(ctl("fault none"));
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 7, 1, 1, 0);
}

static void test_disconnect(void)
{
	__u64 t = now_ms();
	int fd;

	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 7, 1, 1, 0);
	EXPECT(ctl("disconnect 300"));
	EXPECT(closed());
	while ((fd = try_connect(socket_path)) < 0 && now_ms() - t < SOON)
		nap(5);
	EXPECT(fd >= 0 && now_ms() - t >= 300);
	close_fd(&fd);

	/* as QEMU does: no negotiation, the queues where they were */
	connect_front_end(F_DEFAULT);
	start_queue(CMDQ, queue[CMDQ].used);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 7, 2, 1, 0);
	EXPECT_EQ(state("clock 1 ", "enabled "), 1);
	EXPECT_EQ(state("clock 2 ", "enabled "), 1);
}

static int listen_here(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncat(addr.sun_path, socket_path, sizeof(addr.sun_path) - 1);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1))
		bail_out("no socket");
	return fd;
}

static void accept_backend(int listener)
{
	close_fd(&conn);
	if (EXPECT(readable(listener, SOON)))
		conn = accept(listener, NULL, NULL);
	EXPECT_EQ(vu_get(GET_QUEUE_NUM), 2);
}

/* The other way round: it connects to us, and comes again. */
static void test_connect(void)
{
	static const char *const options[] = { "--connect", socket_path, NULL };
	int listener;
	__u64 t;

	stop_backend();
	EXPECT(try_connect(socket_path) < 0);
	start_backend(options);
	nap(100);
	listener = listen_here();
	accept_backend(listener);
	close_fd(&conn);
	accept_backend(listener);
	t = now_ms();
	EXPECT(ctl("disconnect 300"));
	EXPECT(closed());
	accept_backend(listener);
	EXPECT(now_ms() - t >= 300);
	EXPECT_EQ(counter("connections"), 3);
	close(listener);
	unlink(socket_path);
}

static const char *const state_options[] = { "--state", state_path, NULL };

/* Killed with a command on its way, which is there again after the start */
static void test_kill(void)
{
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_VOLTAGE, 7, 0, 0, 650000);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 9, 1, 1);
	EXPECT(ctl("fault hold 1"));
	SEND(0, SCMI_CLOCK, 7, 1, 1, 0);
	wait_counter("held", 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	start_backend(state_options);
	EXPECT_EQ(state("supply 0 ", "level "), 650000);
	EXPECT_EQ(state("clock 1 ", "enabled "), 0);
	EXPECT_EQ(state("clock 1 ", "notify "), 1);
	connect_front_end(F_DEFAULT);
	start_queue(CMDQ, used_idx(CMDQ));
	EXPECT_EQ(get_reply(0, SOON).status, SCMI_SUCCESS);
	EXPECT_EQ(state("clock 1 ", "enabled "), 1);
	unlink(state_path);
}

static void write_state(const struct scmi_state *state)
{
	FILE *out = fopen(state_path, "w");

	if (!out || fwrite(state, sizeof(*state), 1, out) != 1 || fclose(out))
		bail_out(state_path);
}

/* A state that it cannot have written is not taken. */
static void test_bad_state(void)
{
	struct scmi_state good = {}, bad;
	__u32 *const spoilt[] = {
		(__u32 *)&bad.clock[1].rate, &bad.clock[1].enabled,
		&bad.clock[2].notify, (__u32 *)&bad.supply[0].level,
		&bad.supply[1].enabled, &bad.domain[0].on,
		&bad.domain[1].notify,
	};
	unsigned int i;
	FILE *in;

	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 5, 0, 0, 2000000, 0);
	in = fopen(state_path, "r");
	if (!in || fread(&good, sizeof(good), 1, in) != 1 || fclose(in))
		bail_out(state_path);
	for (i = 0; i < ARRAY_SIZE(spoilt); i++) {
		stop_backend();
		bad = good;
		*spoilt[i] = 12345;
		write_state(&bad);
		start_backend(state_options);
		EXPECT_EQ(state("clock 0 ", "rate "), 1000000);
	}
	stop_backend();
	write_state(&good);
	start_backend(state_options);
	EXPECT_EQ(state("clock 0 ", "rate "), 2000000);
	unlink(state_path);
}

/* ---- the tests: a hostile guest ------------------------------------------ */

static void restart_cmdq(void)
{
	EXPECT_EQ(vu_try(RESET_DEVICE, NULL, 0, NULL, 0), 0);
	reset_queue(CMDQ);
	start_queue(CMDQ, 0);
}

#define NEXT	VRING_DESC_F_NEXT
#define WRITE	VRING_DESC_F_WRITE
#define IND	VRING_DESC_F_INDIRECT
#define OUT	(GUEST + BUFFER(CMDQ, 0))
#define IN	(GUEST + BUFFER(CMDQ, 1))
#define TABLE	(GUEST + INDIRECT)

struct bad_desc {
	__u64 addr;
	__u32 len;
	__u16 flags, next;
};

static const struct bad_ring {
	const char *why;
	struct bad_desc ring[3], table[3];
	__u16 head, ahead;	/* entries made available beside the first */
} bad_rings[] = {
	{ "a descriptor outside the table", .head = NUM },
	{ "a descriptor outside the table", .head = 0xffff },
	{ "a descriptor outside the table", { { OUT, 8, NEXT, NUM } } },
	{ "a descriptor outside the table", { { TABLE, 32, IND, 0 } },
	  { { OUT, 8, NEXT, 2 } } },
	{ "a chain that is too long", { { OUT, 8, NEXT, 0 } } },
	{ "a chain that is too long", { { OUT, 8, NEXT, 1 },
					{ IN, 8, NEXT, 0 } } },
	{ "a chain that is too long", { { TABLE, 32, IND, 0 } },
	  { { OUT, 8, NEXT, 1 }, { OUT, 8, NEXT, 0 } } },
	{ "a buffer outside the shared memory", { { GUEST - 1, 8, 0, 0 } } },
	{ "a buffer outside the shared memory", { { GUEST + SIZE, 1, 0, 0 } } },
	{ "a buffer outside the shared memory",
	  { { GUEST + SIZE - 7, 8, 0, 0 } } },
	{ "a buffer outside the shared memory", { { OUT, -1, 0, 0 } } },
	{ "a buffer outside the shared memory", { { -4ULL, 8, 0, 0 } } },
	{ "a buffer outside the shared memory",
	  { { OUT, 8, NEXT, 1 }, { GUEST + SIZE - 8, 9, WRITE, 0 } } },
	{ "a buffer outside the shared memory", { { 0, 8, 0, 0 } } },
	{ "a buffer outside the shared memory", { { USER, 8, 0, 0 } } },
	{ "an indirect table outside the shared memory",
	  { { GUEST + SIZE - 8, 16, IND, 0 } } },
	{ "an indirect table outside the shared memory",
	  { { -8ULL, 16, IND, 0 } } },
	{ "an indirect table of a wrong size", { { TABLE, 0, IND, 0 } } },
	{ "an indirect table of a wrong size", { { TABLE, 17, IND, 0 } } },
	{ "an indirect table of a wrong size", { { TABLE, 16 * 65, IND, 0 } } },
	{ "an indirect table of a wrong size", { { TABLE, -16, IND, 0 } } },
	{ "an indirect descriptor with a next one",
	  { { TABLE, 32, IND | NEXT, 1 } } },
	{ "an indirect descriptor in an indirect table",
	  { { TABLE, 32, IND, 0 } }, { { TABLE, 32, IND, 0 } } },
	{ "a readable descriptor after a writable one",
	  { { IN, 8, NEXT | WRITE, 1 }, { OUT, 8, 0, 0 } } },
	{ "an available index that is too far ahead", .ahead = NUM },
	{ "an available index that is too far ahead", .ahead = 0xfffe },
};

static void put_bad(struct vring_desc *to, const struct bad_desc *from)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		set_desc(&to[i], from[i].addr, from[i].len, from[i].flags,
			 from[i].next);
}

/* The queue is not looked at any more, QEMU hears of it, all else lives on. */
static void test_bad_rings(void)
{
	unsigned int i;
	char line[100];

	for (i = 0; i < ARRAY_SIZE(bad_rings); i++) {
		const struct bad_ring *bad = &bad_rings[i];

		restart_cmdq();
		put_bad(desc_of(CMDQ), bad->ring);
		put_bad((struct vring_desc *)(ram + INDIRECT), bad->table);
		queue[CMDQ].avail += bad->ahead;
		make_available(CMDQ, bad->head);
		if (bad->ahead)
			avail_of(CMDQ)->ring[0] = 0;
		kick(CMDQ);
		EXPECT(signalled(queue[CMDQ].err, SOON));
		snprintf(line, sizeof(line), "\nbroken 0 %s\n", bad->why);
		if (!EXPECT(ctl("counters") && strstr(answer, line)))
			printf("#   case %u, %s\n", i, bad->why);
		EXPECT_EQ(used_idx(CMDQ), 0);
	}
	restart_cmdq();
	EXPECT_EQ(ASK(SCMI_BASE, 0).word[0], 0x20001);
}

/* The same descriptor again and again, while we hold what it stands for */
static void test_too_many_in_flight(void)
{
	unsigned int i;

	EXPECT(ctl("fault hold 1000"));
	PUT(0, ROOM, SCMI_HDR(SCMI_CLOCK, 0, 6), 0);
	for (i = 0; i < NUM; i++)
		make_available(CMDQ, 0);
	kick(CMDQ);
	wait_counter("held", NUM);
	make_available(CMDQ, 0);
	kick(CMDQ);
	EXPECT(signalled(queue[CMDQ].err, SOON));
	EXPECT(ctl("counters") &&
	       strstr(answer, "broken 0 more buffers than the queue can hold"));
}

/* The ring's place is taken away while the queue runs. */
static void test_ring_unmapped(void)
{
	static const struct table table = {
		1, 0, { { GUEST + 8 * PAGE, PAGE, USER + 8 * PAGE, OFFSET } }
	};

	EXPECT_EQ(vu_mem(&table, 1), 0);
	EXPECT(signalled(queue[CMDQ].err, SOON));
	EXPECT(ctl("counters") &&
	       strstr(answer, "broken 0 a ring outside the shared memory"));
}

/* Nothing to answer, or nowhere to answer to: the buffer comes back empty. */
static void test_malformed(void)
{
	static const struct {
		__u32 out, in;
	} cases[] = { { 0, 100 }, { 3, 100 }, { 8, 0 }, { 8, 7 } };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		PUT(0, ROOM, SCMI_HDR(SCMI_CLOCK, 0, 7), 1, 1, 0);
		desc_of(CMDQ)[0].len = htole32(cases[i].out);
		desc_of(CMDQ)[1].len = htole32(cases[i].in);
		make_available(CMDQ, 0);
		kick(CMDQ);
		EXPECT_EQ(get_reply(0, SOON).len, 0);
	}
	EXPECT_EQ(counter("malformed"), 4);
	EXPECT_EQ(counter("answered"), 0);
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 9, 0, 1);
	put_event_buffer(0, 19);
	EXPECT(ctl("notify clock 0"));
	get_event(0, SOON);
	put_event_buffer(1, 20);
	EXPECT_EQ(get_event(5, SOON)[0], CLOCK_EVENT);
	EXPECT_EQ(ram[BUFFER(EVENTQ, 0)], CANARY);
}

/*
 * A ring that feeds itself: the available and the used ring are the same
 * memory, so that each empty buffer handed back makes the next one available.
 */
static void start_endless(unsigned int q, __u16 flags)
{
	reset_queue(q);
	set_desc(desc_of(q), OUT, 0, flags, 0);
	used_of(q)->idx = htole16(NUM / 2);
	EXPECT_EQ(vu_addr(q, DESC(q), USED(q), USED(q)), 0);
	EXPECT_EQ(vu_fd(SET_VRING_KICK, q, queue[q].kick), 0);
	EXPECT_EQ(vu_vring(SET_VRING_ENABLE, q, 1), 0);
}

static void check_alive(void)
{
	unsigned int i;
	__u64 t;

	EXPECT(ctl("counters reset"));
	wait_counter("malformed", 1000);
	for (i = 0; i < 20 && !failed; i++) {
		t = now_ms();
		EXPECT(ctl("state"));
		EXPECT(now_ms() - t < 1000);
	}
}

static void test_endless(void)
{
	EXPECT_STATUS(SCMI_SUCCESS, SCMI_CLOCK, 9, 0, 1);
	EXPECT_EQ(vu_try(RESET_DEVICE, NULL, 0, NULL, 0), 0);
	start_endless(CMDQ, 0);
	check_alive();
	EXPECT_EQ(vu_try(RESET_DEVICE, NULL, 0, NULL, 0), 0);
	EXPECT(ctl("notify clock 0"));
	start_endless(EVENTQ, WRITE);
	check_alive();
	EXPECT_EQ(vu_try(RESET_DEVICE, NULL, 0, NULL, 0), 0);
}

/* ---- the tests: control socket ------------------------------------------- */

static void test_control_errors(void)
{
	static const char *const lines[] = {
		"", "nonsense", "state of things to be more than eight words yes",
		"counters please", "state now", "set clock 4 rate 1000000",
		"set clock 1 rate 1", "set clock 1 enabled 2",
		"set clock 1 colour 1", "set supply 3 level 600000",
		"set supply 0 level 0x100000000", "set supply 3 enabled 1",
		"set domain 3 on 1", "set domain 0 on -1", "set domain 0 on",
		"notify", "notify supply 0", "notify clock 4", "notify clock 0",
		"tick", "tick 5", "tick 5 clock", "tick 0 clock 0",
		"tick 9999999999 clock 0", "delay", "delay x", "delay 1x",
		"delay 3600001", "fault", "fault hold", "fault hold x",
		"fault colour 1", "fault status:0 1", "fault status:-0 1",
		"fault status:-x 1", "fault late 1", "fault late:x 1",
		"fault late:3600001 1", "fault hold 1 0x100", "fault hold 1 0x14:",
		"fault hold 1 0x14:0x100", "fault none now", "disconnect x",
		"disconnect 1 2",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		if (!EXPECT(!ctl(lines[i]) && strstr(answer, "error: ")))
			printf("#   '%s'\n", lines[i]);
	}
	EXPECT(ctl("help"));
	EXPECT(strstr(answer, "fault hold"));
}

static void test_control_clients(void)
{
	char line[300];
	int fd[6], i;

	/* in pieces, and two at once */
	fd[0] = try_connect(control_path);
	EXPECT_EQ(write(fd[0], "del", 3), 3);
	nap(20);
	EXPECT_EQ(write(fd[0], "ay 1\nde", 7), 7);
	EXPECT(ctl_answer(fd[0]));
	EXPECT_EQ(write(fd[0], "lay 0\n", 6), 6);
	EXPECT(ctl_answer(fd[0]));
	close(fd[0]);

	/* a line that does not end */
	fd[0] = try_connect(control_path);
	memset(line, 'x', sizeof(line));
	EXPECT_EQ(write(fd[0], line, sizeof(line)), sizeof(line));
	EXPECT(!ctl_answer(fd[0]));
	close(fd[0]);

	/* more than it serves at a time: the others live on */
	for (i = 0; i < 6; i++)
		fd[i] = try_connect(control_path);
	EXPECT_EQ(write(fd[0], "state\n", 6), 6);
	EXPECT(ctl_answer(fd[0]));
	for (i = 0; i < 6; i++)
		close(fd[i]);
	EXPECT(ctl("state"));
}

/* ---- the list ------------------------------------------------------------ */

static const char *const async_options[] = { "--async", NULL };
static const char *const verbose_options[] = { "--verbose", NULL };

static const struct test {
	const char *name;
	void (*run)(void);
	__u64 features;
	const char *const *options;
} tests[] = {
	{ "features", test_features },
	{ "enabled_by_kick", test_enabled_by_kick },
	{ "enable", test_enable },
	{ "status", test_status },
	{ "reset", test_reset },
	{ "stop_and_go", test_stop_and_go },
	{ "stop_with_commands", test_stop_with_commands },
	{ "refused", test_refused },
	{ "refused_rings", test_refused_rings },
	{ "lets_go", test_lets_go },
	{ "connection_ends", test_connection_ends },
	{ "base", test_base, .options = verbose_options },
	{ "clock", test_clock },
	{ "clock_rates", test_clock_rates },
	{ "clock_rounding", test_clock_rounding },
	{ "voltage", test_voltage },
	{ "resets", test_reset_domains },
	{ "power", test_power },
	{ "wrong_commands", test_wrong_commands },
	{ "notifications", test_notifications },
	{ "notifications_wait", test_notifications_wait },
	{ "notify_masked", test_notify_masked },
	{ "tick", test_tick },
	{ "no_event_queue", test_no_event_queue,
	  .features = F_PROTOCOL | F_VERSION_1 },
	{ "async", test_async, .options = async_options },
	{ "interrupts", test_interrupts },
	{ "event_idx", test_event_idx, .features = F_DEFAULT | F_EVENT_IDX },
	{ "indirect", test_indirect },
	{ "wrap", test_wrap },
	{ "batch", test_batch },
	{ "regions", test_regions },
	{ "delay", test_delay },
	{ "hold", test_hold },
	{ "late", test_late },
	{ "garbage", test_garbage },
	{ "disconnect", test_disconnect },
	{ "connect", test_connect },
	{ "kill", test_kill, .options = state_options },
	{ "bad_state", test_bad_state, .options = state_options },
	{ "bad_rings", test_bad_rings },
	{ "too_many_in_flight", test_too_many_in_flight },
	{ "ring_unmapped", test_ring_unmapped },
	{ "malformed", test_malformed },
	{ "endless", test_endless },
	{ "control_errors", test_control_errors },
	{ "control_clients", test_control_clients },
};

static void run(const struct test *test)
{
	alarm(120);
	start(test->features ? test->features : F_DEFAULT,
	      test->options ? test->options : no_options);
	test->run();
	end();
}

static void make_memory(void)
{
	ram_fd = memfd_create("ram", MFD_CLOEXEC);
	if (ram_fd < 0 || ftruncate(ram_fd, FILE_SIZE))
		bail_out("no memory file");
	file = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ram_fd,
		    0);
	if (file == MAP_FAILED)
		bail_out("no shared memory");
	ram = file + OFFSET;
}

int main(int argc, char **argv)
{
	const char *only = argc > 2 ? argv[2] : NULL;
	unsigned int i, n = 0, bad = 0;

	if (argc < 2) {
		fputs("Usage: scmi-test BACKEND [TEST]\n", stderr);
		return 1;
	}
	backend_path = argv[1];
	snprintf(folder, sizeof(folder), "/tmp/scmi-test.XXXXXX");
	if (!mkdtemp(folder))
		bail_out("no folder in /tmp");
	snprintf(socket_path, sizeof(socket_path), "%s/vhost", folder);
	snprintf(control_path, sizeof(control_path), "%s/control", folder);
	snprintf(state_path, sizeof(state_path), "%s/state", folder);
	make_memory();

	puts("KTAP version 1");
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		if (only && strcmp(only, tests[i].name))
			continue;
		run(&tests[i]);
		bad += failed;
		printf("%sok %u %s\n", failed ? "not " : "", ++n,
		       tests[i].name);
		fflush(stdout);
	}
	printf("1..%u\n", n);
	rmdir(folder);
	return bad || !n;
}
