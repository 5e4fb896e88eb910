/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An SMMUv3 for KUnit tests of its driver, whose code is part of the test: registers
 * that logic_iomem emulates, the queues in memory, and a platform device. See Arm IHI
 * 0070.
 *
 * It answers as soon as a register is written, unless a test makes it deaf, and
 * ignores and counts writes that it may ignore. After each write it looks what would
 * become of a transaction of a device behind it.
 */
#ifndef _FAKE_SMMU_H
#define _FAKE_SMMU_H

#include <linux/acpi_iort.h>
#include <linux/delay.h>
#include <linux/io-pgtable.h>
#include <linux/iopoll.h>
#include <linux/logic_iomem.h>
#include <linux/mmu_notifier.h>
#include <linux/of.h>
#include <linux/pci-ats.h>
#include <linux/platform_device.h>
#include <linux/suspend.h>

#include "record.h"
#include "sleep.h"

/*
 * The driver, as one file with the test that does not register itself. Its device has
 * a node without properties. CONFIG_PCI_PRI as such would have most of UML built anew.
 */
#ifndef CONFIG_PCI_PRI
#define CONFIG_PCI_PRI 1
#endif
/* What UML does not have of arm64 */
#define __iomb()	mb()
#define wfe()		cpu_relax()
#define VA_BITS		48
#define ARM64_HAS_VIRT_HOST_EXTN	0

static inline bool cpus_have_cap(unsigned int cap)
{
	return false;
}

static inline int hw_property(const struct device_node *np, const char *name, u32 *value)
{
	*value = 1;

	return 0;
}

/* Time does not go on by itself where interrupts are off in time travel. */
static u64 hw_waited_us;

static inline void hw_udelay(unsigned int us)
{
	hw_waited_us += us;
}

static inline ktime_t hw_now(void)
{
	return ktime_add_us(ktime_get(), hw_waited_us);
}

/* Where another CPU could be: what a test has there runs there, once. */
static void (*hw_barrier)(void), (*hw_grace_period)(void);

static inline void hw_meet(void (**other)(void))
{
	void (*fn)(void) = *other;

	*other = NULL;
	if (fn)
		fn();
}

/* Who reads is counted: without preemption, RCU would not tell. */
static unsigned int hw_readers;

static inline void hw_read_lock(void)
{
	rcu_read_lock();
	hw_readers++;
}

static inline void hw_read_unlock(void)
{
	hw_readers--;
	rcu_read_unlock();
}

DEFINE_LOCK_GUARD_0(hw_rcu, hw_read_lock(), hw_read_unlock())

/* The master of a test is no PCI device, but for this. */
static struct pci_dev *hw_pci;
static struct pci_dev *hw_physfn;

/* What firmware has reserved, for nobody who has a stream */
static struct iommu_iort_rmr_data hw_rmr;
static bool hw_has_rmr;

static inline void hw_get_rmrs(struct fwnode_handle *fwnode, struct list_head *head)
{
	if (hw_has_rmr)
		list_add(&hw_rmr.rr.list, head);
}

static suspend_state_t hw_sleep_state;

static inline int hw_set_ats(struct pci_dev *pdev, bool on);

#define pci_enable_ats(pdev, stu)	({ (void)(stu); hw_set_ats(pdev, true); })
#define pci_disable_ats(pdev)		hw_set_ats(pdev, false)
#define of_property_read_u32(np, name, value)	hw_property(np, name, value)
#undef smp_mb
/* A barrier as the driver's, and what another CPU does meanwhile */
#define smp_mb()	do { mb(); hw_meet(&hw_barrier); } while (0)
#define synchronize_rcu()	hw_meet(&hw_grace_period)
#define class_rcu_t		class_hw_rcu_t
#define class_rcu_constructor	class_hw_rcu_constructor
#define class_rcu_destructor	class_hw_rcu_destructor
#undef to_pci_dev
#define to_pci_dev(n)	(hw_pci ?: container_of(n, struct pci_dev, dev))
#define pci_physfn(pdev)	(hw_physfn ?: (pdev))
#undef udelay
#define udelay(us)	hw_udelay(us)
#define ktime_get()	hw_now()
#define iort_get_rmr_sids(fwnode, head)	hw_get_rmrs(fwnode, head)
#undef pm_suspend_target_state
#define pm_suspend_target_state	hw_sleep_state
#undef module_driver
#define module_driver(drv, ...)

