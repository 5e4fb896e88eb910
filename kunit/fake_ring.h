/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Virtqueues for KUnit tests, and a device that uses them.
 *
 * The rings are real ones, made by virtio_ring.c. The device is a fake that
 * reads and writes them only as the virtio specification says: "Split
 * Virtqueues" and "Packed Virtqueues", with a used entry per buffer, or with
 * VIRTIO_F_IN_ORDER one per batch.
 */
#ifndef _FAKE_RING_H
#define _FAKE_RING_H

#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/scatterlist.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "record.h"

#define RING_NAME	"fake-ring"
#define RING_NUM	8
#define RING_ALIGN	64
/* From the first descriptor twice around, so that both wrap counters change. */
#define RING_OFFSETS	(2 * RING_NUM + 1)
#define RING_BYTES	512

#define PACKED_AVAIL	BIT(VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED	BIT(VRING_PACKED_DESC_F_USED)
#define PACKED_WRAP	BIT(VRING_PACKED_EVENT_F_WRAP_CTR)

/* A buffer of the driver: its address is the token. */
struct ring_buf {
	u8 request[4];
	u8 reply[4 + RING_NUM];
};

/* A buffer as the device found it in the ring. */
struct ring_elem {
	u16 id;
	unsigned int descs;
	u32 room;
	u32 written;
};

/* What a driver or a device can see of a ring, apart from its entries. */
struct ring_view {
	u32 num_free;
	u32 notification_data;
	u32 notified;
	u16 driver_flags;
	u16 driver_idx;
	u16 driver_event;
	u16 device_flags;
	u16 device_idx;
	u16 device_event;
	u16 desc_flags[RING_NUM];
};

struct ring;

typedef void (*ring_area_fn)(struct ring *ring, void *area, size_t size);

/* The device's side of a ring format. */
struct ring_format {
	bool (*take)(struct ring *ring, struct ring_elem *elem);
	void (*use)(struct ring *ring, const struct ring_elem *last,
		    unsigned int bufs, unsigned int descs);
	void (*refuse_kicks)(struct ring *ring);
	/* The driver's flags if it wants no interrupts */
	u16 (*quiet_flags)(struct ring *ring);
	u16 (*position)(struct ring *ring);
	void (*view)(struct ring *ring, struct ring_view *view);
	void (*visit_areas)(struct ring *ring, ring_area_fn fn);
};

struct ring_layout {
	const char *name;
	u64 features;
	const struct ring_format *format;
	/* How many buffers the device completes with one used entry. */
	unsigned int batch;
};

struct ring_param {
	const struct ring_layout *layout;
	u64 features;
	unsigned int offset;
};

struct ring {
	struct virtio_device vdev;
	struct virtqueue *vq;
	const struct ring_layout *layout;
	const struct ring_format *format;
	struct ring_buf bufs[RING_NUM];

	/* What the ring asked of us */
	unsigned int notified;
	unsigned int called;
	unsigned int recycled;
	unsigned int allocations;
	unsigned int mappings;
	unsigned int mapped;

	/* The device */
	u16 avail;
	u16 used;
	bool avail_wrap;
	bool used_wrap;
	struct ring_elem elems[RING_NUM];
	unsigned int taken;

	u8 copy[RING_BYTES];
	size_t copied;

	u64 log_start;
};

static inline struct ring *to_ring(struct virtqueue *vq)
{
	return container_of(vq->vdev, struct ring, vdev);
}

static inline void *ring_desc_area(struct ring *ring)
{
	return phys_to_virt(virtqueue_get_desc_addr(ring->vq));
}

static inline void *ring_driver_area(struct ring *ring)
{
	return phys_to_virt(virtqueue_get_avail_addr(ring->vq));
}

static inline void *ring_device_area(struct ring *ring)
{
	return phys_to_virt(virtqueue_get_used_addr(ring->vq));
}

/*
 * The device on a split ring
 */

