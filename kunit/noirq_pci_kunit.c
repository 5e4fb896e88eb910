// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for virtio-pci in system sleep: the real driver of the transport and
 * the real PCI core, a driver with noirq callbacks, and what a function can do to
 * them. And what has to stay as it was for drivers without such callbacks.
 */

#include "fake_pci_noirq.h"

/* What a device can do wrong, and what comes of it. */
struct vpci_failure {
	void (*misbehave)(struct vpci *pci);
	const char *message;
	int err;
};

/*
 * The driver
 */

static int driver_ready_and_fail(struct vpci *pci)
{
	driver_ready(pci);

	return -ENXIO;
}

/* What the device can do wrong */

static void fake_keep_queues(struct vpci *pci)
{
	pci->keeps_queues = true;
}

static void fake_shrink(struct vpci *pci)
{
	pci->queues[VPCI_SECOND].size_max = VPCI_QUEUE_SIZE / 2;
}

static void fake_grow(struct vpci *pci)
{
	pci->queues[VPCI_SECOND].size_max = 2 * VPCI_QUEUE_SIZE;
}

static void fake_zero(struct vpci *pci)
{
	pci->queues[VPCI_SECOND].size_max = 0;
}

static void fake_swap_notifications(struct vpci *pci)
{
	swap(pci->queues[VPCI_SECOND].notify_off, pci->queues[VPCI_QUIET].notify_off);
}

/* As if it had one queue more */
static void fake_move_admin(struct vpci *pci)
{
	pci->admin = VPCI_SPARE;
}

static void fake_lose_admin(struct vpci *pci)
{
	pci->admins = 0;
}

static void fake_refuse_features(struct vpci *pci)
{
	pci->refuses_features = true;
}

static void fake_refuse_config_vector(struct vpci *pci)
{
	pci->refuses_config_vector = true;
}

static void fake_refuse_vector(struct vpci *pci)
{
	pci->refuses_vector_of = BIT(VPCI_SECOND);
}

/*
 * What should happen
 */

static __printf(2, 3) void vpci_want(struct vpci *pci, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	seq_buf_vprintf(&pci->wanted.calls, fmt, args);
	va_end(args);
}

static void vpci_expect_wanted(struct kunit *test)
{
	struct vpci *pci = test->priv;

	KUNIT_EXPECT_STREQ(test, record_take(test, &pci->record),
			   record_take(test, &pci->wanted));
}

static void vpci_want_queue(struct vpci *pci, unsigned int queue)
{
	u16 vector = vpci_vector(pci, queue);

	if (pci->param->legacy)
		vpci_want(pci, "q%u.pfn ", queue);
	else
		vpci_want(pci, "q%u.size=%x ", queue, VPCI_QUEUE_SIZE);
	if (vector != VIRTIO_MSI_NO_VECTOR)
		vpci_want(pci, "q%u.vector=%x ", queue, vector);
}

/* 3.1.1 and 4.1.5.1, and queues that are enabled when all are set up */
static void vpci_want_bring_up(struct vpci *pci)
{
	unsigned int queues = pci->param->has_admin ? VPCI_ADMIN + 1 : VPCI_ADMIN, i;

	vpci_want(pci, "status=0 status=1 status=3 ");
	if (!pci->param->legacy)
		vpci_want(pci, "status=b ");
	if (pci->param->vectors)
		vpci_want(pci, "config=0 ");
	for (i = 0; i < queues; i++)
		vpci_want_queue(pci, i);
	for (i = 0; i < queues && !pci->param->legacy; i++)
		vpci_want(pci, "q%u.enable=1 ", i);
	vpci_want(pci, "restore_noirq ");
}

static void vpci_want_driver_ok(struct vpci *pci)
{
	vpci_want(pci, "status=%x ", vpci_live_status(pci));
}

/* What commands there are, which of them will be used, and what capabilities */
static void vpci_want_admin(struct vpci *pci)
{
	vpci_want(pci, "q3.notify admin=0 q3.notify admin=1 q3.notify admin=7 ");
}

/* A sleep cycle in which each callback is called, and the device brought up. */
static void vpci_expect_cycle(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_want(pci, "freeze freeze_noirq status=0 ");
	vpci_want_bring_up(pci);
	vpci_want(pci, "restore ");
	vpci_want_driver_ok(pci);

	KUNIT_EXPECT_EQ(test, vpci_down(pci), 0);
	KUNIT_EXPECT_EQ(test, vpci_down_noirq(pci), 0);
	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), 0);
	KUNIT_EXPECT_EQ(test, vpci_up(pci), 0);
	vpci_expect_wanted(test);
}

/* A sleep cycle which the device does not take as the test wants it to. */
static void vpci_fail_resume(struct kunit *test)
{
	struct vpci *pci = test->priv;

	pci->param->failure->misbehave(pci);
	vpci_suspend(test);
	KUNIT_ASSERT_EQ(test, vpci_up_noirq(pci), pci->param->failure->err);
}

/* The core waits for a reset for 5 s. */
static void vpci_expect_given_up(struct kunit *test, ktime_t start)
{
	s64 ms = ktime_ms_delta(ktime_get(), start);

	KUNIT_EXPECT_GE(test, ms, 5000);
	KUNIT_EXPECT_LT(test, ms, 10000);
}

static void vpci_unbind(struct kunit *test)
{
	struct vpci *pci = test->priv;

	device_release_driver(&pci->vdev->dev);
	record_take(test, &pci->record);
}

/*
 * The parameters
 */

static const struct sleep_ops vpci_snapshot_ops = SLEEP_OPS(freeze, thaw);
static const struct sleep_ops vpci_poweroff_ops = SLEEP_OPS(poweroff, restore);

#define VPCI_D3HOT	.vectors = VPCI_VECTORS, .has_pm = true
#define VPCI_D0		.vectors = VPCI_VECTORS

