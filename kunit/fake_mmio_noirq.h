/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A driver with noirq callbacks for the device of fake_mmio.h, and the buffers
 * that tests post to it.
 */
#ifndef _FAKE_MMIO_NOIRQ_H
#define _FAKE_MMIO_NOIRQ_H

#include <linux/of.h>
#include <linux/scatterlist.h>

#include "fake_mmio.h"

static u8 mmio_buffer[16];

/* Use the first buffer of the queue that tests post buffers to. */
static inline void mmio_use_first(struct mmio *mmio)
{
	struct vring_avail *avail = phys_to_virt(virtqueue_get_avail_addr(mmio->vqs[2]));
	struct vring_used *used = phys_to_virt(virtqueue_get_used_addr(mmio->vqs[2]));

	used->ring[0].id = cpu_to_virtio32(mmio->vdev,
					   virtio16_to_cpu(mmio->vdev, avail->ring[0]));
	used->idx = cpu_to_virtio16(mmio->vdev, 1);
}

/*
 * The driver
 */

static inline int driver_freeze(struct virtio_device *vdev)
{
	return mmio_call(vdev, "freeze");
}

static inline int driver_freeze_noirq(struct virtio_device *vdev)
{
	return mmio_call(vdev, "freeze_noirq");
}

static inline int driver_restore_noirq(struct virtio_device *vdev)
{
	return mmio_call(vdev, "restore_noirq");
}

static inline int driver_restore(struct virtio_device *vdev)
{
	return mmio_call(vdev, "restore");
}

/* Before it is registered */
static inline void driver_use_noirq(struct mmio *mmio)
{
	mmio->drv.freeze = driver_freeze;
	mmio->drv.freeze_noirq = driver_freeze_noirq;
	mmio->drv.restore_noirq = driver_restore_noirq;
	mmio->drv.restore = driver_restore;
}

/* Until the end of the test, the device tree has the device wake the system. */
static inline void mmio_make_wakeup_source(struct kunit *test)
{
	static struct property wakeup_source = { .name = "wakeup-source" };
	static struct device_node node = {
		.full_name = "virtio_mmio", .properties = &wakeup_source,
	};
	struct mmio *mmio = test->priv;

	mmio_unbind(test);
	of_node_init(&node);
	mmio->pdev->dev.of_node = &node;
	mmio_bind(test);
}

/* What the driver can do in a callback */

static inline void mmio_at(struct mmio *mmio, const char *name,
			   int (*then)(struct mmio *mmio))
{
	mmio->at = name;
	mmio->then = then;
}

static inline int driver_add_buffer(struct mmio *mmio)
{
	struct scatterlist sg;

	sg_init_one(&sg, mmio_buffer, sizeof(mmio_buffer));

	return virtqueue_add_outbuf(mmio->vqs[2], &sg, 1, mmio, GFP_KERNEL);
}

#endif /* _FAKE_MMIO_NOIRQ_H */
