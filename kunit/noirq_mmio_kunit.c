// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for virtio-mmio in the noirq phase of system sleep: the real
 * driver of the transport, a driver with noirq callbacks, and what a device can
 * do to them. And, since that depends on the phase, how long a reset may take.
 */

/* Apart from memory, from what the PCI code of UML claims and from mmio_kunit.c */
#define MMIO_BASE		0xd0001000

#include "fake_mmio_noirq.h"

/* What a device can do wrong, and what comes of it. */
struct mmio_failure {
	void (*misbehave)(struct mmio *mmio);
	const char *message;
	const char *step;
	int err;
};

/* What the driver can do in a callback */

static int driver_fail(struct mmio *mmio)
{
	return -ENXIO;
}

static int driver_ready_and_kick(struct mmio *mmio)
{
	int ret;

	virtio_device_ready_noirq(mmio->vdev);
	ret = driver_add_buffer(mmio);
	virtqueue_kick(mmio->vqs[2]);

	return ret;
}

/* What the device can do wrong */

static void fake_keep_queues(struct mmio *mmio)
{
	mmio->keeps_queues = true;
}

static void fake_shrink(struct mmio *mmio)
{
	mmio_set_num_max(mmio, 0, MMIO_QUEUE_SIZE - 1);
}

static void fake_shrink_second(struct mmio *mmio)
{
	mmio_set_num_max(mmio, 1, MMIO_QUEUE_SIZE / 2);
}

static void fake_refuse(struct mmio *mmio)
{
	mmio->refused = VIRTIO_CONFIG_S_FEATURES_OK;
}

static void fake_withdraw(struct mmio *mmio)
{
	mmio->offered[0] = 0;
}

static void fake_offer_notification_data(struct mmio *mmio)
{
	mmio->offered[1] |= BIT(VIRTIO_F_NOTIFICATION_DATA - 32);
}

/* The device lost its state, and has some reason to be slow. */
static void mmio_reset_takes(struct mmio *mmio, unsigned int ms)
{
	mmio->regs[VIRTIO_MMIO_STATUS / 4] = VIRTIO_CONFIG_S_NEEDS_RESET;
	mmio->reset_ms = ms;
}

/*
 * What should happen
 */

static void mmio_want_bring_up(struct mmio *mmio)
{
	mmio_want_negotiation(mmio);
	mmio_want_queues(mmio);
	mmio_want(mmio, "restore_noirq ");
}

/*
 * Steps of a sleep cycle
 */

/* A sleep cycle which the device does not take as the test wants it to. */
static void mmio_fail_resume(struct kunit *test)
{
	const struct mmio_param *param = test->param_value;
	struct mmio *mmio = test->priv;

	param->failure->misbehave(mmio);
	mmio_suspend(test);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), param->failure->err);
}

static void mmio_expect_works(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_EXPECT_EQ(test, mmio_status(mmio), mmio_live_status(mmio));
	KUNIT_EXPECT_EQ(test, driver_add_buffer(mmio), 0);
	while (virtqueue_detach_unused_buf(mmio->vqs[2]))
		;
}

static void mmio_rebind(struct kunit *test, void (*change)(struct mmio *mmio))
{
	struct mmio *mmio = test->priv;

	mmio_unbind(test);
	change(mmio);
	mmio_bind(test);
}

/*
 * The parameters
 */

static const struct sleep_ops mmio_snapshot_ops = SLEEP_OPS(freeze, thaw);
static const struct sleep_ops mmio_poweroff_ops = SLEEP_OPS(poweroff, restore);

static const struct mmio_param mmio_sleeps[] = {
	{ "suspend and resume", 2, .sleep = &mmio_suspend_ops },
	{ "freeze and thaw", 2, .sleep = &mmio_snapshot_ops },
	{ "poweroff and restore", 2, .sleep = &mmio_poweroff_ops },
};

KUNIT_ARRAY_PARAM_DESC(mmio_sleep, mmio_sleeps, desc);

static const struct mmio_failure mmio_queue_in_use = {
	.misbehave = fake_keep_queues,
	.message = "queue 0 (first) is still set up after a reset",
	.step = "reset_vqs failed: -ENOENT",
	.err = -ENOENT,
};

static const struct mmio_failure mmio_smaller_queue = {
	.misbehave = fake_shrink,
	.message = "queue 0 (first) has 8 entries, but the device now takes 7 at most",
	.step = "reset_vqs failed: -EINVAL",
	.err = -EINVAL,
};

