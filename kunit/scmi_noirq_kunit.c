// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for taking the virtio transport of SCMI through the noirq phase of
 * system sleep.
 */
#include <linux/sched/mm.h>
#include <linux/suspend.h>

#include "fake_noirq.h"
#include "fake_scmi.h"

static const struct virtio_config_ops scmi_config_ops = {
	FAKE_NOIRQ_CONFIG_OPS,
};

/* How far down, and up again */

static void scmi_enter_noirq(struct kunit *test)
{
	scmi_freeze(test);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze_noirq(&scmi.fake->vdev), 0);
}

static void scmi_restore_noirq(struct kunit *test)
{
	scmi_device_forget();
	KUNIT_ASSERT_EQ(test, virtio_device_restore_noirq(&scmi.fake->vdev), 0);
}

/* Back from the noirq phase, or from before it: the device need not be reset. */
static void scmi_leave(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&scmi.fake->vdev), 0);
}

/* Send a command and get the answer though there are no interrupts. */
static void scmi_expect_works_without_interrupt(struct kunit *test)
{
	scmi_expect_idle(test);
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	KUNIT_ASSERT_TRUE(test, scmi_answer());
	msleep(20);
	scmi_expect_answer(test, 0);
	scmi_done(0, 0);
	scmi_expect_idle(test);
}

/* Tests */

/* Test that commands are answered without interrupts until freeze_noirq. */
static void noirq_polls_going_down(struct kunit *test)
{
	fake_calls(test);
	scmi_freeze(test);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
	scmi_expect_works_without_interrupt(test);
	scmi_leave(test);
	scmi_expect_works(test);
}

/* Test that they are from restore_noirq on. */
static void noirq_polls_coming_up(struct kunit *test)
{
	scmi_enter_noirq(test);
	KUNIT_EXPECT_EQ(test, scmi_send(0, false), -ESHUTDOWN);
	scmi_restore_noirq(test);
	scmi_expect_works_without_interrupt(test);
	scmi_leave(test);
	scmi_expect_works(test);
	scmi_expect_notified(test, 1);
}

/* Test that one that was sent before is answered, too. */
static void noirq_polls_for_earlier(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	scmi_freeze(test);
	KUNIT_ASSERT_TRUE(test, scmi_answer());
	msleep(20);
	scmi_expect_answer(test, 0);
	scmi_done(0, 0);
	scmi_leave(test);
}

/* Test that asynchronous commands get their delayed response. */
static void noirq_answers_async(struct kunit *test)
{
	DECLARE_COMPLETION_ONSTACK(delayed);

	scmi_enter_noirq(test);
	scmi_restore_noirq(test);
	KUNIT_ASSERT_EQ(test, scmi_send(1, false), 0);
	scmi.xfers[1].async_done = &delayed;
	KUNIT_ASSERT_TRUE(test, scmi_answer());
	KUNIT_ASSERT_TRUE(test, scmi_event(MSG_TYPE_DELAYED_RESP, 1));
	msleep(20);
	KUNIT_EXPECT_TRUE(test, completion_done(&delayed));
	scmi_expect_answer(test, 1);
	scmi_done(1, 0);
	scmi_leave(test);
}

/* Test that an answer is passed which a poller found, and the deferred worker not yet. */
static void noirq_takes_what_pollers_left(struct kunit *test)
{
	struct scmi_vio_channel *vioch = scmi_channel(VIRTIO_SCMI_VQ_TX);

	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	KUNIT_ASSERT_EQ(test, scmi_send(1, true), 0);
	KUNIT_ASSERT_TRUE(test, scmi_answer());
	KUNIT_EXPECT_FALSE(test, scmi_poll(1));
	cancel_work_sync(&vioch->deferred_tx_work);
	scmi_freeze(test);
	msleep(20);
	scmi_expect_answer(test, 0);

	KUNIT_ASSERT_TRUE(test, scmi_answer());
	KUNIT_EXPECT_TRUE(test, scmi_poll(1));
	scmi_done(1, 0);
	scmi_leave(test);
}

