// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for suspending a virtio device: the virtio core and the real driver
 * of virtio-mmio, a device with VIRTIO_F_SUSPEND, and what it can do to them.
 */

/* Apart from memory, from what the PCI code of UML claims and from others */
#define MMIO_BASE		0xd0003000

#include <linux/suspend.h>

#include "fake_mmio_noirq.h"

#define SUSPEND_LIVE		(MMIO_LIVE | VIRTIO_CONFIG_S_FEATURES_OK)
#define SUSPEND_SUSPENDED	((SUSPEND_LIVE & ~VIRTIO_CONFIG_S_DRIVER_OK) | \
				 VIRTIO_CONFIG_S_SUSPEND)
#define SUSPEND_DELAY_MS	20
#define SUSPEND_FINAL		"suspending the device failed: -EIO; the device is unusable " \
				"until its driver is unbound and bound"
#define SUSPEND_RESET_MS	200	/* longer than a device gets that had failed */

/* What a device answers to a request instead, if it does. */
struct mmio_failure {
	bool is_slow;
	u8 answer;
};

/* The device: a request that is under way, and what it does wrong. */
static struct {
	const struct mmio_failure *failure;
	u8 fails;
	unsigned int delay_ms;
	u8 requested;
	ktime_t end;
	u8 answer;
	unsigned int writes;
} suspend_device;

/* Whether a callback ran as in the thread of an interrupt */
static bool suspend_like_irq_thread;

/* Operations of the transport that tell when callbacks are waited for */
static struct virtio_config_ops suspend_config_ops;

static u8 fake_request(u8 status, u8 request, u8 answer)
{
	const struct mmio_failure *failure = suspend_device.failure;

	suspend_device.requested = request;
	suspend_device.answer = answer;
	suspend_device.end = ktime_add_ms(ktime_get(), suspend_device.delay_ms);
	if (suspend_device.fails == request) {
		suspend_device.answer = failure->answer;
		if (failure->is_slow)
			suspend_device.end = KTIME_MAX;
	}

	return status;
}

/* What a write makes of the status, and what time makes of it. */
static u8 fake_status(struct mmio *mmio, u8 status, bool written)
{
	u8 before = mmio_status(mmio);

	suspend_device.writes += written;
	if (written && !(before & VIRTIO_CONFIG_S_SUSPEND) &&
	    (status & VIRTIO_CONFIG_S_SUSPEND))
		return fake_request(before, VIRTIO_CONFIG_S_SUSPEND,
				    status & ~VIRTIO_CONFIG_S_DRIVER_OK);
	if (written && (before & VIRTIO_CONFIG_S_SUSPEND) &&
	    (status & VIRTIO_CONFIG_S_DRIVER_OK))
		return fake_request(before, VIRTIO_CONFIG_S_DRIVER_OK,
				    status & ~VIRTIO_CONFIG_S_SUSPEND);
	if (!written && suspend_device.requested &&
	    !ktime_before(ktime_get(), suspend_device.end)) {
		suspend_device.requested = 0;
		return suspend_device.answer;
	}

	return status;
}

static void fake_use_buffer(struct mmio *mmio)
{
	mmio_use_first(mmio);
	mmio->raised = VIRTIO_MMIO_INT_VRING;
}

/* A device that is gone for good */
static u8 fake_gone(struct mmio *mmio, u8 status, bool written)
{
	return U8_MAX;
}

static int driver_take_buffer(struct mmio *mmio)
{
	virtqueue_detach_unused_buf(mmio->vqs[2]);

	return 0;
}

static int driver_see_context(struct mmio *mmio)
{
	suspend_like_irq_thread = softirq_count() &&
				  irqs_disabled() == !IS_ENABLED(CONFIG_PREEMPT_RT);

	return 0;
}

