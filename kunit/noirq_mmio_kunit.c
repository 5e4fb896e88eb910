// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for virtio-mmio in the noirq phase of system sleep: the real
 * driver of the transport on a register file that logic_iomem emulates.
 *
 * The device does what the virtio specification asks of versions 1 (legacy), 2
 * and 3, records every access but the reads of its status, and forgets all it
 * can in a reset. It never interrupts, unless a test wants it to.
 */
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/ktime.h>
#include <linux/logic_iomem.h>
#include <linux/platform_device.h>
#include <linux/pm.h>
#include <linux/scatterlist.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include <kunit/test.h>

#include "record.h"

/* Apart from memory and from what the PCI code of UML claims */
#define MMIO_BASE		0xd0000000
#define MMIO_SIZE		VIRTIO_MMIO_CONFIG
#define MMIO_MAGIC		0x74726976
#define MMIO_DEVICE_ID		0xfa4e
#define MMIO_QUEUES		3
#define MMIO_QUEUE_SIZE		8
#define MMIO_NEVER		(60 * MSEC_PER_SEC)

#define MMIO_LIVE		(VIRTIO_CONFIG_S_ACKNOWLEDGE | \
				 VIRTIO_CONFIG_S_DRIVER | \
				 VIRTIO_CONFIG_S_DRIVER_OK)

/* The PM callbacks of one kind of transition, as offsets into dev_pm_ops */
struct mmio_sleep {
	size_t down;
	size_t down_noirq;
	size_t up_noirq;
	size_t up;
};

typedef int (*mmio_pm_fn)(struct device *dev);

struct mmio;

/* What a device can do wrong, and what comes of it. */
struct mmio_failure {
	void (*misbehave)(struct mmio *mmio);
	const char *message;
	const char *step;
	int err;
};

/* What a test is run with. */
struct mmio_param {
	const char *desc;
	u32 version;
	const struct mmio_sleep *sleep;
	const struct mmio_failure *failure;
};

struct mmio {
	const struct mmio_sleep *sleep;
	struct platform_device *pdev;
	int irq;

