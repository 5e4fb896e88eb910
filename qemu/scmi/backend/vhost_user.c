// SPDX-License-Identifier: GPL-2.0
/*
 * The control plane: the messages of the vhost-user protocol that QEMU sends
 * for this device. See "Vhost-user Protocol" in QEMU's documentation.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "backend.h"
#include "util.h"

#define FLAG_VERSION	0x1
#define FLAG_REPLY	0x4
#define FLAG_NEED_REPLY	0x8

#define VRING_INDEX	0xff	/* of the payload of the fd messages */
#define VRING_NOFD	0x100

enum vu_request {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	RESET_OWNER = 4,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	SET_VRING_ERR = 14,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	GET_QUEUE_NUM = 17,
	SET_VRING_ENABLE = 18,
	RESET_DEVICE = 34,
	SET_STATUS = 39,
	GET_STATUS = 40,
};

#define F_PROTOCOL_FEATURES	30
#define F_SCMI_P2A_CHANNELS	0	/* VIRTIO_SCMI_F_P2A_CHANNELS */

#define FEATURES (BIT_ULL(F_SCMI_P2A_CHANNELS) | \
		  BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | \
		  BIT_ULL(VIRTIO_RING_F_EVENT_IDX) | \
		  BIT_ULL(F_PROTOCOL_FEATURES) | \
		  BIT_ULL(VIRTIO_F_VERSION_1))

#define PROTOCOL_FEATURES (BIT_ULL(0) /* MQ */ | \
			   BIT_ULL(3) /* REPLY_ACK */ | \
			   BIT_ULL(13) /* RESET_DEVICE */ | \
			   BIT_ULL(16) /* STATUS */)

struct vu_call {
	struct backend *b;
	struct vu_msg *msg;
	int *fds;
	unsigned int n_fds;
};

/* The first fd, for which the callee cares from now on */
static int take_fd(struct vu_call *c)
{
	int fd = c->fds[0];

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	c->fds[0] = -1;
	return fd;
}

static struct queue *queue_of(struct vu_call *c, __u32 index)
{
	return index < QUEUES ? &c->b->queue[index] : NULL;
}

/* A queue whose place may be changed */
static struct queue *stopped_queue(struct vu_call *c, __u32 index)
{
	struct queue *q = queue_of(c, index);

	return q && !q->started ? q : NULL;
}

static int answer_u64(struct vu_call *c, __u64 value)
{
	c->msg->payload.u64 = value;
	return sizeof(value);
}

static int get_features(struct vu_call *c)
{
	return answer_u64(c, FEATURES);
}

static int set_features(struct vu_call *c)
{
	if (c->msg->payload.u64 & ~FEATURES)
		return -1;
	c->b->features = c->msg->payload.u64;
	c->b->scmi.events = c->b->features & BIT_ULL(F_SCMI_P2A_CHANNELS);
	return 0;
}

static int do_nothing(struct vu_call *c)
{
	(void)c;
	return 0;
}

static int reset_device(struct vu_call *c)
{
	unsigned int i;

	for (i = 0; i < QUEUES; i++) {
		backend_queue_stop(c->b, i);
		c->b->queue[i].enabled = false;
		c->b->queue[i].last_avail = 0;
	}
	c->b->counters.resets++;
	return 0;
}

static int set_mem_table(struct vu_call *c)
{
	__u32 n = c->msg->payload.mem.n;

	if (n > MEM_REGIONS_MAX || n != c->n_fds ||
	    c->msg->size != 8 + n * sizeof(struct mem_desc))
		return -1;
	return mem_set(&c->b->mem, c->msg->payload.mem.region, c->fds, n);
}

static int set_vring_num(struct vu_call *c)
{
	struct queue *q = stopped_queue(c, c->msg->payload.vring.index);
	__u32 num = c->msg->payload.vring.num;

	if (!q || !num || num > QUEUE_NUM_MAX || num & (num - 1))
		return -1;
	q->num = num;
	return 0;
}

static int set_vring_addr(struct vu_call *c)
{
	struct queue *q = stopped_queue(c, c->msg->payload.addr.index);

	if (!q)
		return -1;
	q->desc = c->msg->payload.addr.desc;
	q->avail = c->msg->payload.addr.avail;
	q->used = c->msg->payload.addr.used;
	return 0;
}

