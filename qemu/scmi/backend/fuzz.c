// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer target: a guest and a front-end that do what the input says, from
 * queues that run on (so that most inputs get past the control plane).
 *
 * The input is a list of operations: a byte that selects one, and what it
 * needs. Where the input ends, zeros follow.
 */
#include <endian.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/virtio_ring.h>

#include "backend.h"
#include "util.h"

#define GUEST		0x40000000ULL
#define USER		0x7f0000000000ULL
#define SIZE		0x8000ULL
#define NUM		16
#define DESC(i)		(0x1000ULL * (i))
#define AVAIL(i)	(DESC(i) + NUM * sizeof(struct vring_desc))
#define USED(i)		(DESC(i) + 0x400)
#define DATA		0x2000
#define OPERATIONS	256	/* an input is not worth more */
#define CPU_SECONDS	2	/* that it may take at most */

static struct backend b;
static struct scmi_state state;
static __u8 *ram;
static int ram_fd;

struct input {
	const __u8 *at;
	size_t left;
};

static void get(struct input *in, void *to, size_t len)
{
	size_t part = len < in->left ? len : in->left;

	memset(to, 0, len);
	memcpy(to, in->at, part);
	in->at += part;
	in->left -= part;
}

static __u8 get8(struct input *in)
{
	__u8 value;

	get(in, &value, sizeof(value));
	return value;
}

static __u16 get16(struct input *in)
{
	__u16 value;

	get(in, &value, sizeof(value));
	return value;
}

/* ---- the front-end ------------------------------------------------------- */

static int request(__u32 request, const void *payload, __u32 size, int fd)
{
	struct vu_msg msg = { .request = request, .flags = 1, .size = size };
	int fds[VU_FDS_MAX] = { fd };

	memcpy(&msg.payload, payload, size);
	return vu_handle(&b, &msg, fds, fd >= 0);
}

static void request_u64(__u32 id, __u64 value, int fd)
{
	if (request(id, &value, sizeof(value), fd) < 0)
		abort();
}

static void request_vring(__u32 id, __u32 index, __u32 num)
{
	__u32 payload[2] = { index, num };

	if (request(id, payload, sizeof(payload), -1) < 0)
		abort();
}

/* Two running queues, one page apart, as QEMU would set them up */
static void connect_front_end(bool event_idx)
{
	struct {
		__u32 n, padding;
		struct mem_desc region;
	} table = { 1, 0, { GUEST, SIZE, USER, 0 } };
	unsigned int i;

	request_u64(2, 1ULL << 0 | 1ULL << 28 | 1ULL << 30 | 1ULL << 32 |
		    (__u64)event_idx << 29, -1);
	if (request(5, &table, sizeof(table), dup(ram_fd)) < 0)
		abort();
	for (i = 0; i < QUEUES; i++) {
		struct {
			__u32 index, flags;
			__u64 desc, used, avail, log;
		} addr = {
			i, 0, USER + DESC(i), USER + USED(i), USER + AVAIL(i), 0
		};

		request_vring(8, i, NUM);
		request_vring(10, i, 0);
		if (request(9, &addr, sizeof(addr), -1) < 0)
			abort();
		request_u64(12, i, eventfd(0, EFD_NONBLOCK));
		request_u64(13, i, eventfd(0, EFD_NONBLOCK));
		request_vring(18, i, 1);
	}
}

/* The same memory in two regions that touch, or not, or overlap */
static void remap(struct input *in)
{
	__u64 cut = (get8(in) % (SIZE / 0x1000 - 1) + 1) * 0x1000;
	__u64 hole = (__s8)get8(in) * 0x100LL;
	struct {
		__u32 n, padding;
		struct mem_desc region[2];
	} table = {
		2, 0, {
			{ GUEST, cut, USER, 0 },
			{ GUEST + cut + hole, SIZE - cut,
			  USER + cut + hole, cut },
		}
	};
	struct vu_msg msg = { .request = 5, .flags = 1, .size = sizeof(table) };
	int fds[] = { dup(ram_fd), dup(ram_fd) };

	memcpy(&msg.payload, &table, sizeof(table));
	vu_handle(&b, &msg, fds, 2);
}

/* A stop, and a start with the ring anywhere */
static void restart(struct input *in)
{
	__u32 i = get8(in) % QUEUES;
	struct {
		__u32 index, flags;
		__u64 desc, used, avail, log;
	} addr = {
		i, 0, USER + get16(in) % (SIZE + 16), USER + get16(in) % SIZE,
		USER + get16(in) % SIZE, 0
	};
	__u64 kick = i;

	request_vring(11, i, 0);
	request_vring(8, i, 1 << get8(in) % 11);
	request_vring(10, i, get16(in));
	request(9, &addr, sizeof(addr), -1);
	request(12, &kick, sizeof(kick), eventfd(0, EFD_NONBLOCK));
	request_vring(18, i, get8(in) & 1);
}