/* Whether the device shall not interrupt for either queue */
static bool scmi_device_is_quiet(void)
{
	struct vring_avail *avail;
	struct virtqueue *vq;

	virtio_device_for_each_vq(&scmi.fake->vdev, vq) {
		avail = phys_to_virt(virtqueue_get_avail_addr(vq));
		if (!(virtio16_to_cpu(vq->vdev, avail->flags) & VRING_AVAIL_F_NO_INTERRUPT))
			return false;
	}

	return true;
}

/* Test that an answer does not wake the system, if the interrupt is armed for that. */
static void noirq_switches_callbacks_off(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, scmi_device_is_quiet());
	scmi_freeze(test);
	msleep(20);
	KUNIT_EXPECT_TRUE(test, scmi_device_is_quiet());
	scmi_expect_works_without_interrupt(test);
	KUNIT_ASSERT_TRUE(test, scmi_event(MSG_TYPE_NOTIFICATION, 1));
	msleep(20);
	KUNIT_EXPECT_TRUE(test, scmi_device_is_quiet());

	KUNIT_ASSERT_EQ(test, virtio_device_freeze_noirq(&scmi.fake->vdev), 0);
	scmi_restore_noirq(test);
	msleep(20);
	KUNIT_EXPECT_TRUE(test, scmi_device_is_quiet());

	scmi_leave(test);
	KUNIT_EXPECT_FALSE(test, scmi_device_is_quiet());
	scmi_expect_works(test);
	scmi_expect_notified(test, 2);
}

/* Test that nothing of a transfer is changed which the SCMI core looks at. */
static void noirq_leaves_transfer_alone(struct kunit *test)
{
	scmi_freeze(test);
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	KUNIT_EXPECT_FALSE(test, scmi.xfers[0].hdr.poll_completion);
	KUNIT_ASSERT_TRUE(test, scmi_answer());
	msleep(20);
	scmi_leave(test);
}

