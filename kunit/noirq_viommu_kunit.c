// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for virtio-iommu: requests to a device that does not answer, and
 * what a device has after the noirq phase of system sleep.
 */
#include <kunit/test-bug.h>

#include "fake_viommu.h"

/* What the device can do in a request */

static int hw_refuse(struct fake_virtio *fake)
{
	return VIRTIO_IOMMU_S_NOMEM;
}

static int hw_refuse_third(struct fake_virtio *fake)
{
	return ++fake->seen == 3 ? VIRTIO_IOMMU_S_NOMEM : 0;
}

static int hw_refuse_first(struct fake_virtio *fake)
{
	return ++fake->seen == 1 ? VIRTIO_IOMMU_S_NOMEM : 0;
}

static int hw_refuse_from_second(struct fake_virtio *fake)
{
	return ++fake->seen >= 2 ? VIRTIO_IOMMU_S_NOMEM : 0;
}

static int hw_refuse_second(struct fake_virtio *fake)
{
	return ++fake->seen == 2 ? VIRTIO_IOMMU_S_NOMEM : 0;
}

/* The mapping, and the endpoint that wants to leave */
static int hw_refuse_and_keep(struct fake_virtio *fake)
{
	fake_at(fake, "attach", hw_refuse);

	return VIRTIO_IOMMU_S_NOMEM;
}

static int hw_refuse_third_and_keep(struct fake_virtio *fake)
{
	return ++fake->seen == 3 ? hw_refuse_and_keep(fake) : 0;
}

/* The device does as if it had been asked to detach the endpoint first. */
static int hw_refuse_detached(struct fake_virtio *fake)
{
	if (++fake->seen != 1)
		return 0;
	hw_detach_endpoint(&hw.endpoints[1]);

	return VIRTIO_IOMMU_S_NOMEM;
}

/* Nor does it take the endpoint back. */
static int hw_refuse_for_good(struct fake_virtio *fake)
{
	hw_refuse_detached(fake);

	return VIRTIO_IOMMU_S_NOMEM;
}

static int hw_say_nothing(struct fake_virtio *fake)
{
	return HW_SILENT;
}

static int hw_write_nothing(struct fake_virtio *fake)
{
	return HW_EMPTY;
}

static int hw_say_nothing_to_second(struct fake_virtio *fake)
{
	return ++fake->seen == 2 ? HW_SILENT : 0;
}

/* How often nobody else can come or go */
static int hw_look_at_lock(struct fake_virtio *fake)
{
	fake->seen += mutex_is_locked(&hw_viommu()->endpoints_lock);

	return 0;
}

/* How many descriptors the device has when it is reset */
static int hw_look_at_reset(struct fake_virtio *fake)
{
	struct virtqueue *vq;

	virtio_device_for_each_vq(&fake->vdev, vq)
		fake->seen += virtqueue_get_vring_size(vq) - vq->num_free;

	return 0;
}

/* What can happen while the driver waits */

static void hw_break(void)
{
	if (hw.waited_ms == 3)
		virtio_break_device(&hw.fake->vdev);
}

static void hw_answer_all(void)
{
	hw.mute = false;
	hw_notify(hw_vq(VIOMMU_REQUEST_VQ));
}

static void hw_wake_up(void)
{
	if (hw.waited_ms >= 3)
		hw_answer_all();
}

/* One answer in 50 seconds */
static void hw_answer_slowly(void)
{
	struct vring_desc *desc;

	if (hw.waited_ms % (50 * MSEC_PER_SEC))
		return;

	desc = hw_take(VIOMMU_REQUEST_VQ);
	if (desc)
		hw_answer(desc);
}

/* The CPU does not run before it looks at the clock for the last time; the device does. */
static void hw_stop_cpu(void)
{
	if (hw.waited_ms >= VIOMMU_REQ_TIMEOUT_MS)
		hw_answer_all();
}

/* The status becomes the one that the test is about. */
static void hw_fail(void)
{
	const u8 *status = kunit_get_current_test()->param_value;

	if (hw.waited_ms == 3)
		hw.fake->status = *status;
}

/* How long the driver waits for one answer, in ms */
static unsigned int hw_wait(struct iommu_domain *domain, unsigned int page,
			    int *ret)
{
	unsigned int before = hw.waited_ms;

	*ret = hw_map_page(domain, page);

	return hw.waited_ms - before;
}

static bool hw_is_linked(struct device *dev)
{
	struct device_link *link;

	list_for_each_entry(link, &dev->links.suppliers, c_node)
		if (link->supplier == hw.fake->parent)
			return true;

	return false;
}

static bool hw_is_bypassed(u32 id)
{
	return hw.endpoints[id].attached && hw.endpoints[id].bypass;
}

/* A domain of so many pages that no endpoint has had */
static struct iommu_domain *hw_new_domain(struct kunit *test, unsigned int pages)
{
	struct iommu_domain *domain;

	hw_plug(test, 2);
	domain = hw_domain(test, 2);
	hw_map_pages(test, domain, pages);
	hw_unplug(2);

	return domain;
}

/* Attach the first endpoint, as the core does with one that has a domain. */
static int hw_move(struct iommu_domain *new, struct iommu_domain *old)
{
	return new->ops->attach_dev(new, &hw.pdevs[1]->dev, old);
}

/* How many endpoints the driver believes a domain to have */
static unsigned long hw_counted(struct iommu_domain *domain)
{
	return to_viommu_domain(domain)->nr_endpoints;
}

static void hw_expect_state(struct kunit *test, const char *wanted)
{
	KUNIT_EXPECT_STREQ(test, hw_state(test), wanted);
}

/* Of two endpoints, with a page each, the device has the second one. */
static void hw_expect_second_alone(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, hw.endpoints[1].attached);
	KUNIT_EXPECT_EQ(test, hw_mapped(2), 1);
}

/* The core has given the device up, and nobody reaches memory. */
static void hw_expect_closed(struct kunit *test)
{
	u32 id;

	KUNIT_EXPECT_EQ(test, hw.config.bypass, 0);
	for (id = 0; id < HW_ENDPOINTS; id++)
		KUNIT_EXPECT_EQ(test, hw_translate(id, HW_MAPPINGS), U64_MAX);
}

/* Tests of a device that does not answer */

/* Test that nobody waits for more than a minute if a device does not answer. */
static void noirq_wait_ends(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 1);
	unsigned int ms;
	int ret;

	hw.mute = true;
	ms = hw_wait(domain, 1, &ret);
	KUNIT_EXPECT_EQ(test, ret, -ETIMEDOUT);
	KUNIT_EXPECT_GE(test, ms, 60000);
	KUNIT_EXPECT_LT(test, ms, 61000);
	/* The hard lockup detector waits for 10 s. */
	KUNIT_EXPECT_GE(test, hw.touched, 6);
	KUNIT_EXPECT_EQ(test, hw_logged("no answer (status 0xf)"), 1);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 1);
}

static const u8 hw_failed[] = {
	0xff,	/* gone */
	0x4f,	/* DEVICE_NEEDS_RESET */
	0x00,	/* reset */
};

KUNIT_ARRAY_PARAM(hw_failed, hw_failed, NULL);

/* Test that nobody waits for one whose status says that it does not work. */
static void noirq_failed_ends_wait(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 1);
	int ret;

	hw.mute = true;
	hw.waited = hw_fail;
	KUNIT_EXPECT_LT(test, hw_wait(domain, 1, &ret), 100);
	KUNIT_EXPECT_EQ(test, ret, -ETIMEDOUT);
	hw.fake->status = 0x0f;
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 1);
}

/* Test that only the first one waits. */
static void noirq_later_do_not_wait(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 1);
	unsigned int i;
	int ret;

	hw.mute = true;
	hw_wait(domain, 1, &ret);
	for (i = 0; i < 2 * HW_REQUESTS; i++) {
		KUNIT_EXPECT_EQ(test, hw_wait(domain, 2 + i, &ret), 0);
		KUNIT_EXPECT_EQ(test, ret, -EIO);
	}
}

/* Test that a device which takes its time is waited for. */
static void noirq_waits(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 1);
	int ret;

	hw.mute = true;
	hw.waited = hw_wake_up;
	KUNIT_EXPECT_EQ(test, hw_wait(domain, 1, &ret), 3);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 2);
}

/* Test that it may take as long for each request. */
static void noirq_waits_for_each(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 1);
	unsigned int i;

	hw.mute = true;
	hw.waited = hw_answer_slowly;
	for (i = 1; i < HW_REQUESTS; i++)
		KUNIT_ASSERT_EQ(test, hw_map_page_nosync(domain, i), 0);
	KUNIT_EXPECT_EQ(test, hw_map_page(domain, i), 0);
	KUNIT_EXPECT_GT(test, hw.waited_ms, VIOMMU_REQ_TIMEOUT_MS);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), HW_REQUESTS + 1);
}

