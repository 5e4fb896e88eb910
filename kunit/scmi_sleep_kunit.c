// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for taking the virtio transport of SCMI through system sleep, in the
 * normal phase.
 */
#include <linux/ktime.h>

#include "fake_scmi.h"

static const struct virtio_config_ops scmi_config_ops = {
	FAKE_CONFIG_OPS,
};

/* An answer that comes only when the transition has begun, so many ms later */
static void scmi_answer_in(unsigned int ms)
{
	hrtimer_start(&scmi.late, ms_to_ktime(ms), HRTIMER_MODE_REL);
}

/* Freeze, and see that it does not take longer. */
static void scmi_freeze_within(struct kunit *test, s64 ms)
{
	ktime_t start = ktime_get();

	scmi_freeze(test);
	KUNIT_EXPECT_LE(test, ktime_ms_delta(ktime_get(), start), ms);
}

/* Whether all who were under RCU when the device was reset have left it */
static unsigned long scmi_grace_period;

static int scmi_look_at_grace_period(struct fake_virtio *fake)
{
	scmi.seen = poll_state_synchronize_rcu(scmi_grace_period);

	return 0;
}

static int scmi_start_grace_period(struct fake_virtio *fake)
{
	scmi_grace_period = get_state_synchronize_rcu();
	fake_at(fake, "del_vqs", scmi_look_at_grace_period);

	return 0;
}

static void scmi_fail_restore(struct kunit *test)
{
	fake_at(scmi.fake, "finalize_features", fake_fail);
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&scmi.fake->vdev), -ENXIO);
}

/* Test that commands and notifications work again after it. */
static void sleep_works_again(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		scmi_expect_works(test);
		scmi_expect_notified(test, 2 * i + 1);
		scmi_freeze(test);
		scmi_restore(test);
		scmi_expect_works(test);
		scmi_expect_notified(test, 2 * i + 2);
	}
	KUNIT_EXPECT_EQ(test, scmi_device_has(VIRTIO_SCMI_VQ_RX), SCMI_NOTIFICATIONS);
}

/* Test that the device is reset, and has no virtqueues, while the system sleeps. */
static void sleep_resets(struct kunit *test)
{
	fake_calls(test);
	fake_at(scmi.fake, "reset", scmi_look_at_reset);
	scmi_freeze(test);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "reset del_vqs ");
	KUNIT_EXPECT_EQ(test, scmi.seen, SCMI_NOTIFICATIONS);
	KUNIT_EXPECT_TRUE(test, list_empty(&scmi.fake->vdev.vqs));
}

/* Test that a command is refused at once while it does, and without a word. */
static void sleep_refuses(struct kunit *test)
{
	u64 log;

	scmi_freeze(test);
	scmi_spoil_vqs();
	log = kernel_log_end();
	KUNIT_EXPECT_EQ(test, scmi_send(0, false), -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, scmi_send(0, true), -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, kernel_log_count(log, "virtqueue"), 0);
	KUNIT_EXPECT_EQ(test, kernel_log_count(log, "refcount_t"), 0);
	scmi_expect_idle(test);
	scmi_restore(test);
	scmi_expect_works(test);
}

/* Test that what is in flight may still be answered. */
static void sleep_waits_for_answer(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	scmi_answer_in(1000);
	scmi_freeze(test);
	scmi_expect_answer(test, 0);
	scmi_expect_idle(test);
}

/* Test that nobody waits for long for this, and the message can be used again. */
static void sleep_gives_up(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	scmi_freeze_within(test, 2100);
	scmi_restore(test);
	scmi_expect_works(test);
}

/* Test that nothing is waited for that cannot come. */
static void sleep_broken(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	virtio_break_device(&scmi.fake->vdev);
	scmi_freeze_within(test, 100);
	scmi_restore(test);
	scmi_expect_works(test);
}

/* Test that a poller who has the answer and is not done with it is not waited for. */
static void sleep_poller_is_slow(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, true), 0);
	KUNIT_ASSERT_TRUE(test, scmi_answer());
	KUNIT_EXPECT_TRUE(test, scmi_poll(0));
	scmi_freeze_within(test, 100);
	scmi_done(0, 0);
	scmi_expect_idle(test);
}

/* Test that whoever waits for the answer is told that there will be none. */
static void sleep_fails_message(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	KUNIT_ASSERT_EQ(test, scmi_send(1, true), 0);
	scmi_freeze(test);
	KUNIT_EXPECT_TRUE(test, completion_done(&scmi.xfers[0].done));
	KUNIT_EXPECT_EQ(test, scmi.xfers[0].hdr.status, SCMI_ERR_COMMS);
	KUNIT_EXPECT_TRUE(test, completion_done(&scmi.xfers[1].done));
	KUNIT_EXPECT_EQ(test, scmi.xfers[1].hdr.status, SCMI_ERR_COMMS);
	scmi_done(1, -ECOMM);
	scmi_expect_idle(test);
}

