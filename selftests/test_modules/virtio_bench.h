/* SPDX-License-Identifier: GPL-2.0 */
/* What virtio_bench offers to a module that measures another driver. */

#ifndef VIRTIO_BENCH_H
#define VIRTIO_BENCH_H

#include <linux/types.h>
#include <linux/virtio.h>

#define VNB_MAX_QUEUES	64

struct dentry;
struct vnb_request;

struct vnb {
	struct virtio_device *vdev;
	struct virtqueue *vqs[VNB_MAX_QUEUES];
	struct vnb_request *req;
	unsigned int mapped;
};

/* The folder of the modules in debugfs. */
extern struct dentry *vnb_debugfs;

extern const struct virtio_device_id vnb_ids[];
extern const unsigned int vnb_features[];
extern const unsigned int vnb_num_features;

/* For struct virtio_driver. */
int vnb_probe(struct virtio_device *vdev);
void vnb_remove(struct virtio_device *vdev);

/* The device that a transport drives, or NULL. */
struct vnb *vnb_find(const struct device *parent);

/* Whether the PM core resumes devices in the noirq phase. */
bool vnb_in_noirq(void);

/* The device is ready: have it answer a request, and note the time. */
int vnb_answer(struct vnb *b);

/* Registers a driver, gives it all devices, and puts neighbours beside them. */
int vnb_start(struct virtio_driver *drv);
void vnb_stop(struct virtio_driver *drv);

#endif /* VIRTIO_BENCH_H */
