// SPDX-License-Identifier: GPL-2.0
/*
 * Test that attempts to sleep which are aborted, at each point from before
 * freeze() to after freeze_noirq(), leave the devices as they were: they answer,
 * their data is right, and the next sleeps pass.
 */

#include <errno.h>

#include "virtio_noirq_fixture.h"

#define NEXT_CYCLES	10

/* Lines of the PM core */
#define LOG_SUSPEND	"PM: Some devices failed to suspend, or early wake event detected"
#define LOG_NOIRQ	"PM: noirq suspend of devices failed"

static const char *const log_suspend[] = { LOG_SUSPEND, NULL };

/* What follows an attempt to sleep. */
static void check_recovery(struct __test_metadata *const _metadata,
			   const struct test_env *env)
{
	check_answers(_metadata, env);
	check_cycles(_metadata, env, NEXT_CYCLES);
}

/* Has a neighbour of the first device do something when the system suspends. */
static void set_peer(struct __test_metadata *const _metadata,
		     const struct test_env *env, const char *peer,
		     const char *knob)
{
	ASSERT_EQ(0, load_peers(env, "resume_only=1"));
	ASSERT_EQ(0, set_device_number(peer, knob, 1));
}

/* Test that nothing happens if only processes are frozen. */
TEST_F_TIMEOUT(noirq, pm_test_freezer, TIMEOUT_SEC)
{
	sleep_up_to(_metadata, &self->env, "freezer", "success", NULL);
	EXPECT_EQ(0, sum_of(&self->env, "freezes"));
	check_recovery(_metadata, &self->env);
}

/* Test that restore() is enough after freeze() without a noirq phase. */
TEST_F_TIMEOUT(noirq, pm_test_devices, TIMEOUT_SEC)
{
	sleep_up_to(_metadata, &self->env, "devices", "success", NULL);
	EXPECT_EQ(self->env.ndevices, sum_of(&self->env, "freezes"));
	EXPECT_EQ(0, sum_of(&self->env, "resume/requests"));
	check_recovery(_metadata, &self->env);
}

/* Test that devices are brought up after a noirq phase without a sleep. */
TEST_F_TIMEOUT(noirq, pm_test_platform, TIMEOUT_SEC)
{
	sleep_up_to(_metadata, &self->env, "platform", "success", NULL);
	EXPECT_EQ(self->env.ndevices * REQUESTS,
		  sum_of(&self->env, "resume/noirq_requests"));
	check_recovery(_metadata, &self->env);
}

/* Test a wakeup event before any device was frozen. */
TEST_F_TIMEOUT(noirq, wakeup_in_prepare, TIMEOUT_SEC)
{
	set_peer(_metadata, &self->env, SUPPLIER, "wakeup_in_prepare");
	sleep_expecting(_metadata, &self->env, -EBUSY, "fail failed_suspend",
			log_suspend);
	EXPECT_EQ(0, device_number(self->env.devices[0], "freezes"));
	check_recovery(_metadata, &self->env);
}

/* Test a wakeup event after freeze(). */
TEST_F_TIMEOUT(noirq, wakeup_in_suspend, TIMEOUT_SEC)
{
	set_peer(_metadata, &self->env, SUPPLIER, "wakeup_in_suspend");
	sleep_expecting(_metadata, &self->env, -EBUSY, "fail failed_suspend",
			log_suspend);
	EXPECT_EQ(1, device_number(self->env.devices[0], "freezes"));
	EXPECT_EQ(0, device_number(self->env.devices[0], "suspend/requests"));
	check_recovery(_metadata, &self->env);
}

/* Test that a wakeup event in the noirq phase ends the sleep at once. */
TEST_F_TIMEOUT(noirq, wakeup_in_suspend_noirq, TIMEOUT_SEC)
{
	time_t alarm = rtc_now(self->env.rtc) + self->env.sleep_sec;

	set_peer(_metadata, &self->env, SUPPLIER, "wakeup_in_suspend_noirq");
	sleep_expecting(_metadata, &self->env, 0, "success", NULL);
	EXPECT_GT(alarm, rtc_now(self->env.rtc));
	EXPECT_EQ(self->env.ndevices * REQUESTS,
		  sum_of(&self->env, "resume/noirq_requests"));
	check_recovery(_metadata, &self->env);
}

