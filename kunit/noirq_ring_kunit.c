// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for virtqueue_reinit_vring().
 */

#include "fake_ring.h"

static void ring_reinit(struct kunit *test, struct ring *ring)
{
	KUNIT_ASSERT_EQ(test, virtqueue_reinit_vring(ring->vq), 0);
	/* As virtio_device_ready() does */
	__virtqueue_unbreak(ring->vq);
	device_reset(ring);
}

static void ring_detach(struct ring *ring)
{
	while (virtqueue_detach_unused_buf(ring->vq))
		ring->recycled++;
}

/* Take all that the device claims to have used. */
static unsigned int ring_get_all(struct ring *ring)
{
	unsigned int bufs = 0;
	u32 len;

	while (virtqueue_get_buf(ring->vq, &len))
		bufs++;
	return bufs;
}

static void ring_get_view(struct ring *ring, struct ring_view *view)
{
	memset(view, 0, sizeof(*view));
	view->num_free = ring->vq->num_free;
	view->notification_data = vring_notification_data(ring->vq);
	view->notified = ring->notified;
	ring->format->view(ring, view);
}

static void area_scribble(struct ring *ring, void *area, size_t size)
{
	memset(area, 0xff, size);
}

static void area_copy(struct ring *ring, void *area, size_t size)
{
	memcpy(ring->copy + ring->copied, area, size);
	ring->copied += size;
}

static void ring_copy(struct ring *ring)
{
	ring->copied = 0;
	ring->format->visit_areas(ring, area_copy);
}

static void ring_disable_cb(struct kunit *test, struct ring *ring)
{
	virtqueue_disable_cb(ring->vq);
}

static void ring_enable_cb(struct kunit *test, struct ring *ring)
{
	KUNIT_EXPECT_TRUE(test, virtqueue_enable_cb(ring->vq));
}

static void ring_enable_cb_delayed(struct kunit *test, struct ring *ring)
{
	KUNIT_EXPECT_TRUE(test, virtqueue_enable_cb_delayed(ring->vq));
}

static void ring_stay(struct kunit *test, struct ring *ring)
{
}

/* Do the same to the ring and to one just created: both must look the same. */
static void ring_expect_as_created(struct kunit *test, struct ring *ring)
{
	static void (*const steps[])(struct kunit *test, struct ring *ring) = {
		ring_stay, ring_pass, ring_disable_cb, ring_pass, ring_enable_cb,
		ring_pass, ring_disable_cb, ring_enable_cb_delayed, ring_pass,
	};
	struct ring *created = ring_create(test, ring->vq->callback);
	struct ring_view view, want;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		steps[i](test, ring);
		steps[i](test, created);
		ring_get_view(ring, &view);
		ring_get_view(created, &want);
		KUNIT_EXPECT_MEMEQ_MSG(test, &view, &want, sizeof(view), "after step %u", i);
	}
}

/*
 * The tests
 */

/* Test that a ring works from its start again wherever it was. */
static void test_reinit_at_offset(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	ring_move_to_offset(test, ring);
	ring_reinit(test, ring);
	ring_expect_works(test, ring);
}

/* Test that a ring can be put back again and again. */
static void test_reinit_again(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);
	unsigned int i;

	for (i = 0; i < RING_OFFSETS; i++) {
		ring_pass(test, ring);
		ring_reinit(test, ring);
		ring_turn(test, ring, 1 + i % 2);
		ring_reinit(test, ring);
	}
	ring_expect_works(test, ring);
}

/* Test that a batch which the driver took only in part is forgotten. */
static void test_reinit_cut_batch(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	ring_move_to_offset(test, ring);
	ring_cut_batch(test, ring);
	ring_detach(ring);
	ring_reinit(test, ring);
	ring_expect_works(test, ring);
}

/* Test that no descriptor is lost if buffers came back in another order. */
static void test_reinit_keeps_free_list(struct kunit *test)
{
	static const unsigned int order[RING_NUM] = { 5, 2, 7, 0, 3, 6, 1, 4 };
	struct ring *ring = ring_create(test, ring_callback);
	unsigned int i;

	ring_add_many(test, ring, RING_NUM);
	device_take(ring);
	KUNIT_ASSERT_EQ(test, ring->taken, RING_NUM);
	for (i = 0; i < RING_NUM; i++)
		device_use(ring, order[i], 1);
	for (i = 0; i < RING_NUM; i++)
		ring_expect_buf(test, ring, order[i]);

	ring_reinit(test, ring);
	ring_expect_works(test, ring);
}

