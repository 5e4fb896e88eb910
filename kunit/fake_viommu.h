/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What stands around the driver of virtio-iommu, whose code is part of the test:
 * a device that keeps endpoints, domains and mappings, and real platform devices
 * behind it that the IOMMU core attaches. See the virtio specification, "IOMMU
 * Device".
 *
 * The device answers as soon as it is notified. What it must refuse it refuses,
 * and counts. A reset makes it forget everything but the field bypass, or just its
 * queues, as QEMU's does.
 */
#ifndef _FAKE_VIOMMU_H
#define _FAKE_VIOMMU_H

#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/nmi.h>
#include <linux/platform_device.h>
#include <linux/poison.h>
#include <linux/sizes.h>
#include <linux/virtio_iommu.h>

#include "fake_noirq.h"
#include "fake_split.h"

#define HW_ENDPOINTS		4
#define HW_MAPPINGS		32
/* Two descriptors for each request, one for each event */
#define HW_REQUESTS		(FAKE_QUEUE_SIZE / 2)
#define HW_EVENTS		FAKE_QUEUE_SIZE
/* A wait that is longer than this has no end. */
#define HW_NEVER_MS		(600 * MSEC_PER_SEC)
/* In place of a status: no answer, and an answer without one */
#define HW_SILENT		(-1)
#define HW_EMPTY		(-2)

static void hw_relax(void);
static void hw_touch(void);
static ktime_t hw_now(void);
static void hw_kfree(const void *object);
static bool hw_has_memory(gfp_t gfp);

static inline void *hw_kzalloc(size_t size, gfp_t gfp)
{
	return hw_has_memory(gfp) ? kzalloc(size, gfp) : NULL;
}

/*
 * The driver, as one file with the test that does not register itself. Time does
 * not go on by itself where interrupts are off in time travel.
 */
#undef pr_fmt
#undef module_virtio_driver
#define module_virtio_driver(drv)
#define cpu_relax()	hw_relax()
#define touch_nmi_watchdog()	hw_touch()
#define ktime_get()	hw_now()
#define kfree(object)	hw_kfree(object)
#undef kzalloc
#define kzalloc(size, gfp)	hw_kzalloc(size, gfp)

#include "virtio-iommu.c"

#undef cpu_relax
#undef touch_nmi_watchdog
#undef ktime_get
#undef kfree
#undef kzalloc

struct hw_endpoint {
	bool attached;
	bool bypass;
	u32 domain;
};

struct hw_mapping {
	bool used;
	u32 domain;
	u64 start;
	u64 end;
	u64 phys;
	u32 flags;
};

struct hw {
	struct fake_virtio *fake;
	struct fwnode_handle fwnode;

	/* The device */
	struct virtio_iommu_config config;
	struct hw_endpoint endpoints[HW_ENDPOINTS];
	struct hw_mapping mappings[HW_MAPPINGS];
	struct fake_split split[VIOMMU_NR_VQS];
	/* It was told that there are buffers for events. */
	bool knows_events;
	bool mute;
	bool keeps_domains;
	/* The driver cannot know which domains are there. */
	bool stale;
	/* The request that it did not answer, and where its status belongs */
	struct vring_desc *held;
	struct virtio_iommu_req_tail *held_tail;

	/* What it has seen */
	unsigned int maps;
	unsigned int batch;
	unsigned int refused;
	unsigned int early_writes;
	bool interruptible;

	/* What shall happen while the driver waits, and when it looks at the clock */
	void (*waited)(void);
	void (*asked)(void);
	unsigned int waited_ms;
	unsigned int touched;
	unsigned int freed;
	bool no_memory;
	u64 log_start;

	/* The devices behind it, and the domains that tests made */
	struct platform_device *pdevs[HW_ENDPOINTS];
	struct iommu_domain *attached[HW_ENDPOINTS];
	struct iommu_domain *domains[HW_ENDPOINTS];
};

static struct hw hw;

static ktime_t hw_now(void)
{
	if (hw.asked)
		hw.asked();

	return ktime_add_ms(ktime_get(), hw.waited_ms);
}