static const struct vpci_param vpci_devices[] = {
	{ "modern, D3hot", VPCI_D3HOT },
	{ "modern, D0", VPCI_D0 },
	{ "modern, keeps its state", VPCI_D3HOT, .no_soft_reset = true },
	{ "modern, loses power", VPCI_D3HOT, .loses_power = true },
	{ "modern, no configuration", VPCI_D3HOT, .no_config = true },
	{ "modern, page per queue", VPCI_D3HOT, .page_per_vq = true },
	{ "modern, two vectors", .vectors = 2, .has_pm = true },
	{ "modern, INTx", .has_pm = true },
	{ "modern, admin", VPCI_D3HOT, .has_admin = true },
	{ "modern, admin, two vectors", .vectors = 2, .has_pm = true, .has_admin = true },
	{ "legacy, D3hot", VPCI_D3HOT, .legacy = true },
	{ "legacy, D0", VPCI_D0, .legacy = true },
	{ "legacy, keeps its state", VPCI_D3HOT, .legacy = true, .no_soft_reset = true },
	{ "legacy, two vectors", .vectors = 2, .has_pm = true, .legacy = true },
	{ "legacy, INTx", .has_pm = true, .legacy = true },
};

KUNIT_ARRAY_PARAM_DESC(vpci_device, vpci_devices, desc);

static const struct vpci_param vpci_d0s[] = {
	{ "modern", VPCI_D0 },
	{ "legacy", VPCI_D0, .legacy = true },
};

KUNIT_ARRAY_PARAM_DESC(vpci_d0, vpci_d0s, desc);

static const struct vpci_param vpci_d3hots[] = {
	{ "modern", VPCI_D3HOT },
	{ "legacy", VPCI_D3HOT, .legacy = true },
};

KUNIT_ARRAY_PARAM_DESC(vpci_d3hot, vpci_d3hots, desc);

static const struct vpci_param vpci_keeps_states[] = {
	{ "modern", VPCI_D3HOT, .no_soft_reset = true },
	{ "legacy", VPCI_D3HOT, .no_soft_reset = true, .legacy = true },
};

KUNIT_ARRAY_PARAM_DESC(vpci_keeps_state, vpci_keeps_states, desc);

static const struct vpci_param vpci_moderns[] = {
	{ "modern", VPCI_D3HOT },
};

KUNIT_ARRAY_PARAM_DESC(vpci_modern, vpci_moderns, desc);

static const struct vpci_param vpci_admins[] = {
	{ "modern, D3hot", VPCI_D3HOT, .has_admin = true },
	{ "modern, D0", VPCI_D0, .has_admin = true },
};

KUNIT_ARRAY_PARAM_DESC(vpci_admin, vpci_admins, desc);

static const struct vpci_param vpci_sleeps[] = {
	{ "suspend and resume", VPCI_D0, .sleep = &vpci_suspend_ops },
	{ "freeze and thaw", VPCI_D0, .sleep = &vpci_snapshot_ops },
	{ "poweroff and restore", VPCI_D0, .sleep = &vpci_poweroff_ops },
};

KUNIT_ARRAY_PARAM_DESC(vpci_sleep, vpci_sleeps, desc);

static const struct vpci_param vpci_unbounds[] = {
	{ "after suspend, modern", VPCI_D0, .unbound_after = vpci_down },
	{ "after suspend_noirq, modern", VPCI_D0, .unbound_after = vpci_down_noirq },
	{ "after resume_noirq, modern", VPCI_D0, .unbound_after = vpci_up_noirq },
	{ "after resume_noirq, modern, admin", VPCI_D0, .has_admin = true,
	  .unbound_after = vpci_up_noirq },
	{ "after suspend, legacy", VPCI_D0, .legacy = true, .unbound_after = vpci_down },
	{ "after suspend_noirq, legacy", VPCI_D0, .legacy = true,
	  .unbound_after = vpci_down_noirq },
	{ "after resume_noirq, legacy", VPCI_D0, .legacy = true,
	  .unbound_after = vpci_up_noirq },
};

KUNIT_ARRAY_PARAM_DESC(vpci_unbound, vpci_unbounds, desc);

static const struct vpci_failure vpci_queue_in_use = {
	fake_keep_queues, "queue 0 (first) is still set up after a reset", -ENOENT,
};

static const struct vpci_failure vpci_smaller_queue = {
	fake_shrink, "queue 1 (second) has 8 entries, but the device now takes 4", -EINVAL,
};

static const struct vpci_failure vpci_larger_queue = {
	fake_grow, "queue 1 (second) has 8 entries, but the device now takes 16", -EINVAL,
};

static const struct vpci_failure vpci_no_queue = {
	fake_zero, "queue 1 (second) has 8 entries, but the device now takes 0", -EINVAL,
};

static const struct vpci_failure vpci_other_notifications = {
	fake_swap_notifications,
	"queue 1 (second) has notify offset 1, but the device now has 2", -EINVAL,
};

static const struct vpci_failure vpci_other_admin = {
	fake_move_admin, "the admin queue was queue 3, but is queue 4 of the device now", -EINVAL,
};

static const struct vpci_failure vpci_no_admin = {
	fake_lose_admin, "reset_vqs failed: -EINVAL", -EINVAL,
};

static const struct vpci_failure vpci_features_refused = {
	fake_refuse_features, "virtio: device refuses features: 3", -ENODEV,
};

static const struct vpci_failure vpci_config_vector_refused = {
	fake_refuse_config_vector, "the device no longer takes a vector for config changes", -EBUSY,
};

static const struct vpci_failure vpci_vector_refused = {
	fake_refuse_vector, "reset_vqs failed: -EBUSY", -EBUSY,
};