	/* The driver. The queue in the middle has no name, and so no index. */
	struct virtio_driver drv;
	struct virtio_device *vdev;
	struct virtqueue *vqs[MMIO_QUEUES];
	int probe_err;
	u8 buffer[16];

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

static struct mmio *to_mmio(struct virtio_device *vdev)
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

static u32 *mmio_reg(struct mmio *mmio, unsigned int offset)
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

static u32 mmio_queue_reg(struct mmio *mmio, unsigned int queue,
			  unsigned int offset)
{
	return mmio->queues[queue][offset / 4];
}

static u8 mmio_status(struct mmio *mmio)
{
	return mmio->regs[VIRTIO_MMIO_STATUS / 4];
}

static bool mmio_is_legacy(struct mmio *mmio)
{
	return mmio->regs[VIRTIO_MMIO_VERSION / 4] == 1;
}

static bool mmio_is_queue_live(struct mmio *mmio, unsigned int queue)
{
	return mmio_queue_reg(mmio, queue, mmio_is_legacy(mmio) ?
			      VIRTIO_MMIO_QUEUE_PFN : VIRTIO_MMIO_QUEUE_READY);
}

static void mmio_set_num_max(struct mmio *mmio, unsigned int queue, u32 num_max)
{
	mmio->queues[queue][VIRTIO_MMIO_QUEUE_NUM_MAX / 4] = num_max;
}

static void mmio_end_reset(struct mmio *mmio)
{
	unsigned int queue;
	u32 num_max;

	mmio->resetting = false;
	mmio->regs[VIRTIO_MMIO_STATUS / 4] = 0;
	mmio->regs[VIRTIO_MMIO_GUEST_PAGE_SIZE / 4] = 0;
	mmio->regs[VIRTIO_MMIO_INTERRUPT_STATUS / 4] = 0;
	memset(mmio->accepted, 0, sizeof(mmio->accepted));
	for (queue = 0; queue < MMIO_QUEUES && !mmio->keeps_queues; queue++) {
		num_max = mmio_queue_reg(mmio, queue, VIRTIO_MMIO_QUEUE_NUM_MAX);
		memset(mmio->queues[queue], 0, sizeof(mmio->queues[queue]));
		mmio_set_num_max(mmio, queue, num_max);
	}
}

/* Time may have passed. */
static void mmio_settle(struct mmio *mmio)
{
	if (mmio->resetting && !ktime_before(ktime_get(), mmio->reset_end))
		mmio_end_reset(mmio);
}

static void mmio_start_reset(struct mmio *mmio)
{
	mmio->resetting = true;
	mmio->reset_end = ktime_add_ms(ktime_get(), mmio->reset_ms);
	mmio_settle(mmio);
}

static void mmio_set_status(struct mmio *mmio, u8 status)
{
	if ((mmio->accepted[0] & ~mmio->offered[0]) ||
	    (mmio->accepted[1] & ~mmio->offered[1]))
		status &= ~VIRTIO_CONFIG_S_FEATURES_OK;

	mmio->regs[VIRTIO_MMIO_STATUS / 4] = status & ~mmio->refused;
	mmio->premature |= (status & VIRTIO_CONFIG_S_DRIVER_OK) &&
			   !(mmio_is_queue_live(mmio, 0) &&
			     mmio_is_queue_live(mmio, 1));
}

/* Use a buffer which the device never got. */
static void mmio_use_bogus(struct mmio *mmio)
{
	struct vring_used *used = phys_to_virt(virtqueue_get_used_addr(mmio->vqs[0]));

	used->ring[used->idx++ % MMIO_QUEUE_SIZE].id = U16_MAX;
}

/* Use the first buffer of the queue that tests post buffers to. */
static void mmio_use_first(struct mmio *mmio)
{
	struct vring_avail *avail = phys_to_virt(virtqueue_get_avail_addr(mmio->vqs[2]));
	struct vring_used *used = phys_to_virt(virtqueue_get_used_addr(mmio->vqs[2]));

	used->ring[0].id = avail->ring[0];
	used->idx = 1;
}

/* The line is up until the driver has acknowledged. */
static void mmio_interrupt(struct mmio *mmio)
{
	mmio->interrupted = true;
	mmio->regs[VIRTIO_MMIO_INTERRUPT_STATUS / 4] |= mmio->raised;
	generic_handle_irq_safe(mmio->irq);
	mmio->interrupted = false;
}

static void mmio_access(struct mmio *mmio)
{
	mmio_settle(mmio);
	if (mmio->bogus)
		mmio_use_bogus(mmio);
	if (mmio->raised && !mmio->interrupted)
		mmio_interrupt(mmio);
}

static unsigned long mmio_read(void *priv, unsigned int offset, int size)
{
	struct mmio *mmio = priv;

	mmio_access(mmio);
	if (offset == VIRTIO_MMIO_STATUS)
		mmio->status_reads++;
	else if (!mmio->interrupted)
		seq_buf_printf(&mmio->record.calls, "%s? ", mmio_names[offset]);

	return *mmio_reg(mmio, offset);
}

static void mmio_write(void *priv, unsigned int offset, int size,
		       unsigned long value)
{
	struct mmio *mmio = priv;

	mmio_access(mmio);
	mmio->hasty += mmio->resetting;
	if (!mmio->interrupted)
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
	.read = mmio_read,
	.write = mmio_write,
};

static long mmio_map(unsigned long offset, size_t size,
		     const struct logic_iomem_ops **ops, void **priv)
{
	*ops = &mmio_ops;
	*priv = mmio_plugged;

	return offset;
}

static const struct logic_iomem_region_ops mmio_region_ops = {
	.map = mmio_map,
};

static struct resource mmio_region =
	DEFINE_RES_MEM_NAMED(MMIO_BASE, MMIO_SIZE, "virtio-noirq-mmio-kunit");

static int mmio_irq_request(struct irq_data *data)
{
	struct mmio *mmio = irq_data_get_irq_chip_data(data);

	seq_buf_puts(&mmio->record.calls, "request_irq ");

	return 0;
}

static void mmio_irq_release(struct irq_data *data)
{
	struct mmio *mmio = irq_data_get_irq_chip_data(data);

	seq_buf_puts(&mmio->record.calls, "free_irq ");
}

/* That of IRQ_SIM would deliver an interrupt some time after the access. */
static const struct irq_chip mmio_irq_chip = {
	.name = "virtio-noirq-mmio-kunit",
	.irq_request_resources = mmio_irq_request,
	.irq_release_resources = mmio_irq_release,
};

/*
 * Memory for rings that counts, and need not be where the device can reach it
 */

static void *mmio_alloc(union virtio_map map, size_t size, dma_addr_t *handle,
			gfp_t gfp)
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

static void mmio_free(union virtio_map map, size_t size, void *area,
		      dma_addr_t handle, unsigned long attrs)
{
	mmio_plugged->allocations++;
	free_pages_exact(area, size);
}

static const struct virtio_map_ops mmio_map_ops = {
	.alloc = mmio_alloc,
	.free = mmio_free,
};

/*
 * The driver
 */

static int mmio_call(struct virtio_device *vdev, const char *name)
{
	struct mmio *mmio = to_mmio(vdev);

	seq_buf_printf(&mmio->record.calls, "%s ", name);

	return mmio->then && !strcmp(mmio->at, name) ? mmio->then(mmio) : 0;
}

static void mmio_callback(struct virtqueue *vq)
{
	unsigned int len;

	mmio_call(vq->vdev, "callback");
	while (virtqueue_get_buf(vq, &len))
		;
}

static int mmio_find_vqs(struct virtio_device *vdev)
{
	struct virtqueue_info infos[MMIO_QUEUES] = {
		{ "first", mmio_callback }, { }, { "second", mmio_callback },
	};

	return virtio_find_vqs(vdev, MMIO_QUEUES, to_mmio(vdev)->vqs, infos, NULL);
}

static int mmio_probe(struct virtio_device *vdev)
{
	struct mmio *mmio = to_mmio(vdev);

	mmio->vdev = vdev;
	mmio->probe_err = mmio_find_vqs(vdev);

	return mmio->probe_err;
}

static int mmio_give_up(struct virtio_device *vdev)
{
	virtio_reset_device(vdev);
	vdev->config->del_vqs(vdev);

	return 0;
}

static void mmio_remove(struct virtio_device *vdev)
{
	mmio_give_up(vdev);
}

static void mmio_config_changed(struct virtio_device *vdev)
{
	mmio_call(vdev, "config_changed");
}

static int mmio_freeze(struct virtio_device *vdev)
{
	return mmio_call(vdev, "freeze");
}

static int mmio_freeze_noirq(struct virtio_device *vdev)
{
	return mmio_call(vdev, "freeze_noirq");
}

static int mmio_restore_noirq(struct virtio_device *vdev)
{
	return mmio_call(vdev, "restore_noirq");
}

static int mmio_restore(struct virtio_device *vdev)
{
	return mmio_call(vdev, "restore");
}

static const struct virtio_device_id mmio_id_table[] = {
	{ MMIO_DEVICE_ID, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static unsigned int mmio_features[] = { VIRTIO_RING_F_EVENT_IDX };

static const struct virtio_driver mmio_driver = {
	.driver.name = KBUILD_MODNAME,
	.id_table = mmio_id_table,
	.feature_table = mmio_features,
	.feature_table_size = ARRAY_SIZE(mmio_features),
	.probe = mmio_probe,
	.remove = mmio_remove,
	.config_changed = mmio_config_changed,
	.freeze = mmio_freeze,
	.restore = mmio_restore,
	.freeze_noirq = mmio_freeze_noirq,
	.restore_noirq = mmio_restore_noirq,
};

/* Like most drivers, know nothing of the noirq phase. */
static void mmio_forget_noirq(struct mmio *mmio)
{
	mmio->drv.freeze = mmio_give_up;
	mmio->drv.restore = mmio_find_vqs;
	mmio->drv.freeze_noirq = NULL;
	mmio->drv.restore_noirq = NULL;
}

/* What the driver can do in a callback */

static void mmio_at(struct mmio *mmio, const char *name,
		    int (*then)(struct mmio *mmio))
{
	mmio->at = name;
	mmio->then = then;
}

static int mmio_fail(struct mmio *mmio)
{
	return -ENXIO;
}

static int mmio_add_buffer(struct mmio *mmio)
{
	struct scatterlist sg;

	sg_init_one(&sg, mmio->buffer, sizeof(mmio->buffer));

	return virtqueue_add_outbuf(mmio->vqs[2], &sg, 1, mmio, GFP_KERNEL);
}

static int mmio_ready_and_kick(struct mmio *mmio)
{
	int ret;

	virtio_device_ready_noirq(mmio->vdev);
	ret = mmio_add_buffer(mmio);
	virtqueue_kick(mmio->vqs[2]);

	return ret;
}

/* What the device can do wrong */

static void mmio_keep_queues(struct mmio *mmio)
{
	mmio->keeps_queues = true;
}

static void mmio_shrink(struct mmio *mmio)
{
	mmio_set_num_max(mmio, 0, MMIO_QUEUE_SIZE - 1);
}

static void mmio_shrink_second(struct mmio *mmio)
{
	mmio_set_num_max(mmio, 1, MMIO_QUEUE_SIZE / 2);
}

static void mmio_zero(struct mmio *mmio)
{
	mmio_set_num_max(mmio, 0, 0);
}

static void mmio_refuse(struct mmio *mmio)
{
	mmio->refused = VIRTIO_CONFIG_S_FEATURES_OK;
}

static void mmio_withdraw(struct mmio *mmio)
{
	mmio->offered[0] = 0;
}

static void mmio_occupy(struct mmio *mmio)
{
	mmio->queues[0][VIRTIO_MMIO_QUEUE_PFN / 4] = 1;
	mmio->queues[0][VIRTIO_MMIO_QUEUE_READY / 4] = 1;
}

static void mmio_offer_notification_data(struct mmio *mmio)
{
	mmio->offered[1] |= BIT(VIRTIO_F_NOTIFICATION_DATA - 32);
}

/* The device lost its state, and has some reason to be slow. */
static void mmio_reset_takes(struct mmio *mmio, unsigned int ms)
{
	mmio->regs[VIRTIO_MMIO_STATUS / 4] = VIRTIO_CONFIG_S_NEEDS_RESET;
	mmio->reset_ms = ms;
}

static void mmio_heal(struct mmio *mmio)
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

static __printf(2, 3) void mmio_want(struct mmio *mmio, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	seq_buf_vprintf(&mmio->wanted.calls, fmt, args);
	va_end(args);
}

static void mmio_want_reset(struct mmio *mmio)
{
	mmio_want(mmio, "Status=0 ");
	if (mmio_is_legacy(mmio))
		mmio_want(mmio, "GuestPageSize=%lx ", PAGE_SIZE);
}

static void mmio_want_features(struct mmio *mmio)
{
	mmio_want(mmio, "DriverFeaturesSel=1 DriverFeatures=%llx ",
		  mmio->vdev->features >> 32);
	mmio_want(mmio, "DriverFeaturesSel=0 DriverFeatures=%llx ",
		  mmio->vdev->features & U32_MAX);
	if (!mmio_is_legacy(mmio))
		mmio_want(mmio, "Status=b ");
}

static void mmio_want_negotiation(struct mmio *mmio)
{
	mmio_want_reset(mmio);
	mmio_want(mmio, "Status=1 Status=3 ");
	mmio_want_features(mmio);
}

static void mmio_want_address(struct mmio *mmio, const char *name, u64 addr)
{
	mmio_want(mmio, "Queue%sLow=%llx Queue%sHigh=%llx ",
		  name, addr & U32_MAX, name, addr >> 32);
}

static void mmio_want_select(struct mmio *mmio, unsigned int queue)
{
	mmio_want(mmio, "QueueSel=%x %s? ", queue,
		  mmio_is_legacy(mmio) ? "QueuePFN" : "QueueReady");
}

static void mmio_want_queue(struct mmio *mmio, unsigned int queue,
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

static void mmio_want_queues(struct mmio *mmio)
{
	mmio_want_queue(mmio, 0, mmio->vqs[0]);
	mmio_want_queue(mmio, 1, mmio->vqs[2]);
}

static void mmio_want_no_queue(struct mmio *mmio)
{
	mmio_want(mmio, "%s", mmio_is_legacy(mmio) ?
		  "QueuePFN=0 " : "QueueReady=0 QueueReady? ");
}

static u8 mmio_live_status(struct mmio *mmio)
{
	return mmio_is_legacy(mmio) ?
	       MMIO_LIVE : MMIO_LIVE | VIRTIO_CONFIG_S_FEATURES_OK;
}

static u8 mmio_failed_status(struct mmio *mmio)
{
	return (mmio_live_status(mmio) & ~VIRTIO_CONFIG_S_DRIVER_OK) |
	       VIRTIO_CONFIG_S_FAILED;
}

static void mmio_want_driver_ok(struct mmio *mmio)
{
	mmio_want(mmio, "Status=%x ", mmio_live_status(mmio));
}

static void mmio_want_bring_up(struct mmio *mmio)
{
	mmio_want_negotiation(mmio);
	mmio_want_queues(mmio);
	mmio_want(mmio, "restore_noirq ");
}

static void mmio_expect_wanted(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record),
			   record_take(test, &mmio->wanted));
}

static unsigned int mmio_log_count(struct mmio *mmio, const char *text)
{
	char line[160];

	snprintf(line, sizeof(line), "%s: %s", dev_name(&mmio->vdev->dev), text);

	return kernel_log_count(mmio->log_start, line);
}

/*
 * Steps of a sleep cycle, as the PM core takes them
 */

static int mmio_pm(struct mmio *mmio, size_t op)
{
	struct device *dev = &mmio->pdev->dev;
	const mmio_pm_fn *fn = (const void *)dev->driver->pm + op;

	return *fn ? (*fn)(dev) : 0;
}

static int mmio_down(struct mmio *mmio)
{
	return mmio_pm(mmio, mmio->sleep->down);
}

static int mmio_down_noirq(struct mmio *mmio)
{
	disable_irq(mmio->irq);

	return mmio_pm(mmio, mmio->sleep->down_noirq);
}

static int mmio_up_noirq(struct mmio *mmio)
{
	int ret = mmio_pm(mmio, mmio->sleep->up_noirq);

	enable_irq(mmio->irq);
	mmio_interrupt(mmio);

	return ret;
}

static int mmio_up(struct mmio *mmio)
{
	return mmio_pm(mmio, mmio->sleep->up);
}

static void mmio_suspend(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_down_noirq(mmio), 0);
	record_take(test, &mmio->record);
}

static void mmio_resume(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);
	record_take(test, &mmio->record);
}

