/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What stands around the virtio transport of SCMI, whose code is part of the
 * test: a device that answers and notifies when it is told to, and an SCMI core
 * that counts. See the Arm SCMI specification (DEN0056), "Message header", and
 * the virtio specification, "SCMI Device".
 */
#ifndef _FAKE_SCMI_H
#define _FAKE_SCMI_H

#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/platform_device.h>
#include <linux/workqueue.h>

#include <kunit/test-bug.h>

#include "fake_split.h"

/* Two descriptors for each command, one for each notification */
#define SCMI_COMMANDS		(FAKE_QUEUE_SIZE / 2)
#define SCMI_NOTIFICATIONS	FAKE_QUEUE_SIZE
#define SCMI_VALUE		0x5c310000

/*
 * How often memory is left, and what happens when a lock was released, and when
 * something was found in a virtqueue
 */
static int fake_scmi_memory;
static void (*fake_scmi_unlocked)(void);
static void (*fake_scmi_polled)(void);

/* Memory of an SCMI device. It is there until the end of the test, to be looked at. */
static inline void *fake_scmi_alloc(struct device *dev, size_t size, gfp_t gfp)
{
	if (fake_scmi_memory-- <= 0)
		return NULL;

	return kunit_kzalloc(kunit_get_current_test(), size, gfp);
}

static inline void fake_scmi_unlock(spinlock_t *lock)
{
	spin_unlock(lock);
	if (fake_scmi_unlocked)
		fake_scmi_unlocked();
}

static inline bool fake_scmi_virtqueue_poll(struct virtqueue *vq, unsigned int idx)
{
	bool found = virtqueue_poll(vq, idx);

	if (found && fake_scmi_polled)
		fake_scmi_polled();

	return found;
}

/* The transport, as one file with the test that does not register itself */
#define devm_kzalloc(dev, size, gfp)	fake_scmi_alloc(dev, size, gfp)
#define spin_unlock(lock)		fake_scmi_unlock(lock)
#define virtqueue_poll(vq, idx)		fake_scmi_virtqueue_poll(vq, idx)
#undef __init
#define __init				__maybe_unused
#undef __exit
#define __exit				__maybe_unused
#undef module_init
#define module_init(...)
#undef module_exit
#define module_exit(...)

#include "common.h"
/* Each suite has its own. */
const struct scmi_message_operations *__weak scmi_message_operations_get(void);
#include "msg.c"
#include "transports/virtio.c"

#undef devm_kzalloc
#undef spin_unlock
#undef virtqueue_poll

struct fake_scmi {
	struct fake_virtio *fake;
	struct device *dev;
	struct scmi_chan_info tx;
	struct scmi_chan_info rx;

	/* Of each queue, how far the device is in its rings */
	struct fake_split split[VIRTIO_SCMI_VQ_MAX_CNT];
	struct hrtimer late;

	/* The SCMI core, and what a function saw that it called */
	struct scmi_xfer xfers[SCMI_COMMANDS];
	__le32 values[SCMI_COMMANDS];
	unsigned int passed;
	unsigned int notified;
	bool interruptible;
	void (*in_callback)(void);
	int seen;
};

static struct fake_scmi scmi;

static inline struct scmi_vio_channel *scmi_channel(int index)
{
	return &((struct scmi_vio_channel *)scmi.fake->vdev.priv)[index];
}

/* A worker that still runs when whoever does not wait for it looks */
static inline void scmi_slow_worker(struct work_struct *work)
{
	msleep(200);
}

/* The device */

/* Return the next buffer that it was given, or NULL. */
static inline struct vring_desc *scmi_take(int index)
{
	return fake_take(scmi_channel(index)->vqueue, &scmi.split[index]);
}

/* Put a message with this header and words into a buffer, and give it back. */
static inline void scmi_use(int index, struct vring_desc *desc, u32 header,
			    u32 status, u32 value)
{
	struct virtqueue *vq = scmi_channel(index)->vqueue;
	__le32 *words = fake_buffer(vq, fake_next(vq, desc) ?: desc);

	words[0] = cpu_to_le32(header);
	words[1] = cpu_to_le32(status);
	words[2] = cpu_to_le32(value);
	fake_use(vq, &scmi.split[index], desc, 3 * sizeof(*words));
}

