// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
#include <linux/virtio_ring.h>

#include "queue.h"

#define LOAD(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define STORE(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)

/* The three parts are looked up each time: the memory table may change. */
static struct vring_desc *ring_desc(const struct queue *q,
				    const struct mem *mem)
{
	return mem_user(mem, q->desc, q->num * sizeof(struct vring_desc),
			VRING_DESC_ALIGN_SIZE);
}

/* Both with the event index behind the ring, which is always there */
static struct vring_avail *ring_avail(const struct queue *q,
				      const struct mem *mem)
{
	size_t len = sizeof(struct vring_avail) + (q->num + 1) * sizeof(__u16);

	return mem_user(mem, q->avail, len, VRING_AVAIL_ALIGN_SIZE);
}

static struct vring_used *ring_used(const struct queue *q,
				    const struct mem *mem)
{
	size_t len = sizeof(struct vring_used) + sizeof(__u16) +
		     q->num * sizeof(struct vring_used_elem);

	return mem_user(mem, q->used, len, VRING_USED_ALIGN_SIZE);
}

static enum queue_result broken(struct queue *q, const char *why)
{
	q->broken = why;
	return QUEUE_BROKEN;
}

/* Where the descriptors of a chain are: the ring's own table, or an indirect */
struct table {
	const struct vring_desc *ring;
	__u64 guest;
	unsigned int n;
};

static bool table_read(const struct mem *mem, const struct table *table,
		       unsigned int i, struct vring_desc *desc)
{
	if (!table->ring)
		return mem_read(mem, table->guest + i * sizeof(*desc), desc,
				sizeof(*desc));
	*desc = table->ring[i];
	mem_copied();
	return true;
}

static const char *table_enter(struct table *table, const struct vring_desc *d)
{
	__u32 len = le32toh(d->len);

	if (!table->ring)
		return "an indirect descriptor in an indirect table";
	if (le16toh(d->flags) & VRING_DESC_F_NEXT)
		return "an indirect descriptor with a next one";
	if (!len || len % sizeof(*d) || len / sizeof(*d) > SEGMENTS_MAX)
		return "an indirect table of a wrong size";

	table->ring = NULL;
	table->guest = le64toh(d->addr);
	table->n = len / sizeof(*d);
	return NULL;
}

static const char *add_segment(const struct mem *mem, struct chain *chain,
			       const struct vring_desc *d)
{
	struct segment seg = { le64toh(d->addr), le32toh(d->len) };

	if (!mem_valid(mem, seg.addr, seg.len))
		return "a buffer outside the shared memory";
	if (le16toh(d->flags) & VRING_DESC_F_WRITE) {
		chain->in[chain->n_in++] = seg;
		return NULL;
	}
	if (chain->n_in)
		return "a readable descriptor after a writable one";
	chain->out[chain->n_out++] = seg;
	return NULL;
}

static const char *walk(struct table table, const struct mem *mem,
			struct chain *chain)
{
	unsigned int i = chain->head;
	const char *why;
	struct vring_desc d;

	chain->n_out = 0;
	chain->n_in = 0;
	while (chain->n_out + chain->n_in < SEGMENTS_MAX) {
		if (i >= table.n)
			return "a descriptor outside the table";
		if (!table_read(mem, &table, i, &d))
			return "an indirect table outside the shared memory";
		if (le16toh(d.flags) & VRING_DESC_F_INDIRECT) {
			why = table_enter(&table, &d);
			if (why)
				return why;
			i = 0;
			continue;
		}
		why = add_segment(mem, chain, &d);
		if (why || !(le16toh(d.flags) & VRING_DESC_F_NEXT))
			return why;
		i = le16toh(d.next);
	}
	return "a chain that is too long";
}

enum queue_result queue_pop(struct queue *q, const struct mem *mem,
			    struct chain *chain)
{
	struct table table = { ring_desc(q, mem), 0, q->num };
	struct vring_avail *avail = ring_avail(q, mem);
	struct vring_used *used = ring_used(q, mem);
	__u16 waiting;
	const char *why;

	if (!table.ring || !avail || !used)
		return broken(q, "a ring outside the shared memory");

	waiting = le16toh(LOAD(&avail->idx)) - q->last_avail;
	if (!waiting && q->event_idx) {
		/* Ask for a kick, then look again: one may have come between */
		STORE((__le16 *)&used->ring[q->num], htole16(q->last_avail));
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		waiting = le16toh(LOAD(&avail->idx)) - q->last_avail;
	}
	if (!waiting)
		return QUEUE_EMPTY;
	if (waiting > q->num)
		return broken(q, "an available index that is too far ahead");
	if (q->in_flight >= q->num)
		return broken(q, "more buffers than the queue can hold");

	chain->head = le16toh(LOAD(&avail->ring[q->last_avail % q->num]));
	why = walk(table, mem, chain);
	if (why)
		return broken(q, why);
	q->last_avail++;
	q->in_flight++;
	return QUEUE_BUFFER;
}

bool queue_push(struct queue *q, const struct mem *mem, __u16 head, __u32 len,
		bool *call)
{
	struct vring_avail *avail = ring_avail(q, mem);
	struct vring_used *used = ring_used(q, mem);
	struct vring_used_elem *elem;

	if (!avail || !used) {
		broken(q, "a ring outside the shared memory");
		return false;
	}
	elem = &used->ring[q->used_idx % q->num];
	elem->id = htole32(head);
	elem->len = htole32(len);
	q->used_idx++;
	q->in_flight--;
	STORE(&used->idx, htole16(q->used_idx));

	/* The driver must see the index before we see what it wants. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->event_idx)
		*call = vring_need_event(le16toh(LOAD(&avail->ring[q->num])),
					 q->used_idx, q->used_idx - 1);
	else
		*call = !queue_masked(q, mem);
	return true;
}

bool queue_masked(const struct queue *q, const struct mem *mem)
{
	struct vring_avail *avail = ring_avail(q, mem);

	return avail &&
	       le16toh(LOAD(&avail->flags)) & VRING_AVAIL_F_NO_INTERRUPT;
}

bool queue_start(struct queue *q, const struct mem *mem)
{
	struct vring_used *used = ring_used(q, mem);

	if (!used || !ring_desc(q, mem) || !ring_avail(q, mem))
		return false;
	q->used_idx = le16toh(LOAD(&used->idx));
	q->in_flight = 0;
	q->broken = NULL;
	return true;
}

size_t chain_len(const struct segment *seg, unsigned int n)
{
	size_t len = 0;

	while (n--)
		len += seg[n].len;
	return len;
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t chain_read(const struct mem *mem, const struct chain *chain, void *to,
		  size_t len)
{
	size_t part, done = 0;
	unsigned int i;

	for (i = 0; i < chain->n_out && done < len; i++, done += part) {
		part = min_size(chain->out[i].len, len - done);
		if (!mem_read(mem, chain->out[i].addr, (__u8 *)to + done, part))
			break;
	}
	return done;
}

size_t chain_write(const struct mem *mem, const struct chain *chain,
		   const void *from, size_t len)
{
	size_t part, done = 0;
	unsigned int i;

	for (i = 0; i < chain->n_in && done < len; i++, done += part) {
		part = min_size(chain->in[i].len, len - done);
		if (!mem_write(mem, chain->in[i].addr,
			       (const __u8 *)from + done, part))
			break;
	}
	return done;
}
