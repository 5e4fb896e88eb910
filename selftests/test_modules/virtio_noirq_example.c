// SPDX-License-Identifier: GPL-2.0
/*
 * A complete driver that uses its device in the noirq phase of system sleep:
 * Documentation/driver-api/virtio/noirq.rst shows it. It asks an entropy device
 * for a few bytes in probe and in restore_noirq.
 */

#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#define EXAMPLE_TIMEOUT_US	(100 * USEC_PER_MSEC)

struct example {
	struct virtqueue *vq;
	unsigned int len;	/* of the last answer */
	bool busy;		/* the device owns the buffer */

	__dma_from_device_group_begin(answer);
	u8 buf[16];
	__dma_from_device_group_end(answer);
};

static unsigned int answers;
module_param(answers, uint, 0444);
MODULE_PARM_DESC(answers, "Answers that came in restore_noirq (read only)");

static bool example_answered(struct example *ex)
{
	if (virtqueue_get_buf(ex->vq, &ex->len))
		ex->busy = false;
	return !ex->busy || virtqueue_is_broken(ex->vq);
}

/* Works in every phase: it polls, for a bounded time, and allocates no table. */
static int example_ask(struct example *ex)
{
	struct scatterlist sg;
	bool answered;
	int err;

	sg_init_one(&sg, ex->buf, sizeof(ex->buf));
	err = virtqueue_add_inbuf(ex->vq, &sg, 1, ex, GFP_NOIO);
	if (err)
		return err;
	ex->busy = true;

	virtqueue_kick(ex->vq);
	err = read_poll_timeout(example_answered, answered, answered, 0,
				EXAMPLE_TIMEOUT_US, false, ex);
	if (err)
		return err;
	return ex->busy ? -EIO : 0;
}

static void example_done(struct virtqueue *vq)
{
	/* An interrupt in the normal phase; polling has seen the answer. */
}

static void example_remove(struct virtio_device *vdev)
{
	struct example *ex = vdev->priv;

	virtio_reset_device(vdev);
	virtqueue_detach_unused_buf(ex->vq);
	vdev->config->del_vqs(vdev);
}

static int example_probe(struct virtio_device *vdev)
{
	struct example *ex;
	int err;

	ex = devm_kzalloc(&vdev->dev, sizeof(*ex), GFP_KERNEL);
	if (!ex)
		return -ENOMEM;

	vdev->priv = ex;
	ex->vq = virtio_find_single_vq(vdev, example_done, "input");
	if (IS_ERR(ex->vq))
		return PTR_ERR(ex->vq);

	virtio_device_ready(vdev);
	err = example_ask(ex);
	if (err)
		example_remove(vdev);
	return err;
}

/*
 * The device is still needed: stop nothing that consumers may ask for until
 * freeze_noirq. From here on answers are polled for.
 */
static int example_freeze(struct virtio_device *vdev)
{
	struct example *ex = vdev->priv;

	virtqueue_disable_cb(ex->vq);
	return 0;
}

/* Every buffer has to be back. If the device kept one, take it back. */
static int example_drain(struct virtio_device *vdev)
{
	struct example *ex = vdev->priv;
	int err;

	if (!ex->busy)
		return 0;

	err = virtio_reset_device_noirq(vdev);
	if (err)
		return err;	/* the device may still write to the buffer */

	virtqueue_detach_unused_buf(ex->vq);
	ex->busy = false;
	return 0;
}

static int example_freeze_noirq(struct virtio_device *vdev)
{
	return example_drain(vdev);
}

/*
 * The core has reset the device and given it the same virtqueues again. A buffer
 * that is left in one would keep it from doing so in the next sleep cycle.
 */
static int example_restore_noirq(struct virtio_device *vdev)
{
	struct example *ex = vdev->priv;
	int err;

	virtio_device_ready_noirq(vdev);
	virtqueue_disable_cb(ex->vq);

	err = example_ask(ex);
	if (err)
		example_drain(vdev);
	else
		answers++;
	return err;
}

/* Also called if freeze_noirq never was: undo freeze, and no more. */
static int example_restore(struct virtio_device *vdev)
{
	struct example *ex = vdev->priv;

	virtqueue_enable_cb(ex->vq);
	return 0;
}

static const struct virtio_device_id example_ids[] = {
	{ VIRTIO_ID_RNG, VIRTIO_DEV_ANY_ID },
	{ },
};

static struct virtio_driver example_driver = {
	.driver.name	= "virtio_noirq_example",
	.id_table	= example_ids,
	.probe		= example_probe,
	.remove		= example_remove,
	.freeze		= example_freeze,
	.freeze_noirq	= example_freeze_noirq,
	.restore_noirq	= example_restore_noirq,
	.restore	= example_restore,
};
module_virtio_driver(example_driver);

MODULE_DESCRIPTION("Example of a virtio driver in the noirq phase of system sleep");
MODULE_LICENSE("GPL");