/* Test that notifications are passed on, whenever they come. */
static void noirq_notifies(struct kunit *test)
{
	scmi_freeze(test);
	KUNIT_ASSERT_TRUE(test, scmi_event(MSG_TYPE_NOTIFICATION, 1));
	msleep(20);
	KUNIT_EXPECT_EQ(test, scmi.notified, 1);

	KUNIT_ASSERT_TRUE(test, scmi_event(MSG_TYPE_NOTIFICATION, 2));
	KUNIT_ASSERT_EQ(test, virtio_device_freeze_noirq(&scmi.fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, scmi.notified, 2);

	scmi_restore_noirq(test);
	msleep(20);
	KUNIT_ASSERT_TRUE(test, scmi_event(MSG_TYPE_NOTIFICATION, 3));
	scmi_leave(test);
	KUNIT_EXPECT_EQ(test, scmi.notified, 3);
	KUNIT_EXPECT_EQ(test, scmi_device_has(VIRTIO_SCMI_VQ_RX), SCMI_NOTIFICATIONS);
}

/* Test that nobody polls any more after the last phase. */
static void noirq_stops_polling(struct kunit *test)
{
	scmi_enter_noirq(test);
	scmi_restore_noirq(test);
	scmi_leave(test);
	msleep(20);
	KUNIT_EXPECT_FALSE(test, work_busy(&scmi_channel(VIRTIO_SCMI_VQ_TX)->polling_work));
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	KUNIT_ASSERT_TRUE(test, scmi_answer());
	msleep(20);
	KUNIT_EXPECT_FALSE(test, completion_done(&scmi.xfers[0].done));
	scmi_interrupt(VIRTIO_SCMI_VQ_TX);
	scmi_expect_answer(test, 0);
}

/* Test that the worker is gone when the device is reset. */
static void noirq_cancels_worker(struct kunit *test)
{
	struct work_struct *work = &scmi_channel(VIRTIO_SCMI_VQ_TX)->polling_work;

	work->func = scmi_slow_worker;
	scmi_enter_noirq(test);
	KUNIT_EXPECT_FALSE(test, work_busy(work));
}

/* Test that the worker needs no memory, which may depend on what it waits for. */
static void noirq_worker_needs_no_memory(struct kunit *test)
{
	struct scmi_vio_channel *vioch = scmi_channel(VIRTIO_SCMI_VQ_TX);
	u64 log = kernel_log_end();
	unsigned int flags;

	/* With a worker that is done there is nothing to flush, and no complaint. */
	vioch->deferred_tx_work.func = scmi_slow_worker;
	queue_work(vioch->deferred_tx_wq, &vioch->deferred_tx_work);
	/* The kernel complains if memory is waited for here. */
	flags = memalloc_noreclaim_save();
	flush_workqueue(vioch->deferred_tx_wq);
	memalloc_noreclaim_restore(flags);
	KUNIT_EXPECT_EQ(test, kernel_log_count(log, "is flushing !WQ_MEM_RECLAIM"), 0);
}

/* Test that whoever still waits in freeze_noirq is told that it is in vain. */
static void noirq_fails_message(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	scmi_enter_noirq(test);
	KUNIT_EXPECT_TRUE(test, completion_done(&scmi.xfers[0].done));
	KUNIT_EXPECT_EQ(test, scmi.xfers[0].hdr.status, SCMI_ERR_COMMS);
	scmi_restore_noirq(test);
	scmi_leave(test);
	scmi_expect_works(test);
}

/* Test that buffers are left to a device that cannot be reset. */
static void noirq_reset_fails(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	scmi_freeze(test);
	scmi.fake->stuck = VIRTIO_CONFIG_S_DRIVER_OK;
	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&scmi.fake->vdev), -ETIMEDOUT);
	KUNIT_EXPECT_FALSE(test, completion_done(&scmi.xfers[0].done));
	KUNIT_EXPECT_EQ(test, list_count_nodes(&scmi_channel(VIRTIO_SCMI_VQ_TX)->free_list),
			SCMI_COMMANDS - 1);
}

/* Test that the system sleeps all the same, and what becomes of them afterwards. */
static void noirq_reset_fails_in_suspend(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	scmi_freeze(test);
	scmi.fake->stuck = VIRTIO_CONFIG_S_DRIVER_OK;
	pm_suspend_target_state = PM_SUSPEND_TO_IDLE;
	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&scmi.fake->vdev), 0);
	pm_suspend_target_state = PM_SUSPEND_ON;
	KUNIT_EXPECT_FALSE(test, completion_done(&scmi.xfers[0].done));

	fake_heal(scmi.fake);
	scmi_restore_noirq(test);
	KUNIT_EXPECT_TRUE(test, completion_done(&scmi.xfers[0].done));
	KUNIT_EXPECT_EQ(test, scmi.xfers[0].hdr.status, SCMI_ERR_COMMS);
	scmi_leave(test);
	scmi_expect_works(test);
}

/* Test that a device that does not come back refuses commands until it does. */
static void noirq_restore_fails(struct kunit *test)
{
	scmi_enter_noirq(test);
	fake_at(scmi.fake, "finalize_features", fake_fail);
	KUNIT_EXPECT_NE(test, virtio_device_restore_noirq(&scmi.fake->vdev), 0);
	virtio_device_restore(&scmi.fake->vdev);
	KUNIT_EXPECT_EQ(test, scmi_send(0, false), -ESHUTDOWN);
	fake_heal(scmi.fake);

	scmi_enter_noirq(test);
	scmi_restore_noirq(test);
	scmi_leave(test);
	scmi_expect_works(test);
	scmi_expect_notified(test, 1);
}

/* Test that a device without an SCMI device goes through the phase. */
static void noirq_without_scmi_device(struct kunit *test)
{
	scmi_free_all(NULL);
	scmi_new_device(test);
	scmi_enter_noirq(test);
	scmi_restore_noirq(test);
	scmi_leave(test);
	scmi_setup_all(test);
	scmi_expect_works(test);
	scmi_expect_notified(test, 1);
}

