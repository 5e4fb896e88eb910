// SPDX-License-Identifier: GPL-2.0
/*
 * The noirq side of virtio_bench: a driver whose device is ready in the noirq
 * phase of system sleep, with virtqueues that live through it. Load virtio_bench
 * with normal=0 before.
 *
 * Reading the file rings of its folder in debugfs measures the rings of the
 * first device, for each doubling of their size. One line each, times in
 * nanoseconds:
 *
 *   num           entries
 *   reinit_ns     virtqueue_reinit_vring()
 *   recreate_ns   vring_del_virtqueue() and vring_create_virtqueue()
 *   clear_bytes   memory that a reset of the ring has to clear
 *   clear_ns      memset() of so much
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "virtio_noirq_probes.h"
#include "virtio_bench.h"

#define VNRB_MIN_NUM	8
#define VNRB_MAX_NUM	1024
#define VNRB_ROUNDS	16	/* the fastest counts: no interrupt in it */
#define VNRB_REPEAT	64	/* the clock ticks each 16 ns */

static struct virtio_device *vnrb_vdev;
static struct dentry *vnrb_rings;

/* Of the size of the largest ring. */
static u8 vnrb_memory[VNRB_MAX_NUM * sizeof(struct vring_packed_desc) +
		      2 * sizeof(struct vring_packed_desc_event)] __aligned(SZ_4K);
static size_t vnrb_bytes;

static int vnrb_freeze(struct virtio_device *vdev)
{
	return 0;
}

static int vnrb_restore_noirq(struct virtio_device *vdev)
{
	virtio_device_ready_noirq(vdev);
	return vnb_answer(vdev->priv);
}

/* Of virtio 1.4; not all kernels know it. */
#ifdef VIRTIO_F_SUSPEND
#define VNRB_MAY_SUSPEND	.noirq_suspend = true,
#else
#define VNRB_MAY_SUSPEND
#define VIRTIO_F_SUSPEND	43
#endif

/*
 * Nobody tells the driver that a device which was suspended works again: it answers
 * when its transport is done.
 */
static void vnrb_callback_end(void *data, struct device *dev, int error)
{
	struct vnb *b = vnb_in_noirq() ? vnb_find(dev) : NULL;

	if (b)
		vnb_answer(b);
}

static struct vn_probe vnrb_probes[] = {
	{ "device_pm_callback_end", vnrb_callback_end },
};

static unsigned int vnrb_num_probes(void)
{
	return virtio_has_feature(vnrb_vdev, VIRTIO_F_SUSPEND) ? ARRAY_SIZE(vnrb_probes) : 0;
}

static int vnrb_restore(struct virtio_device *vdev)
{
	struct vnb *b = vdev->priv;

	virtqueue_enable_cb(b->vqs[0]);
	return 0;
}

static int vnrb_probe(struct virtio_device *vdev)
{
	int err;

	err = vnb_probe(vdev);
	if (!err && !vnrb_vdev)
		vnrb_vdev = vdev;
	return err;
}

static struct virtio_driver vnrb_driver = {
	.driver.name	= KBUILD_MODNAME,
	.id_table	= vnb_ids,
	.feature_table	= vnb_features,
	.probe		= vnrb_probe,
	.remove		= vnb_remove,
	.freeze		= vnrb_freeze,
	.freeze_noirq	= vnrb_freeze,
	.restore_noirq	= vnrb_restore_noirq,
	.restore	= vnrb_restore,
	VNRB_MAY_SUSPEND
};

static bool vnrb_notify(struct virtqueue *vq)
{
	return true;
}

static void vnrb_callback(struct virtqueue *vq)
{
}

/* A ring that the device does not know. */
static struct virtqueue *vnrb_create(unsigned int num)
{
	return vring_create_virtqueue(0, num, PAGE_SIZE, vnrb_vdev, true, false,
				      false, vnrb_notify, vnrb_callback, "bench");
}

static int vnrb_do_reinit(struct virtqueue **vq)
{
	return virtqueue_reinit_vring(*vq);
}

static int vnrb_do_recreate(struct virtqueue **vq)
{
	unsigned int num = virtqueue_get_vring_size(*vq);

	vring_del_virtqueue(*vq);
	*vq = vnrb_create(num);
	return *vq ? 0 : -ENOMEM;
}

static int vnrb_do_clear(struct virtqueue **vq)
{
	memset(vnrb_memory, 0, vnrb_bytes);
	barrier_data(vnrb_memory);
	return 0;
}

static int vnrb_measure(struct seq_file *m, const char *name,
			int (*do_once)(struct virtqueue **vq),
			struct virtqueue **vq)
{
	unsigned int round, i;
	u64 start, ns, best = U64_MAX;
	int err = 0;

	for (round = 0; round < VNRB_ROUNDS; round++) {
		start = ktime_get_ns();
		for (i = 0; i < VNRB_REPEAT && !err; i++)
			err = do_once(vq);
		ns = ktime_get_ns() - start;
		if (err)
			return err;
		best = min(best, ns);
	}
	seq_printf(m, " %s=%llu", name, best / VNRB_REPEAT);
	return 0;
}

/*
 * Of a split ring: flags, idx and event in both halves. Of a packed ring: all
 * descriptors, because the device looks at their flags, and both event
 * structures.
 */
static size_t vnrb_clear_bytes(unsigned int num)
{
	if (!virtio_has_feature(vnrb_vdev, VIRTIO_F_RING_PACKED))
		return 6 * sizeof(__virtio16);
	return num * sizeof(struct vring_packed_desc) +
	       2 * sizeof(struct vring_packed_desc_event);
}

static int vnrb_rings_line(struct seq_file *m, unsigned int num)
{
	struct virtqueue *vq;
	int err;

	vq = vnrb_create(num);
	if (!vq)
		return -ENOMEM;

	vnrb_bytes = vnrb_clear_bytes(num);
	seq_printf(m, "num=%u", num);
	err = vnrb_measure(m, "reinit_ns", vnrb_do_reinit, &vq) ?:
	      vnrb_measure(m, "recreate_ns", vnrb_do_recreate, &vq) ?:
	      vnrb_measure(m, "clear_ns", vnrb_do_clear, &vq);
	seq_printf(m, " clear_bytes=%zu\n", vnrb_bytes);
	if (vq)
		vring_del_virtqueue(vq);
	return err;
}

static int vnrb_rings_show(struct seq_file *m, void *data)
{
	unsigned int num;
	int err = 0;

	for (num = VNRB_MIN_NUM; num <= VNRB_MAX_NUM && !err; num *= 2)
		err = vnrb_rings_line(m, num);
	return err;
}
DEFINE_SHOW_ATTRIBUTE(vnrb_rings);

static int __init vnrb_init(void)
{
	int err;

	vnrb_driver.feature_table_size = vnb_num_features;
	err = vnb_start(&vnrb_driver);
	if (err)
		return err;
	err = vn_probes_register(vnrb_probes, vnrb_num_probes());
	if (err) {
		vnb_stop(&vnrb_driver);
		return err;
	}

	vnrb_rings = debugfs_create_file("rings", 0400, vnb_debugfs, NULL,
					 &vnrb_rings_fops);
	return 0;
}
module_init(vnrb_init);

static void __exit vnrb_exit(void)
{
	debugfs_remove(vnrb_rings);
	vn_probes_unregister(vnrb_probes, vnrb_num_probes());
	vnb_stop(&vnrb_driver);
}
module_exit(vnrb_exit);

MODULE_DESCRIPTION("Measure virtio devices in the noirq phase of system sleep");
MODULE_LICENSE("GPL");
