/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtio-mmio device for KUnit tests: registers that logic_iomem emulates, an
 * interrupt line, and a driver. The suite says with MMIO_BASE where it is.
 *
 * The device does what the virtio specification asks of versions 1 (legacy), 2
 * and 3, and forgets all it can in a reset. It records every access but the reads
 * of its status, the page size and what the interrupt handler does. It never
 * interrupts, unless a test wants it to.
 */
#ifndef _FAKE_MMIO_H
#define _FAKE_MMIO_H

#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/ktime.h>
#include <linux/logic_iomem.h>
#include <linux/platform_device.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include <kunit/test.h>

#include "record.h"
#include "sleep.h"

#define MMIO_SIZE		VIRTIO_MMIO_CONFIG
#define MMIO_MAGIC		0x74726976
#define MMIO_DEVICE_ID		0xfa4e
#define MMIO_QUEUES		3
#define MMIO_QUEUE_SIZE		8
#define MMIO_NEVER		(60 * MSEC_PER_SEC)

#define MMIO_LIVE		(VIRTIO_CONFIG_S_ACKNOWLEDGE | \
				 VIRTIO_CONFIG_S_DRIVER | \
				 VIRTIO_CONFIG_S_DRIVER_OK)

struct mmio;
struct mmio_failure;

/* What a test is run with. */
struct mmio_param {
	const char *desc;
	u32 version;
	const struct sleep_ops *sleep;
	const struct mmio_failure *failure;
};

struct mmio {
	const struct sleep_ops *sleep;
	struct platform_device *pdev;
	int irq;

	/* The driver. The queue in the middle has no name, and so no index. */
	struct virtio_driver drv;
	struct virtio_device *vdev;
	struct virtqueue *vqs[MMIO_QUEUES];
	int probe_err;

	/* The registers; some are there per queue or per 32 features. */
	u32 regs[MMIO_SIZE / 4];
	u32 queues[MMIO_QUEUES][MMIO_SIZE / 4];
	u32 offered[2];
	u32 accepted[2];

	/* How long a reset takes, and what the device does that it must not. */
	unsigned int reset_ms;
	bool keeps_queues;
	u8 refused;
	u32 raised;
	bool bogus;

	/* What a device makes of a status that is written, and of it when read. */
	u8 (*status)(struct mmio *mmio, u8 status, bool written);

	/* A reset under way, and what was written meanwhile. */
	bool resetting;
	ktime_t reset_end;
	unsigned int hasty;

	/* What happened, and what should have. */
	struct record record;
	struct record wanted;
	u64 log_start;
	unsigned int status_reads;
	bool interrupted;
	bool premature;

	/* Memory for rings of our own, and how often it was got or given back */
	u64 far;
	bool no_memory;
	unsigned int allocations;

	/* What shall happen in the callback of this name. */
	const char *at;
	int (*then)(struct mmio *mmio);
};

/* The registers know no device: it is that of the test which is run. */
static struct mmio *mmio_plugged;

static inline struct mmio *to_mmio(struct virtio_device *vdev)
{
	return container_of(drv_to_virtio(vdev->dev.driver), struct mmio, drv);
}

/*
 * The device
 */