static inline void split_walk(struct ring *ring, struct vring_desc *table,
			      unsigned int at, struct ring_elem *elem)
{
	struct virtio_device *vdev = &ring->vdev;
	u16 flags;

	do {
		flags = virtio16_to_cpu(vdev, table[at].flags);
		if (flags & VRING_DESC_F_INDIRECT)
			split_walk(ring, phys_to_virt(virtio64_to_cpu(vdev, table[at].addr)),
				   0, elem);
		if (flags & VRING_DESC_F_WRITE)
			elem->room += virtio32_to_cpu(vdev, table[at].len);
		at = virtio16_to_cpu(vdev, table[at].next) % RING_NUM;
	} while ((flags & VRING_DESC_F_NEXT) && ++elem->descs < RING_NUM);
}

static inline bool split_take(struct ring *ring, struct ring_elem *elem)
{
	struct vring_avail *avail = ring_driver_area(ring);

	if (virtio16_to_cpu(&ring->vdev, avail->idx) == ring->avail)
		return false;

	elem->id = virtio16_to_cpu(&ring->vdev, avail->ring[ring->avail++ % RING_NUM]);
	split_walk(ring, ring_desc_area(ring), elem->id % RING_NUM, elem);
	return true;
}

static inline void split_use(struct ring *ring, const struct ring_elem *last,
			     unsigned int bufs, unsigned int descs)
{
	struct vring_used *used = ring_device_area(ring);
	vring_used_elem_t *entry = &used->ring[ring->used % RING_NUM];

	entry->id = cpu_to_virtio32(&ring->vdev, last->id);
	entry->len = cpu_to_virtio32(&ring->vdev, last->written);
	ring->used += bufs;
	used->idx = cpu_to_virtio16(&ring->vdev, ring->used);
}

static inline __virtio16 *split_avail_event(struct ring *ring)
{
	struct vring_used *used = ring_device_area(ring);

	return (__virtio16 *)&used->ring[RING_NUM];
}

static inline void split_refuse_kicks(struct ring *ring)
{
	struct vring_used *used = ring_device_area(ring);

	used->flags = cpu_to_virtio16(&ring->vdev, VRING_USED_F_NO_NOTIFY);
	*split_avail_event(ring) = cpu_to_virtio16(&ring->vdev, ring->avail - 1);
}

/* With the event index, the flags are zero and the device ignores them. */
static inline u16 split_quiet_flags(struct ring *ring)
{
	return virtio_has_feature(&ring->vdev, VIRTIO_RING_F_EVENT_IDX) ?
	       0 : VRING_AVAIL_F_NO_INTERRUPT;
}

static inline u16 split_position(struct ring *ring)
{
	return ring->avail;
}

static inline void split_view(struct ring *ring, struct ring_view *view)
{
	struct vring_avail *avail = ring_driver_area(ring);
	struct vring_used *used = ring_device_area(ring);

	view->driver_flags = virtio16_to_cpu(&ring->vdev, avail->flags);
	view->driver_idx = virtio16_to_cpu(&ring->vdev, avail->idx);
	view->driver_event = virtio16_to_cpu(&ring->vdev, avail->ring[RING_NUM]);
	view->device_flags = virtio16_to_cpu(&ring->vdev, used->flags);
	view->device_idx = virtio16_to_cpu(&ring->vdev, used->idx);
	view->device_event = virtio16_to_cpu(&ring->vdev, *split_avail_event(ring));
}

static inline void split_visit_areas(struct ring *ring, ring_area_fn fn)
{
	fn(ring, ring_desc_area(ring), vring_size(RING_NUM, RING_ALIGN));
}

static const struct ring_format split_format = {
	.take = split_take,
	.use = split_use,
	.refuse_kicks = split_refuse_kicks,
	.quiet_flags = split_quiet_flags,
	.position = split_position,
	.view = split_view,
	.visit_areas = split_visit_areas,
};

/*
 * The device on a packed ring
 */

static inline void packed_advance(u16 *at, bool *wrap, unsigned int descs)
{
	*at += descs;
	if (*at >= RING_NUM) {
		*at -= RING_NUM;
		*wrap = !*wrap;
	}
}

static inline void packed_walk(const struct vring_packed_desc *table,
			       unsigned int count, struct ring_elem *elem)
{
	const struct vring_packed_desc *desc;

	for (desc = table; desc < table + count; desc++) {
		if (le16_to_cpu(desc->flags) & VRING_DESC_F_INDIRECT)
			packed_walk(phys_to_virt(le64_to_cpu(desc->addr)),
				    le32_to_cpu(desc->len) / sizeof(*desc), elem);
		if (le16_to_cpu(desc->flags) & VRING_DESC_F_WRITE)
			elem->room += le32_to_cpu(desc->len);
	}
}