/* Test that a ring is refused while the device has a buffer of it. */
static void test_busy_is_refused(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	ring_add_many(test, ring, 1);
	KUNIT_EXPECT_EQ(test, virtqueue_reinit_vring(ring->vq), -EBUSY);
}

/* Test that a used buffer which the driver did not get yet counts too. */
static void test_unfetched_is_refused(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	ring_send(test, ring);
	KUNIT_EXPECT_EQ(test, virtqueue_reinit_vring(ring->vq), -EBUSY);
}

/* Test that a refused ring is not written to. */
static void test_busy_is_untouched(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);
	u8 before[RING_BYTES];

	ring_pass(test, ring);
	ring_add_many(test, ring, 2);
	ring_copy(ring);
	memcpy(before, ring->copy, ring->copied);

	KUNIT_ASSERT_EQ(test, virtqueue_reinit_vring(ring->vq), -EBUSY);
	ring_copy(ring);
	KUNIT_EXPECT_MEMEQ(test, ring->copy, before, ring->copied);
}

/* Test that there is a message then, which names the device and the queue. */
static void test_busy_message(struct kunit *test)
{
	const char *message = RING_NAME ": queue 0 (ring) cannot be reinitialized: 1 of 8 ";
	struct ring *ring = ring_create(test, ring_callback);

	ring_add_many(test, ring, 1);
	KUNIT_ASSERT_EQ(test, virtqueue_reinit_vring(ring->vq), -EBUSY);

	KUNIT_EXPECT_EQ(test, kernel_log_count(ring->log_start, message), 1);
}

/* Test that a refused ring which was broken stays so. */
static void test_busy_stays_broken(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	ring_add_many(test, ring, 1);
	__virtqueue_break(ring->vq);
	KUNIT_ASSERT_EQ(test, virtqueue_reinit_vring(ring->vq), -EBUSY);
	KUNIT_EXPECT_TRUE(test, virtqueue_is_broken(ring->vq));
}

/* Test that a refused ring can still be used, and hands out what it held. */
static void test_busy_still_works(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	ring_pass(test, ring);
	KUNIT_ASSERT_EQ(test, ring_add(ring, 0, 2), 0);
	device_take(ring);
	KUNIT_ASSERT_EQ(test, virtqueue_reinit_vring(ring->vq), -EBUSY);

	device_use(ring, 0, 1);
	ring_expect_buf(test, ring, 0);
	ring_expect_works(test, ring);
}

/* Test that a ring in memory of the caller is refused. */
static void test_foreign_ring_is_refused(struct kunit *test)
{
	struct ring *ring = ring_alloc(test);
	void *pages = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pages);
	ring->vq = vring_new_virtqueue(0, RING_NUM, RING_ALIGN, &ring->vdev, true, false, pages,
				       ring_notify, ring_callback, "ring");
	KUNIT_ASSERT_NOT_NULL(test, ring->vq);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, ring_del, ring->vq), 0);
	KUNIT_EXPECT_EQ(test, virtqueue_reinit_vring(ring->vq), -EPERM);
}

/* Test that a broken ring stays so. */
static void test_broken_stays_broken(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	__virtqueue_break(ring->vq);
	KUNIT_ASSERT_EQ(test, virtqueue_reinit_vring(ring->vq), 0);
	KUNIT_EXPECT_TRUE(test, virtqueue_is_broken(ring->vq));
}

/* Test that a ring that is not broken is not broken by it. */
static void test_unbroken_stays_unbroken(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	KUNIT_ASSERT_EQ(test, virtqueue_reinit_vring(ring->vq), 0);
	KUNIT_EXPECT_FALSE(test, virtqueue_is_broken(ring->vq));
}

/* Test that a ring works again after the device used what it never got. */
static void test_reinit_after_bad_id(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	device_use_bogus(ring, RING_NUM - 1, 1);
	KUNIT_ASSERT_EQ(test, ring_get_all(ring), 0);
	KUNIT_ASSERT_TRUE(test, virtqueue_is_broken(ring->vq));

	ring_reinit(test, ring);
	ring_expect_works(test, ring);
}

/* Test that it works again after the device used what does not exist. */
static void test_reinit_after_id_out_of_range(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	device_use_bogus(ring, U16_MAX, 1);
	KUNIT_ASSERT_EQ(test, ring_get_all(ring), 0);
	KUNIT_ASSERT_TRUE(test, virtqueue_is_broken(ring->vq));

	ring_reinit(test, ring);
	ring_expect_works(test, ring);
}

