// SPDX-License-Identifier: GPL-2.0
/*
 * Test that virtio devices that work in the noirq phase stand many real s2idle
 * cycles: no request lost, no line in the kernel log, nothing that grows.
 */

#include "virtio_noirq_fixture.h"

#define REPORT_CYCLES	50	/* between two lines of progress */
#define WARM_UP_CYCLES	20	/* until caches are filled */

/*
 * Slab memory is counted in pages. On a machine that does nothing else, two of
 * them may come and go: a leak of 8 bytes in each cycle, the smallest object,
 * shows in 10,000 cycles, one of 64 bytes in 200.
 */
#define SLAB_SLACK	2	/* pages */

/*
 * Behind an IOMMU one slab more, once, of those that cache addresses in the kernel:
 * it has 32 KiB, and comes when the queue of those to be freed happens to be full.
 */
#define IOVA_SLACK	32	/* KiB */

/* Slab memory in use, in KiB. */
static unsigned long long slab_kb(void)
{
	char text[4096];
	const char *line;

	if (read_file("/proc/meminfo", text, sizeof(text)))
		return 0;
	line = strstr(text, "\nSlab:");
	return line ? strtoull(line + strlen("\nSlab:"), NULL, 10) : 0;
}

/* Sleeps once; each device answers each request, in the noirq phase. */
static void soak_once(struct __test_metadata *const _metadata,
		      const struct test_env *env, unsigned int cycle)
{
	unsigned long long requests = 1ULL * cycle * env->ndevices * REQUESTS;

	sleep_once(_metadata, env);
	EXPECT_EQ(1ULL * cycle * env->ndevices, sum_of(env, "freezes"));
	EXPECT_EQ(requests, sum_of(env, "resume/noirq_requests"));
	EXPECT_EQ(requests * SECTOR_SIZE, sum_of(env, "resume/bytes"));
	EXPECT_EQ(0, sum_of(env, "resume/mismatches"));
	EXPECT_EQ(0, sum_of(env, "resume/errors"));
}

/* Test that many cycles lose nothing and leave nothing behind. */
TEST_F_TIMEOUT(noirq, nothing_lost_nothing_grown, TIMEOUT_SEC)
{
	unsigned int cycle, cycles = self->env.cycles;
	unsigned int warm_up = cycles < WARM_UP_CYCLES ? cycles : WARM_UP_CYCLES;
	unsigned long long before = 0, after, slack;

	for (cycle = 1; cycle <= cycles && !_metadata->exit_code; cycle++) {
		soak_once(_metadata, &self->env, cycle);
		if (cycle == warm_up)
			before = slab_kb();
		if (cycle % REPORT_CYCLES == 0)
			ksft_print_msg("cycle %u of %u\n", cycle, cycles);
	}

	after = slab_kb();
	ksft_print_msg("slab: %llu KiB after %u cycles, %llu KiB after %u\n",
		       before, warm_up, after, cycles);
	EXPECT_LT(0, before)
		TH_LOG("no /proc/meminfo");
	slack = SLAB_SLACK * sysconf(_SC_PAGESIZE) / 1024;
	if (getenv("VIRTIO_NOIRQ_DOMAIN"))
		slack += IOVA_SLACK;
	EXPECT_GE(before + slack, after);
	EXPECT_EQ(0, sum_of(&self->env, "ring_in_use"));
}

TEST_HARNESS_MAIN