static const struct vpci_param vpci_failures[] = {
	{ "queue in use, modern", VPCI_D0, .failure = &vpci_queue_in_use },
	{ "smaller queue, modern", VPCI_D3HOT, .failure = &vpci_smaller_queue },
	{ "no queue, modern", VPCI_D3HOT, .failure = &vpci_no_queue },
	{ "other notifications, modern", VPCI_D3HOT, .failure = &vpci_other_notifications },
	{ "other notifications, page per queue", VPCI_D3HOT, .page_per_vq = true,
	  .failure = &vpci_other_notifications },
	{ "other admin queue, modern", VPCI_D3HOT, .has_admin = true,
	  .failure = &vpci_other_admin },
	{ "no admin queue, modern", VPCI_D3HOT, .has_admin = true, .failure = &vpci_no_admin },
	{ "features refused, modern", VPCI_D3HOT, .failure = &vpci_features_refused },
	{ "config vector refused, modern", VPCI_D3HOT, .failure = &vpci_config_vector_refused },
	{ "vector refused, modern", VPCI_D3HOT, .failure = &vpci_vector_refused },
	{ "queue in use, legacy", VPCI_D0, .legacy = true, .failure = &vpci_queue_in_use },
	{ "smaller queue, legacy", VPCI_D3HOT, .legacy = true, .failure = &vpci_smaller_queue },
	{ "larger queue, legacy", VPCI_D3HOT, .legacy = true, .failure = &vpci_larger_queue },
	{ "no queue, legacy", VPCI_D3HOT, .legacy = true, .failure = &vpci_no_queue },
	{ "config vector refused, legacy", VPCI_D3HOT, .legacy = true,
	  .failure = &vpci_config_vector_refused },
	{ "vector refused, legacy", VPCI_D3HOT, .legacy = true, .failure = &vpci_vector_refused },
};

KUNIT_ARRAY_PARAM_DESC(vpci_failure, vpci_failures, desc);

static const struct vpci_param vpci_others[] = {
	{ "notifications", VPCI_D3HOT, .failure = &vpci_other_notifications },
	{ "notifications, page per queue", VPCI_D3HOT, .page_per_vq = true,
	  .failure = &vpci_other_notifications },
	{ "admin queue", VPCI_D3HOT, .has_admin = true, .failure = &vpci_other_admin },
	{ "no admin queue", VPCI_D3HOT, .has_admin = true, .failure = &vpci_no_admin },
};

KUNIT_ARRAY_PARAM_DESC(vpci_other, vpci_others, desc);

/*
 * Tests: a device that behaves
 */

/* Test that the transport says that it can do this. */
static void pci_supports_noirq(struct kunit *test)
{
	struct vpci *pci = test->priv;

	KUNIT_EXPECT_TRUE(test, virtio_device_supports_noirq(pci->vdev));
}

/* Test that requests are answered in restore_noirq, and all works after it. */
static void pci_works_in_restore_noirq(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_suspend(test);
	vpci_at(pci, "restore_noirq", driver_ready_and_request);

	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), 0);
	KUNIT_EXPECT_EQ(test, pci->answered, 2);
	KUNIT_EXPECT_EQ(test, vpci_up(pci), 0);
	vpci_expect_works(test);
}

/* Test that all works after several cycles. */
static void pci_works_after_cycles(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		vpci_expect_works(test);
		vpci_suspend(test);
		vpci_resume(test);
	}

	vpci_expect_works(test);
}

/* Test that, before restore_noirq, queues are set up as when they were found. */
static void pci_restore_noirq_order(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_suspend(test);
	vpci_want_bring_up(pci);

	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), 0);
	vpci_expect_wanted(test);
}

/* Test that, after the driver's freeze_noirq, the device is reset. */
static void pci_freeze_noirq_order(struct kunit *test)
{
	struct vpci *pci = test->priv;

	KUNIT_ASSERT_EQ(test, vpci_down(pci), 0);
	record_take(test, &pci->record);
	vpci_want(pci, "freeze_noirq status=0 ");

	KUNIT_EXPECT_EQ(test, vpci_down_noirq(pci), 0);
	vpci_expect_wanted(test);
}

/* Test that, after restore_noirq, the rings are as if nobody had used them. */
static void pci_rings_are_emptied(struct kunit *test)
{
	struct vpci *pci = test->priv;
	struct vring_avail *avail = phys_to_virt(virtqueue_get_avail_addr(pci->vqs[VPCI_FIRST]));

	KUNIT_ASSERT_EQ(test, driver_request(pci, VPCI_FIRST), 0);
	KUNIT_ASSERT_EQ(test, virtio16_to_cpu(pci->vdev, avail->idx), 1);
	vpci_suspend(test);

	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), 0);
	KUNIT_EXPECT_EQ(test, virtio16_to_cpu(pci->vdev, avail->idx), 0);
}

/* Test that, after sleep, a queue of a modern device may be larger than its ring. */
static void pci_queue_grows(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_suspend(test);
	fake_grow(pci);
	vpci_resume(test);

	vpci_expect_works(test);
	KUNIT_EXPECT_EQ(test, pci->vqs[VPCI_FIRST]->num_max, VPCI_QUEUE_SIZE);
	KUNIT_EXPECT_EQ(test, pci->vqs[VPCI_SECOND]->num_max, 2 * VPCI_QUEUE_SIZE);
}

/* Test that, in each transition, each callback of the driver is called. */
static void pci_sleep_order(struct kunit *test)
{
	vpci_expect_cycle(test);
	vpci_expect_works(test);
}

/* Test that, in each transition, an error of freeze_noirq is returned. */
static void pci_freeze_noirq_fails(struct kunit *test)
{
	struct vpci *pci = test->priv;

	KUNIT_ASSERT_EQ(test, vpci_down(pci), 0);
	vpci_at(pci, "freeze_noirq", driver_fail);

	KUNIT_EXPECT_EQ(test, vpci_down_noirq(pci), -ENXIO);
}

/* Test that, in each transition, an error of restore_noirq is returned. */
static void pci_restore_noirq_fails(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_suspend(test);
	vpci_at(pci, "restore_noirq", driver_fail);

	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), -ENXIO);
}

/* Test that, after an abort, a device that lives on is not touched. */
static void pci_abort_of_live_device(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_want(pci, "freeze restore ");

	KUNIT_EXPECT_EQ(test, vpci_down(pci), 0);
	KUNIT_EXPECT_EQ(test, vpci_up(pci), 0);
	vpci_expect_wanted(test);
	vpci_expect_works(test);
}

/*
 * Tests: the function
 */

