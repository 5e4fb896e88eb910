// SPDX-License-Identifier: GPL-2.0
/*
 * Test changes of the device's configuration while the system sleeps. The host
 * has to make them: it reads the console, and gives the disk another size where
 * the kernel logs "host: resize <sectors>".
 *
 * Environment, beside that of the fixture:
 * VIRTIO_NOIRQ_HOST=1	there is such a host
 */

#include "virtio_noirq_fixture.h"

#define MORE_SECTORS	2048

static const char no_host[] =
	"needs a host that resizes the disk, and VIRTIO_NOIRQ_HOST=1";

static bool has_host(void)
{
	return env_number("VIRTIO_NOIRQ_HOST", 0);
}

/* A sleep in which the host resizes the disk, once. */
static void sleep_and_resize(struct __test_metadata *const _metadata,
			     const struct test_env *env, const char *who,
			     const char *knob, unsigned int changes)
{
	static const char *const log[] = { ": host: resize ", NULL };
	const char *device = env->devices[0];
	unsigned long long sectors = device_number(device, "capacity") +
				     MORE_SECTORS;

	ASSERT_EQ(0, set_device_number(who, knob, sectors));
	sleep_expecting(_metadata, env, 0, "success", log);
	EXPECT_EQ(changes, device_number(device, "config_changes"));
	EXPECT_EQ(0, device_number(device, "config_too_early"));
	EXPECT_EQ(sectors, device_number(device, "capacity"));

	check_cycles(_metadata, env, SHORT_CYCLES);
	EXPECT_EQ(changes, device_number(device, "config_changes"));
	check_answers(_metadata, env);
}

/* Test that a change signalled before the reset is reported once, afterwards. */
TEST_F_TIMEOUT(noirq, change_before_reset, TIMEOUT_SEC)
{
	if (!has_host())
		SKIP(return, "%s", no_host);

	sleep_and_resize(_metadata, &self->env, self->env.devices[0],
			 "fault/resize_in_freeze", 1);
}

/*
 * Test that a reset takes a signal with it for which interrupts were off, but for
 * a message, which waits in the interrupt controller.
 */
TEST_F_TIMEOUT(noirq, change_before_reset_in_noirq, TIMEOUT_SEC)
{
	if (!has_host())
		SKIP(return, "%s", no_host);

	ASSERT_EQ(0, load_peers(&self->env, "resume_only=1"));
	sleep_and_resize(_metadata, &self->env, CONSUMER,
			 "resize_in_suspend_noirq", has_msi(&self->env));
}

/* Test that a change while the device is reset is not signalled, but read. */
TEST_F_TIMEOUT(noirq, change_while_reset, TIMEOUT_SEC)
{
	if (!has_host())
		SKIP(return, "%s", no_host);

	ASSERT_EQ(0, load_peers(&self->env, "resume_only=1"));
	sleep_and_resize(_metadata, &self->env, SUPPLIER,
			 "resize_in_suspend_noirq", 0);
}

TEST_HARNESS_MAIN
