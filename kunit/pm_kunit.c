// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for freezing, restoring and resetting a virtio device whose
 * driver does not use the noirq phase of system sleep.
 */
#include "fake_virtio.h"

/* Like most drivers, this one gives its queue up while the device is down. */
static int driver_down(struct virtio_device *vdev, const char *name)
{
	int ret = fake_call(to_fake(vdev), name);

	if (ret)
		return ret;

	virtio_reset_device(vdev);
	fake_del_vqs(vdev);

	return 0;
}

static int driver_up(struct virtio_device *vdev, const char *name)
{
	int ret = fake_call(to_fake(vdev), name);

	return ret ?: driver_create_vq(to_fake(vdev));
}

static int driver_freeze(struct virtio_device *vdev)
{
	return driver_down(vdev, "freeze");
}

static int driver_restore(struct virtio_device *vdev)
{
	return driver_up(vdev, "restore");
}

static int driver_reset_prepare(struct virtio_device *vdev)
{
	return driver_down(vdev, "reset_prepare");
}

static int driver_reset_done(struct virtio_device *vdev)
{
	return driver_up(vdev, "reset_done");
}

static int driver_ready(struct fake_virtio *fake)
{
	fake_call(fake, "ready");
	virtio_device_ready(&fake->vdev);

	return 0;
}

static const struct virtio_driver pm_driver = {
	FAKE_DRIVER,
	.freeze = driver_freeze,
	.restore = driver_restore,
	.reset_prepare = driver_reset_prepare,
	.reset_done = driver_reset_done,
};

static const struct virtio_config_ops pm_config_ops = {
	FAKE_CONFIG_OPS,
};

/* System sleep and a reset of the transport do the same. */
struct pm_path {
	const char *desc;
	int (*down)(struct virtio_device *vdev);
	int (*up)(struct virtio_device *vdev);
	const char *down_name;
	const char *up_name;
	const char *down_calls;
	const char *up_calls;
};

static const struct pm_path pm_paths[] = {
	{
		.desc = "sleep",
		.down = virtio_device_freeze,
		.up = virtio_device_restore,
		.down_name = "freeze",
		.up_name = "restore",
		.down_calls = "freeze reset del_vqs ",
		.up_calls = FAKE_NEGOTIATE "restore find_vqs status=0f ",
	},
	{
		.desc = "reset",
		.down = virtio_device_reset_prepare,
		.up = virtio_device_reset_done,
		.down_name = "reset_prepare",
		.up_name = "reset_done",
		.down_calls = "reset_prepare reset del_vqs ",
		.up_calls = FAKE_NEGOTIATE "reset_done find_vqs status=0f ",
	},
};

KUNIT_ARRAY_PARAM_DESC(pm_path, pm_paths, desc);

/* Test that going down calls the driver and does nothing else. */
static void pm_down_calls_driver(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	KUNIT_EXPECT_EQ(test, path->down(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), path->down_calls);
}

/* Test that an error of the driver on the way down is returned. */
static void pm_down_error_is_returned(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	fake_at(fake, path->down_name, fake_fail);

	KUNIT_EXPECT_EQ(test, path->down(&fake->vdev), -ENXIO);
	KUNIT_EXPECT_EQ(test, fake->status, FAKE_STATUS_LIVE);
}

/* Test that config changes are reported again if the driver cannot go down. */
static void pm_down_error_reports_changes(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	fake_at(fake, path->down_name, fake_fail);
	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), -ENXIO);
	fake_calls(test);

	virtio_config_changed(&fake->vdev);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "config_changed ");
}

/* Test that coming up resets, negotiates, calls the driver, sets DRIVER_OK. */
static void pm_up_order(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, path->up(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), path->up_calls);
}

/* Test that DRIVER_OK is not set again if the driver did so. */
static void pm_up_driver_sets_driver_ok(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);
	fake_at(fake, "find_vqs", driver_ready);

	KUNIT_EXPECT_EQ(test, path->up(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls_from(test, "find_vqs"),
			   "find_vqs ready status=0f ");
}

/* Test that a legacy device is not asked for FEATURES_OK. */
static void pm_up_legacy_device(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	fake->features = 0;
	fake_unbind(fake);
	fake_bind(test, fake);

	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, path->up(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->status,
			FAKE_STATUS_LIVE & ~VIRTIO_CONFIG_S_FEATURES_OK);
}

/* Test that the device gets the features of its last probe. */
static void pm_up_keeps_features(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);
	fake->features |= BIT_ULL(VIRTIO_F_RING_PACKED);

	KUNIT_EXPECT_EQ(test, path->up(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->vdev.features, BIT_ULL(VIRTIO_F_VERSION_1));
}

