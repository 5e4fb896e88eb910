// SPDX-License-Identifier: GPL-2.0
/*
 * Test a consumer that reads from a virtio device in its own callbacks of the
 * late, noirq and early phases: on a provider with noirq callbacks, to which it
 * has a device link, it can; on one without, it cannot.
 */

#include <errno.h>
#include <limits.h>

#include "virtio_noirq_fixture.h"

#define PM_ASYNC	"/sys/power/pm_async"

/* Switches asynchronous suspend and resume of a device. */
static int set_async(const char *device, const char *state)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/%s/power/async", device);
	return write_file(path, state);
}

static void set_async_all(struct __test_metadata *const _metadata,
			  const struct test_env *env, const char *state)
{
	char virtio[64], parent[80];

	snprintf(virtio, sizeof(virtio), "virtio/devices/%s", env->devices[0]);
	snprintf(parent, sizeof(parent), "%s/..", virtio);
	ASSERT_EQ(0, set_async(virtio, state));
	ASSERT_EQ(0, set_async(parent, state));
	ASSERT_EQ(0, set_async("platform/devices/" CONSUMER, state));
	ASSERT_EQ(0, set_async("platform/devices/" SUPPLIER, state));
}

/* What the consumer read in one of its callbacks, in so many cycles. */
static void check_phase(struct __test_metadata *const _metadata,
			const char *phase, unsigned int requests,
			unsigned int noirq_requests, unsigned int errors)
{
	char name[64];

	snprintf(name, sizeof(name), "%s/requests", phase);
	EXPECT_EQ(requests, device_number(CONSUMER, name));
	snprintf(name, sizeof(name), "%s/noirq_requests", phase);
	EXPECT_EQ(noirq_requests, device_number(CONSUMER, name));
	snprintf(name, sizeof(name), "%s/errors", phase);
	EXPECT_EQ(errors, device_number(CONSUMER, name));
	snprintf(name, sizeof(name), "%s/mismatches", phase);
	EXPECT_EQ(0, device_number(CONSUMER, name));
}

static void check_consumer(struct __test_metadata *const _metadata,
			   const struct test_env *env, const char *async)
{
	unsigned int all = SHORT_CYCLES * REQUESTS;

	ASSERT_EQ(0, load_peers(env, ""));
	set_async_all(_metadata, env, async);
	check_cycles(_metadata, env, SHORT_CYCLES);

	check_phase(_metadata, "suspend_late", all, 0, 0);
	check_phase(_metadata, "suspend_noirq", all, all, 0);
	check_phase(_metadata, "resume_noirq", all, all, 0);
	check_phase(_metadata, "resume_early", all, 0, 0);
	check_answers(_metadata, env);
	set_async_all(_metadata, env, "disabled");
}

/* Test a consumer where devices are suspended and resumed one by one. */
TEST_F_TIMEOUT(noirq, consumer, TIMEOUT_SEC)
{
	check_consumer(_metadata, &self->env, "disabled");
}

/* Test a consumer where the link alone says what comes first. */
TEST_F_TIMEOUT(noirq, consumer_async, TIMEOUT_SEC)
{
	check_consumer(_metadata, &self->env, "enabled");
}

/* Test a consumer on a system that has asynchronous suspend switched off. */
TEST_F_TIMEOUT(noirq, consumer_pm_async_off, TIMEOUT_SEC)
{
	ASSERT_EQ(0, write_file(PM_ASYNC, "0"));
	check_consumer(_metadata, &self->env, "enabled");
	EXPECT_EQ(0, write_file(PM_ASYNC, "1"));
}

/* Test that the provider is not there for resume on the normal path. */
TEST_F_TIMEOUT(noirq, no_resume_on_normal_path, TIMEOUT_SEC)
{
	static const char *const log[] = {
		"vnp_resume_noirq [virtio_noirq_peers] returns -5",
		CONSUMER ": PM: failed to resume noirq: error -5",
		"vnp_resume_early [virtio_noirq_peers] returns -5",
		CONSUMER ": PM: failed to resume early: error -5",
		NULL
	};

	ASSERT_EQ(0, bind_devices(&self->env, NOIRQ_DRIVER, NORMAL_DRIVER));
	ASSERT_EQ(0, load_peers(&self->env, "resume_only=1"));
	sleep_expecting(_metadata, &self->env, 0,
			"success failed_resume_early failed_resume_noirq", log);

	check_phase(_metadata, "resume_noirq", 0, 0, REQUESTS);
	check_phase(_metadata, "resume_early", 0, 0, REQUESTS);
	check_answers(_metadata, &self->env);
}

/* Test that the provider is gone in the late phase of suspend on that path. */
TEST_F_TIMEOUT(noirq, no_suspend_on_normal_path, TIMEOUT_SEC)
{
	static const char *const log[] = {
		"vnp_suspend_late [virtio_noirq_peers] returns -5",
		CONSUMER ": PM: failed to suspend late: error -5",
		"PM: late suspend of devices failed",
		NULL
	};

	ASSERT_EQ(0, bind_devices(&self->env, NOIRQ_DRIVER, NORMAL_DRIVER));
	ASSERT_EQ(0, load_peers(&self->env, ""));
	sleep_expecting(_metadata, &self->env, -EIO, "fail failed_suspend_late",
			log);

	check_phase(_metadata, "suspend_late", 0, 0, REQUESTS);
	check_answers(_metadata, &self->env);
}

TEST_HARNESS_MAIN
