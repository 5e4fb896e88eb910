// SPDX-License-Identifier: GPL-2.0
/*
 * Measures what system sleep does with virtio block devices of QEMU, with a
 * driver that works as those in the tree do: it deletes its virtqueues in
 * freeze() and finds them again in restore(). Loads on any kernel, so that two
 * can be compared. virtio_noirq_bench adds a driver that uses the noirq phase.
 *
 * The one request that it knows is VIRTIO_BLK_T_GET_ID. QEMU answers it without
 * its block layer, and with virtio-mmio.ioeventfd=off while the CPU that notifies
 * stands still: under -icount the answer takes no time and is always the same.
 * Devices whose serial number is not "virtio-noirq-bench" are left alone.
 *
 * Parameters:
 *   normal       take the devices (default), or leave them to another module
 *   queues       virtqueues of each device
 *   request      have each device answer a request as soon as it is ready
 *   callbacks    time the PM callbacks of the devices; that costs time too
 *   allocations  count memory allocations in them; ditto, wants callbacks
 *   sibling_us   a device that resumes before them takes so long, in the normal
 *                phase (default: there is none)
 *   mappings     pages that are mapped in the domain of each device, which has to
 *                have one (default: none)
 *
 * A further device is a consumer of the last one. debugfs has a file
 * virtio_bench/figures, with one line about the last sleep cycle. Times are in
 * nanoseconds; those that end in _at count from the start of dpm_resume_noirq:
 *
 *   devices, queues  of them that there are
 *   answered, wrong  requests
 *   first_at, last_at  when the first and the last device had answered
 *   suspend_ns, resume_ns  sum of the PM callbacks of all devices
 *   suspend_allocs, resume_allocs  allocations in them
 *   consumer_noirq_at, consumer_early_at, consumer_at  when the consumer's
 *                    callbacks ran
 *   noirq_end_at, early_end_at, resume_end_at  when these phases ended
 *   suspend_total_ns, resume_total_ns  from the start of dpm_prepare to the end
 *                    of dpm_suspend_noirq, and from the start of
 *                    dpm_resume_noirq to the end of dpm_complete
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/pm.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <trace/events/power.h>

#include "virtio_noirq_probes.h"
#include "virtio_bench.h"

#define VNB_SERIAL	"virtio-noirq-bench"
#define VNB_MAX_DEVICES	32
#define VNB_TIMEOUT_US	(100 * USEC_PER_MSEC)
#define VNB_SIBLING	"virtio_bench_sibling"
#define VNB_CONSUMER	"virtio_bench_consumer"
/* Where the DMA API maps nothing, each page by itself */
#define VNB_IOVA(i)	((unsigned long)BIT_ULL(38) + 2 * PAGE_SIZE * (i))

static bool normal = true;
module_param(normal, bool, 0444);
MODULE_PARM_DESC(normal, "Take the devices, for the normal phase (default Y)");

static unsigned int queues = 1;
module_param(queues, uint, 0444);
MODULE_PARM_DESC(queues, "Virtqueues of each device (default 1)");

static bool request = true;
module_param(request, bool, 0444);
MODULE_PARM_DESC(request, "One request per device and resume (default Y)");

static bool callbacks;
module_param(callbacks, bool, 0444);
MODULE_PARM_DESC(callbacks, "Time the PM callbacks of the devices");

static bool allocations;
module_param(allocations, bool, 0444);
MODULE_PARM_DESC(allocations, "Count memory allocations in them");

static unsigned int sibling_us;
module_param(sibling_us, uint, 0444);
MODULE_PARM_DESC(sibling_us, "Time that a sibling takes in its resume()");

static unsigned int mappings;
module_param(mappings, uint, 0444);
MODULE_PARM_DESC(mappings, "Pages that are mapped for each device");

struct dentry *vnb_debugfs;
EXPORT_SYMBOL_GPL(vnb_debugfs);

struct vnb_request {
	struct virtio_blk_outhdr hdr;

	/* The device writes here. */
	__dma_from_device_group_begin(answer);
	char id[VIRTIO_BLK_ID_BYTES];
	u8 status;
	__dma_from_device_group_end(answer);
};

static struct vnb *vnb_devices[VNB_MAX_DEVICES];
static unsigned int vnb_num_devices;
static struct virtqueue_info vnb_vqs_info[VNB_MAX_QUEUES];

