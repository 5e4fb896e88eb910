// SPDX-License-Identifier: GPL-2.0
/*
 * Test devices that do not come back from sleep, and drivers that leave them in
 * a state from which they cannot: nobody waits for such a device, and it works
 * again after the next sleep or when its driver was bound again.
 */

#include <errno.h>
#include <time.h>

#include "virtio_noirq_fixture.h"

#define NSEC_PER_SEC	1000000000ULL

/* A sleep with a restore_noirq() that fails. */
static void fail_restore_noirq(struct __test_metadata *const _metadata,
			       const struct test_env *env, const char *fault)
{
	static const char *const log[] = {
		"restore_noirq failed: -",
		"_noirq returns -5",
		"noirq: error -5",
		"_pm_resume returns -5",
		": error -5",
		NULL
	};

	ASSERT_EQ(0, set_device_number(env->devices[0], fault, 1));
	sleep_expecting(_metadata, env, 0,
			"success failed_resume failed_resume_noirq", log);
}

/* The device refuses requests at once. */
static void check_refuses(struct __test_metadata *const _metadata,
			  const struct test_env *env)
{
	struct timespec start, end;

	clock_gettime(CLOCK_MONOTONIC, &start);
	EXPECT_EQ(-EIO, set_device_number(env->devices[0], "read", REQUESTS));
	clock_gettime(CLOCK_MONOTONIC, &end);
	EXPECT_GT(NSEC_PER_SEC, (end.tv_sec - start.tv_sec) * NSEC_PER_SEC +
				end.tv_nsec - start.tv_nsec);
}

/* The next sleep brings the device up. */
static void check_recovers(struct __test_metadata *const _metadata,
			   const struct test_env *env)
{
	check_cycles(_metadata, env, SHORT_CYCLES);
	check_answers(_metadata, env);
}

/* Test that a device whose restore_noirq() failed at its start recovers. */
TEST_F_TIMEOUT(noirq, restore_noirq_fails_early, TIMEOUT_SEC)
{
	fail_restore_noirq(_metadata, &self->env, "fault/restore_noirq_early");
	check_refuses(_metadata, &self->env);
	check_recovers(_metadata, &self->env);
}

/* Test the same after restore_noirq() used the device. */
TEST_F_TIMEOUT(noirq, restore_noirq_fails_late, TIMEOUT_SEC)
{
	fail_restore_noirq(_metadata, &self->env, "fault/restore_noirq_late");
	check_refuses(_metadata, &self->env);
	check_recovers(_metadata, &self->env);
}

/* Test that it works when its driver was bound again. */
TEST_F_TIMEOUT(noirq, restore_noirq_fails_rebind, TIMEOUT_SEC)
{
	fail_restore_noirq(_metadata, &self->env, "fault/restore_noirq_early");
	ASSERT_EQ(0, bind_devices(&self->env, NOIRQ_DRIVER, NOIRQ_DRIVER));
	check_answers(_metadata, &self->env);
	check_recovers(_metadata, &self->env);
}

/* Test that a next attempt, aborted before the noirq phase, does not forget. */
TEST_F_TIMEOUT(noirq, restore_noirq_fails_then_abort, TIMEOUT_SEC)
{
	static const char *const log[] = {
		"_pm_resume returns -5",
		": error -5",
		NULL
	};

	fail_restore_noirq(_metadata, &self->env, "fault/restore_noirq_late");
	sleep_up_to(_metadata, &self->env, "devices", "success failed_resume",
		    log);
	check_refuses(_metadata, &self->env);
	check_recovers(_metadata, &self->env);
}

/* Test that a buffer left in freeze_noirq() aborts the sleep and is not lost. */
TEST_F_TIMEOUT(noirq, buffer_outstanding, TIMEOUT_SEC)
{
	static const char *const log[] = {
		"descriptors of queue 0 (requests) in use in freeze_noirq",
		"_noirq returns -16",
		"noirq: error -16",
		"PM: noirq suspend of devices failed",
		NULL
	};
	const char *device = self->env.devices[0];

	ASSERT_EQ(0, set_device_number(device, "fault/leave_buffer", 1));
	sleep_expecting(_metadata, &self->env, -EBUSY,
			"fail failed_suspend_noirq", log);
	EXPECT_EQ(1, device_number(device, "running/requests"));
	EXPECT_EQ(0, device_number(device, "resume/requests"));
	check_answers(_metadata, &self->env);
	check_recovers(_metadata, &self->env);
}

/*
 * A sleep of a device that answers each reset with @status, one of the numbers
 * that are in the log, and that takes @seconds at most in all. The system does
 * sleep: what the device may still write to is its own.
 */
static void sleep_dead(struct __test_metadata *const _metadata,
		       const struct test_env *env, unsigned int status,
		       const char *message, time_t seconds)
{
	const char *const log[] = {
		message,
		"_noirq returns -110",
		"noirq: error -110",
		"_pm_resume returns -5",
		": error -5",
		NULL
	};
	struct timespec start, end;

	ASSERT_EQ(0, set_device_number(env->devices[0], "fault/reset_status", status));
	clock_gettime(CLOCK_BOOTTIME, &start);
	sleep_expecting(_metadata, env, 0,
			"success failed_resume failed_resume_noirq", log);
	clock_gettime(CLOCK_BOOTTIME, &end);
	EXPECT_GE(env->sleep_sec + seconds, end.tv_sec - start.tv_sec);
	check_refuses(_metadata, env);
}

/* Test that nobody waits for a device that answers a reset with FAILED. */
TEST_F_TIMEOUT(noirq, reset_answers_failed, TIMEOUT_SEC)
{
	sleep_dead(_metadata, &self->env, 0x8f, "reset not complete, status 0x8f", 2);
	ASSERT_EQ(0, set_device_number(self->env.devices[0], "fault/reset_status", 0));
	check_recovers(_metadata, &self->env);
}

/* Test that one that never completes it is waited for once, and not for long. */
TEST_F_TIMEOUT(noirq, reset_never_completes, TIMEOUT_SEC)
{
	sleep_dead(_metadata, &self->env, 0x0f, "reset not complete, status 0x0f", 7);
	sleep_dead(_metadata, &self->env, 0x0f, "reset not complete, status 0x0f", 2);
	ASSERT_EQ(0, set_device_number(self->env.devices[0], "fault/reset_status", 0));
	check_recovers(_metadata, &self->env);
}

TEST_HARNESS_MAIN