/* Test that, until the noirq phase, the function stays enabled, and works. */
static void pci_stays_enabled(struct kunit *test)
{
	struct vpci *pci = test->priv;
	u16 command = vpci_command(pci);

	KUNIT_ASSERT_EQ(test, command & PCI_COMMAND_MASTER, PCI_COMMAND_MASTER);
	KUNIT_ASSERT_EQ(test, vpci_down(pci), 0);

	KUNIT_EXPECT_EQ(test, vpci_command(pci), command);
	KUNIT_EXPECT_EQ(test, driver_request(pci, VPCI_FIRST), 0);
}

/* Test that nobody changes the command register of a function that stays in D0. */
static void pci_command_is_left_alone(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_suspend(test);
	vpci_resume(test);

	KUNIT_EXPECT_STREQ(test, record_take(test, &pci->bus), "");
}

/* Test that, from D3hot to D0, the function has lost all, and is enabled again. */
static void pci_comes_back_from_d3hot(struct kunit *test)
{
	struct vpci *pci = test->priv;
	u16 command = vpci_command(pci);

	KUNIT_ASSERT_EQ(test, vpci_down(pci), 0);
	KUNIT_ASSERT_EQ(test, vpci_down_noirq(pci), 0);
	KUNIT_ASSERT_EQ(test, vpci_power_state(pci), 3);
	KUNIT_ASSERT_EQ(test, vpci_up_noirq(pci), 0);

	KUNIT_EXPECT_NOT_NULL(test, strstr(record_take(test, &pci->bus), "D3 D0 "));
	KUNIT_EXPECT_EQ(test, vpci_command(pci), command);
}

/* Test that No_Soft_Reset does not keep a driver from being called. */
static void pci_no_shortcut(struct kunit *test)
{
	vpci_expect_cycle(test);
}

/* Test that a function that slept is disabled when virtio-pci leaves it. */
static void pci_is_disabled_in_the_end(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_suspend(test);
	vpci_resume(test);
	device_release_driver(&pci->pdev->dev);

	KUNIT_EXPECT_FALSE(test, pci_is_enabled(pci->pdev));
	KUNIT_EXPECT_EQ(test, vpci_command(pci) & PCI_COMMAND_MASTER, 0);
}

/* Test that, even if the driver is unbound in between, it is not enabled twice. */
static void pci_unbound_meanwhile(struct kunit *test)
{
	static int (* const steps[])(struct vpci *pci) = {
		vpci_down, vpci_down_noirq, vpci_up_noirq, vpci_up,
	};
	struct vpci *pci = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		KUNIT_EXPECT_EQ(test, steps[i](pci), 0);
		if (steps[i] == pci->param->unbound_after)
			vpci_unbind(test);
	}

	KUNIT_EXPECT_EQ(test, atomic_read(&pci->pdev->enable_cnt), 1);
	KUNIT_EXPECT_EQ(test, vpci_command(pci) & PCI_COMMAND_MASTER, PCI_COMMAND_MASTER);
	device_release_driver(&pci->pdev->dev);
	KUNIT_EXPECT_FALSE(test, pci_is_enabled(pci->pdev));
	KUNIT_EXPECT_EQ(test, vpci_command(pci) & PCI_COMMAND_MASTER, 0);
}

/*
 * Tests: a driver without noirq callbacks
 */

static void vpci_be_plain(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_unbind(test);
	unregister_virtio_driver(&pci->drv);
	pci->drv = vpci_driver;
	KUNIT_ASSERT_EQ(test, register_virtio_driver(&pci->drv), 0);
	KUNIT_ASSERT_EQ(test, pci->probe_err, 0);
	record_take(test, &pci->record);
	record_take(test, &pci->bus);
}

/* Test that its device is disabled in freeze, and works again after restore. */
static void pci_plain_cycle(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_be_plain(test);

	KUNIT_EXPECT_EQ(test, vpci_down(pci), 0);
	KUNIT_EXPECT_FALSE(test, pci_is_enabled(pci->pdev));
	KUNIT_EXPECT_EQ(test, vpci_command(pci) & PCI_COMMAND_MASTER, 0);
	KUNIT_EXPECT_EQ(test, vpci_down_noirq(pci), 0);
	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), 0);
	KUNIT_EXPECT_EQ(test, vpci_up(pci), 0);
	KUNIT_EXPECT_TRUE(test, pci_is_enabled(pci->pdev));
	KUNIT_EXPECT_EQ(test, vpci_command(pci) & PCI_COMMAND_MASTER, PCI_COMMAND_MASTER);
	vpci_expect_works(test);
}

/* Test that, with No_Soft_Reset, neither it nor its device notices the cycle. */
static void pci_plain_shortcut(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_be_plain(test);

	KUNIT_EXPECT_EQ(test, vpci_down(pci), 0);
	KUNIT_EXPECT_TRUE(test, pci_is_enabled(pci->pdev));
	KUNIT_EXPECT_EQ(test, vpci_down_noirq(pci), 0);
	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), 0);
	KUNIT_EXPECT_EQ(test, vpci_up(pci), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &pci->record), "");
	vpci_expect_works(test);
}

/* Test that, in the noirq phase, nobody accesses its device. */
static void pci_plain_noirq(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_be_plain(test);
	KUNIT_ASSERT_EQ(test, vpci_down(pci), 0);
	record_take(test, &pci->record);

	KUNIT_EXPECT_EQ(test, vpci_down_noirq(pci), 0);
	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &pci->record), "");
	KUNIT_EXPECT_EQ(test, vpci_up(pci), 0);
}

/* Test that its device gets admin commands once, in restore. */
static void pci_plain_admin(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_be_plain(test);
	vpci_suspend(test);
	pci->admin_commands = 0;
	vpci_resume(test);

	KUNIT_EXPECT_EQ(test, pci->admin_commands, 3);
}

/* Test that it takes a device that has its queues elsewhere as it is. */
static void pci_plain_other_device(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_be_plain(test);
	vpci_suspend(test);
	fake_swap_notifications(pci);
	fake_move_admin(pci);
	pci->admin_commands = 0;
	vpci_resume(test);

	KUNIT_EXPECT_EQ(test, pci->admin_commands, 3);
	vpci_expect_works(test);
}

