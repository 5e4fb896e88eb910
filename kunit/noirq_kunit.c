// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for taking a virtio device through the noirq phase of system
 * sleep: the states of the core, and what it asks of driver and transport.
 */
#include <linux/ktime.h>
#include <linux/pm.h>
#include <linux/suspend.h>

#include "fake_noirq.h"

#define NOIRQ_DOWN	"freeze freeze_noirq reset "
#define NOIRQ_BRING_UP	FAKE_NEGOTIATE "reset_vqs restore_noirq "
#define NOIRQ_UP	NOIRQ_BRING_UP "restore status=0f "

/* The driver */

static int driver_freeze(struct virtio_device *vdev)
{
	return fake_call(to_fake(vdev), "freeze");
}

static int driver_restore(struct virtio_device *vdev)
{
	return fake_call(to_fake(vdev), "restore");
}

static int driver_freeze_noirq(struct virtio_device *vdev)
{
	return fake_call(to_fake(vdev), "freeze_noirq");
}

static int driver_restore_noirq(struct virtio_device *vdev)
{
	return fake_call(to_fake(vdev), "restore_noirq");
}

static int driver_reset_prepare(struct virtio_device *vdev)
{
	virtio_reset_device(vdev);
	fake_del_vqs(vdev);

	return 0;
}

static int driver_reset_done(struct virtio_device *vdev)
{
	return fake_call(to_fake(vdev), "reset_done") ?: driver_create_vq(to_fake(vdev));
}

static const struct virtio_driver noirq_driver = {
	FAKE_DRIVER,
	.freeze = driver_freeze,
	.restore = driver_restore,
	.freeze_noirq = driver_freeze_noirq,
	.restore_noirq = driver_restore_noirq,
	.reset_prepare = driver_reset_prepare,
	.reset_done = driver_reset_done,
};

/* The transports */

static const struct virtio_config_ops noirq_config_ops = {
	FAKE_NOIRQ_CONFIG_OPS,
};

static const struct virtio_config_ops noirq_config_ops_unsafe = {
	FAKE_CONFIG_OPS,
	.reset_vqs = fake_reset_vqs,
};

static const struct virtio_config_ops noirq_config_ops_no_reset_vqs = {
	FAKE_CONFIG_OPS,
	.noirq_safe = true,
};

static const struct virtio_config_ops noirq_config_ops_synchronize = {
	FAKE_NOIRQ_CONFIG_OPS,
	.synchronize_cbs = fake_synchronize_cbs,
};

/* What a driver or a device can do in a call */

static int driver_reset_device(struct fake_virtio *fake)
{
	int ret = virtio_reset_device_noirq(&fake->vdev);

	fake_drain(fake);

	return ret;
}

static int driver_reset_undrained_device(struct fake_virtio *fake)
{
	return virtio_reset_device_noirq(&fake->vdev);
}

static int driver_reset_undrained_device_and_fail(struct fake_virtio *fake)
{
	return driver_reset_undrained_device(fake) ?: -ENXIO;
}

static int driver_reset_device_and_fail(struct fake_virtio *fake)
{
	return driver_reset_device(fake) ?: -ENXIO;
}

static int driver_ready(struct fake_virtio *fake)
{
	virtio_device_ready_noirq(&fake->vdev);

	return 0;
}

static int driver_ready_and_add_buffer(struct fake_virtio *fake)
{
	return driver_ready(fake) ?: fake_add_buffer(fake);
}

static int driver_add_buffer_and_fail(struct fake_virtio *fake)
{
	return driver_ready_and_add_buffer(fake) ?: -ENXIO;
}

static int driver_delete_vqs(struct fake_virtio *fake)
{
	fake_del_vqs(&fake->vdev);

	return 0;
}

static int driver_delete_last_vq(struct fake_virtio *fake)
{
	vring_del_virtqueue(list_last_entry(&fake->vdev.vqs, struct virtqueue,
					    list));

	return 0;
}

static int driver_create_another_vq(struct fake_virtio *fake)
{
	return PTR_ERR_OR_ZERO(virtio_find_single_vq(&fake->vdev, NULL, "new"));
}

static int driver_drain(struct fake_virtio *fake)
{
	fake_drain(fake);

	return 0;
}

/* A user of the device, who was not frozen */
static int fake_see_add(struct fake_virtio *fake)
{
	fake->seen = fake_add_buffer(fake);

	return 0;
}

/* The driver fails, and that user comes when the device is told. */
static int driver_fail_in_use(struct fake_virtio *fake)
{
	fake_at(fake, "status=8b", fake_see_add);

	return -ENXIO;
}

/* The first time: are the queues broken, and was the device not reset yet? */
static int fake_see_broken(struct fake_virtio *fake)
{
	if (!fake->seen)
		fake->seen = virtqueue_is_broken(fake->vq) &&
			     (fake->status & VIRTIO_CONFIG_S_NEEDS_RESET) ?
			     1 : -1;

	return 0;
}

/* The device answers a reset with what it keeps from now on. */
static int fake_get_stuck(struct fake_virtio *fake)
{
	fake->stuck = fake->seen;
	fake->status |= fake->stuck;

	return 0;
}

static int fake_see_state(struct fake_virtio *fake)
{
	fake->seen = fake->vdev.noirq_state;

	return 0;
}

/* Steps of a sleep cycle */

static void noirq_suspend(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);
	fake_calls(test);
}

static void noirq_resume(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	fake_calls(test);
}

static void noirq_expect_works(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_EXPECT_EQ(test, fake->status, FAKE_STATUS_LIVE);
	KUNIT_EXPECT_EQ(test, fake_add_buffer(fake), 0);
	fake_drain(fake);
}

static void noirq_expect_failed(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_EXPECT_TRUE(test, fake->status & VIRTIO_CONFIG_S_FAILED);
	KUNIT_EXPECT_EQ(test, fake_add_buffer(fake), -EIO);
}

/* What the PM core asks before it touches any device */
static int noirq_prepare(struct fake_virtio *fake)
{
	return fake->drv.driver.pm->prepare(&fake->vdev.dev);
}

/* Ways into the states; what makes a call fail stays in place */

static void noirq_enter_frozen(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
}

static void noirq_enter_refused(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, fake_add_buffer(fake), 0);
	noirq_enter_frozen(test);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -EBUSY);
}

static void noirq_enter_undrained(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_refused(test);
	fake->status = 0;
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&fake->vdev), -EIO);
}

static void noirq_enter_failed(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_suspend(test);
	fake_at(fake, "restore_noirq", fake_fail);
	KUNIT_ASSERT_EQ(test, virtio_device_restore_noirq(&fake->vdev), -ENXIO);
}

static void noirq_enter_restored(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_suspend(test);
	KUNIT_ASSERT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
}

static void noirq_enter_restore_failed(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_restored(test);
	fake_at(fake, "restore", fake_fail);
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&fake->vdev), -ENXIO);
}

/* The kernel log since the start of the test */

static u64 noirq_log_start;

static unsigned int noirq_log_count(const char *text)
{
	return kernel_log_count(noirq_log_start, text);
}

/* Registration */

struct noirq_unpaired {
	const char *desc;
	struct virtio_driver drv;
};

static const struct noirq_unpaired noirq_unpaired[] = {
	{
		.desc = "freeze_noirq",
		.drv = { FAKE_DRIVER, .freeze_noirq = driver_freeze_noirq },
	},
	{
		.desc = "restore_noirq",
		.drv = { FAKE_DRIVER, .restore_noirq = driver_restore_noirq },
	},
};

KUNIT_ARRAY_PARAM_DESC(noirq_unpaired, noirq_unpaired, desc);

/* Test that a driver with only one of the noirq callbacks is refused. */
static void noirq_unpaired_is_refused(struct kunit *test)
{
	const struct noirq_unpaired *unpaired = test->param_value;
	struct virtio_driver drv = unpaired->drv;

	KUNIT_EXPECT_EQ(test, register_virtio_driver(&drv), -EINVAL);
	KUNIT_EXPECT_EQ(test, noirq_log_count("must have both freeze_noirq and restore_noirq"), 1);
}