/* The last sleep cycle. Times are those of ktime_get_ns(). */
static struct vnb_cycle {
	u64 prepare_start;
	u64 suspend_end;
	u64 resume_start;
	u64 noirq_end;
	u64 early_end;
	u64 resume_end;
	u64 complete_end;
	u64 first;
	u64 last;
	u64 consumer_noirq;
	u64 consumer_early;
	u64 consumer;
	u64 suspend_ns;
	u64 resume_ns;
	u64 suspend_allocs;
	u64 resume_allocs;
	unsigned int answered;
	unsigned int wrong;
} vnb_cycle;

/* The callback that runs, of one of our devices. */
static struct device *vnb_dev;
static struct task_struct *vnb_task;
static bool vnb_resumes;
static u64 vnb_started;

static void vnb_callback(struct virtqueue *vq)
{
}

static int vnb_submit(struct vnb *b)
{
	struct vnb_request *req = b->req;
	struct scatterlist hdr, id, status;
	struct scatterlist *sgs[] = { &hdr, &id, &status };

	memset(req->id, 0, sizeof(req->id));
	req->status = ~0;
	req->hdr.type = cpu_to_virtio32(b->vdev, VIRTIO_BLK_T_GET_ID);
	sg_init_one(&hdr, &req->hdr, sizeof(req->hdr));
	sg_init_one(&id, req->id, sizeof(req->id));
	sg_init_one(&status, &req->status, sizeof(req->status));

	return virtqueue_add_sgs(b->vqs[0], sgs, 1, 2, req, GFP_NOWAIT);
}

/* Returns whether the device answered, and with its serial number. */
static bool vnb_get_id(struct vnb *b)
{
	struct virtqueue *vq = b->vqs[0];
	unsigned int len;
	void *got;
	int err;

	virtqueue_disable_cb(vq);
	if (vnb_submit(b))
		return false;
	virtqueue_kick(vq);
	err = poll_timeout_us(got = virtqueue_get_buf(vq, &len), got, 0,
			      VNB_TIMEOUT_US, false);

	return !err && b->req->status == VIRTIO_BLK_S_OK &&
	       !strcmp(b->req->id, VNB_SERIAL);
}

int vnb_answer(struct vnb *b)
{
	struct vnb_cycle *c = &vnb_cycle;

	if (!request)
		return 0;
	if (!vnb_get_id(b)) {
		c->wrong++;
		return -EIO;
	}

	c->last = ktime_get_ns();
	if (!c->answered++)
		c->first = c->last;
	return 0;
}
EXPORT_SYMBOL_GPL(vnb_answer);

static int vnb_find_vqs(struct vnb *b)
{
	int err;

	err = virtio_find_vqs(b->vdev, queues, b->vqs, vnb_vqs_info, NULL);
	if (!err)
		virtio_device_ready(b->vdev);
	return err;
}

static void vnb_del_vqs(struct vnb *b)
{
	virtio_reset_device(b->vdev);
	b->vdev->config->del_vqs(b->vdev);
}

static int vnb_freeze(struct virtio_device *vdev)
{
	vnb_del_vqs(vdev->priv);
	return 0;
}

static int vnb_restore(struct virtio_device *vdev)
{
	struct vnb *b = vdev->priv;
	int err;

	err = vnb_find_vqs(b) ?: vnb_answer(b);
	if (!err)
		virtqueue_enable_cb(b->vqs[0]);
	return err;
}

static void vnb_unmap(struct vnb *b)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(b->vdev->dev.parent);

	while (b->mapped)
		iommu_unmap(domain, VNB_IOVA(--b->mapped), PAGE_SIZE);
}

static int vnb_map(struct vnb *b)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(b->vdev->dev.parent);
	phys_addr_t page = virt_to_phys(b->req) & PAGE_MASK;
	int err;

	if (mappings && !domain)
		return -ENODEV;
	while (b->mapped < mappings) {
		err = iommu_map(domain, VNB_IOVA(b->mapped), page, PAGE_SIZE,
				IOMMU_READ, GFP_KERNEL);
		if (err) {
			vnb_unmap(b);
			return err;
		}
		b->mapped++;
	}
	return 0;
}

int vnb_probe(struct virtio_device *vdev)
{
	struct vnb *b;
	int err;

	if (vnb_num_devices == VNB_MAX_DEVICES)
		return -ENOSPC;

	b = devm_kzalloc(&vdev->dev, sizeof(*b), GFP_KERNEL);
	if (!b)
		return -ENOMEM;
	b->req = devm_kzalloc(&vdev->dev, sizeof(*b->req), GFP_KERNEL);
	if (!b->req)
		return -ENOMEM;

	b->vdev = vdev;
	vdev->priv = b;
	err = vnb_find_vqs(b);
	if (err)
		return err;
	err = vnb_get_id(b) ? vnb_map(b) : -ENODEV;
	if (err) {
		vnb_del_vqs(b);
		return err;
	}
	virtqueue_enable_cb(b->vqs[0]);

	vnb_devices[vnb_num_devices++] = b;
	return 0;
}
EXPORT_SYMBOL_GPL(vnb_probe);

