/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What virtio_noirq_test takes from a kernel that supports the noirq phase. On
 * one that does not nobody calls the driver there: the tests skip, or, with the
 * parameter unfit, show what does not work.
 */

#ifndef VIRTIO_NOIRQ_SUPPORT_H
#define VIRTIO_NOIRQ_SUPPORT_H

#include <linux/virtio.h>
#include <linux/virtio_config.h>

#ifdef VN_NO_NOIRQ

#define VNT_NOIRQ_OPS(freeze, restore)

static inline bool vnt_is_fit(const struct virtio_config_ops *config)
{
	return false;
}

static inline void vnt_make_unfit(struct virtio_config_ops *config)
{
}

static inline int virtio_reset_device_noirq(struct virtio_device *vdev)
{
	return -EOPNOTSUPP;
}

static inline void virtio_device_ready_noirq(struct virtio_device *vdev)
{
}

#else

#define VNT_NOIRQ_OPS(freeze, restore) \
	.freeze_noirq = freeze, \
	.restore_noirq = restore,

/* Makes another kernel refuse this module. */
static int (*const vnt_needed)(struct virtio_device *) __used =
	virtio_device_restore_noirq;

static inline bool vnt_is_fit(const struct virtio_config_ops *config)
{
	return config->noirq_safe && config->reset_vqs;
}

static inline void vnt_make_unfit(struct virtio_config_ops *config)
{
	config->noirq_safe = false;
}

#endif /* VN_NO_NOIRQ */

#endif /* VIRTIO_NOIRQ_SUPPORT_H */