static const char *const mmio_names[MMIO_SIZE] = {
	[VIRTIO_MMIO_MAGIC_VALUE] = "MagicValue",
	[VIRTIO_MMIO_VERSION] = "Version",
	[VIRTIO_MMIO_DEVICE_ID] = "DeviceID",
	[VIRTIO_MMIO_VENDOR_ID] = "VendorID",
	[VIRTIO_MMIO_DEVICE_FEATURES] = "DeviceFeatures",
	[VIRTIO_MMIO_DEVICE_FEATURES_SEL] = "DeviceFeaturesSel",
	[VIRTIO_MMIO_DRIVER_FEATURES] = "DriverFeatures",
	[VIRTIO_MMIO_DRIVER_FEATURES_SEL] = "DriverFeaturesSel",
	[VIRTIO_MMIO_GUEST_PAGE_SIZE] = "GuestPageSize",
	[VIRTIO_MMIO_QUEUE_SEL] = "QueueSel",
	[VIRTIO_MMIO_QUEUE_NUM_MAX] = "QueueNumMax",
	[VIRTIO_MMIO_QUEUE_NUM] = "QueueNum",
	[VIRTIO_MMIO_QUEUE_ALIGN] = "QueueAlign",
	[VIRTIO_MMIO_QUEUE_PFN] = "QueuePFN",
	[VIRTIO_MMIO_QUEUE_READY] = "QueueReady",
	[VIRTIO_MMIO_QUEUE_NOTIFY] = "QueueNotify",
	[VIRTIO_MMIO_STATUS] = "Status",
	[VIRTIO_MMIO_QUEUE_DESC_LOW] = "QueueDescLow",
	[VIRTIO_MMIO_QUEUE_DESC_HIGH] = "QueueDescHigh",
	[VIRTIO_MMIO_QUEUE_AVAIL_LOW] = "QueueDriverLow",
	[VIRTIO_MMIO_QUEUE_AVAIL_HIGH] = "QueueDriverHigh",
	[VIRTIO_MMIO_QUEUE_USED_LOW] = "QueueDeviceLow",
	[VIRTIO_MMIO_QUEUE_USED_HIGH] = "QueueDeviceHigh",
};

static inline u32 *mmio_reg(struct mmio *mmio, unsigned int offset)
{
	u32 *regs = mmio->regs;

	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM_MAX ... VIRTIO_MMIO_QUEUE_READY:
	case VIRTIO_MMIO_QUEUE_DESC_LOW ... VIRTIO_MMIO_QUEUE_USED_HIGH:
		regs = mmio->queues[regs[VIRTIO_MMIO_QUEUE_SEL / 4] % MMIO_QUEUES];
		break;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return &mmio->offered[regs[VIRTIO_MMIO_DEVICE_FEATURES_SEL / 4] & 1];
	case VIRTIO_MMIO_DRIVER_FEATURES:
		return &mmio->accepted[regs[VIRTIO_MMIO_DRIVER_FEATURES_SEL / 4] & 1];
	}

	return &regs[offset / 4];
}

static inline u32 mmio_queue_reg(struct mmio *mmio, unsigned int queue,
				 unsigned int offset)
{
	return mmio->queues[queue][offset / 4];
}

static inline u8 mmio_status(struct mmio *mmio)
{
	return mmio->regs[VIRTIO_MMIO_STATUS / 4];
}

static inline bool mmio_is_legacy(struct mmio *mmio)
{
	return mmio->regs[VIRTIO_MMIO_VERSION / 4] == 1;
}

static inline bool mmio_is_queue_live(struct mmio *mmio, unsigned int queue)
{
	return mmio_queue_reg(mmio, queue, mmio_is_legacy(mmio) ?
			      VIRTIO_MMIO_QUEUE_PFN : VIRTIO_MMIO_QUEUE_READY);
}

static inline void mmio_set_num_max(struct mmio *mmio, unsigned int queue,
				    u32 num_max)
{
	mmio->queues[queue][VIRTIO_MMIO_QUEUE_NUM_MAX / 4] = num_max;
}

static inline void mmio_end_reset(struct mmio *mmio)
{
	unsigned int queue;
	u32 num_max;

	mmio->resetting = false;
	mmio->regs[VIRTIO_MMIO_STATUS / 4] = 0;
	mmio->regs[VIRTIO_MMIO_DEVICE_FEATURES_SEL / 4] = 0;
	mmio->regs[VIRTIO_MMIO_DRIVER_FEATURES_SEL / 4] = 0;
	mmio->regs[VIRTIO_MMIO_GUEST_PAGE_SIZE / 4] = 0;
	mmio->regs[VIRTIO_MMIO_QUEUE_SEL / 4] = 0;
	mmio->regs[VIRTIO_MMIO_INTERRUPT_STATUS / 4] = 0;
	memset(mmio->accepted, 0, sizeof(mmio->accepted));
	for (queue = 0; queue < MMIO_QUEUES && !mmio->keeps_queues; queue++) {
		num_max = mmio_queue_reg(mmio, queue, VIRTIO_MMIO_QUEUE_NUM_MAX);
		memset(mmio->queues[queue], 0, sizeof(mmio->queues[queue]));
		mmio_set_num_max(mmio, queue, num_max);
	}
}

