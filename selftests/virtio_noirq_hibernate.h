/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hibernation, for a program that includes virtio_noirq_fixture.h.
 *
 * Environment:
 * VIRTIO_NOIRQ_SWAP	disk to overwrite with swap space, /dev/vda say. Whoever
 *			sets it boots the machine again when it is off, and has it
 *			resume from there.
 */

#ifndef VIRTIO_NOIRQ_HIBERNATE_H
#define VIRTIO_NOIRQ_HIBERNATE_H

#include <errno.h>
#include <sys/swap.h>

#define SWAP_KIB	(600 * 1024)

static const char *swap_disk(void)
{
	return getenv("VIRTIO_NOIRQ_SWAP");
}

/* Makes swap space of this size. */
static int add_swap(const char *disk, unsigned int kib)
{
	char command[128];

	snprintf(command, sizeof(command), "mkswap %s %u > /dev/null", disk, kib);
	if (system(command))
		return -EIO;
	return swapon(disk, 0) ? -errno : 0;
}

/* Hibernates once, and expects this result and these lines in the log. */
static void hibernate(struct __test_metadata *const _metadata,
		      const struct test_env *env, const char *mode,
		      unsigned int swap_kib, int result,
		      const char *const *log_lines)
{
	ASSERT_EQ(0, add_swap(swap_disk(), swap_kib));
	ASSERT_EQ(0, write_file("/sys/power/disk", mode));
	EXPECT_EQ(result, write_file("/sys/power/state", "disk"));
	EXPECT_EQ(0, swapoff(swap_disk()));
	EXPECT_EQ(0, count_log_complaints(env->log, log_lines));
}

#endif /* VIRTIO_NOIRQ_HIBERNATE_H */