/*
 * Tests: a device that is not as it was
 */

/* Test that, after a failure, the device is FAILED, and no queue was enabled. */
static void pci_failure_is_safe(struct kunit *test)
{
	struct vpci *pci = test->priv;
	const char *calls;

	vpci_fail_resume(test);
	calls = record_take(test, &pci->record);

	KUNIT_EXPECT_TRUE(test, pci->status & VIRTIO_CONFIG_S_FAILED);
	KUNIT_EXPECT_FALSE(test, pci->status & VIRTIO_CONFIG_S_DRIVER_OK);
	KUNIT_EXPECT_NULL(test, strstr(calls, "enable"));
	KUNIT_EXPECT_NULL(test, strstr(calls, "q2"));
	KUNIT_EXPECT_EQ(test, driver_add_buffer(pci, VPCI_FIRST), -EIO);
}

/* Test that, after a failure, a message names the device and what is wrong. */
static void pci_failure_message(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_fail_resume(test);

	KUNIT_EXPECT_EQ(test, vpci_log_count(pci, pci->param->failure->message), 1);
}

/* Test that, after a failure, restore fails. */
static void pci_failure_then_restore(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_fail_resume(test);

	KUNIT_EXPECT_EQ(test, vpci_up(pci), -EIO);
}

/* Test that, after a failure, the device works if it is as it was again. */
static void pci_failure_then_recovery(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_fail_resume(test);
	KUNIT_ASSERT_EQ(test, vpci_up(pci), -EIO);
	vpci_heal(pci);
	vpci_suspend(test);
	vpci_resume(test);

	vpci_expect_works(test);
}

/* Test that one that has its queues elsewhere gets none, and no notification. */
static void pci_other_device(struct kunit *test)
{
	struct vpci *pci = test->priv;
	const char *calls;
	unsigned int i;

	vpci_suspend(test);
	pci->param->failure->misbehave(pci);
	vpci_at(pci, "restore_noirq", driver_ready_and_request);
	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), pci->param->failure->err);
	KUNIT_EXPECT_EQ(test, vpci_up(pci), -EIO);
	calls = record_take(test, &pci->record);

	KUNIT_EXPECT_TRUE(test, pci->status & VIRTIO_CONFIG_S_FAILED);
	KUNIT_EXPECT_FALSE(test, pci->status & VIRTIO_CONFIG_S_DRIVER_OK);
	KUNIT_EXPECT_NULL(test, strstr(calls, "notify"));
	for (i = 0; i < VPCI_QUEUES; i++)
		KUNIT_EXPECT_FALSE(test, pci->queues[i].enabled);
}

/* Test that a ring that holds a buffer is not given back. */
static void pci_undrained_queue(struct kunit *test)
{
	struct vpci *pci = test->priv;

	KUNIT_ASSERT_EQ(test, driver_add_buffer(pci, VPCI_FIRST), 0);
	vpci_end_reset(pci);
	record_take(test, &pci->record);

	KUNIT_EXPECT_EQ(test, pci->vdev->config->reset_vqs(pci->vdev), -EBUSY);
	KUNIT_EXPECT_FALSE(test, pci->queues[VPCI_FIRST].desc);
}

/* Test that a queue that was reset by itself is refused. */
static void pci_queue_was_reset(struct kunit *test)
{
	struct vpci *pci = test->priv;
	const char *message = "queue 1 (second) was reset by itself and not enabled again";

	KUNIT_ASSERT_EQ(test, pci->vdev->config->disable_vq_and_reset(pci->vqs[VPCI_SECOND]), 0);
	vpci_suspend(test);

	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), -EBUSY);
	KUNIT_EXPECT_EQ(test, vpci_log_count(pci, message), 1);
	KUNIT_EXPECT_FALSE(test, pci->queues[VPCI_SECOND].desc);
}

/*
 * Tests: a reset that does not complete at once
 */

/* Test that, in the noirq phase, no device is told anything during a reset. */
static void pci_noirq_reset_is_awaited(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_suspend(test);
	pci->reset_ms = 20;
	vpci_resume(test);

	KUNIT_EXPECT_EQ(test, pci->hasty, 0);
	vpci_expect_works(test);
}

/* Test that a slow reset in freeze_noirq ends before the function is in D3hot. */
static void pci_freeze_noirq_reset_is_awaited(struct kunit *test)
{
	struct vpci *pci = test->priv;

	KUNIT_ASSERT_EQ(test, vpci_down(pci), 0);
	pci->reset_ms = 20;

	KUNIT_EXPECT_EQ(test, vpci_down_noirq(pci), 0);
	KUNIT_EXPECT_FALSE(test, pci->resetting);
}

/* Test that, in restore_noirq, an endless reset is given up after 5 s. */
static void pci_noirq_reset_is_bounded(struct kunit *test)
{
	struct vpci *pci = test->priv;
	ktime_t start;

	vpci_suspend(test);
	pci->reset_ms = VPCI_NEVER;
	pci->status = vpci_live_status(pci);
	start = ktime_get();
	vpci_want(pci, "status=0 status=80 ");

	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), -ETIMEDOUT);
	vpci_expect_given_up(test, start);
	vpci_expect_wanted(test);
	KUNIT_EXPECT_EQ(test, vpci_up(pci), -EIO);
}

/* Test that, in freeze_noirq, an endless reset is given up after 5 s. */
static void pci_freeze_noirq_reset_is_bounded(struct kunit *test)
{
	struct vpci *pci = test->priv;
	ktime_t start;

	KUNIT_ASSERT_EQ(test, vpci_down(pci), 0);
	pci->reset_ms = VPCI_NEVER;
	start = ktime_get();

	KUNIT_EXPECT_EQ(test, vpci_down_noirq(pci), -ETIMEDOUT);
	vpci_expect_given_up(test, start);
}