/* Test that it works again after the device used a buffer time and again. */
static void test_reinit_after_replay(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	ring_add_many(test, ring, 2);
	device_take(ring);
	device_use_bogus(ring, ring->elems[0].id, RING_NUM);
	ring_get_all(ring);
	KUNIT_ASSERT_TRUE(test, virtqueue_is_broken(ring->vq));

	ring_detach(ring);
	ring_reinit(test, ring);
	ring_expect_works(test, ring);
}

/* Test that a ring that was put back hands out no more than it was given. */
static void test_replay_after_reinit(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	ring_turn(test, ring, 1);
	ring_reinit(test, ring);
	ring_add_many(test, ring, 2);
	device_take(ring);
	device_use_bogus(ring, ring->elems[0].id, RING_NUM);

	KUNIT_EXPECT_LE(test, ring_get_all(ring), 2);
	KUNIT_EXPECT_TRUE(test, virtqueue_is_broken(ring->vq));
}

/* Test that such a ring knows what it never gave to the device. */
static void test_bad_id_after_reinit(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	ring_turn(test, ring, 1);
	ring_reinit(test, ring);
	device_use_bogus(ring, 0, 1);

	KUNIT_EXPECT_EQ(test, ring_get_all(ring), 0);
	KUNIT_EXPECT_EQ(test, ring_add(ring, 0, 1), -EIO);
}

/* Test that there is a message then, which names the device and the queue. */
static void test_bad_id_message(struct kunit *test)
{
	const char *message = RING_NAME ": ring:id 0 is not a head!";
	struct ring *ring = ring_create(test, ring_callback);

	ring_turn(test, ring, 1);
	ring_reinit(test, ring);
	device_use_bogus(ring, 0, 1);
	ring_get_all(ring);

	KUNIT_EXPECT_EQ(test, kernel_log_count(ring->log_start, message), 1);
}

/* Test that a length beyond the buffer's is for the driver to judge. */
static void test_bad_length_after_reinit(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	ring_reinit(test, ring);
	ring_add_many(test, ring, 1);
	device_take(ring);
	ring->elems[0].written = U32_MAX;
	ring->format->use(ring, &ring->elems[0], 1, 1);

	ring_expect_buf(test, ring, 0);
	ring_expect_works(test, ring);
}

/* Test that nothing of what was written to the ring is left. */
static void test_scribble_is_forgotten(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	ring->format->visit_areas(ring, area_scribble);
	ring_reinit(test, ring);
	ring_expect_as_created(test, ring);
}

/* Test the same for a ring without a callback. */
static void test_scribble_is_forgotten_without_callback(struct kunit *test)
{
	struct ring *ring = ring_create(test, NULL);

	ring->format->visit_areas(ring, area_scribble);
	ring_reinit(test, ring);
	ring_expect_as_created(test, ring);
}

/* Test that a ring with a callback asks the device for interrupts. */
static void test_callback_wants_interrupts(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);
	struct ring_view view;

	virtqueue_disable_cb(ring->vq);
	ring_reinit(test, ring);
	ring_get_view(ring, &view);
	KUNIT_EXPECT_EQ(test, view.driver_flags, 0);
}

/* Test that a ring without a callback tells the device so, and for good. */
static void test_no_callback_wants_no_interrupts(struct kunit *test)
{
	struct ring *ring = ring_create(test, NULL);
	struct ring_view view;

	ring_enable_cb(test, ring);
	ring_reinit(test, ring);
	ring_pass(test, ring);
	ring_get_view(ring, &view);
	KUNIT_EXPECT_EQ(test, view.driver_flags, ring->format->quiet_flags(ring));
	KUNIT_EXPECT_EQ(test, view.driver_event, 0);
}

/* Test that callbacks which the driver disabled are enabled again. */
static void test_disabled_callbacks_are_enabled(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	ring_pass(test, ring);
	virtqueue_disable_cb(ring->vq);
	ring_reinit(test, ring);
	ring_expect_as_created(test, ring);
}

/* Test that callbacks enabled on a ring without one are off again. */
static void test_enabled_callbacks_are_disabled(struct kunit *test)
{
	struct ring *ring = ring_create(test, NULL);

	ring_enable_cb(test, ring);
	ring_pass(test, ring);
	ring_reinit(test, ring);
	ring_expect_as_created(test, ring);
}

/* Test that an interrupt before does not keep callbacks from being disabled. */
static void test_interrupt_is_forgotten(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);
	struct ring_view enabled, disabled;

	ring_send(test, ring);
	KUNIT_ASSERT_EQ(test, vring_interrupt(0, ring->vq), IRQ_HANDLED);
	KUNIT_ASSERT_EQ(test, ring->called, 1);
	ring_expect_buf(test, ring, 0);
	ring_reinit(test, ring);

	ring_pass(test, ring);
	ring_get_view(ring, &enabled);
	virtqueue_disable_cb(ring->vq);
	ring_get_view(ring, &disabled);
	KUNIT_EXPECT_MEMNEQ(test, &enabled, &disabled, sizeof(enabled));
}

