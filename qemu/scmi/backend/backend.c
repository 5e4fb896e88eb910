// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ring.h>

#include "backend.h"
#include "util.h"

static void signal_fd(int fd)
{
	__u64 one = 1;

	/* A full eventfd is signalled already. */
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return;
}

bool queue_running(const struct queue *q)
{
	return q->started && q->enabled && !q->broken;
}

static void log_broken(struct backend *b, const struct queue *q)
{
	fprintf(stderr, "queue %d is broken: %s\n", (int)(q - b->queue),
		q->broken);
	signal_fd(q->err);
}

static bool give_back(struct backend *b, struct queue *q, __u16 head,
		      size_t len, bool *call)
{
	if (!queue_push(q, &b->mem, head, len, call)) {
		log_broken(b, q);
		return false;
	}
	if (*call)
		signal_fd(q->call);
	return true;
}

/* ---- events -------------------------------------------------------------- */

static void queue_event(struct scmi *scmi, const __u32 *words, unsigned int n)
{
	struct backend *b = (struct backend *)((char *)scmi -
					       offsetof(struct backend, scmi));
	struct event *event;
	unsigned int i;

	if (b->events == EVENTS_MAX) {
		b->counters.events_dropped++;
		return;
	}
	event = &b->event[(b->first_event + b->events++) % EVENTS_MAX];
	event->n = n;
	for (i = 0; i < n; i++)
		event->word[i] = htole32(words[i]);
}

/* A buffer that is too small is the driver's mistake: it gets it back empty. */
static void send_event(struct backend *b, struct queue *q,
		       const struct chain *chain)
{
	const struct event *event = &b->event[b->first_event % EVENTS_MAX];
	size_t len = event->n * sizeof(event->word[0]);
	__u32 header = le32toh(event->word[0]);
	bool call;

	if (chain_len(chain->in, chain->n_in) < len) {
		b->counters.malformed++;
		give_back(b, q, chain->head, 0, &call);
		return;
	}
	chain_write(&b->mem, chain, event->word, len);
	b->first_event++;
	b->events--;
	b->counters.events++;
	if (SCMI_HDR_TYPE(header) == SCMI_DELAYED)
		b->counters.responses[SCMI_HDR_PROTOCOL(header) - SCMI_BASE]++;
	give_back(b, q, chain->head, len, &call);
}

static void send_events(struct backend *b)
{
	struct queue *q = &b->queue[EVENTQ];
	unsigned int budget = q->num;
	struct chain chain;

	while (b->events && budget-- && queue_running(q)) {
		switch (queue_pop(q, &b->mem, &chain)) {
		case QUEUE_EMPTY:
			return;
		case QUEUE_BROKEN:
			log_broken(b, q);
			return;
		case QUEUE_BUFFER:
			send_event(b, q, &chain);
		}
	}
	b->more |= b->events && queue_running(q);
}

static void tick(struct backend *b)
{
	if (!b->ticker.period_us || b->now < b->ticker.due)
		return;
	b->ticker.due = b->now + b->ticker.period_us;
	if (b->ticker.clock)
		scmi_clock_notify(&b->scmi, SCMI_PLATFORM, b->ticker.id);
	else
		scmi_domain_notify(&b->scmi, SCMI_PLATFORM, b->ticker.id);
}

/* ---- commands ------------------------------------------------------------ */

static __u32 request_header(const struct pending *p)
{
	__u32 word;

	memcpy(&word, p->request, sizeof(word));
	return le32toh(word);
}

static bool fault_hits(const struct fault *fault, __u32 header)
{
	return fault->left &&
	       (fault->protocol < 0 ||
		(__u32)fault->protocol == SCMI_HDR_PROTOCOL(header)) &&
	       (fault->message < 0 ||
		(__u32)fault->message == SCMI_HDR_ID(header));
}

static void count(struct backend *b, __u32 header)
{
	__u32 protocol = SCMI_HDR_PROTOCOL(header) - SCMI_BASE;
	__u32 id = SCMI_HDR_ID(header);
	struct counters *c = &b->counters;
	bool masked = queue_masked(&b->queue[CMDQ], &b->mem);

	if (protocol < 8 && id < 32)
		c->message[protocol][id]++;
	else
		c->other++;
	if (masked)
		c->masked++;
	else
		c->unmasked++;
	c->last_us = b->now;
	if (b->verbose)
		fprintf(stderr, "%llu.%06llu %#x:%#x token %u%s\n",
			b->now / 1000000, b->now % 1000000,
			SCMI_HDR_PROTOCOL(header), id,
			(header & SCMI_HDR_TOKEN) >> 18,
			masked ? " masked" : "");
}

static size_t execute(struct backend *b, const struct pending *p, void *reply,
		      size_t room)
{
	__u32 word[2] = { htole32(request_header(p)) };

	switch (p->fault.kind) {
	case FAULT_STATUS:
		word[1] = htole32(p->fault.status);
		memcpy(reply, word, sizeof(word));
		return sizeof(word);
	case FAULT_SHORT:
		scmi_execute(&b->scmi, p->request, p->len, reply, room);
		return sizeof(word[0]);
	case FAULT_TOKEN:
		room = scmi_execute(&b->scmi, p->request, p->len, reply, room);
		word[0] ^= htole32(SCMI_HDR_TOKEN);
		memcpy(reply, word, sizeof(word[0]));
		return room;
	default:
		return scmi_execute(&b->scmi, p->request, p->len, reply, room);
	}
}

