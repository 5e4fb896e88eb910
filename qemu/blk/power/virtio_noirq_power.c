// SPDX-License-Identifier: GPL-2.0
/*
 * What QEMU does not do to an SMMUv3 in system sleep: it loses its registers, after
 * its driver was suspended, and a device that nobody controls goes on with DMA.
 *
 * Two devices surround the SMMU in the noirq phase: its power supply, which is
 * suspended after it and resumed before it, and a consumer, for which it is the
 * other way round. The DMA is that of QEMU's edu device, which is behind the SMMU.
 * Behind another IOMMU there is just that device.
 *
 * debugfs, virtio_noirq_power/:
 * lost, leaked, blocked, arrived	how often the registers were lost; a page that
 *				nobody mapped, or a mapped one while the SMMU is
 *				suspended, was written; and was not; and how often
 *				a mapped one was, right after the SMMU was resumed
 * stray			in the noirq phase, right before the SMMU is suspended,
 *				write to a page that nobody mapped, and leave an error
 *				of the command queue pending; and after it was resumed,
 *				to one that was unmapped while it was suspended
 * stuck			right before the SMMU is suspended, switch its command
 *				queue off, so that it cannot be
 * write			write to a page, now: 0 to a mapped one, 1 to one that nobody
 *				mapped
 */

#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/pm.h>

/* QEMU, docs/specs/edu.rst */
#define EDU_DMA_FROM		0x80
#define EDU_DMA_TO		0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_CMD		0x98
#define EDU_DMA_START		0x1
#define EDU_DMA_TO_MEMORY	0x2
#define EDU_BUFFER		0x40000
#define EDU_DATA		0x5a

/* Arm IHI 0070, chapter 6 */
#define SMMU_CR0		0x20
#define SMMU_CR0_CMDQEN		BIT(3)
#define SMMU_CR1		0x28
#define SMMU_CR2		0x2c
#define SMMU_GBPA		0x44
#define SMMU_GBPA_UPDATE	BIT(31)
#define SMMU_GBPA_RESET		0x1000
#define SMMU_IRQ_CTRL		0x50
#define SMMU_GERROR		0x60
#define SMMU_GERRORN		0x64
#define SMMU_GERROR_ALL		0x1fd
#define SMMU_GERROR_CMDQ	BIT(0)
#define SMMU_STRTAB_BASE	0x80
#define SMMU_STRTAB_BASE_CFG	0x88
#define SMMU_CMDQ_BASE		0x90
#define SMMU_CMDQ_PROD		0x98
#define SMMU_CMDQ_CONS		0x9c
#define SMMU_EVTQ_BASE		0xa0
#define SMMU_EVTQ_PROD		0x100a8
#define SMMU_EVTQ_CONS		0x100ac

#define DEVICES			2
#define SUPPLY			0

static struct {
	struct device *smmu;
	void __iomem *regs;
	struct platform_device *pdevs[DEVICES];

	struct pci_dev *edu;
	void __iomem *bar;
	/* Two pages: one that the edu device may write to, and any other one */
	u8 *mapped;
	dma_addr_t mapped_dma;
	u8 *other;
	dma_addr_t other_dma;
	/* One that is unmapped while the SMMU is suspended */
	u8 *gone;
	dma_addr_t gone_dma;
	u32 gbpa;

	u32 lost, leaked, blocked, arrived;
	bool stray, stuck;
	struct dentry *debugfs;
} power;

/* Let the edu device copy one byte, between memory and its buffer. */
static void power_copy(dma_addr_t from, dma_addr_t to, u64 direction)
{
	u64 cmd;

	writeq(from, power.bar + EDU_DMA_FROM);
	writeq(to, power.bar + EDU_DMA_TO);
	writeq(1, power.bar + EDU_DMA_COUNT);
	writeq(EDU_DMA_START | direction, power.bar + EDU_DMA_CMD);
	if (readq_poll_timeout(power.bar + EDU_DMA_CMD, cmd, !(cmd & EDU_DMA_START),
			       10 * USEC_PER_MSEC, USEC_PER_SEC))
		dev_err(&power.edu->dev, "DMA does not end\n");
}

/* Let it write to a page; returns whether that arrived. */
static bool power_write(u8 *page, dma_addr_t dma)
{
	WRITE_ONCE(*page, 0);
	power_copy(EDU_BUFFER, dma, EDU_DMA_TO_MEMORY);

	return READ_ONCE(*page) == EDU_DATA;
}

