// SPDX-License-Identifier: GPL-2.0
/*
 * Test devices whose interrupt wakes the system ("wakeup-source" in the device
 * tree): to use them in the noirq phase does not end the sleep, as long as the
 * driver polls with callbacks off. On PCI no interrupt of a device wakes.
 */

#include <limits.h>
#include <unistd.h>

#include "virtio_noirq_fixture.h"

/* Whether the interrupts of all devices wake the system, if any do on this bus. */
static bool can_wake(const struct test_env *env)
{
	char path[PATH_MAX];
	unsigned int i;

	for (i = 0; i < env->ndevices && !on_pci(env); i++) {
		snprintf(path, sizeof(path),
			 "/sys/bus/virtio/devices/%s/../of_node/wakeup-source",
			 env->devices[i]);
		if (access(path, F_OK))
			return false;
	}
	return true;
}

/* Test that the kernel says that such a device does not wake the system. */
TEST_F_TIMEOUT(noirq, warns, TIMEOUT_SEC)
{
	static const char *const log[] = {
		"cannot wake the system: it is reset before the system sleeps",
		NULL
	};

	if (!can_wake(&self->env))
		SKIP(return, "no wakeup-source in the device tree");

	EXPECT_EQ(0, count_log_complaints(self->env.log,
					  on_pci(&self->env) ? NULL : log));
}

/*
 * Test requests of the driver and of a consumer, in suspend and resume, on
 * devices that have interrupted before.
 */
TEST_F_TIMEOUT(noirq, polling_does_not_wake, TIMEOUT_SEC)
{
	if (!can_wake(&self->env))
		SKIP(return, "no wakeup-source in the device tree");

	ASSERT_EQ(0, load_peers(&self->env, ""));
	check_answers(_metadata, &self->env);
	check_cycles(_metadata, &self->env, self->env.cycles);
	EXPECT_EQ(self->env.cycles * self->env.ndevices,
		  sum_of(&self->env, "suspend/noirq_requests"));
	EXPECT_EQ(self->env.cycles * REQUESTS,
		  device_number(CONSUMER, "suspend_noirq/noirq_requests"));
	check_answers(_metadata, &self->env);
}

/* Test that such a device does end the sleep with callbacks on; not on PCI. */
TEST_F_TIMEOUT(noirq, callbacks_wake, TIMEOUT_SEC)
{
	time_t alarm = rtc_now(self->env.rtc) + self->env.sleep_sec;

	if (!can_wake(&self->env))
		SKIP(return, "no wakeup-source in the device tree");

	ASSERT_EQ(0, set_all(&self->env, "fault/keep_callbacks", 1));
	sleep_expecting(_metadata, &self->env, 0, "success", NULL);
	EXPECT_EQ(on_pci(&self->env), rtc_now(self->env.rtc) >= alarm);

	ASSERT_EQ(0, set_all(&self->env, "fault/keep_callbacks", 0));
	check_answers(_metadata, &self->env);
	check_cycles(_metadata, &self->env, SHORT_CYCLES);
}

TEST_HARNESS_MAIN