/* Test that a device starts anew when it is registered again. */
static void noirq_registration_starts_anew(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	kunit_release_action(test, fake_unregister_device, fake);
	fake_calls(test);
	fake->vdev.noirq_state = VIRTIO_NOIRQ_ENTERED;
	fake->vdev.noirq_opted_out = true;

	fake_register_device(test, fake);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_NONE);
	KUNIT_EXPECT_TRUE(test, virtio_device_uses_noirq(&fake->vdev));
}

static const struct dev_pm_ops noirq_own_pm_ops = { };

/* Test that PM operations that a driver has are left to it. */
static void noirq_own_pm_ops_are_kept(struct kunit *test)
{
	struct virtio_driver drv = {
		FAKE_DRIVER,
		.freeze_noirq = driver_freeze_noirq,
		.restore_noirq = driver_restore_noirq,
	};

	drv.driver.name = KBUILD_MODNAME "_pm";
	drv.driver.pm = &noirq_own_pm_ops;
	KUNIT_ASSERT_EQ(test, register_virtio_driver(&drv), 0);
	KUNIT_EXPECT_PTR_EQ(test, drv.driver.pm, &noirq_own_pm_ops);
	unregister_virtio_driver(&drv);
}

/* Test that a driver without noirq callbacks gets no PM operations. */
static void noirq_driver_without_gets_no_pm_ops(struct kunit *test)
{
	struct virtio_driver drv = { FAKE_DRIVER };

	drv.driver.name = KBUILD_MODNAME "_without";
	KUNIT_ASSERT_EQ(test, register_virtio_driver(&drv), 0);
	KUNIT_EXPECT_NULL(test, drv.driver.pm);
	unregister_virtio_driver(&drv);
}

/* A driver without noirq callbacks */

static const struct noirq_transport {
	const char *desc;
	const struct virtio_config_ops *config;
} noirq_transports[] = {
	{ "fit", &noirq_config_ops },
	{ "unsafe", &noirq_config_ops_unsafe },
	{ "no_reset_vqs", &noirq_config_ops_no_reset_vqs },
};

KUNIT_ARRAY_PARAM_DESC(noirq_transport, noirq_transports, desc);

/* Test that nothing changes for a driver without noirq callbacks. */
static void noirq_driver_without(struct kunit *test)
{
	const struct noirq_transport *transport = test->param_value;
	struct fake_virtio *fake = test->priv;

	fake->vdev.config = transport->config;
	fake->drv.freeze_noirq = NULL;
	fake->drv.restore_noirq = NULL;

	KUNIT_EXPECT_EQ(test, noirq_prepare(fake), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test),
			   "freeze " FAKE_NEGOTIATE "restore status=0f ");
}

/* Test that a device without a driver is left alone in the noirq phase. */
static void noirq_no_driver(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake_unbind(fake);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
}

/* State NONE, prepare and freeze */

static const struct noirq_transport noirq_unfit_transports[] = {
	{ "unsafe", &noirq_config_ops_unsafe },
	{ "no_reset_vqs", &noirq_config_ops_no_reset_vqs },
};

KUNIT_ARRAY_PARAM_DESC(noirq_unfit_transport, noirq_unfit_transports, desc);

/* Test that a fit transport lets the system sleep. */
static void noirq_prepare_on_fit_transport(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_EXPECT_EQ(test, noirq_prepare(fake), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
	KUNIT_EXPECT_EQ(test, noirq_log_count("does not support"), 0);
}

/* Test that an unfit transport refuses to sleep before the driver is touched. */
static void noirq_prepare_on_unfit_transport(struct kunit *test)
{
	const struct noirq_transport *transport = test->param_value;
	struct fake_virtio *fake = test->priv;

	fake->vdev.config = transport->config;

	KUNIT_EXPECT_EQ(test, noirq_prepare(fake), -EOPNOTSUPP);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
	noirq_expect_works(test);
}

/* Test that it refuses a driver whose own PM operations do not ask, later. */
static void noirq_freeze_on_unfit_transport(struct kunit *test)
{
	const struct noirq_transport *transport = test->param_value;
	struct fake_virtio *fake = test->priv;

	fake->vdev.config = transport->config;

	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&fake->vdev), -EOPNOTSUPP);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
}

/* Test that this refusal names the driver, the transport and the remedy. */
static void noirq_unfit_transport_message(struct kunit *test)
{
	const struct noirq_transport *transport = test->param_value;
	struct fake_virtio *fake = test->priv;

	fake->vdev.config = transport->config;
	KUNIT_ASSERT_EQ(test, noirq_prepare(fake), -EOPNOTSUPP);

	KUNIT_EXPECT_EQ(test, noirq_log_count("driver " KBUILD_MODNAME " needs the noirq"), 1);
	KUNIT_EXPECT_EQ(test, noirq_log_count("transport fake-transport does not support"), 1);
	KUNIT_EXPECT_EQ(test, noirq_log_count("until the driver is unbound"), 1);
}

/* Test that the driver is bound all the same, with that message. */
static void noirq_unfit_transport_when_bound(struct kunit *test)
{
	const struct noirq_transport *transport = test->param_value;
	struct fake_virtio *fake = test->priv;

	fake_unbind(fake);
	fake->vdev.config = transport->config;
	fake_bind(test, fake);

	KUNIT_EXPECT_EQ(test, noirq_log_count("transport fake-transport does not support"), 1);
	noirq_expect_works(test);
}

/* Test that a transport without a parent device is refused like that, too. */
static void noirq_unfit_transport_without_parent(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	kunit_release_action(test, fake_unregister_device, fake);
	fake_calls(test);
	fake->parent = NULL;
	fake_register_device(test, fake);
	fake->vdev.config = &noirq_config_ops_unsafe;

	KUNIT_EXPECT_EQ(test, noirq_prepare(fake), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, noirq_log_count("transport (unknown) does not support"), 1);
}

/* Test that a device needs no queues. */
static void noirq_cycle_without_queues(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake_del_vqs(&fake->vdev);
	noirq_suspend(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test),
			   FAKE_NEGOTIATE "reset_vqs restore_noirq restore status=0f ");
}

/* Test that a driver that cannot freeze keeps its device. */
static void noirq_freeze_fails(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake_at(fake, "freeze", fake_fail);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&fake->vdev), -ENXIO);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "freeze ");
	noirq_expect_works(test);
}

/* Test that an abort does not miss the queues that freeze deletes. */
static void noirq_freeze_deletes_queues(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake_at(fake, "freeze", driver_delete_vqs);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "freeze del_vqs restore ");
}

/* State NONE, freeze_noirq */

/* Test that the driver is called, then the device is reset. */
static void noirq_freeze_noirq_order(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);

	KUNIT_EXPECT_STREQ(test, fake_calls(test), NOIRQ_DOWN);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_ENTERED);
}

/* Test that the state is ENTERED when the driver's freeze_noirq runs. */
static void noirq_freeze_noirq_state(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake_at(fake, "freeze_noirq", fake_see_state);
	noirq_suspend(test);

	KUNIT_EXPECT_EQ(test, fake->seen, VIRTIO_NOIRQ_ENTERED);
}

/* Test that whoever uses a queue of a frozen device gets an error. */
static void noirq_frozen_queue_is_broken(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_suspend(test);

	KUNIT_EXPECT_EQ(test, fake_add_buffer(fake), -EIO);
}

/* Test that the driver may drain its queues by a reset of its own. */
static void noirq_freeze_noirq_driver_resets(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, fake_add_buffer(fake), 0);
	fake_at(fake, "freeze_noirq", driver_reset_device);
	noirq_suspend(test);
	noirq_resume(test);

	noirq_expect_works(test);
}

/* What drivers of RFC v9 do, whose functions return nothing, with a buffer in flight */

static int rfc_freeze_noirq(struct virtio_device *vdev)
{
	virtio_reset_device_noirq(vdev);
	fake_drain(to_fake(vdev));

	return 0;
}

static int rfc_restore_noirq(struct virtio_device *vdev)
{
	struct fake_virtio *fake = to_fake(vdev);

	virtio_device_ready_noirq(vdev);
	fake->seen = fake_add_buffer(fake);
	virtqueue_kick(fake->vq);

	return 0;
}