static void fake_synchronize_cbs(struct virtio_device *vdev)
{
	struct mmio *mmio = to_mmio(vdev);

	seq_buf_printf(&mmio->record.calls, "synchronize_cbs(%s) ",
		       virtqueue_is_broken(mmio->vqs[2]) ? "broken" : "works");
}

/* Driver without any callback for sleep, unless a test asks for others */
static struct mmio *suspend_start(struct kunit *test, bool noirq)
{
	struct mmio *mmio = test->priv;

	if (noirq) {
		driver_use_noirq(mmio);
		mmio->drv.noirq_suspend = true;
	}
	mmio_start(test, mmio);
	mmio->status = fake_status;
	KUNIT_ASSERT_EQ(test, driver_add_buffer(mmio), 0);
	record_take(test, &mmio->record);

	return mmio;
}

static void suspend_fail(struct kunit *test, u8 request)
{
	const struct mmio_param *param = test->param_value;

	suspend_device.failure = param->failure;
	suspend_device.fails = request;
}

static void suspend_and_lose_state(struct kunit *test)
{
	const struct mmio_param *param = test->param_value;
	struct mmio *mmio = test->priv;

	mmio_suspend(test);
	if (!param->failure->answer)
		mmio_end_reset(mmio);
	mmio->regs[VIRTIO_MMIO_STATUS / 4] = param->failure->answer;
}

static void suspend_unbind(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	driver_take_buffer(mmio);
	mmio->status = NULL;
	mmio_unbind(test);
}

static void suspend_bind(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_bind(test);
	KUNIT_EXPECT_EQ(test, mmio_status(mmio), SUSPEND_LIVE);
	mmio->status = fake_status;
	memset(&suspend_device, 0, sizeof(suspend_device));
	KUNIT_ASSERT_EQ(test, driver_add_buffer(mmio), 0);
}

static void suspend_expect_works(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	record_take(test, &mmio->record);
	mmio->regs[VIRTIO_MMIO_INTERRUPT_STATUS / 4] = 0;
	fake_use_buffer(mmio);
	mmio_interrupt(mmio);
	mmio->raised = 0;

	KUNIT_EXPECT_EQ(test, mmio_status(mmio), SUSPEND_LIVE);
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), "callback ");
	KUNIT_EXPECT_EQ(test, mmio->vqs[2]->num_free, MMIO_QUEUE_SIZE);
	KUNIT_EXPECT_EQ(test, driver_add_buffer(mmio), 0);
	KUNIT_EXPECT_TRUE(test, virtqueue_kick(mmio->vqs[2]));
}

/* A device that could not be resumed, by a driver that drains it */
static void suspend_expect_brought_up(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_at(mmio, "freeze_noirq", driver_take_buffer);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_up(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_status(mmio), SUSPEND_LIVE);
}

static void suspend_expect_given_up(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_EXPECT_TRUE(test, virtqueue_is_broken(mmio->vqs[0]));
	KUNIT_EXPECT_TRUE(test, virtqueue_is_broken(mmio->vqs[2]));
	KUNIT_EXPECT_EQ(test, driver_add_buffer(mmio), -EIO);
	KUNIT_EXPECT_EQ(test, mmio_up(mmio), -EIO);
}

/*
 * Tests: a device that behaves
 */

/* Test that a device is suspended by one write, with its queues and buffers. */
static void suspend_is_one_write(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), "");
	KUNIT_ASSERT_EQ(test, mmio_down_noirq(mmio), 0);

	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), "Status=1f ");
	KUNIT_EXPECT_EQ(test, mmio_status(mmio), SUSPEND_SUSPENDED);
	KUNIT_EXPECT_EQ(test, mmio->vqs[2]->num_free, MMIO_QUEUE_SIZE - 1);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
}

/* Test that it is resumed by one write and, of what is not empty, notified. */
static void suspend_resume_is_one_write(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);

	mmio_suspend(test);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), "Status=1f QueueNotify=1 ");
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), "");
	suspend_expect_works(test);
}