/* Time may have passed. */
static inline void mmio_settle(struct mmio *mmio)
{
	if (mmio->resetting && !ktime_before(ktime_get(), mmio->reset_end))
		mmio_end_reset(mmio);
}

static inline void mmio_start_reset(struct mmio *mmio)
{
	mmio->resetting = true;
	mmio->reset_end = ktime_add_ms(ktime_get(), mmio->reset_ms);
	mmio_settle(mmio);
}

static inline void mmio_set_status(struct mmio *mmio, u8 status)
{
	if ((mmio->accepted[0] & ~mmio->offered[0]) ||
	    (mmio->accepted[1] & ~mmio->offered[1]))
		status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	if (mmio->status)
		status = mmio->status(mmio, status, true);

	mmio->regs[VIRTIO_MMIO_STATUS / 4] = status & ~mmio->refused;
	mmio->premature |= (status & VIRTIO_CONFIG_S_DRIVER_OK) &&
			   !(mmio_is_queue_live(mmio, 0) &&
			     mmio_is_queue_live(mmio, 1));
}

/* Use a buffer which the device never got. */
static inline void mmio_use_bogus(struct mmio *mmio)
{
	struct vring_used *used = phys_to_virt(virtqueue_get_used_addr(mmio->vqs[0]));
	u16 idx = virtio16_to_cpu(mmio->vdev, used->idx);

	used->ring[idx % MMIO_QUEUE_SIZE].id = cpu_to_virtio32(mmio->vdev, U16_MAX);
	used->idx = cpu_to_virtio16(mmio->vdev, idx + 1);
}

/* The line is up until the driver has acknowledged. */
static inline void mmio_interrupt(struct mmio *mmio)
{
	mmio->interrupted = true;
	mmio->regs[VIRTIO_MMIO_INTERRUPT_STATUS / 4] |= mmio->raised;
	generic_handle_irq_safe(mmio->irq);
	mmio->interrupted = false;
}

static inline void mmio_access(struct mmio *mmio)
{
	mmio_settle(mmio);
	if (mmio->bogus)
		mmio_use_bogus(mmio);
	if (mmio->raised && !mmio->interrupted)
		mmio_interrupt(mmio);
}

static inline unsigned long fake_read(void *priv, unsigned int offset, int size)
{
	struct mmio *mmio = priv;

	mmio_access(mmio);
	if (offset == VIRTIO_MMIO_STATUS) {
		mmio->status_reads++;
		if (mmio->status)
			*mmio_reg(mmio, offset) =
				mmio->status(mmio, mmio_status(mmio), false);
	} else if (!mmio->interrupted) {
		seq_buf_printf(&mmio->record.calls, "%s? ", mmio_names[offset]);
	}

	return *mmio_reg(mmio, offset);
}

static inline void fake_write(void *priv, unsigned int offset, int size,
			      unsigned long value)
{
	struct mmio *mmio = priv;

	mmio_access(mmio);
	mmio->hasty += mmio->resetting;
	if (!mmio->interrupted && offset != VIRTIO_MMIO_GUEST_PAGE_SIZE)
		seq_buf_printf(&mmio->record.calls, "%s=%lx ",
			       mmio_names[offset], value);

	if (offset == VIRTIO_MMIO_INTERRUPT_ACK)
		mmio->regs[VIRTIO_MMIO_INTERRUPT_STATUS / 4] &= ~value;
	else if (offset != VIRTIO_MMIO_STATUS)
		*mmio_reg(mmio, offset) = value;
	else if (value)
		mmio_set_status(mmio, value);
	else
		mmio_start_reset(mmio);
}

static const struct logic_iomem_ops mmio_ops = {
	.read = fake_read,
	.write = fake_write,
};

