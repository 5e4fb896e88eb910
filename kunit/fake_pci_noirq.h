/* SPDX-License-Identifier: GPL-2.0 */
/* A driver with noirq callbacks for the device of fake_pci.h. */
#ifndef _FAKE_PCI_NOIRQ_H
#define _FAKE_PCI_NOIRQ_H

#include "fake_pci.h"

/* Of drivers/virtio/virtio_pci_common.h */
int vp_modern_admin_cmd_exec(struct virtio_device *vdev, struct virtio_admin_cmd *cmd);

static inline int driver_note_freeze(struct virtio_device *vdev)
{
	return vpci_call(vdev, "freeze");
}

static inline int driver_freeze_noirq(struct virtio_device *vdev)
{
	return vpci_call(vdev, "freeze_noirq");
}

static inline int driver_restore_noirq(struct virtio_device *vdev)
{
	return vpci_call(vdev, "restore_noirq");
}

static inline int driver_note_restore(struct virtio_device *vdev)
{
	return vpci_call(vdev, "restore");
}

/* Before it is registered */
static inline void driver_use_noirq(struct vpci *pci)
{
	pci->drv.freeze = driver_note_freeze;
	pci->drv.freeze_noirq = driver_freeze_noirq;
	pci->drv.restore_noirq = driver_restore_noirq;
	pci->drv.restore = driver_note_restore;
}

#endif /* _FAKE_PCI_NOIRQ_H */