/* Test that a driver with noirq callbacks is not asked to drain or set up. */
static void suspend_with_noirq_callbacks(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, true);

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record),
			   "freeze Status=1f Status=1f QueueNotify=1 restore ");
	suspend_expect_works(test);
}

/* Test that both phases together take six accesses if the queues are empty. */
static void suspend_accesses(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, true);
	unsigned int reads;

	driver_take_buffer(mmio);
	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	record_take(test, &mmio->record);
	reads = mmio->status_reads;
	suspend_device.writes = 0;
	KUNIT_ASSERT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);

	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record),
			   "Status=1f Status=1f ");
	KUNIT_EXPECT_LE(test, mmio->status_reads - reads + suspend_device.writes, 6);
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);
}

/* Test that the status is read until the device is suspended, and resumed. */
static void suspend_is_awaited(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);

	suspend_device.delay_ms = SUSPEND_DELAY_MS;
	mmio_suspend(test);
	KUNIT_EXPECT_EQ(test, mmio_status(mmio), SUSPEND_SUSPENDED);
	mmio_resume(test);
	suspend_expect_works(test);
}

/* Test that nothing is added or notified while the device is suspended. */
static void suspend_no_buffer_meanwhile(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);

	mmio_suspend(test);
	KUNIT_EXPECT_EQ(test, driver_add_buffer(mmio), -EIO);
	KUNIT_EXPECT_FALSE(test, virtqueue_notify(mmio->vqs[2]));
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), "");
	mmio_resume(test);
	suspend_expect_works(test);
}

/* Test that a callback that runs already is waited for, when no other can take buffers. */
static void suspend_callback_is_awaited(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);

	suspend_config_ops = *mmio->vdev->config;
	suspend_config_ops.synchronize_cbs = fake_synchronize_cbs;
	mmio->vdev->config = &suspend_config_ops;
	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	record_take(test, &mmio->record);
	KUNIT_ASSERT_EQ(test, mmio_down_noirq(mmio), 0);

	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record),
			   "synchronize_cbs(broken) Status=1f ");
	mmio_resume(test);
	suspend_expect_works(test);
}

/* Test that the device gets to know of what was added before, and kicked then. */
static void suspend_kick_meanwhile(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);

	mmio_suspend(test);
	KUNIT_EXPECT_FALSE(test, virtqueue_kick(mmio->vqs[2]));
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), "");
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), "Status=1f QueueNotify=1 ");
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);
	suspend_expect_works(test);
}

/*
 * Test that the driver is called for what it did not take: its interrupt was handled
 * before, and a work item came too late.
 */
static void suspend_taken_meanwhile(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);
	unsigned int len;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	mmio_use_first(mmio);
	KUNIT_ASSERT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_EXPECT_NULL(test, virtqueue_get_buf(mmio->vqs[2], &len));
	suspend_like_irq_thread = false;
	mmio_at(mmio, "callback", driver_see_context);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);

	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record),
			   "Status=1f Status=1f callback ");
	KUNIT_EXPECT_TRUE(test, suspend_like_irq_thread);
	KUNIT_EXPECT_FALSE(test, irqs_disabled() || softirq_count());
	KUNIT_EXPECT_EQ(test, mmio->vqs[2]->num_free, MMIO_QUEUE_SIZE);
	KUNIT_EXPECT_EQ(test, mmio_up(mmio), 0);
}

/* Test that what the device used before it was suspended gets to the driver. */
static void suspend_last_buffer(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	disable_irq(mmio->irq);
	fake_use_buffer(mmio);
	mmio->regs[VIRTIO_MMIO_INTERRUPT_STATUS / 4] = mmio->raised;
	mmio->raised = 0;
	enable_irq(mmio->irq);
	KUNIT_ASSERT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);

	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record),
			   "Status=1f Status=1f callback ");
}

