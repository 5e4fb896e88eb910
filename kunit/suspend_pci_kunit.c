// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for suspending a virtio device on PCI: the real driver of the transport
 * and the real PCI core, a function that keeps its state in D3hot, stays in D0, or
 * loses all, and a device with VIRTIO_F_SUSPEND.
 */

#include "fake_pci_noirq.h"

#define VPCI_SUSPENDED	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
			 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_SUSPEND)

/* Does at once what it is asked for, and looks at no queue that it is not notified of. */
static u8 fake_suspend(struct vpci *pci, u8 status)
{
	if ((pci->status & VIRTIO_CONFIG_S_SUSPEND) && (status & VIRTIO_CONFIG_S_DRIVER_OK))
		return status & ~VIRTIO_CONFIG_S_SUSPEND;
	if ((pci->accepted & BIT_ULL(VIRTIO_F_SUSPEND)) && (status & VIRTIO_CONFIG_S_SUSPEND))
		return status & ~VIRTIO_CONFIG_S_DRIVER_OK;

	return status;
}

static int driver_take_buffer(struct vpci *pci)
{
	virtqueue_detach_unused_buf(pci->vqs[VPCI_FIRST]);

	return 0;
}

/* With noirq callbacks, or without any; with a buffer posted, and nobody notified. */
static struct vpci *suspend_pci_start_offered(struct kunit *test, bool noirq, u64 offered)
{
	struct vpci *pci = vpci_create(test);

	pci->drv.freeze = NULL;
	pci->drv.restore = NULL;
	if (noirq) {
		driver_use_noirq(pci);
		pci->drv.noirq_suspend = true;
	}
	pci->answer = fake_suspend;
	if (!pci->param->legacy)
		pci->offered |= offered;
	vpci_start(test, pci);
	/* Suspend to idle: the PCI core leaves a function in D0 alone. */
	pm_suspend_target_state = PM_SUSPEND_TO_IDLE;
	if (!pci->param->loses_power)
		pm_set_suspend_no_platform();
	KUNIT_ASSERT_EQ(test, driver_add_buffer(pci, VPCI_FIRST), 0);

	return pci;
}

static struct vpci *suspend_pci_start(struct kunit *test, bool noirq)
{
	return suspend_pci_start_offered(test, noirq, BIT_ULL(VIRTIO_F_SUSPEND));
}

/* The buffer that was posted all the time is used, and all works. */
static void suspend_pci_expect_works(struct kunit *test)
{
	struct vpci *pci = test->priv;
	unsigned int len;

	fsleep(1000);
	KUNIT_EXPECT_PTR_EQ(test, virtqueue_get_buf(pci->vqs[VPCI_FIRST], &len), (void *)pci);
	KUNIT_EXPECT_NULL(test, memchr_inv(pci->buffer, VPCI_ANSWER, sizeof(pci->buffer)));
	vpci_expect_works(test);
}

static void suspend_pci_expect_cycle(struct kunit *test, const char *calls)
{
	struct vpci *pci = test->priv;

	KUNIT_EXPECT_EQ(test, vpci_down(pci), 0);
	KUNIT_EXPECT_EQ(test, vpci_down_noirq(pci), 0);
	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), 0);
	KUNIT_EXPECT_EQ(test, vpci_up(pci), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &pci->record), calls);
}

/*
 * The parameters
 */

#define VPCI_D3HOT	.vectors = VPCI_VECTORS, .has_pm = true
#define VPCI_KEPT	VPCI_D3HOT, .no_soft_reset = true
#define VPCI_D0		.vectors = VPCI_VECTORS

static const struct vpci_param suspend_pci_kepts[] = {
	{ "keeps its state", VPCI_KEPT },
	{ "keeps its state, INTx", .has_pm = true, .no_soft_reset = true },
	{ "keeps its state, admin", VPCI_KEPT, .has_admin = true },
	{ "D0", VPCI_D0 },
	{ "D0, admin", VPCI_D0, .has_admin = true },
};

KUNIT_ARRAY_PARAM_DESC(suspend_pci_kept, suspend_pci_kepts, desc);

static const struct vpci_param suspend_pci_d0s[] = {
	{ "D0", VPCI_D0 },
	{ "D0, admin", VPCI_D0, .has_admin = true },
};