static inline bool packed_take(struct ring *ring, struct ring_elem *elem)
{
	struct vring_packed_desc *table = ring_desc_area(ring), *desc;
	u16 flags = le16_to_cpu(table[ring->avail].flags);

	if (!!(flags & PACKED_AVAIL) != ring->avail_wrap ||
	    !!(flags & PACKED_USED) == ring->avail_wrap)
		return false;

	do {
		desc = &table[ring->avail];
		packed_walk(desc, 1, elem);
		packed_advance(&ring->avail, &ring->avail_wrap, 1);
	} while (++elem->descs < RING_NUM && (le16_to_cpu(desc->flags) & VRING_DESC_F_NEXT));

	elem->id = le16_to_cpu(desc->id);
	return true;
}

static inline void packed_use(struct ring *ring, const struct ring_elem *last,
			      unsigned int bufs, unsigned int descs)
{
	struct vring_packed_desc *table = ring_desc_area(ring);
	struct vring_packed_desc *desc = &table[ring->used];

	desc->id = cpu_to_le16(last->id);
	desc->len = cpu_to_le32(last->written);
	desc->flags = cpu_to_le16(VRING_DESC_F_WRITE |
				  (ring->used_wrap ? PACKED_AVAIL | PACKED_USED : 0));
	packed_advance(&ring->used, &ring->used_wrap, descs);
}

static inline void packed_refuse_kicks(struct ring *ring)
{
	struct vring_packed_desc_event *device = ring_device_area(ring);
	u16 before = (ring->avail + RING_NUM - 1) % RING_NUM;
	bool wrap = ring->avail ? ring->avail_wrap : !ring->avail_wrap;

	device->off_wrap = cpu_to_le16(before | (wrap ? PACKED_WRAP : 0));
	device->flags = cpu_to_le16(virtio_has_feature(&ring->vdev, VIRTIO_RING_F_EVENT_IDX) ?
				    VRING_PACKED_EVENT_FLAG_DESC :
				    VRING_PACKED_EVENT_FLAG_DISABLE);
}

static inline u16 packed_quiet_flags(struct ring *ring)
{
	return VRING_PACKED_EVENT_FLAG_DISABLE;
}

static inline u16 packed_position(struct ring *ring)
{
	return ring->avail | (ring->avail_wrap ? PACKED_WRAP : 0);
}

static inline void packed_view(struct ring *ring, struct ring_view *view)
{
	struct vring_packed_desc *table = ring_desc_area(ring);
	struct vring_packed_desc_event *driver = ring_driver_area(ring);
	struct vring_packed_desc_event *device = ring_device_area(ring);
	unsigned int i;

	view->driver_flags = le16_to_cpu(driver->flags);
	view->driver_event = le16_to_cpu(driver->off_wrap);
	view->device_flags = le16_to_cpu(device->flags);
	view->device_event = le16_to_cpu(device->off_wrap);
	for (i = 0; i < RING_NUM; i++)
		view->desc_flags[i] = le16_to_cpu(table[i].flags);
}

static inline void packed_visit_areas(struct ring *ring, ring_area_fn fn)
{
	fn(ring, ring_desc_area(ring), RING_NUM * sizeof(struct vring_packed_desc));
	fn(ring, ring_driver_area(ring), sizeof(struct vring_packed_desc_event));
	fn(ring, ring_device_area(ring), sizeof(struct vring_packed_desc_event));
}

static const struct ring_format packed_format = {
	.take = packed_take,
	.use = packed_use,
	.refuse_kicks = packed_refuse_kicks,
	.quiet_flags = packed_quiet_flags,
	.position = packed_position,
	.view = packed_view,
	.visit_areas = packed_visit_areas,
};

/*
 * The device on any ring
 */

static inline void device_reset(struct ring *ring)
{
	ring->avail = 0;
	ring->used = 0;
	ring->avail_wrap = true;
	ring->used_wrap = true;
	ring->notified = 0;
}

