// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for virtio-mmio: how the real driver of the transport resets a
 * device and sets up its queues for a driver without noirq callbacks.
 */

/* Apart from memory and from what the PCI code of UML claims */
#define MMIO_BASE		0xd0000000

#include "fake_mmio.h"

static void mmio_occupy(struct mmio *mmio)
{
	mmio->queues[0][VIRTIO_MMIO_QUEUE_PFN / 4] = 1;
	mmio->queues[0][VIRTIO_MMIO_QUEUE_READY / 4] = 1;
}

static void mmio_want_no_queue(struct mmio *mmio)
{
	mmio_want(mmio, "%s", mmio_is_legacy(mmio) ?
		  "QueuePFN=0 " : "QueueReady=0 QueueReady? ");
}

/* What the driver asks for when the device is as a test made it. */
static const char *mmio_fail_probe(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_NE(test, device_attach(&mmio->vdev->dev), 1);

	return record_take_from(test, &mmio->record, "QueueSel");
}

/* In probe, the first queue is looked at, then disabled, and that is all. */
static void mmio_expect_disabled(struct kunit *test, const char *looked, int err)
{
	struct mmio *mmio = test->priv;

	mmio_want_select(mmio, 0);
	mmio_want(mmio, "%s", looked);
	mmio_want_no_queue(mmio);
	mmio_want(mmio, "free_irq Status=%x ", mmio_failed_status(mmio));

	KUNIT_EXPECT_STREQ(test, mmio_fail_probe(test),
			   record_take(test, &mmio->wanted));
	KUNIT_EXPECT_EQ(test, mmio->probe_err, err);
}

/*
 * Tests: a device that behaves
 */

/* Test that, when a device is found, it is reset, negotiated, given queues. */
static void mmio_probe_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_want(mmio, "MagicValue? Version? DeviceID? VendorID? ");
	mmio_want_reset(mmio);
	mmio_want(mmio, "Status=1 Status=3 ");
	mmio_want_features(mmio);
	mmio_want(mmio, "request_irq ");
	mmio_want_queues(mmio);
	mmio_want_driver_ok(mmio);

	mmio_expect_wanted(test);
}

/* Test that, in probe, the queue is told how many entries it could have. */
static void mmio_probe_num_max(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_EXPECT_EQ(test, mmio->vqs[0]->num_max, MMIO_QUEUE_SIZE);
}

/* Test that, in a reset, the device is told nothing else. */
static void mmio_reset_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	record_take(test, &mmio->record);
	mmio_want_reset(mmio);

	virtio_reset_device(mmio->vdev);
	mmio_expect_wanted(test);
}

/* Test that, in sleep, queues are deleted, and found again after a reset. */
static void mmio_sleep_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	record_take(test, &mmio->record);
	mmio_want_reset(mmio);
	mmio_want(mmio, "free_irq ");
	mmio_want(mmio, "QueueSel=0 ");
	mmio_want_no_queue(mmio);
	mmio_want(mmio, "QueueSel=1 ");
	mmio_want_no_queue(mmio);
	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);

	mmio_want_negotiation(mmio);
	mmio_want(mmio, "request_irq ");
	mmio_want_queues(mmio);
	mmio_want_driver_ok(mmio);
	mmio_expect_wanted(test);
}

/* Test that, without noirq callbacks, the noirq phase sees no access. */
static void mmio_noirq_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;
	unsigned int status_reads;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	record_take(test, &mmio->record);
	status_reads = mmio->status_reads;

	KUNIT_EXPECT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), "");
	KUNIT_EXPECT_EQ(test, mmio->status_reads, status_reads);

	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);
}

/* Test that, when queues are deleted, a late interrupt finds none of them. */
static void mmio_late_interrupt(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_use_bogus(mmio);
	mmio->raised = VIRTIO_MMIO_INT_VRING;
	record_take(test, &mmio->record);
	mmio->vdev->config->del_vqs(mmio->vdev);
	mmio->raised = 0;

	KUNIT_EXPECT_NULL(test, strstr(record_take(test, &mmio->record), "callback"));
	KUNIT_ASSERT_EQ(test, driver_find_vqs(mmio->vdev), 0);
}