#include "arm-smmu-v3.c"

#undef pci_enable_ats
#undef pci_disable_ats
#undef of_property_read_u32
#undef to_pci_dev
#undef pci_physfn
#undef class_rcu_t
#undef class_rcu_constructor
#undef class_rcu_destructor
#undef synchronize_rcu
#undef udelay
#undef ktime_get

#define HW_BASE			0xd0100000
#define HW_QUEUE_SHIFT		7
#define HW_SIDS_SHIFT		6
#define HW_CMDQ_SHIFT		8
#define HW_SID			1
/* So many events that nobody waits for their end */
#define HW_STORM		1000
/* Looks at a queue that does not move, by one that would go on for ever */
#define HW_FOR_EVER		SZ_128K

/* What has to be invalidated before it translates again */
#define HW_STALE_CONFIG		BIT(0)
#define HW_STALE_TLB		BIT(1)
#define HW_STALE_EL2		BIT(2)

/* What a reset leaves in GBPA, but for ABORT */
#define HW_GBPA			0x1000

static u32 hw_gbpa = HW_GBPA;
/* An error that another kernel left behind */
static u32 hw_gerror;

static struct hw {
	struct platform_device *pdev;
	struct device_node node;
	struct fwnode_handle fwnode;
	u32 regs[2][SZ_4K / sizeof(u32)];

	/* Registers whose writes are not acknowledged, by bits, or not at all */
	u32 deaf_cr0;
	bool deaf_irq_ctrl;
	bool deaf_gbpa;
	/* Commands are not consumed. */
	bool stuck;
	/* It is in service failure mode, until it loses its power. */
	bool failed;
	/* It does nothing from the next command on. */
	bool hangs;
	/* Commands are consumed when somebody waits for them. */
	bool lazy;
	/* Another event comes whenever one was read, as long as it translates. */
	bool storm;
	unsigned int events;

	u64 table;
	u32 stale;
	/* What a transaction came to after a write; writes that it ignores */
	bool passed;
	bool mistranslated;
	unsigned int ignored;
	/* In the queues of events when these were switched off */
	unsigned int lost_events;
	unsigned int commands;
	/* Those of the command queue that are errors */
	u8 illegal;
	/* Somebody looked whether the queue moves, since the last write; and would still */
	unsigned int looks;
	bool for_ever;
	/* Answers to requests for pages; invalidations of the ATC of HW_SID, in it an entry */
	unsigned int answers;
	bool atc;
	/* ATS was switched on or off where it was so; on where translation ended */
	unsigned int ats_again;
	unsigned int ats_cut;
	/* The last command was issued where suspend waits for it. */
	bool guarded;
	/* Callbacks of an implementation */
	unsigned int impl_calls;
	u64 log_start;
} hw;

/* The registers */

static inline u32 *hw_reg(unsigned int offset)
{
	return &hw.regs[offset >= SZ_64K][offset % SZ_64K / sizeof(u32)];
}

static inline u64 hw_reg64(unsigned int offset)
{
	return *hw_reg(offset) | (u64)*hw_reg(offset + sizeof(u32)) << 32;
}

static inline bool hw_enabled(u32 what)
{
	return *hw_reg(ARM_SMMU_CR0ACK) & what;
}

/* What becomes of a transaction now */
static inline const char *hw_transaction(void)
{
	if (hw.failed)
		return "aborted";
	if (!hw_enabled(CR0_SMMUEN))
		return *hw_reg(ARM_SMMU_GBPA) & GBPA_ABORT ? "aborted" : "passed";
	if (hw_reg64(ARM_SMMU_STRTAB_BASE) != hw.table ||
	    FIELD_GET(STRTAB_BASE_CFG_LOG2SIZE,
		      *hw_reg(ARM_SMMU_STRTAB_BASE_CFG)) != HW_SIDS_SHIFT)
		return "by another table";

	return hw.stale ? "by what was" : "translated";
}