/* A sleep cycle which the device does not take as the test wants it to. */
static void mmio_fail_resume(struct kunit *test)
{
	const struct mmio_param *param = test->param_value;
	struct mmio *mmio = test->priv;

	param->failure->misbehave(mmio);
	mmio_suspend(test);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), param->failure->err);
}

static void mmio_expect_works(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_EXPECT_EQ(test, mmio_status(mmio), mmio_live_status(mmio));
	KUNIT_EXPECT_EQ(test, mmio_add_buffer(mmio), 0);
	while (virtqueue_detach_unused_buf(mmio->vqs[2]))
		;
}

static void mmio_unbind(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	device_release_driver(&mmio->vdev->dev);
	record_take(test, &mmio->record);
}

/* From the next probe on, rings are in memory of our own. */
static void mmio_use_own_memory(struct mmio *mmio)
{
	mmio->offered[1] |= BIT(VIRTIO_F_ACCESS_PLATFORM - 32);
	mmio->vdev->map = &mmio_map_ops;
}

static void mmio_rebind(struct kunit *test, void (*change)(struct mmio *mmio))
{
	struct mmio *mmio = test->priv;

	mmio_unbind(test);
	change(mmio);
	KUNIT_ASSERT_EQ(test, device_attach(&mmio->vdev->dev), 1);
	record_take(test, &mmio->record);
}