static inline long fake_map(unsigned long offset, size_t size,
			    const struct logic_iomem_ops **ops, void **priv)
{
	*ops = &mmio_ops;
	*priv = mmio_plugged;

	return offset;
}

static const struct logic_iomem_region_ops mmio_region_ops = {
	.map = fake_map,
};

static struct resource mmio_region =
	DEFINE_RES_MEM_NAMED(MMIO_BASE, MMIO_SIZE, KBUILD_MODNAME);

static inline int fake_irq_request(struct irq_data *data)
{
	struct mmio *mmio = irq_data_get_irq_chip_data(data);

	seq_buf_puts(&mmio->record.calls, "request_irq ");

	return 0;
}

static inline void fake_irq_release(struct irq_data *data)
{
	struct mmio *mmio = irq_data_get_irq_chip_data(data);

	seq_buf_puts(&mmio->record.calls, "free_irq ");
}

/* That of IRQ_SIM would deliver an interrupt some time after the access. */
static const struct irq_chip mmio_irq_chip = {
	.name = KBUILD_MODNAME,
	.irq_request_resources = fake_irq_request,
	.irq_release_resources = fake_irq_release,
	.flags = IRQCHIP_SKIP_SET_WAKE,
};

/*
 * Memory for rings that counts, and need not be where the device can reach it
 */

static inline void *fake_alloc(union virtio_map map, size_t size,
			       dma_addr_t *handle, gfp_t gfp)
{
	struct mmio *mmio = mmio_plugged;
	void *area;

	mmio->allocations++;
	if (mmio->no_memory)
		return NULL;

	area = alloc_pages_exact(size, gfp);
	if (area)
		*handle = virt_to_phys(area) | mmio->far;

	return area;
}

static inline void fake_free(union virtio_map map, size_t size, void *area,
			     dma_addr_t handle, unsigned long attrs)
{
	mmio_plugged->allocations++;
	free_pages_exact(area, size);
}

static const struct virtio_map_ops mmio_map_ops = {
	.alloc = fake_alloc,
	.free = fake_free,
};

/*
 * The driver
 */

static inline int mmio_call(struct virtio_device *vdev, const char *name)
{
	struct mmio *mmio = to_mmio(vdev);

	seq_buf_printf(&mmio->record.calls, "%s ", name);

	return mmio->then && !strcmp(mmio->at, name) ? mmio->then(mmio) : 0;
}

static inline void driver_callback(struct virtqueue *vq)
{
	unsigned int len;

	mmio_call(vq->vdev, "callback");
	while (virtqueue_get_buf(vq, &len))
		;
}

static inline int driver_find_vqs(struct virtio_device *vdev)
{
	struct virtqueue_info infos[MMIO_QUEUES] = {
		{ "first", driver_callback }, { }, { "second", driver_callback },
	};

	return virtio_find_vqs(vdev, MMIO_QUEUES, to_mmio(vdev)->vqs, infos, NULL);
}

static inline int driver_probe(struct virtio_device *vdev)
{
	struct mmio *mmio = to_mmio(vdev);

	mmio->vdev = vdev;
	mmio->probe_err = driver_find_vqs(vdev);

	return mmio->probe_err;
}

static inline int driver_give_up(struct virtio_device *vdev)
{
	virtio_reset_device(vdev);
	vdev->config->del_vqs(vdev);

	return 0;
}

static inline void driver_remove(struct virtio_device *vdev)
{
	driver_give_up(vdev);
}

static inline void driver_config_changed(struct virtio_device *vdev)
{
	mmio_call(vdev, "config_changed");
}

