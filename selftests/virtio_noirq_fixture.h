/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fixture of the tests of virtio in the noirq phase of system sleep: the
 * test module, and all devices of one variant. A program includes it once.
 *
 * test_modules/virtio_noirq_test.ko drives virtio block devices whose disk
 * carries a known pattern. See there for what it does and counts.
 *
 * Environment:
 * VIRTIO_NOIRQ_CYCLES		sleep cycles, where their number matters
 *				(default 20)
 * VIRTIO_NOIRQ_SLEEP_SEC	seconds to the alarm that ends a sleep (default 2):
 *				a machine that needs longer to fall asleep fails
 * VIRTIO_NOIRQ_STATE		what is written to /sys/power/state (default
 *				freeze): with mem, each sleep must take the power of
 *				the devices, which are on PCI
 * VIRTIO_NOIRQ_DEVICES		what the machine must have: devices,
 * VIRTIO_NOIRQ_CPUS		CPUs online,
 * VIRTIO_NOIRQ_PAGE_SIZE	bytes in a page,
 * VIRTIO_NOIRQ_IOMMU=1		devices with VIRTIO_F_ACCESS_PLATFORM
 * VIRTIO_NOIRQ_DOMAIN=TYPE	the IOMMU attached them to such a domain
 * VIRTIO_NOIRQ_UNFIT=1	take devices, too, whose transport, or whose kernel,
 *				does not support the noirq phase: tests fail there
 *				that skip otherwise
 * VIRTIO_NOIRQ_WINDOW=1	watch for allocations and interrupts in the noirq
 *				phase; the test fails that has one
 */

#ifndef VIRTIO_NOIRQ_FIXTURE_H
#define VIRTIO_NOIRQ_FIXTURE_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "virtio_noirq.h"

#define DEFAULT_CYCLES	20

/* Cycles are the caller's choice, so the time they take is too. */
#define TIMEOUT_SEC	(7 * 24 * 60 * 60)

FIXTURE(noirq)
{
	struct test_env env;
};

FIXTURE_VARIANT(noirq)
{
	const char *name;
	unsigned long long features;
};

FIXTURE_VARIANT_ADD(noirq, legacy) {
	.name = "legacy",
	.features = EVENT_IDX | INDIRECT,
};

FIXTURE_VARIANT_ADD(noirq, legacy_noevent) {
	.name = "legacy_noevent",
	.features = INDIRECT,
};

FIXTURE_VARIANT_ADD(noirq, legacy_noindirect) {
	.name = "legacy_noindirect",
	.features = EVENT_IDX,
};

FIXTURE_VARIANT_ADD(noirq, legacy_plain) {
	.name = "legacy_plain",
	.features = 0,
};

FIXTURE_VARIANT_ADD(noirq, split) {
	.name = "split",
	.features = VERSION_1 | EVENT_IDX | INDIRECT,
};

FIXTURE_VARIANT_ADD(noirq, split_noevent) {
	.name = "split_noevent",
	.features = VERSION_1 | INDIRECT,
};

FIXTURE_VARIANT_ADD(noirq, split_noindirect) {
	.name = "split_noindirect",
	.features = VERSION_1 | EVENT_IDX,
};

FIXTURE_VARIANT_ADD(noirq, split_plain) {
	.name = "split_plain",
	.features = VERSION_1,
};

FIXTURE_VARIANT_ADD(noirq, packed) {
	.name = "packed",
	.features = VERSION_1 | PACKED | EVENT_IDX | INDIRECT,
};

FIXTURE_VARIANT_ADD(noirq, packed_noevent) {
	.name = "packed_noevent",
	.features = VERSION_1 | PACKED | INDIRECT,
};

FIXTURE_VARIANT_ADD(noirq, packed_noindirect) {
	.name = "packed_noindirect",
	.features = VERSION_1 | PACKED | EVENT_IDX,
};

FIXTURE_VARIANT_ADD(noirq, packed_plain) {
	.name = "packed_plain",
	.features = VERSION_1 | PACKED,
};

FIXTURE_VARIANT_ADD(noirq, split_in_order) {
	.name = "split_in_order",
	.features = VERSION_1 | IN_ORDER | EVENT_IDX | INDIRECT,
};