static int set_vring_base(struct vu_call *c)
{
	struct queue *q = stopped_queue(c, c->msg->payload.vring.index);

	if (!q || c->msg->payload.vring.num > 0xffff)
		return -1;
	q->last_avail = c->msg->payload.vring.num;
	return 0;
}

static int get_vring_base(struct vu_call *c)
{
	struct queue *q = queue_of(c, c->msg->payload.vring.index);

	if (!q)
		return -1;
	backend_queue_stop(c->b, c->msg->payload.vring.index);
	c->msg->payload.vring.num = q->last_avail;
	return sizeof(c->msg->payload.vring);
}

/* Without an fd we would have to poll the ring: no. */
static int set_vring_kick(struct vu_call *c)
{
	__u32 index = c->msg->payload.u64 & VRING_INDEX;
	struct queue *q = stopped_queue(c, index);
	int fd;

	if (!q || c->n_fds != 1 || c->msg->payload.u64 & ~(__u64)VRING_INDEX)
		return -1;
	fd = take_fd(c);
	if (!backend_queue_start(c->b, index, fd)) {
		close(fd);
		return -1;
	}
	if (!(c->b->features & BIT_ULL(F_PROTOCOL_FEATURES)))
		q->enabled = true;
	return 0;
}

static int set_fd(struct vu_call *c, int *fd)
{
	bool none = c->msg->payload.u64 & VRING_NOFD;

	if (c->msg->payload.u64 & ~(__u64)(VRING_INDEX | VRING_NOFD) ||
	    c->n_fds != !none)
		return -1;
	close_fd(fd);
	if (!none)
		*fd = take_fd(c);
	return 0;
}

static int set_vring_call(struct vu_call *c)
{
	struct queue *q = queue_of(c, c->msg->payload.u64 & VRING_INDEX);

	return q ? set_fd(c, &q->call) : -1;
}

static int set_vring_err(struct vu_call *c)
{
	struct queue *q = queue_of(c, c->msg->payload.u64 & VRING_INDEX);

	return q ? set_fd(c, &q->err) : -1;
}

static int get_protocol_features(struct vu_call *c)
{
	return answer_u64(c, PROTOCOL_FEATURES);
}

static int set_protocol_features(struct vu_call *c)
{
	return c->msg->payload.u64 & ~PROTOCOL_FEATURES ? -1 : 0;
}

static int get_queue_num(struct vu_call *c)
{
	return answer_u64(c, QUEUES);
}

static int set_vring_enable(struct vu_call *c)
{
	struct queue *q = queue_of(c, c->msg->payload.vring.index);

	if (!q || c->msg->payload.vring.num > 1)
		return -1;
	q->enabled = c->msg->payload.vring.num;
	return 0;
}

static int set_status(struct vu_call *c)
{
	if (c->msg->payload.u64 > 0xff)
		return -1;
	c->b->status = c->msg->payload.u64;
	return c->b->status ? 0 : reset_device(c);
}

static int get_status(struct vu_call *c)
{
	return answer_u64(c, c->b->status);
}

#define U64	sizeof(__u64)
#define VRING	sizeof(((struct vu_msg *)0)->payload.vring)
#define ADDR	sizeof(((struct vu_msg *)0)->payload.addr)
#define ANY	-1