static const struct virtio_driver rfc_driver = {
	FAKE_DRIVER,
	.freeze_noirq = rfc_freeze_noirq,
	.restore_noirq = rfc_restore_noirq,
};

/* Test that a driver which was written for it works. */
static void noirq_rfc_driver(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;
	unsigned int i;

	fake_unbind(fake);
	fake_unregister_driver(fake);
	fake->drv = rfc_driver;
	KUNIT_ASSERT_EQ(test, register_virtio_driver(&fake->drv), 0);
	KUNIT_ASSERT_EQ(test, fake_add_buffer(fake), 0);

	for (i = 0; i < 3; i++) {
		fake->seen = -1;
		noirq_suspend(test);
		noirq_resume(test);
		KUNIT_EXPECT_EQ(test, fake->status, FAKE_STATUS_LIVE);
		KUNIT_EXPECT_EQ(test, fake->seen, 0);
	}
	fake_drain(fake);
}

/* Test that a queue that holds a buffer aborts the transition, unharmed. */
static void noirq_undrained_is_refused(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, fake_add_buffer(fake), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -EBUSY);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_NONE);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "freeze freeze_noirq ");
	noirq_expect_works(test);
}

/* Test that each queue is looked at, and the message names the culprit. */
static void noirq_undrained_of_two(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, fake_add_buffer(fake), 0);
	KUNIT_ASSERT_EQ(test, driver_create_another_vq(fake), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -EBUSY);
	KUNIT_EXPECT_EQ(test, noirq_log_count("1 of 8 descriptors of queue 0 (fake) in use"), 1);
}

/* Test that the last queue is looked at, too. */
static void noirq_undrained_second_of_two(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, driver_create_vq(fake), 0);
	KUNIT_ASSERT_EQ(test, fake_add_buffer(fake), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -EBUSY);
}

/* Test that a live device of a refused driver goes on without a new start. */
static void noirq_undrained_restore(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_refused(test);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "restore ");
	noirq_expect_works(test);
}

/* Test that what is added when the driver is done is not overlooked. */
static void noirq_added_after_freeze_noirq(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake->vdev.config = &noirq_config_ops_synchronize;
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake_at(fake, "synchronize_cbs", fake_see_add);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->seen, -EIO);
}

/* Test that a queue that was broken before is so after a refusal, too. */
static void noirq_undrained_stays_broken(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, fake_add_buffer(fake), 0);
	__virtqueue_break(fake->vq);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -EBUSY);
	KUNIT_EXPECT_TRUE(test, virtqueue_is_broken(fake->vq));
}

/* Test that an undrained queue of a device that was reset is broken at once. */
static void noirq_undrained_after_reset_is_broken(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, fake_add_buffer(fake), 0);
	fake_at(fake, "freeze_noirq", driver_reset_undrained_device);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -EBUSY);
	KUNIT_EXPECT_EQ(test, fake_add_buffer(fake), -EIO);
}

/* Test that a device that was reset with an undrained queue fails safely. */
static void noirq_undrained_after_reset_restore(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, fake_add_buffer(fake), 0);
	fake_at(fake, "freeze_noirq", driver_reset_undrained_device);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -EBUSY);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), -EIO);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_FAILED);
	KUNIT_EXPECT_EQ(test, noirq_log_count("draining the virtqueues failed: -EBUSY"), 1);
	noirq_expect_failed(test);
}

/* Test that an error of the driver aborts the transition. */
static void noirq_freeze_noirq_fails(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake_at(fake, "freeze_noirq", fake_fail);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -ENXIO);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_NONE);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "freeze freeze_noirq ");
	noirq_expect_works(test);
}

/* Test that a driver that failed after a reset gets its device back at once. */
static void noirq_freeze_noirq_fails_after_reset(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake_at(fake, "freeze_noirq", driver_reset_device_and_fail);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -ENXIO);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "freeze_noirq reset " NOIRQ_BRING_UP);
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "restore status=0f ");
	noirq_expect_works(test);
}

/* Test that one that left a buffer does not, and users get an error. */
static void noirq_failed_after_reset_is_broken(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, fake_add_buffer(fake), 0);
	fake_at(fake, "freeze_noirq", driver_reset_undrained_device_and_fail);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -ENXIO);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_NONE);
	KUNIT_EXPECT_EQ(test, fake_add_buffer(fake), -EIO);
}

/* Test that queues that the driver deletes abort the transition. */
static void noirq_freeze_noirq_deletes_queues(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake_at(fake, "freeze_noirq", driver_delete_vqs);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -EINVAL);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_NONE);
	KUNIT_EXPECT_EQ(test, noirq_log_count("deleted virtqueues before"), 1);
}

/* Test that one queue that the driver deletes is enough for that. */
static void noirq_freeze_noirq_deletes_one_of_two(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, driver_create_another_vq(fake), 0);
	fake_at(fake, "freeze_noirq", driver_delete_last_vq);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -EINVAL);
}

/* Test that a live device whose queues were deleted fails on restore. */
static void noirq_deleted_queues_restore(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake_at(fake, "freeze_noirq", driver_delete_vqs);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -EINVAL);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), -EIO);
	KUNIT_EXPECT_EQ(test, fake->status,
			FAKE_STATUS_LIVE | VIRTIO_CONFIG_S_FAILED);
	KUNIT_EXPECT_EQ(test, noirq_log_count("draining the virtqueues failed: -EINVAL"), 1);
}

/* Test that freeze_noirq cannot create queues. */
static void noirq_freeze_noirq_creates_queue(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake_at(fake, "freeze_noirq", driver_create_another_vq);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -EBUSY);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "freeze freeze_noirq ");
}

/* Test that a queue that was created after freeze is no offence. */
static void noirq_queue_created_before_freeze_noirq(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_ASSERT_EQ(test, driver_create_another_vq(fake), 0);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);
}

/* Test that a reset that does not complete aborts hibernation, safely. */
static void noirq_freeze_noirq_reset_hangs(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake->stuck = 0xff;

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_FAILED);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), NOIRQ_DOWN "status=80 ");
	noirq_expect_failed(test);
}

/* Test that the message does not recommend to unbind: that would wait for it. */
static void noirq_freeze_noirq_reset_hangs_message(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake->stuck = 0xff;
	KUNIT_ASSERT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -ETIMEDOUT);

	KUNIT_EXPECT_EQ(test, noirq_log_count(": reset not complete, status 0x0f; "), 1);
	KUNIT_EXPECT_EQ(test, noirq_log_count("unusable until it can be reset"), 1);
	KUNIT_EXPECT_EQ(test, noirq_log_count("unbound"), 0);
}

/* A call of the fake device, by its name, and what happens there */
struct noirq_call {
	const char *name;
	int (*then)(struct fake_virtio *fake);
};

#ifdef CONFIG_SUSPEND
static void noirq_end_suspend(void *state)
{
	pm_suspend_target_state = PM_SUSPEND_ON;
}

/* As long as memory is kept */
static void noirq_start_suspend(struct kunit *test)
{
	pm_suspend_target_state = PM_SUSPEND_TO_IDLE;
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, noirq_end_suspend, NULL), 0);
}

/* Test that a device that cannot be reset lets the system suspend. */
static void noirq_reset_hangs_in_suspend(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_start_suspend(test);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake->stuck = 0xff;

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_FAILED);
	noirq_expect_failed(test);
}

/* It takes buffers back which may still be written to. */
static int driver_ignore_reset(struct fake_virtio *fake)
{
	driver_reset_device(fake);

	return 0;
}

static const struct noirq_call noirq_driver_resets[] = {
	{ "error", driver_reset_device }, { "ignored", driver_ignore_reset },
};

KUNIT_ARRAY_PARAM_DESC(noirq_driver_reset, noirq_driver_resets, name);

/* Test the same for a reset of the driver, whatever it says. */
static void noirq_driver_reset_hangs_in_suspend(struct kunit *test)
{
	const struct noirq_call *reset = test->param_value;
	struct fake_virtio *fake = test->priv;

	fake_at(fake, "freeze_noirq", reset->then);
	noirq_reset_hangs_in_suspend(test);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), NOIRQ_DOWN "status=80 ");
}