/* Test that a device is not given up whose answer came while the CPU did not run. */
static void noirq_looks_last(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 1);

	hw.mute = true;
	hw.asked = hw_stop_cpu;
	KUNIT_EXPECT_EQ(test, hw_map_page(domain, 1), 0);
	KUNIT_EXPECT_GE(test, hw.waited_ms, VIOMMU_REQ_TIMEOUT_MS);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 2);
}

/* Test that nobody waits any more for a device that was broken meanwhile. */
static void noirq_broken_ends_wait(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 1);
	int ret;

	hw.mute = true;
	hw.waited = hw_break;
	KUNIT_EXPECT_EQ(test, hw_wait(domain, 1, &ret), 3);
	KUNIT_EXPECT_EQ(test, ret, -EIO);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 1);
}

/* Test that a full ring of requests that are not answered is an error. */
static void noirq_full_ring_fails(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 1);
	unsigned int i;

	hw.mute = true;
	for (i = 1; i <= HW_REQUESTS; i++)
		KUNIT_ASSERT_EQ(test, hw_map_page_nosync(domain, i), 0);
	KUNIT_EXPECT_EQ(test, hw_map_page(domain, i), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(domain, i * SZ_4K), 0);
}

/* Test that a late answer is not copied to where nobody waits any more. */
static void noirq_late_answer(struct kunit *test)
{
	struct virtio_iommu_req_detach detach = {
		.head.type = VIRTIO_IOMMU_T_DETACH,
		.tail.status = VIRTIO_IOMMU_S_RANGE,
	};
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 1);

	fake_at(hw.fake, "detach", hw_say_nothing);
	hw.waited = hw_break;
	KUNIT_ASSERT_EQ(test, viommu_send_req_sync(hw_viommu(), &detach,
						   sizeof(detach)), -EIO);

	/* As the core does if a device cannot be frozen after all */
	hw_heal();
	__virtio_unbreak_device(&hw.fake->vdev);
	hw_answer_held();
	KUNIT_ASSERT_EQ(test, hw_map_page(domain, 1), 0);
	KUNIT_EXPECT_EQ(test, detach.tail.status, VIRTIO_IOMMU_S_RANGE);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 2);
}

/* Test that a request has failed whose answer is without a status. */
static void noirq_empty_answer(struct kunit *test)
{
	struct iommu_domain *domain;

	hw_plug(test, 1);
	domain = hw_domain(test, 1);
	hw_map_pages(test, domain, 1);
	fake_at(hw.fake, "attach", hw_write_nothing);
	KUNIT_EXPECT_EQ(test, hw_attach_to(domain, 1), -EIO);
	KUNIT_EXPECT_EQ(test, hw.maps, 0);
}

/* Test that what is unmapped is gone, whether the device can be told or not. */
static void noirq_unmap_given_up(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 3);

	hw.mute = true;
	KUNIT_EXPECT_EQ(test, hw_unmap_page(domain, 0), SZ_4K);
	KUNIT_EXPECT_EQ(test, hw_unmap_page(domain, 1), SZ_4K);

	hw_heal();
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 1), U64_MAX);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 1);
}

/* Test that it is not, if the device works and has not been told. */
static void noirq_unmap_not_sent(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 2);
	LIST_HEAD(taken);

	list_splice_init(&hw_viommu()->free_requests, &taken);
	KUNIT_EXPECT_EQ(test, hw_unmap_page(domain, 1), 0);
	list_splice(&taken, &hw_viommu()->free_requests);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 2);
}

/* As the core gives an endpoint back, whether that succeeds or not; its domain goes. */
static void hw_free_attached(struct kunit *test, u32 id)
{
	kunit_warning_suppress(test)
		hw_detach_from(id);
	fake_at(hw.fake, "unmap", hw_look_at_lock);
	iommu_domain_free(hw.domains[id]);
	hw.domains[id] = NULL;
}

/* The number that the domain of another endpoint gets */
static unsigned int hw_plug_next(struct kunit *test, u32 id)
{
	struct iommu_domain *domain;

	hw_plug(test, id);
	domain = hw_domain(test, id);

	return to_viommu_domain(domain)->id;
}

/* Test that an endpoint reaches nothing in a domain that was freed, which it can leave. */
static void noirq_free_attached(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 1);
	unsigned int number = to_viommu_domain(domain)->id;

	hw_plug_mapped(test, 2, 2);
	fake_at(hw.fake, "attach", hw_refuse);
	hw_free_attached(test, 1);
	KUNIT_EXPECT_EQ(test, hw.fake->seen, 1);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 0), U64_MAX);
	KUNIT_EXPECT_EQ(test, hw_mapped(2), 2);

	hw_heal();
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 0), U64_MAX);
	KUNIT_EXPECT_EQ(test, hw_mapped(2), 2);

	domain = hw_domain(test, 1);
	KUNIT_EXPECT_NE(test, to_viommu_domain(domain)->id, number);
	KUNIT_ASSERT_EQ(test, hw_attach_to(domain, 1), 0);
	hw_map_pages(test, domain, 1);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 0), SZ_1M);
	KUNIT_EXPECT_EQ(test, hw_plug_next(test, 3), number);
}

/* Test that such a domain goes with its endpoint. */
static void noirq_free_attached_unplug(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 1);
	unsigned int number = to_viommu_domain(domain)->id;

	fake_at(hw.fake, "attach", hw_refuse);
	hw_free_attached(test, 1);
	hw_heal();
	hw_unplug(1);
	KUNIT_EXPECT_EQ(test, hw_plug_next(test, 2), number);
}

/* Test that an ID which is in another domain by then does not keep its number. */
static void noirq_free_attached_alias(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_alias_mapped(test, 1, 3, 1);
	unsigned int number = to_viommu_domain(domain)->id;

	fake_at(hw.fake, "attach", hw_refuse);
	hw_free_attached(test, 1);
	hw_heal();
	hw_plug_alias(test, 2, 3);
	hw_unplug(1);
	KUNIT_EXPECT_EQ(test, hw_logged("could not detach endpoint"), 1);
	KUNIT_EXPECT_EQ(test, hw_plug_next(test, 0), number);
}

/* Test that an endpoint does not reach anything when a device that was given up is back. */
static void noirq_free_attached_then_cycle(struct kunit *test)
{
	hw_plug_mapped(test, 1, 1);
	hw.mute = true;
	hw_free_attached(test, 1);
	KUNIT_EXPECT_EQ(test, hw_logged("could not empty a domain"), 1);

	hw_heal();
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 0), U64_MAX);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 1), U64_MAX);
}

/* Test that neither does one of a device that keeps domains over a reset. */
static void noirq_free_attached_keeps_domains(struct kunit *test)
{
	hw.keeps_domains = true;
	noirq_free_attached_then_cycle(test);
}

/* Test that no other domain gets its number, if the device was not told. */
static void noirq_free_attached_given_up(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 1);
	unsigned int number = to_viommu_domain(domain)->id;

	hw.keeps_domains = true;
	hw.mute = true;
	hw_free_attached(test, 1);
	hw_unplug(1);

	hw_heal();
	hw_cycle(test);
	domain = hw_plug_mapped(test, 2, 0);
	KUNIT_EXPECT_NE(test, to_viommu_domain(domain)->id, number);
	KUNIT_EXPECT_EQ(test, hw_translate(2, 0), U64_MAX);
}

/* Test that nobody gets the number of a domain that an endpoint is attached to late. */
static void noirq_free_late_attach(struct kunit *test)
{
	struct iommu_domain *old = hw_plug_mapped(test, 1, 1), *domain;
	unsigned int number;

	hw.keeps_domains = true;
	hw.stale = true;
	domain = hw_domain(test, 1);
	number = to_viommu_domain(domain)->id;
	hw.mute = true;
	KUNIT_EXPECT_EQ(test, hw_move(domain, old), -ETIMEDOUT);
	scoped_guard(irq)
		hw_answer_all();
	KUNIT_EXPECT_EQ(test, hw.endpoints[1].domain, number);
	iommu_domain_free(domain);
	hw.domains[1] = old;
	kunit_warning_suppress(test)
		hw_unplug(1);

	hw_heal();
	hw_cycle(test);
	KUNIT_EXPECT_NE(test, hw_plug_next(test, 2), number);
	KUNIT_EXPECT_EQ(test, hw_logged("could not empty"), 0);
}

/* Test that the identity domain, which is that of all devices, is not emptied then. */
static void noirq_free_identity_given_up(struct kunit *test)
{
	hw_plug(test, 1);
	hw.mute = true;
	hw_unplug(1);

	hw_heal();
	hw_cycle(test);
	hw_plug(test, 2);
	KUNIT_EXPECT_TRUE(test, hw.endpoints[2].bypass);
}

