// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for the virtio transport of SCMI, without system sleep.
 */
#include "fake_scmi.h"

static const struct virtio_config_ops scmi_config_ops = {
	FAKE_CONFIG_OPS,
};

/* What happens elsewhere, in the middle of a step */

/* The sender of the first message is done with it, and it can be used again. */
static void scmi_sender_is_done(void)
{
	struct scmi_vio_msg *msg = scmi.xfers[0].priv;

	scmi_done(0, 0);
	scmi.seen = refcount_read(&msg->users);
	if (!scmi.seen) {
		list_del(&msg->list);
		refcount_set(&msg->users, 1);
	}
}

/* The sender of the second message sees that there is an answer, and takes it. */
static void scmi_sender_takes(void)
{
	struct scmi_xfer *xfer = &scmi.xfers[1];
	struct scmi_vio_msg *msg = xfer->priv;

	if (scmi.seen || msg->poll_status != VIO_MSG_POLL_DONE)
		return;

	scmi.seen = scmi_poll(1);
	scmi_virtio_ops.fetch_response(&scmi.tx, xfer);
	complete(&xfer->done);
}

/* Tests */

/* Test that an answer is passed to the SCMI core by interrupt. */
static void scmi_answers(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < 2 * FAKE_QUEUE_SIZE; i++)
		scmi_expect_works(test);
	KUNIT_EXPECT_EQ(test, scmi.passed, 2 * FAKE_QUEUE_SIZE);
}

/* Test that notifications are, and that the device gets the buffers back. */
static void scmi_notifies(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < 2 * FAKE_QUEUE_SIZE; i++)
		scmi_expect_notified(test, i);
	KUNIT_EXPECT_EQ(test, scmi_device_has(VIRTIO_SCMI_VQ_RX), SCMI_NOTIFICATIONS);
}

/* Test that an answer that is polled for is found, without the SCMI core. */
static void scmi_answers_poller(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, true), 0);
	KUNIT_EXPECT_FALSE(test, scmi_poll(0));
	KUNIT_ASSERT_TRUE(test, scmi_answer());
	KUNIT_EXPECT_TRUE(test, scmi_poll(0));
	KUNIT_EXPECT_EQ(test, scmi.passed, 0);

	scmi_done(0, 0);
	scmi_expect_works(test);
}

/* Test that a poller who gave up gets no message back that the device has. */
static void scmi_poller_gives_up(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, true), 0);
	KUNIT_EXPECT_FALSE(test, scmi_poll(0));
	scmi_done(0, -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&scmi_channel(VIRTIO_SCMI_VQ_TX)->free_list),
			SCMI_COMMANDS - 1);

	KUNIT_ASSERT_TRUE(test, scmi_answer());
	scmi_interrupt(VIRTIO_SCMI_VQ_TX);
	scmi_expect_idle(test);
}

/* Test that a poller finds the answer whole which another poller has found. */
static void scmi_poller_of_another(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(1, true), 0);
	KUNIT_ASSERT_EQ(test, scmi_send(0, true), 0);
	KUNIT_ASSERT_TRUE(test, scmi_answer());
	KUNIT_ASSERT_TRUE(test, scmi_answer());

	fake_scmi_unlocked = scmi_sender_takes;
	KUNIT_EXPECT_TRUE(test, scmi_poll(0));
	fake_scmi_unlocked = NULL;
	KUNIT_EXPECT_TRUE(test, scmi.seen);
	scmi_expect_answer(test, 1);

	scmi_done(0, 0);
	scmi_done(1, 0);
	scmi_expect_idle(test);
}

/*
 * Test that a message which an interrupt has taken is not free before it is done
 * with it, though the poller that waits for the answer is.
 */
static void scmi_poller_and_interrupt(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, true), 0);
	KUNIT_ASSERT_TRUE(test, scmi_answer());

	scmi.in_callback = scmi_sender_is_done;
	scmi_interrupt(VIRTIO_SCMI_VQ_TX);
	scmi.in_callback = NULL;
	KUNIT_EXPECT_EQ(test, scmi.seen, 1);
	scmi_expect_works(test);
}

/* Test that no interrupt can pass a message while the deferred worker does. */
static void scmi_worker_is_alone(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	KUNIT_ASSERT_EQ(test, scmi_send(1, false), 0);
	KUNIT_ASSERT_EQ(test, scmi_send(2, true), 0);

	/* One that a poller has left, and one in the virtqueue */
	KUNIT_ASSERT_TRUE(test, scmi_answer());
	KUNIT_EXPECT_FALSE(test, scmi_poll(2));
	KUNIT_ASSERT_TRUE(test, scmi_answer());
	flush_work(&scmi_channel(VIRTIO_SCMI_VQ_TX)->deferred_tx_work);
	scmi_expect_answer(test, 0);
	scmi_expect_answer(test, 1);
	KUNIT_EXPECT_FALSE(test, scmi.interruptible);

	KUNIT_ASSERT_TRUE(test, scmi_answer());
	KUNIT_EXPECT_TRUE(test, scmi_poll(2));
	scmi_done(2, 0);
	scmi_expect_works(test);
}

/* Test that it works while the system sleeps. */
static void scmi_worker_is_not_frozen(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	KUNIT_ASSERT_EQ(test, scmi_send(1, true), 0);
	KUNIT_ASSERT_TRUE(test, scmi_answer());

	freeze_workqueues_begin();
	KUNIT_EXPECT_FALSE(test, scmi_poll(1));
	msleep(100);
	scmi_expect_answer(test, 0);
	thaw_workqueues();

	KUNIT_ASSERT_TRUE(test, scmi_answer());
	KUNIT_EXPECT_TRUE(test, scmi_poll(1));
	scmi_done(1, 0);
}