/* Test that it aborts hibernation, too. */
static void noirq_driver_reset_hangs(struct kunit *test)
{
	const struct noirq_call *reset = test->param_value;
	struct fake_virtio *fake = test->priv;

	fake_at(fake, "freeze_noirq", reset->then);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake->stuck = 0xff;

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_FAILED);
}

/* Test that buffers that were left to such a device are taken back in resume. */
static void noirq_reset_in_resume_drains(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, fake_add_buffer(fake), 0);
	fake_at(fake, "freeze_noirq", driver_reset_undrained_device);
	noirq_reset_hangs_in_suspend(test);
	fake_heal(fake);
	fake_at(fake, "freeze_noirq", driver_drain);
	noirq_resume(test);

	noirq_expect_works(test);
}

/* Test that it does so again and again. */
static void noirq_reset_hangs_in_each_suspend(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_reset_hangs_in_suspend(test);
	KUNIT_ASSERT_EQ(test, virtio_device_restore_noirq(&fake->vdev), -ETIMEDOUT);
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&fake->vdev), -EIO);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "reset status=80 ");
	noirq_expect_failed(test);
}

/* Test that it works after resume if the reset completes by then. */
static void noirq_reset_completes_in_suspend(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_reset_hangs_in_suspend(test);
	fake_heal(fake);
	noirq_resume(test);

	noirq_expect_works(test);
}

/* Test that this is not awaited without end. */
static void noirq_reset_in_resume_state(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_reset_hangs_in_suspend(test);
	fake_heal(fake);
	fake_at(fake, "reset", fake_see_state);
	noirq_resume(test);

	KUNIT_EXPECT_EQ(test, fake->seen, VIRTIO_NOIRQ_ENTERED);
}
#endif

/* Test that a device that completes its reset later works in the next cycle. */
static void noirq_reset_completes_later(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake->stuck = 0xff;
	KUNIT_ASSERT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -ETIMEDOUT);
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&fake->vdev), -EIO);
	fake_heal(fake);
	noirq_suspend(test);
	noirq_resume(test);

	noirq_expect_works(test);
}

/* State NONE, restore */

/* Test that an abort before the noirq phase costs a live device nothing. */
static void noirq_abort_of_live_device(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "freeze restore ");
	noirq_expect_works(test);
}

/* Test that restore_noirq does nothing for a device that was not frozen. */
static void noirq_restore_noirq_of_live_device(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
}

static const struct noirq_status {
	const char *desc;
	u8 status;
} noirq_dead_statuses[] = {
	{ "reset", 0 },
	{ "powered_off", 0xff },
	{ "not_ready", FAKE_STATUS_FEATURES_OK },
	{ "needs_reset", FAKE_STATUS_LIVE | VIRTIO_CONFIG_S_NEEDS_RESET },
	{ "failed", FAKE_STATUS_LIVE | VIRTIO_CONFIG_S_FAILED },
};

KUNIT_ARRAY_PARAM_DESC(noirq_dead_status, noirq_dead_statuses, desc);

/* Test that a device that does not run is brought up without a noirq phase. */
static void noirq_restore_of_dead_device(struct kunit *test)
{
	const struct noirq_status *dead = test->param_value;
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake->status = dead->status;
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "freeze_noirq " NOIRQ_UP);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_NONE);
	noirq_expect_works(test);
}

/* Test that its driver is asked to drain the queues before they are put back. */
static void noirq_restore_of_dead_device_drains(struct kunit *test)
{
	const struct noirq_status *dead = test->param_value;
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, fake_add_buffer(fake), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake->status = dead->status;
	fake_at(fake, "freeze_noirq", driver_drain);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	noirq_expect_works(test);
}

/* Test that nobody can add to its queues meanwhile. */
static void noirq_restore_of_dead_device_breaks(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake->status = 0;
	fake_at(fake, "freeze_noirq", fake_see_add);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->seen, -EIO);
}

/* Test that one that needs a reset gets as much time for it as any other. */
static void noirq_restore_of_slow_device(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;
	ktime_t start = ktime_get();

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	fake->stuck = VIRTIO_CONFIG_S_NEEDS_RESET;

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), -EIO);
	KUNIT_EXPECT_GE(test, ktime_ms_delta(ktime_get(), start), 5000);
}

/* Test that a device with a broken queue is brought up like a dead one. */
static void noirq_restore_of_broken_queue(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	__virtqueue_break(fake->vq);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "freeze_noirq " NOIRQ_UP);
	noirq_expect_works(test);
}

/* Test that this fails safely if a queue is not drained. */
static void noirq_restore_of_dead_undrained_device(struct kunit *test)
{
	const struct noirq_status *dead = test->param_value;
	struct fake_virtio *fake = test->priv;
	char calls[32];

	KUNIT_ASSERT_EQ(test, fake_add_buffer(fake), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake->status = dead->status;
	fake_calls(test);

	snprintf(calls, sizeof(calls), "freeze_noirq status=%02x ",
		 dead->status | VIRTIO_CONFIG_S_FAILED);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), -EIO);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), calls);
	noirq_expect_failed(test);
}

/* Test that the message for this names the queue. */
static void noirq_undrained_ring_message(struct kunit *test)
{
	noirq_enter_undrained(test);

	KUNIT_EXPECT_EQ(test,
			noirq_log_count("1 of 8 descriptors of queue 0 (fake) in use"), 2);
}

/* Test that callbacks have come to an end before the device is reset. */
static void noirq_restore_synchronizes_callbacks(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake->vdev.config = &noirq_config_ops_synchronize;
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	fake_at(fake, "synchronize_cbs", fake_see_broken);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->seen, 1);
	KUNIT_EXPECT_STREQ(test, fake_calls(test),
			   "synchronize_cbs freeze_noirq synchronize_cbs " NOIRQ_UP);
}

/* The calls of a bring-up, which a transport may tell by the state */
static const struct noirq_call noirq_bring_up_calls[] = {
	{ "reset" }, { "finalize_features" }, { "reset_vqs" }, { "restore_noirq" },
};

KUNIT_ARRAY_PARAM_DESC(noirq_bring_up_call, noirq_bring_up_calls, name);

/* Test that the state is ENTERED while a device is brought up in restore. */
static void noirq_restore_state(struct kunit *test)
{
	const struct noirq_call *call = test->param_value;
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake->status = 0;
	fake_at(fake, call->name, fake_see_state);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->seen, VIRTIO_NOIRQ_ENTERED);
}

/* State ENTERED, restore */

/* Test that a transport that does not call restore_noirq gets its device up. */
static void noirq_restore_without_restore_noirq(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_suspend(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), NOIRQ_UP);
	noirq_expect_works(test);
}

/* State ENTERED, restore_noirq succeeds */

/* Test that the device is reset, negotiated, given its queues, then used. */
static void noirq_restore_noirq_order(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_suspend(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), NOIRQ_BRING_UP);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_RESTORED);
}

/* Test that the driver can use its queue in restore_noirq. */
static void noirq_restore_noirq_uses_queue(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_suspend(test);
	fake_at(fake, "restore_noirq", driver_ready_and_add_buffer);

	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->status, FAKE_STATUS_LIVE);
}

static const struct noirq_call noirq_bring_up_steps[] = {
	{ "reset" }, { "status=03" }, { "finalize_features" }, { "status=0b" },
	{ "reset_vqs" }, { "restore_noirq" },
};

KUNIT_ARRAY_PARAM_DESC(noirq_bring_up_step, noirq_bring_up_steps, name);

/* Test that users can add nothing before the driver is ready, at any step. */
static void noirq_user_before_ready(struct kunit *test)
{
	const struct noirq_call *call = test->param_value;
	struct fake_virtio *fake = test->priv;

	noirq_suspend(test);
	fake_at(fake, call->name, fake_see_add);

	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->seen, -EIO);
}

/* Test that they can add nothing before restore, if it is not ready by then. */
static void noirq_user_before_restore(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_restored(test);

	KUNIT_EXPECT_EQ(test, fake_add_buffer(fake), -EIO);
}