/* Test that removing the device frees all requests, answered or not. */
static void noirq_remove_frees(struct kunit *test)
{
	unsigned int freed;

	hw_plug(test, 1);
	hw.mute = true;
	hw_unplug(1);
	KUNIT_ASSERT_EQ(test, list_count_nodes(&hw_viommu()->requests), 1);
	KUNIT_EXPECT_EQ(test, hw_logged("could not detach endpoint"), 1);

	freed = hw.freed;
	fake_unbind(hw.fake);
	KUNIT_EXPECT_EQ(test, hw.freed - freed, FAKE_QUEUE_SIZE + 1);
}

/* Tests of the order of devices */

/* Test that an endpoint is resumed after the parent of the IOMMU. */
static void noirq_link(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, hw_is_linked(hw_plug(test, 1)));
	KUNIT_EXPECT_TRUE(test, hw_is_linked(hw_plug(test, 2)));
	hw_unplug(1);
	KUNIT_EXPECT_TRUE(test, hw_is_linked(&hw.pdevs[2]->dev));
}

/* Test that it is no longer when the IOMMU has gone. */
static void noirq_link_goes(struct kunit *test)
{
	struct iommu_device *iommu = &hw_viommu()->iommu;
	struct device *dev = hw_plug(test, 1);

	iommu_device_unregister(iommu);
	KUNIT_EXPECT_FALSE(test, hw.endpoints[1].attached);
	KUNIT_EXPECT_FALSE(test, hw_is_linked(dev));

	/* As the driver finds it when it is removed */
	KUNIT_EXPECT_EQ(test, iommu_device_register(iommu, &viommu_ops,
						    hw.fake->parent), 0);
}

/* Tests of attaching */

/* Test that a domain brings each mapping once, in as few batches as possible. */
static void noirq_attach_replays(struct kunit *test)
{
	struct iommu_domain *domain;

	hw_plug(test, 1);
	domain = hw_domain(test, 1);
	hw_map_pages(test, domain, 5 * HW_REQUESTS + 1);
	KUNIT_EXPECT_EQ(test, hw.maps, 0);

	KUNIT_ASSERT_EQ(test, hw_attach_to(domain, 1), 0);
	KUNIT_EXPECT_EQ(test, hw.maps, 5 * HW_REQUESTS + 1);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 5 * HW_REQUESTS + 1);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 7), SZ_1M + 7 * SZ_4K);
	KUNIT_EXPECT_EQ(test, hw.batch, HW_REQUESTS);
}

/* Test that the second endpoint of a domain finds the mappings there. */
static void noirq_attach_second(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 3);

	hw_plug_into(test, domain, 2);
	KUNIT_EXPECT_EQ(test, hw.maps, 3);
	KUNIT_EXPECT_EQ(test, hw_translate(2, 2), SZ_1M + 2 * SZ_4K);
}

/* Test that an endpoint stays where it was if the device does not attach it. */
static void noirq_attach_refused(struct kunit *test)
{
	struct iommu_domain *old = hw_plug_mapped(test, 1, 1), *new;
	struct device *dev = hw_plug(test, 2);

	new = hw_domain(test, 2);
	fake_at(hw.fake, "attach", hw_refuse_first);
	KUNIT_ASSERT_EQ(test, hw_move(new, old), -ENOMEM);
	fake_at(hw.fake, "attach", hw_refuse);
	KUNIT_ASSERT_EQ(test, hw_attach_to(new, 2), -ENOMEM);
	KUNIT_EXPECT_TRUE(test, hw_is_bypassed(2));
	hw_heal();

	KUNIT_EXPECT_EQ(test, hw_map_page(old, 1), 0);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 1), SZ_1M + SZ_4K);
	KUNIT_EXPECT_EQ(test, hw_attach_to(old, 2), 0);
	KUNIT_EXPECT_EQ(test, hw_translate(2, 1), SZ_1M + SZ_4K);
	KUNIT_EXPECT_EQ(test, hw_counted(old), 2);
	KUNIT_EXPECT_PTR_EQ(test, iommu_get_domain_for_dev(dev), old);
}

/* An endpoint that is refused so is where it was, with all mappings. */
static void hw_expect_back(struct kunit *test, int (*refuse)(struct fake_virtio *fake))
{
	struct iommu_domain *old = hw_plug_mapped(test, 1, 3), *new;
	const char *before = hw_state(test);

	new = hw_new_domain(test, 1);
	fake_at(hw.fake, "attach", refuse);
	KUNIT_EXPECT_EQ(test, hw_move(new, old), -ENOMEM);
	hw_expect_state(test, before);
	KUNIT_EXPECT_EQ(test, hw_counted(old), 1);
	KUNIT_EXPECT_EQ(test, hw_counted(new), 0);
	KUNIT_EXPECT_EQ(test, hw.refused, 0);
}

/* Test that it is if the device has detached it. */
static void noirq_attach_refused_detached(struct kunit *test)
{
	hw_expect_back(test, hw_refuse_detached);
}

/* Test that a device which has not is not sent what it still has. */
static void noirq_attach_refused_kept(struct kunit *test)
{
	hw_expect_back(test, hw_refuse_first);
}

/* Test that another endpoint of the old domain does not lose them meanwhile. */
static void noirq_attach_refused_shared(struct kunit *test)
{
	struct iommu_domain *old = hw_plug_mapped(test, 1, 3), *new;
	const char *before;

	hw_plug_into(test, old, 3);
	before = hw_state(test);
	new = hw_new_domain(test, 1);
	hw.maps = 0;
	fake_at(hw.fake, "attach", hw_refuse_detached);
	KUNIT_EXPECT_EQ(test, hw_move(new, old), -ENOMEM);
	hw_expect_state(test, before);
	KUNIT_EXPECT_EQ(test, hw.maps, 0);
}

/* Test that one that cannot go back is not one of those for which the device has a domain. */
static void noirq_attach_refused_for_good(struct kunit *test)
{
	struct iommu_domain *old = hw_plug_mapped(test, 1, 3), *new;

	hw_plug_into(test, old, 3);
	new = hw_new_domain(test, 1);
	fake_at(hw.fake, "attach", hw_refuse_for_good);
	KUNIT_EXPECT_EQ(test, hw_move(new, old), -ENOMEM);
	KUNIT_EXPECT_EQ(test, hw_logged("could not go back"), 1);
	KUNIT_EXPECT_EQ(test, hw_mapped(3), 3);

	hw_heal();
	hw_unplug(3);
	hw_plug_into(test, old, 0);
	KUNIT_EXPECT_EQ(test, hw_mapped(0), 3);
	KUNIT_EXPECT_EQ(test, hw_move(old, old), 0);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 3);
}

/* Test that one that was nowhere does not have the others lose theirs, either. */
static void noirq_attach_refused_nowhere(struct kunit *test)
{
	struct iommu_domain *old = hw_plug_mapped(test, 1, 3), *new;

	hw_plug_into(test, old, 3);
	new = hw_new_domain(test, 1);
	fake_at(hw.fake, "attach", hw_refuse_first);
	hw_cycle(test);
	KUNIT_ASSERT_FALSE(test, hw.endpoints[1].attached);

	hw.fake->seen = 0;
	hw.maps = 0;
	KUNIT_EXPECT_EQ(test, hw_move(new, old), -ENOMEM);
	KUNIT_EXPECT_EQ(test, hw.maps, 0);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 3);
	KUNIT_EXPECT_EQ(test, hw_mapped(3), 3);
}

/* Test that it goes back to the identity domain, which has no mappings. */
static void noirq_attach_refused_identity(struct kunit *test)
{
	struct iommu_domain *new;

	hw_plug(test, 1);
	new = hw_new_domain(test, 1);
	fake_at(hw.fake, "attach", hw_refuse_detached);
	KUNIT_EXPECT_EQ(test, hw_move(new, NULL), -ENOMEM);
	KUNIT_EXPECT_TRUE(test, hw_is_bypassed(1));
	KUNIT_EXPECT_FALSE(test, viommu_identity_domain.incomplete);
}

/* Test that it is not taken back by a device that does not answer any more. */
static void noirq_attach_unanswered(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 3), *new;

	new = hw_new_domain(test, 1);
	hw.stale = true;
	hw.mute = true;
	KUNIT_EXPECT_EQ(test, hw_move(new, domain), -ETIMEDOUT);
	KUNIT_EXPECT_FALSE(test, to_viommu_domain(domain)->stale);
}

/* Test that it goes back to where it was if the device refuses a mapping. */
static void noirq_replay_refused(struct kunit *test)
{
	struct iommu_domain *domain;

	hw_plug(test, 1);
	domain = hw_domain(test, 1);
	hw_map_pages(test, domain, 2 * HW_REQUESTS);
	fake_at(hw.fake, "map", hw_refuse_third);
	KUNIT_EXPECT_EQ(test, hw_attach_to(domain, 1), -ENOMEM);
	KUNIT_EXPECT_TRUE(test, hw_is_bypassed(1));
	KUNIT_EXPECT_EQ(test, hw.refused, 0);

	hw_heal();
	KUNIT_EXPECT_EQ(test, hw_attach_to(domain, 1), 0);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 2 * HW_REQUESTS);
}