/* Test that a device that reads as all ones is given up soon. */
static void pci_all_ones(struct kunit *test)
{
	struct vpci *pci = test->priv;
	ktime_t start;

	vpci_suspend(test);
	pci->all_ones = true;
	start = ktime_get();

	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), -ETIMEDOUT);
	KUNIT_EXPECT_LT(test, ktime_ms_delta(ktime_get(), start), 2000);
	KUNIT_EXPECT_EQ(test, vpci_up(pci), -EIO);
	KUNIT_EXPECT_EQ(test, driver_add_buffer(pci, VPCI_FIRST), -EIO);
	KUNIT_EXPECT_EQ(test, vpci_log_count(pci, "reset not complete, status 0xff"), 1);
}

/* Test that, after that, a sleep cycle mends the device. */
static void pci_all_ones_then_recovery(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_suspend(test);
	pci->all_ones = true;
	KUNIT_ASSERT_EQ(test, vpci_up_noirq(pci), -ETIMEDOUT);
	KUNIT_ASSERT_EQ(test, vpci_up(pci), -EIO);
	vpci_heal(pci);
	vpci_suspend(test);
	vpci_resume(test);

	vpci_expect_works(test);
}

static void vpci_unplug_unseen(struct vpci *pci)
{
	pci->gone = true;
	pci->patience = VPCI_PATIENCE;
}

/* Test that a driver learns from the status that its function is gone. */
static void pci_gone_has_failed(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_unplug_unseen(pci);

	KUNIT_EXPECT_TRUE(test, pci->vdev->config->get_status(pci->vdev) &
				VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* Test that a driver can leave a function that was unplugged under it. */
static void pci_gone_then_unbind(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_unplug_unseen(pci);
	vpci_unbind(test);

	KUNIT_EXPECT_GT(test, pci->patience, 0);
	KUNIT_EXPECT_EQ(test, pci->vdev->config->get_status(pci->vdev), 0);
	KUNIT_EXPECT_EQ(test, kernel_log_count(pci->log_start, "WARNING: "), 0);
}

/* Test that virtio-pci can leave a function that was unplugged in its sleep. */
static void pci_gone_asleep_then_removal(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_suspend(test);
	vpci_unplug_unseen(pci);
	KUNIT_EXPECT_LT(test, vpci_up_noirq(pci), 0);
	KUNIT_EXPECT_EQ(test, vpci_up(pci), -EIO);
	device_release_driver(&pci->pdev->dev);

	KUNIT_EXPECT_GT(test, pci->patience, 0);
	KUNIT_EXPECT_FALSE(test, pci_is_enabled(pci->pdev));
}

/* Test that one that pciehp is about to remove is not touched in the noirq phase. */
static void pci_disconnected_is_left_alone(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_suspend(test);
	vpci_unplug_unseen(pci);
	pci->pdev->error_state = pci_channel_io_perm_failure;

	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), 0);
	KUNIT_EXPECT_EQ(test, pci->patience, VPCI_PATIENCE);
	device_release_driver(&pci->pdev->dev);
}

/* Test that, while a removal holds the lock, no function is touched in the noirq phase. */
static void pci_removed_meanwhile(struct kunit *test)
{
	struct vpci *pci = test->priv;

	KUNIT_ASSERT_EQ(test, vpci_down(pci), 0);
	device_lock(&pci->pdev->dev);
	KUNIT_EXPECT_EQ(test, vpci_down_noirq(pci), -EBUSY);
	device_unlock(&pci->pdev->dev);
	vpci_switch_irqs(pci, enable_irq);

	KUNIT_ASSERT_EQ(test, vpci_down_noirq(pci), 0);
	record_take(test, &pci->record);
	device_lock(&pci->pdev->dev);
	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), 0);
	device_unlock(&pci->pdev->dev);
	KUNIT_EXPECT_STREQ(test, record_take(test, &pci->record), "");
	KUNIT_EXPECT_EQ(test, vpci_up(pci), 0);
	vpci_expect_works(test);
}

/* Test that the lock is free again, and that one that a removal has left is no error. */
static void pci_removed_before(struct kunit *test)
{
	struct vpci *pci = test->priv;
	void *data = pci_get_drvdata(pci->pdev);

	KUNIT_ASSERT_EQ(test, vpci_down(pci), 0);
	pci_set_drvdata(pci->pdev, NULL);
	KUNIT_EXPECT_EQ(test, vpci_down_noirq(pci), 0);
	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), 0);
	pci_set_drvdata(pci->pdev, data);
	KUNIT_ASSERT_TRUE(test, device_trylock(&pci->pdev->dev));
	device_unlock(&pci->pdev->dev);
	KUNIT_EXPECT_EQ(test, vpci_up(pci), 0);
	vpci_expect_works(test);
}

/* Test that one that is there is waited for, even if its status is all ones. */
static void pci_all_ones_is_awaited(struct kunit *test)
{
	struct vpci *pci = test->priv;

	pci->all_ones = true;
	pci->patience = VPCI_PATIENCE / 50;
	virtio_reset_device(pci->vdev);

	KUNIT_EXPECT_EQ(test, pci->patience, 0);
	KUNIT_EXPECT_EQ(test, pci->status, 0);
}

/* Test that, in the normal phase, a modern device is waited for without end. */
static void pci_normal_reset_is_awaited(struct kunit *test)
{
	struct vpci *pci = test->priv;

	pci->config_reads = 0;
	pci->reset_ms = 10000;
	virtio_reset_device(pci->vdev);

	KUNIT_EXPECT_EQ(test, pci->status, 0);
	KUNIT_EXPECT_FALSE(test, pci->resetting);
	KUNIT_EXPECT_EQ(test, pci->config_reads, 0);
}

/* Test that, after restore_noirq, that is so again. */
static void pci_reset_after_noirq_is_awaited(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_suspend(test);
	KUNIT_ASSERT_EQ(test, vpci_up_noirq(pci), 0);
	pci->reset_ms = 10000;
	virtio_reset_device(pci->vdev);

	KUNIT_EXPECT_FALSE(test, pci->resetting);
}

/*
 * Tests: admin commands
 */