KUNIT_ARRAY_PARAM_DESC(suspend_pci_d0, suspend_pci_d0s, desc);

static const struct vpci_param suspend_pci_d3hots[] = {
	{ "keeps its state", VPCI_KEPT },
};

KUNIT_ARRAY_PARAM_DESC(suspend_pci_d3hot, suspend_pci_d3hots, desc);

static const struct sleep_ops suspend_pci_snapshot = SLEEP_OPS(freeze, thaw);
static const struct sleep_ops suspend_pci_poweroff = SLEEP_OPS(poweroff, restore);

static const struct vpci_param suspend_pci_others[] = {
	{ "loses its state in D3hot", VPCI_D3HOT },
	{ "legacy", VPCI_D0, .legacy = true },
	{ "freeze and thaw", VPCI_KEPT, .sleep = &suspend_pci_snapshot },
	{ "poweroff and restore", VPCI_KEPT, .sleep = &suspend_pci_poweroff },
};

KUNIT_ARRAY_PARAM_DESC(suspend_pci_other, suspend_pci_others, desc);

static const struct vpci_param suspend_pci_losses[] = {
	{ "keeps its state", VPCI_KEPT, .loses_power = true },
	{ "D0", VPCI_D0, .loses_power = true },
};

KUNIT_ARRAY_PARAM_DESC(suspend_pci_loss, suspend_pci_losses, desc);

/*
 * Tests
 */

/* Test that a driver with noirq callbacks is not asked to drain or set up. */
static void suspend_pci_with_noirq_callbacks(struct kunit *test)
{
	suspend_pci_start(test, true);
	suspend_pci_expect_cycle(test, "freeze status=1f status=1f q0.notify restore ");
	suspend_pci_expect_works(test);
}

/* Test that, without callbacks, a function that stays in D0 is suspended. */
static void suspend_pci_without_callbacks(struct kunit *test)
{
	suspend_pci_start(test, false);
	suspend_pci_expect_cycle(test, "status=1f status=1f q0.notify ");
	suspend_pci_expect_works(test);
}

/* Test that, as before, one that keeps its state in D3hot is not even asked. */
static void suspend_pci_shortcut(struct kunit *test)
{
	struct vpci *pci = suspend_pci_start(test, false);

	suspend_pci_expect_cycle(test, "");
	virtqueue_kick(pci->vqs[VPCI_FIRST]);
	record_take(test, &pci->record);
	suspend_pci_expect_works(test);
}

/* Test that the function stays enabled, and is enabled once. */
static void suspend_pci_stays_enabled(struct kunit *test)
{
	struct vpci *pci = suspend_pci_start(test, false);
	u16 command = vpci_command(pci);

	vpci_suspend(test);
	KUNIT_EXPECT_EQ(test, pci->status, VPCI_SUSPENDED);
	KUNIT_EXPECT_EQ(test, vpci_command(pci), command);
	KUNIT_EXPECT_TRUE(test, pci_is_enabled(pci->pdev));
	vpci_resume(test);
	KUNIT_EXPECT_EQ(test, atomic_read(&pci->pdev->enable_cnt), 1);
	suspend_pci_expect_works(test);
}

/* Test that it is disabled, as before, if the device cannot be suspended. */
static void suspend_pci_not_offered(struct kunit *test)
{
	struct vpci *pci = suspend_pci_start_offered(test, false, 0);

	KUNIT_ASSERT_EQ(test, vpci_down(pci), 0);
	KUNIT_EXPECT_FALSE(test, pci_is_enabled(pci->pdev));
	KUNIT_EXPECT_EQ(test, vpci_down_noirq(pci), 0);
	KUNIT_EXPECT_EQ(test, vpci_up_noirq(pci), 0);
	/* Its queues are not set up again: it is dead, as before. */
	pci->keeps_queues = true;
	KUNIT_EXPECT_EQ(test, vpci_up(pci), 0);
	KUNIT_EXPECT_TRUE(test, pci_is_enabled(pci->pdev));
	driver_take_buffer(pci);
}

static void suspend_pci_expect_reset_path(struct kunit *test)
{
	struct vpci *pci = test->priv;

	KUNIT_EXPECT_EQ(test, vpci_down_noirq(pci), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &pci->record), "freeze freeze_noirq status=0 ");
	vpci_resume(test);
	vpci_expect_works(test);
}