static const struct mmio_failure mmio_no_queue = {
	.misbehave = fake_zero,
	.message = "queue 0 (first) has 8 entries, but the device now takes 0 at most",
	.step = "reset_vqs failed: -EINVAL",
	.err = -EINVAL,
};

static const struct mmio_failure mmio_features_refused = {
	.misbehave = fake_refuse,
	.message = "virtio: device refuses features: 3",
	.step = "feature negotiation failed: -ENODEV",
	.err = -ENODEV,
};

static const struct mmio_failure mmio_feature_withdrawn = {
	.misbehave = fake_withdraw,
	.message = "virtio: device no longer offers features 0x20000000",
	.step = "feature negotiation failed: -ENODEV",
	.err = -ENODEV,
};

/* A legacy device is not asked whether it accepts the features, only what it offers. */
static const struct mmio_param mmio_failures[] = {
	{ "queue in use, version 1", 1, .failure = &mmio_queue_in_use },
	{ "queue in use, version 2", 2, .failure = &mmio_queue_in_use },
	{ "queue in use, version 3", 3, .failure = &mmio_queue_in_use },
	{ "smaller queue, version 1", 1, .failure = &mmio_smaller_queue },
	{ "smaller queue, version 2", 2, .failure = &mmio_smaller_queue },
	{ "smaller queue, version 3", 3, .failure = &mmio_smaller_queue },
	{ "no queue, version 1", 1, .failure = &mmio_no_queue },
	{ "no queue, version 2", 2, .failure = &mmio_no_queue },
	{ "no queue, version 3", 3, .failure = &mmio_no_queue },
	{ "FEATURES_OK refused, version 2", 2, .failure = &mmio_features_refused },
	{ "FEATURES_OK refused, version 3", 3, .failure = &mmio_features_refused },
	{ "feature withdrawn, version 1", 1, .failure = &mmio_feature_withdrawn },
	{ "feature withdrawn, version 2", 2, .failure = &mmio_feature_withdrawn },
	{ "feature withdrawn, version 3", 3, .failure = &mmio_feature_withdrawn },
};

KUNIT_ARRAY_PARAM_DESC(mmio_failure, mmio_failures, desc);

/*
 * Tests: what the transport tells a device that behaves
 */

/* Test that the transport says that it can do this. */
static void mmio_supports_noirq(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_EXPECT_TRUE(test, virtio_device_supports_noirq(mmio->vdev));
}