/* What the driver asks for when the device is as a test made it. */
static const char *mmio_fail_probe(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_NE(test, device_attach(&mmio->vdev->dev), 1);

	return record_take_from(test, &mmio->record, "QueueSel");
}

/*
 * The parameters
 */

#define MMIO_SLEEP(_down, _up) {					\
	.down = offsetof(const struct dev_pm_ops, _down),			\
	.down_noirq = offsetof(const struct dev_pm_ops, _down##_noirq),	\
	.up_noirq = offsetof(const struct dev_pm_ops, _up##_noirq),		\
	.up = offsetof(const struct dev_pm_ops, _up),				\
}

static const struct mmio_sleep mmio_suspend_ops = MMIO_SLEEP(suspend, resume);
static const struct mmio_sleep mmio_snapshot_ops = MMIO_SLEEP(freeze, thaw);
static const struct mmio_sleep mmio_poweroff_ops = MMIO_SLEEP(poweroff, restore);

static const struct mmio_param mmio_sleeps[] = {
	{ "suspend and resume", 2, .sleep = &mmio_suspend_ops },
	{ "freeze and thaw", 2, .sleep = &mmio_snapshot_ops },
	{ "poweroff and restore", 2, .sleep = &mmio_poweroff_ops },
};

KUNIT_ARRAY_PARAM_DESC(mmio_sleep, mmio_sleeps, desc);

static const struct mmio_param mmio_versions[] = {
	{ "version 1", 1 }, { "version 2", 2 }, { "version 3", 3 },
};

KUNIT_ARRAY_PARAM_DESC(mmio_version, mmio_versions, desc);

static const struct mmio_failure mmio_queue_in_use = {
	.misbehave = mmio_keep_queues,
	.message = "queue 0 (first) is still set up after a reset",
	.step = "reset_vqs failed: -ENOENT",
	.err = -ENOENT,
};

static const struct mmio_failure mmio_smaller_queue = {
	.misbehave = mmio_shrink,
	.message = "queue 0 (first) has 8 entries, but the device now takes 7 at most",
	.step = "reset_vqs failed: -EINVAL",
	.err = -EINVAL,
};

static const struct mmio_failure mmio_no_queue = {
	.misbehave = mmio_zero,
	.message = "queue 0 (first) has 8 entries, but the device now takes 0 at most",
	.step = "reset_vqs failed: -EINVAL",
	.err = -EINVAL,
};

static const struct mmio_failure mmio_features_refused = {
	.misbehave = mmio_refuse,
	.message = "virtio: device refuses features: 3",
	.step = "feature negotiation failed: -ENODEV",
	.err = -ENODEV,
};

static const struct mmio_failure mmio_feature_withdrawn = {
	.misbehave = mmio_withdraw,
	.message = "virtio: device refuses features: 3",
	.step = "feature negotiation failed: -ENODEV",
	.err = -ENODEV,
};

/* A legacy device is not asked whether it accepts the features. */
static const struct mmio_param mmio_failures[] = {
	{ "queue in use, version 1", 1, .failure = &mmio_queue_in_use },
	{ "queue in use, version 2", 2, .failure = &mmio_queue_in_use },
	{ "queue in use, version 3", 3, .failure = &mmio_queue_in_use },
	{ "smaller queue, version 1", 1, .failure = &mmio_smaller_queue },
	{ "smaller queue, version 2", 2, .failure = &mmio_smaller_queue },
	{ "smaller queue, version 3", 3, .failure = &mmio_smaller_queue },
	{ "no queue, version 1", 1, .failure = &mmio_no_queue },
	{ "no queue, version 2", 2, .failure = &mmio_no_queue },
	{ "no queue, version 3", 3, .failure = &mmio_no_queue },
	{ "FEATURES_OK refused, version 2", 2, .failure = &mmio_features_refused },
	{ "FEATURES_OK refused, version 3", 3, .failure = &mmio_features_refused },
	{ "feature withdrawn, version 2", 2, .failure = &mmio_feature_withdrawn },
	{ "feature withdrawn, version 3", 3, .failure = &mmio_feature_withdrawn },
};

KUNIT_ARRAY_PARAM_DESC(mmio_failure, mmio_failures, desc);

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

/*
 * Tests: what the transport tells a device that behaves
 */

/* Test that, when a device is found, it is reset, negotiated, given queues. */
static void mmio_probe_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_want(mmio, "MagicValue? Version? DeviceID? VendorID? ");
	mmio_want_reset(mmio);
	mmio_want(mmio, "Status=1 Status=3 ");
	mmio_want(mmio, "DeviceFeaturesSel=1 DeviceFeatures? ");
	mmio_want(mmio, "DeviceFeaturesSel=0 DeviceFeatures? ");
	mmio_want_features(mmio);
	mmio_want(mmio, "request_irq ");
	mmio_want_queues(mmio);
	mmio_want_driver_ok(mmio);

	mmio_expect_wanted(test);
}

/* Test that, in probe, the queue is told how many entries it could have. */
static void mmio_probe_num_max(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_EXPECT_EQ(test, mmio->vqs[0]->num_max, MMIO_QUEUE_SIZE);
}

/* Test that, after any reset, a legacy device has its page size. */
static void mmio_reset_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	record_take(test, &mmio->record);
	mmio_want_reset(mmio);

	virtio_reset_device(mmio->vdev);
	mmio_expect_wanted(test);
}