static const struct virtio_device_id mmio_id_table[] = {
	{ MMIO_DEVICE_ID, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static unsigned int mmio_features[] = { VIRTIO_RING_F_EVENT_IDX };

/* Like most drivers, it knows nothing of the noirq phase. */
static const struct virtio_driver mmio_driver = {
	.driver.name = KBUILD_MODNAME,
	.id_table = mmio_id_table,
	.feature_table = mmio_features,
	.feature_table_size = ARRAY_SIZE(mmio_features),
	.probe = driver_probe,
	.remove = driver_remove,
	.config_changed = driver_config_changed,
	.freeze = driver_give_up,
	.restore = driver_find_vqs,
};

/* What the device can do wrong */

static inline void fake_zero(struct mmio *mmio)
{
	mmio_set_num_max(mmio, 0, 0);
}

static inline void mmio_heal(struct mmio *mmio)
{
	mmio->reset_ms = 0;
	mmio->reset_end = 0;
	mmio->keeps_queues = false;
	mmio->refused = 0;
	mmio->raised = 0;
	mmio->bogus = false;
	mmio->no_memory = false;
	mmio->offered[0] = BIT(VIRTIO_RING_F_EVENT_IDX);
	mmio_set_num_max(mmio, 0, MMIO_QUEUE_SIZE);
	mmio_set_num_max(mmio, 1, MMIO_QUEUE_SIZE);
	mmio_set_num_max(mmio, 2, MMIO_QUEUE_SIZE);
	mmio->then = NULL;
}

/*
 * What should happen
 */

static inline __printf(2, 3) void mmio_want(struct mmio *mmio, const char *fmt,
					    ...)
{
	va_list args;

	va_start(args, fmt);
	seq_buf_vprintf(&mmio->wanted.calls, fmt, args);
	va_end(args);
}

static inline void mmio_want_reset(struct mmio *mmio)
{
	mmio_want(mmio, "Status=0 ");
}

static inline void mmio_want_features(struct mmio *mmio)
{
	mmio_want(mmio, "DeviceFeaturesSel=1 DeviceFeatures? ");
	mmio_want(mmio, "DeviceFeaturesSel=0 DeviceFeatures? ");
	mmio_want(mmio, "DriverFeaturesSel=1 DriverFeatures=%llx ",
		  mmio->vdev->features >> 32);
	mmio_want(mmio, "DriverFeaturesSel=0 DriverFeatures=%llx ",
		  mmio->vdev->features & U32_MAX);
	if (!mmio_is_legacy(mmio))
		mmio_want(mmio, "Status=b ");
}

static inline void mmio_want_negotiation(struct mmio *mmio)
{
	mmio_want_reset(mmio);
	mmio_want(mmio, "Status=1 Status=3 ");
	mmio_want_features(mmio);
}

static inline void mmio_want_address(struct mmio *mmio, const char *name,
				     u64 addr)
{
	mmio_want(mmio, "Queue%sLow=%llx Queue%sHigh=%llx ",
		  name, addr & U32_MAX, name, addr >> 32);
}

static inline void mmio_want_select(struct mmio *mmio, unsigned int queue)
{
	mmio_want(mmio, "QueueSel=%x %s? ", queue,
		  mmio_is_legacy(mmio) ? "QueuePFN" : "QueueReady");
}

static inline void mmio_want_queue(struct mmio *mmio, unsigned int queue,
				   struct virtqueue *vq)
{
	mmio_want_select(mmio, queue);
	mmio_want(mmio, "QueueNumMax? QueueNum=%x ", MMIO_QUEUE_SIZE);
	if (mmio_is_legacy(mmio)) {
		mmio_want(mmio, "QueueAlign=%lx QueuePFN=%llx ", PAGE_SIZE,
			  virtqueue_get_desc_addr(vq) / PAGE_SIZE);
		return;
	}
	mmio_want_address(mmio, "Desc", virtqueue_get_desc_addr(vq));
	mmio_want_address(mmio, "Driver", virtqueue_get_avail_addr(vq));
	mmio_want_address(mmio, "Device", virtqueue_get_used_addr(vq));
	mmio_want(mmio, "QueueReady=1 ");
}

static inline void mmio_want_queues(struct mmio *mmio)
{
	mmio_want_queue(mmio, 0, mmio->vqs[0]);
	mmio_want_queue(mmio, 1, mmio->vqs[2]);
}

static inline u8 mmio_live_status(struct mmio *mmio)
{
	return mmio_is_legacy(mmio) ?
	       MMIO_LIVE : MMIO_LIVE | VIRTIO_CONFIG_S_FEATURES_OK;
}

static inline u8 mmio_failed_status(struct mmio *mmio)
{
	return (mmio_live_status(mmio) & ~VIRTIO_CONFIG_S_DRIVER_OK) |
	       VIRTIO_CONFIG_S_FAILED;
}

static inline void mmio_want_driver_ok(struct mmio *mmio)
{
	mmio_want(mmio, "Status=%x ", mmio_live_status(mmio));
}

static inline void mmio_expect_wanted(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record),
			   record_take(test, &mmio->wanted));
}

