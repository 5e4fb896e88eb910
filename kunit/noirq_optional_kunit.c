// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for a virtio driver with noirq callbacks that can do without the
 * noirq phase of system sleep.
 */
#include "fake_noirq.h"

#define OPTIONAL_DOWN	"freeze freeze_noirq reset "
#define OPTIONAL_UP	FAKE_NEGOTIATE \
			"reset_vqs restore_noirq restore status=0f "
#define OPTIONAL_DOWN_WITHOUT	"freeze reset del_vqs "
#define OPTIONAL_UP_WITHOUT	FAKE_NEGOTIATE "restore find_vqs status=0f "

static u64 optional_log_start;

/* What a driver that can do without does. */
static int driver_probe_optional(struct virtio_device *vdev)
{
	if (!virtio_device_supports_noirq(vdev))
		virtio_noirq_opt_out(vdev);

	return driver_probe(vdev);
}

/* Without the noirq phase this driver gives its queue up, as most others do. */
static int driver_freeze(struct virtio_device *vdev)
{
	int ret = fake_call(to_fake(vdev), "freeze");

	if (ret || virtio_device_uses_noirq(vdev))
		return ret;

	virtio_reset_device(vdev);
	fake_del_vqs(vdev);

	return 0;
}

static int driver_restore(struct virtio_device *vdev)
{
	int ret = fake_call(to_fake(vdev), "restore");

	if (ret || virtio_device_uses_noirq(vdev))
		return ret;

	return driver_create_vq(to_fake(vdev));
}

static int driver_freeze_noirq(struct virtio_device *vdev)
{
	return fake_call(to_fake(vdev), "freeze_noirq");
}

static int driver_restore_noirq(struct virtio_device *vdev)
{
	return fake_call(to_fake(vdev), "restore_noirq");
}

static const struct virtio_driver optional_driver = {
	.driver.name = KBUILD_MODNAME,
	.id_table = fake_id_table,
	.probe = driver_probe_optional,
	.remove = driver_remove,
	.config_changed = driver_config_changed,
	.freeze = driver_freeze,
	.restore = driver_restore,
	.freeze_noirq = driver_freeze_noirq,
	.restore_noirq = driver_restore_noirq,
};

static const struct virtio_config_ops optional_config_ops = {
	FAKE_NOIRQ_CONFIG_OPS,
};

/* Each of these lacks something. */
struct optional_transport {
	const char *desc;
	struct virtio_config_ops config;
};

static const struct optional_transport optional_transports[] = {
	{ "nothing", { FAKE_CONFIG_OPS } },
	{ "unsafe", { FAKE_CONFIG_OPS, .reset_vqs = fake_reset_vqs } },
	{ "no_reset_vqs", { FAKE_CONFIG_OPS, .noirq_safe = true } },
};

KUNIT_ARRAY_PARAM_DESC(optional_transport, optional_transports, desc);

/* The device is on the transport of the parameter, which has no support. */
static struct fake_virtio *optional_without(struct kunit *test)
{
	const struct optional_transport *transport = test->param_value;
	struct fake_virtio *fake = test->priv;

	fake_unbind(fake);
	fake->vdev.config = &transport->config;
	fake_bind(test, fake);

	return fake;
}

static void optional_expect_works(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_EXPECT_EQ(test, fake->status, FAKE_STATUS_LIVE);
	KUNIT_EXPECT_EQ(test, fake_add_buffer(fake), 0);
	fake_drain(fake);
}

/* Test that a driver which can do without uses the noirq phase if it is there. */
static void optional_cycle_with_support(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), OPTIONAL_DOWN);

	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), OPTIONAL_UP);
	optional_expect_works(test);
}

/* Test that freeze is refused with support, too, when a ring is not drained. */
static void optional_undrained_with_support(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_ASSERT_EQ(test, fake_add_buffer(fake), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), -EBUSY);
	fake_drain(fake);
}

/* Test that without support the device goes down and up in the normal phase. */
static void optional_cycle_without_support(struct kunit *test)
{
	struct fake_virtio *fake = optional_without(test);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), OPTIONAL_DOWN_WITHOUT);

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), OPTIONAL_UP_WITHOUT);
	optional_expect_works(test);
}