/* Test that the old domain has its mappings again then. */
static void noirq_replay_refused_old(struct kunit *test)
{
	struct iommu_domain *old = hw_plug_mapped(test, 1, 3), *new;
	const char *before = hw_state(test);

	new = hw_new_domain(test, 2 * HW_REQUESTS);
	fake_at(hw.fake, "map", hw_refuse_third);
	KUNIT_EXPECT_EQ(test, hw_move(new, old), -ENOMEM);
	hw_expect_state(test, before);
	KUNIT_EXPECT_EQ(test, hw_map_page(old, 3), 0);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 4);
}

/* Test that it reaches nothing if its old domain cannot have its mappings back. */
static void noirq_replay_refused_twice(struct kunit *test)
{
	struct iommu_domain *old = hw_plug_mapped(test, 1, 3), *new;

	new = hw_new_domain(test, 1);
	fake_at(hw.fake, "map", hw_refuse);
	KUNIT_EXPECT_EQ(test, hw_move(new, old), -ENOMEM);
	KUNIT_EXPECT_EQ(test, hw_counted(old), 1);
	KUNIT_EXPECT_EQ(test, hw_counted(new), 0);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 0), U64_MAX);
}

/* Test that it stays, and reaches nothing when the domain is freed, if it cannot go back. */
static void noirq_way_back_refused(struct kunit *test)
{
	struct iommu_domain *old = hw_plug_mapped(test, 1, 3), *new;

	new = hw_new_domain(test, 3);
	fake_at(hw.fake, "map", hw_refuse_third_and_keep);
	KUNIT_EXPECT_EQ(test, hw_move(new, old), -ENOMEM);
	KUNIT_EXPECT_EQ(test, hw_counted(old), 0);
	KUNIT_EXPECT_EQ(test, hw_counted(new), 1);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 2);

	hw_heal();
	iommu_domain_free(new);
	hw.domains[2] = NULL;
	KUNIT_EXPECT_EQ(test, hw_translate(1, 0), U64_MAX);
	KUNIT_EXPECT_EQ(test, hw_move(old, NULL), 0);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 3);
}

/* Test that whoever is attached next has all mappings of the domain, and so has it then. */
static void noirq_way_back_refused_next(struct kunit *test)
{
	struct iommu_domain *old = hw_plug_mapped(test, 1, 1), *new;

	new = hw_new_domain(test, 3);
	fake_at(hw.fake, "map", hw_refuse_third_and_keep);
	KUNIT_EXPECT_EQ(test, hw_move(new, old), -ENOMEM);

	hw_heal();
	hw_plug(test, 3);
	KUNIT_EXPECT_EQ(test, hw_attach_to(new, 3), 0);
	KUNIT_EXPECT_EQ(test, hw_mapped(3), 3);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 3);

	hw.maps = 0;
	KUNIT_EXPECT_EQ(test, hw_move(new, old), 0);
	KUNIT_EXPECT_EQ(test, hw.maps, 0);
}

/* Test that an endpoint that has no domain has none then. */
static void noirq_replay_refused_first(struct kunit *test)
{
	struct iommu_domain *domain;

	hw_plug(test, 1);
	domain = hw_domain(test, 1);
	hw_map_pages(test, domain, 1);
	viommu_detach_dev(dev_iommu_priv_get(&hw.pdevs[1]->dev));
	fake_at(hw.fake, "map", hw_refuse);
	KUNIT_EXPECT_EQ(test, hw_attach_to(domain, 1), -ENOMEM);
	hw_expect_state(test, "bypass=1");
}

/* Test that endpoints come and go one after the other. */
static void noirq_attach_alone(struct kunit *test)
{
	fake_at(hw.fake, "attach", hw_look_at_lock);
	hw_plug_mapped(test, 1, 1);
	hw_detach_from(1);
	KUNIT_EXPECT_EQ(test, hw.fake->seen, 3);

	fake_at(hw.fake, "detach", hw_look_at_lock);
	hw_unplug(1);
	KUNIT_EXPECT_EQ(test, hw.fake->seen, 4);
}

/* Test that an endpoint whose second ID is refused stays where it was with both. */
static void noirq_alias_refused(struct kunit *test)
{
	struct iommu_domain *old = hw_plug_alias_mapped(test, 1, 3, 2), *new;
	const char *before = hw_state(test);

	new = hw_new_domain(test, 1);
	hw.stale = true;
	fake_at(hw.fake, "attach", hw_refuse_second);
	KUNIT_EXPECT_EQ(test, hw_move(new, old), -ENOMEM);
	hw_expect_state(test, before);
	KUNIT_EXPECT_EQ(test, hw_counted(old), 1);
	KUNIT_EXPECT_EQ(test, hw_counted(new), 0);
}

/* Test that no ID leaves a domain that the endpoint is attached to once more. */
static void noirq_alias_refused_same(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_alias_mapped(test, 1, 3, 2);
	const char *before = hw_state(test);

	fake_at(hw.fake, "attach", hw_refuse_second);
	KUNIT_EXPECT_EQ(test, hw_move(domain, domain), -ENOMEM);
	hw_expect_state(test, before);
	KUNIT_EXPECT_EQ(test, hw_counted(domain), 1);
}

/* Test that the first ID reaches what it may, and then nothing, if it cannot go back. */
static void noirq_alias_way_back_refused(struct kunit *test)
{
	struct iommu_domain *old = hw_plug_alias_mapped(test, 1, 3, 2), *new, *next;

	new = hw_plug_mapped(test, 2, 1);
	fake_at(hw.fake, "attach", hw_refuse_from_second);
	KUNIT_EXPECT_EQ(test, hw_move(new, old), -ENOMEM);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 0), SZ_1M);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 1), U64_MAX);
	KUNIT_EXPECT_EQ(test, hw_mapped(3), 2);

	hw_heal();
	hw_detach_from(2);
	iommu_domain_free(new);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 0), U64_MAX);
	KUNIT_EXPECT_EQ(test, hw_logged("could not empty"), 0);

	next = hw_domain(test, 2);
	KUNIT_ASSERT_EQ(test, hw_attach_to(next, 2), 0);
	hw_map_pages(test, next, 1);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 0), U64_MAX);
}

/* Test that it does not stay in the identity domain, where it reaches all. */
static void noirq_alias_identity_refused(struct kunit *test)
{
	struct iommu_domain *old = hw_plug_alias_mapped(test, 1, 3, 2);

	hw.config.bypass = 0;
	fake_at(hw.fake, "attach", hw_refuse_from_second);
	KUNIT_EXPECT_EQ(test, hw_move(&viommu_identity_domain.domain, old), -ENOMEM);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 5), U64_MAX);
}

/* Test that it is nowhere if it was nowhere. */
static void noirq_alias_refused_first(struct kunit *test)
{
	struct iommu_domain *domain;

	hw_plug_alias(test, 1, 3);
	domain = hw_domain(test, 1);
	viommu_detach_dev(dev_iommu_priv_get(&hw.pdevs[1]->dev));
	fake_at(hw.fake, "attach", hw_refuse_second);
	KUNIT_EXPECT_EQ(test, hw_attach_to(domain, 1), -ENOMEM);
	hw_expect_state(test, "bypass=1");
}

/* Test that a domain of another IOMMU is refused. */
static void noirq_attach_foreign(struct kunit *test)
{
	struct viommu_domain foreign = { };

	hw_plug(test, 1);
	KUNIT_EXPECT_EQ(test, viommu_attach_dev(&foreign.domain, &hw.pdevs[1]->dev,
						NULL), -EINVAL);
	KUNIT_EXPECT_TRUE(test, hw_is_bypassed(1));
}

/* Test that a device numbers its identity domain itself. */
static void noirq_identity_number(struct kunit *test)
{
	fake_unbind(hw.fake);
	hw.config.domain_range.start = cpu_to_le32(7);
	fake_bind(test, hw.fake);
	hw_plug(test, 1);
	hw_expect_state(test, "bypass=1 1:bypass7");
	hw_unplug(1);
	hw_expect_state(test, "bypass=1");
}

/* Test that the driver can be unbound while an endpoint is there. */
static void noirq_unbind(struct kunit *test)
{
	hw_plug(test, 1);
	fake_unbind(hw.fake);
	KUNIT_EXPECT_NULL(test, hw.pdevs[1]->dev.iommu_group);
}

/* Test that an error of an earlier request is not one of the replay. */
static void noirq_attach_after_error(struct kunit *test)
{
	struct iommu_domain *first = hw_plug_mapped(test, 1, 1), *second;

	fake_at(hw.fake, "map", hw_refuse);
	hw_map_page(first, 1);
	fake_heal(hw.fake);

	hw_plug(test, 2);
	second = hw_domain(test, 2);
	hw_map_pages(test, second, 2);
	KUNIT_EXPECT_EQ(test, hw_attach_to(second, 2), 0);
	KUNIT_EXPECT_EQ(test, hw_mapped(2), 2);
}

