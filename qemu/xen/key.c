/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Test only: the key 'S' suspends and resumes the IOMMU, with domains paused and
 * interrupts off, and waits for the next key, whichever, at each step. scripts/build
 * puts it behind Xen's keyhandler.c.
 */
#include <xen/iommu.h>
#include <xen/serial.h>
#include <asm/flushtlb.h>

static void iommu_test_step(const char *what, int rc)
{
    printk("IOMMU test: %s (%d)\n", what, rc);
    serial_getc(SERHND_DTUART);
    /* The host may have changed what Xen maps. */
    flush_xen_tlb_local();
}

static void iommu_test(unsigned char key)
{
    struct domain *d;
    unsigned long flags;
    int rc;

    rcu_read_lock(&domlist_read_lock);
    for_each_domain ( d )
        domain_pause(d);
    local_irq_save(flags);

    iommu_test_step("interrupts off", 0);
    rc = iommu_suspend();
    iommu_test_step("suspended", rc);
    if ( !rc )
    {
        iommu_resume();
        iommu_test_step("resumed", 0);
    }

    local_irq_restore(flags);
    for_each_domain ( d )
        domain_unpause(d);
    rcu_read_unlock(&domlist_read_lock);
    printk("IOMMU test: interrupts on (0)\n");
}

static int __init iommu_test_init(void)
{
    register_keyhandler('S', iommu_test, "suspend and resume the IOMMU", 0);

    return 0;
}
__initcall(iommu_test_init);
