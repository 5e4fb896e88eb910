/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a fake transport needs for the noirq phase of system sleep.
 */
#ifndef _FAKE_NOIRQ_H
#define _FAKE_NOIRQ_H

#include "fake_virtio.h"

static inline int fake_reset_vqs(struct virtio_device *vdev)
{
	struct fake_virtio *fake = to_fake(vdev);
	struct virtqueue *vq;
	int ret;

	ret = fake_call(fake, "reset_vqs");
	virtio_device_for_each_vq(vdev, vq)
		ret = ret ?: virtqueue_reinit_vring(vq);
	fake->has_vqs = !ret;

	return ret;
}

static inline void fake_synchronize_cbs(struct virtio_device *vdev)
{
	fake_call(to_fake(vdev), "synchronize_cbs");
}

#define FAKE_NOIRQ_CONFIG_OPS		\
	FAKE_CONFIG_OPS,		\
	.reset_vqs = fake_reset_vqs,	\
	.noirq_safe = true

#endif /* _FAKE_NOIRQ_H */