/* Tests of whole sleep cycles */

/* Test that the device has the same endpoints, domains and mappings afterwards. */
static void noirq_restores_all(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 9);
	const char *before;
	int cycle;

	hw_plug_into(test, domain, 2);
	hw_plug_mapped(test, 3, 5);
	hw_plug(test, 0);
	before = hw_state(test);
	KUNIT_ASSERT_TRUE(test, hw_is_bypassed(0));

	for (cycle = 1; cycle <= 2; cycle++) {
		hw_cycle(test);
		hw_expect_state(test, before);
	}
	KUNIT_EXPECT_EQ(test, hw_map_page(domain, 20), 0);
	KUNIT_EXPECT_EQ(test, hw_translate(2, 20), SZ_1M + 20 * SZ_4K);
}

/* Test that it has them before it is restored in the normal phase. */
static void noirq_restores_early(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 3);

	hw_down(test);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 2), U64_MAX);
	KUNIT_ASSERT_EQ(test, hw_up_noirq(), 0);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 2), SZ_1M + 2 * SZ_4K);
	KUNIT_EXPECT_EQ(test, hw_map_page(domain, 3), 0);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 3), SZ_1M + 3 * SZ_4K);
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&hw.fake->vdev), 0);
}

/* Test that this needs no memory. */
static void noirq_without_memory(struct kunit *test)
{
	const char *before;

	hw_plug_mapped(test, 1, 5 * HW_REQUESTS);
	before = hw_state(test);
	hw.no_memory = true;
	hw_cycle(test);
	hw_expect_state(test, before);
}

/* Test that an endpoint cannot be probed without, which needs a long request. */
static void noirq_probe_without_memory(struct kunit *test)
{
	hw.no_memory = true;
	KUNIT_EXPECT_FALSE(test, device_iommu_mapped(hw_plug(test, 1)));
}

/* Test that the mappings of a domain are sent once, for all its endpoints. */
static void noirq_sends_once(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 6);
	u32 id;

	for (id = 2; id < HW_ENDPOINTS; id++) {
		hw_plug(test, id);
		KUNIT_ASSERT_EQ(test, hw_attach_to(domain, id), 0);
	}

	hw.maps = 0;
	hw.batch = 0;
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw.maps, 6);
	KUNIT_EXPECT_EQ(test, hw.batch, HW_REQUESTS);
}

/* Test that a domain without endpoints is sent when it gets one, slept or not. */
static void noirq_domain_without_endpoints(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 3);
	const char *before = hw_state(test);

	hw_detach_from(1);
	hw.maps = 0;
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw.maps, 0);
	KUNIT_EXPECT_TRUE(test, hw_is_bypassed(1));

	KUNIT_EXPECT_EQ(test, hw_attach_to(domain, 1), 0);
	hw_expect_state(test, before);

	hw_detach_from(1);
	KUNIT_EXPECT_EQ(test, hw_attach_to(domain, 1), 0);
	hw_expect_state(test, before);
}

/* Test that an endpoint without a domain does not get one. */
static void noirq_endpoint_without_domain(struct kunit *test)
{
	hw_plug(test, 1);
	hw_plug_mapped(test, 2, 1);
	viommu_detach_dev(dev_iommu_priv_get(&hw.pdevs[1]->dev));
	hw_cycle(test);
	hw_expect_second_alone(test);
}

/* Test that all works without identity domains, which are mapped then. */
static void noirq_without_bypass_config(struct kunit *test)
{
	const char *before;

	hw_take_away_bypass_config(test);
	hw_plug(test, 1);
	hw_plug_mapped(test, 2, 3);
	before = hw_state(test);
	KUNIT_ASSERT_EQ(test, hw_translate(1, 5), 5 * SZ_4K);
	KUNIT_ASSERT_FALSE(test, hw_is_bypassed(1));

	hw_cycle(test);
	hw_expect_state(test, before);
}

/* Test that a transition that is aborted before the noirq phase changes nothing. */
static void noirq_abort(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 3);
	const char *before = hw_state(test);

	fake_calls(test);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&hw.fake->vdev), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&hw.fake->vdev), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
	hw_expect_state(test, before);
	KUNIT_EXPECT_EQ(test, hw_map_page(domain, 3), 0);
}

/* Test that nothing is left of domains in a device that keeps them over a reset. */
static void noirq_reset_keeps_domains(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 2);
	const char *before;

	hw.keeps_domains = true;
	hw_plug_into(test, domain, 2);
	hw_plug(test, 3);
	before = hw_state(test);
	hw_down(test);
	hw_expect_closed(test);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 1), U64_MAX);
	hw_up(test);
	hw_expect_state(test, before);
}

/* Test that nothing is left of those that it could not be told to drop. */
static void noirq_given_up_keeps_domains(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 2);

	hw.keeps_domains = true;
	hw_plug_into(test, domain, 2);
	hw.mute = true;
	KUNIT_EXPECT_EQ(test, hw_unmap_page(domain, 1), SZ_4K);

	hw_heal();
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 1);
	KUNIT_EXPECT_EQ(test, hw_mapped(2), 1);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 1), U64_MAX);
	KUNIT_EXPECT_EQ(test, hw.config.bypass, 1);
}

/* Test that one that was unplugged, and stays in the domain, is in nobody's way. */
static void noirq_given_up_keeps_unplugged(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 2);

	hw.keeps_domains = true;
	hw_plug_into(test, domain, 2);
	hw.mute = true;
	kunit_warning_suppress(test)
		hw_unplug(1);

	hw_heal();
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw_mapped(2), 2);
	KUNIT_EXPECT_EQ(test, hw.config.bypass, 1);
	hw_detach_from(2);
	KUNIT_ASSERT_EQ(test, hw_attach_to(domain, 2), 0);
	KUNIT_EXPECT_EQ(test, hw_mapped(2), 2);
}

/* Test that nobody reaches what was mapped before the driver was bound. */
static void noirq_rebound_keeps_domains(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 2);
	unsigned int number = to_viommu_domain(domain)->id;

	hw.keeps_domains = true;
	hw_plug_into(test, domain, 2);
	hw.mute = true;
	kunit_warning_suppress(test) {
		hw_unplug(1);
		hw_unplug(2);
	}
	iommu_domain_free(domain);
	hw.domains[1] = NULL;
	hw_heal();
	fake_unbind(hw.fake);
	fake_bind(test, hw.fake);

	domain = hw_plug_mapped(test, 1, 0);
	KUNIT_ASSERT_EQ(test, to_viommu_domain(domain)->id, number);
	KUNIT_EXPECT_EQ(test, hw.endpoints[2].domain, number);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 0), U64_MAX);
	KUNIT_EXPECT_EQ(test, hw_map_page(domain, 0), 0);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 0), SZ_1M);
}

/* It was given up as a page was to be unmapped, which it keeps over a reset, and works again. */
static void hw_give_up_mapped(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 2);

	hw.keeps_domains = true;
	hw.mute = true;
	KUNIT_EXPECT_EQ(test, hw_unmap_page(domain, 1), SZ_4K);
	hw_heal();
}

/* Test that one which is refused then is not left there, either. */
static void noirq_refused_keeps_domains(struct kunit *test)
{
	hw_give_up_mapped(test);
	fake_at(hw.fake, "attach", hw_refuse);
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 0), U64_MAX);
	KUNIT_EXPECT_EQ(test, hw.config.bypass, 0);
}

/* Test that endpoints with an ID in common are no error. */
static void noirq_shared_alias(struct kunit *test)
{
	const char *before;

	hw_plug_alias(test, 1, 3);
	hw_plug_alias(test, 2, 3);
	before = hw_state(test);
	hw_cycle(test);
	hw_expect_state(test, before);
	KUNIT_EXPECT_EQ(test, hw_logged("could not"), 0);
}

/* Test that an abort heals a device that does not work any more. */
static void noirq_abort_recovers(struct kunit *test)
{
	const char *before;

	hw_plug_mapped(test, 1, 3);
	before = hw_state(test);
	virtio_break_device(&hw.fake->vdev);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&hw.fake->vdev), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&hw.fake->vdev), 0);
	hw_expect_state(test, before);
}

/* Test that an endpoint that was unplugged is not attached again. */
static void noirq_unplugged(struct kunit *test)
{
	hw_plug_mapped(test, 1, 1);
	hw_plug_mapped(test, 2, 1);
	hw_cycle(test);
	hw_unplug(1);
	hw_cycle(test);
	hw_expect_second_alone(test);
}

/* Tests of bypass */