/* Test that they can when it is, but not before the device knows. */
static void noirq_user_at_ready(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	virtio_break_device(&fake->vdev);
	fake->status = FAKE_STATUS_FEATURES_OK;
	fake_at(fake, "status=0f", fake_see_add);
	virtio_device_ready_noirq(&fake->vdev);

	KUNIT_EXPECT_EQ(test, fake->seen, -EIO);
	noirq_expect_works(test);
}

/* Test that a device that was reset meanwhile cannot be made ready. */
static void noirq_reset_before_ready(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	virtio_break_device(&fake->vdev);
	fake->status = 0;
	virtio_device_ready_noirq(&fake->vdev);

	KUNIT_EXPECT_EQ(test, fake->status, 0);
	KUNIT_EXPECT_EQ(test, fake_add_buffer(fake), -EIO);
}

/* Test that in restore a driver that is not ready yet finds its queues usable. */
static void noirq_restore_fills_queue(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_restored(test);
	fake_at(fake, "restore", fake_see_add);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->seen,
			IS_ENABLED(CONFIG_VIRTIO_HARDEN_NOTIFICATION) ? -EIO : 0);
	fake_drain(fake);
}

/* Test that a queue that broke after restore_noirq is not mended by restore. */
static void noirq_restore_keeps_broken(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_suspend(test);
	fake_at(fake, "restore_noirq", driver_ready);
	KUNIT_ASSERT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
	__virtqueue_break(fake->vq);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_TRUE(test, virtqueue_is_broken(fake->vq));
}

/* Test that restore_noirq cannot create queues. */
static void noirq_restore_noirq_creates_queue(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_suspend(test);
	fake_at(fake, "restore_noirq", driver_create_another_vq);

	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), -EBUSY);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), NOIRQ_BRING_UP "status=8b ");
}

/* Test that a device that had FAILED before it slept has it afterwards. */
static void noirq_failed_is_kept(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	virtio_add_status(&fake->vdev, VIRTIO_CONFIG_S_FAILED);
	noirq_suspend(test);
	noirq_resume(test);

	KUNIT_EXPECT_EQ(test, fake->status,
			FAKE_STATUS_LIVE | VIRTIO_CONFIG_S_FAILED);
}

/* State ENTERED, restore_noirq fails */

struct noirq_failure {
	const char *step;
	const char *message;
	const char *at;
	int (*then)(struct fake_virtio *fake);
	u8 stuck;
	u8 refused;
	u64 lost;
	int err;
};

static const struct noirq_failure noirq_failures[] = {
	{
		.step = "reset",
		.message = ": reset not complete, status 0x40; the device is unusable",
		.stuck = VIRTIO_CONFIG_S_NEEDS_RESET,
		.err = -ETIMEDOUT,
	},
	{
		.step = "feature negotiation",
		.message = ": feature negotiation failed: -ENXIO;",
		.at = "finalize_features",
		.then = fake_fail,
		.err = -ENXIO,
	},
	{
		.step = "feature negotiation",
		.message = ": feature negotiation failed: -ENODEV;",
		.refused = VIRTIO_CONFIG_S_FEATURES_OK,
		.err = -ENODEV,
	},
	{
		.step = "feature negotiation",
		.message = ": feature negotiation failed: -ENODEV;",
		.lost = BIT_ULL(VIRTIO_F_VERSION_1),
		.err = -ENODEV,
	},
	{
		.step = "reset_vqs",
		.message = ": reset_vqs failed: -ENXIO;",
		.at = "reset_vqs",
		.then = fake_fail,
		.err = -ENXIO,
	},
	{
		.step = "restore_noirq",
		.message = ": restore_noirq failed: -ENXIO;",
		.at = "restore_noirq",
		.then = fake_fail,
		.err = -ENXIO,
	},
	{
		.step = "keeping the device set up in restore_noirq",
		.message = ": keeping the device set up in restore_noirq failed: -EINVAL;",
		.at = "restore_noirq",
		.then = driver_reset_device,
		.err = -EINVAL,
	},
};

KUNIT_ARRAY_PARAM_DESC(noirq_failure, noirq_failures, step);

/* Suspends, and lets restore_noirq fail as the parameter of the test says. */
static void noirq_fail_restore_noirq(struct kunit *test)
{
	const struct noirq_failure *failure = test->param_value;
	struct fake_virtio *fake = test->priv;

	noirq_suspend(test);
	fake->status = failure->stuck;
	fake->stuck = failure->stuck;
	fake->refused = failure->refused;
	fake->lost = failure->lost;
	fake_at(fake, failure->at, failure->then);

	KUNIT_ASSERT_EQ(test, virtio_device_restore_noirq(&fake->vdev),
			failure->err);
	fake_calls(test);
	fake_heal(fake);
}

/* The same, and the rest of that resume */
static void noirq_fail_resume(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_fail_restore_noirq(test);
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&fake->vdev), -EIO);
}

/* Test that the device fails safely. */
static void noirq_failure_is_safe(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_fail_restore_noirq(test);

	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_FAILED);
	noirq_expect_failed(test);
}

/* Test that there is one message for the failure, which names the step. */
static void noirq_failure_message(struct kunit *test)
{
	const struct noirq_failure *failure = test->param_value;

	noirq_fail_restore_noirq(test);

	KUNIT_EXPECT_EQ(test, noirq_log_count(failure->message), 1);
	KUNIT_EXPECT_EQ(test, noirq_log_count("the device is unusable"), 1);
}

/* Test that restore does not try again, and the driver is not called. */
static void noirq_failure_then_restore(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_fail_restore_noirq(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), -EIO);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_FAILED);
	noirq_expect_failed(test);
}

/* Test that the next suspend resets the device, then has its queues drained. */
static void noirq_failure_then_suspend(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_fail_resume(test);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "reset freeze_noirq ");
}

/* Test that this reset is not awaited without end. */
static void noirq_failed_reset_state(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_fail_restore_noirq(test);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake_at(fake, "reset", fake_see_state);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->seen, VIRTIO_NOIRQ_ENTERED);
}

/* Test that a driver that cannot be frozen then does not keep it from sleeping. */
static void noirq_failure_then_freeze_noirq_fails(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_fail_restore_noirq(test);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake_at(fake, "freeze_noirq", fake_fail);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);
	noirq_resume(test);
	noirq_expect_works(test);
}

/* Test that the failure is not forgotten if the next suspend aborts early. */
static void noirq_failure_then_abort(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_fail_resume(test);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), -EIO);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
	noirq_expect_failed(test);
}

/* Test that the next resume is a fresh attempt, and leaves no trace. */
static void noirq_failure_then_recovery(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_fail_resume(test);
	noirq_suspend(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), NOIRQ_UP);
	noirq_expect_works(test);
}

/* Test that a reset by the transport is a fresh start, too. */
static void noirq_failure_then_reset_done(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_fail_resume(test);
	KUNIT_ASSERT_EQ(test, virtio_device_reset_prepare(&fake->vdev), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_reset_done(&fake->vdev), 0);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "freeze restore ");
	noirq_expect_works(test);
}

/* Test that it is not one if it fails, and that no driver keeps the system awake then. */
static void noirq_failure_then_reset_done_fails(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_fail_resume(test);
	KUNIT_ASSERT_EQ(test, virtio_device_reset_prepare(&fake->vdev), 0);
	fake_at(fake, "reset_done", fake_fail);
	KUNIT_ASSERT_EQ(test, virtio_device_reset_done(&fake->vdev), -ENXIO);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_FAILED);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);
}

/* Test that a FAILED of the driver's own, after a recovery, is kept. */
static void noirq_failed_is_kept_after_recovery(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_fail_restore_noirq(test);
	noirq_suspend(test);
	noirq_resume(test);
	virtio_add_status(&fake->vdev, VIRTIO_CONFIG_S_FAILED);
	noirq_suspend(test);
	noirq_resume(test);

	KUNIT_EXPECT_EQ(test, fake->status,
			FAKE_STATUS_LIVE | VIRTIO_CONFIG_S_FAILED);
}