static void hw_relax(void)
{
	hw.waited_ms++;
	if (hw.waited)
		hw.waited();
	if (hw.waited_ms > HW_NEVER_MS)
		virtio_break_device(&hw.fake->vdev);
}

static void hw_touch(void)
{
	hw.touched++;
}

/* Whoever still uses it shall notice. */
static void hw_kfree(const void *object)
{
	hw.freed += !!object;
	if (object && !IS_ENABLED(CONFIG_KASAN))
		memset((void *)object, POISON_FREE, ksize(object));
	kfree(object);
}

static bool hw_has_memory(gfp_t gfp)
{
	return gfp != GFP_ATOMIC || !hw.no_memory;
}

static inline struct viommu_dev *hw_viommu(void)
{
	return hw.fake->vdev.priv;
}

static inline struct virtqueue *hw_vq(int index)
{
	return hw_viommu()->vqs[index];
}

/* The domains of the device */

static inline struct hw_endpoint *hw_in_domain(u32 domain)
{
	struct hw_endpoint *endpoint;

	for (endpoint = hw.endpoints; endpoint < hw.endpoints + HW_ENDPOINTS; endpoint++)
		if (endpoint->attached && endpoint->domain == domain)
			return endpoint;

	return NULL;
}

/* The mappings of a domain go with its last endpoint. */
static inline void hw_detach_endpoint(struct hw_endpoint *endpoint)
{
	struct hw_mapping *mapping;

	endpoint->attached = false;
	if (hw_in_domain(endpoint->domain))
		return;

	for (mapping = hw.mappings; mapping < hw.mappings + HW_MAPPINGS; mapping++)
		if (mapping->domain == endpoint->domain)
			mapping->used = false;
}

static inline int hw_attach(const void *request)
{
	const struct virtio_iommu_req_attach *req = request;
	bool bypass = le32_to_cpu(req->flags) & VIRTIO_IOMMU_ATTACH_F_BYPASS;
	u32 id = le32_to_cpu(req->endpoint), domain = le32_to_cpu(req->domain);
	struct hw_endpoint *endpoint = &hw.endpoints[id], *other;

	if (id >= HW_ENDPOINTS)
		return VIRTIO_IOMMU_S_NOENT;

	other = hw_in_domain(domain);
	if (other && other->bypass != bypass)
		return VIRTIO_IOMMU_S_INVAL;

	if (endpoint->attached && endpoint->domain != domain)
		hw_detach_endpoint(endpoint);
	*endpoint = (struct hw_endpoint){ true, bypass, domain };

	return VIRTIO_IOMMU_S_OK;
}

static inline int hw_detach(const void *request)
{
	const struct virtio_iommu_req_detach *req = request;
	u32 id = le32_to_cpu(req->endpoint);
	struct hw_endpoint *endpoint = &hw.endpoints[id];

	if (id >= HW_ENDPOINTS)
		return VIRTIO_IOMMU_S_NOENT;
	if (!endpoint->attached || endpoint->domain != le32_to_cpu(req->domain))
		return VIRTIO_IOMMU_S_INVAL;

	hw_detach_endpoint(endpoint);

	return VIRTIO_IOMMU_S_OK;
}

static inline int hw_map(const void *request)
{
	const struct virtio_iommu_req_map *req = request;
	struct hw_mapping *mapping, *new = NULL;
	struct hw_mapping map = {
		.used = true,
		.domain = le32_to_cpu(req->domain),
		.start = le64_to_cpu(req->virt_start),
		.end = le64_to_cpu(req->virt_end),
		.phys = le64_to_cpu(req->phys_start),
		.flags = le32_to_cpu(req->flags),
	};

	hw.maps++;
	if (!hw_in_domain(map.domain))
		return VIRTIO_IOMMU_S_NOENT;
	if (hw_in_domain(map.domain)->bypass)
		return VIRTIO_IOMMU_S_INVAL;
	if (!IS_ALIGNED(map.start | map.phys | (map.end + 1), SZ_4K))
		return VIRTIO_IOMMU_S_RANGE;

	for (mapping = hw.mappings; mapping < hw.mappings + HW_MAPPINGS; mapping++) {
		if (!mapping->used)
			new = new ?: mapping;
		else if (mapping->domain == map.domain &&
			 mapping->start <= map.end && map.start <= mapping->end)
			return VIRTIO_IOMMU_S_INVAL;
	}
	if (!new)
		return VIRTIO_IOMMU_S_NOMEM;
	*new = map;

	return VIRTIO_IOMMU_S_OK;
}