/* The queues of a legacy device are where their rings are. */
static inline void mmio_expect_legacy_rings(struct kunit *test)
{
	struct mmio *mmio = test->priv;
	u64 page_size = mmio->regs[VIRTIO_MMIO_GUEST_PAGE_SIZE / 4];

	KUNIT_EXPECT_EQ(test, mmio_queue_reg(mmio, 0, VIRTIO_MMIO_QUEUE_PFN) * page_size,
			virtqueue_get_desc_addr(mmio->vqs[0]));
	KUNIT_EXPECT_EQ(test, mmio_queue_reg(mmio, 1, VIRTIO_MMIO_QUEUE_PFN) * page_size,
			virtqueue_get_desc_addr(mmio->vqs[2]));
}

static inline unsigned int mmio_log_count(struct mmio *mmio, const char *text)
{
	char line[160];

	snprintf(line, sizeof(line), "%s: %s", dev_name(&mmio->vdev->dev), text);

	return kernel_log_count(mmio->log_start, line);
}

/*
 * Steps of a sleep cycle, as the PM core takes them
 */

static inline int mmio_pm(struct mmio *mmio, size_t op)
{
	struct device *dev = &mmio->pdev->dev;

	return sleep_call(dev, dev->driver->pm, op);
}

static inline int mmio_down(struct mmio *mmio)
{
	return mmio_pm(mmio, mmio->sleep->down);
}

static inline int mmio_down_noirq(struct mmio *mmio)
{
	disable_irq(mmio->irq);

	return mmio_pm(mmio, mmio->sleep->down_noirq);
}

static inline int mmio_up_noirq(struct mmio *mmio)
{
	int ret = mmio_pm(mmio, mmio->sleep->up_noirq);

	enable_irq(mmio->irq);
	mmio_interrupt(mmio);

	return ret;
}

static inline int mmio_up(struct mmio *mmio)
{
	return mmio_pm(mmio, mmio->sleep->up);
}

static inline void mmio_suspend(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_down_noirq(mmio), 0);
	record_take(test, &mmio->record);
}

static inline void mmio_resume(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);
	record_take(test, &mmio->record);
}

static inline void mmio_unbind(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	device_release_driver(&mmio->vdev->dev);
	record_take(test, &mmio->record);
}

static inline void mmio_bind(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, device_attach(&mmio->vdev->dev), 1);
	record_take(test, &mmio->record);
}

/* From the next probe on, rings are in memory of our own. */
static inline void mmio_use_own_memory(struct mmio *mmio)
{
	mmio->offered[1] |= BIT(VIRTIO_F_ACCESS_PLATFORM - 32);
	mmio->vdev->map = &mmio_map_ops;
}

/*
 * The parameters
 */

static const struct sleep_ops mmio_suspend_ops = SLEEP_OPS(suspend, resume);

static const struct mmio_param mmio_versions[] = {
	{ "version 1", 1 }, { "version 2", 2 }, { "version 3", 3 },
};

KUNIT_ARRAY_PARAM_DESC(mmio_version, mmio_versions, desc);

static const struct mmio_param mmio_legacy[] = {
	{ "version 1", 1 },
};

KUNIT_ARRAY_PARAM_DESC(mmio_legacy, mmio_legacy, desc);

/* Versions whose reset is complete when it was asked for */
static const struct mmio_param mmio_at_once[] = {
	{ "version 1", 1 }, { "version 2", 2 },
};

KUNIT_ARRAY_PARAM_DESC(mmio_at_once, mmio_at_once, desc);