/* All devices go before one can come again. */
void vnb_remove(struct virtio_device *vdev)
{
	vnb_num_devices = 0;
	vnb_del_vqs(vdev->priv);
	vnb_unmap(vdev->priv);
}
EXPORT_SYMBOL_GPL(vnb_remove);

const struct virtio_device_id vnb_ids[] = {
	{ VIRTIO_ID_BLOCK, VIRTIO_DEV_ANY_ID },
	{ },
};
EXPORT_SYMBOL_GPL(vnb_ids);

const unsigned int vnb_features[] = { VIRTIO_BLK_F_MQ };
EXPORT_SYMBOL_GPL(vnb_features);
const unsigned int vnb_num_features = ARRAY_SIZE(vnb_features);
EXPORT_SYMBOL_GPL(vnb_num_features);

static struct virtio_driver vnb_driver = {
	.driver.name		= KBUILD_MODNAME,
	.id_table		= vnb_ids,
	.feature_table		= vnb_features,
	.feature_table_size	= ARRAY_SIZE(vnb_features),
	.probe			= vnb_probe,
	.remove			= vnb_remove,
	.freeze			= vnb_freeze,
	.restore		= vnb_restore,
};

/* Neighbours: a sibling that resumes before the devices, and a consumer. */

static struct platform_device *vnb_sibling;
static struct platform_device *vnb_consumer;

static bool vnb_is_consumer(struct device *dev)
{
	return vnb_consumer && dev == &vnb_consumer->dev;
}

static int vnb_neighbour_resume_noirq(struct device *dev)
{
	if (vnb_is_consumer(dev))
		vnb_cycle.consumer_noirq = ktime_get_ns();
	return 0;
}

static int vnb_neighbour_resume_early(struct device *dev)
{
	if (vnb_is_consumer(dev))
		vnb_cycle.consumer_early = ktime_get_ns();
	return 0;
}

static int vnb_neighbour_resume(struct device *dev)
{
	if (vnb_is_consumer(dev))
		vnb_cycle.consumer = ktime_get_ns();
	else
		usleep_range(sibling_us, sibling_us);
	return 0;
}

static const struct dev_pm_ops vnb_neighbour_pm_ops = {
	SYSTEM_SLEEP_PM_OPS(NULL, vnb_neighbour_resume)
	LATE_SYSTEM_SLEEP_PM_OPS(NULL, vnb_neighbour_resume_early)
	NOIRQ_SYSTEM_SLEEP_PM_OPS(NULL, vnb_neighbour_resume_noirq)
};

static int vnb_neighbour_probe(struct platform_device *pdev)
{
	return 0;
}

static const struct platform_device_id vnb_neighbour_ids[] = {
	{ .name = VNB_SIBLING },
	{ .name = VNB_CONSUMER },
	{ },
};

static struct platform_driver vnb_neighbour_driver = {
	.driver.name	= "virtio_bench_neighbour",
	.driver.pm	= pm_sleep_ptr(&vnb_neighbour_pm_ops),
	.id_table	= vnb_neighbour_ids,
	.probe		= vnb_neighbour_probe,
};

/*
 * Devices resume in the order in which they came. One that came before ours is
 * what a link leaves behind that is there for a moment.
 */
static int vnb_put_behind(struct device *dev, struct device *supplier)
{
	struct device_link *link;

	link = device_link_add(dev, supplier, DL_FLAG_STATELESS);
	if (!link)
		return -EINVAL;
	device_link_del(link);
	return 0;
}

static int vnb_add_sibling(void)
{
	unsigned int i;
	int err = 0;

	if (!sibling_us)
		return 0;

	vnb_sibling = platform_device_register_simple(VNB_SIBLING,
						      PLATFORM_DEVID_NONE,
						      NULL, 0);
	if (IS_ERR(vnb_sibling))
		return PTR_ERR(vnb_sibling);

	for (i = 0; i < vnb_num_devices && !err; i++)
		err = vnb_put_behind(vnb_devices[i]->vdev->dev.parent,
				     &vnb_sibling->dev);
	return err;
}