static inline int hw_unmap(const void *request)
{
	const struct virtio_iommu_req_unmap *req = request;
	u64 start = le64_to_cpu(req->virt_start), end = le64_to_cpu(req->virt_end);
	u32 domain = le32_to_cpu(req->domain);
	struct hw_mapping *mapping;

	if (!hw_in_domain(domain))
		return VIRTIO_IOMMU_S_NOENT;

	for (mapping = hw.mappings; mapping < hw.mappings + HW_MAPPINGS; mapping++) {
		if (!mapping->used || mapping->domain != domain ||
		    mapping->start > end || mapping->end < start)
			continue;
		if (mapping->start < start || mapping->end > end)
			return VIRTIO_IOMMU_S_RANGE;
		mapping->used = false;
	}

	return VIRTIO_IOMMU_S_OK;
}

static inline int hw_probe(const void *request)
{
	const struct virtio_iommu_req_probe *req = request;

	return le32_to_cpu(req->endpoint) < HW_ENDPOINTS ?
	       VIRTIO_IOMMU_S_OK : VIRTIO_IOMMU_S_NOENT;
}

static const struct {
	const char *name;
	int (*handle)(const void *request);
} hw_requests[] = {
	[VIRTIO_IOMMU_T_ATTACH] = { "attach", hw_attach },
	[VIRTIO_IOMMU_T_DETACH] = { "detach", hw_detach },
	[VIRTIO_IOMMU_T_MAP] = { "map", hw_map },
	[VIRTIO_IOMMU_T_UNMAP] = { "unmap", hw_unmap },
	[VIRTIO_IOMMU_T_PROBE] = { "probe", hw_probe },
};

/* The virtqueues of the device */

static inline struct vring_desc *hw_take(int index)
{
	return hw.fake->ready ? fake_take(hw_vq(index), &hw.split[index]) : NULL;
}

static inline void hw_use(int index, struct vring_desc *desc, u32 len)
{
	fake_use(hw_vq(index), &hw.split[index], desc, len);
}

/* What a test wants to happen comes in place of what the request asks for. */
static inline void hw_answer(struct vring_desc *desc)
{
	struct virtqueue *vq = hw_vq(VIOMMU_REQUEST_VQ);
	const struct virtio_iommu_req_head *head = fake_buffer(vq, desc);
	struct vring_desc *in = fake_next(vq, desc);
	u32 len = virtio32_to_cpu(vq->vdev, in->len);
	struct virtio_iommu_req_tail *tail = fake_buffer(vq, in) + len - sizeof(*tail);
	int status;

	status = fake_call(hw.fake, hw_requests[head->type].name);
	if (status == HW_SILENT) {
		hw.held = desc;
		hw.held_tail = tail;
		return;
	}

	if (!status) {
		status = hw_requests[head->type].handle(head);
		/* Of an endpoint that need not be there the driver gets rid so. */
		hw.refused += status && head->type != VIRTIO_IOMMU_T_DETACH &&
			      !(hw.stale && head->type == VIRTIO_IOMMU_T_UNMAP);
	}
	if (status == HW_EMPTY)
		len = 0;
	else
		tail->status = status;
	hw_use(VIOMMU_REQUEST_VQ, desc, len);
}

/* Answer, late, the request that was not answered. */
static inline void hw_answer_held(void)
{
	hw.held_tail->status = VIRTIO_IOMMU_S_DEVERR;
	hw_use(VIOMMU_REQUEST_VQ, hw.held, sizeof(*hw.held_tail));
}

static inline bool hw_notify(struct virtqueue *vq)
{
	struct vring_desc *desc;
	unsigned int batch = 0;

	if (!hw.fake->ready)
		return true;

	if (vq->index == VIOMMU_EVENT_VQ) {
		hw.knows_events = true;
		return true;
	}

	hw.interruptible |= !irqs_disabled();
	while (!hw.mute && (desc = hw_take(VIOMMU_REQUEST_VQ))) {
		hw_answer(desc);
		batch++;
	}
	hw.batch = max(hw.batch, batch);

	return true;
}

