// SPDX-License-Identifier: GPL-2.0
/*
 * Test that, in the noirq phase, the virtio core and transport neither allocate
 * memory nor let a device interrupt. test_modules/virtio_noirq_window.ko sees it
 * from the tracepoints kmalloc, kmem_cache_alloc, mm_page_alloc and
 * irq_handler_entry, and logs each case, so that the cycle in which it happens
 * fails.
 */

#include "virtio_noirq_fixture.h"

/* Each request has one table of indirect descriptors, or none. */
static unsigned int requests_of(const struct test_env *env, unsigned int cycles)
{
	return cycles * env->ndevices * (REQUESTS + 1);
}

/* Test each cycle; the driver's own adds, and other interrupts, are seen. */
TEST_F_TIMEOUT(noirq, nothing_in_noirq_phase, TIMEOUT_SEC)
{
	bool indirect = variant->features & INDIRECT;

	ASSERT_EQ(0, load_window());
	check_cycles(_metadata, &self->env, self->env.cycles);
	EXPECT_EQ(indirect ? requests_of(&self->env, self->env.cycles) : 0,
		  device_number(WINDOW, "adds"));
	EXPECT_EQ(0, device_number(WINDOW, "allocations"));
	EXPECT_EQ(0, device_number(WINDOW, "interrupts"));

	check_answers(_metadata, &self->env);
	EXPECT_LT(0, device_number(WINDOW, "interrupts_outside"));
}

/* Test that an allocation is noticed, and who did it. */
TEST_F_TIMEOUT(noirq, allocation_is_noticed, TIMEOUT_SEC)
{
	static const char *const log[] = {
		"virtio_noirq_window: allocation by vnt_noirq_restore_noirq",
		NULL
	};

	ASSERT_EQ(0, load_window());
	ASSERT_EQ(0, set_device_number(self->env.devices[0], "fault/allocate",
				       1));
	sleep_expecting(_metadata, &self->env, 0, "success", log);
	EXPECT_EQ(1, device_number(WINDOW, "allocations"));
}

TEST_HARNESS_MAIN