/* Test that, after the driver's freeze_noirq, the device is reset. */
static void mmio_freeze_noirq_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	record_take(test, &mmio->record);
	mmio_want(mmio, "freeze_noirq ");
	mmio_want_reset(mmio);

	KUNIT_EXPECT_EQ(test, mmio_down_noirq(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that, before restore_noirq, queues are set up as when they were found. */
static void mmio_restore_noirq_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_suspend(test);
	mmio_want_bring_up(mmio);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that, after restore_noirq, restore has nothing left but DRIVER_OK. */
static void mmio_restore_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_suspend(test);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	record_take(test, &mmio->record);
	mmio_want(mmio, "restore ");
	mmio_want_driver_ok(mmio);

	KUNIT_EXPECT_EQ(test, mmio_up(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that, after an abort, a device that lost its state is brought up. */
static void mmio_abort_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	record_take(test, &mmio->record);
	mmio_end_reset(mmio);
	mmio_want(mmio, "freeze_noirq ");
	mmio_want_bring_up(mmio);
	mmio_want(mmio, "restore ");
	mmio_want_driver_ok(mmio);

	KUNIT_EXPECT_EQ(test, mmio_up(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that, after an abort, a device that lives on is not touched. */
static void mmio_abort_of_live_device(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	record_take(test, &mmio->record);
	mmio_want(mmio, "restore ");

	KUNIT_EXPECT_EQ(test, mmio_up(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that, after restore_noirq, a legacy device finds its rings. */
static void mmio_legacy_finds_rings(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_suspend(test);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);

	mmio_expect_legacy_rings(test);
}

/* Test that, after restore_noirq, the rings are as if nobody had used them. */
static void mmio_rings_are_emptied(struct kunit *test)
{
	struct mmio *mmio = test->priv;
	struct vring_avail *avail = phys_to_virt(virtqueue_get_avail_addr(mmio->vqs[2]));
	unsigned int len;

	KUNIT_ASSERT_EQ(test, driver_add_buffer(mmio), 0);
	mmio_use_first(mmio);
	KUNIT_ASSERT_PTR_EQ(test, virtqueue_get_buf(mmio->vqs[2], &len), mmio);
	KUNIT_ASSERT_EQ(test, virtio16_to_cpu(mmio->vdev, avail->idx), 1);
	mmio_suspend(test);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, virtio16_to_cpu(mmio->vdev, avail->idx), 0);
}

/* Test that, in restore_noirq, the driver can use a queue. */
static void mmio_restore_noirq_notifies(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_suspend(test);
	mmio_want_bring_up(mmio);
	mmio_want_driver_ok(mmio);
	mmio_want(mmio, "QueueNotify=1 ");
	mmio_at(mmio, "restore_noirq", driver_ready_and_kick);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that, with NOTIFICATION_DATA, a notification has the queue's index. */
static void mmio_restore_noirq_notifies_with_data(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_rebind(test, fake_offer_notification_data);
	mmio_suspend(test);
	mmio_at(mmio, "restore_noirq", driver_ready_and_kick);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);

	KUNIT_EXPECT_STREQ(test, record_take_from(test, &mmio->record, "QueueNotify"),
			   "QueueNotify=10001 ");
}

/* Test that, from freeze_noirq to restore_noirq, no ring is allocated. */
static void mmio_noirq_allocates_nothing(struct kunit *test)
{
	struct mmio *mmio = test->priv;
	unsigned int allocations;

	mmio_rebind(test, mmio_use_own_memory);
	allocations = mmio->allocations;
	KUNIT_ASSERT_GT(test, allocations, 0);
	mmio_suspend(test);
	mmio_resume(test);

	KUNIT_EXPECT_EQ(test, mmio->allocations, allocations);
}

/* Test that, after sleep, a queue may be larger than its ring. */
static void mmio_queue_grows(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_suspend(test);
	mmio_set_num_max(mmio, 0, 2 * MMIO_QUEUE_SIZE);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_queue_reg(mmio, 0, VIRTIO_MMIO_QUEUE_NUM),
			MMIO_QUEUE_SIZE);
}

/*
 * Tests: PM callbacks
 */

/* Test that, in each transition, each callback of the driver is called. */
static void mmio_sleep_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	record_take(test, &mmio->record);
	mmio_want(mmio, "freeze freeze_noirq ");
	mmio_want_reset(mmio);
	mmio_want_bring_up(mmio);
	mmio_want(mmio, "restore ");
	mmio_want_driver_ok(mmio);

	KUNIT_EXPECT_EQ(test, mmio_down(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_up(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that, in each transition, an error of freeze_noirq is returned. */
static void mmio_freeze_noirq_fails(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	mmio_at(mmio, "freeze_noirq", driver_fail);

	KUNIT_EXPECT_EQ(test, mmio_down_noirq(mmio), -ENXIO);
}

/* Test that, in each transition, an error of restore_noirq is returned. */
static void mmio_restore_noirq_fails(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_suspend(test);
	mmio_at(mmio, "restore_noirq", driver_fail);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), -ENXIO);
}

/*
 * Tests: a device that is not as it was
 */

/* Test that, after a failure, the device is FAILED and its queues are broken. */
static void mmio_failure_is_safe(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_fail_resume(test);

	KUNIT_EXPECT_TRUE(test, mmio_status(mmio) & VIRTIO_CONFIG_S_FAILED);
	KUNIT_EXPECT_EQ(test, driver_add_buffer(mmio), -EIO);
}

/* Test that, after a failure, the device was given none of its queues. */
static void mmio_failure_programs_nothing(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_fail_resume(test);

	KUNIT_EXPECT_NULL(test, strstr(record_take(test, &mmio->record), "QueueNum="));
}

/* Test that, after a failure, a message names the device and what is wrong. */
static void mmio_failure_message(struct kunit *test)
{
	const struct mmio_param *param = test->param_value;
	struct mmio *mmio = test->priv;

	mmio_fail_resume(test);

	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, param->failure->message), 1);
}

/* Test that, after a failure, a message names the device and the step. */
static void mmio_failure_step(struct kunit *test)
{
	const struct mmio_param *param = test->param_value;
	struct mmio *mmio = test->priv;

	mmio_fail_resume(test);

	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, param->failure->step), 1);
}

/* Test that, after a failure, restore fails. */
static void mmio_failure_then_restore(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_fail_resume(test);

	KUNIT_EXPECT_EQ(test, mmio_up(mmio), -EIO);
}

/* Test that, after a failure, the device works if it is as it was again. */
static void mmio_failure_then_recovery(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_fail_resume(test);
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), -EIO);
	mmio_heal(mmio);
	mmio_suspend(test);
	mmio_resume(test);

	mmio_expect_works(test);
}

/* Test that, after a failure, the device works if its driver is bound again. */
static void mmio_failure_then_rebind(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_fail_resume(test);
	mmio_heal(mmio);
	mmio_unbind(test);
	mmio_bind(test);

	mmio_expect_works(test);
}

/* Test that, after the first queue, the second one is looked at, too. */
static void mmio_second_queue_shrinks(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	fake_shrink_second(mmio);
	mmio_suspend(test);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), -EINVAL);
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio,
					     "queue 1 (second) has 8 entries, but"), 1);
}