/* Take all available buffers, the first one as elems[0]. */
static inline void device_take(struct ring *ring)
{
	memset(ring->elems, 0, sizeof(ring->elems));
	ring->taken = 0;
	while (ring->taken < RING_NUM &&
	       ring->format->take(ring, &ring->elems[ring->taken]))
		ring->taken++;
}

/* Complete a batch; all but its last buffer are filled up to the last byte. */
static inline void device_use(struct ring *ring, unsigned int first, unsigned int bufs)
{
	struct ring_elem *elem = &ring->elems[first], *last = elem + bufs - 1;
	unsigned int descs = 0;

	for (; elem <= last; elem++) {
		elem->written = elem->room;
		descs += elem->descs;
	}
	last->written--;
	ring->format->use(ring, last, bufs, descs);
}

/* Complete a descriptor that holds no buffer, or did so once. */
static inline void device_use_bogus(struct ring *ring, u16 id, unsigned int times)
{
	const struct ring_elem elem = { .id = id, .written = U32_MAX };

	while (times--)
		ring->format->use(ring, &elem, 1, 1);
}

/*
 * What stands around the ring: a transport and a DMA mapping that count
 */

static inline bool ring_notify(struct virtqueue *vq)
{
	to_ring(vq)->notified++;
	return true;
}

static inline void ring_callback(struct virtqueue *vq)
{
	to_ring(vq)->called++;
}

static inline void ring_recycle(struct virtqueue *vq, void *buf)
{
	to_ring(vq)->recycled++;
}

static inline int ring_disable_vq(struct virtqueue *vq)
{
	return 0;
}

static inline int ring_enable_vq(struct virtqueue *vq)
{
	device_reset(to_ring(vq));
	return 0;
}

static const struct virtio_config_ops ring_config_ops = {
	.disable_vq_and_reset = ring_disable_vq,
	.enable_vq_after_reset = ring_enable_vq,
};

static inline struct ring *map_to_ring(union virtio_map map)
{
	return container_of(map.dma_dev, struct ring, vdev.dev);
}

static inline void *ring_map_alloc(union virtio_map map, size_t size, dma_addr_t *handle, gfp_t gfp)
{
	void *area = alloc_pages_exact(size, gfp);

	if (!area)
		return NULL;

	*handle = virt_to_phys(area);
	map_to_ring(map)->allocations++;
	return area;
}

static inline void ring_map_free(union virtio_map map, size_t size, void *area,
				 dma_addr_t handle, unsigned long attrs)
{
	free_pages_exact(area, size);
}

static inline dma_addr_t ring_map_page(union virtio_map map, struct page *page,
				       unsigned long offset, size_t size,
				       enum dma_data_direction dir,
				       unsigned long attrs)
{
	map_to_ring(map)->mappings++;
	map_to_ring(map)->mapped++;
	return page_to_phys(page) + offset;
}

static inline void ring_unmap_page(union virtio_map map, dma_addr_t handle,
				   size_t size, enum dma_data_direction dir,
				   unsigned long attrs)
{
	map_to_ring(map)->mapped--;
}

static inline int ring_mapping_error(union virtio_map map, dma_addr_t handle)
{
	return 0;
}

static const struct virtio_map_ops ring_map_ops = {
	.alloc = ring_map_alloc,
	.free = ring_map_free,
	.map_page = ring_map_page,
	.unmap_page = ring_unmap_page,
	.mapping_error = ring_mapping_error,
};

/*
 * The driver
 */

KUNIT_DEFINE_ACTION_WRAPPER(ring_del, vring_del_virtqueue, struct virtqueue *);

static inline struct ring *ring_alloc(struct kunit *test)
{
	const struct ring_param *param = test->param_value;
	struct ring *ring = kunit_kzalloc(test, sizeof(*ring), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ring);
	ring->layout = param->layout;
	ring->format = param->layout->format;
	ring->vdev.dev.init_name = RING_NAME;
	ring->vdev.config = &ring_config_ops;
	ring->vdev.map = &ring_map_ops;
	ring->vdev.features = BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) |
			      param->layout->features | param->features;
	spin_lock_init(&ring->vdev.vqs_list_lock);
	INIT_LIST_HEAD(&ring->vdev.vqs);
	device_reset(ring);
	ring->log_start = kernel_log_end();
	return ring;
}