/* Test another device's failure before freeze_noirq(). */
TEST_F_TIMEOUT(noirq, consumer_fails_suspend_noirq, TIMEOUT_SEC)
{
	static const char *const log[] = {
		"vnp_suspend_noirq [virtio_noirq_peers] returns -5",
		CONSUMER ": PM: failed to suspend noirq: error -5",
		LOG_NOIRQ,
		NULL
	};

	set_peer(_metadata, &self->env, CONSUMER, "fail_suspend_noirq");
	sleep_expecting(_metadata, &self->env, -EIO, "fail failed_suspend_noirq",
			log);
	EXPECT_EQ(0, device_number(self->env.devices[0], "suspend/requests"));
	EXPECT_EQ(0, device_number(self->env.devices[0], "resume/requests"));
	check_recovery(_metadata, &self->env);
}

/* Test another device's failure after freeze_noirq(). */
TEST_F_TIMEOUT(noirq, supplier_fails_suspend_noirq, TIMEOUT_SEC)
{
	static const char *const log[] = {
		"vnp_suspend_noirq [virtio_noirq_peers] returns -5",
		SUPPLIER ": PM: failed to suspend noirq: error -5",
		LOG_NOIRQ,
		NULL
	};

	set_peer(_metadata, &self->env, SUPPLIER, "fail_suspend_noirq");
	sleep_expecting(_metadata, &self->env, -EIO, "fail failed_suspend_noirq",
			log);
	EXPECT_EQ(1, device_number(self->env.devices[0], "suspend/requests"));
	EXPECT_EQ(REQUESTS, device_number(self->env.devices[0],
					  "resume/noirq_requests"));
	check_recovery(_metadata, &self->env);
}

static const char *const log_freeze_noirq[] = {
	"_noirq returns -5",
	"noirq: error -5",
	LOG_NOIRQ,
	NULL
};

/* Test that nothing is lost if freeze_noirq() fails at its start. */
TEST_F_TIMEOUT(noirq, freeze_noirq_fails_early, TIMEOUT_SEC)
{
	const char *device = self->env.devices[0];

	ASSERT_EQ(0, set_device_number(device, "fault/freeze_noirq_early", 1));
	sleep_expecting(_metadata, &self->env, -EIO, "fail failed_suspend_noirq",
			log_freeze_noirq);
	EXPECT_EQ(0, device_number(device, "resume/requests"));
	check_recovery(_metadata, &self->env);
}

/* Test that a device which freeze_noirq() has reset is brought up at once. */
TEST_F_TIMEOUT(noirq, freeze_noirq_fails_late, TIMEOUT_SEC)
{
	const char *device = self->env.devices[0];

	ASSERT_EQ(0, set_device_number(device, "fault/freeze_noirq_late", 1));
	sleep_expecting(_metadata, &self->env, -EIO, "fail failed_suspend_noirq",
			log_freeze_noirq);
	EXPECT_EQ(REQUESTS, device_number(device, "resume/noirq_requests"));
	check_recovery(_metadata, &self->env);
}

/* Test that a transport without noirq support is refused before freeze(). */
TEST_F_TIMEOUT(noirq, transport_without_noirq, TIMEOUT_SEC)
{
	char refusal[256];
	const char *const log[] = {
		refusal,
		"virtio_noirq_prepare returns -95",
		LOG_SUSPEND,
		NULL
	};
	const char *device = self->env.devices[0];

	snprintf(refusal, sizeof(refusal),
		 "driver virtio_noirq_test needs the noirq phase of system sleep, which transport %s does not support; the system cannot sleep until the driver is unbound",
		 self->env.transport);
	ASSERT_EQ(0, set_device_number(device, "fault/unsafe_transport", 1));
	sleep_expecting(_metadata, &self->env, -EOPNOTSUPP,
			"fail failed_prepare", log);
	EXPECT_EQ(0, device_number(device, "freezes"));
	check_answers(_metadata, &self->env);

	ASSERT_EQ(0, set_device_number(device, "fault/unsafe_transport", 0));
	check_recovery(_metadata, &self->env);
}

TEST_HARNESS_MAIN