static const struct {
	int (*handle)(struct vu_call *c);
	int size;
	unsigned int fds_max;
	bool answers;
} handlers[] = {
	[GET_FEATURES] = { get_features, 0, 0, true },
	[SET_FEATURES] = { set_features, U64, 0 },
	[SET_OWNER] = { do_nothing, 0, 0 },
	[RESET_OWNER] = { do_nothing, 0, 0 },
	[SET_MEM_TABLE] = { set_mem_table, ANY, VU_FDS_MAX },
	[SET_VRING_NUM] = { set_vring_num, VRING, 0 },
	[SET_VRING_ADDR] = { set_vring_addr, ADDR, 0 },
	[SET_VRING_BASE] = { set_vring_base, VRING, 0 },
	[GET_VRING_BASE] = { get_vring_base, VRING, 0, true },
	[SET_VRING_KICK] = { set_vring_kick, U64, 1 },
	[SET_VRING_CALL] = { set_vring_call, U64, 1 },
	[SET_VRING_ERR] = { set_vring_err, U64, 1 },
	[GET_PROTOCOL_FEATURES] = { get_protocol_features, 0, 0, true },
	[SET_PROTOCOL_FEATURES] = { set_protocol_features, U64, 0 },
	[GET_QUEUE_NUM] = { get_queue_num, 0, 0, true },
	[SET_VRING_ENABLE] = { set_vring_enable, VRING, 0 },
	[RESET_DEVICE] = { reset_device, 0, 0 },
	[SET_STATUS] = { set_status, U64, 0 },
	[GET_STATUS] = { get_status, 0, 0, true },
};

static int dispatch(struct vu_call *c)
{
	__u32 request = c->msg->request;

	if (request >= ARRAY_SIZE(handlers) || !handlers[request].handle)
		return -1;
	if (handlers[request].size != ANY &&
	    (__u32)handlers[request].size != c->msg->size)
		return -1;
	if (c->n_fds > handlers[request].fds_max)
		return -1;
	return handlers[request].handle(c);
}

static bool has_answer(__u32 request)
{
	return request < ARRAY_SIZE(handlers) && handlers[request].answers;
}

int vu_handle(struct backend *b, struct vu_msg *msg, int *fds,
	      unsigned int n_fds)
{
	struct vu_call c = { b, msg, fds, n_fds };
	unsigned int i;
	int size = -1;

	if (msg->size <= sizeof(msg->payload))
		size = dispatch(&c);
	if (size < 0)
		fprintf(stderr, "vhost-user request %u refused\n",
			msg->request);
	for (i = 0; i < n_fds; i++)
		close_fd(&fds[i]);

	/* One without an answer of its own may ask for how it went. */
	if (!has_answer(msg->request) && msg->flags & FLAG_NEED_REPLY) {
		msg->payload.u64 = size < 0;
		size = sizeof(msg->payload.u64);
	}
	if (size <= 0)
		return size;
	msg->flags = FLAG_VERSION | FLAG_REPLY;
	msg->size = size;
	return size;
}

static unsigned int get_fds(struct msghdr *hdr, int *fds)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(hdr);
	size_t len;

	if (!cmsg || cmsg->cmsg_level != SOL_SOCKET ||
	    cmsg->cmsg_type != SCM_RIGHTS)
		return 0;
	len = cmsg->cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(cmsg), len);
	return len / sizeof(int);
}

static int send_answer(int conn, struct vu_msg *msg)
{
	struct iovec iov[] = {
		{ msg, VU_HEADER }, { &msg->payload, msg->size },
	};
	struct msghdr hdr = { .msg_iov = iov, .msg_iovlen = 2 };

	return sendmsg(conn, &hdr, MSG_NOSIGNAL) ==
	       (ssize_t)(VU_HEADER + msg->size) ? 0 : -1;
}

int vu_receive(struct backend *b, int conn)
{
	union {
		char buf[CMSG_SPACE(VU_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct vu_msg msg = {};
	struct iovec iov = { &msg, VU_HEADER };
	struct msghdr hdr = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.buf, .msg_controllen = sizeof(control),
	};
	int fds[VU_FDS_MAX];
	unsigned int n_fds;
	int size = -1;
	ssize_t got;

	got = recvmsg(conn, &hdr, MSG_WAITALL | MSG_CMSG_CLOEXEC);
	if (got <= 0)
		return -1;
	n_fds = get_fds(&hdr, fds);
	if (got == VU_HEADER && msg.size <= sizeof(msg.payload) &&
	    (!msg.size || recv(conn, &msg.payload, msg.size, MSG_WAITALL) ==
	     (ssize_t)msg.size) &&
	    !(hdr.msg_flags & MSG_CTRUNC))
		size = vu_handle(b, &msg, fds, n_fds);
	else
		while (n_fds)
			close(fds[--n_fds]);
	return size > 0 ? send_answer(conn, &msg) : size;
}