/* Test that the SCMI core is not told of one that gave up before. */
static void sleep_fails_nobody(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, true), 0);
	scmi_done(0, -ETIMEDOUT);
	scmi_freeze(test);
	KUNIT_EXPECT_EQ(test, scmi.passed, 0);
	scmi_expect_idle(test);
}

/* Test that a poller who is late does not look for it in a virtqueue that is gone. */
static void sleep_poller_is_late(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, true), 0);
	scmi_freeze(test);
	scmi_spoil_vqs();
	KUNIT_EXPECT_FALSE(test, scmi_poll(0));
	scmi_done(0, -ETIMEDOUT);
	scmi_restore(test);
	scmi_expect_works(test);
}

/* Test that one who looks at a virtqueue is waited for before it goes. */
static void sleep_waits_for_pollers(struct kunit *test)
{
	fake_at(scmi.fake, "reset", scmi_start_grace_period);
	scmi_freeze(test);
	KUNIT_EXPECT_TRUE(test, scmi.seen);
}

/* Test that answers which a poller left to the worker do not get lost. */
static void sleep_cancels_worker(struct kunit *test)
{
	struct work_struct *work = &scmi_channel(VIRTIO_SCMI_VQ_TX)->deferred_tx_work;

	work->func = scmi_slow_worker;
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	KUNIT_ASSERT_EQ(test, scmi_send(1, true), 0);
	KUNIT_ASSERT_TRUE(test, scmi_answer());
	KUNIT_EXPECT_FALSE(test, scmi_poll(1));
	KUNIT_ASSERT_TRUE(test, scmi_answer());
	scmi_freeze(test);
	KUNIT_EXPECT_FALSE(test, work_busy(work));
	scmi_expect_answer(test, 0);
	KUNIT_EXPECT_TRUE(test, completion_done(&scmi.xfers[1].done));
	scmi_done(1, 0);
	scmi_expect_idle(test);
}

/* Test that after a restore that failed commands are refused until one does not. */
static void sleep_restore_fails(struct kunit *test)
{
	scmi_freeze(test);
	scmi_device_forget();
	scmi_fail_restore(test);
	KUNIT_EXPECT_EQ(test, scmi_send(0, false), -ESHUTDOWN);
	fake_heal(scmi.fake);
	scmi_spoil_vqs();

	scmi_freeze(test);
	scmi_restore(test);
	scmi_expect_works(test);
	scmi_expect_notified(test, 1);
}

/* Test that the SCMI device and the driver can go then. */
static void sleep_restore_fails_then_remove(struct kunit *test)
{
	scmi_freeze(test);
	scmi_fail_restore(test);
	fake_heal(scmi.fake);
	scmi_spoil_vqs();
	scmi_free_all(NULL);

	fake_calls(test);
	fake_unbind(scmi.fake);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "reset status=01 ");
}

/* Test that an SCMI device that is bound then gets its notifications afterwards. */
static void sleep_restore_fails_then_setup(struct kunit *test)
{
	scmi_freeze(test);
	scmi_fail_restore(test);
	fake_heal(scmi.fake);
	scmi_free_all(NULL);
	scmi_new_device(test);
	scmi_spoil_vqs();
	scmi_setup_all(test);

	scmi_freeze(test);
	scmi_restore(test);
	scmi_expect_works(test);
	scmi_expect_notified(test, 1);
}

/* Test that a device without an SCMI device sleeps, and works for the next one. */
static void sleep_without_scmi_device(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, scmi_send(0, false), 0);
	scmi_free_all(NULL);
	scmi_new_device(test);
	scmi_freeze(test);
	scmi_restore(test);
	scmi_setup_all(test);
	scmi_expect_works(test);
	scmi_expect_notified(test, 1);
}

static struct kunit_case scmi_sleep_cases[] = {
	KUNIT_CASE(sleep_works_again),
	KUNIT_CASE(sleep_resets),
	KUNIT_CASE(sleep_refuses),
	KUNIT_CASE(sleep_waits_for_answer),
	KUNIT_CASE(sleep_gives_up),
	KUNIT_CASE(sleep_broken),
	KUNIT_CASE(sleep_poller_is_slow),
	KUNIT_CASE(sleep_fails_message),
	KUNIT_CASE(sleep_fails_nobody),
	KUNIT_CASE(sleep_poller_is_late),
	KUNIT_CASE(sleep_waits_for_pollers),
	KUNIT_CASE(sleep_cancels_worker),
	KUNIT_CASE(sleep_restore_fails),
	KUNIT_CASE(sleep_restore_fails_then_remove),
	KUNIT_CASE(sleep_restore_fails_then_setup),
	KUNIT_CASE(sleep_without_scmi_device),
	{}
};

static int scmi_sleep_init(struct kunit *test)
{
	fake_scmi_init(test, &scmi_config_ops);

	return 0;
}

static struct kunit_suite scmi_sleep_suite = {
	.name = "virtio_scmi_sleep",
	.init = scmi_sleep_init,
	.test_cases = scmi_sleep_cases,
};

kunit_test_suite(scmi_sleep_suite);

MODULE_DESCRIPTION("KUnit tests for the virtio transport of SCMI in system sleep");
MODULE_LICENSE("GPL");