static inline struct ring *ring_create(struct kunit *test, void (*callback)(struct virtqueue *vq))
{
	struct ring *ring = ring_alloc(test);
	union virtio_map map = { .dma_dev = &ring->vdev.dev };

	ring->vq = vring_create_virtqueue_map(0, RING_NUM, RING_ALIGN, &ring->vdev, true, false,
					      false, ring_notify, callback, "ring", map);
	KUNIT_ASSERT_NOT_NULL(test, ring->vq);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, ring_del, ring->vq), 0);
	/* As virtio_device_ready() does */
	__virtqueue_unbreak(ring->vq);
	return ring;
}

/* Add a buffer of one descriptor to write to, or of one to read before it. */
static inline int ring_add(struct ring *ring, unsigned int nr, unsigned int segs)
{
	struct ring_buf *buf = &ring->bufs[nr];
	struct scatterlist request, reply;
	struct scatterlist *sgs[] = { &request, &reply };

	sg_init_one(&request, buf->request, sizeof(buf->request));
	sg_init_one(&reply, buf->reply, 4 + nr);
	return virtqueue_add_sgs(ring->vq, sgs + 2 - segs, segs - 1, 1, buf, GFP_KERNEL);
}

static inline void ring_add_many(struct kunit *test, struct ring *ring, unsigned int bufs)
{
	unsigned int i;

	for (i = 0; i < bufs; i++)
		KUNIT_ASSERT_EQ(test, ring_add(ring, i, 1), 0);
}

static inline void ring_expect_buf(struct kunit *test, struct ring *ring, unsigned int nr)
{
	u32 len = 0;

	KUNIT_ASSERT_PTR_EQ(test, virtqueue_get_buf(ring->vq, &len), &ring->bufs[nr]);
	KUNIT_EXPECT_EQ(test, ring->elems[nr].room, 4 + nr);
	KUNIT_EXPECT_EQ(test, len, ring->elems[nr].written);
}

static inline void ring_expect_idle(struct kunit *test, struct ring *ring)
{
	u32 len;

	KUNIT_EXPECT_NULL(test, virtqueue_get_buf(ring->vq, &len));
	KUNIT_EXPECT_FALSE(test, virtqueue_is_broken(ring->vq));
	KUNIT_EXPECT_EQ(test, ring->vq->num_free, RING_NUM);
	KUNIT_EXPECT_EQ(test, ring->mapped, 0);
	KUNIT_EXPECT_EQ(test, vring_notification_data(ring->vq) >> 16,
			ring->format->position(ring));
}

/* One buffer to the device; it comes back with ring_expect_buf(). */
static inline void ring_send(struct kunit *test, struct ring *ring)
{
	KUNIT_ASSERT_EQ(test, ring_add(ring, 0, 1), 0);
	virtqueue_kick(ring->vq);
	device_take(ring);
	KUNIT_ASSERT_EQ(test, ring->taken, 1);
	device_use(ring, 0, 1);
}

static inline void ring_pass(struct kunit *test, struct ring *ring)
{
	ring_send(test, ring);
	ring_expect_buf(test, ring, 0);
}

static inline void ring_move_to_offset(struct kunit *test, struct ring *ring)
{
	const struct ring_param *param = test->param_value;
	unsigned int i;

	for (i = 0; i < param->offset; i++)
		ring_pass(test, ring);
}

/* Use every descriptor once, with as many buffers as there is room for. */
static inline void ring_turn(struct kunit *test, struct ring *ring, unsigned int segs)
{
	bool indirect = virtio_has_feature(&ring->vdev, VIRTIO_RING_F_INDIRECT_DESC);
	unsigned int batch = ring->layout->batch, bufs, i;

	for (bufs = 0; bufs < RING_NUM; bufs++)
		if (ring_add(ring, bufs, segs))
			break;
	KUNIT_ASSERT_EQ(test, bufs, indirect ? RING_NUM : RING_NUM / segs);
	KUNIT_ASSERT_EQ(test, ring_add(ring, 0, 1), -ENOSPC);
	virtqueue_kick(ring->vq);

	device_take(ring);
	KUNIT_ASSERT_EQ(test, ring->taken, bufs);
	for (i = 0; i < bufs; i += batch)
		device_use(ring, i, min(batch, bufs - i));

	for (i = 0; i < bufs; i++)
		ring_expect_buf(test, ring, i);
	ring_expect_idle(test, ring);
}