/* The queues */

static inline u64 *hw_entry(u64 base, u32 index, unsigned int dwords)
{
	u32 mask = BIT(FIELD_GET(Q_BASE_LOG2SIZE, base)) - 1;
	u64 *entries = phys_to_virt(base & Q_BASE_ADDR_MASK);

	return entries + (index & mask) * dwords;
}

static inline u32 hw_next(u64 base, u32 index)
{
	return (index + 1) & (BIT(FIELD_GET(Q_BASE_LOG2SIZE, base) + 1) - 1);
}

static inline bool hw_has_error(void)
{
	return (*hw_reg(ARM_SMMU_GERROR) ^ *hw_reg(ARM_SMMU_GERRORN)) &
	       GERROR_CMDQ_ERR;
}

static inline void hw_command(u64 command)
{
	u8 op = command & CMDQ_0_OP;

	hw.commands++;
	/* These it ignores unless it translates. */
	if (op == CMDQ_OP_PRI_RESP && hw_enabled(CR0_SMMUEN))
		hw.answers++;
	else if (op == CMDQ_OP_ATC_INV && hw_enabled(CR0_SMMUEN) &&
		 FIELD_GET(CMDQ_ATC_0_SID, command) == HW_SID)
		hw.atc = false;
	else if (op == CMDQ_OP_CFGI_ALL)
		hw.stale &= ~HW_STALE_CONFIG;
	else if (op == CMDQ_OP_TLBI_NSNH_ALL)
		hw.stale &= ~HW_STALE_TLB;
	else if (op == CMDQ_OP_TLBI_EL2_ALL)
		hw.stale &= ~HW_STALE_EL2;
}

/* Whether the last command in the queue is one that somebody waits for */
static inline bool hw_is_awaited(u64 base)
{
	u64 *last = hw_entry(base, *hw_reg(ARM_SMMU_CMDQ_PROD) - 1, CMDQ_ENT_DWORDS);

	return (*last & CMDQ_0_OP) == CMDQ_OP_CMD_SYNC;
}

static inline void hw_consume(void)
{
	u64 base = hw_reg64(ARM_SMMU_CMDQ_BASE);
	u32 *cons = hw_reg(ARM_SMMU_CMDQ_CONS);
	u64 command;

	if (hw.lazy && hw_enabled(CR0_CMDQEN) && !hw_is_awaited(base))
		return;

	while (hw_enabled(CR0_CMDQEN) && !hw.stuck && !hw.failed && !hw_has_error()) {
		*cons &= ~CMDQ_CONS_ERR;
		if (*cons == *hw_reg(ARM_SMMU_CMDQ_PROD))
			return;

		command = *hw_entry(base, *cons, CMDQ_ENT_DWORDS);
		if ((command & CMDQ_0_OP) == hw.illegal) {
			*cons |= FIELD_PREP(CMDQ_CONS_ERR, CMDQ_ERR_CERROR_ILL_IDX);
			*hw_reg(ARM_SMMU_GERROR) ^= GERROR_CMDQ_ERR;
			return;
		}
		hw_command(command);
		*cons = hw_next(base, *cons);
	}
}

/* Report a translation fault, if it may. */
static inline void hw_event(void)
{
	u64 base = hw_reg64(ARM_SMMU_EVTQ_BASE);
	u32 *prod = hw_reg(ARM_SMMU_EVTQ_PROD + SZ_64K);
	u64 *entry = hw_entry(base, *prod, EVTQ_ENT_DWORDS);

	if (!hw_enabled(CR0_EVTQEN))
		return;

	hw.events++;
	memset(entry, 0, EVTQ_ENT_DWORDS * sizeof(u64));
	*entry = FIELD_PREP(EVTQ_0_ID, EVT_ID_TRANSLATION_FAULT);
	*prod = hw_next(base, *prod);
}