/*
 * Tests: a queue that cannot be set up
 */

/* Test that, in probe, a queue that is in use is left alone. */
static void mmio_probe_of_used_queue(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_unbind(test);
	mmio_occupy(mmio);
	mmio_want_select(mmio, 0);
	mmio_want(mmio, "free_irq Status=%x ", mmio_failed_status(mmio));

	KUNIT_EXPECT_STREQ(test, mmio_fail_probe(test),
			   record_take(test, &mmio->wanted));
	KUNIT_EXPECT_EQ(test, mmio->probe_err, -ENOENT);
}

/* Test that, in probe, a queue without entries is disabled. */
static void mmio_probe_of_no_queue(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_unbind(test);
	fake_zero(mmio);

	mmio_expect_disabled(test, "QueueNumMax? ", -ENOENT);
}

/* Test that, in probe, a queue without memory for its ring is disabled. */
static void mmio_probe_without_memory(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_unbind(test);
	mmio_use_own_memory(mmio);
	mmio->no_memory = true;

	mmio_expect_disabled(test, "QueueNumMax? ", -ENOMEM);
}

/* Test that, in probe, a ring out of reach of a legacy device is freed. */
static void mmio_probe_of_far_ring(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_unbind(test);
	mmio_use_own_memory(mmio);
	mmio->far = BIT_ULL(32 + PAGE_SHIFT);

	mmio_expect_disabled(test, "QueueNumMax? QueueNum=8 ", -E2BIG);
	KUNIT_EXPECT_EQ(test, mmio->allocations, 2);
}

/*
 * Tests: a reset that does not complete at once
 */

/* Test that versions 1 and 2 are not asked whether a reset is complete. */
static void mmio_reset_is_not_awaited(struct kunit *test)
{
	struct mmio *mmio = test->priv;
	unsigned int status_reads = mmio->status_reads;

	mmio->reset_ms = MMIO_NEVER;
	virtio_reset_device(mmio->vdev);

	KUNIT_EXPECT_EQ(test, mmio->status_reads, status_reads);
}

/* Test that version 3 is waited for, without a word. */
static void mmio_reset_is_awaited(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio->reset_ms = 20;
	virtio_reset_device(mmio->vdev);

	KUNIT_EXPECT_EQ(test, mmio_status(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, "reset not complete"), 0);
}

/* Test that version 3 is waited for beyond 5 s, aloud. */
static void mmio_late_reset_is_named(struct kunit *test)
{
	const char *waits = "reset not complete after 5 s, status 0x0f; still waiting";
	struct mmio *mmio = test->priv;

	mmio->reset_ms = 8000;
	virtio_reset_device(mmio->vdev);

	KUNIT_EXPECT_EQ(test, mmio_status(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, waits), 1);
}

/*
 * The suite
 */

static int mmio_init(struct kunit *test)
{
	mmio_start(test, mmio_create(test));

	return 0;
}

static struct kunit_case mmio_cases[] = {
	KUNIT_CASE_PARAM(mmio_probe_order, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_probe_num_max, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_reset_order, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_sleep_order, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_noirq_order, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_late_interrupt, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_probe_of_used_queue, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_probe_of_no_queue, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_probe_without_memory, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_probe_of_far_ring, mmio_legacy_gen_params),
	KUNIT_CASE_PARAM(mmio_reset_is_not_awaited, mmio_at_once_gen_params),
	KUNIT_CASE_PARAM(mmio_reset_is_awaited, mmio_awaited_gen_params),
	KUNIT_CASE_PARAM_ATTR(mmio_late_reset_is_named, mmio_awaited_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	{}
};

static struct kunit_suite mmio_suite = {
	.name = "virtio_mmio",
	.suite_init = mmio_suite_init,
	.init = mmio_init,
	.exit = mmio_exit,
	.test_cases = mmio_cases,
};

kunit_test_suite(mmio_suite);

MODULE_DESCRIPTION("KUnit tests for virtio-mmio");
MODULE_LICENSE("GPL");
