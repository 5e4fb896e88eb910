// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for the page size that virtio-mmio tells a legacy device.
 */

/* Apart from memory, from what the PCI code of UML claims and from others */
#define MMIO_BASE		0xd0002000

#include "fake_mmio.h"

/* Test that, when a device was found, a legacy one finds its rings. */
static void mmio_page_probe(struct kunit *test)
{
	mmio_expect_legacy_rings(test);
}

/* Test that, after a reset, a legacy device (and no other) gets the page size. */
static void mmio_page_reset(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	virtio_reset_device(mmio->vdev);

	KUNIT_EXPECT_EQ(test, mmio->regs[VIRTIO_MMIO_GUEST_PAGE_SIZE / 4],
			mmio_is_legacy(mmio) ? PAGE_SIZE : 0);
}

/* Test that, after sleep, a legacy device that lost its state finds its rings. */
static void mmio_page_sleep(struct kunit *test)
{
	mmio_suspend(test);
	mmio_end_reset(test->priv);
	mmio_resume(test);

	mmio_expect_legacy_rings(test);
}

static int mmio_page_init(struct kunit *test)
{
	mmio_start(test, mmio_create(test));

	return 0;
}

static struct kunit_case mmio_page_cases[] = {
	KUNIT_CASE_PARAM(mmio_page_probe, mmio_legacy_gen_params),
	KUNIT_CASE_PARAM(mmio_page_reset, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_page_sleep, mmio_legacy_gen_params),
	{}
};

static struct kunit_suite mmio_page_suite = {
	.name = "virtio_mmio_page",
	.suite_init = mmio_suite_init,
	.init = mmio_page_init,
	.exit = mmio_exit,
	.test_cases = mmio_page_cases,
};

kunit_test_suite(mmio_page_suite);

MODULE_DESCRIPTION("KUnit tests for the page size of legacy virtio-mmio devices");
MODULE_LICENSE("GPL");