/* Test that bypass is off from before the reset until all are attached. */
static void noirq_bypass_order(struct kunit *test)
{
	const char *calls;

	hw_plug_mapped(test, 1, 1);
	hw_plug(test, 2);
	fake_calls(test);

	hw_down(test);
	calls = fake_calls(test);
	KUNIT_EXPECT_TRUE(test, strstarts(calls, "bypass=0 detach "));
	KUNIT_EXPECT_NOT_NULL(test, strstr(calls, "detach reset "));
	hw.config.bypass = 1;
	KUNIT_ASSERT_EQ(test, hw_up_noirq(), 0);
	KUNIT_EXPECT_STREQ(test, fake_calls_from(test, "status=0f"),
			   "status=0f bypass=0 attach unmap map attach bypass=1 ");
	KUNIT_EXPECT_EQ(test, hw.config.bypass, 1);
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&hw.fake->vdev), 0);
}

/* Test that it stays off if it was. */
static void noirq_bypass_off(struct kunit *test)
{
	fake_unbind(hw.fake);
	hw.config.bypass = 0;
	fake_bind(test, hw.fake);
	hw_plug_mapped(test, 1, 2);
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw.config.bypass, 0);
	KUNIT_EXPECT_EQ(test, hw_translate(2, 0), U64_MAX);
}

/* Test that bypass is on again without the driver, whose endpoint was refused. */
static void noirq_bypass_unbind(struct kunit *test)
{
	hw_plug(test, 1);
	fake_at(hw.fake, "attach", hw_refuse);
	hw_cycle(test);
	KUNIT_ASSERT_EQ(test, hw.config.bypass, 0);

	hw_heal();
	fake_unbind(hw.fake);
	KUNIT_EXPECT_EQ(test, hw.config.bypass, 1);
}

/* Test that a device which was given up is not told so without its features. */
static void noirq_bypass_unbind_given_up(struct kunit *test)
{
	hw_plug(test, 1);
	hw_down(test);
	hw.mute = true;
	KUNIT_ASSERT_EQ(test, hw_up_noirq(), -ETIMEDOUT);
	hw_heal();
	fake_unbind(hw.fake);
	KUNIT_EXPECT_EQ(test, hw.config.bypass, 0);
	KUNIT_EXPECT_EQ(test, hw.early_writes, 0);
}

/* Test that a device without this field is not asked to change it. */
static void noirq_bypass_is_not_there(struct kunit *test)
{
	hw_take_away_bypass_config(test);
	hw_plug_mapped(test, 1, 2);
	fake_calls(test);
	hw_cycle(test);
	KUNIT_EXPECT_NULL(test, strstr(fake_calls(test), "bypass="));
}

/* Tests of what is done while the device is frozen */

/* Test that a mapping that was made meanwhile is there afterwards. */
static void noirq_frozen_map(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 1);

	hw_down(test);
	KUNIT_EXPECT_EQ(test, hw_map_page(domain, 1), 0);
	hw_up(test);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 2);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 1), SZ_1M + SZ_4K);
}

/* Test that one that was removed is not. */
static void noirq_frozen_unmap(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 2);

	hw_down(test);
	KUNIT_EXPECT_EQ(test, hw_unmap_page(domain, 1), SZ_4K);
	hw_up(test);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 1);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 1), U64_MAX);
}

/* Test that an endpoint is in the domain that it was attached to meanwhile. */
static void noirq_frozen_attach(struct kunit *test)
{
	struct iommu_domain *domain;

	hw_plug(test, 1);
	domain = hw_domain(test, 1);
	hw_map_pages(test, domain, 2);
	hw_down(test);
	KUNIT_EXPECT_EQ(test, hw_attach_to(domain, 1), 0);
	hw_up(test);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 2);
	KUNIT_EXPECT_EQ(test, hw.maps, 2);
}

/* Test that one that was detached is not. */
static void noirq_frozen_detach(struct kunit *test)
{
	hw_plug_mapped(test, 1, 2);
	hw_down(test);
	hw_detach_from(1);
	hw_up(test);
	KUNIT_EXPECT_TRUE(test, hw_is_bypassed(1));
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 0);
}

/* Test that an endpoint can be unplugged meanwhile. */
static void noirq_frozen_unplug(struct kunit *test)
{
	hw_plug_mapped(test, 1, 1);
	hw_plug_mapped(test, 2, 1);
	hw_down(test);
	hw_unplug(1);
	hw_up(test);
	hw_expect_second_alone(test);
}

/* Test that its domain goes with it, and is not one that the device still has. */
static void noirq_frozen_unplug_number(struct kunit *test)
{
	struct iommu_domain *domain;
	unsigned int number;

	hw_take_away_bypass_config(test);
	domain = iommu_get_domain_for_dev(hw_plug(test, 1));
	number = to_viommu_domain(domain)->id;
	hw_down(test);
	hw_unplug(1);
	hw_up(test);
	domain = iommu_get_domain_for_dev(hw_plug(test, 2));
	KUNIT_EXPECT_EQ(test, to_viommu_domain(domain)->id, number);
}

/* Test that nobody knows what a new endpoint needs until the device can be asked. */
static void noirq_frozen_probe(struct kunit *test)
{
	hw_down(test);
	KUNIT_EXPECT_NULL(test, hw_plug(test, 1)->iommu_group);
	hw_up(test);
	KUNIT_EXPECT_FALSE(test, hw.endpoints[1].attached);

	hw_unplug(1);
	KUNIT_EXPECT_NOT_NULL(test, hw_plug(test, 1)->iommu_group);
	KUNIT_EXPECT_TRUE(test, hw_is_bypassed(1));
}

/* Test that nothing is sent while the device is frozen, and nobody waits. */
static void noirq_frozen_is_silent(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 2);
	unsigned int waited = hw.waited_ms;

	hw_down(test);
	fake_calls(test);
	KUNIT_EXPECT_EQ(test, hw_map_page(domain, 2), 0);
	hw_detach_from(1);
	KUNIT_EXPECT_STREQ(test, fake_calls(test), "");
	KUNIT_EXPECT_EQ(test, virtqueue_get_vring_size(hw_vq(VIOMMU_REQUEST_VQ)),
			hw_vq(VIOMMU_REQUEST_VQ)->num_free);
	KUNIT_EXPECT_EQ(test, hw.waited_ms, waited);
	hw_up(test);
}

/* Tests of requests in flight */

/* Test that a request that nobody waited for yet is answered before the reset. */
static void noirq_in_flight(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 1);

	KUNIT_ASSERT_EQ(test, hw_map_page_nosync(domain, 1), 0);
	fake_calls(test);
	hw_down(test);
	KUNIT_EXPECT_TRUE(test, strstarts(fake_calls(test), "bypass=0 map detach reset "));
	hw_up(test);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 2);
}

/* Test that one that was not answered is taken back, and what it was for is done. */
static void noirq_in_flight_unanswered(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 1);

	KUNIT_ASSERT_EQ(test, hw_map_page_nosync(domain, 1), 0);
	hw.mute = true;
	hw_down(test);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&hw_viommu()->free_requests),
			FAKE_QUEUE_SIZE + 1);

	hw_heal();
	hw_up(test);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 2);
	KUNIT_EXPECT_EQ(test, hw_map_page(domain, 2), 0);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 3);
}

/* Test that no buffer is taken back that the device may still write to. */
static void noirq_reset_comes_first(struct kunit *test)
{
	hw_plug_mapped(test, 1, 2);
	fake_at(hw.fake, "reset", hw_look_at_reset);
	hw_down(test);
	KUNIT_EXPECT_EQ(test, hw.fake->seen, HW_EVENTS);
	hw_up(test);
}

/* Test that a device which cannot be reset keeps its buffers, until it can. */
static void noirq_reset_hangs(struct kunit *test)
{
	const char *before;

	hw_plug_mapped(test, 1, 2);
	before = hw_state(test);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&hw.fake->vdev), 0);
	hw.fake->stuck = VIRTIO_CONFIG_S_DRIVER_OK;
	virtio_device_freeze_noirq(&hw.fake->vdev);
	KUNIT_EXPECT_EQ(test, hw_vq(VIOMMU_EVENT_VQ)->num_free, 0);

	hw_heal();
	hw_up(test);
	hw_expect_state(test, before);
}

/* Tests of events */

/* Test that the device has all buffers for events, and knows that. */
static void noirq_events(struct kunit *test)
{
	unsigned int i;

	hw_down(test);
	KUNIT_ASSERT_EQ(test, hw_up_noirq(), 0);
	KUNIT_EXPECT_TRUE(test, hw.knows_events);
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&hw.fake->vdev), 0);

	for (i = 0; i < HW_EVENTS; i++)
		KUNIT_EXPECT_TRUE(test, hw_fault(7));
	KUNIT_EXPECT_FALSE(test, hw_fault(7));
	vring_interrupt(0, hw_vq(VIOMMU_EVENT_VQ));
	KUNIT_EXPECT_EQ(test, hw_faults_logged(), HW_EVENTS);
	KUNIT_EXPECT_TRUE(test, hw_fault(7));
}

/* Test that a fault that was reported before the reset is not lost. */
static void noirq_fault_before(struct kunit *test)
{
	KUNIT_ASSERT_TRUE(test, hw_fault(7));
	hw_down(test);
	KUNIT_EXPECT_EQ(test, hw_faults_logged(), 1);
	hw_up(test);
	KUNIT_EXPECT_EQ(test, hw_faults_logged(), 1);
}