/* Report that an endpoint has accessed what it must not, without an interrupt. */
static inline bool hw_fault(u32 endpoint)
{
	struct vring_desc *desc = hw_take(VIOMMU_EVENT_VQ);
	struct virtio_iommu_fault *fault;

	if (!desc)
		return false;

	fault = fake_buffer(hw_vq(VIOMMU_EVENT_VQ), desc);
	*fault = (struct virtio_iommu_fault){
		.reason = VIRTIO_IOMMU_FAULT_R_MAPPING,
		.endpoint = cpu_to_le32(endpoint),
	};
	hw_use(VIOMMU_EVENT_VQ, desc, sizeof(*fault));

	return true;
}

static inline unsigned int hw_logged(const char *text)
{
	return kernel_log_count(hw.log_start, text);
}

static inline unsigned int hw_faults_logged(void)
{
	return hw_logged("page fault from EP");
}

/* The transport */

static inline void hw_reset(struct virtio_device *vdev)
{
	fake_reset(vdev);
	if (!hw.keeps_domains) {
		memset(hw.endpoints, 0, sizeof(hw.endpoints));
		memset(hw.mappings, 0, sizeof(hw.mappings));
	}
	memset(hw.split, 0, sizeof(hw.split));
	hw.knows_events = false;
}

static inline void hw_get(struct virtio_device *vdev, unsigned int offset,
			  void *buf, unsigned int len)
{
	memcpy(buf, (u8 *)&hw.config + offset, len);
}

static inline void hw_set(struct virtio_device *vdev, unsigned int offset,
			  const void *buf, unsigned int len)
{
	/* A reset takes away the feature, with DRIVER_OK. */
	if (!(hw.fake->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
		hw.early_writes++;
		return;
	}
	memcpy((u8 *)&hw.config + offset, buf, len);
	fake_call(hw.fake, hw.config.bypass ? "bypass=1" : "bypass=0");
}

static inline int hw_find_vqs(struct virtio_device *vdev, unsigned int nvqs,
			      struct virtqueue *vqs[],
			      struct virtqueue_info vqs_info[],
			      struct irq_affinity *desc)
{
	/* Without a node, the driver would be the one of all devices. */
	device_set_node(vdev->dev.parent, &hw.fwnode);

	return fake_create_vqs(vdev, nvqs, vqs, vqs_info, hw_notify);
}

static const struct virtio_config_ops hw_config_ops = {
	.get = hw_get,
	.set = hw_set,
	.get_status = fake_get_status,
	.set_status = fake_set_status,
	.reset = hw_reset,
	.find_vqs = hw_find_vqs,
	.del_vqs = fake_del_vqs,
	.get_features = fake_get_features,
	.finalize_features = fake_finalize_features,
	.reset_vqs = fake_reset_vqs,
	.noirq_safe = true,
};

/* Devices behind it */

/* The alias may be that of another device, or the same as the ID. */
static inline struct device *hw_plug_alias(struct kunit *test, u32 id, u32 alias)
{
	u32 ids[] = { id, alias };
	struct platform_device *pdev;

	pdev = platform_device_alloc("fake-endpoint", id);
	KUNIT_ASSERT_NOT_NULL(test, pdev);
	hw.pdevs[id] = pdev;
	scoped_guard(mutex, &iommu_probe_device_lock)
		KUNIT_ASSERT_EQ(test, iommu_fwspec_init(&pdev->dev, &hw.fwnode), 0);
	KUNIT_ASSERT_EQ(test, iommu_fwspec_add_ids(&pdev->dev, ids, 1 + (alias != id)), 0);
	KUNIT_ASSERT_EQ(test, platform_device_add(pdev), 0);

	return &pdev->dev;
}

static inline struct device *hw_plug(struct kunit *test, u32 id)
{
	return hw_plug_alias(test, id, id);
}

static inline void hw_detach_from(u32 id)
{
	if (hw.attached[id])
		iommu_detach_device(hw.attached[id], &hw.pdevs[id]->dev);
	hw.attached[id] = NULL;
}

static inline void hw_unplug(u32 id)
{
	if (!hw.pdevs[id])
		return;

	hw_detach_from(id);
	platform_device_unregister(hw.pdevs[id]);
	hw.pdevs[id] = NULL;
}

/* A domain for this endpoint, which is not attached yet */
static inline struct iommu_domain *hw_domain(struct kunit *test, u32 id)
{
	struct iommu_domain *domain = iommu_paging_domain_alloc(&hw.pdevs[id]->dev);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, domain);
	hw.domains[id] = domain;

	return domain;
}