/* Test that, after the driver's freeze_noirq, the device is reset. */
static void mmio_freeze_noirq_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	record_take(test, &mmio->record);
	mmio_want(mmio, "freeze_noirq ");
	mmio_want_reset(mmio);

	KUNIT_EXPECT_EQ(test, mmio_down_noirq(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that, before restore_noirq, queues are set up as when they were found. */
static void mmio_restore_noirq_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_suspend(test);
	mmio_want_bring_up(mmio);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that, after restore_noirq, restore has nothing left but DRIVER_OK. */
static void mmio_restore_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_suspend(test);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	record_take(test, &mmio->record);
	mmio_want(mmio, "restore ");
	mmio_want_driver_ok(mmio);

	KUNIT_EXPECT_EQ(test, mmio_up(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that, after an abort, a device that lost its state is brought up. */
static void mmio_abort_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	record_take(test, &mmio->record);
	mmio_end_reset(mmio);
	mmio_want_bring_up(mmio);
	mmio_want(mmio, "restore ");
	mmio_want_driver_ok(mmio);

	KUNIT_EXPECT_EQ(test, mmio_up(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that, after an abort, a device that lives on is not touched. */
static void mmio_abort_of_live_device(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	record_take(test, &mmio->record);
	mmio_want(mmio, "restore ");

	KUNIT_EXPECT_EQ(test, mmio_up(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that, after restore_noirq, a legacy device finds its rings. */
static void mmio_legacy_finds_rings(struct kunit *test)
{
	struct mmio *mmio = test->priv;
	u64 page_size;

	mmio_suspend(test);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);

	page_size = mmio->regs[VIRTIO_MMIO_GUEST_PAGE_SIZE / 4];
	KUNIT_EXPECT_EQ(test, mmio_queue_reg(mmio, 0, VIRTIO_MMIO_QUEUE_PFN) * page_size,
			virtqueue_get_desc_addr(mmio->vqs[0]));
	KUNIT_EXPECT_EQ(test, mmio_queue_reg(mmio, 1, VIRTIO_MMIO_QUEUE_PFN) * page_size,
			virtqueue_get_desc_addr(mmio->vqs[2]));
}

/* Test that, after restore_noirq, the rings are as if nobody had used them. */
static void mmio_rings_are_emptied(struct kunit *test)
{
	struct mmio *mmio = test->priv;
	struct vring_avail *avail = phys_to_virt(virtqueue_get_avail_addr(mmio->vqs[2]));
	unsigned int len;

	KUNIT_ASSERT_EQ(test, mmio_add_buffer(mmio), 0);
	mmio_use_first(mmio);
	KUNIT_ASSERT_PTR_EQ(test, virtqueue_get_buf(mmio->vqs[2], &len), mmio);
	KUNIT_ASSERT_EQ(test, avail->idx, 1);
	mmio_suspend(test);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, avail->idx, 0);
}

/* Test that, in restore_noirq, the driver can use a queue. */
static void mmio_restore_noirq_notifies(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_suspend(test);
	mmio_want_bring_up(mmio);
	mmio_want_driver_ok(mmio);
	mmio_want(mmio, "QueueNotify=1 ");
	mmio_at(mmio, "restore_noirq", mmio_ready_and_kick);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that, with NOTIFICATION_DATA, a notification has the queue's index. */
static void mmio_restore_noirq_notifies_with_data(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_rebind(test, mmio_offer_notification_data);
	mmio_suspend(test);
	mmio_at(mmio, "restore_noirq", mmio_ready_and_kick);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);

	KUNIT_EXPECT_STREQ(test, record_take_from(test, &mmio->record, "QueueNotify"),
			   "QueueNotify=10001 ");
}

/* Test that, from freeze_noirq to restore_noirq, no ring is allocated. */
static void mmio_noirq_allocates_nothing(struct kunit *test)
{
	struct mmio *mmio = test->priv;
	unsigned int allocations;

	mmio_rebind(test, mmio_use_own_memory);
	allocations = mmio->allocations;
	KUNIT_ASSERT_GT(test, allocations, 0);
	mmio_suspend(test);
	mmio_resume(test);

	KUNIT_EXPECT_EQ(test, mmio->allocations, allocations);
}

/* Test that, after sleep, a queue may be larger than its ring. */
static void mmio_queue_grows(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_suspend(test);
	mmio_set_num_max(mmio, 0, 2 * MMIO_QUEUE_SIZE);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_queue_reg(mmio, 0, VIRTIO_MMIO_QUEUE_NUM),
			MMIO_QUEUE_SIZE);
}

/*
 * Tests: PM callbacks
 */

/* Test that, in each transition, each callback of the driver is called. */
static void mmio_sleep_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	record_take(test, &mmio->record);
	mmio_want(mmio, "freeze freeze_noirq ");
	mmio_want_reset(mmio);
	mmio_want_bring_up(mmio);
	mmio_want(mmio, "restore ");
	mmio_want_driver_ok(mmio);

	KUNIT_EXPECT_EQ(test, mmio_down(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_up(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that, in each transition, an error of freeze_noirq is returned. */
static void mmio_freeze_noirq_fails(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	mmio_at(mmio, "freeze_noirq", mmio_fail);

	KUNIT_EXPECT_EQ(test, mmio_down_noirq(mmio), -ENXIO);
}

/* Test that, in each transition, an error of restore_noirq is returned. */
static void mmio_restore_noirq_fails(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_suspend(test);
	mmio_at(mmio, "restore_noirq", mmio_fail);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), -ENXIO);
}

/* Test that, without noirq callbacks, the device sees what it always saw. */
static void mmio_plain_order(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_forget_noirq(mmio);
	record_take(test, &mmio->record);
	mmio_want_reset(mmio);
	mmio_want(mmio, "QueueSel=0 ");
	mmio_want_no_queue(mmio);
	mmio_want(mmio, "QueueSel=1 ");
	mmio_want_no_queue(mmio);
	mmio_want(mmio, "free_irq ");
	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);

	mmio_want_negotiation(mmio);
	mmio_want(mmio, "request_irq ");
	mmio_want_queues(mmio);
	mmio_want_driver_ok(mmio);
	mmio_expect_wanted(test);
}

/* Test that, without noirq callbacks, the noirq phase sees no access. */
static void mmio_plain_noirq(struct kunit *test)
{
	struct mmio *mmio = test->priv;
	unsigned int status_reads = mmio->status_reads;

	mmio_forget_noirq(mmio);
	record_take(test, &mmio->record);

	KUNIT_EXPECT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_STREQ(test, record_take(test, &mmio->record), "");
	KUNIT_EXPECT_EQ(test, mmio->status_reads, status_reads);
}

/*
 * Tests: a device that is not as it was
 */

/* Test that, after a failure, the device is FAILED and its queues are broken. */
static void mmio_failure_is_safe(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_fail_resume(test);

	KUNIT_EXPECT_TRUE(test, mmio_status(mmio) & VIRTIO_CONFIG_S_FAILED);
	KUNIT_EXPECT_EQ(test, mmio_add_buffer(mmio), -EIO);
}

/* Test that, after a failure, the device was given none of its queues. */
static void mmio_failure_programs_nothing(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_fail_resume(test);

	KUNIT_EXPECT_NULL(test, strstr(record_take(test, &mmio->record), "QueueNum="));
}

/* Test that, after a failure, a message names the device and what is wrong. */
static void mmio_failure_message(struct kunit *test)
{
	const struct mmio_param *param = test->param_value;
	struct mmio *mmio = test->priv;

	mmio_fail_resume(test);

	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, param->failure->message), 1);
}

/* Test that, after a failure, a message names the device and the step. */
static void mmio_failure_step(struct kunit *test)
{
	const struct mmio_param *param = test->param_value;
	struct mmio *mmio = test->priv;

	mmio_fail_resume(test);

	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, param->failure->step), 1);
}

/* Test that, after a failure, restore fails. */
static void mmio_failure_then_restore(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_fail_resume(test);

	KUNIT_EXPECT_EQ(test, mmio_up(mmio), -EIO);
}

/* Test that, after a failure, the device works if it is as it was again. */
static void mmio_failure_then_recovery(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_fail_resume(test);
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), -EIO);
	mmio_heal(mmio);
	mmio_suspend(test);
	mmio_resume(test);

	mmio_expect_works(test);
}