/* Test that buffers which were never kicked do not cause a kick later. */
static void test_unkicked_is_forgotten(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);

	ring_cut_batch(test, ring);
	ring_detach(ring);
	ring_reinit(test, ring);

	ring->format->refuse_kicks(ring);
	ring_add_many(test, ring, 1);
	KUNIT_EXPECT_FALSE(test, virtqueue_kick_prepare(ring->vq));
}

/* Test that the addresses that the transport gave to the device stay valid. */
static void test_addresses_stay(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);
	dma_addr_t desc = virtqueue_get_desc_addr(ring->vq);
	dma_addr_t driver = virtqueue_get_avail_addr(ring->vq);
	dma_addr_t device = virtqueue_get_used_addr(ring->vq);

	ring_turn(test, ring, 2);
	ring_reinit(test, ring);
	KUNIT_EXPECT_EQ(test, virtqueue_get_desc_addr(ring->vq), desc);
	KUNIT_EXPECT_EQ(test, virtqueue_get_avail_addr(ring->vq), driver);
	KUNIT_EXPECT_EQ(test, virtqueue_get_used_addr(ring->vq), device);
}

/* Test that nothing is allocated for DMA, mapped or unmapped. */
static void test_nothing_is_allocated(struct kunit *test)
{
	struct ring *ring = ring_create(test, ring_callback);
	unsigned int allocations = ring->allocations, mappings;

	KUNIT_ASSERT_GT(test, allocations, 0);
	ring_turn(test, ring, 2);
	mappings = ring->mappings;
	KUNIT_ASSERT_GT(test, mappings, 0);
	ring_reinit(test, ring);
	KUNIT_EXPECT_EQ(test, ring->allocations, allocations);
	KUNIT_EXPECT_EQ(test, ring->mappings, mappings);
	KUNIT_EXPECT_EQ(test, ring->mapped, 0);
}

static struct kunit_case noirq_ring_test_cases[] = {
	RING_CASE(test_reinit_at_offset, all_offsets),
	RING_CASE(test_reinit_again, all_rings),
	RING_CASE(test_reinit_cut_batch, all_offsets),
	RING_CASE(test_reinit_keeps_free_list, any_order_rings),
	RING_CASE(test_busy_is_refused, all_rings),
	RING_CASE(test_unfetched_is_refused, all_rings),
	RING_CASE(test_busy_is_untouched, all_rings),
	RING_CASE(test_busy_message, all_rings),
	RING_CASE(test_busy_stays_broken, all_rings),
	RING_CASE(test_busy_still_works, all_rings),
	RING_CASE(test_foreign_ring_is_refused, split_rings),
	RING_CASE(test_broken_stays_broken, all_rings),
	RING_CASE(test_unbroken_stays_unbroken, all_rings),
	RING_CASE(test_reinit_after_bad_id, all_rings),
	RING_CASE(test_reinit_after_id_out_of_range, all_rings),
	RING_CASE(test_reinit_after_replay, all_rings),
	RING_CASE(test_replay_after_reinit, all_rings),
	RING_CASE(test_bad_id_after_reinit, all_rings),
	RING_CASE(test_bad_id_message, all_rings),
	RING_CASE(test_bad_length_after_reinit, all_rings),
	RING_CASE(test_scribble_is_forgotten, all_rings),
	RING_CASE(test_scribble_is_forgotten_without_callback, all_rings),
	RING_CASE(test_callback_wants_interrupts, all_rings),
	RING_CASE(test_no_callback_wants_no_interrupts, all_rings),
	RING_CASE(test_disabled_callbacks_are_enabled, all_rings),
	RING_CASE(test_enabled_callbacks_are_disabled, all_rings),
	RING_CASE(test_interrupt_is_forgotten, all_rings),
	RING_CASE(test_unkicked_is_forgotten, all_rings),
	RING_CASE(test_addresses_stay, all_rings),
	RING_CASE(test_nothing_is_allocated, all_rings),
	{}
};

static struct kunit_suite noirq_ring_test_suite = {
	.name = "virtio_noirq_ring",
	.test_cases = noirq_ring_test_cases,
};

kunit_test_suite(noirq_ring_test_suite);

MODULE_DESCRIPTION("KUnit tests for putting virtqueues back into their created state");
MODULE_LICENSE("GPL");