static void pm_expect_features_lost(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	fake_calls(test);
	KUNIT_EXPECT_EQ(test, path->up(&fake->vdev), -ENODEV);
	KUNIT_EXPECT_STREQ(test, fake_calls(test),
			   "reset status=01 status=03 status=83 ");
}

/* Test that a device does not get features that it no longer offers (2.2.1). */
static void pm_up_features_lost(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);
	fake->lost = BIT_ULL(VIRTIO_F_VERSION_1);
	pm_expect_features_lost(test);

	fake_heal(fake);
	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, path->up(&fake->vdev), 0);
}

/* Test that it does not get those above the first 64, either. */
static void pm_up_extended_features_lost(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	fake->vdev.features_array[VIRTIO_U64(64)] = VIRTIO_BIT(64);
	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);
	pm_expect_features_lost(test);
}

/* Test that a device that had FAILED before it went down has it afterwards. */
static void pm_failed_is_kept(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	virtio_add_status(&fake->vdev, VIRTIO_CONFIG_S_FAILED);
	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, path->up(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->status,
			FAKE_STATUS_LIVE | VIRTIO_CONFIG_S_FAILED);
}

/* Test that FAILED is looked at each time that the device goes down. */
static void pm_failed_is_forgotten(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	virtio_add_status(&fake->vdev, VIRTIO_CONFIG_S_FAILED);
	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);
	KUNIT_ASSERT_EQ(test, path->up(&fake->vdev), 0);

	fake->status &= ~VIRTIO_CONFIG_S_FAILED;
	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, path->up(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->status, FAKE_STATUS_LIVE);
}

static void pm_fail_up(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);
	fake_at(fake, path->up_name, fake_fail);
	KUNIT_ASSERT_EQ(test, path->up(&fake->vdev), -ENXIO);
	fake_heal(fake);
}

static void pm_expect_cycle(struct kunit *test, u8 status)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, path->up(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->status, status);
}

/* Test that FAILED does not stick after a restore that failed. */
static void pm_failed_restore_is_forgotten(struct kunit *test)
{
	pm_fail_up(test);

	pm_expect_cycle(test, FAKE_STATUS_LIVE);
}

/* Test that what the driver said before such a restore is kept over it. */
static void pm_failed_is_kept_over_failed_restore(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	virtio_add_status(&fake->vdev, VIRTIO_CONFIG_S_FAILED);
	pm_fail_up(test);

	pm_expect_cycle(test, FAKE_STATUS_LIVE | VIRTIO_CONFIG_S_FAILED);
}

/* Test that what the driver says after one that went well is kept. */
static void pm_failed_is_kept_after_recovery(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	pm_failed_restore_is_forgotten(test);
	virtio_add_status(&fake->vdev, VIRTIO_CONFIG_S_FAILED);
	pm_expect_cycle(test, FAKE_STATUS_LIVE | VIRTIO_CONFIG_S_FAILED);
}

/* Test that a new driver begins without a failed restore. */
static void pm_failed_is_kept_after_rebind(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	pm_fail_up(test);
	fake_unbind(fake);
	fake_bind(test, fake);
	virtio_add_status(&fake->vdev, VIRTIO_CONFIG_S_FAILED);
	pm_expect_cycle(test, FAKE_STATUS_LIVE | VIRTIO_CONFIG_S_FAILED);
}

/* Test that a change while the device is down is reported once it is up. */
static void pm_change_is_deferred(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);
	virtio_config_changed(&fake->vdev);
	virtio_config_changed(&fake->vdev);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), path->down_calls);

	KUNIT_ASSERT_EQ(test, path->up(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls_from(test, "find_vqs"),
			   "find_vqs status=0f config_changed ");
}

/* Test that a change in the driver's callback on the way up is reported after. */
static void pm_change_waits_for_driver(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);
	fake_calls(test);
	fake_at(fake, path->up_name, fake_signal_change);

	KUNIT_ASSERT_EQ(test, path->up(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls_from(test, "find_vqs"),
			   "find_vqs status=0f config_changed ");
}

/* Test that a device that refuses its features is FAILED, the driver spared. */
static void pm_up_features_refused(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);
	fake_calls(test);
	fake->refused = VIRTIO_CONFIG_S_FEATURES_OK;

	KUNIT_EXPECT_EQ(test, path->up(&fake->vdev), -ENODEV);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), FAKE_NEGOTIATE "status=83 ");
}