/* Test that without support nothing happens in the noirq phase. */
static void optional_noirq_without_support(struct kunit *test)
{
	struct fake_virtio *fake = optional_without(test);

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake_calls(test);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_NONE);
	KUNIT_EXPECT_EQ(test, virtio_device_restore_noirq(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->vdev.noirq_state, VIRTIO_NOIRQ_NONE);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");

	KUNIT_EXPECT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	optional_expect_works(test);
}

/* Test that without support the driver may keep its device as it is. */
static void optional_undrained_without_support(struct kunit *test)
{
	struct fake_virtio *fake = optional_without(test);

	fake_at(fake, "freeze", fake_add_buffer);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze_noirq(&fake->vdev), 0);
}

/* Test that the system can sleep, and nobody is told about the transport. */
static void optional_without_support_is_silent(struct kunit *test)
{
	struct fake_virtio *fake = optional_without(test);

	KUNIT_ASSERT_EQ(test, fake->drv.driver.pm->prepare(&fake->vdev.dev), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);

	KUNIT_EXPECT_EQ(test, kernel_log_count(optional_log_start, "does not support"), 0);
}

/* Test that without support config changes wait for restore, and come then. */
static void optional_change_without_support(struct kunit *test)
{
	struct fake_virtio *fake = optional_without(test);

	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&fake->vdev), 0);
	fake_calls(test);

	virtio_config_changed(&fake->vdev);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls_from(test, "status=0f "),
			   "status=0f config_changed ");
}

/* Test that an error of freeze without support is returned. */
static void optional_freeze_fails_without_support(struct kunit *test)
{
	struct fake_virtio *fake = optional_without(test);

	fake_at(fake, "freeze", fake_fail);

	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&fake->vdev), -ENXIO);
	optional_expect_works(test);
}

/* Test that a driver is told whether there is support, whatever is missing. */
static void optional_support(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_EXPECT_TRUE(test, virtio_device_supports_noirq(&fake->vdev));
	KUNIT_EXPECT_TRUE(test, virtio_device_uses_noirq(&fake->vdev));
	optional_without(test);
	KUNIT_EXPECT_FALSE(test, virtio_device_supports_noirq(&fake->vdev));
	KUNIT_EXPECT_FALSE(test, virtio_device_uses_noirq(&fake->vdev));
}

/* Test that the choice ends when the driver is unbound. */
static void optional_choice_is_forgotten(struct kunit *test)
{
	struct fake_virtio *fake = optional_without(test);

	fake_unbind(fake);
	fake->vdev.config = &optional_config_ops;
	fake_bind(test, fake);

	KUNIT_EXPECT_TRUE(test, virtio_device_uses_noirq(&fake->vdev));
}

/* Test that a device without a driver does not use what it has not. */
static void optional_no_driver(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	fake_unbind(fake);

	KUNIT_EXPECT_FALSE(test, virtio_device_uses_noirq(&fake->vdev));
}

static int optional_init(struct kunit *test)
{
	optional_log_start = kernel_log_end();
	fake_virtio_init(test, &optional_config_ops, &optional_driver);

	return 0;
}

/* In each test: no DRIVER_OK for a device without its features and queues. */
static void optional_exit(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	KUNIT_EXPECT_FALSE(test, fake->premature);
}

static struct kunit_case optional_cases[] = {
	KUNIT_CASE(optional_cycle_with_support),
	KUNIT_CASE(optional_undrained_with_support),
	KUNIT_CASE_PARAM(optional_cycle_without_support, optional_transport_gen_params),
	KUNIT_CASE_PARAM(optional_noirq_without_support, optional_transport_gen_params),
	KUNIT_CASE_PARAM(optional_undrained_without_support, optional_transport_gen_params),
	KUNIT_CASE_PARAM(optional_without_support_is_silent, optional_transport_gen_params),
	KUNIT_CASE_PARAM(optional_change_without_support, optional_transport_gen_params),
	KUNIT_CASE_PARAM(optional_freeze_fails_without_support, optional_transport_gen_params),
	KUNIT_CASE_PARAM(optional_support, optional_transport_gen_params),
	KUNIT_CASE_PARAM(optional_choice_is_forgotten, optional_transport_gen_params),
	KUNIT_CASE(optional_no_driver),
	{}
};

static struct kunit_suite optional_suite = {
	.name = "virtio_noirq_optional",
	.init = optional_init,
	.exit = optional_exit,
	.test_cases = optional_cases,
};

kunit_test_suite(optional_suite);

MODULE_DESCRIPTION("KUnit tests for virtio drivers that can do without the noirq phase");
MODULE_LICENSE("GPL");