static inline int hw_attach_to(struct iommu_domain *domain, u32 id)
{
	int ret = iommu_attach_device(domain, &hw.pdevs[id]->dev);

	if (!ret)
		hw.attached[id] = domain;

	return ret;
}

/* Plug an endpoint that goes to a domain which is there. */
static inline void hw_plug_into(struct kunit *test, struct iommu_domain *domain, u32 id)
{
	hw_plug(test, id);
	KUNIT_ASSERT_EQ(test, hw_attach_to(domain, id), 0);
}

/* Map a page, the one of this number. */
static inline int hw_map_page(struct iommu_domain *domain, unsigned int page)
{
	return iommu_map(domain, page * SZ_4K, SZ_1M + page * SZ_4K, SZ_4K,
			 IOMMU_READ | (page % 2 ? IOMMU_WRITE : 0), GFP_KERNEL);
}

/* Nobody waits until the device has it. */
static inline int hw_map_page_nosync(struct iommu_domain *domain, unsigned int page)
{
	return iommu_map_nosync(domain, page * SZ_4K, SZ_1M + page * SZ_4K,
				SZ_4K, IOMMU_READ, GFP_KERNEL);
}

static inline size_t hw_unmap_page(struct iommu_domain *domain, unsigned int page)
{
	return iommu_unmap(domain, page * SZ_4K, SZ_4K);
}

static inline void hw_map_pages(struct kunit *test, struct iommu_domain *domain,
				unsigned int pages)
{
	unsigned int page;

	for (page = 0; page < pages; page++)
		KUNIT_ASSERT_EQ(test, hw_map_page(domain, page), 0);
}

/* Plug an endpoint, with a domain of so many pages. */
static inline struct iommu_domain *hw_plug_alias_mapped(struct kunit *test, u32 id,
							u32 alias, unsigned int pages)
{
	struct iommu_domain *domain;

	hw_plug_alias(test, id, alias);
	domain = hw_domain(test, id);
	KUNIT_ASSERT_EQ(test, hw_attach_to(domain, id), 0);
	hw_map_pages(test, domain, pages);

	return domain;
}

static inline struct iommu_domain *hw_plug_mapped(struct kunit *test, u32 id,
						  unsigned int pages)
{
	return hw_plug_alias_mapped(test, id, id, pages);
}

/* What the device has */

static inline bool hw_reaches(const struct hw_endpoint *endpoint,
			      const struct hw_mapping *mapping)
{
	return endpoint->attached && mapping->used &&
	       mapping->domain == endpoint->domain;
}

static inline unsigned int hw_mapped(u32 id)
{
	const struct hw_endpoint *endpoint = &hw.endpoints[id];
	const struct hw_mapping *mapping;
	unsigned int count = 0;

	for (mapping = hw.mappings; mapping < hw.mappings + HW_MAPPINGS; mapping++)
		count += hw_reaches(endpoint, mapping);

	return count;
}

/* Where an endpoint gets to with this page, or U64_MAX */
static inline u64 hw_translate(u32 id, unsigned int page)
{
	const struct hw_endpoint *endpoint = &hw.endpoints[id];
	const struct hw_mapping *mapping;
	u64 iova = page * SZ_4K;

	if (!endpoint->attached ? hw.config.bypass : endpoint->bypass)
		return iova;

	for (mapping = hw.mappings; mapping < hw.mappings + HW_MAPPINGS; mapping++)
		if (hw_reaches(endpoint, mapping) &&
		    mapping->start <= iova && iova <= mapping->end)
			return mapping->phys + iova - mapping->start;

	return U64_MAX;
}