/* Test that, after a failure, the device works if its driver is bound again. */
static void mmio_failure_then_rebind(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_fail_resume(test);
	mmio_heal(mmio);
	mmio_unbind(test);
	KUNIT_ASSERT_EQ(test, device_attach(&mmio->vdev->dev), 1);

	mmio_expect_works(test);
}

/* Test that, after the first queue, the second one is looked at, too. */
static void mmio_second_queue_shrinks(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_shrink_second(mmio);
	mmio_suspend(test);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), -EINVAL);
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio,
					     "queue 1 (second) has 8 entries, but"), 1);
}

/* Test that, after an abort, a ring that holds a buffer is not given back. */
static void mmio_undrained_queue(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_add_buffer(mmio), 0);
	record_take(test, &mmio->record);
	mmio_end_reset(mmio);
	mmio_want_negotiation(mmio);
	mmio_want_queue(mmio, 0, mmio->vqs[0]);
	mmio_want(mmio, "Status=%x ", mmio_failed_status(mmio));

	KUNIT_EXPECT_EQ(test, mmio_up(mmio), -EIO);
	mmio_expect_wanted(test);
}

/* A ring where a legacy device cannot reach it */
static void mmio_add_far_ring(struct kunit *test)
{
	struct mmio *mmio = test->priv;
	union virtio_map map = { };

	mmio_rebind(test, mmio_use_own_memory);
	mmio->far = BIT_ULL(32 + PAGE_SHIFT);
	mmio->vqs[1] = vring_create_virtqueue_map(2, MMIO_QUEUE_SIZE, PAGE_SIZE,
						  mmio->vdev, true, false, false,
						  NULL, mmio_callback, "far",
						  map);
	KUNIT_ASSERT_NOT_NULL(test, mmio->vqs[1]);
}

/* Test that, in a legacy device, a ring out of reach is not set up. */
static void mmio_far_ring(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_add_far_ring(test);
	mmio_suspend(test);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), -E2BIG);
	KUNIT_EXPECT_FALSE(test, mmio_is_queue_live(mmio, 2));
}

/* Test that, in a legacy device, a message names a ring out of reach. */
static void mmio_far_ring_message(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_add_far_ring(test);
	mmio_suspend(test);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), -E2BIG);

	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio,
					     "platform bug: legacy virtio-mmio"), 1);
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio,
					     "reset_vqs failed: -E2BIG"), 1);
}

/* Test that, in probe, a queue that is in use is left alone. */
static void mmio_probe_of_used_queue(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_unbind(test);
	mmio_occupy(mmio);
	mmio_want_select(mmio, 0);
	mmio_want(mmio, "free_irq Status=%x ", mmio_failed_status(mmio));

	KUNIT_EXPECT_STREQ(test, mmio_fail_probe(test),
			   record_take(test, &mmio->wanted));
	KUNIT_EXPECT_EQ(test, mmio->probe_err, -ENOENT);
}

/* Test that, in probe, a queue without entries is disabled. */
static void mmio_probe_of_no_queue(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_unbind(test);
	mmio_zero(mmio);
	mmio_want_select(mmio, 0);
	mmio_want(mmio, "QueueNumMax? ");
	mmio_want_no_queue(mmio);
	mmio_want(mmio, "free_irq Status=%x ", mmio_failed_status(mmio));

	KUNIT_EXPECT_STREQ(test, mmio_fail_probe(test),
			   record_take(test, &mmio->wanted));
	KUNIT_EXPECT_EQ(test, mmio->probe_err, -ENOENT);
}

/* Test that, in probe, a queue without memory for its ring is disabled. */
static void mmio_probe_without_memory(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_unbind(test);
	mmio_use_own_memory(mmio);
	mmio->no_memory = true;
	mmio_want_select(mmio, 0);
	mmio_want(mmio, "QueueNumMax? ");
	mmio_want_no_queue(mmio);
	mmio_want(mmio, "free_irq Status=%x ", mmio_failed_status(mmio));

	KUNIT_EXPECT_STREQ(test, mmio_fail_probe(test),
			   record_take(test, &mmio->wanted));
	KUNIT_EXPECT_EQ(test, mmio->probe_err, -ENOMEM);
}