/* Test that a config change meanwhile is told after the resume, once. */
static void suspend_config_change(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);

	mmio_suspend(test);
	mmio->raised = VIRTIO_MMIO_INT_CONFIG;
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	mmio->raised = 0;
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), "Status=1f QueueNotify=1 ");
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), "config_changed ");
}

/* Test that a second cycle is as the first one. */
static void suspend_again(struct kunit *test)
{
	suspend_start(test, false);

	mmio_suspend(test);
	mmio_resume(test);
	mmio_suspend(test);
	mmio_resume(test);
	suspend_expect_works(test);
}

/* Test that, after an abort before the noirq phase, the device is as it was. */
static void suspend_abort(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), "");
	suspend_expect_works(test);
}

/* Test that aborts in a row, before the noirq phase and in it, change nothing. */
static void suspend_aborts_in_a_row(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, true);
	unsigned int i;

	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
		KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);
	}
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record),
			   "freeze restore freeze restore ");
	for (i = 0; i < 2; i++) {
		mmio_suspend(test);
		mmio_resume(test);
	}
	suspend_expect_works(test);
}

/*
 * Tests: who is not suspended
 */

static void suspend_expect_reset_path(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	driver_take_buffer(mmio);
	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record),
			   "freeze freeze_noirq Status=0 ");
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_status(mmio), SUSPEND_LIVE);
}

/* Test that hibernation resets the device, in each of its transitions. */
static void suspend_hibernation(struct kunit *test)
{
	suspend_start(test, true);
	suspend_expect_reset_path(test);
}

/* Test that the same holds for a driver without callbacks, after a suspend. */
static void suspend_hibernation_without_callbacks(struct kunit *test)
{
	static const struct sleep_ops suspend = SLEEP_OPS(suspend, resume);
	struct mmio *mmio = suspend_start(test, false);
	const struct sleep_ops *hibernate = mmio->sleep;

	mmio->sleep = &suspend;
	mmio_suspend(test);
	mmio_resume(test);
	mmio->sleep = hibernate;
	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), "");
	mmio->status = NULL;
	/* It gets no queues: the reset makes it unusable, as before. */
	mmio->keeps_queues = true;
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);
	KUNIT_EXPECT_NOT_NULL(test, strstr(record_take(test, &mmio->record), "Status=0 "));
}

/* Test that a driver with noirq callbacks has to ask for it. */
static void suspend_not_asked_for(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, true);

	mmio->drv.noirq_suspend = false;
	suspend_expect_reset_path(test);
}

/* Test that a device whose power a domain has is reset. */
static void suspend_in_power_domain(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, true);
	struct dev_pm_domain domain = {};

	mmio->vdev->dev.parent->pm_domain = &domain;
	suspend_expect_reset_path(test);
	mmio->vdev->dev.parent->pm_domain = NULL;
}

/* Test that a device that has to wake the system is reset: it would not notify. */
static void suspend_wakeup_source(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, true);

	driver_take_buffer(mmio);
	mmio->status = NULL;
	mmio_make_wakeup_source(test);
	mmio->status = fake_status;
	suspend_expect_reset_path(test);
}

/* Test that a sleep state that may take the power resets the device. */
static void suspend_to_ram(struct kunit *test)
{
	suspend_start(test, true);
	pm_suspend_target_state = PM_SUSPEND_MEM;
	suspend_expect_reset_path(test);
}

/* Test that a device without the feature is reset. */
static void suspend_not_offered(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio->offered[1] &= ~BIT(VIRTIO_F_SUSPEND - 32);
	suspend_start(test, true);
	KUNIT_EXPECT_FALSE(test, virtio_has_feature(mmio->vdev, VIRTIO_F_SUSPEND));
	suspend_expect_reset_path(test);
}

/* Test that a legacy device does not get the feature. */
static void suspend_legacy(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_start(test, mmio);
	KUNIT_EXPECT_FALSE(test, __virtio_test_bit(mmio->vdev, VIRTIO_F_SUSPEND));
}