/* Test that there are none in the noirq phase, and all in restore, last. */
static void pci_admin_waits(struct kunit *test)
{
	struct vpci *pci = test->priv;

	KUNIT_ASSERT_EQ(test, pci->admin_commands, 3);
	vpci_suspend(test);
	vpci_at(pci, "restore_noirq", driver_ready);
	vpci_want_bring_up(pci);
	vpci_want_driver_ok(pci);

	KUNIT_ASSERT_EQ(test, vpci_up_noirq(pci), 0);
	vpci_expect_wanted(test);
	vpci_want(pci, "restore ");
	vpci_want_admin(pci);
	KUNIT_EXPECT_EQ(test, vpci_up(pci), 0);
	vpci_expect_wanted(test);
}

/* Test that they are not sent twice if the device is ready in restore. */
static void pci_admin_once(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_suspend(test);
	KUNIT_ASSERT_EQ(test, vpci_up_noirq(pci), 0);
	record_take(test, &pci->record);
	vpci_want(pci, "restore ");
	vpci_want_driver_ok(pci);
	vpci_want_admin(pci);

	KUNIT_EXPECT_EQ(test, vpci_up(pci), 0);
	vpci_expect_wanted(test);
}

/* Test that, after two cycles, they are sent twice. */
static void pci_admin_each_cycle(struct kunit *test)
{
	struct vpci *pci = test->priv;

	pci->admin_commands = 0;
	vpci_suspend(test);
	vpci_at(pci, "restore_noirq", driver_ready);
	vpci_resume(test);
	vpci_heal(pci);
	vpci_suspend(test);
	vpci_resume(test);

	KUNIT_EXPECT_EQ(test, pci->admin_commands, 6);
}

/* Test that nobody tries to send any when restore fails. */
static void pci_admin_not_after_failure(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_suspend(test);
	vpci_at(pci, "restore_noirq", driver_ready);
	KUNIT_ASSERT_EQ(test, vpci_up_noirq(pci), 0);
	vpci_at(pci, "restore", driver_fail);
	pci->admin_commands = 0;

	KUNIT_EXPECT_EQ(test, vpci_up(pci), -ENXIO);
	KUNIT_EXPECT_EQ(test, pci->admin_commands, 0);
	KUNIT_EXPECT_EQ(test, vpci_log_count(pci, "Failed to execute command"), 0);
}

/* Test that an abort of a live device, which has had them, late, sends none. */
static void pci_admin_not_after_abort(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_suspend(test);
	vpci_at(pci, "restore_noirq", driver_ready);
	vpci_resume(test);
	vpci_heal(pci);
	KUNIT_ASSERT_EQ(test, vpci_down(pci), 0);
	pci->admin_commands = 0;

	KUNIT_EXPECT_EQ(test, vpci_up(pci), 0);
	KUNIT_EXPECT_EQ(test, pci->admin_commands, 0);
}

/* Test that those that a failed restore_noirq has left out are not sent later. */
static void pci_admin_failure_is_forgotten(struct kunit *test)
{
	struct vpci *pci = test->priv;

	vpci_suspend(test);
	vpci_at(pci, "restore_noirq", driver_ready_and_fail);
	KUNIT_ASSERT_EQ(test, vpci_up_noirq(pci), -ENXIO);
	KUNIT_ASSERT_EQ(test, vpci_up(pci), -EIO);
	vpci_heal(pci);
	pci->admin_commands = 0;
	vpci_suspend(test);
	vpci_resume(test);

	KUNIT_EXPECT_EQ(test, pci->admin_commands, 3);
}

/* Test that a queue that went with its driver gets none, from anybody. */
static void pci_admin_unbound(struct kunit *test)
{
	struct virtio_admin_cmd cmd = { .opcode = cpu_to_le16(VIRTIO_ADMIN_CMD_LIST_QUERY) };
	struct vpci *pci = test->priv;

	vpci_suspend(test);
	vpci_at(pci, "restore_noirq", driver_ready);
	KUNIT_ASSERT_EQ(test, vpci_up_noirq(pci), 0);
	vpci_unbind(test);

	KUNIT_EXPECT_EQ(test, vpci_up(pci), 0);
	KUNIT_EXPECT_EQ(test, vpci_log_count(pci, "Failed to execute command"), 0);
	KUNIT_EXPECT_EQ(test, vp_modern_admin_cmd_exec(pci->vdev, &cmd), -EIO);
}

/* Test that the admin queue is set up as the others are. */
static void pci_admin_queue(struct kunit *test)
{
	struct vpci *pci = test->priv;
	struct vpci_queue before = pci->queues[VPCI_ADMIN], *queue = &pci->queues[VPCI_ADMIN];

	KUNIT_ASSERT_EQ(test, before.vector, vpci_vector(pci, VPCI_ADMIN));
	vpci_suspend(test);
	KUNIT_ASSERT_EQ(test, vpci_up_noirq(pci), 0);

	KUNIT_EXPECT_TRUE(test, queue->enabled);
	KUNIT_EXPECT_EQ(test, queue->size, before.size);
	KUNIT_EXPECT_EQ(test, queue->vector, before.vector);
	KUNIT_EXPECT_EQ(test, queue->desc, before.desc);
	KUNIT_EXPECT_EQ(test, queue->driver, before.driver);
	KUNIT_EXPECT_EQ(test, queue->device, before.device);
}

/*
 * The suite
 */

static int pci_noirq_init(struct kunit *test)
{
	struct vpci *pci = vpci_create(test);

	driver_use_noirq(pci);
	vpci_start(test, pci);
	/* Suspend to idle: the PCI core leaves a function in D0 alone. */
	if (!pci->param->loses_power)
		pm_set_suspend_no_platform();

	return 0;
}

/* In each test: nothing that the specification forbids, or that nobody hears. */
static void pci_noirq_exit(struct kunit *test)
{
	struct vpci *pci = test->priv;

	pm_suspend_clear_flags();
	if (!pci)
		return;
	KUNIT_EXPECT_EQ(test, pci->wrong, 0);
	KUNIT_EXPECT_EQ(test, pci->lost, 0);
}

