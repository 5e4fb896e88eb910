/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device's side of a split virtqueue of fake_virtio.h, without indirect
 * descriptors. See the virtio specification, "Split Virtqueues".
 */
#ifndef _FAKE_SPLIT_H
#define _FAKE_SPLIT_H

#include <linux/io.h>

#include "fake_virtio.h"

/* How many buffers the device has taken, and how many it has given back. */
struct fake_split {
	u16 avail;
	u16 used;
};

static inline struct vring_desc *fake_desc(struct virtqueue *vq, u16 id)
{
	struct vring_desc *table = phys_to_virt(virtqueue_get_desc_addr(vq));

	return &table[id];
}

static inline void *fake_buffer(struct virtqueue *vq, const struct vring_desc *desc)
{
	return phys_to_virt(virtio64_to_cpu(vq->vdev, desc->addr));
}

/* Return the descriptor that comes after this one, or NULL. */
static inline struct vring_desc *fake_next(struct virtqueue *vq,
					   const struct vring_desc *desc)
{
	if (!(virtio16_to_cpu(vq->vdev, desc->flags) & VRING_DESC_F_NEXT))
		return NULL;

	return fake_desc(vq, virtio16_to_cpu(vq->vdev, desc->next));
}

/* Return the next buffer that the device was given, or NULL. */
static inline struct vring_desc *fake_take(struct virtqueue *vq,
					   struct fake_split *split)
{
	struct vring_avail *avail = phys_to_virt(virtqueue_get_avail_addr(vq));
	u16 at = split->avail;

	/* A device that was reset does not know where its rings are. */
	if (!to_fake(vq->vdev)->has_vqs || virtio16_to_cpu(vq->vdev, avail->idx) == at)
		return NULL;

	split->avail++;

	return fake_desc(vq, virtio16_to_cpu(vq->vdev, avail->ring[at % FAKE_QUEUE_SIZE]));
}

/* Give a buffer back that the device has written so many bytes to. */
static inline void fake_use(struct virtqueue *vq, struct fake_split *split,
			    const struct vring_desc *desc, u32 len)
{
	struct vring_used *used = phys_to_virt(virtqueue_get_used_addr(vq));
	vring_used_elem_t *entry = &used->ring[split->used % FAKE_QUEUE_SIZE];

	entry->id = cpu_to_virtio32(vq->vdev, desc - fake_desc(vq, 0));
	entry->len = cpu_to_virtio32(vq->vdev, len);
	used->idx = cpu_to_virtio16(vq->vdev, ++split->used);
}

#endif /* _FAKE_SPLIT_H */
