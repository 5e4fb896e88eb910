// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for virtqueue_reset().
 */

#include "fake_ring.h"

/* Get all buffers back and start anew, in the middle of a batch. */
static void ring_reset(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	ring_move_to_offset(test, ring);
	ring_cut_batch(test, ring);
	KUNIT_ASSERT_EQ(test, virtqueue_reset(ring->vq, ring_recycle, NULL), 0);
	KUNIT_EXPECT_EQ(test, ring->recycled, 3);
	ring_expect_works(test, ring);
}

/* Test that a ring which is not in order works from its start again. */
static void ring_reset_any_order(struct kunit *test)
{
	ring_reset(test);
}

/* Test that one in order forgets a batch that was cut short, and its position. */
static void ring_reset_cut_batch(struct kunit *test)
{
	ring_reset(test);
}

static struct kunit_case ring_cases[] = {
	RING_CASE(ring_reset_any_order, any_order_offsets),
	RING_CASE(ring_reset_cut_batch, in_order_offsets),
	{}
};

static struct kunit_suite ring_suite = {
	.name = "virtio_ring",
	.test_cases = ring_cases,
};

kunit_test_suite(ring_suite);

MODULE_DESCRIPTION("KUnit tests for resetting virtqueues");
MODULE_LICENSE("GPL");
