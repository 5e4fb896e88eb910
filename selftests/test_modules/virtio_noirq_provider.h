/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What virtio_noirq_test offers to other test modules that use its devices.
 *
 * Prefixes of the symbols in this folder, each with the module it stands for:
 *
 *   vnt_   virtio_noirq_test: the drivers under test; offered to the others
 *   vnp_   virtio_noirq_peers: consumer and supplier of one of their devices
 *   vnw_   virtio_noirq_window: counts what must not happen in the noirq phase
 *   vnb_   virtio_bench: measures drivers; offered to virtio_noirq_bench
 *   vnrb_  virtio_noirq_bench: a driver to measure, in the noirq phase
 *   vn_    virtio_noirq_probes.h: no module, tracepoints for those who watch
 */

#ifndef VIRTIO_NOIRQ_PROVIDER_H
#define VIRTIO_NOIRQ_PROVIDER_H

#include <linux/types.h>

struct dentry;
struct device;

/* The folder of the test modules in debugfs. */
extern struct dentry *vnt_debugfs;

/* Whether the PM core is in its noirq phase. */
extern bool vnt_in_noirq;

struct vnt_stats {
	u64 requests;
	u64 noirq_requests;
	u64 bytes;
	u64 mismatches;
	u64 errors;
};

/* A device by name, with a reference that the caller puts, or NULL. */
struct device *vnt_provider_get(const char *name);

/* Reads so many sectors, by polling, and compares them. */
int vnt_provider_read(struct device *dev, struct vnt_stats *stats,
		      unsigned int count);

/* Asks the host for another size of the disk, and waits until it has it. */
int vnt_provider_resize(struct device *dev, u64 sectors);

void vnt_debugfs_stats(const char *name, struct dentry *parent,
		       struct vnt_stats *stats);

#endif /* VIRTIO_NOIRQ_PROVIDER_H */
