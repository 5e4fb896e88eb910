// SPDX-License-Identifier: GPL-2.0
/*
 * Test devices on PCI that are unplugged when the system sleeps, and plugged in again:
 * what is behind an IOMMU has no domain meanwhile.
 */

#include <errno.h>
#include <limits.h>

#include "virtio_noirq_fixture.h"

static int unplug(const char *device)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/virtio/devices/%s/../remove", device);
	return write_file(path, "1");
}

/* Test that a device that was unplugged over a sleep works when it is back. */
TEST_F_TIMEOUT(noirq, unplugged_over_sleep, TIMEOUT_SEC)
{
	struct test_env *env = &self->env;
	unsigned int i, ndevices = env->ndevices;

	if (!on_pci(env))
		SKIP(return, "%s is not on PCI", env->devices[0]);

	check_cycles(_metadata, env, 1);
	for (i = 0; i < ndevices; i++)
		ASSERT_EQ(0, unplug(env->devices[i]));
	find_devices(env, NOIRQ_DRIVER, variant->features);
	ASSERT_EQ(0, env->ndevices);
	sleep_once(_metadata, env);

	ASSERT_EQ(0, write_file("/sys/bus/pci/rescan", "1"));
	find_devices(env, NOIRQ_DRIVER, variant->features);
	ASSERT_EQ(ndevices, env->ndevices);
	check_devices(_metadata, env);
	check_answers(_metadata, env);
	check_cycles(_metadata, env, 1);
}

TEST_HARNESS_MAIN
