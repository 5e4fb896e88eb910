// SPDX-License-Identifier: GPL-2.0
/*
 * Watches the noirq phase of system sleep: nothing that the virtio core calls
 * may allocate memory there, but for the driver's own virtqueue_add_*(), and no
 * virtio device may interrupt. What does is logged. Needs CONFIG_KALLSYMS.
 *
 * debugfs has a folder virtio_noirq_test/window, with counts since the module
 * was loaded:
 *
 *   allocations   in the noirq phase below a function of the virtio core or
 *                 transport
 *   adds          tables of indirect descriptors of virtqueue_add_*()
 *   interrupts    of virtio devices, in the noirq phase
 *   interrupts_outside
 *                 the same at other times
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/stacktrace.h>
#include <linux/string.h>

#include "virtio_noirq_probes.h"
#include "virtio_noirq_provider.h"

#define VNW_DEPTH	64

static struct dentry *vnw_debugfs;
static atomic64_t vnw_allocations;
static atomic64_t vnw_adds;
static atomic64_t vnw_interrupts;
static atomic64_t vnw_interrupts_outside;

/* The innermost caller whose name begins with this, or NULL. */
static void *vnw_caller(const unsigned long *stack, unsigned int depth,
			const char *prefix)
{
	char name[32];
	unsigned int i;

	for (i = 0; i < depth; i++) {
		snprintf(name, sizeof(name), "%ps", (void *)stack[i]);
		if (strstarts(name, prefix))
			return (void *)stack[i];
	}
	return NULL;
}

/*
 * What may allocate: a driver that adds buffers, the allocators of memory and of
 * IOVAs for themselves when something is freed, and debug checks that keep a stack
 * or an object of their own.
 */
static bool vnw_allowed(const unsigned long *stack, unsigned int depth)
{
	return vnw_caller(stack, depth, "virtqueue_add") ||
	       vnw_caller(stack, depth, "kfree") ||
	       vnw_caller(stack, depth, "free_iova_fast") ||
	       vnw_caller(stack, depth, "stack_depot_save") ||
	       vnw_caller(stack, depth, "__alloc_object");
}

/*
 * A table of indirect descriptors, by the function that asks for it; a virtio-iommu
 * has requests of its own.
 */
static bool vnw_is_add(unsigned long call_site, const unsigned long *stack,
		       unsigned int depth)
{
	return (vnw_caller(&call_site, 1, "alloc_indirect") ||
		vnw_caller(&call_site, 1, "virtqueue_add")) &&
	       !vnw_caller(stack, depth, "__viommu_add_req");
}

/*
 * The functions of the virtio core and transport that handle the noirq phase
 * begin with virtio_, those of the test driver do not.
 */
static void vnw_allocation(unsigned long call_site)
{
	unsigned long stack[VNW_DEPTH];
	unsigned int depth;
	void *caller;

	if (!READ_ONCE(vnt_in_noirq) || !in_task())
		return;

	depth = stack_trace_save(stack, VNW_DEPTH, 0);
	caller = vnw_caller(stack, depth, "virtio_");
	if (!caller)
		return;
	if (vnw_is_add(call_site, stack, depth))
		atomic64_inc(&vnw_adds);
	if (vnw_allowed(stack, depth))
		return;

	atomic64_inc(&vnw_allocations);
	pr_warn("allocation by %pS in %pS\n", (void *)call_site, caller);
}

static void vnw_kmalloc(void *data, unsigned long call_site, const void *ptr,
			size_t bytes_req, size_t bytes_alloc, gfp_t gfp_flags,
			int node)
{
	vnw_allocation(call_site);
}

static void vnw_kmem_cache_alloc(void *data, unsigned long call_site,
				 const void *ptr, struct kmem_cache *s,
				 gfp_t gfp_flags, int node)
{
	vnw_allocation(call_site);
}

static void vnw_mm_page_alloc(void *data, struct page *page, unsigned int order,
			      gfp_t gfp_flags, int migratetype)
{
	vnw_allocation(0);
}

/* virtio devices request their interrupts under their own name. */
static void vnw_irq_handler_entry(void *data, int irq, struct irqaction *action)
{
	if (!action->name || !strstarts(action->name, "virtio"))
		return;
	if (!READ_ONCE(vnt_in_noirq)) {
		atomic64_inc(&vnw_interrupts_outside);
		return;
	}
	atomic64_inc(&vnw_interrupts);
	pr_warn("interrupt %d of %s\n", irq, action->name);
}

static struct vn_probe vnw_probes[] = {
	{ "kmalloc", vnw_kmalloc },
	{ "kmem_cache_alloc", vnw_kmem_cache_alloc },
	{ "mm_page_alloc", vnw_mm_page_alloc },
	{ "irq_handler_entry", vnw_irq_handler_entry },
};

static int vnw_get(void *data, u64 *value)
{
	*value = atomic64_read(data);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(vnw_counter, vnw_get, NULL, "%llu\n");

static void vnw_debugfs_add(const char *name, atomic64_t *counter)
{
	debugfs_create_file_unsafe(name, 0400, vnw_debugfs, counter,
				   &vnw_counter);
}

static int __init vnw_init(void)
{
	int err;

	err = vn_probes_register(vnw_probes, ARRAY_SIZE(vnw_probes));
	if (err)
		return err;

	vnw_debugfs = debugfs_create_dir("window", vnt_debugfs);
	vnw_debugfs_add("allocations", &vnw_allocations);
	vnw_debugfs_add("adds", &vnw_adds);
	vnw_debugfs_add("interrupts", &vnw_interrupts);
	vnw_debugfs_add("interrupts_outside", &vnw_interrupts_outside);
	return 0;
}
module_init(vnw_init);

static void __exit vnw_exit(void)
{
	debugfs_remove_recursive(vnw_debugfs);
	vn_probes_unregister(vnw_probes, ARRAY_SIZE(vnw_probes));
}
module_exit(vnw_exit);

MODULE_DESCRIPTION("Watch virtio in the noirq phase of system sleep");
MODULE_LICENSE("GPL");
