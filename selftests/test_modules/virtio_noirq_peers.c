// SPDX-License-Identifier: GPL-2.0
/*
 * Two neighbours of a device of virtio_noirq_test, the provider:
 *
 * virtio_noirq_consumer has a device link to the provider, so that it suspends
 * before it and resumes after it. It reads from the provider in each of its
 * callbacks of the late, noirq and early phases.
 *
 * virtio_noirq_supplier is linked the other way round: it suspends after the
 * provider and resumes before it.
 *
 * For each, debugfs has a folder virtio_noirq_test/<name>:
 *
 *   fail_suspend_noirq       what goes wrong once, if set to 1
 *   wakeup_in_prepare        ditto, a wakeup event
 *   wakeup_in_suspend        ditto
 *   wakeup_in_suspend_noirq  ditto
 *   resize_in_suspend_noirq  have the host make the disk so many sectors large
 *   suspend_late/            what the callbacks read, as in virtio_noirq_test
 *   suspend_noirq/
 *   resume_noirq/
 *   resume_early/
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/pm.h>
#include <linux/pm_wakeup.h>

#include "virtio_noirq_provider.h"

#define VNP_CONSUMER	"virtio_noirq_consumer"
#define VNP_SUPPLIER	"virtio_noirq_supplier"

static char *provider;
module_param(provider, charp, 0444);
MODULE_PARM_DESC(provider, "Name of the provider, virtio0 say");

static unsigned int requests = 8;
module_param(requests, uint, 0444);
MODULE_PARM_DESC(requests, "Requests of the consumer per callback (default 8)");

static bool resume_only;
module_param(resume_only, bool, 0444);
MODULE_PARM_DESC(resume_only, "Consumer leaves the provider alone in suspend");

struct vnp {
	struct device *provider;
	struct device_link *link;	/* to be deleted, or NULL */
	bool consumer;
	bool fail_suspend_noirq;
	bool wakeup_in_prepare;
	bool wakeup_in_suspend;
	bool wakeup_in_suspend_noirq;
	u64 resize_in_suspend_noirq;
	struct vnt_stats suspend_late;
	struct vnt_stats suspend_noirq;
	struct vnt_stats resume_noirq;
	struct vnt_stats resume_early;
};

static struct platform_device *vnp_devices[2];

static bool vnp_fault(bool *fault)
{
	bool wanted = *fault;

	*fault = false;
	return wanted;
}

static void vnp_wakeup(struct device *dev, bool *fault)
{
	if (vnp_fault(fault))
		pm_wakeup_hard_event(dev);
}

static int vnp_use(struct vnp *p, struct vnt_stats *stats)
{
	if (!p->consumer)
		return 0;
	return vnt_provider_read(p->provider, stats, requests);
}

static int vnp_use_suspend(struct vnp *p, struct vnt_stats *stats)
{
	return resume_only ? 0 : vnp_use(p, stats);
}

static int vnp_prepare(struct device *dev)
{
	struct vnp *p = dev_get_drvdata(dev);

	vnp_wakeup(dev, &p->wakeup_in_prepare);
	return 0;
}

static int vnp_suspend(struct device *dev)
{
	struct vnp *p = dev_get_drvdata(dev);

	vnp_wakeup(dev, &p->wakeup_in_suspend);
	return 0;
}

static int vnp_resume(struct device *dev)
{
	return 0;
}

static int vnp_suspend_late(struct device *dev)
{
	struct vnp *p = dev_get_drvdata(dev);

	return vnp_use_suspend(p, &p->suspend_late);
}

/* What the device may still do about a resize, in time that passes for it. */
static int vnp_resize(struct vnp *p)
{
	u64 sectors = p->resize_in_suspend_noirq;
	int err;

	p->resize_in_suspend_noirq = 0;
	err = vnt_provider_resize(p->provider, sectors);
	mdelay(100);
	return err;
}

static int vnp_suspend_noirq(struct device *dev)
{
	struct vnp *p = dev_get_drvdata(dev);

	vnp_wakeup(dev, &p->wakeup_in_suspend_noirq);
	if (vnp_fault(&p->fail_suspend_noirq))
		return -EIO;
	if (p->resize_in_suspend_noirq)
		return vnp_resize(p);
	return vnp_use_suspend(p, &p->suspend_noirq);
}

static int vnp_resume_noirq(struct device *dev)
{
	struct vnp *p = dev_get_drvdata(dev);

	return vnp_use(p, &p->resume_noirq);
}

static int vnp_resume_early(struct device *dev)
{
	struct vnp *p = dev_get_drvdata(dev);

	return vnp_use(p, &p->resume_early);
}