static void any_request(struct input *in)
{
	static const __u16 sizes[] = { 0, 8, 40, 72, 296, 4, 65535 };
	struct vu_msg msg = { .request = get8(in) % 42, .flags = 1 };
	unsigned int i, n_fds = get8(in) % (VU_FDS_MAX + 1);
	int fds[VU_FDS_MAX];

	msg.flags |= get8(in) & 8;
	msg.size = sizes[get8(in) % ARRAY_SIZE(sizes)];
	get(in, &msg.payload,
	    msg.size < sizeof(msg.payload) ? msg.size : sizeof(msg.payload));
	for (i = 0; i < n_fds; i++)
		fds[i] = get8(in) & 1 ? eventfd(0, EFD_NONBLOCK) : dup(ram_fd);
	vu_handle(&b, &msg, fds, n_fds);
}

/* ---- the guest ----------------------------------------------------------- */

static void any_write(struct input *in)
{
	size_t at = get16(in) % SIZE;
	size_t len = get8(in);

	get(in, ram + at, len < SIZE - at ? len : SIZE - at);
}

static void make_available(unsigned int i, __u16 head)
{
	struct vring_avail *avail = (struct vring_avail *)(ram + AVAIL(i));
	__u16 idx = le16toh(avail->idx);

	avail->ring[idx % NUM] = htole16(head);
	avail->idx = htole16(idx + 1);
}

/* A command that has the right length, and often sensible arguments */
static __u32 good_message(struct input *in, __u32 *word)
{
	static const struct {
		__u8 protocol, id, args;
		__u32 unit[4];
	} good[] = {
		{ SCMI_BASE, 6, 1, { 1 } },
		{ SCMI_BASE, 7, 1, { 1 } },
		{ SCMI_BASE, 8, 1, { 1 } },
		{ SCMI_POWER, 4, 3, { 1, 1, 1 << 30 } },
		{ SCMI_POWER, 5, 1, { 1 } },
		{ SCMI_POWER, 6, 2, { 1, 1 } },
		{ SCMI_CLOCK, 4, 2, { 1, 1 } },
		{ SCMI_CLOCK, 5, 4, { 1, 1, 1500000, 0 } },
		{ SCMI_CLOCK, 6, 1, { 1 } },
		{ SCMI_CLOCK, 7, 3, { 1, 1, 1 } },
		{ SCMI_CLOCK, 9, 2, { 1, 1 } },
		{ SCMI_VOLTAGE, 5, 2, { 1, 7 } },
		{ SCMI_VOLTAGE, 7, 3, { 1, 1, 25000 } },
	};
	unsigned int i, n = get8(in) % ARRAY_SIZE(good);

	word[0] = SCMI_HDR(good[n].protocol, 0, good[n].id);
	for (i = 0; i < good[n].args; i++)
		word[1 + i] = get8(in) * good[n].unit[i];
	return 4 + 4 * i;
}

/* What a hostile driver writes into a descriptor */
static void spoil(struct input *in, struct vring_desc *desc)
{
	switch (get8(in) % 6) {
	case 0:
		desc->addr = htole64(GUEST + SIZE - get8(in));
		break;
	case 1:
		get(in, &desc->addr, sizeof(desc->addr));
		break;
	case 2:
		desc->len = htole32(SIZE + (__s8)get8(in));
		break;
	case 3:
		get(in, &desc->len, sizeof(desc->len));
		break;
	case 4:
		desc->flags = htole16(get8(in));
		break;
	case 5:
		get(in, &desc->next, sizeof(desc->next));
	}
}

/* A chain as a driver makes it, direct or indirect */
static void command(struct input *in)
{
	__u8 how = get8(in);
	__u16 head = get8(in) % (NUM - 1);
	__u32 room = get8(in), good[5], len = how & 0x1c;
	struct vring_desc *desc = (struct vring_desc *)(ram + DESC(CMDQ));
	struct vring_desc pair[2] = {
		{ htole64(GUEST + DATA), htole32(len),
		  htole16(VRING_DESC_F_NEXT), htole16(head + 1) },
		{ htole64(GUEST + DATA + 0x100), htole32(room),
		  htole16(VRING_DESC_F_WRITE), 0 },
	};

	if (how & 0x20) {
		len = good_message(in, good);
		memcpy(ram + DATA, good, len);
		pair[0].len = htole32(len);
	} else {
		get(in, ram + DATA, len);
	}
	if (how & 2) {
		__u32 header = SCMI_HDR(SCMI_BASE | ram[DATA] % 8, 0,
					ram[DATA + 1] % 0x12);

		memcpy(ram + DATA, &header, sizeof(header));
	}
	if (how & 0x40)
		spoil(in, &pair[get8(in) & 1]);
	if (how & 1) {
		pair[0].next = htole16(1);
		memcpy(ram + DATA + 0x800, pair, sizeof(pair));
		desc[head] = (struct vring_desc) {
			htole64(GUEST + DATA + 0x800), htole32(sizeof(pair)),
			htole16(VRING_DESC_F_INDIRECT), 0
		};
	} else {
		memcpy(&desc[head], pair, sizeof(pair));
	}
	if (how & 0x40)
		spoil(in, &desc[head]);
	make_available(CMDQ, how & 0x80 ? get16(in) : head);
}