/* Test that a FAILED of the driver's own, after a rebind, is kept. */
static void noirq_failed_is_kept_after_rebind(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_fail_restore_noirq(test);
	fake_unbind(fake);
	fake_bind(test, fake);
	virtio_add_status(&fake->vdev, VIRTIO_CONFIG_S_FAILED);
	noirq_suspend(test);
	noirq_resume(test);

	KUNIT_EXPECT_EQ(test, fake->status,
			FAKE_STATUS_LIVE | VIRTIO_CONFIG_S_FAILED);
}

/* Test that a device that cannot be reset then aborts hibernation. */
static void noirq_failure_then_reset_hangs(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_fail_restore_noirq(test);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake->stuck = VIRTIO_CONFIG_S_FAILED;

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), -EIO);
	noirq_expect_failed(test);
}

/* Test that after a reset that hangs the device is told nothing but FAILED. */
static void noirq_restore_noirq_reset_hangs(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_suspend(test);
	fake->stuck = 0xff;
	fake->status = FAKE_STATUS_LIVE;

	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), -ETIMEDOUT);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "reset status=80 ");
}

/* Test that queues that are deleted while frozen are not given to the device. */
static void noirq_frozen_queues_deleted(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_suspend(test);
	fake_del_vqs(&fake->vdev);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), -EINVAL);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "reset status=80 ");
}

/* Test that queues that restore_noirq deletes are detected. */
static void noirq_restore_noirq_deletes_queues(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_suspend(test);
	fake_at(fake, "restore_noirq", driver_delete_vqs);

	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), -EINVAL);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_FAILED);
	KUNIT_EXPECT_TRUE(test, fake->status & VIRTIO_CONFIG_S_FAILED);
}

/* Test that a buffer that a failed restore_noirq left behind fails the next. */
static void noirq_restore_noirq_leaves_buffer(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_suspend(test);
	fake_at(fake, "restore_noirq", driver_add_buffer_and_fail);
	KUNIT_ASSERT_EQ(test, virtio_device_restore_noirq(&fake->vdev), -ENXIO);
	noirq_suspend(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), -EBUSY);
	noirq_expect_failed(test);
}

/* Test that the driver can drain it before the next. */
static void noirq_restore_noirq_left_buffer_is_drained(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_suspend(test);
	fake_at(fake, "restore_noirq", driver_add_buffer_and_fail);
	KUNIT_ASSERT_EQ(test, virtio_device_restore_noirq(&fake->vdev), -ENXIO);
	fake_at(fake, "freeze_noirq", driver_drain);
	noirq_suspend(test);
	noirq_resume(test);

	noirq_expect_works(test);
}

/* State RESTORED */

/* Test that restore does not start the device anew. */
static void noirq_restore_order(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_restored(test);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "restore status=0f ");
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_NONE);
	noirq_expect_works(test);
}

/* Test that DRIVER_OK is not set again if restore_noirq did so. */
static void noirq_restore_of_ready_device(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_suspend(test);
	fake_at(fake, "restore_noirq", driver_ready);
	KUNIT_ASSERT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "restore ");
	noirq_expect_works(test);
}

/* Test that queues can be created again, in restore. */
static void noirq_restore_creates_queue(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_restored(test);

	KUNIT_EXPECT_EQ(test, driver_create_another_vq(fake), 0);
}

/* Test that a driver without restore gets DRIVER_OK, too. */
static void noirq_restore_without_callback(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake->drv.restore = NULL;
	noirq_suspend(test);
	noirq_resume(test);

	noirq_expect_works(test);
}

/* Test that a failure of restore fails safely. */
static void noirq_restore_fails(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_restored(test);
	fake_at(fake, "restore", fake_fail);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), -ENXIO);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_FAILED);
	KUNIT_EXPECT_EQ(test, noirq_log_count(": restore failed"), 1);
	noirq_expect_failed(test);
}

/* Test that nobody can add to the queues of a device that becomes FAILED. */
static void noirq_restore_fails_in_use(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_restored(test);
	fake_at(fake, "restore", driver_fail_in_use);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), -ENXIO);
	KUNIT_EXPECT_EQ(test, fake->seen, -EIO);
}

/* Test that a device that was reset meanwhile does not get DRIVER_OK. */
static void noirq_reset_before_restore(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_restored(test);
	fake->status = 0;

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), -EIO);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_FAILED);
	KUNIT_EXPECT_EQ(test, fake->status, VIRTIO_CONFIG_S_FAILED);
}

/* Test that the driver is frozen again then, once, and cannot refuse. */
static void noirq_restore_fails_then_freeze(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_restore_failed(test);
	fake_at(fake, "freeze", fake_fail);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "freeze ");
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), -EIO);
	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
}

/* Test that queues that it deletes then are not missed. */
static void noirq_restore_fails_then_freeze_deletes_queues(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_restore_failed(test);
	fake_at(fake, "freeze", driver_delete_vqs);
	noirq_suspend(test);
	fake_heal(fake);

	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
}

/* Test that a driver without freeze fails like that, too. */
static void noirq_restore_fails_without_freeze(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake->drv.freeze = NULL;
	noirq_enter_restore_failed(test);
	fake_heal(fake);
	noirq_suspend(test);
	noirq_resume(test);

	noirq_expect_works(test);
}

/* Test that FAILED does not stick when the next cycle goes well. */
static void noirq_restore_fails_then_cycle(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_restore_failed(test);
	fake_heal(fake);

	noirq_suspend(test);
	noirq_resume(test);
	noirq_expect_works(test);
}

/* Test that the device stays failed when the next suspend aborts early. */
static void noirq_restore_fails_then_abort(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_restore_failed(test);
	fake_heal(fake);

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), -EIO);
	noirq_expect_failed(test);
}

/* Test that a second restore_noirq does nothing. */
static void noirq_restore_noirq_twice(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_restored(test);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
}

/* Test that the noirq phase can be entered again without restore. */
static void noirq_suspend_again(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_restored(test);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "freeze_noirq reset ");
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_ENTERED);
	noirq_resume(test);
	noirq_expect_works(test);
}

/* Test that a device that cannot enter it again is brought up by restore. */
static void noirq_suspend_again_fails(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_restored(test);
	fake_at(fake, "freeze_noirq", fake_fail);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -ENXIO);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	noirq_expect_works(test);
}

/* Any state, unbind and rebind */

static const struct noirq_condition {
	const char *desc;
	void (*enter)(struct kunit *test);
} noirq_conditions[] = {
	{ "none_frozen", noirq_enter_frozen },
	{ "none_refused", noirq_enter_refused },
	{ "failed_undrained", noirq_enter_undrained },
	{ "failed_restore", noirq_enter_restore_failed },
	{ "entered", noirq_suspend },
	{ "failed_restore_noirq", noirq_enter_failed },
	{ "restored", noirq_enter_restored },
};

KUNIT_ARRAY_PARAM_DESC(noirq_condition, noirq_conditions, desc);

/* Test that the device works again after its driver was unbound and bound. */
static void noirq_rebind(struct kunit *test)
{
	const struct noirq_condition *condition = test->param_value;
	struct fake_virtio *fake = test->priv;

	condition->enter(test);
	fake_unbind(fake);
	fake_bind(test, fake);

	noirq_expect_works(test);
}

/* Test that it goes through a whole sleep cycle after that. */
static void noirq_rebind_then_cycle(struct kunit *test)
{
	const struct noirq_condition *condition = test->param_value;
	struct fake_virtio *fake = test->priv;

	condition->enter(test);
	fake_unbind(fake);
	fake_bind(test, fake);
	noirq_suspend(test);
	noirq_resume(test);

	noirq_expect_works(test);
}

/* Test that remove runs in state NONE, where a reset has to complete. */
static void noirq_remove_state(struct kunit *test)
{
	const struct noirq_condition *condition = test->param_value;
	struct fake_virtio *fake = test->priv;

	condition->enter(test);
	fake_at(fake, "remove", fake_see_state);
	fake->seen = -1;
	fake_unbind(fake);

	KUNIT_EXPECT_EQ(test, fake->seen, VIRTIO_NOIRQ_NONE);
}

