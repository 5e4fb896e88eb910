/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The vhost-user SCMI device: two queues, the messages on their way, and the
 * faults that a test asked for.
 */
#ifndef BACKEND_H
#define BACKEND_H

#include <stdio.h>

#include "queue.h"
#include "scmi.h"

enum { CMDQ, EVENTQ, QUEUES };

#define NEVER		(~0ULL)
#define EVENTS_MAX	1024	/* that wait for a buffer of the event queue */
#define EVENT_WORDS	5

enum fault_kind {
	FAULT_NONE,
	FAULT_HOLD,	/* neither executed nor answered */
	FAULT_LATE,	/* executed and answered later */
	FAULT_TOKEN,	/* answered with another token */
	FAULT_SHORT,	/* answered without status and values */
	FAULT_STATUS,	/* not executed, answered with an error */
};

struct fault {
	enum fault_kind kind;
	int status;
	__u64 late_us;
	unsigned int left;		/* messages that it will hit */
	int protocol, message;		/* which ones, or -1 for any */
};

/* A command that was taken from the queue and is not answered yet */
struct pending {
	struct pending *next;
	struct chain chain;
	__u8 request[SCMI_REQUEST_MAX];
	size_t len;
	__u64 due;
	struct fault fault;
};

struct counters {
	__u64 message[8][32];		/* by protocol - 0x10 and message id */
	__u64 other;			/* commands outside that table */
	__u64 responses[8];		/* delayed ones, by protocol - 0x10 */
	__u64 malformed;		/* no room for a header, or for a reply */
	__u64 masked, unmasked;		/* driver's interrupts at their arrival */
	__u64 answered;
	__u64 calls, no_calls;		/* answers, by whether they interrupted */
	__u64 lost;			/* dropped by a stop or a disconnection */
	__u64 stops;			/* of the command queue */
	__u64 events, events_dropped;
	__u64 connections, resets;
	__u64 last_us;			/* when the last command arrived */
};

struct backend {
	struct scmi scmi;
	struct scmi_state stopped;	/* when the command queue was */
	struct mem mem;
	struct queue queue[QUEUES];
	__u64 features;
	__u8 status;

	struct pending *pending;	/* in the order of arrival */
	bool more;			/* a queue was not emptied */
	struct event {
		__u32 word[EVENT_WORDS];
		unsigned int n;
	} event[EVENTS_MAX];
	unsigned int first_event, events;

	struct fault fault;
	__u64 delay_us;
	struct {
		__u64 period_us, due;
		bool clock;
		__u32 id;
	} ticker;
	bool disconnect;		/* a test wants it, and nobody to */
	__u64 listen_at;		/* connect before this time */

	struct counters counters;
	__u64 now;			/* us, CLOCK_MONOTONIC */
	bool verbose;
};

void backend_init(struct backend *b, struct scmi_state *state);
/* Does all that is to be done at the time b->now */
void backend_run(struct backend *b);
/* When backend_run() has to be called again though nothing happens */
__u64 backend_due(const struct backend *b);
/* No front-end any more: forgets its memory, queues and messages */
void backend_disconnect(struct backend *b);
/* The state of power-on, no faults, no waiting events */
void backend_reset(struct backend *b);
void backend_release(struct backend *b);	/* the held commands */

bool backend_queue_start(struct backend *b, unsigned int i, int kick);
void backend_queue_stop(struct backend *b, unsigned int i);
bool queue_running(const struct queue *q);

/* ---- vhost_user.c -------------------------------------------------------- */

#define VU_FDS_MAX	MEM_REGIONS_MAX

struct vu_msg {
	__u32 request;
	__u32 flags;
	__u32 size;
	union {
		__u64 u64;
		struct {
			__u32 index, num;
		} vring;
		struct {
			__u32 index, flags;
			__u64 desc, used, avail, log;
		} addr;
		struct {
			__u32 n, padding;
			struct mem_desc region[MEM_REGIONS_MAX];
		} mem;
	} payload;
};

#define VU_HEADER	12	/* on the wire the payload follows at once */

/*
 * Handles one message and closes the fds. Returns -1 if it is refused (and the
 * connection has to go), else the size of the answer's payload in msg, or 0.
 */
int vu_handle(struct backend *b, struct vu_msg *msg, int *fds,
	      unsigned int n_fds);
/* Reads, handles and answers one message; -1 if the connection has to go */
int vu_receive(struct backend *b, int conn);

/* ---- control.c ----------------------------------------------------------- */

extern const char control_help[];
/* Executes one line; what it prints ends with "ok" or "error: ..." */
void control_line(struct backend *b, char *line, FILE *out);

#endif