/* As today: a driver without noirq callbacks that are used, but with others. */
static void suspend_expect_as_today(struct kunit *test, const char *calls)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), calls);
	mmio->keeps_queues = true;
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);
	KUNIT_EXPECT_NOT_NULL(test, strstr(record_take(test, &mmio->record), "Status=0 "));
}

/* Test that a driver with freeze goes on as today. */
static void suspend_with_freeze(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio->drv.freeze = driver_freeze;
	suspend_start(test, false);
	suspend_expect_as_today(test, "freeze ");
}

/* Test that a driver with restore does. */
static void suspend_with_restore(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio->drv.restore = driver_restore;
	suspend_start(test, false);
	suspend_expect_as_today(test, "");
}

/* Test that one with PM operations of its own does. */
static void suspend_with_pm_operations(struct kunit *test)
{
	static const struct dev_pm_ops pm_ops = {};
	struct mmio *mmio = test->priv;

	mmio->drv.driver.pm = &pm_ops;
	suspend_start(test, false);
	suspend_expect_as_today(test, "");
}

/* Test that one does whose noirq callbacks are not used for this device. */
static void suspend_opted_out(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, true);

	mmio->drv.freeze = NULL;
	mmio->drv.restore = NULL;
	mmio->vdev->noirq_opted_out = true;
	suspend_expect_as_today(test, "");
}

/* Test that a device that does not work is not suspended, but given up. */
static void suspend_needs_reset_before(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);

	mmio->regs[VIRTIO_MMIO_STATUS / 4] |= VIRTIO_CONFIG_S_NEEDS_RESET;
	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), "");
	KUNIT_EXPECT_EQ(test, mmio_up(mmio), -EIO);
	KUNIT_EXPECT_TRUE(test, mmio_status(mmio) & VIRTIO_CONFIG_S_FAILED);
	suspend_expect_given_up(test);
}

static void suspend_unbind_after(struct kunit *test, unsigned int phases)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	if (phases > 1)
		KUNIT_ASSERT_EQ(test, mmio_down_noirq(mmio), 0);
	if (phases > 2)
		KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	suspend_unbind(test);
	record_take(test, &mmio->record);
	if (phases < 2)
		KUNIT_EXPECT_EQ(test, mmio_down_noirq(mmio), 0);
	if (phases < 3)
		KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), "");
}

/* Test that a driver that is unbound meanwhile leaves nothing behind. */
static void suspend_unbound_meanwhile(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);
	unsigned int phases;

	for (phases = 1; phases <= 3; phases++) {
		suspend_unbind_after(test, phases);
		KUNIT_EXPECT_EQ(test, mmio_up(mmio), 0);
		suspend_bind(test);
	}
}

/*
 * Tests: a device that fails
 */

/* Test that a device that cannot be suspended is given up, and all sleeps. */
static void suspend_fails(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);

	suspend_fail(test, VIRTIO_CONFIG_S_SUSPEND);
	mmio_suspend(test);
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, "device is not suspended, status"), 1);
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, SUSPEND_FINAL), 1);
	KUNIT_EXPECT_TRUE(test, mmio_status(mmio) & VIRTIO_CONFIG_S_FAILED);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	suspend_expect_given_up(test);
}

/* Test that it is reset instead if the driver drains its queues. */
static void suspend_fails_and_is_drained(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, true);

	suspend_fail(test, VIRTIO_CONFIG_S_SUSPEND);
	mmio_at(mmio, "freeze_noirq", driver_take_buffer);
	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_status(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_status(mmio), SUSPEND_LIVE);
}

/* Test that it is given up if the driver does not, and all sleeps. */
static void suspend_fails_undrained(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, true);

	suspend_fail(test, VIRTIO_CONFIG_S_SUSPEND);
	mmio_suspend(test);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), -EBUSY);
	suspend_expect_given_up(test);
}