/* Answer the next command with SCMI_VALUE plus its token. */
static inline bool scmi_answer(void)
{
	struct vring_desc *desc = scmi_take(VIRTIO_SCMI_VQ_TX);
	__le32 *words;
	u32 header;

	if (!desc)
		return false;

	words = phys_to_virt(virtio64_to_cpu(&scmi.fake->vdev, desc->addr));
	header = le32_to_cpu(words[0]);
	scmi_use(VIRTIO_SCMI_VQ_TX, desc, header, SCMI_SUCCESS,
		 SCMI_VALUE + MSG_XTRACT_TOKEN(header));

	return true;
}

static inline enum hrtimer_restart scmi_answer_late(struct hrtimer *timer)
{
	scmi_answer();

	return HRTIMER_NORESTART;
}

/* Put a message into the next buffer for notifications. */
static inline bool scmi_event(u32 type, u32 token)
{
	struct vring_desc *desc = scmi_take(VIRTIO_SCMI_VQ_RX);

	if (desc)
		scmi_use(VIRTIO_SCMI_VQ_RX, desc,
			 FIELD_PREP(MSG_TYPE_MASK, type) |
			 FIELD_PREP(MSG_TOKEN_ID_MASK, token), SCMI_SUCCESS,
			 SCMI_VALUE + token);

	return desc;
}

static inline void scmi_interrupt(int index)
{
	unsigned long flags;

	local_irq_save(flags);
	vring_interrupt(0, scmi_channel(index)->vqueue);
	local_irq_restore(flags);
}

/* How many buffers the device has; it forgets the ones that it took. */
static inline unsigned int scmi_device_has(int index)
{
	unsigned int count = 0;

	while (scmi_take(index))
		count++;

	return count;
}

/* The device was reset. */
static inline void scmi_device_forget(void)
{
	memset(scmi.split, 0, sizeof(scmi.split));
}

/* The SCMI core */

static inline void fake_scmi_rx_callback(struct scmi_chan_info *cinfo,
					 u32 header, void *priv)
{
	struct scmi_xfer *xfer = &scmi.xfers[MSG_XTRACT_TOKEN(header) % SCMI_COMMANDS];

	scmi.interruptible |= !irqs_disabled();
	scmi.passed++;

	if (MSG_XTRACT_TYPE(header) == MSG_TYPE_NOTIFICATION) {
		scmi.notified = MSG_XTRACT_TOKEN(header);
	} else {
		xfer->priv = priv;
		scmi_virtio_ops.fetch_response(cinfo, xfer);
		complete(MSG_XTRACT_TYPE(header) == MSG_TYPE_DELAYED_RESP ?
			 xfer->async_done : &xfer->done);
	}

	if (scmi.in_callback)
		scmi.in_callback();
}

static struct scmi_transport_core_operations fake_scmi_core = {
	.rx_callback = fake_scmi_rx_callback,
	.msg = &scmi_msg_ops,
};

static inline int scmi_send(unsigned int token, bool polled)
{
	struct scmi_xfer *xfer = &scmi.xfers[token];

	memset(xfer, 0, sizeof(*xfer));
	init_completion(&xfer->done);
	xfer->hdr.seq = token;
	xfer->hdr.poll_completion = polled;
	xfer->rx.buf = &scmi.values[token];
	xfer->rx.len = sizeof(scmi.values[token]);
	scmi.values[token] = 0;

	return scmi_virtio_ops.send_message(&scmi.tx, xfer);
}

/* What the core does in each turn of its loop. */
static inline bool scmi_poll(unsigned int token)
{
	return scmi_virtio_ops.poll_done(&scmi.tx, &scmi.xfers[token]);
}

/* What it does in the end. */
static inline void scmi_done(unsigned int token, int ret)
{
	scmi_virtio_ops.mark_txdone(&scmi.tx, ret, &scmi.xfers[token]);
}

static inline void scmi_expect_answer(struct kunit *test, unsigned int token)
{
	KUNIT_EXPECT_TRUE(test, completion_done(&scmi.xfers[token].done));
	KUNIT_EXPECT_EQ(test, scmi.xfers[token].hdr.status, SCMI_SUCCESS);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(scmi.values[token]), SCMI_VALUE + token);
}

/* Each message of the channel for commands can be used, and once. */
static inline void scmi_expect_idle(struct kunit *test)
{
	struct scmi_vio_channel *vioch = scmi_channel(VIRTIO_SCMI_VQ_TX);

	KUNIT_EXPECT_EQ(test, list_count_nodes(&vioch->free_list), SCMI_COMMANDS);
}