static inline const char *hw_state(struct kunit *test)
{
	char *text = kunit_kzalloc(test, SZ_4K, GFP_KERNEL);
	const struct hw_mapping *mapping;
	struct seq_buf state;
	unsigned int i, page;

	KUNIT_ASSERT_NOT_NULL(test, text);
	seq_buf_init(&state, text, SZ_4K);
	seq_buf_printf(&state, "bypass=%u", hw.config.bypass);
	for (i = 0; i < HW_ENDPOINTS; i++) {
		if (!hw.endpoints[i].attached)
			continue;
		seq_buf_printf(&state, " %u:%s%u", i,
			       hw.endpoints[i].bypass ? "bypass" : "domain",
			       hw.endpoints[i].domain);
	}
	/* In the order of addresses, since the one of requests does not matter. */
	for (page = 0; page < HW_MAPPINGS; page++)
		for (i = 0; i < HW_MAPPINGS; i++) {
			mapping = &hw.mappings[i];
			if (mapping->used && mapping->start == page * SZ_4K)
				seq_buf_printf(&state, " %u:%llx-%llx=%llx,%x",
					       mapping->domain, mapping->start,
					       mapping->end, mapping->phys,
					       mapping->flags);
		}
	KUNIT_ASSERT_FALSE(test, seq_buf_has_overflowed(&state));

	return seq_buf_str(&state);
}

/* System sleep */

static inline void hw_down(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, virtio_device_freeze(&hw.fake->vdev), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_freeze_noirq(&hw.fake->vdev), 0);
}

static inline int hw_up_noirq(void)
{
	return virtio_device_restore_noirq(&hw.fake->vdev);
}

static inline void hw_up(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, hw_up_noirq(), 0);
	KUNIT_ASSERT_EQ(test, virtio_device_restore(&hw.fake->vdev), 0);
}

static inline void hw_cycle(struct kunit *test)
{
	hw_down(test);
	hw_up(test);
}

/* The device behaves from now on. */
static inline void hw_heal(void)
{
	fake_heal(hw.fake);
	hw.mute = false;
	hw.waited = NULL;
	hw.asked = NULL;
}

/* The whole */

static inline void hw_init(struct kunit *test)
{
	struct virtio_driver drv = virtio_iommu_drv;

	memset(&hw, 0, sizeof(hw));
	fwnode_init(&hw.fwnode, NULL);
	hw.config.page_size_mask = cpu_to_le64(SZ_4K);
	hw.config.input_range.end = cpu_to_le64(SZ_4G - 1);
	hw.config.domain_range.end = cpu_to_le32(31);
	hw.config.probe_size = cpu_to_le32(64);
	hw.config.bypass = 1;
	hw.log_start = kernel_log_end();

	drv.id_table = fake_id_table;
	fake_virtio_init(test, &hw_config_ops, &drv);
	hw.fake = test->priv;
}

/* The device does not have this field any more. */
static inline void hw_take_away_bypass_config(struct kunit *test)
{
	fake_unbind(hw.fake);
	hw.fake->features &= ~BIT_ULL(VIRTIO_IOMMU_F_BYPASS_CONFIG);
	fake_bind(test, hw.fake);
}

/* Nobody can be detached from a device that was given up. */
static inline void hw_exit(struct kunit *test)
{
	u32 id;

	if (!hw.fake)
		return;

	hw_heal();
	if (hw.fake->vdev.dev.driver && !hw_viommu()->frozen &&
	    virtqueue_is_broken(hw_vq(VIOMMU_REQUEST_VQ)))
		hw_cycle(test);
	for (id = 0; id < HW_ENDPOINTS; id++)
		hw_unplug(id);
	for (id = 0; id < HW_ENDPOINTS; id++)
		if (hw.domains[id])
			iommu_domain_free(hw.domains[id]);

	KUNIT_EXPECT_EQ(test, hw.refused, 0);
	KUNIT_EXPECT_EQ(test, hw.early_writes, 0);
	KUNIT_EXPECT_FALSE(test, hw.interruptible);
	KUNIT_EXPECT_LT(test, hw.waited_ms, HW_NEVER_MS);
}

#endif /* _FAKE_VIOMMU_H */