/* Test that a second SCMI device does not get messages of the first one. */
static void scmi_second_device(struct kunit *test)
{
	struct scmi_vio_channel *vioch = scmi_channel(VIRTIO_SCMI_VQ_TX);

	/* One is left to the worker, which comes too late. */
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	KUNIT_ASSERT_EQ(test, scmi_send(1, true), 0);
	KUNIT_ASSERT_TRUE(test, scmi_answer());
	KUNIT_EXPECT_FALSE(test, scmi_poll(1));
	KUNIT_EXPECT_FALSE(test, list_empty(&vioch->pending_cmds_list));

	scmi_free_all(NULL);
	scmi_new_device(test);
	KUNIT_ASSERT_EQ(test, scmi_setup(&scmi.tx, true), 0);
	scmi_expect_idle(test);
	KUNIT_EXPECT_TRUE(test, list_empty(&vioch->pending_cmds_list));
}

/* Test that its channel is closed for good, like that of the first one. */
static void scmi_second_shutdown(struct kunit *test)
{
	scmi_free_all(NULL);
	scmi_new_device(test);
	KUNIT_ASSERT_EQ(test, scmi_setup(&scmi.tx, true), 0);
	scmi_free(&scmi.tx);
	KUNIT_EXPECT_EQ(test, scmi_send(0, false), -EINVAL);
}

/* Test that one whose setup failed leaves nothing behind for the next one. */
static void scmi_failed_setup(struct kunit *test)
{
	struct scmi_vio_channel *vioch = scmi_channel(VIRTIO_SCMI_VQ_TX);

	scmi_free_all(NULL);
	scmi_new_device(test);
	fake_scmi_memory = 1;
	KUNIT_ASSERT_EQ(test, scmi_setup(&scmi.tx, true), -ENOMEM);
	fake_scmi_memory = INT_MAX;
	KUNIT_EXPECT_NULL(test, vioch->deferred_tx_wq);

	scmi_new_device(test);
	KUNIT_ASSERT_EQ(test, scmi_setup(&scmi.tx, true), 0);
	scmi_expect_idle(test);
}

/* Test that the device has no buffer any more when they are freed. */
static void scmi_device_gives_back(struct kunit *test)
{
	struct scmi_vio_channel *tx = scmi_channel(VIRTIO_SCMI_VQ_TX);
	struct scmi_vio_channel *rx = scmi_channel(VIRTIO_SCMI_VQ_RX);

	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	fake_at(scmi.fake, "reset", scmi_look_at_reset);
	scmi_free_all(NULL);
	/* Nothing was taken back before: the command, twice the notifications */
	KUNIT_EXPECT_EQ(test, scmi.seen, 2 + 2 * SCMI_NOTIFICATIONS);
	/* Each protocol that shares the channel frees it. */
	scmi_free_all(NULL);
	KUNIT_EXPECT_STREQ(test, fake_calls_from(test, "reset"), "reset reset ");
	KUNIT_EXPECT_NULL(test, virtqueue_detach_unused_buf(tx->vqueue));
	KUNIT_EXPECT_NULL(test, virtqueue_detach_unused_buf(rx->vqueue));
}

/* Test that nobody tries to use it after that. */
static void scmi_device_is_reset(struct kunit *test)
{
	u64 log;

	scmi_free_all(NULL);
	log = kernel_log_end();
	KUNIT_EXPECT_EQ(test, scmi_setup(&scmi.tx, true), -ENODEV);
	KUNIT_EXPECT_EQ(test, scmi_setup(&scmi.rx, false), -ENODEV);
	KUNIT_EXPECT_EQ(test, kernel_log_count(log, "virtqueue"), 0);
}

/* Test that it is given none that are freed because the setup fails. */
static void scmi_failed_setup_gives_none(struct kunit *test)
{
	scmi_free(&scmi.rx);
	scmi_new_device(test);
	while (virtqueue_detach_unused_buf(scmi_channel(VIRTIO_SCMI_VQ_RX)->vqueue))
		;
	scmi_device_has(VIRTIO_SCMI_VQ_RX);

	fake_scmi_memory = 3;
	KUNIT_ASSERT_EQ(test, scmi_setup(&scmi.rx, false), -ENOMEM);
	fake_scmi_memory = INT_MAX;
	KUNIT_EXPECT_EQ(test, scmi_device_has(VIRTIO_SCMI_VQ_RX), 0);
}

static struct kunit_case scmi_cases[] = {
	KUNIT_CASE(scmi_answers),
	KUNIT_CASE(scmi_notifies),
	KUNIT_CASE(scmi_answers_poller),
	KUNIT_CASE(scmi_poller_gives_up),
	KUNIT_CASE(scmi_poller_of_another),
	KUNIT_CASE(scmi_poller_and_interrupt),
	KUNIT_CASE(scmi_worker_is_alone),
	KUNIT_CASE(scmi_worker_is_not_frozen),
	KUNIT_CASE(scmi_second_device),
	KUNIT_CASE(scmi_second_shutdown),
	KUNIT_CASE(scmi_failed_setup),
	KUNIT_CASE(scmi_device_gives_back),
	KUNIT_CASE(scmi_device_is_reset),
	KUNIT_CASE(scmi_failed_setup_gives_none),
	{}
};

static int scmi_init(struct kunit *test)
{
	fake_scmi_init(test, &scmi_config_ops);

	return 0;
}

static struct kunit_suite scmi_suite = {
	.name = "virtio_scmi",
	.init = scmi_init,
	.test_cases = scmi_cases,
};

kunit_test_suite(scmi_suite);

MODULE_DESCRIPTION("KUnit tests for the virtio transport of SCMI");
MODULE_LICENSE("GPL");