/* Test that the SCMI device can go while the worker polls. */
static void noirq_scmi_device_goes(struct kunit *test)
{
	scmi_freeze(test);
	scmi_free_all(NULL);
	kunit_device_unregister(test, scmi.dev);
	scmi.dev = NULL;
	scmi_leave(test);
	KUNIT_EXPECT_FALSE(test, work_busy(&scmi_channel(VIRTIO_SCMI_VQ_TX)->polling_work));
}

/* The device is about to be frozen, in the middle of a step. */
static void scmi_stop_now(void)
{
	scmi_channel(VIRTIO_SCMI_VQ_TX)->stopped = true;
	scmi_channel(VIRTIO_SCMI_VQ_RX)->stopped = true;
	scmi.seen++;
}

/* Test that a notification that comes meanwhile leaves its buffer to the next one. */
static void noirq_notified_meanwhile(struct kunit *test)
{
	scmi.in_callback = scmi_stop_now;
	KUNIT_ASSERT_TRUE(test, scmi_event(MSG_TYPE_NOTIFICATION, 1));
	scmi_interrupt(VIRTIO_SCMI_VQ_RX);
	scmi.in_callback = NULL;
	KUNIT_EXPECT_EQ(test, scmi.seen, 1);
	scmi_enter_noirq(test);
	scmi_restore_noirq(test);
	scmi_leave(test);
	KUNIT_EXPECT_EQ(test, scmi_device_has(VIRTIO_SCMI_VQ_RX), SCMI_NOTIFICATIONS);
}

/* Test that a poller who has just seen an answer leaves it to whoever stops. */
static void noirq_poller_is_late(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, true), 0);
	KUNIT_ASSERT_TRUE(test, scmi_answer());
	fake_scmi_polled = scmi_stop_now;
	KUNIT_EXPECT_FALSE(test, scmi_poll(0));
	fake_scmi_polled = NULL;
	KUNIT_EXPECT_EQ(test, scmi.seen, 1);

	scmi_enter_noirq(test);
	scmi_expect_answer(test, 0);
	scmi_done(0, 0);
	scmi_expect_idle(test);
}

static struct kunit_case scmi_noirq_cases[] = {
	KUNIT_CASE(noirq_polls_going_down),
	KUNIT_CASE(noirq_polls_coming_up),
	KUNIT_CASE(noirq_polls_for_earlier),
	KUNIT_CASE(noirq_answers_async),
	KUNIT_CASE(noirq_takes_what_pollers_left),
	KUNIT_CASE(noirq_switches_callbacks_off),
	KUNIT_CASE(noirq_leaves_transfer_alone),
	KUNIT_CASE(noirq_notifies),
	KUNIT_CASE(noirq_stops_polling),
	KUNIT_CASE(noirq_cancels_worker),
	KUNIT_CASE(noirq_worker_needs_no_memory),
	KUNIT_CASE(noirq_fails_message),
	KUNIT_CASE(noirq_reset_fails),
	KUNIT_CASE(noirq_reset_fails_in_suspend),
	KUNIT_CASE(noirq_restore_fails),
	KUNIT_CASE(noirq_without_scmi_device),
	KUNIT_CASE(noirq_scmi_device_goes),
	KUNIT_CASE(noirq_notified_meanwhile),
	KUNIT_CASE(noirq_poller_is_late),
	{}
};

static int scmi_noirq_init(struct kunit *test)
{
	fake_scmi_init(test, &scmi_config_ops);

	return 0;
}

static struct kunit_suite scmi_noirq_suite = {
	.name = "virtio_scmi_noirq",
	.init = scmi_noirq_init,
	.test_cases = scmi_noirq_cases,
};

kunit_test_suite(scmi_noirq_suite);

MODULE_DESCRIPTION("KUnit tests for the virtio transport of SCMI in the noirq phase");
MODULE_LICENSE("GPL");