/* Test that, after an abort, a device whose ring holds a buffer is not reset. */
static void mmio_undrained_abort(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	KUNIT_ASSERT_EQ(test, driver_add_buffer(mmio), 0);
	record_take(test, &mmio->record);
	mmio_end_reset(mmio);
	mmio_want(mmio, "freeze_noirq Status=%x ", VIRTIO_CONFIG_S_FAILED);

	KUNIT_EXPECT_EQ(test, mmio_up(mmio), -EIO);
	mmio_expect_wanted(test);
}

/* Test that a ring that holds a buffer is not given back. */
static void mmio_undrained_queue(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, driver_add_buffer(mmio), 0);
	mmio_end_reset(mmio);
	record_take(test, &mmio->record);
	mmio_want_queue(mmio, 0, mmio->vqs[0]);

	KUNIT_EXPECT_EQ(test, mmio->vdev->config->reset_vqs(mmio->vdev), -EBUSY);
	mmio_expect_wanted(test);
}

/* A ring where a legacy device cannot reach it */
static void mmio_add_far_ring(struct kunit *test)
{
	struct mmio *mmio = test->priv;
	union virtio_map map = { };

	mmio_rebind(test, mmio_use_own_memory);
	mmio->far = BIT_ULL(32 + PAGE_SHIFT);
	mmio->vqs[1] = vring_create_virtqueue_map(2, MMIO_QUEUE_SIZE, PAGE_SIZE,
						  mmio->vdev, true, false, false,
						  NULL, driver_callback, "far",
						  map);
	KUNIT_ASSERT_NOT_NULL(test, mmio->vqs[1]);
}

/* Test that, in a legacy device, a ring out of reach is not set up. */
static void mmio_far_ring(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_add_far_ring(test);
	mmio_suspend(test);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), -E2BIG);
	KUNIT_EXPECT_FALSE(test, mmio_is_queue_live(mmio, 2));
}

/* Test that, in a legacy device, a message names a ring out of reach. */
static void mmio_far_ring_message(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_add_far_ring(test);
	mmio_suspend(test);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), -E2BIG);

	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio,
					     "platform bug: legacy virtio-mmio"), 1);
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio,
					     "reset_vqs failed: -E2BIG"), 1);
}

/*
 * Tests: a reset that does not complete at once
 */

/* Test that, in the noirq phase, no device is told anything during a reset. */
static void mmio_noirq_reset_is_awaited(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_suspend(test);
	mmio_reset_takes(mmio, 20);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio->hasty, 0);
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, "reset not complete"), 0);
}

/* How long a resume takes whose reset never completes */
static s64 mmio_resume_hung_ms(struct kunit *test, u8 status)
{
	struct mmio *mmio = test->priv;
	ktime_t start;

	mmio_suspend(test);
	mmio_reset_takes(mmio, MMIO_NEVER);
	mmio->regs[VIRTIO_MMIO_STATUS / 4] = status;
	mmio_want_reset(mmio);
	mmio_want(mmio, "Status=80 ");
	start = ktime_get();

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), -ETIMEDOUT);
	mmio_expect_wanted(test);

	return ktime_ms_delta(ktime_get(), start);
}