/* Ask for a page. */
static inline void hw_page_request(void)
{
	u64 base = hw_reg64(ARM_SMMU_PRIQ_BASE);
	u32 *prod = hw_reg(ARM_SMMU_PRIQ_PROD + SZ_64K);

	if (!hw_enabled(CR0_PRIQEN))
		return;

	memset(hw_entry(base, *prod, PRIQ_ENT_DWORDS), 0,
	       PRIQ_ENT_DWORDS * sizeof(u64));
	*hw_entry(base, *prod, PRIQ_ENT_DWORDS) = PRIQ_0_PRG_LAST;
	*prod = hw_next(base, *prod);
}

static inline unsigned int hw_unread(void)
{
	return (*hw_reg(ARM_SMMU_EVTQ_PROD + SZ_64K) !=
		*hw_reg(ARM_SMMU_EVTQ_CONS + SZ_64K)) +
	       (*hw_reg(ARM_SMMU_PRIQ_PROD + SZ_64K) !=
		*hw_reg(ARM_SMMU_PRIQ_CONS + SZ_64K));
}

/* Writes */

/* What may be written only while this is off, in CR0 or IRQ_CTRL */
static inline bool hw_ignores(unsigned int offset)
{
	u32 irqs = *hw_reg(ARM_SMMU_IRQ_CTRLACK);

	switch (offset) {
	case ARM_SMMU_IDR0 ... ARM_SMMU_IIDR:
		return true;
	case ARM_SMMU_CR1:
	case ARM_SMMU_CR2:
	case ARM_SMMU_STRTAB_BASE ... ARM_SMMU_STRTAB_BASE_CFG:
		return hw_enabled(CR0_SMMUEN);
	case ARM_SMMU_CMDQ_BASE ... ARM_SMMU_CMDQ_BASE + 4:
	case ARM_SMMU_CMDQ_CONS:
		return hw_enabled(CR0_CMDQEN);
	case ARM_SMMU_EVTQ_BASE ... ARM_SMMU_EVTQ_BASE + 4:
	case ARM_SMMU_EVTQ_PROD + SZ_64K:
		return hw_enabled(CR0_EVTQEN);
	case ARM_SMMU_PRIQ_BASE ... ARM_SMMU_PRIQ_BASE + 4:
	case ARM_SMMU_PRIQ_PROD + SZ_64K:
		return hw_enabled(CR0_PRIQEN);
	case ARM_SMMU_GERROR_IRQ_CFG0 ... ARM_SMMU_GERROR_IRQ_CFG2:
		return irqs & IRQ_CTRL_GERROR_IRQEN;
	case ARM_SMMU_EVTQ_IRQ_CFG0 ... ARM_SMMU_EVTQ_IRQ_CFG2:
		return irqs & IRQ_CTRL_EVTQ_IRQEN;
	default:
		return false;
	}
}

/* Up to the end, it fetches what may be unmapped as soon as it has it. */
static inline int hw_set_ats(struct pci_dev *pdev, bool on)
{
	hw.ats_again += pdev->ats_enabled == on;
	pdev->ats_enabled = on;
	hw.atc |= !on;

	return 0;
}

/* What changes in memory from now on it does not know. */
static inline void hw_stop_translating(void)
{
	hw.ats_cut += hw_pci && hw_pci->current_state == PCI_D0 && hw_pci->ats_enabled;
	hw.stale = HW_STALE_CONFIG | HW_STALE_TLB;
	if (*hw_reg(ARM_SMMU_IDR0) & IDR0_HYP)
		hw.stale |= HW_STALE_EL2;
}

static inline void hw_write_cr0(u32 value)
{
	u32 *ack = hw_reg(ARM_SMMU_CR0ACK);
	u32 before = *ack;

	*ack = (before & hw.deaf_cr0) | (value & ~hw.deaf_cr0);
	if (before & ~*ack & CR0_SMMUEN)
		hw_stop_translating();
}

