// SPDX-License-Identifier: GPL-2.0
/*
 * Test virtio in the noirq phase of system sleep, in real s2idle cycles that
 * the real-time clock ends.
 *
 * In each cycle the module reads sectors while the system resumes, and compares
 * them: either in restore_noirq(), or, for comparison, in restore() after it
 * found its virtqueue anew. See virtio_noirq_fixture.h for the environment.
 */

#include "virtio_noirq_fixture.h"

#define SECTOR_WORDS	(SECTOR_SIZE / sizeof(unsigned long long))

struct figures {
	unsigned long long requests;
	unsigned long long noirq_requests;
	unsigned long long bytes;
	unsigned long long mismatches;
	unsigned long long errors;
	unsigned long long *first_ns;	/* one per cycle, sorted at the end */
	unsigned int cycles;
};

static int compare_u64(const void *a, const void *b)
{
	unsigned long long x = *(const unsigned long long *)a, y = *(const unsigned long long *)b;

	return (x > y) - (x < y);
}

static void read_figures(const struct test_env *env, struct figures *f)
{
	f->requests = sum_of(env, "resume/requests");
	f->noirq_requests = sum_of(env, "resume/noirq_requests");
	f->bytes = sum_of(env, "resume/bytes");
	f->mismatches = sum_of(env, "resume/mismatches");
	f->errors = sum_of(env, "resume/errors");
}

/*
 * Sleeps once, and checks what the devices did while the system resumed. None
 * of them does more requests than it is asked for, so the sum is only right if
 * each did its own.
 */
static void sleep_and_check(struct __test_metadata *const _metadata,
			    const struct test_env *env,
			    unsigned int noirq_requests, struct figures *f)
{
	unsigned int requests = env->ndevices * REQUESTS;
	struct figures before = *f;

	sleep_once(_metadata, env);

	read_figures(env, f);
	EXPECT_EQ(before.requests + requests, f->requests);
	EXPECT_EQ(before.noirq_requests + env->ndevices * noirq_requests,
		  f->noirq_requests);
	EXPECT_EQ(before.bytes + requests * SECTOR_SIZE, f->bytes);
	EXPECT_EQ(0, f->mismatches);
	EXPECT_EQ(0, f->errors);
	f->first_ns[f->cycles++] = max_of(env, "first_answer_ns");
}

/* Sleeps so many times, or until a check fails. */
static void run_cycles(struct __test_metadata *const _metadata,
		       const struct test_env *env, unsigned int cycles,
		       unsigned int noirq_requests, struct figures *f)
{
	memset(f, 0, sizeof(*f));
	f->first_ns = calloc(cycles, sizeof(*f->first_ns));
	ASSERT_TRUE(!!f->first_ns);

	while (f->cycles < cycles && !_metadata->exit_code) {
		sleep_and_check(_metadata, env, noirq_requests, f);
		if (f->cycles % 10 == 0)
			ksft_print_msg("cycle %u of %u\n", f->cycles, cycles);
	}

	ASSERT_LT(0, f->cycles);
	qsort(f->first_ns, f->cycles, sizeof(*f->first_ns), compare_u64);
}

static unsigned long long median_first_ns(const struct figures *f)
{
	return f->first_ns[f->cycles / 2];
}

/* first_ns is the time to the first answer of the last device. */
static void print_figures(const char *variant, const char *path,
			  const struct test_env *env, const struct figures *f)
{
	ksft_print_msg("figure variant=%s path=%s devices=%u cycles=%u",
		       variant, path, env->ndevices, f->cycles);
	printf(" requests=%llu noirq_requests=%llu bytes=%llu",
	       f->requests, f->noirq_requests, f->bytes);
	printf(" mismatches=%llu errors=%llu", f->mismatches, f->errors);
	printf(" first_ns_min=%llu first_ns_med=%llu first_ns_max=%llu\n",
	       f->first_ns[0], median_first_ns(f), f->first_ns[f->cycles - 1]);
}

/* Test that each device answers in restore_noirq(), in the noirq phase. */
TEST_F_TIMEOUT(noirq, answers_in_noirq_phase, TIMEOUT_SEC)
{
	struct figures f;

	run_cycles(_metadata, &self->env, self->env.cycles, REQUESTS, &f);
	print_figures(variant->name, "noirq", &self->env, &f);
}

/* Test that the same devices on the normal path answer, but not in noirq. */
TEST_F_TIMEOUT(noirq, answers_in_normal_phase, TIMEOUT_SEC)
{
	unsigned int ndevices = self->env.ndevices;
	struct figures f;

	ASSERT_EQ(0, bind_devices(&self->env, NOIRQ_DRIVER, NORMAL_DRIVER));
	find_devices(&self->env, NORMAL_DRIVER, variant->features);
	ASSERT_EQ(ndevices, self->env.ndevices);

	run_cycles(_metadata, &self->env, self->env.cycles, 0, &f);
	print_figures(variant->name, "normal", &self->env, &f);
}

/* Test that each device still answers in freeze_noirq(). */
TEST_F_TIMEOUT(noirq, answers_before_sleep, TIMEOUT_SEC)
{
	struct figures f;

	run_cycles(_metadata, &self->env, SHORT_CYCLES, REQUESTS, &f);

	EXPECT_EQ(self->env.ndevices * SHORT_CYCLES,
		  sum_of(&self->env, "suspend/noirq_requests"));
	EXPECT_EQ(0, sum_of(&self->env, "suspend/mismatches"));
	EXPECT_EQ(0, sum_of(&self->env, "suspend/errors"));
}

/* Test that, after a sleep, each device answers by interrupt as before. */
TEST_F_TIMEOUT(noirq, interrupts_after_sleep, TIMEOUT_SEC)
{
	check_answers(_metadata, &self->env);
	sleep_once(_metadata, &self->env);
	check_answers(_metadata, &self->env);
	EXPECT_EQ(0, sum_of(&self->env, "running/errors"));
}

/* Test that the devices work after they slept and were bound again. */
TEST_F_TIMEOUT(noirq, rebind_after_sleep, TIMEOUT_SEC)
{
	struct figures f;

	sleep_once(_metadata, &self->env);
	ASSERT_EQ(0, bind_devices(&self->env, NOIRQ_DRIVER, NOIRQ_DRIVER));
	run_cycles(_metadata, &self->env, 1, REQUESTS, &f);
}

/* Test that the comparison sees wrong data: each word of it. */
TEST_F(noirq, wrong_data_is_noticed)
{
	const char *device = self->env.devices[0];
	unsigned long long seed = device_number(device, "seed");

	ASSERT_EQ(0, set_device_number(device, "seed", seed + 1));
	EXPECT_EQ(0, set_device_number(device, "read", REQUESTS));

	EXPECT_EQ(REQUESTS * SECTOR_WORDS,
		  device_number(device, "running/mismatches"));
}

TEST_HARNESS_MAIN