/* Test that, in the noirq phase, a reset is given up after 5 s, and failed. */
static void mmio_noirq_reset_is_bounded(struct kunit *test)
{
	const char *gives_up = "reset not complete, status 0x0f; the device is unusable";
	struct mmio *mmio = test->priv;
	s64 ms = mmio_resume_hung_ms(test, 0x0f);

	KUNIT_EXPECT_GE(test, ms, 5000);
	KUNIT_EXPECT_LT(test, ms, 10000);
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, gives_up), 1);
}

/* Test that, in the noirq phase, one of a device that failed is so soon. */
static void mmio_noirq_reset_of_failed_device(struct kunit *test)
{
	s64 ms = mmio_resume_hung_ms(test, VIRTIO_CONFIG_S_NEEDS_RESET);

	KUNIT_EXPECT_GE(test, ms, 100);
	KUNIT_EXPECT_LT(test, ms, 2000);
}

/* Test that, after restore_noirq, versions 1 and 2 are not asked again. */
static void mmio_reset_after_noirq_is_not_awaited(struct kunit *test)
{
	struct mmio *mmio = test->priv;
	unsigned int status_reads;

	mmio_suspend(test);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	status_reads = mmio->status_reads;
	mmio->reset_ms = MMIO_NEVER;
	virtio_reset_device(mmio->vdev);

	KUNIT_EXPECT_EQ(test, mmio->status_reads, status_reads);
}

/* Test that, after a failure, version 3 is waited for without end again. */
static void mmio_reset_of_failed_is_awaited(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_resume_hung_ms(test, VIRTIO_CONFIG_S_NEEDS_RESET);
	mmio_heal(mmio);
	mmio_end_reset(mmio);
	mmio->regs[VIRTIO_MMIO_STATUS / 4] = VIRTIO_CONFIG_S_FAILED;
	mmio->reset_ms = 6000;
	virtio_reset_device(mmio->vdev);

	KUNIT_EXPECT_EQ(test, mmio_status(mmio), 0);
}

/*
 * Tests: interrupts at the wrong time
 */