FIXTURE_VARIANT_ADD(noirq, split_in_order_noevent) {
	.name = "split_in_order_noevent",
	.features = VERSION_1 | IN_ORDER | INDIRECT,
};

FIXTURE_VARIANT_ADD(noirq, split_in_order_noindirect) {
	.name = "split_in_order_noindirect",
	.features = VERSION_1 | IN_ORDER | EVENT_IDX,
};

FIXTURE_VARIANT_ADD(noirq, split_in_order_plain) {
	.name = "split_in_order_plain",
	.features = VERSION_1 | IN_ORDER,
};

FIXTURE_VARIANT_ADD(noirq, packed_in_order) {
	.name = "packed_in_order",
	.features = VERSION_1 | PACKED | IN_ORDER | EVENT_IDX | INDIRECT,
};

FIXTURE_VARIANT_ADD(noirq, packed_in_order_noevent) {
	.name = "packed_in_order_noevent",
	.features = VERSION_1 | PACKED | IN_ORDER | INDIRECT,
};

FIXTURE_VARIANT_ADD(noirq, packed_in_order_noindirect) {
	.name = "packed_in_order_noindirect",
	.features = VERSION_1 | PACKED | IN_ORDER | EVENT_IDX,
};

FIXTURE_VARIANT_ADD(noirq, packed_in_order_plain) {
	.name = "packed_in_order_plain",
	.features = VERSION_1 | PACKED | IN_ORDER,
};

/* The machine that the caller asked for is the one we run on. */
static void check_machine(struct __test_metadata *const _metadata)
{
	long page_size = sysconf(_SC_PAGESIZE), cpus = sysconf(_SC_NPROCESSORS_ONLN);

	ASSERT_EQ(env_number("VIRTIO_NOIRQ_PAGE_SIZE", page_size), page_size);
	ASSERT_EQ(env_number("VIRTIO_NOIRQ_CPUS", cpus), cpus);
}

/* A disk that is not translated looks the same. */
static void check_domain(struct __test_metadata *const _metadata,
			 const char *device, const char *type)
{
	char path[128], found[32] = "";

	snprintf(path, sizeof(path),
		 "/sys/bus/virtio/devices/%s/../iommu_group/type", device);
	ASSERT_EQ(0, read_file(path, found, sizeof(found)));
	found[strcspn(found, "\n")] = '\0';
	ASSERT_STREQ(type, found);
}

/* The kernel may have the same word for a sleep that keeps the power on. */
static void check_state(struct __test_metadata *const _metadata,
			const struct test_env *env)
{
	char text[64];

	if (!takes_power(env))
		return;
	ASSERT_EQ(0, read_file("/sys/power/mem_sleep", text, sizeof(text)));
	ASSERT_TRUE(!!strstr(text, "[deep]"))
		TH_LOG("/sys/power/mem_sleep: %s", text);
}

static void check_devices(struct __test_metadata *const _metadata,
			  const struct test_env *env)
{
	const char *domain = getenv("VIRTIO_NOIRQ_DOMAIN");
	unsigned int i;

	ASSERT_EQ(env_number("VIRTIO_NOIRQ_DEVICES", env->ndevices),
		  env->ndevices);
	for (i = 0; i < env->ndevices; i++) {
		if (env_number("VIRTIO_NOIRQ_IOMMU", 0))
			ASSERT_NE(0, device_number(env->devices[i], "features") & IOMMU);
		if (domain)
			check_domain(_metadata, env->devices[i], domain);
	}
}

FIXTURE_SETUP(noirq)
{
	struct test_env *env = &self->env;
	unsigned int others;
	const char *lack;

	env->cycles = env_number("VIRTIO_NOIRQ_CYCLES", DEFAULT_CYCLES);
	ASSERT_LT(0, env->cycles)
		TH_LOG("VIRTIO_NOIRQ_CYCLES must be a positive number");
	env->sleep_sec = env_number("VIRTIO_NOIRQ_SLEEP_SEC", SLEEP_SEC);
	check_machine(_metadata);

	lack = open_machine(env) ?: load_test_module();
	if (lack) {
		unload_test_modules();
		SKIP(return, "%s", lack);
	}

	others = find_devices(env, NOIRQ_DRIVER, variant->features);
	if (!env->ndevices) {
		unload_test_modules();
		SKIP(return,
		     "no virtio-blk with test pattern, noirq support and %s ring (%u with other rings)",
		     variant->name, others);
	}
	check_state(_metadata, env);
	check_devices(_metadata, env);
	if (env_number("VIRTIO_NOIRQ_WINDOW", 0))
		ASSERT_EQ(0, load_window());
}