static void power_try(u8 *page, dma_addr_t dma)
{
	bool written = power_write(page, dma);

	power.leaked += written;
	power.blocked += !written;
}

/* Reset values; and an error that nobody has acknowledged. */
static void power_lose_registers(void)
{
	static const u32 regs[] = {
		SMMU_CR0, SMMU_CR1, SMMU_CR2, SMMU_IRQ_CTRL, SMMU_STRTAB_BASE,
		SMMU_STRTAB_BASE + 4, SMMU_STRTAB_BASE_CFG, SMMU_CMDQ_BASE,
		SMMU_CMDQ_BASE + 4, SMMU_CMDQ_PROD, SMMU_CMDQ_CONS, SMMU_EVTQ_BASE,
		SMMU_EVTQ_BASE + 4, SMMU_EVTQ_PROD, SMMU_EVTQ_CONS,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(regs); i++)
		writel(0, power.regs + regs[i]);
	writel(SMMU_GBPA_RESET | SMMU_GBPA_UPDATE, power.regs + SMMU_GBPA);
	writel(~readl(power.regs + SMMU_GERROR) & SMMU_GERROR_ALL,
	       power.regs + SMMU_GERRORN);
	power.lost++;
}

static int power_suspend_noirq(struct device *dev)
{
	if (to_platform_device(dev)->id == SUPPLY) {
		power_try(power.other, power.other_dma);
		power_try(power.mapped, power.mapped_dma);
		power_lose_registers();
		if (power.stray)
			dma_unmap_single(&power.edu->dev, power.gone_dma, PAGE_SIZE,
					 DMA_FROM_DEVICE);
		return 0;
	}

	if (power.stray) {
		power_try(power.other, power.other_dma);
		writel(readl(power.regs + SMMU_GERRORN) ^ SMMU_GERROR_CMDQ,
		       power.regs + SMMU_GERRORN);
	}
	if (power.stuck)
		writel(readl(power.regs + SMMU_CR0) & ~SMMU_CR0_CMDQEN,
		       power.regs + SMMU_CR0);

	return 0;
}

static int power_resume_noirq(struct device *dev)
{
	if (to_platform_device(dev)->id == SUPPLY)
		return 0;

	/* GBPA is for the time without the SMMU's driver. */
	power.arrived += power_write(power.mapped, power.mapped_dma) &&
			 readl(power.regs + SMMU_GBPA) == power.gbpa;
	if (power.stray)
		power_try(power.gone, power.gone_dma);

	return 0;
}

static const struct dev_pm_ops power_pm_ops = {
	NOIRQ_SYSTEM_SLEEP_PM_OPS(power_suspend_noirq, power_resume_noirq)
};

static struct platform_driver power_driver = {
	.driver = {
		.name = KBUILD_MODNAME,
		.pm = &power_pm_ops,
	},
};

/* Without this the PCI core would take bus mastering away in system sleep. */
static const struct dev_pm_ops power_edu_pm_ops = { };

static int power_edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(48));
	if (ret)
		return ret;

	power.bar = pcim_iomap(pdev, 0, 0);
	power.mapped = dmam_alloc_coherent(&pdev->dev, PAGE_SIZE, &power.mapped_dma,
					   GFP_KERNEL);
	power.other = devm_kzalloc(&pdev->dev, PAGE_SIZE, GFP_KERNEL);
	power.gone = devm_kzalloc(&pdev->dev, PAGE_SIZE, GFP_KERNEL);
	if (!power.bar || !power.mapped || !power.other || !power.gone)
		return -ENOMEM;

	/* Where it would get to if nothing was translated */
	power.other_dma = virt_to_phys(power.other);
	pci_set_master(pdev);
	power.edu = pdev;
	*power.mapped = EDU_DATA;
	power_copy(power.mapped_dma, EDU_BUFFER, 0);

	/* What is blocked later is so for a reason. */
	return power_write(power.mapped, power.mapped_dma) ? 0 : -EIO;
}

static const struct pci_device_id power_edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{ }
};

static struct pci_driver power_edu_driver = {
	.name = KBUILD_MODNAME,
	.id_table = power_edu_ids,
	.probe = power_edu_probe,
	.driver.pm = &power_edu_pm_ops,
};