static int vnb_add_consumer(void)
{
	struct device *last = &vnb_devices[vnb_num_devices - 1]->vdev->dev;

	vnb_consumer = platform_device_register_simple(VNB_CONSUMER,
						       PLATFORM_DEVID_NONE,
						       NULL, 0);
	if (IS_ERR(vnb_consumer))
		return PTR_ERR(vnb_consumer);

	return device_link_add(&vnb_consumer->dev, last, DL_FLAG_STATELESS) ?
	       0 : -EINVAL;
}

static void vnb_remove_neighbours(void)
{
	if (!IS_ERR_OR_NULL(vnb_consumer)) {
		if (vnb_num_devices)
			device_link_remove(&vnb_consumer->dev,
					   &vnb_devices[vnb_num_devices - 1]->vdev->dev);
		platform_device_unregister(vnb_consumer);
	}
	vnb_consumer = NULL;
	if (!IS_ERR_OR_NULL(vnb_sibling))
		platform_device_unregister(vnb_sibling);
	vnb_sibling = NULL;
}

void vnb_stop(struct virtio_driver *drv)
{
	vnb_remove_neighbours();
	unregister_virtio_driver(drv);
}
EXPORT_SYMBOL_GPL(vnb_stop);

int vnb_start(struct virtio_driver *drv)
{
	int err;

	err = register_virtio_driver(drv);
	if (err)
		return err;

	err = vnb_num_devices ? 0 : -ENODEV;
	if (!err)
		err = vnb_add_sibling() ?: vnb_add_consumer();
	if (err)
		vnb_stop(drv);
	return err;
}
EXPORT_SYMBOL_GPL(vnb_start);

/* What the PM core does, from its trace events. */

/* Where an event's time goes to: one that starts, or one that ends. */
static const struct vnb_event {
	const char *action;
	bool start;
	u64 *time;
} vnb_events[] = {
	{ "dpm_prepare", true, &vnb_cycle.prepare_start },
	{ "dpm_suspend_noirq", false, &vnb_cycle.suspend_end },
	{ "dpm_resume_noirq", true, &vnb_cycle.resume_start },
	{ "dpm_resume_noirq", false, &vnb_cycle.noirq_end },
	{ "dpm_resume_early", false, &vnb_cycle.early_end },
	{ "dpm_resume", false, &vnb_cycle.resume_end },
	{ "dpm_complete", false, &vnb_cycle.complete_end },
};

/* The time that the probe itself takes is not to be in what is measured. */
static void vnb_suspend_resume(void *data, const char *action, int val,
			       bool start)
{
	const struct vnb_event *event = vnb_events;
	u64 now = ktime_get_ns();

	while (event->start != start || strcmp(event->action, action))
		if (++event == vnb_events + ARRAY_SIZE(vnb_events))
			return;

	if (event == vnb_events)
		memset(&vnb_cycle, 0, sizeof(vnb_cycle));
	*event->time = start ? ktime_get_ns() : now;
}

struct vnb *vnb_find(const struct device *parent)
{
	unsigned int i;

	for (i = 0; i < vnb_num_devices; i++)
		if (vnb_devices[i]->vdev->dev.parent == parent)
			return vnb_devices[i];
	return NULL;
}
EXPORT_SYMBOL_GPL(vnb_find);

bool vnb_in_noirq(void)
{
	return vnb_cycle.resume_start && !vnb_cycle.noirq_end;
}
EXPORT_SYMBOL_GPL(vnb_in_noirq);

static void vnb_callback_start(void *data, struct device *dev,
			       const char *pm_ops, int event)
{
	if (!vnb_find(dev))
		return;
	vnb_task = current;
	vnb_resumes = event == PM_EVENT_RESUME;
	vnb_dev = dev;
	vnb_started = ktime_get_ns();
}

static void vnb_callback_end(void *data, struct device *dev, int error)
{
	u64 now = ktime_get_ns();

	if (dev != vnb_dev)
		return;
	vnb_dev = NULL;
	if (vnb_resumes)
		vnb_cycle.resume_ns += now - vnb_started;
	else
		vnb_cycle.suspend_ns += now - vnb_started;
}

static void vnb_allocation(void)
{
	if (!vnb_dev || !in_task() || current != vnb_task)
		return;
	if (vnb_resumes)
		vnb_cycle.resume_allocs++;
	else
		vnb_cycle.suspend_allocs++;
}

static void vnb_kmalloc(void *data, unsigned long call_site, const void *ptr,
			size_t bytes_req, size_t bytes_alloc, gfp_t gfp_flags,
			int node)
{
	vnb_allocation();
}