/* Test that one that was reported in the noirq phase is not. */
static void noirq_fault_meanwhile(struct kunit *test)
{
	hw_down(test);
	KUNIT_ASSERT_EQ(test, hw_up_noirq(), 0);
	KUNIT_ASSERT_TRUE(test, hw_fault(7));
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&hw.fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, hw_faults_logged(), 1);
}

/* Tests of a device that does not come back */

/* Test that a device that does not answer is given up, and nobody reaches memory. */
static void noirq_silent_is_safe(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 2);

	hw_plug(test, 2);
	hw_down(test);
	hw.mute = true;
	KUNIT_EXPECT_EQ(test, hw_up_noirq(), -ETIMEDOUT);
	hw_expect_closed(test);
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&hw.fake->vdev), -EIO);
	hw_expect_closed(test);
	KUNIT_EXPECT_EQ(test, hw_map_page(domain, 2), -EIO);
}

/* Test that nobody stays attached to a device that stops to answer part-way. */
static void noirq_stops_part_way(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 2);

	hw_plug(test, 2);
	hw_down(test);
	fake_at(hw.fake, "attach", hw_say_nothing_to_second);
	KUNIT_EXPECT_EQ(test, hw_up_noirq(), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, hw.maps, 2 + 2);
	hw_expect_closed(test);
	KUNIT_EXPECT_EQ(test, hw_unmap_page(domain, 1), SZ_4K);
	hw_expect_state(test, "bypass=0");
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&hw.fake->vdev), -EIO);
}

/* Test that what it has nevertheless is gone when it answers again. */
static void noirq_stops_keeps_domains(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 2);

	hw.keeps_domains = true;
	hw_plug(test, 2);
	hw_down(test);
	fake_at(hw.fake, "attach", hw_say_nothing_to_second);
	KUNIT_EXPECT_EQ(test, hw_up_noirq(), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&hw.fake->vdev), -EIO);
	KUNIT_EXPECT_EQ(test, hw_unmap_page(domain, 1), SZ_4K);

	hw_heal();
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 1);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 1), U64_MAX);
	KUNIT_EXPECT_EQ(test, hw.config.bypass, 1);
}

/* Test that the device is waited for once, not for each endpoint. */
static void noirq_silent_once(struct kunit *test)
{
	unsigned int waited;

	hw_plug(test, 1);
	hw_plug(test, 2);
	hw_plug(test, 3);
	hw_down(test);
	hw.mute = true;
	waited = hw.waited_ms;
	KUNIT_EXPECT_EQ(test, hw_up_noirq(), -ETIMEDOUT);
	KUNIT_EXPECT_LT(test, hw.waited_ms - waited, 61000);
	KUNIT_EXPECT_EQ(test, hw_logged("could not attach"), 0);
}

/* Test that a device that the core does not set up again is no frozen one. */
static void noirq_not_set_up(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 2);

	hw_down(test);
	hw.fake->lost = BIT_ULL(VIRTIO_IOMMU_F_MAP_UNMAP);
	KUNIT_ASSERT_NE(test, hw_up_noirq(), 0);
	hw_expect_closed(test);
	KUNIT_EXPECT_EQ(test, hw_map_page(domain, 2), -EIO);
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&hw.fake->vdev), -EIO);
	KUNIT_EXPECT_EQ(test, hw_map_page(domain, 2), -EIO);
	KUNIT_EXPECT_EQ(test, hw_unmap_page(domain, 1), SZ_4K);

	hw_heal();
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 1);
}

/* Test that a device which says something else of itself is not used. */
static void noirq_is_another(struct kunit *test)
{
	static const size_t fields[] = {
		offsetof(struct virtio_iommu_config, page_size_mask),
		offsetof(struct virtio_iommu_config, input_range.start),
		offsetof(struct virtio_iommu_config, input_range.end),
		offsetof(struct virtio_iommu_config, domain_range.start),
		offsetof(struct virtio_iommu_config, domain_range.end),
		offsetof(struct virtio_iommu_config, probe_size),
	};
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 2);
	const char *before;
	unsigned int i;

	hw_plug(test, 2);
	before = hw_state(test);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		u8 *second = (u8 *)&hw.config + fields[i] + 1;

		hw_down(test);
		*second ^= 1;
		KUNIT_EXPECT_EQ(test, hw_up_noirq(), -ENODEV);
		hw_expect_closed(test);
		KUNIT_EXPECT_EQ(test, virtio_device_restore(&hw.fake->vdev), -EIO);
		KUNIT_EXPECT_EQ(test, hw_map_page(domain, 2), -EIO);
		KUNIT_EXPECT_EQ(test, hw_logged("not the device that was probed"), i + 1);

		*second ^= 1;
		hw_cycle(test);
		hw_expect_state(test, before);
	}
}

/* Test that it is remembered over such a one what the old one was not told. */
static void noirq_another_keeps_domains(struct kunit *test)
{
	hw_give_up_mapped(test);
	hw_down(test);
	hw.config.page_size_mask ^= cpu_to_le64(SZ_64K);
	KUNIT_EXPECT_EQ(test, hw_up_noirq(), -ENODEV);
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&hw.fake->vdev), -EIO);

	hw.config.page_size_mask ^= cpu_to_le64(SZ_64K);
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 1);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 1), U64_MAX);
}

/* Test that the next sleep cycle brings it back. */
static void noirq_silent_then_cycle(struct kunit *test)
{
	const char *before;

	hw_plug_mapped(test, 1, 2);
	hw_plug(test, 2);
	before = hw_state(test);
	hw_down(test);
	hw.mute = true;
	KUNIT_ASSERT_NE(test, hw_up_noirq(), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&hw.fake->vdev), -EIO);

	hw_heal();
	hw_cycle(test);
	hw_expect_state(test, before);
}

/* Two endpoints in a domain of two pages, the first of which is refused after a sleep */
static struct iommu_domain *hw_refuse_first_of_two(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 2);

	hw_plug_into(test, domain, 2);
	fake_at(hw.fake, "attach", hw_refuse_first);
	hw_cycle(test);
	hw_heal();

	return domain;
}

/* Test that an endpoint which cannot be attached stays blocked, and no other. */
static void noirq_refused_endpoint(struct kunit *test)
{
	hw_refuse_first_of_two(test);
	KUNIT_EXPECT_EQ(test, hw_translate(1, 1), U64_MAX);
	KUNIT_EXPECT_EQ(test, hw_translate(2, 1), SZ_1M + SZ_4K);
	KUNIT_EXPECT_EQ(test, hw.config.bypass, 0);
	KUNIT_EXPECT_EQ(test, hw_logged("could not attach"), 1);
}

/* Test that the next sleep cycle attaches it. */
static void noirq_refused_then_cycle(struct kunit *test)
{
	const char *before;

	hw_plug_mapped(test, 1, 2);
	hw_plug(test, 2);
	before = hw_state(test);
	fake_at(hw.fake, "attach", hw_refuse);
	hw_cycle(test);
	KUNIT_EXPECT_STREQ(test, hw_state(test), "bypass=0");

	hw_heal();
	hw_cycle(test);
	hw_expect_state(test, before);
}

/* Test that a later one brings the mappings that went with it, and the next does not. */
static void noirq_refused_then_attach(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 2);

	fake_at(hw.fake, "attach", hw_refuse);
	hw_cycle(test);
	hw_heal();
	hw_plug_into(test, domain, 2);
	KUNIT_EXPECT_EQ(test, hw_mapped(2), 2);
	hw_plug_into(test, domain, 3);
	KUNIT_EXPECT_EQ(test, hw_mapped(3), 2);
}

/* Test that the other one, with which the mappings go, brings them when it is back. */
static void noirq_refused_then_leave(struct kunit *test)
{
	struct iommu_domain *domain = hw_refuse_first_of_two(test);

	hw_detach_from(2);
	KUNIT_ASSERT_EQ(test, hw_attach_to(domain, 2), 0);
	KUNIT_EXPECT_EQ(test, hw_mapped(2), 2);

	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw_mapped(1), 2);
	hw_detach_from(2);
	hw.maps = 0;
	hw_plug_into(test, domain, 3);
	KUNIT_EXPECT_EQ(test, hw.maps, 0);
	KUNIT_EXPECT_EQ(test, hw_mapped(3), 2);
}

/* Test that when it leaves, the next one does not bring what the other one has. */
static void noirq_refused_leaves(struct kunit *test)
{
	struct iommu_domain *domain = hw_refuse_first_of_two(test);

	hw_detach_from(1);
	hw.maps = 0;
	hw_plug_into(test, domain, 3);
	KUNIT_EXPECT_EQ(test, hw.maps, 0);
	KUNIT_EXPECT_EQ(test, hw_mapped(3), 2);
}

