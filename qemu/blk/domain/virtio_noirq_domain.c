// SPDX-License-Identifier: GPL-2.0
/*
 * A power domain with a virtio-mmio device in it, which QEMU has not: the device is as
 * out of reset when it gets its power back, and whoever touches it without power is found
 * out, since a mark is in its status then.
 *
 * debugfs, virtio_noirq_domain/:
 * off, on	how often the power was switched
 * running	how often it was switched off while the device was not reset
 * touched	how often the mark was gone when it was switched on again
 */

#include <linux/debugfs.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/pm_domain.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#define DOMAIN_MARK	VIRTIO_CONFIG_S_ACKNOWLEDGE

static struct {
	struct generic_pm_domain genpd;
	void __iomem *status;
	u32 off, on, running, touched;
} domain;

static int domain_power_off(struct generic_pm_domain *genpd)
{
	domain.running += !!readl(domain.status);
	writel(0, domain.status);
	writel(DOMAIN_MARK, domain.status);
	domain.off++;

	return 0;
}

static int domain_power_on(struct generic_pm_domain *genpd)
{
	domain.touched += readl(domain.status) != DOMAIN_MARK;
	writel(0, domain.status);
	domain.on++;

	return 0;
}

static int domain_probe(struct platform_device *pdev)
{
	struct dentry *dir;
	struct resource *res;
	void __iomem *regs;
	int ret;

	/* They are those of the device, so that nobody can have them alone. */
	res = platform_get_resource(pdev, IORESOURCE_MEM, 0);
	regs = res ? devm_ioremap(&pdev->dev, res->start, resource_size(res)) : NULL;
	if (!regs)
		return -ENOMEM;
	domain.status = regs + VIRTIO_MMIO_STATUS;

	domain.genpd.name = KBUILD_MODNAME;
	domain.genpd.power_off = domain_power_off;
	domain.genpd.power_on = domain_power_on;
	ret = pm_genpd_init(&domain.genpd, NULL, false);
	if (ret)
		return ret;
	ret = of_genpd_add_provider_simple(pdev->dev.of_node, &domain.genpd);
	if (ret)
		return ret;

	dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_u32("off", 0400, dir, &domain.off);
	debugfs_create_u32("on", 0400, dir, &domain.on);
	debugfs_create_u32("running", 0400, dir, &domain.running);
	debugfs_create_u32("touched", 0400, dir, &domain.touched);

	return 0;
}

static const struct of_device_id domain_ids[] = {
	{ .compatible = "virtio-noirq,domain" },
	{ }
};
MODULE_DEVICE_TABLE(of, domain_ids);

static struct platform_driver domain_driver = {
	.driver = {
		.name = KBUILD_MODNAME,
		.of_match_table = domain_ids,
		.suppress_bind_attrs = true,
	},
	.probe = domain_probe,
};
builtin_platform_driver(domain_driver);

MODULE_DESCRIPTION("Power domain of a virtio-mmio device");
MODULE_LICENSE("GPL");