static void event_buffer(struct input *in)
{
	struct vring_desc *desc = (struct vring_desc *)(ram + DESC(EVENTQ));
	__u16 head = get8(in) % NUM;

	desc[head] = (struct vring_desc) {
		htole64(GUEST + DATA + 0x1000), htole32(get8(in)),
		htole16(VRING_DESC_F_WRITE), 0
	};
	make_available(EVENTQ, head);
}

/* ---- the test ------------------------------------------------------------ */

static void any_control(struct input *in)
{
	char line[64], *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	get(in, line, sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	control_line(&b, line, out);
	fclose(out);
	if (!size || text[size - 1] != '\n')
		abort();
	free(text);
}

static void fault(struct input *in)
{
	static const struct fault faults[] = {
		{ FAULT_HOLD, 0, 0, 3, -1, -1 },
		{ FAULT_TOKEN, 0, 0, 2, -1, -1 },
		{ FAULT_SHORT, 0, 0, 2, SCMI_CLOCK, -1 },
		{ FAULT_STATUS, -6, 0, 2, SCMI_CLOCK, 5 },
		{ FAULT_LATE, 0, 1000, 2, -1, -1 },
	};

	b.fault = faults[get8(in) % ARRAY_SIZE(faults)];
	b.delay_us = get8(in) * 100;
}

static void operation(struct input *in)
{
	static void (*const operations[])(struct input *in) = {
		command, command, command, command, command, event_buffer,
		event_buffer, any_write, any_write, any_request, any_control,
		any_control, fault, fault, remap, restart,
	};
	__u8 op = get8(in);

	operations[op % 16](in);
	if (op & 0x80)
		b.now += get8(in) * 1000;
	if (!(op & 0x40))
		backend_run(&b);
}

/* What must hold whatever the guest does */
static void check(void)
{
	const struct pending *p;
	unsigned int n = 0;

	for (p = b.pending; p; p = p->next)
		n++;
	if (n > QUEUE_NUM_MAX || b.events > EVENTS_MAX ||
	    !scmi_state_ok(&state) ||
	    (queue_running(&b.queue[CMDQ]) && n != b.queue[CMDQ].in_flight))
		abort();
}

/*
 * A hang is a finding, a busy machine is none: CPU time counts, for which
 * libFuzzer's own -timeout has no eyes.
 */
static void hang(int sig)
{
	(void)sig;
	abort();
}

static void watch(time_t seconds)
{
	const struct itimerval limit = { .it_value.tv_sec = seconds };

	setitimer(ITIMER_PROF, &limit, NULL);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/* The device's messages go, those of the fuzzer and sanitizers stay. */
	stderr = fopen("/dev/null", "w");
	signal(SIGPROF, hang);
	backend_init(&b, &state);
	ram_fd = memfd_create("ram", MFD_CLOEXEC);
	if (ram_fd < 0 || ftruncate(ram_fd, SIZE))
		abort();
	ram = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ram_fd, 0);
	if (ram == MAP_FAILED)
		abort();
	return 0;
}

static int lowest_free_fd(void)
{
	int fd = dup(ram_fd);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	struct input in = { data, size };
	__u8 options = get8(&in);
	int fd = lowest_free_fd();
	unsigned int i;

	watch(CPU_SECONDS);
	memset(ram, 0, SIZE);
	memset(&b.counters, 0, sizeof(b.counters));
	b.first_event = 0;
	b.now = 0;
	backend_reset(&b);
	b.scmi.async = options & 1;
	connect_front_end(options & 2);
	if (options & 4) {
		for (i = 0; i < SCMI_CLOCKS; i++)
			state.clock[i].notify = 1;
	}
	for (i = 0; i < OPERATIONS && in.left; i++) {
		operation(&in);
		check();
	}
	backend_disconnect(&b);
	if (b.pending || lowest_free_fd() != fd)
		abort();
	watch(0);
	return 0;
}
