/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device's side of a split virtqueue, with indirect descriptors and event
 * index. The guest may write anything into the ring at any time.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include "mem.h"

#define QUEUE_NUM_MAX	1024
#define SEGMENTS_MAX	64	/* descriptors that one buffer may have */

struct segment {
	__u64 addr;
	__u32 len;
};

/* A buffer that the driver made available: a copy, checked against the memory */
struct chain {
	__u16 head;
	unsigned int n_out, n_in;
	struct segment out[SEGMENTS_MAX];	/* read by the device */
	struct segment in[SEGMENTS_MAX];	/* written by the device */
};

struct queue {
	unsigned int num;
	__u64 desc, avail, used;	/* front-end addresses */
	__u16 last_avail, used_idx;
	unsigned int in_flight;
	bool event_idx;
	bool enabled;
	bool started;		/* it runs if it is enabled, too */
	const char *broken;	/* why it is not looked at any more */
	int kick, call, err;	/* eventfds, or -1 */
};

enum queue_result { QUEUE_EMPTY, QUEUE_BUFFER, QUEUE_BROKEN };

/* Takes the next buffer */
enum queue_result queue_pop(struct queue *q, const struct mem *mem,
			    struct chain *chain);
/* Gives it back; *call tells whether the driver wants an interrupt for it */
bool queue_push(struct queue *q, const struct mem *mem, __u16 head, __u32 len,
		bool *call);
/* The driver set VRING_AVAIL_F_NO_INTERRUPT */
bool queue_masked(const struct queue *q, const struct mem *mem);
/* Reads where the used ring stands: at start, and after that only we write it */
bool queue_start(struct queue *q, const struct mem *mem);

size_t chain_len(const struct segment *seg, unsigned int n);
/* Copies at most len bytes; returns how many */
size_t chain_read(const struct mem *mem, const struct chain *chain, void *to,
		  size_t len);
size_t chain_write(const struct mem *mem, const struct chain *chain,
		   const void *from, size_t len);

#endif
