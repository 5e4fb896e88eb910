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
 * VIRTIO_NOIRQ_DEVICES		what the machine must have: devices,
 * VIRTIO_NOIRQ_CPUS		CPUs online,
 * VIRTIO_NOIRQ_PAGE_SIZE	bytes in a page,
 * VIRTIO_NOIRQ_IOMMU=1		devices with VIRTIO_F_ACCESS_PLATFORM
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

static void check_devices(struct __test_metadata *const _metadata,
			  const struct test_env *env)
{
	unsigned int i;

	ASSERT_EQ(env_number("VIRTIO_NOIRQ_DEVICES", env->ndevices),
		  env->ndevices);
	for (i = 0; i < env->ndevices && env_number("VIRTIO_NOIRQ_IOMMU", 0); i++)
		ASSERT_NE(0, device_number(env->devices[i], "features") & IOMMU);
}

FIXTURE_SETUP(noirq)
{
	struct test_env *env = &self->env;
	unsigned int others;
	const char *lack;

	env->cycles = env_number("VIRTIO_NOIRQ_CYCLES", DEFAULT_CYCLES);
	ASSERT_LT(0, env->cycles)
		TH_LOG("VIRTIO_NOIRQ_CYCLES must be a positive number");
	check_machine(_metadata);

	lack = open_machine(env) ?: load_test_module();
	if (lack) {
		unload_module(MODULE);
		SKIP(return, "%s", lack);
	}

	others = find_devices(env, NOIRQ_DRIVER, variant->features);
	if (!env->ndevices) {
		unload_module(MODULE);
		SKIP(return,
		     "no virtio-blk with test pattern, noirq support and %s ring (%u with other rings)",
		     variant->name, others);
	}
	check_devices(_metadata, env);
}

FIXTURE_TEARDOWN(noirq)
{
	struct test_env *env = &self->env;

	unload_module(MODULE);
	EXPECT_EQ(0, count_log_complaints(env->log, NULL));
	close(env->log);
	close(env->rtc);
}

/* One real sleep, ended by the alarm and by nothing else. */
static void sleep_once(struct __test_metadata *const _metadata,
		       const struct test_env *env)
{
	struct sleep_stats before;
	char moved[256];
	time_t alarm;

	before = read_sleep_stats();
	alarm = rtc_now(env->rtc) + SLEEP_SEC;
	ASSERT_EQ(0, arm_wakeup(env->rtc, alarm));
	EXPECT_EQ(0, write_file("/sys/power/state", "freeze"));
	EXPECT_EQ(0, count_log_complaints(env->log, NULL));
	EXPECT_LE(alarm, rtc_now(env->rtc));

	moved_counters(&before, moved, sizeof(moved));
	EXPECT_STREQ("success", moved);
}

#endif /* VIRTIO_NOIRQ_FIXTURE_H */
