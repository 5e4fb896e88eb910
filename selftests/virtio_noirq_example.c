// SPDX-License-Identifier: GPL-2.0
/*
 * Test the driver that Documentation/driver-api/virtio/noirq.rst shows,
 * test_modules/virtio_noirq_example.ko, on an entropy device.
 */

#include <glob.h>

#include "virtio_noirq_fixture.h"

#define EXAMPLE_DEVICES	"/sys/bus/virtio/drivers/" EXAMPLE "/virtio*"
#define EXAMPLE_ANSWERS	"/sys/module/" EXAMPLE "/parameters/answers"

/* Returns whether the driver found a device. */
static bool find_example(struct __test_metadata *const _metadata)
{
	glob_t found;
	bool none;

	EXPECT_EQ(0, load_example());
	none = glob(EXAMPLE_DEVICES, 0, NULL, &found);
	globfree(&found);
	return !none;
}

/* Test that the device answers in the noirq phase of each sleep. */
TEST_F_TIMEOUT(noirq, example_answers, TIMEOUT_SEC)
{
	if (!find_example(_metadata))
		SKIP(return, "no virtio-rng device");

	check_cycles(_metadata, &self->env, SHORT_CYCLES);
	EXPECT_EQ(SHORT_CYCLES, read_number(EXAMPLE_ANSWERS));
}

/* Test that it works after an attempt that was aborted before freeze_noirq(). */
TEST_F_TIMEOUT(noirq, example_after_abort, TIMEOUT_SEC)
{
	if (!find_example(_metadata))
		SKIP(return, "no virtio-rng device");

	sleep_up_to(_metadata, &self->env, "devices", "success", NULL);
	EXPECT_EQ(0, read_number(EXAMPLE_ANSWERS));

	sleep_once(_metadata, &self->env);
	EXPECT_EQ(1, read_number(EXAMPLE_ANSWERS));
}

TEST_HARNESS_MAIN