static inline void hw_write_reg(unsigned int offset, u32 value)
{
	hw.looks = 0;
	if (hw_ignores(offset)) {
		hw.ignored++;
		return;
	}

	if (offset == ARM_SMMU_CMDQ_PROD) {
		hw.guarded = hw_readers;
		if (hw.hangs) {
			hw.stuck = true;
			hw.deaf_gbpa = true;
			hw.deaf_cr0 = U32_MAX;
		}
	}
	hw.ignored += offset == ARM_SMMU_CMDQ_CONS && value & CMDQ_CONS_ERR;
	if (offset == ARM_SMMU_EVTQ_PROD + SZ_64K || offset == ARM_SMMU_PRIQ_PROD + SZ_64K)
		hw.lost_events += hw_unread();
	if (offset == ARM_SMMU_GBPA)
		value = hw.deaf_gbpa ? *hw_reg(offset) | GBPA_UPDATE :
				       value & ~GBPA_UPDATE;
	*hw_reg(offset) = value;
	if (offset == ARM_SMMU_CR0)
		hw_write_cr0(value);
	else if (offset == ARM_SMMU_IRQ_CTRL && !hw.deaf_irq_ctrl)
		*hw_reg(ARM_SMMU_IRQ_CTRLACK) = value;
	if (offset == ARM_SMMU_EVTQ_CONS + SZ_64K && hw.storm &&
	    hw_enabled(CR0_SMMUEN) && hw.events < HW_STORM)
		hw_event();
	hw_consume();

	hw.passed |= !strcmp(hw_transaction(), "passed");
	hw.mistranslated |= !strncmp(hw_transaction(), "by", 2);
}

/* Let go whom nothing else would. */
static inline void hw_look(void)
{
	if (++hw.looks < HW_FOR_EVER)
		return;

	hw.for_ever = true;
	*hw_reg(ARM_SMMU_CMDQ_CONS) = *hw_reg(ARM_SMMU_CMDQ_PROD);
}

static inline unsigned long fake_read(void *priv, unsigned int offset, int size)
{
	if (offset == ARM_SMMU_CMDQ_CONS)
		hw_look();

	return size == sizeof(u64) ? hw_reg64(offset) : *hw_reg(offset);
}

static inline void fake_write(void *priv, unsigned int offset, int size,
			      unsigned long value)
{
	hw_write_reg(offset, value);
	if (size == sizeof(u64))
		hw_write_reg(offset + sizeof(u32), value >> 32);
}

static const struct logic_iomem_ops hw_ops = {
	.read = fake_read,
	.write = fake_write,
};

static inline long fake_map(unsigned long offset, size_t size,
			    const struct logic_iomem_ops **ops, void **priv)
{
	*ops = &hw_ops;

	return offset;
}

static const struct logic_iomem_region_ops hw_region_ops = {
	.map = fake_map,
};

static struct resource hw_region =
	DEFINE_RES_MEM_NAMED(HW_BASE, SZ_128K, KBUILD_MODNAME);

/* Out of reset: nothing but the ID registers. */
static inline void hw_lose_power(void)
{
	u32 idr[(ARM_SMMU_IIDR - ARM_SMMU_IDR0) / sizeof(u32) + 1];

	hw.lost_events += hw_unread();
	memcpy(idr, hw_reg(ARM_SMMU_IDR0), sizeof(idr));
	memset(hw.regs, 0, sizeof(hw.regs));
	memcpy(hw_reg(ARM_SMMU_IDR0), idr, sizeof(idr));
	*hw_reg(ARM_SMMU_GBPA) = hw_gbpa;
	hw.failed = false;
	hw_stop_translating();
}

/* An error that nobody has acknowledged: no command is fetched. */
static inline void hw_raise_error(void)
{
	*hw_reg(ARM_SMMU_GERROR) ^= GERROR_CMDQ_ERR;
}

/* Service failure mode: an interrupt, that may come or not, says so. */
static inline void hw_fail_service(void)
{
	hw.failed = true;
	*hw_reg(ARM_SMMU_GERROR) ^= GERROR_SFM_ERR;
}

/* The driver */

static inline struct arm_smmu_device *hw_smmu(void)
{
	return platform_get_drvdata(hw.pdev);
}

static inline int hw_call(size_t op)
{
	return sleep_call(&hw.pdev->dev, arm_smmu_driver.driver.pm, op);
}

static inline int hw_suspend(void)
{
	return hw_call(offsetof(const struct dev_pm_ops, suspend_noirq));
}

static inline int hw_resume(void)
{
	return hw_call(offsetof(const struct dev_pm_ops, resume_noirq));
}