static const struct dev_pm_ops vnp_pm_ops = {
	.prepare = vnp_prepare,
	SYSTEM_SLEEP_PM_OPS(vnp_suspend, vnp_resume)
	LATE_SYSTEM_SLEEP_PM_OPS(vnp_suspend_late, vnp_resume_early)
	NOIRQ_SYSTEM_SLEEP_PM_OPS(vnp_suspend_noirq, vnp_resume_noirq)
};

static void vnp_debugfs_add(struct device *dev, struct vnp *p)
{
	struct dentry *dir = debugfs_create_dir(dev_name(dev), vnt_debugfs);

	debugfs_create_bool("fail_suspend_noirq", 0600, dir,
			    &p->fail_suspend_noirq);
	debugfs_create_bool("wakeup_in_prepare", 0600, dir,
			    &p->wakeup_in_prepare);
	debugfs_create_bool("wakeup_in_suspend", 0600, dir,
			    &p->wakeup_in_suspend);
	debugfs_create_bool("wakeup_in_suspend_noirq", 0600, dir,
			    &p->wakeup_in_suspend_noirq);
	debugfs_create_u64("resize_in_suspend_noirq", 0600, dir,
			   &p->resize_in_suspend_noirq);
	vnt_debugfs_stats("suspend_late", dir, &p->suspend_late);
	vnt_debugfs_stats("suspend_noirq", dir, &p->suspend_noirq);
	vnt_debugfs_stats("resume_noirq", dir, &p->resume_noirq);
	vnt_debugfs_stats("resume_early", dir, &p->resume_early);
}

/*
 * The provider's PM callbacks are those of its parent, the transport's device;
 * a link to the child orders a consumer after both.
 */
static int vnp_link(struct device *dev, struct vnp *p)
{
	if (p->consumer)
		return device_link_add(dev, p->provider,
				       DL_FLAG_AUTOREMOVE_CONSUMER) ? 0 : -EINVAL;

	p->link = device_link_add(p->provider->parent, dev, DL_FLAG_STATELESS);
	return p->link ? 0 : -EINVAL;
}

static int vnp_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct vnp *p;
	int err;

	p = devm_kzalloc(dev, sizeof(*p), GFP_KERNEL);
	if (!p)
		return -ENOMEM;

	p->consumer = platform_get_device_id(pdev)->driver_data;
	p->provider = vnt_provider_get(provider);
	if (!p->provider)
		return -ENODEV;

	err = vnp_link(dev, p);
	if (err) {
		put_device(p->provider);
		return err;
	}

	platform_set_drvdata(pdev, p);
	device_init_wakeup(dev, true);
	vnp_debugfs_add(dev, p);
	return 0;
}

static void vnp_remove(struct platform_device *pdev)
{
	struct vnp *p = platform_get_drvdata(pdev);

	debugfs_lookup_and_remove(dev_name(&pdev->dev), vnt_debugfs);
	device_init_wakeup(&pdev->dev, false);
	if (p->link)
		device_link_del(p->link);
	put_device(p->provider);
}

static const struct platform_device_id vnp_ids[] = {
	{ .name = VNP_CONSUMER, .driver_data = true },
	{ .name = VNP_SUPPLIER, .driver_data = false },
	{ },
};

static struct platform_driver vnp_driver = {
	.driver.name	= KBUILD_MODNAME,
	.driver.pm	= pm_sleep_ptr(&vnp_pm_ops),
	.id_table	= vnp_ids,
	.probe		= vnp_probe,
	.remove		= vnp_remove,
};

static void vnp_unregister(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vnp_devices); i++)
		platform_device_unregister(vnp_devices[i]);
	platform_driver_unregister(&vnp_driver);
}

static int __init vnp_init(void)
{
	struct platform_device *pdev;
	unsigned int i;
	int err;

	err = platform_driver_register(&vnp_driver);
	if (err)
		return err;

	for (i = 0; i < ARRAY_SIZE(vnp_devices); i++) {
		pdev = platform_device_register_simple(vnp_ids[i].name,
						       PLATFORM_DEVID_NONE,
						       NULL, 0);
		vnp_devices[i] = pdev;
		if (IS_ERR(pdev) || !platform_get_drvdata(pdev))
			err = -ENODEV;
	}
	if (err)
		vnp_unregister();
	return err;
}
module_init(vnp_init);

static void __exit vnp_exit(void)
{
	vnp_unregister();
}
module_exit(vnp_exit);

MODULE_DESCRIPTION("Neighbours of a virtio device in the noirq phase of system sleep");
MODULE_LICENSE("GPL");