/* What was written once may be cached. */
static int power_debugfs_stray(void *data, u64 stray)
{
	power.stray = stray;
	if (!stray)
		return 0;

	power.gone_dma = dma_map_single(&power.edu->dev, power.gone, PAGE_SIZE,
					DMA_FROM_DEVICE);
	if (dma_mapping_error(&power.edu->dev, power.gone_dma))
		return -EIO;

	return power_write(power.gone, power.gone_dma) ? 0 : -EIO;
}
DEFINE_DEBUGFS_ATTRIBUTE(power_stray_fops, NULL, power_debugfs_stray, "%llu\n");

static int power_debugfs_write(void *data, u64 value)
{
	if (value)
		power_try(power.other, power.other_dma);
	else
		power_try(power.mapped, power.mapped_dma);

	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(power_write_fops, NULL, power_debugfs_write, "%llu\n");

static int power_find_smmu(struct device *dev, const void *data)
{
	return dev->driver && !strcmp(dev->driver->name, "arm-smmu-v3");
}

static int power_surround(struct device *supplier, struct device *consumer)
{
	return device_link_add(consumer, supplier, DL_FLAG_STATELESS) ? 0 : -ENODEV;
}

static int __init power_map_smmu(void)
{
	struct resource *res = platform_get_resource(to_platform_device(power.smmu),
						     IORESOURCE_MEM, 0);

	power.regs = ioremap(res->start, resource_size(res));
	if (!power.regs)
		return -ENOMEM;
	power.gbpa = readl(power.regs + SMMU_GBPA);

	return 0;
}

static void power_unmap_smmu(void)
{
	if (power.regs)
		iounmap(power.regs);
	put_device(power.smmu);
}

static void power_remove_devices(void)
{
	int i;

	for (i = 0; i < DEVICES; i++)
		platform_device_unregister(power.pdevs[i]);
}

static int __init power_add_devices(void)
{
	int i, ret = 0;

	for (i = 0; i < DEVICES && !ret; i++) {
		power.pdevs[i] = platform_device_register_simple(KBUILD_MODNAME, i, NULL, 0);
		ret = PTR_ERR_OR_ZERO(power.pdevs[i]);
	}
	ret = ret ?: power_surround(&power.pdevs[SUPPLY]->dev, power.smmu);
	ret = ret ?: power_surround(power.smmu, &power.pdevs[!SUPPLY]->dev);
	if (ret)
		power_remove_devices();

	return ret;
}

static void __init power_add_debugfs(void)
{
	power.debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_u32("lost", 0400, power.debugfs, &power.lost);
	debugfs_create_u32("leaked", 0400, power.debugfs, &power.leaked);
	debugfs_create_u32("blocked", 0400, power.debugfs, &power.blocked);
	debugfs_create_u32("arrived", 0400, power.debugfs, &power.arrived);
	debugfs_create_file_unsafe("stray", 0200, power.debugfs, NULL, &power_stray_fops);
	debugfs_create_bool("stuck", 0600, power.debugfs, &power.stuck);
	debugfs_create_file_unsafe("write", 0200, power.debugfs, NULL, &power_write_fops);
}

static int __init power_init(void)
{
	int ret;

	power.smmu = bus_find_device(&platform_bus_type, NULL, NULL, power_find_smmu);
	ret = power.smmu ? power_map_smmu() : 0;
	ret = ret ?: pci_register_driver(&power_edu_driver);
	if (ret)
		goto err_smmu;

	ret = power.edu ? platform_driver_register(&power_driver) : -ENODEV;
	if (ret)
		goto err_edu;
	ret = power.smmu ? power_add_devices() : 0;
	if (ret)
		goto err_driver;
	power_add_debugfs();

	return 0;

err_driver:
	platform_driver_unregister(&power_driver);
err_edu:
	pci_unregister_driver(&power_edu_driver);
err_smmu:
	power_unmap_smmu();

	return ret;
}

static void __exit power_exit(void)
{
	debugfs_remove(power.debugfs);
	power_remove_devices();
	platform_driver_unregister(&power_driver);
	pci_unregister_driver(&power_edu_driver);
	power_unmap_smmu();
}

module_init(power_init);
module_exit(power_exit);
MODULE_DESCRIPTION("An SMMUv3 loses its registers in system sleep, while a device does DMA");
MODULE_LICENSE("GPL");