/* It does what it shall from now on. */
static inline void hw_heal(void)
{
	hw.hangs = false;
	hw.deaf_cr0 = 0;
	hw_write_cr0(*hw_reg(ARM_SMMU_CR0));
	hw.deaf_irq_ctrl = false;
	hw.deaf_gbpa = false;
	*hw_reg(ARM_SMMU_GBPA) &= ~GBPA_UPDATE;
	hw.stuck = false;
	hw_consume();
}

static inline void hw_init(struct kunit *test, u32 features)
{
	struct resource res = DEFINE_RES_MEM(HW_BASE, SZ_128K);

	memset(&hw, 0, sizeof(hw));
	*hw_reg(ARM_SMMU_IDR0) = IDR0_S1P | IDR0_ASID16 | features |
				 FIELD_PREP(IDR0_TTF, IDR0_TTF_AARCH64) |
				 FIELD_PREP(IDR0_TTENDIAN, IDR0_TTENDIAN_LE);
	*hw_reg(ARM_SMMU_IDR1) = FIELD_PREP(IDR1_CMDQS, HW_CMDQ_SHIFT) |
				 FIELD_PREP(IDR1_EVTQS, HW_QUEUE_SHIFT) |
				 FIELD_PREP(IDR1_PRIQS, HW_QUEUE_SHIFT) |
				 FIELD_PREP(IDR1_SIDSIZE, HW_SIDS_SHIFT);
	*hw_reg(ARM_SMMU_IDR5) = IDR5_GRAN4K | FIELD_PREP(IDR5_OAS, IDR5_OAS_44_BIT);
	*hw_reg(ARM_SMMU_GBPA) = hw_gbpa;
	*hw_reg(ARM_SMMU_GERROR) = hw_gerror;
	hw_stop_translating();
	hw.illegal = U8_MAX;
	hw.log_start = kernel_log_end();

	fwnode_init(&hw.fwnode, NULL);
	hw.pdev = platform_device_alloc(arm_smmu_driver.driver.name, PLATFORM_DEVID_NONE);
	KUNIT_ASSERT_NOT_NULL(test, hw.pdev);
	of_node_init(&hw.node);
	hw.node.full_name = "smmu";
	hw.pdev->dev.of_node = &hw.node;
	hw.pdev->dev.fwnode = &hw.fwnode;
	KUNIT_ASSERT_EQ(test, platform_device_add_resources(hw.pdev, &res, 1), 0);
	KUNIT_ASSERT_EQ(test, platform_device_add(hw.pdev), 0);
	KUNIT_ASSERT_NOT_NULL(test, hw_smmu());

	hw.table = hw_reg64(ARM_SMMU_STRTAB_BASE);
	hw.passed = false;
	hw.mistranslated = false;
	KUNIT_ASSERT_STREQ(test, hw_transaction(), "translated");
}

static inline void hw_exit(struct kunit *test)
{
	hw_gerror = 0;
	if (!hw.pdev)
		return;

	hw_barrier = NULL;
	hw_grace_period = NULL;
	hw_heal();
	KUNIT_EXPECT_EQ(test, hw.ignored, 0);
	KUNIT_EXPECT_FALSE(test, hw.for_ever);
	KUNIT_EXPECT_FALSE(test, hw.passed);
	KUNIT_EXPECT_FALSE(test, hw.mistranslated);
	KUNIT_EXPECT_EQ(test, hw.lost_events, 0);
	/* It is as any other device without a node. */
	hw.pdev->dev.of_node = NULL;
	platform_device_unregister(hw.pdev);
	hw.pdev = NULL;
}

/* A region cannot be removed again. */
static inline int hw_suite_init(struct kunit_suite *suite)
{
	int ret = hw_region.parent ?
		  0 : logic_iomem_add_region(&hw_region, &hw_region_ops);

	return ret ?: platform_driver_register(&arm_smmu_driver);
}

static inline void hw_suite_exit(struct kunit_suite *suite)
{
	arm_smmu_driver_unregister(&arm_smmu_driver);
}

#endif /* _FAKE_SMMU_H */