/* Send a command and get the answer by interrupt. */
static inline void scmi_expect_works(struct kunit *test)
{
	scmi_expect_idle(test);
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	KUNIT_ASSERT_TRUE(test, scmi_answer());
	scmi_interrupt(VIRTIO_SCMI_VQ_TX);
	scmi_expect_answer(test, 0);
	scmi_done(0, 0);
	scmi_expect_idle(test);
}

/* Get a notification, and give the buffer back. */
static inline void scmi_expect_notified(struct kunit *test, unsigned int token)
{
	KUNIT_ASSERT_TRUE(test, scmi_event(MSG_TYPE_NOTIFICATION, token));
	scmi_interrupt(VIRTIO_SCMI_VQ_RX);
	KUNIT_EXPECT_EQ(test, scmi.notified, token);
}

/* How many descriptors a device has in use when it is reset */
static inline int scmi_look_at_reset(struct fake_virtio *fake)
{
	struct virtqueue *vq;

	virtio_device_for_each_vq(&fake->vdev, vq)
		scmi.seen += virtqueue_get_vring_size(vq) - vq->num_free;

	return 0;
}

static inline int scmi_setup(struct scmi_chan_info *cinfo, bool tx)
{
	memset(cinfo, 0, sizeof(*cinfo));
	cinfo->dev = scmi.dev;
	cinfo->is_p2a = !tx;
	cinfo->max_msg_size = VIRTIO_SCMI_MAX_MSG_SIZE;

	return scmi_virtio_ops.chan_setup(cinfo, scmi.dev, tx);
}

static inline void scmi_setup_all(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_setup(&scmi.tx, true), 0);
	KUNIT_ASSERT_EQ(test, scmi_setup(&scmi.rx, false), 0);
}

static inline void scmi_free(struct scmi_chan_info *cinfo)
{
	/* It has gone before the virtio device. */
	if (cinfo->transport_info && scmi_vdev)
		scmi_virtio_ops.chan_free(0, cinfo, NULL);
}

/* The SCMI device goes: first its channels, then its memory. */
static inline void scmi_free_all(void *unused)
{
	scmi_free(&scmi.tx);
	scmi_free(&scmi.rx);
}

/* Another one, in place of the first, for a virtio device that was set up again. */
static inline void scmi_new_device(struct kunit *test)
{
	if (scmi.dev)
		kunit_device_unregister(test, scmi.dev);
	__virtio_unbreak_device(&scmi.fake->vdev);
	scmi.fake->has_vqs = true;
	scmi.dev = kunit_device_register(test, "fake-scmi");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, scmi.dev);
}

static inline void fake_scmi_cancel(void *unused)
{
	hrtimer_cancel(&scmi.late);
}

/* System sleep, with an own virtio device that restore has to start */

static inline void scmi_freeze(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&scmi.fake->vdev), 0);
}

static inline void scmi_restore(struct kunit *test)
{
	scmi_device_forget();
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&scmi.fake->vdev), 0);
}

/* A virtqueue that is gone shall not be looked at. */
static inline void scmi_spoil_vqs(void)
{
	int i;

	for (i = 0; list_empty(&scmi.fake->vdev.vqs) && i < VIRTIO_SCMI_VQ_MAX_CNT; i++)
		scmi_channel(i)->vqueue = NULL;
}

/* The transport, bound to a device with this config, and both channels */
static inline void fake_scmi_init(struct kunit *test,
				  const struct virtio_config_ops *config)
{
	struct virtio_driver drv = virtio_scmi_driver;

	memset(&scmi, 0, sizeof(scmi));
	fake_scmi_memory = INT_MAX;
	fake_scmi_unlocked = NULL;
	fake_scmi_polled = NULL;
	core = &fake_scmi_core;
	hrtimer_setup(&scmi.late, scmi_answer_late, CLOCK_MONOTONIC, HRTIMER_MODE_REL);

	drv.driver.name = KBUILD_MODNAME;
	drv.id_table = fake_id_table;
	fake_virtio_init(test, config, &drv);
	scmi.fake = test->priv;
	scmi_new_device(test);

	scmi_setup_all(test);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, scmi_free_all, NULL), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, fake_scmi_cancel, NULL), 0);
}

#endif /* _FAKE_SCMI_H */