static void suspend_expect_tried_once(struct kunit *test, u8 request)
{
	struct mmio *mmio = suspend_start(test, true);

	suspend_fail(test, request);
	mmio_at(mmio, "freeze_noirq", driver_take_buffer);
	mmio_suspend(test);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);
	record_take(test, &mmio->record);
	suspend_expect_reset_path(test);
}

/* Test that a device that was not suspended is reset in each later cycle. */
static void suspend_fails_once(struct kunit *test)
{
	suspend_expect_tried_once(test, VIRTIO_CONFIG_S_SUSPEND);
}

/* Test that one that was not resumed is, too. */
static void suspend_resume_fails_once(struct kunit *test)
{
	suspend_expect_tried_once(test, VIRTIO_CONFIG_S_DRIVER_OK);
}

/* Test that a device that has answered is not waited for, and no other for ever. */
static void suspend_failure_is_bounded(struct kunit *test)
{
	const struct mmio_param *param = test->param_value;
	ktime_t start = ktime_get();
	s64 ms;

	suspend_start(test, false);
	suspend_fail(test, VIRTIO_CONFIG_S_SUSPEND);
	mmio_suspend(test);
	ms = ktime_ms_delta(ktime_get(), start);

	KUNIT_EXPECT_GE(test, ms, param->failure->is_slow ? 5000 : 0);
	KUNIT_EXPECT_LT(test, ms, param->failure->is_slow ? 6000 : 1000);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(test->priv), 0);
	suspend_expect_given_up(test);
}

/* Test that a device that cannot be resumed is given up. */
static void suspend_resume_fails(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);

	suspend_fail(test, VIRTIO_CONFIG_S_DRIVER_OK);
	mmio_suspend(test);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), -EIO);
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, "device is not resumed, status"), 1);
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, "resuming the device failed: -EIO"), 1);
	suspend_expect_given_up(test);
}

/* Test that it is reset instead if the driver can drain its queues. */
static void suspend_resume_fails_and_is_drained(struct kunit *test)
{
	suspend_start(test, true);
	suspend_fail(test, VIRTIO_CONFIG_S_DRIVER_OK);
	mmio_suspend(test);
	suspend_expect_brought_up(test);
}

/* Test that it is given up if the driver cannot. */
static void suspend_resume_fails_undrained(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, true);

	suspend_fail(test, VIRTIO_CONFIG_S_DRIVER_OK);
	mmio_suspend(test);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), -EBUSY);
	suspend_expect_given_up(test);
}

/* Test that a device that lost its state does not become DRIVER_OK. */
static void suspend_state_lost(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);

	suspend_and_lose_state(test);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), -EIO);
	KUNIT_EXPECT_NULL(test, strstr(record_take(test, &mmio->record), "Status=1f "));
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, "device is not suspended, status"), 1);
	suspend_expect_given_up(test);
}

/* Test that it is brought up if the driver can drain its queues. */
static void suspend_state_lost_and_drained(struct kunit *test)
{
	suspend_start(test, true);
	suspend_and_lose_state(test);
	suspend_expect_brought_up(test);
}

/* Test that a device that was given up stays so in the next cycle. */
static void suspend_given_up_stays(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);

	suspend_fail(test, VIRTIO_CONFIG_S_DRIVER_OK);
	mmio_suspend(test);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), -EIO);
	KUNIT_EXPECT_EQ(test, mmio_up(mmio), -EIO);
	suspend_device.fails = 0;
	mmio_suspend(test);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	suspend_expect_given_up(test);
}

/* Test that, bound again, it works. */
static void suspend_given_up_then_rebind(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, false);

	suspend_fail(test, VIRTIO_CONFIG_S_DRIVER_OK);
	mmio_suspend(test);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), -EIO);
	suspend_unbind(test);
	suspend_bind(test);
	mmio_suspend(test);
	mmio_resume(test);
	suspend_expect_works(test);
}