/* Nothing in the ring, and all of it works, twice around. */
static inline void ring_expect_works(struct kunit *test, struct ring *ring)
{
	ring_expect_idle(test, ring);
	ring_turn(test, ring, 1);
	ring_turn(test, ring, 2);
}

/*
 * The device completes a batch, or without IN_ORDER one buffer, of a few; the
 * driver takes one buffer only.
 */
static inline void ring_cut_batch(struct kunit *test, struct ring *ring)
{
	ring_add_many(test, ring, 4);
	device_take(ring);
	KUNIT_ASSERT_EQ(test, ring->taken, 4);
	device_use(ring, 0, ring->layout->batch);
	ring_expect_buf(test, ring, 0);
}

/*
 * The parameters
 */

static const struct ring_layout ring_layouts[] = {
	{ "split", 0, &split_format, 1 },
	{ "packed", BIT_ULL(VIRTIO_F_RING_PACKED), &packed_format, 1 },
	{ "split in-order", BIT_ULL(VIRTIO_F_IN_ORDER), &split_format, 3 },
	{ "packed in-order", BIT_ULL(VIRTIO_F_RING_PACKED) | BIT_ULL(VIRTIO_F_IN_ORDER),
	  &packed_format, 3 },
};

static const u64 ring_features[] = {
	0,
	BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC),
	BIT_ULL(VIRTIO_RING_F_EVENT_IDX),
	BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | BIT_ULL(VIRTIO_RING_F_EVENT_IDX),
};

static inline void ring_param_desc(struct kunit *test, const void *value, char *desc)
{
	const struct ring_param *param = value;

	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s%s%s, offset %u", param->layout->name,
		 param->features & BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) ? ", indirect" : "",
		 param->features & BIT_ULL(VIRTIO_RING_F_EVENT_IDX) ? ", event index" : "",
		 param->offset);
}

/* Some of the layouts, with all features, at the first offsets. */
static inline int ring_register_params(struct kunit *test,
				       const struct ring_layout *layouts,
				       unsigned int nlayouts,
				       unsigned int offsets)
{
	unsigned int count = nlayouts * ARRAY_SIZE(ring_features) * offsets, i, ring;
	struct ring_param *params = kunit_kcalloc(test, count, sizeof(*params), GFP_KERNEL);

	if (!params)
		return -ENOMEM;

	for (i = 0; i < count; i++) {
		ring = i / offsets;
		params[i].layout = &layouts[ring / ARRAY_SIZE(ring_features)];
		params[i].features = ring_features[ring % ARRAY_SIZE(ring_features)];
		params[i].offset = i % offsets;
	}
	kunit_register_params_array(test, params, count, ring_param_desc);
	return 0;
}

static inline int all_rings(struct kunit *test)
{
	return ring_register_params(test, ring_layouts, ARRAY_SIZE(ring_layouts), 1);
}

static inline int all_offsets(struct kunit *test)
{
	return ring_register_params(test, ring_layouts, ARRAY_SIZE(ring_layouts), RING_OFFSETS);
}

static inline int any_order_rings(struct kunit *test)
{
	return ring_register_params(test, &ring_layouts[0], 2, 1);
}

static inline int any_order_offsets(struct kunit *test)
{
	return ring_register_params(test, &ring_layouts[0], 2, RING_OFFSETS);
}

static inline int in_order_offsets(struct kunit *test)
{
	return ring_register_params(test, &ring_layouts[2], 2, RING_OFFSETS);
}

static inline int split_rings(struct kunit *test)
{
	return ring_register_params(test, &ring_layouts[0], 1, 1);
}

#define RING_CASE(test, params)	\
	KUNIT_CASE_PARAM_WITH_INIT(test, kunit_array_gen_params, params, NULL)

#endif /* _FAKE_RING_H */