static void vnb_kmem_cache_alloc(void *data, unsigned long call_site,
				 const void *ptr, struct kmem_cache *s,
				 gfp_t gfp_flags, int node)
{
	vnb_allocation();
}

static void vnb_mm_page_alloc(void *data, struct page *page, unsigned int order,
			      gfp_t gfp_flags, int migratetype)
{
	vnb_allocation();
}

#define VNB_CALLBACK_PROBES	2

static struct vn_probe vnb_probes[] = {
	{ "device_pm_callback_start", vnb_callback_start },
	{ "device_pm_callback_end", vnb_callback_end },
	/* the rest counts allocations */
	{ "kmalloc", vnb_kmalloc },
	{ "kmem_cache_alloc", vnb_kmem_cache_alloc },
	{ "mm_page_alloc", vnb_mm_page_alloc },
};

static unsigned int vnb_num_probes(void)
{
	if (!callbacks)
		return 0;
	return allocations ? ARRAY_SIZE(vnb_probes) : VNB_CALLBACK_PROBES;
}

static void vnb_unregister_probes(void)
{
	vn_probes_unregister(vnb_probes, vnb_num_probes());
	unregister_trace_suspend_resume(vnb_suspend_resume, NULL);
	tracepoint_synchronize_unregister();
}

static int vnb_register_probes(void)
{
	int err;

	err = register_trace_suspend_resume(vnb_suspend_resume, NULL);
	if (err)
		return err;

	err = vn_probes_register(vnb_probes, vnb_num_probes());
	if (err)
		unregister_trace_suspend_resume(vnb_suspend_resume, NULL);
	return err;
}

/* Zero if it did not happen, or not in resume. */
static void vnb_show_at(struct seq_file *m, const char *name, u64 time)
{
	u64 start = vnb_cycle.resume_start;

	seq_printf(m, " %s_at=%llu", name, time > start ? time - start : 0);
}

static int vnb_figures_show(struct seq_file *m, void *data)
{
	const struct vnb_cycle *c = &vnb_cycle;

	seq_printf(m, "devices=%u queues=%u answered=%u wrong=%u",
		   vnb_num_devices, queues, c->answered, c->wrong);
	vnb_show_at(m, "first", c->first);
	vnb_show_at(m, "last", c->last);
	seq_printf(m, " suspend_ns=%llu resume_ns=%llu", c->suspend_ns,
		   c->resume_ns);
	seq_printf(m, " suspend_allocs=%llu resume_allocs=%llu",
		   c->suspend_allocs, c->resume_allocs);
	vnb_show_at(m, "consumer_noirq", c->consumer_noirq);
	vnb_show_at(m, "consumer_early", c->consumer_early);
	vnb_show_at(m, "consumer", c->consumer);
	vnb_show_at(m, "noirq_end", c->noirq_end);
	vnb_show_at(m, "early_end", c->early_end);
	vnb_show_at(m, "resume_end", c->resume_end);
	seq_printf(m, " suspend_total_ns=%llu resume_total_ns=%llu\n",
		   c->suspend_end - c->prepare_start,
		   c->complete_end - c->resume_start);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vnb_figures);

static void vnb_describe_queues(void)
{
	unsigned int i;

	for (i = 0; i < VNB_MAX_QUEUES; i++) {
		vnb_vqs_info[i].name = "requests";
		vnb_vqs_info[i].callback = vnb_callback;
	}
}

static int __init vnb_init(void)
{
	int err;

	if (!queues || queues > VNB_MAX_QUEUES || (allocations && !callbacks))
		return -EINVAL;

	vnb_describe_queues();
	err = vnb_register_probes();
	if (err)
		return err;

	err = platform_driver_register(&vnb_neighbour_driver);
	if (err)
		goto err_probes;

	vnb_debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("figures", 0400, vnb_debugfs, NULL,
			    &vnb_figures_fops);

	err = normal ? vnb_start(&vnb_driver) : 0;
	if (err)
		goto err_debugfs;
	return 0;

err_debugfs:
	debugfs_remove_recursive(vnb_debugfs);
	platform_driver_unregister(&vnb_neighbour_driver);
err_probes:
	vnb_unregister_probes();
	return err;
}
module_init(vnb_init);

static void __exit vnb_exit(void)
{
	if (normal)
		vnb_stop(&vnb_driver);
	debugfs_remove_recursive(vnb_debugfs);
	platform_driver_unregister(&vnb_neighbour_driver);
	vnb_unregister_probes();
}
module_exit(vnb_exit);

MODULE_DESCRIPTION("Measure virtio devices in system sleep");
MODULE_LICENSE("GPL");