#define VPCI_CASE_SLOW(test, params)	\
	KUNIT_CASE_PARAM_ATTR(test, params, { .speed = KUNIT_SPEED_SLOW })

static struct kunit_case pci_cases[] = {
	KUNIT_CASE_PARAM(pci_supports_noirq, vpci_device_gen_params),
	KUNIT_CASE_PARAM(pci_works_in_restore_noirq, vpci_device_gen_params),
	KUNIT_CASE_PARAM(pci_works_after_cycles, vpci_device_gen_params),
	KUNIT_CASE_PARAM(pci_restore_noirq_order, vpci_device_gen_params),
	KUNIT_CASE_PARAM(pci_freeze_noirq_order, vpci_device_gen_params),
	KUNIT_CASE_PARAM(pci_rings_are_emptied, vpci_d3hot_gen_params),
	KUNIT_CASE_PARAM(pci_queue_grows, vpci_modern_gen_params),
	KUNIT_CASE_PARAM(pci_sleep_order, vpci_sleep_gen_params),
	KUNIT_CASE_PARAM(pci_freeze_noirq_fails, vpci_sleep_gen_params),
	KUNIT_CASE_PARAM(pci_restore_noirq_fails, vpci_sleep_gen_params),
	KUNIT_CASE_PARAM(pci_abort_of_live_device, vpci_device_gen_params),
	KUNIT_CASE_PARAM(pci_stays_enabled, vpci_device_gen_params),
	KUNIT_CASE_PARAM(pci_command_is_left_alone, vpci_d0_gen_params),
	KUNIT_CASE_PARAM(pci_comes_back_from_d3hot, vpci_d3hot_gen_params),
	KUNIT_CASE_PARAM(pci_no_shortcut, vpci_keeps_state_gen_params),
	KUNIT_CASE_PARAM(pci_is_disabled_in_the_end, vpci_device_gen_params),
	KUNIT_CASE_PARAM(pci_unbound_meanwhile, vpci_unbound_gen_params),
	KUNIT_CASE_PARAM(pci_plain_cycle, vpci_d3hot_gen_params),
	KUNIT_CASE_PARAM(pci_plain_shortcut, vpci_keeps_state_gen_params),
	KUNIT_CASE_PARAM(pci_plain_noirq, vpci_d3hot_gen_params),
	KUNIT_CASE_PARAM(pci_plain_admin, vpci_admin_gen_params),
	KUNIT_CASE_PARAM(pci_plain_other_device, vpci_admin_gen_params),
	KUNIT_CASE_PARAM(pci_failure_is_safe, vpci_failure_gen_params),
	KUNIT_CASE_PARAM(pci_failure_message, vpci_failure_gen_params),
	KUNIT_CASE_PARAM(pci_failure_then_restore, vpci_failure_gen_params),
	KUNIT_CASE_PARAM(pci_failure_then_recovery, vpci_failure_gen_params),
	KUNIT_CASE_PARAM(pci_other_device, vpci_other_gen_params),
	KUNIT_CASE_PARAM(pci_undrained_queue, vpci_d3hot_gen_params),
	KUNIT_CASE_PARAM(pci_queue_was_reset, vpci_modern_gen_params),
	KUNIT_CASE_PARAM(pci_noirq_reset_is_awaited, vpci_d3hot_gen_params),
	KUNIT_CASE_PARAM(pci_freeze_noirq_reset_is_awaited, vpci_d3hot_gen_params),
	VPCI_CASE_SLOW(pci_noirq_reset_is_bounded, vpci_d0_gen_params),
	VPCI_CASE_SLOW(pci_freeze_noirq_reset_is_bounded, vpci_d0_gen_params),
	KUNIT_CASE_PARAM(pci_all_ones, vpci_d3hot_gen_params),
	KUNIT_CASE_PARAM(pci_all_ones_then_recovery, vpci_d3hot_gen_params),
	KUNIT_CASE_PARAM(pci_gone_has_failed, vpci_device_gen_params),
	KUNIT_CASE_PARAM(pci_gone_then_unbind, vpci_device_gen_params),
	KUNIT_CASE_PARAM(pci_gone_asleep_then_removal, vpci_device_gen_params),
	KUNIT_CASE_PARAM(pci_disconnected_is_left_alone, vpci_device_gen_params),
	KUNIT_CASE_PARAM(pci_removed_meanwhile, vpci_device_gen_params),
	KUNIT_CASE_PARAM(pci_removed_before, vpci_device_gen_params),
	KUNIT_CASE_PARAM(pci_all_ones_is_awaited, vpci_modern_gen_params),
	VPCI_CASE_SLOW(pci_normal_reset_is_awaited, vpci_modern_gen_params),
	VPCI_CASE_SLOW(pci_reset_after_noirq_is_awaited, vpci_modern_gen_params),
	KUNIT_CASE_PARAM(pci_admin_waits, vpci_admin_gen_params),
	KUNIT_CASE_PARAM(pci_admin_once, vpci_admin_gen_params),
	KUNIT_CASE_PARAM(pci_admin_each_cycle, vpci_admin_gen_params),
	KUNIT_CASE_PARAM(pci_admin_not_after_failure, vpci_admin_gen_params),
	KUNIT_CASE_PARAM(pci_admin_not_after_abort, vpci_admin_gen_params),
	KUNIT_CASE_PARAM(pci_admin_failure_is_forgotten, vpci_admin_gen_params),
	KUNIT_CASE_PARAM(pci_admin_unbound, vpci_admin_gen_params),
	KUNIT_CASE_PARAM(pci_admin_queue, vpci_admin_gen_params),
	{}
};

static struct kunit_suite pci_suite = {
	.name = "virtio_noirq_pci",
	.init = pci_noirq_init,
	.exit = pci_noirq_exit,
	.test_cases = pci_cases,
};

kunit_test_suite(pci_suite);

MODULE_DESCRIPTION("KUnit tests for virtio-pci in system sleep");
MODULE_LICENSE("GPL");