FIXTURE_TEARDOWN(noirq)
{
	struct test_env *env = &self->env;

	unload_test_modules();
	EXPECT_EQ(0, count_log_complaints(env->log, NULL));
	close(env->log);
	close(env->rtc);
}

/*
 * One attempt to sleep, its result, the counters that it moves, and lines that
 * it logs (NULL for none). An alarm ends a sleep that nothing else ends.
 */
static void sleep_expecting(struct __test_metadata *const _metadata,
			    const struct test_env *env, int result,
			    const char *counters, const char *const *log)
{
	struct sleep_stats before = read_sleep_stats();
	char moved[256];

	ASSERT_EQ(0, arm_wakeup(env->rtc, rtc_now(env->rtc) + env->sleep_sec));
	EXPECT_EQ(result, write_file("/sys/power/state", env->state));
	EXPECT_EQ(0, disarm_wakeup(env->rtc));
	EXPECT_EQ(0, count_log_complaints(env->log, log));

	moved_counters(&before, moved, sizeof(moved));
	EXPECT_STREQ(counters, moved);
}

/* An attempt that the PM core ends at this level, and counts as a success. */
static void __maybe_unused sleep_up_to(struct __test_metadata *const _metadata,
				       const struct test_env *env,
				       const char *level, const char *counters,
				       const char *const *log)
{
	ASSERT_EQ(0, write_file("/sys/module/suspend/parameters/pm_test_delay",
				"0"));
	ASSERT_EQ(0, write_file("/sys/power/pm_test", level));
	sleep_expecting(_metadata, env, 0, counters, log);
	EXPECT_EQ(0, write_file("/sys/power/pm_test", "none"));
}

/*
 * One real sleep, ended by the alarm and by nothing else. If it takes the devices'
 * power, each of them comes out of it as out of reset.
 */
static void sleep_once(struct __test_metadata *const _metadata,
		       const struct test_env *env)
{
	unsigned long long losses = sum_of(env, "power_losses");
	time_t alarm = rtc_now(env->rtc) + env->sleep_sec;

	sleep_expecting(_metadata, env, 0, "success", NULL);
	EXPECT_LE(alarm, rtc_now(env->rtc));
	EXPECT_EQ(losses + takes_power(env) * env->ndevices,
		  sum_of(env, "power_losses"));
}

/* Each device answers by interrupt, and its data is right. */
static void __maybe_unused check_answers(struct __test_metadata *const _metadata,
					 const struct test_env *env)
{
	unsigned long long before = sum_of(env, "running/requests");

	EXPECT_EQ(0, set_all(env, "read", REQUESTS));
	EXPECT_EQ(before + env->ndevices * REQUESTS,
		  sum_of(env, "running/requests"));
	EXPECT_EQ(0, sum_of(env, "running/mismatches"));
}

/* So many sleeps pass, and each device answers in the noirq phase of each. */
static void __maybe_unused check_cycles(struct __test_metadata *const _metadata,
					const struct test_env *env,
					unsigned int cycles)
{
	unsigned long long before = sum_of(env, "resume/noirq_requests");
	unsigned int i;

	for (i = 0; i < cycles && !_metadata->exit_code; i++)
		sleep_once(_metadata, env);

	EXPECT_EQ(before + cycles * env->ndevices * REQUESTS,
		  sum_of(env, "resume/noirq_requests"));
	EXPECT_EQ(0, sum_of(env, "resume/mismatches"));
	EXPECT_EQ(0, sum_of(env, "ring_in_use"));
}

#endif /* VIRTIO_NOIRQ_FIXTURE_H */
