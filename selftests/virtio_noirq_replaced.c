// SPDX-License-Identifier: GPL-2.0
/*
 * Test devices that are others when the system comes back from hibernation, in a
 * machine whose devices offer fewer features, shorter queues or fewer vectors: they
 * fail safely, in each sleep, and work when their driver is bound again. And devices
 * whose IOMMU is another one: they fail, too, and have no DMA ever after.
 *
 * Environment, beside that of virtio_noirq_fixture.h and virtio_noirq_hibernate.h:
 * VIRTIO_NOIRQ_REPLACED	what the kernel says of such a device. Whoever sets it
 *				boots the machine again with such devices.
 * VIRTIO_NOIRQ_BLOCKED=1	it says that of their IOMMU
 */

#include "virtio_noirq_fixture.h"
#include "virtio_noirq_hibernate.h"

static bool is_blocked(void)
{
	return env_number("VIRTIO_NOIRQ_BLOCKED", 0);
}

/*
 * The device is FAILED, and requests fail at once. What cannot be mapped any more is
 * noticed when the device is ready already.
 */
static void check_failed(struct __test_metadata *const _metadata,
			 const struct test_env *env)
{
	unsigned int mask = VIRTIO_CONFIG_S_FAILED | VIRTIO_CONFIG_S_DRIVER_OK;
	char path[PATH_MAX];

	if (is_blocked())
		mask = VIRTIO_CONFIG_S_FAILED;
	snprintf(path, sizeof(path), "/sys/bus/virtio/devices/%s/status",
		 env->devices[0]);
	EXPECT_EQ(VIRTIO_CONFIG_S_FAILED, read_number(path) & mask);
	EXPECT_EQ(-EIO, set_device_number(env->devices[0], "read", REQUESTS));
}

/* Test that a device that was replaced is not used, until it is probed. */
TEST_F_TIMEOUT(noirq, replaced_device_fails, TIMEOUT_SEC)
{
	const char *what = getenv("VIRTIO_NOIRQ_REPLACED");
	const char *const restore_log[] = {
		" failed: -",
		what,
		"_noirq returns -",
		" noirq: error -",
		"_pm_restore returns -5",
		"PM: failed to restore",
		NULL
	};
	const char *const resume_log[] = {
		" failed: -",
		what,
		"_noirq returns -",
		" noirq: error -",
		"_pm_resume returns -5",
		"PM: failed to resume",
		NULL
	};
	const char *const probe_log[] = { " failed with error -", NULL };
	unsigned int from;

	if (!what || !swap_disk())
		SKIP(return, "no VIRTIO_NOIRQ_REPLACED and VIRTIO_NOIRQ_SWAP");

	/* What failed may say it all. */
	from = !!strstr(what, restore_log[0]);
	ksft_print_msg("hibernates to disk\n");
	hibernate(_metadata, &self->env, "shutdown", SWAP_KIB, 0,
		  restore_log + from);
	check_failed(_metadata, &self->env);
	sleep_expecting(_metadata, &self->env, 0,
			"success failed_resume failed_resume_noirq",
			resume_log + from);
	check_failed(_metadata, &self->env);

	/* The first thing that the driver does is to read. */
	if (is_blocked()) {
		EXPECT_NE(0, bind_devices(&self->env, NOIRQ_DRIVER, NOIRQ_DRIVER));
		EXPECT_EQ(0, count_log_complaints(self->env.log, probe_log));
		return;
	}

	ASSERT_EQ(0, bind_devices(&self->env, NOIRQ_DRIVER, NOIRQ_DRIVER));
	check_answers(_metadata, &self->env);
	check_cycles(_metadata, &self->env, SHORT_CYCLES);
}

TEST_HARNESS_MAIN
