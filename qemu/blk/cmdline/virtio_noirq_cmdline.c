// SPDX-License-Identifier: GPL-2.0
/*
 * The interrupt of a virtio-mmio device of the command line (virtio_mmio.device=), whose
 * number nobody maps on a machine with a device tree: that of the device's node, at the
 * parameter "irq".
 */

#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/module.h>
#include <linux/of_irq.h>
#include <linux/platform_device.h>

static unsigned int irq;
module_param(irq, uint, 0400);

static int cmdline_probe(struct platform_device *pdev)
{
	struct of_phandle_args args;
	struct irq_fwspec fwspec;
	struct irq_domain *domain;
	int ret;

	ret = of_irq_parse_one(pdev->dev.of_node, 0, &args);
	if (ret)
		return ret;

	of_phandle_args_to_fwspec(args.np, args.args, args.args_count, &fwspec);
	domain = irq_find_matching_fwspec(&fwspec, DOMAIN_BUS_ANY);
	if (!domain)
		return -ENXIO;

	ret = __irq_domain_alloc_irqs(domain, irq, 1, NUMA_NO_NODE, &fwspec, false, NULL);
	if (ret < 0)
		return ret;

	return irq_set_irq_type(irq, IRQ_TYPE_EDGE_RISING);
}

static const struct of_device_id cmdline_ids[] = {
	{ .compatible = "virtio-noirq,cmdline" },
	{ }
};
MODULE_DEVICE_TABLE(of, cmdline_ids);

static struct platform_driver cmdline_driver = {
	.driver = {
		.name = KBUILD_MODNAME,
		.of_match_table = cmdline_ids,
		.suppress_bind_attrs = true,
	},
	.probe = cmdline_probe,
};
builtin_platform_driver(cmdline_driver);

MODULE_DESCRIPTION("Interrupt of a virtio-mmio device of the command line");
MODULE_LICENSE("GPL");