static void answer(struct backend *b, const struct pending *p)
{
	struct queue *q = &b->queue[CMDQ];
	__u8 reply[SCMI_REPLY_MAX];
	size_t len;
	bool call;

	len = execute(b, p, reply, chain_len(p->chain.in, p->chain.n_in));
	len = chain_write(&b->mem, &p->chain, reply, len);
	if (!give_back(b, q, p->chain.head, len, &call))
		return;
	b->counters.answered++;
	if (call)
		b->counters.calls++;
	else
		b->counters.no_calls++;
}

static void accept_command(struct backend *b, const struct chain *chain)
{
	struct pending *p, **end = &b->pending;
	bool call;

	p = calloc(1, sizeof(*p));
	if (!p)
		abort();
	p->chain = *chain;
	p->len = chain_read(&b->mem, chain, p->request, sizeof(p->request));
	if (p->len < sizeof(__u32) ||
	    chain_len(chain->in, chain->n_in) < SCMI_REPLY_MIN) {
		b->counters.malformed++;
		give_back(b, &b->queue[CMDQ], chain->head, 0, &call);
		free(p);
		return;
	}

	count(b, request_header(p));
	p->due = b->now + b->delay_us;
	if (fault_hits(&b->fault, request_header(p))) {
		b->fault.left--;
		p->fault = b->fault;
		if (p->fault.kind == FAULT_HOLD)
			p->due = NEVER;
		else if (p->fault.kind == FAULT_LATE)
			p->due += p->fault.late_us;
	}
	while (*end)
		end = &(*end)->next;
	*end = p;
}

/* A guest that never stops adding must not keep us from everything else. */
static void take_commands(struct backend *b)
{
	struct queue *q = &b->queue[CMDQ];
	unsigned int budget = q->num;
	struct chain chain;

	b->more = false;
	while (queue_running(q) && budget--) {
		switch (queue_pop(q, &b->mem, &chain)) {
		case QUEUE_EMPTY:
			return;
		case QUEUE_BROKEN:
			log_broken(b, q);
			return;
		case QUEUE_BUFFER:
			accept_command(b, &chain);
		}
	}
	b->more = queue_running(q);
}

/* Answers what is due, in the order of arrival */
static void answer_due(struct backend *b, __u64 until)
{
	struct queue *q = &b->queue[CMDQ];
	struct pending **at = &b->pending;

	while (*at && q->started && !q->broken) {
		struct pending *p = *at;

		if (p->due > until) {
			at = &p->next;
			continue;
		}
		answer(b, p);
		*at = p->next;
		free(p);
	}
}

static void drop_pending(struct backend *b)
{
	while (b->pending) {
		struct pending *p = b->pending;

		b->pending = p->next;
		free(p);
		b->counters.lost++;
	}
}

void backend_release(struct backend *b)
{
	struct pending *p;

	for (p = b->pending; p; p = p->next) {
		if (p->due == NEVER)
			p->due = b->now;
	}
}

/* ---- the device ---------------------------------------------------------- */

void backend_run(struct backend *b)
{
	tick(b);
	take_commands(b);
	if (b->queue[CMDQ].enabled)
		answer_due(b, b->now);
	send_events(b);
}

__u64 backend_due(const struct backend *b)
{
	__u64 due = b->ticker.period_us ? b->ticker.due : NEVER;
	const struct pending *p;

	if (b->more)
		return b->now;
	if (!queue_running(&b->queue[CMDQ]))
		return due;
	for (p = b->pending; p; p = p->next) {
		if (p->due < due)
			due = p->due;
	}
	return due;
}

bool backend_queue_start(struct backend *b, unsigned int i, int kick)
{
	struct queue *q = &b->queue[i];

	if (!q->num || !queue_start(q, &b->mem))
		return false;
	q->event_idx = b->features & BIT_ULL(VIRTIO_RING_F_EVENT_IDX);
	q->kick = kick;
	q->started = true;
	return true;
}

/* What is only delayed is answered at once, what is held is lost. */
void backend_queue_stop(struct backend *b, unsigned int i)
{
	struct queue *q = &b->queue[i];

	if (i == CMDQ) {
		answer_due(b, NEVER - 1);
		drop_pending(b);
		b->stopped = *b->scmi.state;
		b->counters.stops++;
	}
	q->started = false;
	close_fd(&q->kick);
}

static void queue_clear(struct queue *q)
{
	memset(q, 0, sizeof(*q));
	q->kick = -1;
	q->call = -1;
	q->err = -1;
}

void backend_disconnect(struct backend *b)
{
	unsigned int i;

	drop_pending(b);
	for (i = 0; i < QUEUES; i++) {
		close_fd(&b->queue[i].kick);
		close_fd(&b->queue[i].call);
		close_fd(&b->queue[i].err);
		queue_clear(&b->queue[i]);
	}
	mem_clear(&b->mem);
	b->features = 0;
	b->status = 0;
	b->scmi.events = false;
}

void backend_reset(struct backend *b)
{
	scmi_reset(&b->scmi);
	b->fault.left = 0;
	b->delay_us = 0;
	b->ticker.period_us = 0;
	b->events = 0;
	backend_release(b);
}

void backend_init(struct backend *b, struct scmi_state *state)
{
	unsigned int i;

	memset(b, 0, sizeof(*b));
	b->scmi.state = state;
	b->scmi.event = queue_event;
	for (i = 0; i < QUEUES; i++)
		queue_clear(&b->queue[i]);
}