/*
 * The parameters and the suite
 */

static const struct sleep_ops suspend_freeze = SLEEP_OPS(freeze, thaw);
static const struct sleep_ops suspend_poweroff = SLEEP_OPS(poweroff, restore);

static const struct mmio_param suspend_hibernations[] = {
	{ "freeze and thaw", 2, &suspend_freeze },
	{ "poweroff and restore", 2, &suspend_poweroff },
};

KUNIT_ARRAY_PARAM_DESC(suspend_hibernation, suspend_hibernations, desc);

static const struct mmio_failure suspend_asks_for_reset = {
	.answer = SUSPEND_SUSPENDED | VIRTIO_CONFIG_S_NEEDS_RESET,
};

static const struct mmio_failure suspend_lives_and_asks_for_reset = {
	.answer = SUSPEND_LIVE | VIRTIO_CONFIG_S_NEEDS_RESET,
};

static const struct mmio_failure suspend_is_reset = { .answer = 0 };
static const struct mmio_failure suspend_all_ones = { .answer = U8_MAX };
static const struct mmio_failure suspend_hangs = { .is_slow = true };
static const struct mmio_failure suspend_lives = { .answer = SUSPEND_LIVE };

static const struct mmio_param suspend_failures[] = {
	{ "DEVICE_NEEDS_RESET", 2, NULL, &suspend_asks_for_reset },
	{ "DEVICE_NEEDS_RESET and DRIVER_OK", 2, NULL, &suspend_lives_and_asks_for_reset },
	{ "was reset", 2, NULL, &suspend_is_reset },
	{ "all ones", 2, NULL, &suspend_all_ones },
	{ "never answers", 2, NULL, &suspend_hangs },
};

KUNIT_ARRAY_PARAM_DESC(suspend_failure, suspend_failures, desc);

static const struct mmio_param suspend_losses[] = {
	{ "DEVICE_NEEDS_RESET", 2, NULL, &suspend_asks_for_reset },
	{ "was reset", 2, NULL, &suspend_is_reset },
	{ "not suspended", 2, NULL, &suspend_lives },
};

KUNIT_ARRAY_PARAM_DESC(suspend_loss, suspend_losses, desc);

/* Test that one that asks for a reset, as it cannot be resumed, gets the time for it. */
static void suspend_resume_fails_slow_reset(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, true);

	suspend_device.failure = &suspend_asks_for_reset;
	suspend_device.fails = VIRTIO_CONFIG_S_DRIVER_OK;
	mmio->reset_ms = SUSPEND_RESET_MS;
	mmio_suspend(test);
	suspend_expect_brought_up(test);
}

/* Test that nobody waits for a device that is gone. */
static void suspend_gone(struct kunit *test)
{
	struct mmio *mmio = suspend_start(test, true);
	ktime_t start;

	mmio_suspend(test);
	mmio->status = fake_gone;
	mmio->reset_ms = U16_MAX;
	start = ktime_get();
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), -ETIMEDOUT);
	KUNIT_EXPECT_LT(test, ktime_ms_delta(ktime_get(), start), 1000);
	suspend_expect_given_up(test);
	mmio->status = NULL;
	mmio_end_reset(mmio);
}

static int suspend_init(struct kunit *test)
{
	struct mmio *mmio = mmio_create(test);

	memset(&suspend_device, 0, sizeof(suspend_device));
	mmio->drv.freeze = NULL;
	mmio->drv.restore = NULL;
	mmio->offered[1] |= BIT(VIRTIO_F_SUSPEND - 32);
	pm_suspend_target_state = PM_SUSPEND_TO_IDLE;

	return 0;
}

static void suspend_exit(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	pm_suspend_target_state = PM_SUSPEND_ON;
	mmio->status = NULL;
	mmio_exit(test);
}

