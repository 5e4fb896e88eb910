// SPDX-License-Identifier: GPL-2.0
/*
 * Test virtio in the noirq phases of hibernation: thaw_noirq after the image was
 * made, restore_noirq after it was loaded.
 *
 * An image holds the module's counters as they were before thaw_noirq, so what
 * is seen after it was loaded was counted in restore_noirq alone.
 */

#include "virtio_noirq_fixture.h"
#include "virtio_noirq_hibernate.h"

#define SMALL_SWAP_KIB	2048	/* for no image */
/* To the alarm: a disk that works in host time can take hours of the guest's. */
#define HYBRID_SEC	20000

static const char no_swap[] =
	"no VIRTIO_NOIRQ_SWAP, the disk to hibernate to";
static const char *const no_space[] = { "Image saving failed: -28", NULL };

/* Checks that each device answered in each freeze_noirq and what followed it. */
static void check_devices_answered(struct __test_metadata *const _metadata,
				   const struct test_env *env,
				   unsigned int freezes)
{
	unsigned int requests = freezes * env->ndevices * REQUESTS;

	EXPECT_EQ(freezes * env->ndevices, sum_of(env, "suspend/noirq_requests"));
	EXPECT_EQ(requests, sum_of(env, "resume/noirq_requests"));
	EXPECT_EQ(requests * SECTOR_SIZE, sum_of(env, "resume/bytes"));
	EXPECT_EQ(0, sum_of(env, "resume/mismatches"));
	EXPECT_EQ(0, sum_of(env, "resume/errors"));
}

/* Checks that they work as before: by interrupt, and in another sleep. */
static void check_devices_work(struct __test_metadata *const _metadata,
			       const struct test_env *env)
{
	unsigned long long before = sum_of(env, "resume/noirq_requests");

	EXPECT_EQ(0, set_all(env, "read", REQUESTS));
	sleep_once(_metadata, env);
	EXPECT_EQ(before + env->ndevices * REQUESTS,
		  sum_of(env, "resume/noirq_requests"));
	EXPECT_EQ(0, sum_of(env, "resume/mismatches"));
	EXPECT_EQ(0, sum_of(env, "running/mismatches"));
	EXPECT_EQ(0, sum_of(env, "running/errors"));
}

/* Hibernates once, and expects this result and these lines in the log. */
static void hibernate_once(struct __test_metadata *const _metadata,
			   const struct test_env *env, const char *mode,
			   unsigned int swap_kib, int result,
			   const char *const *log_lines)
{
	if (!swap_disk())
		SKIP(return, "%s", no_swap);

	hibernate(_metadata, env, mode, swap_kib, result, log_lines);
	check_devices_answered(_metadata, env, 1);
	check_devices_work(_metadata, env);
}

/* Test that each device answers in thaw_noirq, where no image can be written. */
TEST_F_TIMEOUT(noirq, answers_in_thaw_noirq, TIMEOUT_SEC)
{
	hibernate_once(_metadata, &self->env, "shutdown", SMALL_SWAP_KIB,
		       -ENOSPC, no_space);
}

/* Test that each device answers in restore_noirq, of an image loaded at once. */
TEST_F_TIMEOUT(noirq, answers_in_restore_noirq, TIMEOUT_SEC)
{
	hibernate_once(_metadata, &self->env, "test_resume", SWAP_KIB, 0, NULL);
}

/* Test that each device answers in hybrid sleep: in thaw_noirq, and on waking up. */
TEST_F_TIMEOUT(noirq, answers_in_hybrid_sleep, TIMEOUT_SEC)
{
	const struct test_env *env = &self->env;
	time_t alarm = rtc_now(env->rtc) + HYBRID_SEC;

	if (!swap_disk())
		SKIP(return, "%s", no_swap);

	ASSERT_EQ(0, arm_wakeup(env->rtc, alarm));
	hibernate(_metadata, env, "suspend", SWAP_KIB, 0, NULL);
	EXPECT_EQ(0, disarm_wakeup(env->rtc));
	EXPECT_LE(alarm, rtc_now(env->rtc));
	check_devices_answered(_metadata, env, 2);
	check_devices_work(_metadata, env);
}

/* Test that each device answers in restore_noirq, on a machine that was off. */
TEST_F_TIMEOUT(noirq, answers_after_power_off, TIMEOUT_SEC)
{
	ksft_print_msg("hibernates to disk\n");
	hibernate_once(_metadata, &self->env, "shutdown", SWAP_KIB, 0, NULL);
}

TEST_HARNESS_MAIN