/* Config changes */

static const struct noirq_call noirq_cycle_calls[] = {
	{ "freeze" }, { "freeze_noirq" }, { "reset" }, { "finalize_features" },
	{ "reset_vqs" }, { "restore_noirq" }, { "restore" }, { "status=0f" },
};

KUNIT_ARRAY_PARAM_DESC(noirq_cycle_call, noirq_cycle_calls, name);

/* Test that a change at any time of the cycle is reported at its end, once. */
static void noirq_change_is_deferred(struct kunit *test)
{
	const struct noirq_call *call = test->param_value;
	struct fake_virtio *fake = test->priv;

	fake_at(fake, call->name, fake_signal_change);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&fake->vdev), 0);

	KUNIT_EXPECT_STREQ(test, fake_calls(test),
			   NOIRQ_DOWN NOIRQ_UP "config_changed ");
}

/* Test that a change in an aborted transition is reported at its end, once. */
static void noirq_change_is_deferred_on_abort(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	virtio_config_changed(&fake->vdev);
	virtio_config_changed(&fake->vdev);

	KUNIT_ASSERT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "freeze restore config_changed ");
}

/* Test that a change is reported at once if the driver cannot freeze. */
static void noirq_change_on_failed_freeze(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake_at(fake, "freeze", fake_fail);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), -ENXIO);
	fake_calls(test);

	virtio_config_changed(&fake->vdev);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "config_changed ");
}

/* Test that a change waits for the recovery of a device that failed. */
static void noirq_change_waits_for_recovery(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	noirq_enter_failed(test);
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&fake->vdev), -EIO);
	fake_heal(fake);
	virtio_config_changed(&fake->vdev);
	KUNIT_EXPECT_STREQ(test, fake_calls_from(test, "restore_noirq"),
			   "restore_noirq status=8b ");

	noirq_enter_restored(test);
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), NOIRQ_UP "config_changed ");
}

/* The functions for drivers */

/* Test that a reset that completes is a success. */
static void noirq_reset_helper(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_EXPECT_EQ(test, virtio_reset_device_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "reset ");
}

/* Test that a reset that does not complete is told. */
static void noirq_reset_helper_times_out(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	ktime_t start = ktime_get();

	fake->stuck = VIRTIO_CONFIG_S_DRIVER_OK;

	KUNIT_EXPECT_EQ(test, virtio_reset_device_noirq(&fake->vdev), -ETIMEDOUT);
	KUNIT_EXPECT_GE(test, ktime_ms_delta(ktime_get(), start), 5000);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "reset status=80 ");
}

/* How long a reset takes that never completes */
static s64 noirq_hung_ms(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;
	ktime_t start = ktime_get();

	KUNIT_EXPECT_EQ(test, virtio_reset_device_noirq(&fake->vdev), -ETIMEDOUT);

	return ktime_ms_delta(ktime_get(), start);
}

static const struct noirq_status noirq_answers[] = {
	{ "failed", VIRTIO_CONFIG_S_FAILED },
	{ "needs_reset", VIRTIO_CONFIG_S_NEEDS_RESET },
	{ "all", 0xff },
};

KUNIT_ARRAY_PARAM_DESC(noirq_answer, noirq_answers, desc);

/* Test that it is not awaited for long if the device answers that it failed. */
static void noirq_reset_helper_gives_up(struct kunit *test)
{
	const struct noirq_status *answer = test->param_value;
	struct fake_virtio *fake = test->priv;
	s64 ms;

	fake->seen = answer->status;
	fake_at(fake, "reset", fake_get_stuck);
	ms = noirq_hung_ms(test);

	KUNIT_EXPECT_GE(test, ms, 100);
	KUNIT_EXPECT_LT(test, ms, 2000);
}

/* Test that what it said before the reset is no answer. */
static void noirq_reset_helper_of_failed_device(struct kunit *test)
{
	const struct noirq_status *answer = test->param_value;
	struct fake_virtio *fake = test->priv;

	fake->status |= answer->status;
	fake->stuck = answer->status;

	KUNIT_EXPECT_GE(test, noirq_hung_ms(test), 5000);
}

/* Test that a reset is not awaited for long if the last one hung, too. */
static void noirq_reset_helper_again(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake->stuck = VIRTIO_CONFIG_S_DRIVER_OK;
	KUNIT_EXPECT_GE(test, noirq_hung_ms(test), 5000);
	fake->status = VIRTIO_CONFIG_S_DRIVER_OK;
	KUNIT_EXPECT_LT(test, noirq_hung_ms(test), 2000);

	/* Until one completes, or the driver is bound again. */
	fake->stuck = 0;
	KUNIT_EXPECT_EQ(test, virtio_reset_device_noirq(&fake->vdev), 0);
	fake->status = VIRTIO_CONFIG_S_DRIVER_OK;
	fake->stuck = VIRTIO_CONFIG_S_DRIVER_OK;
	KUNIT_EXPECT_GE(test, noirq_hung_ms(test), 5000);
	fake_unbind(fake);
	fake_bind(test, fake);
	fake->stuck = VIRTIO_CONFIG_S_DRIVER_OK;
	KUNIT_EXPECT_GE(test, noirq_hung_ms(test), 5000);
}

/* Test that the functions for drivers do nothing on an unfit transport. */
static void noirq_helpers_on_unfit_transport(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake->vdev.config = &noirq_config_ops_unsafe;
	fake->status = FAKE_STATUS_FEATURES_OK;

	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, virtio_reset_device_noirq(&fake->vdev), -EOPNOTSUPP);
		virtio_add_status_noirq(&fake->vdev, VIRTIO_CONFIG_S_FAILED);
		virtio_device_ready_noirq(&fake->vdev);
	}
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
}