/* Test that changes signalled all the time are reported after restore, once. */
static void mmio_config_interrupts(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	record_take(test, &mmio->record);
	mmio->raised = VIRTIO_MMIO_INT_CONFIG;
	mmio_want(mmio, "freeze_noirq ");
	mmio_want_reset(mmio);
	mmio_want_bring_up(mmio);
	mmio_want(mmio, "restore ");
	mmio_want_driver_ok(mmio);
	mmio_want(mmio, "config_changed ");

	KUNIT_EXPECT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_up(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that, after an abort, the same holds with interrupts on all the time. */
static void mmio_config_interrupts_on_abort(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	record_take(test, &mmio->record);
	mmio_end_reset(mmio);
	mmio->raised = VIRTIO_MMIO_INT_CONFIG;
	mmio_want(mmio, "freeze_noirq ");
	mmio_want_bring_up(mmio);
	mmio_want(mmio, "restore ");
	mmio_want_driver_ok(mmio);
	mmio_want(mmio, "config_changed ");

	KUNIT_EXPECT_EQ(test, mmio_up(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that buffers used by a frozen device do not get to the driver. */
static void mmio_bogus_buffers_of_frozen_device(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_suspend(test);
	mmio_use_bogus(mmio);
	mmio->raised = VIRTIO_MMIO_INT_VRING;
	mmio_interrupt(mmio);
	mmio_want_bring_up(mmio);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that a device that uses bogus buffers all the time only harms itself. */
static void mmio_bogus_buffers(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio->raised = VIRTIO_MMIO_INT_VRING;
	mmio->bogus = true;
	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);

	KUNIT_EXPECT_TRUE(test, virtqueue_is_broken(mmio->vqs[0]));
	KUNIT_EXPECT_GT(test, mmio_log_count(mmio,
					     "first:id 65535 out of range"), 0);
	mmio_expect_works(test);
}

/* Test that, after that, a sleep cycle mends the queue. */
static void mmio_bogus_buffers_then_cycle(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio->raised = VIRTIO_MMIO_INT_VRING;
	mmio->bogus = true;
	mmio_suspend(test);
	mmio_resume(test);
	KUNIT_ASSERT_TRUE(test, virtqueue_is_broken(mmio->vqs[0]));
	mmio_heal(mmio);
	mmio_suspend(test);
	mmio_resume(test);

	KUNIT_EXPECT_FALSE(test, virtqueue_is_broken(mmio->vqs[0]));
}

/*
 * Tests: a device that has to wake the system
 */

/* Test that it is said that a device which sleeps in reset does not wake. */
static void mmio_wakeup_source_is_named(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_make_wakeup_source(test);

	KUNIT_EXPECT_TRUE(test, irqd_is_wakeup_set(irq_get_irq_data(mmio->irq)));
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, "cannot wake the system"), 1);
}

/* Test that it is not said where the driver does without the noirq phase. */
static void mmio_wakeup_source_without_noirq(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio->drv.freeze_noirq = NULL;
	mmio->drv.restore_noirq = NULL;
	mmio_make_wakeup_source(test);

	KUNIT_EXPECT_TRUE(test, irqd_is_wakeup_set(irq_get_irq_data(mmio->irq)));
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, "cannot wake the system"), 0);
}

/*
 * The suite
 */

static int mmio_noirq_init(struct kunit *test)
{
	struct mmio *mmio = mmio_create(test);

	driver_use_noirq(mmio);
	mmio_start(test, mmio);

	return 0;
}

#define MMIO_CASE_SLOW(test, params)	\
	KUNIT_CASE_PARAM_ATTR(test, params, { .speed = KUNIT_SPEED_SLOW })

static struct kunit_case mmio_cases[] = {
	KUNIT_CASE_PARAM(mmio_supports_noirq, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_freeze_noirq_order, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_restore_noirq_order, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_restore_order, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_abort_order, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_abort_of_live_device, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_legacy_finds_rings, mmio_legacy_gen_params),
	KUNIT_CASE_PARAM(mmio_rings_are_emptied, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_restore_noirq_notifies, mmio_version_gen_params),
	KUNIT_CASE(mmio_restore_noirq_notifies_with_data),
	KUNIT_CASE_PARAM(mmio_noirq_allocates_nothing, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_queue_grows, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_sleep_order, mmio_sleep_gen_params),
	KUNIT_CASE_PARAM(mmio_freeze_noirq_fails, mmio_sleep_gen_params),
	KUNIT_CASE_PARAM(mmio_restore_noirq_fails, mmio_sleep_gen_params),
	KUNIT_CASE_PARAM(mmio_failure_is_safe, mmio_failure_gen_params),
	KUNIT_CASE_PARAM(mmio_failure_programs_nothing, mmio_failure_gen_params),
	KUNIT_CASE_PARAM(mmio_failure_message, mmio_failure_gen_params),
	KUNIT_CASE_PARAM(mmio_failure_step, mmio_failure_gen_params),
	KUNIT_CASE_PARAM(mmio_failure_then_restore, mmio_failure_gen_params),
	KUNIT_CASE_PARAM(mmio_failure_then_recovery, mmio_failure_gen_params),
	KUNIT_CASE_PARAM(mmio_failure_then_rebind, mmio_failure_gen_params),
	KUNIT_CASE_PARAM(mmio_second_queue_shrinks, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_undrained_abort, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_undrained_queue, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_far_ring, mmio_legacy_gen_params),
	KUNIT_CASE_PARAM(mmio_far_ring_message, mmio_legacy_gen_params),
	KUNIT_CASE_PARAM(mmio_noirq_reset_is_awaited, mmio_version_gen_params),
	MMIO_CASE_SLOW(mmio_noirq_reset_is_bounded, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_noirq_reset_of_failed_device, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_reset_after_noirq_is_not_awaited, mmio_at_once_gen_params),
	MMIO_CASE_SLOW(mmio_reset_of_failed_is_awaited, mmio_awaited_gen_params),
	KUNIT_CASE_PARAM(mmio_config_interrupts, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_config_interrupts_on_abort, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_bogus_buffers_of_frozen_device, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_bogus_buffers, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_bogus_buffers_then_cycle, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_wakeup_source_is_named, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_wakeup_source_without_noirq, mmio_version_gen_params),
	{}
};

static struct kunit_suite mmio_suite = {
	.name = "virtio_noirq_mmio",
	.suite_init = mmio_suite_init,
	.init = mmio_noirq_init,
	.exit = mmio_exit,
	.test_cases = mmio_cases,
};

kunit_test_suite(mmio_suite);

MODULE_DESCRIPTION("KUnit tests for virtio-mmio in the noirq phase of system sleep");
MODULE_LICENSE("GPL");