/* Test that, in probe, a ring out of reach of a legacy device is freed. */
static void mmio_probe_of_far_ring(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_unbind(test);
	mmio_use_own_memory(mmio);
	mmio->far = BIT_ULL(32 + PAGE_SHIFT);
	mmio_want_select(mmio, 0);
	mmio_want(mmio, "QueueNumMax? QueueNum=8 ");
	mmio_want_no_queue(mmio);
	mmio_want(mmio, "free_irq Status=%x ", mmio_failed_status(mmio));

	KUNIT_EXPECT_STREQ(test, mmio_fail_probe(test),
			   record_take(test, &mmio->wanted));
	KUNIT_EXPECT_EQ(test, mmio->probe_err, -E2BIG);
	KUNIT_EXPECT_EQ(test, mmio->allocations, 2);
}

/*
 * Tests: a reset that does not complete at once
 */

/* Test that, in the noirq phase, no device is told anything during a reset. */
static void mmio_noirq_reset_is_awaited(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_suspend(test);
	mmio_reset_takes(mmio, 20);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio->hasty, 0);
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, "reset not complete"), 0);
}

/* Test that, in the noirq phase, a reset is given up after 5 s, and failed. */
static void mmio_noirq_reset_is_bounded(struct kunit *test)
{
	const char *gives_up = "reset not complete after 5 s, status 0x40, giving up";
	struct mmio *mmio = test->priv;
	ktime_t start, end;

	mmio_suspend(test);
	mmio_reset_takes(mmio, MMIO_NEVER);
	mmio_want_reset(mmio);
	mmio_want(mmio, "Status=80 ");
	start = ktime_get();

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), -ETIMEDOUT);
	end = ktime_get();
	KUNIT_EXPECT_GE(test, ktime_ms_delta(end, start), 5000);
	KUNIT_EXPECT_LT(test, ktime_ms_delta(end, start), 10000);
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, gives_up), 1);
	mmio_expect_wanted(test);
}

/* Test that, in other phases, versions 1 and 2 are not asked. */
static void mmio_reset_is_not_awaited(struct kunit *test)
{
	struct mmio *mmio = test->priv;
	unsigned int status_reads = mmio->status_reads;

	mmio->reset_ms = MMIO_NEVER;
	virtio_reset_device(mmio->vdev);

	KUNIT_EXPECT_EQ(test, mmio->status_reads, status_reads);
}

/* Test that, after restore_noirq, they are not asked, too. */
static void mmio_reset_after_noirq_is_not_awaited(struct kunit *test)
{
	struct mmio *mmio = test->priv;
	unsigned int status_reads;

	mmio_suspend(test);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	status_reads = mmio->status_reads;
	mmio->reset_ms = MMIO_NEVER;
	virtio_reset_device(mmio->vdev);

	KUNIT_EXPECT_EQ(test, mmio->status_reads, status_reads);
}

/* Test that, in other phases, version 3 is waited for without a word. */
static void mmio_reset_is_awaited(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio->reset_ms = 20;
	virtio_reset_device(mmio->vdev);

	KUNIT_EXPECT_EQ(test, mmio_status(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, "reset not complete"), 0);
}