/* Test that a driver is told if it makes a device ready that is. */
static void noirq_ready_again(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake->status = FAKE_STATUS_LIVE;

	kunit_warning_suppress(test) {
		virtio_device_ready_noirq(&fake->vdev);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
}

/* Test that status bits are added to those that are there. */
static void noirq_add_status_helper(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	virtio_add_status_noirq(&fake->vdev, VIRTIO_CONFIG_S_FAILED);

	KUNIT_EXPECT_STREQ(test, fake_calls(test), "status=8f ");
}

static int noirq_init(struct kunit *test)
{
	noirq_log_start = kernel_log_end();
	fake_virtio_init(test, &noirq_config_ops, &noirq_driver);

	return 0;
}

/* In each test: no DRIVER_OK for a device without its features and queues. */
static void noirq_exit(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_EXPECT_FALSE(test, fake->drv.freeze_noirq && fake->premature);
}

static struct kunit_case noirq_cases[] = {
	KUNIT_CASE_PARAM(noirq_unpaired_is_refused, noirq_unpaired_gen_params),
	KUNIT_CASE(noirq_registration_starts_anew),
	KUNIT_CASE(noirq_own_pm_ops_are_kept),
	KUNIT_CASE(noirq_driver_without_gets_no_pm_ops),
	KUNIT_CASE_PARAM(noirq_driver_without, noirq_transport_gen_params),
	KUNIT_CASE(noirq_no_driver),
	KUNIT_CASE(noirq_prepare_on_fit_transport),
	KUNIT_CASE_PARAM(noirq_prepare_on_unfit_transport, noirq_unfit_transport_gen_params),
	KUNIT_CASE_PARAM(noirq_freeze_on_unfit_transport, noirq_unfit_transport_gen_params),
	KUNIT_CASE_PARAM(noirq_unfit_transport_message, noirq_unfit_transport_gen_params),
	KUNIT_CASE_PARAM(noirq_unfit_transport_when_bound, noirq_unfit_transport_gen_params),
	KUNIT_CASE(noirq_unfit_transport_without_parent),
	KUNIT_CASE(noirq_cycle_without_queues),
	KUNIT_CASE(noirq_freeze_fails),
	KUNIT_CASE(noirq_freeze_deletes_queues),
	KUNIT_CASE(noirq_freeze_noirq_order),
	KUNIT_CASE(noirq_freeze_noirq_state),
	KUNIT_CASE(noirq_frozen_queue_is_broken),
	KUNIT_CASE(noirq_freeze_noirq_driver_resets),
	KUNIT_CASE(noirq_rfc_driver),
	KUNIT_CASE(noirq_undrained_is_refused),
	KUNIT_CASE(noirq_undrained_of_two),
	KUNIT_CASE(noirq_undrained_second_of_two),
	KUNIT_CASE(noirq_undrained_restore),
	KUNIT_CASE(noirq_added_after_freeze_noirq),
	KUNIT_CASE(noirq_undrained_stays_broken),
	KUNIT_CASE(noirq_undrained_after_reset_is_broken),
	KUNIT_CASE(noirq_undrained_after_reset_restore),
	KUNIT_CASE(noirq_freeze_noirq_fails),
	KUNIT_CASE(noirq_freeze_noirq_fails_after_reset),
	KUNIT_CASE(noirq_failed_after_reset_is_broken),
	KUNIT_CASE(noirq_freeze_noirq_deletes_queues),
	KUNIT_CASE(noirq_freeze_noirq_deletes_one_of_two),
	KUNIT_CASE(noirq_deleted_queues_restore),
	KUNIT_CASE(noirq_freeze_noirq_creates_queue),
	KUNIT_CASE(noirq_queue_created_before_freeze_noirq),
	KUNIT_CASE(noirq_freeze_noirq_reset_hangs),
	KUNIT_CASE(noirq_freeze_noirq_reset_hangs_message),
#ifdef CONFIG_SUSPEND
	KUNIT_CASE(noirq_reset_hangs_in_suspend),
	KUNIT_CASE(noirq_reset_hangs_in_each_suspend),
	KUNIT_CASE_PARAM(noirq_driver_reset_hangs_in_suspend, noirq_driver_reset_gen_params),
	KUNIT_CASE_PARAM(noirq_driver_reset_hangs, noirq_driver_reset_gen_params),
	KUNIT_CASE(noirq_reset_in_resume_drains),
	KUNIT_CASE(noirq_reset_completes_in_suspend),
	KUNIT_CASE(noirq_reset_in_resume_state),
#endif
	KUNIT_CASE(noirq_reset_completes_later),
	KUNIT_CASE(noirq_abort_of_live_device),
	KUNIT_CASE(noirq_restore_noirq_of_live_device),
	KUNIT_CASE_PARAM(noirq_restore_of_dead_device, noirq_dead_status_gen_params),
	KUNIT_CASE_PARAM(noirq_restore_of_dead_device_drains, noirq_dead_status_gen_params),
	KUNIT_CASE(noirq_restore_of_dead_device_breaks),
	KUNIT_CASE(noirq_restore_of_broken_queue),
	KUNIT_CASE_SLOW(noirq_restore_of_slow_device),
	KUNIT_CASE_PARAM(noirq_restore_of_dead_undrained_device, noirq_dead_status_gen_params),
	KUNIT_CASE(noirq_undrained_ring_message),
	KUNIT_CASE(noirq_restore_synchronizes_callbacks),
	KUNIT_CASE_PARAM(noirq_restore_state, noirq_bring_up_call_gen_params),
	KUNIT_CASE(noirq_restore_without_restore_noirq),
	KUNIT_CASE(noirq_restore_noirq_order),
	KUNIT_CASE(noirq_restore_noirq_uses_queue),
	KUNIT_CASE_PARAM(noirq_user_before_ready, noirq_bring_up_step_gen_params),
	KUNIT_CASE(noirq_user_before_restore),
	KUNIT_CASE(noirq_user_at_ready),
	KUNIT_CASE(noirq_reset_before_ready),
	KUNIT_CASE(noirq_restore_fills_queue),
	KUNIT_CASE(noirq_restore_keeps_broken),
	KUNIT_CASE(noirq_restore_noirq_creates_queue),
	KUNIT_CASE(noirq_failed_is_kept),
	KUNIT_CASE_PARAM(noirq_failure_is_safe, noirq_failure_gen_params),
	KUNIT_CASE_PARAM(noirq_failure_message, noirq_failure_gen_params),
	KUNIT_CASE_PARAM(noirq_failure_then_restore, noirq_failure_gen_params),
	KUNIT_CASE_PARAM(noirq_failure_then_suspend, noirq_failure_gen_params),
	KUNIT_CASE_PARAM(noirq_failed_reset_state, noirq_failure_gen_params),
	KUNIT_CASE_PARAM(noirq_failure_then_freeze_noirq_fails, noirq_failure_gen_params),
	KUNIT_CASE_PARAM(noirq_failure_then_abort, noirq_failure_gen_params),
	KUNIT_CASE_PARAM(noirq_failure_then_recovery, noirq_failure_gen_params),
	KUNIT_CASE_PARAM(noirq_failure_then_reset_done, noirq_failure_gen_params),
	KUNIT_CASE_PARAM(noirq_failure_then_reset_done_fails, noirq_failure_gen_params),
	KUNIT_CASE_PARAM(noirq_failed_is_kept_after_recovery, noirq_failure_gen_params),
	KUNIT_CASE_PARAM(noirq_failed_is_kept_after_rebind, noirq_failure_gen_params),
	KUNIT_CASE_PARAM(noirq_failure_then_reset_hangs, noirq_failure_gen_params),
	KUNIT_CASE(noirq_restore_noirq_reset_hangs),
	KUNIT_CASE(noirq_frozen_queues_deleted),
	KUNIT_CASE(noirq_restore_noirq_deletes_queues),
	KUNIT_CASE(noirq_restore_noirq_leaves_buffer),
	KUNIT_CASE(noirq_restore_noirq_left_buffer_is_drained),
	KUNIT_CASE(noirq_restore_order),
	KUNIT_CASE(noirq_restore_of_ready_device),
	KUNIT_CASE(noirq_restore_creates_queue),
	KUNIT_CASE(noirq_restore_without_callback),
	KUNIT_CASE(noirq_restore_fails),
	KUNIT_CASE(noirq_restore_fails_in_use),
	KUNIT_CASE(noirq_reset_before_restore),
	KUNIT_CASE(noirq_restore_fails_then_freeze),
	KUNIT_CASE(noirq_restore_fails_then_freeze_deletes_queues),
	KUNIT_CASE(noirq_restore_fails_without_freeze),
	KUNIT_CASE(noirq_restore_fails_then_cycle),
	KUNIT_CASE(noirq_restore_fails_then_abort),
	KUNIT_CASE(noirq_restore_noirq_twice),
	KUNIT_CASE(noirq_suspend_again),
	KUNIT_CASE(noirq_suspend_again_fails),
	KUNIT_CASE_PARAM(noirq_rebind, noirq_condition_gen_params),
	KUNIT_CASE_PARAM(noirq_rebind_then_cycle, noirq_condition_gen_params),
	KUNIT_CASE_PARAM(noirq_remove_state, noirq_condition_gen_params),
	KUNIT_CASE_PARAM(noirq_change_is_deferred, noirq_cycle_call_gen_params),
	KUNIT_CASE(noirq_change_is_deferred_on_abort),
	KUNIT_CASE(noirq_change_on_failed_freeze),
	KUNIT_CASE(noirq_change_waits_for_recovery),
	KUNIT_CASE(noirq_reset_helper),
	KUNIT_CASE_SLOW(noirq_reset_helper_times_out),
	KUNIT_CASE_PARAM(noirq_reset_helper_gives_up, noirq_answer_gen_params),
	KUNIT_CASE_PARAM_ATTR(noirq_reset_helper_of_failed_device, noirq_answer_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_SLOW(noirq_reset_helper_again),
	KUNIT_CASE(noirq_helpers_on_unfit_transport),
	KUNIT_CASE(noirq_ready_again),
	KUNIT_CASE(noirq_add_status_helper),
	{}
};

static struct kunit_suite noirq_suite = {
	.name = "virtio_noirq",
	.init = noirq_init,
	.exit = noirq_exit,
	.test_cases = noirq_cases,
};

kunit_test_suite(noirq_suite);

MODULE_DESCRIPTION("KUnit tests for virtio in the noirq phase of system sleep");
MODULE_LICENSE("GPL");