/* Test that a failure of the transport is FAILED, and the driver spared. */
static void pm_up_finalize_features_fails(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);
	fake_calls(test);
	fake_at(fake, "finalize_features", fake_fail);

	KUNIT_EXPECT_EQ(test, path->up(&fake->vdev), -ENXIO);
	KUNIT_EXPECT_STREQ(test, fake_calls(test),
			   "reset status=01 status=03 finalize_features status=83 ");
}

/* Test that a driver that cannot come up leaves the device FAILED, not live. */
static void pm_up_driver_fails(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);
	fake_at(fake, path->up_name, fake_fail);

	KUNIT_EXPECT_EQ(test, path->up(&fake->vdev), -ENXIO);
	KUNIT_EXPECT_EQ(test, fake->status,
			FAKE_STATUS_FEATURES_OK | VIRTIO_CONFIG_S_FAILED);
}

/* Test that config changes stay unreported if the driver cannot come up. */
static void pm_up_error_holds_changes(struct kunit *test)
{
	const struct pm_path *path = test->param_value;
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, path->down(&fake->vdev), 0);
	fake_at(fake, path->up_name, fake_fail);
	KUNIT_ASSERT_EQ(test, path->up(&fake->vdev), -ENXIO);
	fake_calls(test);

	virtio_config_changed(&fake->vdev);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
}

/* Test that a driver without freeze can be frozen, and is not reset. */
static void pm_freeze_without_callback(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake->drv.freeze = NULL;

	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
}

/* Test that the device of a driver without restore gets DRIVER_OK. */
static void pm_restore_without_callback(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake->drv.restore = NULL;
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), FAKE_NEGOTIATE "status=0f ");
}

/* Test that a device without a driver is left alone on the way down. */
static void pm_freeze_without_driver(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake_unbind(fake);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
}

/* Test that a device without a driver gets ACKNOWLEDGE and nothing more. */
static void pm_restore_without_driver(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake_unbind(fake);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "reset status=01 ");
}

/* Test that a device that was restored without a driver can be bound. */
static void pm_bind_after_restore(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake_unbind(fake);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&fake->vdev), 0);

	fake_bind(test, fake);
	KUNIT_EXPECT_EQ(test, fake->status, FAKE_STATUS_LIVE);
}

/* Test that a transport reset needs a driver that knows of it. */
static void pm_reset_without_callbacks(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake->drv.reset_prepare = NULL;
	fake->drv.reset_done = NULL;

	KUNIT_EXPECT_EQ(test, virtio_device_reset_prepare(&fake->vdev), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, virtio_device_reset_done(&fake->vdev), -EOPNOTSUPP);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
}

/* Test that a transport reset needs a driver. */
static void pm_reset_without_driver(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake_unbind(fake);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_reset_prepare(&fake->vdev), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, virtio_device_reset_done(&fake->vdev), -EOPNOTSUPP);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
}

static int pm_init(struct kunit *test)
{
	fake_virtio_init(test, &pm_config_ops, &pm_driver);

	return 0;
}

static struct kunit_case pm_cases[] = {
	KUNIT_CASE_PARAM(pm_down_calls_driver, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_down_error_is_returned, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_down_error_reports_changes, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_up_order, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_up_driver_sets_driver_ok, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_up_legacy_device, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_up_keeps_features, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_up_features_lost, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_up_extended_features_lost, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_failed_is_kept, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_failed_is_forgotten, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_failed_restore_is_forgotten, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_failed_is_kept_over_failed_restore, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_failed_is_kept_after_recovery, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_failed_is_kept_after_rebind, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_change_is_deferred, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_change_waits_for_driver, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_up_features_refused, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_up_finalize_features_fails, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_up_driver_fails, pm_path_gen_params),
	KUNIT_CASE_PARAM(pm_up_error_holds_changes, pm_path_gen_params),
	KUNIT_CASE(pm_freeze_without_callback),
	KUNIT_CASE(pm_restore_without_callback),
	KUNIT_CASE(pm_freeze_without_driver),
	KUNIT_CASE(pm_restore_without_driver),
	KUNIT_CASE(pm_bind_after_restore),
	KUNIT_CASE(pm_reset_without_callbacks),
	KUNIT_CASE(pm_reset_without_driver),
	{}
};

static struct kunit_suite pm_suite = {
	.name = "virtio_pm",
	.init = pm_init,
	.test_cases = pm_cases,
};

kunit_test_suite(pm_suite);

MODULE_DESCRIPTION("KUnit tests for virtio system sleep and reset");
MODULE_LICENSE("GPL");