/* The version that is asked whether its reset is complete */
static const struct mmio_param mmio_awaited[] = {
	{ "version 3", 3 },
};

KUNIT_ARRAY_PARAM_DESC(mmio_awaited, mmio_awaited, desc);

/* A suite need not use all of them. */
static const void *const mmio_params[] __maybe_unused = {
	mmio_version_gen_params, mmio_legacy_gen_params,
	mmio_at_once_gen_params, mmio_awaited_gen_params,
};

/*
 * The parts of a suite
 */

static inline void mmio_release_irq(void *mmio)
{
	irq_free_desc(((struct mmio *)mmio)->irq);
}

static inline void mmio_create_irq(struct kunit *test, struct mmio *mmio)
{
	mmio->irq = irq_alloc_desc(NUMA_NO_NODE);
	KUNIT_ASSERT_GT(test, mmio->irq, 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, mmio_release_irq, mmio), 0);

	irq_set_chip_and_handler(mmio->irq, &mmio_irq_chip, handle_simple_irq);
	irq_set_chip_data(mmio->irq, mmio);
	irq_clear_status_flags(mmio->irq, IRQ_NOREQUEST);
}

static inline void mmio_unregister_driver(void *mmio)
{
	unregister_virtio_driver(&((struct mmio *)mmio)->drv);
}

static inline void mmio_unplug(void *data)
{
	struct mmio *mmio = data;

	mmio_heal(mmio);
	platform_device_unregister(mmio->pdev);
	mmio_plugged = NULL;
}

static inline void mmio_plug(struct kunit *test, struct mmio *mmio)
{
	const struct resource resources[] = {
		DEFINE_RES_MEM(MMIO_BASE, MMIO_SIZE),
		DEFINE_RES_IRQ(mmio->irq),
	};

	mmio_plugged = mmio;
	mmio->pdev = platform_device_register_simple("virtio-mmio", PLATFORM_DEVID_AUTO,
						     resources, ARRAY_SIZE(resources));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mmio->pdev);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, mmio_unplug, mmio), 0);
	KUNIT_ASSERT_NOT_NULL(test, mmio->vdev);
	KUNIT_ASSERT_EQ(test, mmio->probe_err, 0);
}

static inline void mmio_create_device(struct mmio *mmio, u32 version)
{
	mmio->regs[VIRTIO_MMIO_MAGIC_VALUE / 4] = MMIO_MAGIC;
	mmio->regs[VIRTIO_MMIO_VERSION / 4] = version;
	mmio->regs[VIRTIO_MMIO_DEVICE_ID / 4] = MMIO_DEVICE_ID;
	mmio->offered[1] = version == 1 ? 0 : BIT(VIRTIO_F_VERSION_1 - 32);
	mmio_heal(mmio);
}

/* The driver can still be changed. */
static inline struct mmio *mmio_create(struct kunit *test)
{
	static const struct mmio_param modern = { .version = 2 };
	const struct mmio_param *param = test->param_value ?: &modern;
	struct mmio *mmio = kunit_kzalloc(test, sizeof(*mmio), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mmio);
	test->priv = mmio;
	mmio->sleep = param->sleep ?: &mmio_suspend_ops;
	mmio->log_start = kernel_log_end();
	mmio->drv = mmio_driver;
	record_init(&mmio->record);
	record_init(&mmio->wanted);
	mmio_create_irq(test, mmio);
	mmio_create_device(mmio, param->version);

	return mmio;
}

static inline void mmio_start(struct kunit *test, struct mmio *mmio)
{
	KUNIT_ASSERT_EQ(test, register_virtio_driver(&mmio->drv), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, mmio_unregister_driver, mmio), 0);
	mmio_plug(test, mmio);
}

/* In each test: no DRIVER_OK for a device without its queues. */
static inline void mmio_exit(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_EXPECT_FALSE(test, mmio->premature);
}

/* A region cannot be removed again. */
static inline int mmio_suite_init(struct kunit_suite *suite)
{
	return mmio_region.parent ?
	       0 : logic_iomem_add_region(&mmio_region, &mmio_region_ops);
}

#endif /* _FAKE_MMIO_H */