/* Test that, in other phases, version 3 is waited for beyond 5 s, aloud. */
static void mmio_reset_is_awaited_for_long(struct kunit *test)
{
	const char *waits = "reset not complete after 5 s, status 0x0f, still waiting";
	struct mmio *mmio = test->priv;

	mmio->reset_ms = 5500;
	virtio_reset_device(mmio->vdev);

	KUNIT_EXPECT_EQ(test, mmio_status(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_log_count(mmio, waits), 1);
}

/*
 * Tests: interrupts at the wrong time
 */

/* Test that changes signalled all the time are reported after restore, once. */
static void mmio_config_interrupts(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	record_take(test, &mmio->record);
	mmio->raised = VIRTIO_MMIO_INT_CONFIG;
	mmio_want(mmio, "freeze_noirq ");
	mmio_want_reset(mmio);
	mmio_want_bring_up(mmio);
	mmio_want(mmio, "restore ");
	mmio_want_driver_ok(mmio);
	mmio_want(mmio, "config_changed ");

	KUNIT_EXPECT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_EXPECT_EQ(test, mmio_up(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that, after an abort, the same holds with interrupts on all the time. */
static void mmio_config_interrupts_on_abort(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	record_take(test, &mmio->record);
	mmio_end_reset(mmio);
	mmio->raised = VIRTIO_MMIO_INT_CONFIG;
	mmio_want_bring_up(mmio);
	mmio_want(mmio, "restore ");
	mmio_want_driver_ok(mmio);
	mmio_want(mmio, "config_changed ");

	KUNIT_EXPECT_EQ(test, mmio_up(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that buffers used by a frozen device do not get to the driver. */
static void mmio_bogus_buffers_of_frozen_device(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio_suspend(test);
	mmio_use_bogus(mmio);
	mmio->raised = VIRTIO_MMIO_INT_VRING;
	mmio_interrupt(mmio);
	mmio_want_bring_up(mmio);

	KUNIT_EXPECT_EQ(test, mmio_up_noirq(mmio), 0);
	mmio_expect_wanted(test);
}

/* Test that a device that uses bogus buffers all the time only harms itself. */
static void mmio_bogus_buffers(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio->raised = VIRTIO_MMIO_INT_VRING;
	mmio->bogus = true;
	KUNIT_ASSERT_EQ(test, mmio_down(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_down_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up_noirq(mmio), 0);
	KUNIT_ASSERT_EQ(test, mmio_up(mmio), 0);

	KUNIT_EXPECT_TRUE(test, virtqueue_is_broken(mmio->vqs[0]));
	KUNIT_EXPECT_GT(test, mmio_log_count(mmio,
					     "first:id 65535 out of range"), 0);
	mmio_expect_works(test);
}

/* Test that, after that, a sleep cycle mends the queue. */
static void mmio_bogus_buffers_then_cycle(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	mmio->raised = VIRTIO_MMIO_INT_VRING;
	mmio->bogus = true;
	mmio_suspend(test);
	mmio_resume(test);
	KUNIT_ASSERT_TRUE(test, virtqueue_is_broken(mmio->vqs[0]));
	mmio_heal(mmio);
	mmio_suspend(test);
	mmio_resume(test);

	KUNIT_EXPECT_FALSE(test, virtqueue_is_broken(mmio->vqs[0]));
}

/*
 * The suite
 */

static void mmio_release_irq(void *mmio)
{
	irq_free_desc(((struct mmio *)mmio)->irq);
}

static void mmio_create_irq(struct kunit *test, struct mmio *mmio)
{
	mmio->irq = irq_alloc_desc(NUMA_NO_NODE);
	KUNIT_ASSERT_GT(test, mmio->irq, 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, mmio_release_irq, mmio), 0);

	irq_set_chip_and_handler(mmio->irq, &mmio_irq_chip, handle_simple_irq);
	irq_set_chip_data(mmio->irq, mmio);
	irq_clear_status_flags(mmio->irq, IRQ_NOREQUEST);
}

static void mmio_unregister_driver(void *mmio)
{
	unregister_virtio_driver(&((struct mmio *)mmio)->drv);
}

static void mmio_unplug(void *data)
{
	struct mmio *mmio = data;

	mmio_heal(mmio);
	platform_device_unregister(mmio->pdev);
	mmio_plugged = NULL;
}

static void mmio_plug(struct kunit *test, struct mmio *mmio)
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

static void mmio_create_device(struct mmio *mmio, u32 version)
{
	mmio->regs[VIRTIO_MMIO_MAGIC_VALUE / 4] = MMIO_MAGIC;
	mmio->regs[VIRTIO_MMIO_VERSION / 4] = version;
	mmio->regs[VIRTIO_MMIO_DEVICE_ID / 4] = MMIO_DEVICE_ID;
	mmio->offered[1] = version == 1 ? 0 : BIT(VIRTIO_F_VERSION_1 - 32);
	mmio_heal(mmio);
}

static int mmio_init(struct kunit *test)
{
	static const struct mmio_param modern = { .version = 2 };
	const struct mmio_param *param = test->param_value ?: &modern;
	struct mmio *mmio = kunit_kzalloc(test, sizeof(*mmio), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mmio);
	test->priv = mmio;
	mmio->sleep = param->sleep ?: &mmio_suspend_ops;
	mmio->log_start = kernel_log_end();
	record_init(&mmio->record);
	record_init(&mmio->wanted);

	mmio->drv = mmio_driver;
	KUNIT_ASSERT_EQ(test, register_virtio_driver(&mmio->drv), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, mmio_unregister_driver, mmio), 0);

	mmio_create_irq(test, mmio);
	mmio_create_device(mmio, param->version);
	mmio_plug(test, mmio);

	return 0;
}

/* In each test: no DRIVER_OK for a device without its queues. */
static void mmio_exit(struct kunit *test)
{
	struct mmio *mmio = test->priv;

	KUNIT_EXPECT_FALSE(test, mmio->premature);
}

/* A region cannot be removed again. */
static int mmio_suite_init(struct kunit_suite *suite)
{
	return mmio_region.parent ?
	       0 : logic_iomem_add_region(&mmio_region, &mmio_region_ops);
}

#define MMIO_CASE_SLOW(test, params)	\
	KUNIT_CASE_PARAM_ATTR(test, params, { .speed = KUNIT_SPEED_SLOW })

static struct kunit_case mmio_cases[] = {
	KUNIT_CASE_PARAM(mmio_probe_order, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_probe_num_max, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_reset_order, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_freeze_noirq_order, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_restore_noirq_order, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_restore_order, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_abort_order, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_abort_of_live_device, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_legacy_finds_rings, mmio_legacy_gen_params),
	KUNIT_CASE_PARAM(mmio_rings_are_emptied, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_restore_noirq_notifies, mmio_version_gen_params),
	KUNIT_CASE(mmio_restore_noirq_notifies_with_data),
	KUNIT_CASE_PARAM(mmio_noirq_allocates_nothing, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_queue_grows, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_sleep_order, mmio_sleep_gen_params),
	KUNIT_CASE_PARAM(mmio_freeze_noirq_fails, mmio_sleep_gen_params),
	KUNIT_CASE_PARAM(mmio_restore_noirq_fails, mmio_sleep_gen_params),
	KUNIT_CASE_PARAM(mmio_plain_order, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_plain_noirq, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_failure_is_safe, mmio_failure_gen_params),
	KUNIT_CASE_PARAM(mmio_failure_programs_nothing, mmio_failure_gen_params),
	KUNIT_CASE_PARAM(mmio_failure_message, mmio_failure_gen_params),
	KUNIT_CASE_PARAM(mmio_failure_step, mmio_failure_gen_params),
	KUNIT_CASE_PARAM(mmio_failure_then_restore, mmio_failure_gen_params),
	KUNIT_CASE_PARAM(mmio_failure_then_recovery, mmio_failure_gen_params),
	KUNIT_CASE_PARAM(mmio_failure_then_rebind, mmio_failure_gen_params),
	KUNIT_CASE_PARAM(mmio_second_queue_shrinks, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_undrained_queue, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_far_ring, mmio_legacy_gen_params),
	KUNIT_CASE_PARAM(mmio_far_ring_message, mmio_legacy_gen_params),
	KUNIT_CASE_PARAM(mmio_probe_of_used_queue, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_probe_of_no_queue, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_probe_without_memory, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_probe_of_far_ring, mmio_legacy_gen_params),
	KUNIT_CASE_PARAM(mmio_noirq_reset_is_awaited, mmio_version_gen_params),
	MMIO_CASE_SLOW(mmio_noirq_reset_is_bounded, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_reset_is_not_awaited, mmio_at_once_gen_params),
	KUNIT_CASE_PARAM(mmio_reset_after_noirq_is_not_awaited, mmio_at_once_gen_params),
	KUNIT_CASE_PARAM(mmio_reset_is_awaited, mmio_awaited_gen_params),
	MMIO_CASE_SLOW(mmio_reset_is_awaited_for_long, mmio_awaited_gen_params),
	KUNIT_CASE_PARAM(mmio_config_interrupts, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_config_interrupts_on_abort, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_bogus_buffers_of_frozen_device, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_bogus_buffers, mmio_version_gen_params),
	KUNIT_CASE_PARAM(mmio_bogus_buffers_then_cycle, mmio_version_gen_params),
	{}
};

static struct kunit_suite mmio_suite = {
	.name = "virtio_noirq_mmio",
	.suite_init = mmio_suite_init,
	.init = mmio_init,
	.exit = mmio_exit,
	.test_cases = mmio_cases,
};

kunit_test_suite(mmio_suite);

MODULE_DESCRIPTION("KUnit tests for virtio-mmio in the noirq phase of system sleep");
MODULE_LICENSE("GPL");