/* A device that does not answer takes 5 s. */
#define SUSPEND_CASE_SLOW(test, params)	\
	KUNIT_CASE_PARAM_ATTR(test, params, { .speed = KUNIT_SPEED_SLOW })

static struct kunit_case suspend_cases[] = {
	KUNIT_CASE(suspend_is_one_write),
	KUNIT_CASE(suspend_resume_is_one_write),
	KUNIT_CASE(suspend_with_noirq_callbacks),
	KUNIT_CASE(suspend_accesses),
	KUNIT_CASE(suspend_is_awaited),
	KUNIT_CASE(suspend_no_buffer_meanwhile),
	KUNIT_CASE(suspend_callback_is_awaited),
	KUNIT_CASE(suspend_kick_meanwhile),
	KUNIT_CASE(suspend_taken_meanwhile),
	KUNIT_CASE(suspend_last_buffer),
	KUNIT_CASE(suspend_config_change),
	KUNIT_CASE(suspend_again),
	KUNIT_CASE(suspend_abort),
	KUNIT_CASE(suspend_aborts_in_a_row),
	KUNIT_CASE_PARAM(suspend_hibernation, suspend_hibernation_gen_params),
	KUNIT_CASE_PARAM(suspend_hibernation_without_callbacks, suspend_hibernation_gen_params),
	KUNIT_CASE(suspend_to_ram),
	KUNIT_CASE(suspend_wakeup_source),
	KUNIT_CASE(suspend_not_asked_for),
	KUNIT_CASE(suspend_in_power_domain),
	KUNIT_CASE(suspend_not_offered),
	KUNIT_CASE_PARAM(suspend_legacy, mmio_legacy_gen_params),
	KUNIT_CASE(suspend_with_freeze),
	KUNIT_CASE(suspend_with_restore),
	KUNIT_CASE(suspend_with_pm_operations),
	KUNIT_CASE(suspend_opted_out),
	KUNIT_CASE(suspend_needs_reset_before),
	KUNIT_CASE(suspend_unbound_meanwhile),
	SUSPEND_CASE_SLOW(suspend_fails, suspend_failure_gen_params),
	SUSPEND_CASE_SLOW(suspend_fails_and_is_drained, suspend_failure_gen_params),
	SUSPEND_CASE_SLOW(suspend_fails_undrained, suspend_failure_gen_params),
	SUSPEND_CASE_SLOW(suspend_fails_once, suspend_failure_gen_params),
	SUSPEND_CASE_SLOW(suspend_resume_fails_once, suspend_failure_gen_params),
	SUSPEND_CASE_SLOW(suspend_failure_is_bounded, suspend_failure_gen_params),
	SUSPEND_CASE_SLOW(suspend_resume_fails, suspend_failure_gen_params),
	SUSPEND_CASE_SLOW(suspend_resume_fails_and_is_drained, suspend_failure_gen_params),
	SUSPEND_CASE_SLOW(suspend_resume_fails_undrained, suspend_failure_gen_params),
	KUNIT_CASE(suspend_resume_fails_slow_reset),
	KUNIT_CASE(suspend_gone),
	KUNIT_CASE_PARAM(suspend_state_lost, suspend_loss_gen_params),
	KUNIT_CASE_PARAM(suspend_state_lost_and_drained, suspend_loss_gen_params),
	SUSPEND_CASE_SLOW(suspend_given_up_stays, suspend_failure_gen_params),
	SUSPEND_CASE_SLOW(suspend_given_up_then_rebind, suspend_failure_gen_params),
	{}
};

static struct kunit_suite suspend_suite = {
	.name = "virtio_suspend",
	.suite_init = mmio_suite_init,
	.init = suspend_init,
	.exit = suspend_exit,
	.test_cases = suspend_cases,
};

kunit_test_suite(suspend_suite);

MODULE_DESCRIPTION("KUnit tests for suspending virtio devices");
MODULE_LICENSE("GPL");