/* Test that a function that loses its state, and one in hibernation, is reset. */
static void suspend_pci_reset_path(struct kunit *test)
{
	struct vpci *pci = suspend_pci_start(test, true);

	driver_take_buffer(pci);
	KUNIT_EXPECT_EQ(test, vpci_down(pci), 0);
	suspend_pci_expect_reset_path(test);
}

/* Test that one is that has to wake the system. */
static void suspend_pci_wakeup_source(struct kunit *test)
{
	struct vpci *pci = suspend_pci_start(test, true);

	driver_take_buffer(pci);
	KUNIT_ASSERT_EQ(test, device_init_wakeup(&pci->pdev->dev, true), 0);
	KUNIT_EXPECT_EQ(test, vpci_down(pci), 0);
	suspend_pci_expect_reset_path(test);
}

/* Test that a virtual one is, which loses its state if its physical one does. */
static void suspend_pci_virtual_function(struct kunit *test)
{
	struct vpci *pci = suspend_pci_start(test, true);

	driver_take_buffer(pci);
	pci->pdev->is_virtfn = 1;
	KUNIT_EXPECT_EQ(test, vpci_down(pci), 0);
	pci->pdev->is_virtfn = 0;
	suspend_pci_expect_reset_path(test);
}

/* Test that what loses its state against its word is reset and drained. */
static void suspend_pci_state_lost(struct kunit *test)
{
	struct vpci *pci = suspend_pci_start(test, true);

	vpci_at(pci, "freeze_noirq", driver_take_buffer);
	vpci_suspend(test);
	vpci_resume(test);
	vpci_expect_works(test);
}

/* Test that commands are not given again to a device that was not reset. */
static void suspend_pci_admin_once(struct kunit *test)
{
	struct vpci *pci = suspend_pci_start(test, true);
	unsigned int commands = pci->admin_commands;

	vpci_suspend(test);
	vpci_resume(test);
	KUNIT_EXPECT_EQ(test, pci->admin_commands, commands);
	KUNIT_EXPECT_EQ(test, vpci_log_count(pci, "Failed to execute command"), 0);
	suspend_pci_expect_works(test);
}

/*
 * The suite
 */

/* In each test: nothing that the specification forbids, or that nobody hears. */
static void suspend_pci_exit(struct kunit *test)
{
	struct vpci *pci = test->priv;

	pm_suspend_target_state = PM_SUSPEND_ON;
	pm_suspend_clear_flags();
	if (!pci)
		return;
	KUNIT_EXPECT_EQ(test, pci->wrong, 0);
	KUNIT_EXPECT_EQ(test, pci->lost, 0);
}

static struct kunit_case suspend_pci_cases[] = {
	KUNIT_CASE_PARAM(suspend_pci_with_noirq_callbacks, suspend_pci_kept_gen_params),
	KUNIT_CASE_PARAM(suspend_pci_without_callbacks, suspend_pci_d0_gen_params),
	KUNIT_CASE_PARAM(suspend_pci_shortcut, suspend_pci_d3hot_gen_params),
	KUNIT_CASE_PARAM(suspend_pci_stays_enabled, suspend_pci_d0_gen_params),
	KUNIT_CASE_PARAM(suspend_pci_not_offered, suspend_pci_d0_gen_params),
	KUNIT_CASE_PARAM(suspend_pci_reset_path, suspend_pci_other_gen_params),
	KUNIT_CASE_PARAM(suspend_pci_wakeup_source, suspend_pci_kept_gen_params),
	KUNIT_CASE_PARAM(suspend_pci_virtual_function, suspend_pci_kept_gen_params),
	KUNIT_CASE_PARAM(suspend_pci_state_lost, suspend_pci_loss_gen_params),
	KUNIT_CASE_PARAM(suspend_pci_admin_once, suspend_pci_kept_gen_params),
	{}
};

static struct kunit_suite suspend_pci_suite = {
	.name = "virtio_suspend_pci",
	.exit = suspend_pci_exit,
	.test_cases = suspend_pci_cases,
};

kunit_test_suite(suspend_pci_suite);

MODULE_DESCRIPTION("KUnit tests for suspending virtio devices on PCI");
MODULE_LICENSE("GPL");
