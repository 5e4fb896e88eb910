// SPDX-License-Identifier: GPL-2.0
/*
 * Test that virtio devices that work in the noirq phase stand many real s2idle
 * cycles: no request lost, no line in the kernel log, nothing that grows.
 */

#include "virtio_noirq_fixture.h"

#define REPORT_CYCLES	50	/* between two lines of progress */
#define WARM_UP_CYCLES	20	/* until caches are filled */

#define ONCE		32	/* KiB: a slab of the largest order that SLUB takes */

/*
 * Slab memory in use, in KiB. It is counted in pages, of which one may come and go on a
 * machine that does nothing else. A leak grows all the time, while a cache may get a slab
 * more once: ONCE for those of addresses behind an IOMMU. So what grows has to do so in
 * both halves: a leak of 8 bytes in each cycle, the smallest object, shows in 10,000
 * cycles, one of 128 bytes in 200.
 */
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
	unsigned int half = (warm_up + cycles) / 2;
	unsigned long long before = 0, between = 0, after, page;

	for (cycle = 1; cycle <= cycles && !_metadata->exit_code; cycle++) {
		soak_once(_metadata, &self->env, cycle);
		if (cycle == warm_up)
			before = slab_kb();
		if (cycle == half)
			between = slab_kb();
		if (cycle % REPORT_CYCLES == 0)
			ksft_print_msg("cycle %u of %u\n", cycle, cycles);
	}

	after = slab_kb();
	ksft_print_msg("slab: %llu KiB after %u cycles, %llu KiB after %u, %llu KiB after %u\n",
		       before, warm_up, between, half, after, cycles);
	EXPECT_LT(0, before)
		TH_LOG("no /proc/meminfo");
	page = sysconf(_SC_PAGESIZE) / 1024;
	if (between > before + page)
		EXPECT_GE(between + page, after);
	/* Without a cycle in between, what has grown is no leak of one. */
	if (cycles > warm_up)
		EXPECT_GE(before + 2 * page + ONCE, after);
	EXPECT_EQ(0, sum_of(&self->env, "ring_in_use"));
}

TEST_HARNESS_MAIN