/* Test that none of two IDs is attached if the second one cannot be. */
static void noirq_refused_alias(struct kunit *test)
{
	const char *before;

	hw_plug_alias_mapped(test, 1, 3, 2);
	before = hw_state(test);
	fake_at(hw.fake, "attach", hw_refuse_second);
	hw_cycle(test);
	hw_expect_state(test, "bypass=0");
	KUNIT_EXPECT_EQ(test, hw_logged("could not attach"), 1);

	hw_heal();
	hw_cycle(test);
	hw_expect_state(test, before);
	KUNIT_EXPECT_EQ(test, hw_logged("could not detach"), 0);
}

/* Test that bypass stays off if a mapping is refused. */
static void noirq_refused_mapping(struct kunit *test)
{
	const char *before;

	hw_plug_mapped(test, 1, 2 * HW_REQUESTS);
	before = hw_state(test);
	fake_at(hw.fake, "map", hw_refuse_third);
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw.config.bypass, 0);

	hw_heal();
	hw_cycle(test);
	hw_expect_state(test, before);
}

/* Test that the second endpoint brings mappings that were refused to the first one. */
static void noirq_refused_mapping_once(struct kunit *test)
{
	struct iommu_domain *domain = hw_plug_mapped(test, 1, 2 * HW_REQUESTS);

	hw_plug_into(test, domain, 2);
	fake_at(hw.fake, "map", hw_refuse_third);
	hw_cycle(test);
	KUNIT_EXPECT_FALSE(test, hw.endpoints[1].attached);
	KUNIT_EXPECT_EQ(test, hw_mapped(2), 2 * HW_REQUESTS);
	KUNIT_EXPECT_EQ(test, hw.config.bypass, 0);
}

/*
 * The suite
 */

static bool was_passthrough;

/* Endpoints are attached to identity domains, on each architecture. */
static int noirq_viommu_suite_init(struct kunit_suite *suite)
{
	was_passthrough = iommu_default_passthrough();
	iommu_set_default_passthrough(false);

	return 0;
}

static void noirq_viommu_suite_exit(struct kunit_suite *suite)
{
	if (!was_passthrough)
		iommu_set_default_translated(false);
}

static int noirq_viommu_init(struct kunit *test)
{
	hw_init(test);

	return 0;
}

static void noirq_viommu_exit(struct kunit *test)
{
	hw_exit(test);
}

static struct kunit_case noirq_viommu_cases[] = {
	KUNIT_CASE(noirq_wait_ends),
	KUNIT_CASE_PARAM(noirq_failed_ends_wait, hw_failed_gen_params),
	KUNIT_CASE(noirq_later_do_not_wait),
	KUNIT_CASE(noirq_waits),
	KUNIT_CASE(noirq_waits_for_each),
	KUNIT_CASE(noirq_looks_last),
	KUNIT_CASE(noirq_broken_ends_wait),
	KUNIT_CASE(noirq_full_ring_fails),
	KUNIT_CASE(noirq_late_answer),
	KUNIT_CASE(noirq_empty_answer),
	KUNIT_CASE(noirq_unmap_given_up),
	KUNIT_CASE(noirq_unmap_not_sent),
	KUNIT_CASE(noirq_free_attached),
	KUNIT_CASE(noirq_free_attached_unplug),
	KUNIT_CASE(noirq_free_attached_alias),
	KUNIT_CASE(noirq_free_attached_then_cycle),
	KUNIT_CASE(noirq_free_attached_keeps_domains),
	KUNIT_CASE(noirq_free_attached_given_up),
	KUNIT_CASE(noirq_free_late_attach),
	KUNIT_CASE(noirq_free_identity_given_up),
	KUNIT_CASE(noirq_remove_frees),
	KUNIT_CASE(noirq_link),
	KUNIT_CASE(noirq_link_goes),
	KUNIT_CASE(noirq_attach_replays),
	KUNIT_CASE(noirq_attach_second),
	KUNIT_CASE(noirq_attach_refused),
	KUNIT_CASE(noirq_attach_refused_detached),
	KUNIT_CASE(noirq_attach_refused_kept),
	KUNIT_CASE(noirq_attach_refused_shared),
	KUNIT_CASE(noirq_attach_refused_for_good),
	KUNIT_CASE(noirq_attach_refused_nowhere),
	KUNIT_CASE(noirq_attach_refused_identity),
	KUNIT_CASE(noirq_attach_unanswered),
	KUNIT_CASE(noirq_replay_refused),
	KUNIT_CASE(noirq_replay_refused_old),
	KUNIT_CASE(noirq_replay_refused_twice),
	KUNIT_CASE(noirq_way_back_refused),
	KUNIT_CASE(noirq_way_back_refused_next),
	KUNIT_CASE(noirq_replay_refused_first),
	KUNIT_CASE(noirq_attach_alone),
	KUNIT_CASE(noirq_alias_refused),
	KUNIT_CASE(noirq_alias_refused_same),
	KUNIT_CASE(noirq_alias_way_back_refused),
	KUNIT_CASE(noirq_alias_identity_refused),
	KUNIT_CASE(noirq_alias_refused_first),
	KUNIT_CASE(noirq_attach_foreign),
	KUNIT_CASE(noirq_identity_number),
	KUNIT_CASE(noirq_unbind),
	KUNIT_CASE(noirq_attach_after_error),
	KUNIT_CASE(noirq_restores_all),
	KUNIT_CASE(noirq_restores_early),
	KUNIT_CASE(noirq_without_memory),
	KUNIT_CASE(noirq_probe_without_memory),
	KUNIT_CASE(noirq_sends_once),
	KUNIT_CASE(noirq_domain_without_endpoints),
	KUNIT_CASE(noirq_endpoint_without_domain),
	KUNIT_CASE(noirq_without_bypass_config),
	KUNIT_CASE(noirq_abort),
	KUNIT_CASE(noirq_reset_keeps_domains),
	KUNIT_CASE(noirq_given_up_keeps_domains),
	KUNIT_CASE(noirq_given_up_keeps_unplugged),
	KUNIT_CASE(noirq_rebound_keeps_domains),
	KUNIT_CASE(noirq_refused_keeps_domains),
	KUNIT_CASE(noirq_shared_alias),
	KUNIT_CASE(noirq_abort_recovers),
	KUNIT_CASE(noirq_unplugged),
	KUNIT_CASE(noirq_bypass_order),
	KUNIT_CASE(noirq_bypass_off),
	KUNIT_CASE(noirq_bypass_unbind),
	KUNIT_CASE(noirq_bypass_unbind_given_up),
	KUNIT_CASE(noirq_bypass_is_not_there),
	KUNIT_CASE(noirq_frozen_map),
	KUNIT_CASE(noirq_frozen_unmap),
	KUNIT_CASE(noirq_frozen_attach),
	KUNIT_CASE(noirq_frozen_detach),
	KUNIT_CASE(noirq_frozen_unplug),
	KUNIT_CASE(noirq_frozen_unplug_number),
	KUNIT_CASE(noirq_frozen_probe),
	KUNIT_CASE(noirq_frozen_is_silent),
	KUNIT_CASE(noirq_in_flight),
	KUNIT_CASE(noirq_in_flight_unanswered),
	KUNIT_CASE(noirq_reset_comes_first),
	KUNIT_CASE_SLOW(noirq_reset_hangs),
	KUNIT_CASE(noirq_events),
	KUNIT_CASE(noirq_fault_before),
	KUNIT_CASE(noirq_fault_meanwhile),
	KUNIT_CASE(noirq_silent_is_safe),
	KUNIT_CASE(noirq_stops_part_way),
	KUNIT_CASE(noirq_stops_keeps_domains),
	KUNIT_CASE(noirq_silent_once),
	KUNIT_CASE(noirq_not_set_up),
	KUNIT_CASE(noirq_is_another),
	KUNIT_CASE(noirq_another_keeps_domains),
	KUNIT_CASE(noirq_silent_then_cycle),
	KUNIT_CASE(noirq_refused_endpoint),
	KUNIT_CASE(noirq_refused_then_cycle),
	KUNIT_CASE(noirq_refused_then_attach),
	KUNIT_CASE(noirq_refused_then_leave),
	KUNIT_CASE(noirq_refused_leaves),
	KUNIT_CASE(noirq_refused_alias),
	KUNIT_CASE(noirq_refused_mapping),
	KUNIT_CASE(noirq_refused_mapping_once),
	{}
};

static struct kunit_suite noirq_viommu_suite = {
	.name = "virtio_noirq_viommu",
	.suite_init = noirq_viommu_suite_init,
	.suite_exit = noirq_viommu_suite_exit,
	.init = noirq_viommu_init,
	.exit = noirq_viommu_exit,
	.test_cases = noirq_viommu_cases,
};

kunit_test_suite(noirq_viommu_suite);

MODULE_DESCRIPTION("KUnit tests for virtio-iommu in the noirq phase of system sleep");
MODULE_LICENSE("GPL");
