/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtio device on PCI for KUnit tests: a function on the bus that the PCI code
 * of UML has for such fakes, and a driver.
 *
 * The device does what the virtio specification asks, section 4.1, behind the
 * modern interface or the legacy one. It has MSI-X or INTx, and a power management
 * capability or none: back from D3hot it has forgotten all it can, as the PCI
 * specification allows. It only answers, and only interrupts, as far as it was
 * set up, down to the bit that lets it master the bus. What a driver must not do
 * is counted.
 *
 * The registers of a real legacy device are in a BAR for I/O ports. UML has none:
 * here they are in one for memory, which virtio-pci does not mind.
 */
#ifndef _FAKE_PCI_H
#define _FAKE_PCI_H

#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/ktime.h>
#include <linux/pci.h>
#include <linux/pm.h>
#include <linux/scatterlist.h>
#include <linux/suspend.h>
#include <linux/unaligned.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_pci_modern.h>
#include <linux/virtio_ring.h>

#include <kunit/test.h>

#include "record.h"
#include "sleep.h"
#include "virt-pci.h"

#define VPCI_VIRTIO_ID		0x3e
#define VPCI_QUEUE_SIZE		8
#define VPCI_VECTORS		4
#define VPCI_NEVER		(60 * MSEC_PER_SEC)
/* More reads than anybody needs who does not wait for ever */
#define VPCI_PATIENCE		500
/* A bit of the ISR, 4.1.4.5; VIRTIO_PCI_ISR_CONFIG is the other one. */
#define VPCI_ISR_QUEUE		BIT(0)
#define VPCI_ANSWER		0xa5
#define VPCI_ADMIN_COMMANDS	(BIT(VIRTIO_ADMIN_CMD_LIST_QUERY) | \
				 BIT(VIRTIO_ADMIN_CMD_LIST_USE) | \
				 BIT(VIRTIO_ADMIN_CMD_CAP_ID_LIST_QUERY))
/* How long the device takes to answer */
#define VPCI_ANSWER_NS		(10 * NSEC_PER_USEC)

/* The queues of the driver, the one after them for admin commands, and one to spare */
enum {
	VPCI_FIRST, VPCI_SECOND, VPCI_QUIET, VPCI_ADMIN, VPCI_SPARE, VPCI_QUEUES
};

/* Where things are: what is modern in one BAR, MSI-X in another one. */
#define VPCI_LEGACY_BAR		0
#define VPCI_MSIX_BAR		1
#define VPCI_MODERN_BAR		4
#define VPCI_BAR_SIZE		0x10000
#define VPCI_ISR		0x1000
#define VPCI_DEVICE		0x2000
#define VPCI_NOTIFY		0x8000
#define VPCI_NOTIFY_STEP	4
/* So far apart that each queue is mapped by itself */
#define VPCI_NOTIFY_PAGE	0x1000
#define VPCI_PBA		0x800

#define VPCI_LIVE		(VIRTIO_CONFIG_S_ACKNOWLEDGE | \
				 VIRTIO_CONFIG_S_DRIVER | \
				 VIRTIO_CONFIG_S_DRIVER_OK)

struct vpci;
struct vpci_failure;

/* What kind of device it is, and what a test is run with. */
struct vpci_param {
	const char *desc;
	bool legacy;
	/* How many MSI-X vectors; without any, it has INTx. */
	u16 vectors;
	bool has_pm;
	bool no_soft_reset;
	bool has_admin;
	bool no_config;
	bool page_per_vq;
	/* Power is lost in suspend, or the function stays in a state of its own. */
	bool loses_power;
	const struct sleep_ops *sleep;
	const struct vpci_failure *failure;
	/* The step of the cycle after which the driver is unbound */
	int (*unbound_after)(struct vpci *pci);
};

struct vpci_queue {
	u16 size_max;
	u16 notify_off;
	u16 size;
	u16 vector;
	bool enabled;
	u64 desc;
	u64 driver;
	u64 device;
	/* How far the device is in the ring */
	u16 avail;
	u16 used;
};

struct vpci {
	struct um_pci_device um;
	const struct vpci_param *param;
	struct pci_dev *pdev;

	/* The driver. One of its queues has no name, and so no index. */
	struct virtio_driver drv;
	struct virtio_device *vdev;
	struct virtqueue *vqs[VPCI_QUEUES];
	int probe_err;
	u8 buffer[16];
	unsigned int called;
	unsigned int config_changes;

	/* Configuration space, and which of its bits can be written */
	u8 config[PCI_CFG_SPACE_SIZE];
	u8 writable[PCI_CFG_SPACE_SIZE];
	u8 bars[6 * 4];
	u8 *cap_link;
	u8 cap_end;
	u8 pm_cap;
	u8 msix_cap;
	u32 msix[VPCI_VECTORS][PCI_MSIX_ENTRY_SIZE / 4];

	/* The registers */
	u8 status;
	u8 isr;
	u16 queue_select;
	u16 config_vector;
	u32 device_feature_select;
	u32 driver_feature_select;
	u64 offered;
	u64 accepted;
	struct vpci_queue queues[VPCI_QUEUES];

	/* Notifications that the device has not looked at yet, and answers */
	struct hrtimer timer;
	unsigned int notified;
	unsigned int answered;
	unsigned int admin_commands;
	/* Which queue is for admin commands, the one after all others, and if there is one */
	u16 admin;
	u16 admins;

	/* How long a reset takes, and what the device does that it must not. */
	unsigned int reset_ms;
	bool all_ones;
	/* Unplugged: configuration space reads as all ones, too. */
	bool gone;
	/* After so many reads of all ones it is back, so that nobody waits for ever. */
	unsigned int patience;
	bool keeps_queues;
	bool refuses_features;
	bool refuses_config_vector;
	unsigned int refuses_vector_of;

	/* What a device makes of a status that is written. */
	u8 (*answer)(struct vpci *pci, u8 status);

	/* A reset under way, and what was written meanwhile. */
	bool resetting;
	ktime_t reset_end;
	unsigned int hasty;

	unsigned int config_reads;

	/* Accesses that reached nobody, and those that are against the rules */
	unsigned int lost;
	unsigned int wrong;

	/* What happened to the device, and to its function. */
	struct record record;
	struct record wanted;
	struct record bus;
	u64 log_start;
	const struct sleep_ops *sleep;

	/* What shall happen in the callback of this name. */
	const char *at;
	int (*then)(struct vpci *pci);
};

static inline struct vpci *to_vpci(struct virtio_device *vdev)
{
	return container_of(drv_to_virtio(vdev->dev.driver), struct vpci, drv);
}

static inline struct vpci *um_to_vpci(struct um_pci_device *um)
{
	return container_of(um, struct vpci, um);
}

static inline bool vpci_has_admin(struct vpci *pci)
{
	return pci->accepted & BIT_ULL(VIRTIO_F_ADMIN_VQ);
}

static inline u16 vpci_command(struct vpci *pci)
{
	return pci->config[PCI_COMMAND] | pci->config[PCI_COMMAND + 1] << 8;
}

static inline u8 vpci_power_state(struct vpci *pci)
{
	return pci->pm_cap ?
	       pci->config[pci->pm_cap + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK : 0;
}

static inline u8 vpci_live_status(struct vpci *pci)
{
	return pci->param->legacy ?
	       VPCI_LIVE : VPCI_LIVE | VIRTIO_CONFIG_S_FEATURES_OK;
}

/*
 * The device: interrupts
 */

/* Memory decoding and bus mastering: neither in D3hot */
static inline bool vpci_may(struct vpci *pci, u16 what)
{
	return !vpci_power_state(pci) && (vpci_command(pci) & what);
}

static inline void vpci_msix_interrupt(struct vpci *pci, u16 vector)
{
	u8 control = pci->config[pci->msix_cap + PCI_MSIX_FLAGS + 1];
	u32 *entry;

	/* "If it is NO_VECTOR, no interrupt is sent", 4.1.5.3 and 4.1.5.4 */
	if (vector >= pci->param->vectors)
		return;

	entry = pci->msix[vector];
	if ((control & (PCI_MSIX_FLAGS_ENABLE >> 8)) &&
	    !(control & (PCI_MSIX_FLAGS_MASKALL >> 8)) &&
	    !(entry[PCI_MSIX_ENTRY_VECTOR_CTRL / 4] & PCI_MSIX_ENTRY_CTRL_MASKBIT))
		generic_handle_irq_safe(entry[PCI_MSIX_ENTRY_DATA / 4]);
}

static inline void vpci_interrupt(struct vpci *pci, u16 vector, u8 isr)
{
	if (pci->param->vectors) {
		if (vpci_may(pci, PCI_COMMAND_MASTER))
			vpci_msix_interrupt(pci, vector);
		return;
	}

	pci->isr |= isr;
	if (!(vpci_command(pci) & PCI_COMMAND_INTX_DISABLE))
		generic_handle_irq_safe(pci->um.irq);
}

static inline void vpci_change_config(struct vpci *pci)
{
	vpci_interrupt(pci, pci->config_vector, VIRTIO_PCI_ISR_CONFIG);
}

/*
 * The device: split virtqueues, section 2.7
 */

static inline void *vpci_memory(struct vpci *pci, const struct vring_desc *desc)
{
	return phys_to_virt(virtio64_to_cpu(pci->vdev, desc->addr));
}

/* Fill what the device may write, and return how much and what came last. */
static inline u32 vpci_fill_chain(struct vpci *pci, struct vring_desc *table,
				  u16 head, u8 value, void **last)
{
	struct vring_desc *desc = &table[head];
	u32 written = 0, len;

	for (;;) {
		*last = vpci_memory(pci, desc);
		len = virtio32_to_cpu(pci->vdev, desc->len);
		if (virtio16_to_cpu(pci->vdev, desc->flags) & VRING_DESC_F_WRITE) {
			memset(*last, value, len);
			written += len;
		}
		if (!(virtio16_to_cpu(pci->vdev, desc->flags) & VRING_DESC_F_NEXT))
			return written;
		desc = &table[virtio16_to_cpu(pci->vdev, desc->next) % VPCI_QUEUE_SIZE];
	}
}

/*
 * 2.13: the answer to a command is its status, where zero is "OK", and a result.
 * There is a command that asks for capabilities, of which there are none.
 */
static inline u32 vpci_obey(struct vpci *pci, struct vring_desc *table, u16 head)
{
	const struct virtio_admin_cmd_hdr *hdr = vpci_memory(pci, &table[head]);
	u16 opcode = le16_to_cpu(hdr->opcode);
	void *result;
	u32 written;

	pci->admin_commands++;
	seq_buf_printf(&pci->record.calls, "admin=%x ", opcode);
	written = vpci_fill_chain(pci, table, head, 0, &result);
	if (opcode == VIRTIO_ADMIN_CMD_LIST_QUERY)
		*(__le64 *)result = cpu_to_le64(VPCI_ADMIN_COMMANDS);

	return written;
}

static inline void vpci_use(struct vpci *pci, struct vpci_queue *queue, u16 head)
{
	struct vring_desc *table = phys_to_virt(queue->desc);
	struct vring_used *used = phys_to_virt(queue->device);
	vring_used_elem_t *entry = &used->ring[queue->used % queue->size];
	void *last;
	u32 len;

	if (queue == &pci->queues[pci->admin]) {
		len = vpci_obey(pci, table, head);
	} else {
		pci->answered++;
		len = vpci_fill_chain(pci, table, head, VPCI_ANSWER, &last);
	}
	entry->id = cpu_to_virtio32(pci->vdev, head);
	entry->len = cpu_to_virtio32(pci->vdev, len);
	used->idx = cpu_to_virtio16(pci->vdev, ++queue->used);
}

static inline void vpci_serve(struct vpci *pci, struct vpci_queue *queue)
{
	struct vring_avail *avail = phys_to_virt(queue->driver);
	u16 before = queue->used, head;

	if (!queue->enabled || !vpci_may(pci, PCI_COMMAND_MASTER))
		return;

	while (queue->avail != virtio16_to_cpu(pci->vdev, avail->idx)) {
		head = virtio16_to_cpu(pci->vdev, avail->ring[queue->avail++ % queue->size]);
		vpci_use(pci, queue, head);
	}
	if (queue->used != before)
		vpci_interrupt(pci, queue->vector, VPCI_ISR_QUEUE);
}

static inline enum hrtimer_restart vpci_timer(struct hrtimer *timer)
{
	struct vpci *pci = container_of(timer, struct vpci, timer);
	unsigned int notified = pci->notified, i;

	pci->notified = 0;
	for (i = 0; i < VPCI_QUEUES; i++)
		if (notified & BIT(i))
			vpci_serve(pci, &pci->queues[i]);

	return HRTIMER_NORESTART;
}

static inline unsigned int vpci_notify_step(struct vpci *pci)
{
	return pci->param->page_per_vq ? VPCI_NOTIFY_PAGE : VPCI_NOTIFY_STEP;
}

static inline void vpci_notify(struct vpci *pci, unsigned int queue)
{
	seq_buf_printf(&pci->record.calls, "q%u.notify ", queue);
	/* 3.1.1: no notification before DRIVER_OK */
	pci->wrong += !(pci->status & VIRTIO_CONFIG_S_DRIVER_OK);
	pci->notified |= BIT(queue);
	hrtimer_start(&pci->timer, VPCI_ANSWER_NS, HRTIMER_MODE_REL);
}

/* 4.1.4.4: the queue whose notify offset, times the multiplier, it is */
static inline void vpci_notify_at(struct vpci *pci, unsigned int offset)
{
	unsigned int i;

	for (i = 0; i < VPCI_QUEUES; i++) {
		if (pci->queues[i].notify_off * vpci_notify_step(pci) == offset) {
			vpci_notify(pci, i);
			return;
		}
	}

	pci->wrong++;
}

/*
 * The device: reset and status
 */

static inline void vpci_reset_queue(struct vpci_queue *queue)
{
	*queue = (struct vpci_queue) {
		.size_max = queue->size_max,
		.notify_off = queue->notify_off,
		.size = queue->size_max,
		.vector = VIRTIO_MSI_NO_VECTOR,
	};
}

static inline void vpci_end_reset(struct vpci *pci)
{
	unsigned int i;

	pci->resetting = false;
	pci->status = 0;
	pci->isr = 0;
	pci->queue_select = 0;
	pci->config_vector = VIRTIO_MSI_NO_VECTOR;
	pci->device_feature_select = 0;
	pci->driver_feature_select = 0;
	pci->accepted = 0;
	pci->notified = 0;
	for (i = 0; i < VPCI_QUEUES && !pci->keeps_queues; i++)
		vpci_reset_queue(&pci->queues[i]);
}

/* Time may have passed. */
static inline void vpci_settle(struct vpci *pci)
{
	if (pci->resetting && !ktime_before(ktime_get(), pci->reset_end))
		vpci_end_reset(pci);
}

static inline void vpci_start_reset(struct vpci *pci)
{
	/* A status of zero is what says that the reset is complete, 2.4.2. */
	pci->resetting = true;
	pci->status = pci->status ?: VIRTIO_CONFIG_S_ACKNOWLEDGE;
	pci->reset_end = ktime_add_ms(ktime_get(), pci->reset_ms);
	vpci_settle(pci);
}

/* Whether all that the driver uses is set up */
static inline bool vpci_is_set_up(struct vpci *pci)
{
	return pci->queues[VPCI_FIRST].enabled &&
	       pci->queues[VPCI_SECOND].enabled &&
	       pci->queues[VPCI_QUIET].enabled &&
	       pci->queues[pci->admin].enabled == vpci_has_admin(pci);
}

static inline void vpci_set_status(struct vpci *pci, u8 status)
{
	seq_buf_printf(&pci->record.calls, "status=%x ", status);
	if (!status) {
		vpci_start_reset(pci);
		return;
	}

	if (pci->refuses_features || (pci->accepted & ~pci->offered))
		status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	pci->wrong += (status & VIRTIO_CONFIG_S_DRIVER_OK) &&
		      !(status & VIRTIO_CONFIG_S_FAILED) && !vpci_is_set_up(pci);
	pci->status = pci->answer ? pci->answer(pci, status) : status;
}

static inline void vpci_set_config_vector(struct vpci *pci, u16 vector)
{
	seq_buf_printf(&pci->record.calls, "config=%x ", vector);
	pci->config_vector = pci->refuses_config_vector || vector >= pci->param->vectors ?
			     VIRTIO_MSI_NO_VECTOR : vector;
}

static inline struct vpci_queue *vpci_selected(struct vpci *pci)
{
	return pci->queue_select <= pci->admin ? &pci->queues[pci->queue_select] : NULL;
}

static inline void vpci_set_queue_vector(struct vpci *pci, struct vpci_queue *queue,
					 u16 vector)
{
	seq_buf_printf(&pci->record.calls, "q%u.vector=%x ", pci->queue_select, vector);
	queue->vector = (pci->refuses_vector_of & BIT(pci->queue_select)) ||
			vector >= pci->param->vectors ? VIRTIO_MSI_NO_VECTOR : vector;
}

/*
 * The device: the modern interface, 4.1.4.3
 */

static inline void vpci_set_half(u64 *reg, bool high, u32 value)
{
	*reg = high ? (u64)value << 32 | lower_32_bits(*reg) :
		      (*reg & ~(u64)U32_MAX) | value;
}

static inline unsigned long vpci_queue_read(struct vpci *pci, unsigned int offset)
{
	struct vpci_queue *queue = vpci_selected(pci);

	/* "0 means the queue is unavailable" */
	if (!queue)
		return 0;

	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		return queue->size;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		return queue->vector;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return queue->enabled;
	case VIRTIO_PCI_COMMON_Q_NOFF:
		return queue->notify_off;
	default:
		return 0;
	}
}

static inline unsigned long vpci_modern_read(struct vpci *pci, unsigned int offset)
{
	u8 isr = pci->isr;

	switch (offset) {
	case VIRTIO_PCI_COMMON_DF:
		return pci->device_feature_select < 2 ?
		       (u32)(pci->offered >> 32 * pci->device_feature_select) : 0;
	case VIRTIO_PCI_COMMON_MSIX:
		return pci->config_vector;
	case VIRTIO_PCI_COMMON_NUMQ:
		return pci->admin;
	case VIRTIO_PCI_COMMON_STATUS:
		return pci->status;
	case VIRTIO_PCI_COMMON_ADM_Q_IDX:
		return pci->admin;
	case VIRTIO_PCI_COMMON_ADM_Q_NUM:
		return pci->admins;
	case VPCI_ISR:
		pci->isr = 0;
		return isr;
	default:
		return vpci_queue_read(pci, offset);
	}
}

static inline void vpci_queue_write(struct vpci *pci, unsigned int offset, u32 value)
{
	struct vpci_queue *queue = vpci_selected(pci);

	if (!queue || offset == VIRTIO_PCI_COMMON_Q_RESET) {
		if (queue)
			vpci_reset_queue(queue);
		return;
	}

	/* 4.1.4.3.2: all of a queue is configured before it is enabled. */
	pci->wrong += queue->enabled;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		seq_buf_printf(&pci->record.calls, "q%u.size=%x ", pci->queue_select, value);
		queue->size = value;
		break;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		vpci_set_queue_vector(pci, queue, value);
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		seq_buf_printf(&pci->record.calls, "q%u.enable=%x ", pci->queue_select, value);
		pci->wrong += value != 1 || !(pci->status & VIRTIO_CONFIG_S_FEATURES_OK);
		queue->enabled = value;
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		vpci_set_half(&queue->desc, offset & 4, value);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		vpci_set_half(&queue->driver, offset & 4, value);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		vpci_set_half(&queue->device, offset & 4, value);
		break;
	default:
		pci->wrong++;
	}
}

static inline void vpci_modern_write(struct vpci *pci, unsigned int offset, u32 value)
{
	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		pci->device_feature_select = value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		pci->driver_feature_select = value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		if (pci->driver_feature_select < 2)
			vpci_set_half(&pci->accepted, pci->driver_feature_select, value);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		vpci_set_config_vector(pci, value);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		vpci_set_status(pci, value);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		pci->queue_select = value;
		break;
	case VPCI_NOTIFY ... VPCI_BAR_SIZE - 1:
		vpci_notify_at(pci, offset - VPCI_NOTIFY);
		break;
	default:
		vpci_queue_write(pci, offset, value);
	}
}

/*
 * The device: the legacy interface, 4.1.4.10, and its layout of a ring, 2.7.2
 */

static inline unsigned long vpci_legacy_read(struct vpci *pci, unsigned int offset)
{
	struct vpci_queue *queue = vpci_selected(pci);
	u8 isr = pci->isr;

	switch (offset) {
	case VIRTIO_PCI_HOST_FEATURES:
		return pci->offered;
	case VIRTIO_PCI_QUEUE_PFN:
		return queue ? queue->desc >> VIRTIO_PCI_QUEUE_ADDR_SHIFT : 0;
	case VIRTIO_PCI_QUEUE_NUM:
		return queue && pci->queue_select != pci->admin ? queue->size : 0;
	case VIRTIO_PCI_STATUS:
		return pci->status;
	case VIRTIO_PCI_ISR:
		pci->isr = 0;
		return isr;
	case VIRTIO_MSI_CONFIG_VECTOR:
		return pci->config_vector;
	case VIRTIO_MSI_QUEUE_VECTOR:
		return queue ? queue->vector : VIRTIO_MSI_NO_VECTOR;
	default:
		return 0;
	}
}

static inline void vpci_set_pfn(struct vpci *pci, struct vpci_queue *queue, u32 pfn)
{
	u64 addr = (u64)pfn << VIRTIO_PCI_QUEUE_ADDR_SHIFT;
	struct vring vring;

	seq_buf_printf(&pci->record.calls, "q%u.pfn%s ", pci->queue_select, pfn ? "" : "=0");
	vring_init(&vring, queue->size, (void *)(unsigned long)addr, VIRTIO_PCI_VRING_ALIGN);
	queue->desc = addr;
	queue->driver = (unsigned long)vring.avail;
	queue->device = (unsigned long)vring.used;
	queue->enabled = pfn;
}

static inline void vpci_legacy_write(struct vpci *pci, unsigned int offset, u32 value)
{
	struct vpci_queue *queue = vpci_selected(pci);

	switch (offset) {
	case VIRTIO_PCI_GUEST_FEATURES:
		pci->accepted = value;
		break;
	case VIRTIO_PCI_QUEUE_SEL:
		pci->queue_select = value;
		break;
	case VIRTIO_PCI_QUEUE_PFN:
		if (queue)
			vpci_set_pfn(pci, queue, value);
		break;
	case VIRTIO_PCI_QUEUE_NOTIFY:
		vpci_notify(pci, value % VPCI_QUEUES);
		break;
	case VIRTIO_PCI_STATUS:
		vpci_set_status(pci, value);
		break;
	case VIRTIO_MSI_CONFIG_VECTOR:
		vpci_set_config_vector(pci, value);
		break;
	case VIRTIO_MSI_QUEUE_VECTOR:
		if (queue)
			vpci_set_queue_vector(pci, queue, value);
		break;
	default:
		pci->wrong++;
	}
}

/*
 * The function: BARs
 */

static inline bool vpci_decodes(struct vpci *pci, int bar)
{
	/* The address that the BAR was given is lost in D3hot, too. */
	bool decodes = vpci_may(pci, PCI_COMMAND_MEMORY) &&
		       pci->config[PCI_BASE_ADDRESS_0 + 4 * bar + 3];

	/* Of a function that is gone, nobody can know. */
	pci->lost += !decodes && !pci->gone;

	return decodes && !pci->all_ones && !pci->gone;
}

static inline u32 *vpci_msix_reg(struct vpci *pci, unsigned int offset)
{
	return offset < sizeof(pci->msix) ? &pci->msix[0][0] + offset / 4 : NULL;
}

static inline void vpci_revive(struct vpci *pci);

static inline void vpci_lose_patience(struct vpci *pci)
{
	if (!pci->patience || --pci->patience)
		return;

	vpci_revive(pci);
	vpci_end_reset(pci);
}

static inline unsigned long fake_bar_read(struct um_pci_device *um, int bar,
					  unsigned int offset, int size)
{
	struct vpci *pci = um_to_vpci(um);

	if (!vpci_decodes(pci, bar)) {
		vpci_lose_patience(pci);
		return ULONG_MAX;
	}

	if (bar == VPCI_MSIX_BAR)
		return vpci_msix_reg(pci, offset) ? *vpci_msix_reg(pci, offset) : 0;

	vpci_settle(pci);

	return pci->param->legacy ? vpci_legacy_read(pci, offset) :
				    vpci_modern_read(pci, offset);
}

static inline void fake_bar_write(struct um_pci_device *um, int bar,
				  unsigned int offset, int size, unsigned long value)
{
	struct vpci *pci = um_to_vpci(um);

	if (!vpci_decodes(pci, bar))
		return;

	if (bar == VPCI_MSIX_BAR) {
		if (vpci_msix_reg(pci, offset))
			*vpci_msix_reg(pci, offset) = value;
		return;
	}

	vpci_settle(pci);
	pci->hasty += pci->resetting;
	if (pci->param->legacy)
		vpci_legacy_write(pci, offset, value);
	else
		vpci_modern_write(pci, offset, value);
}

/*
 * The function: configuration space
 */

static inline void vpci_reset_msix(struct vpci *pci)
{
	unsigned int i;

	memset(pci->msix, 0, sizeof(pci->msix));
	for (i = 0; i < VPCI_VECTORS; i++)
		pci->msix[i][PCI_MSIX_ENTRY_VECTOR_CTRL / 4] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	if (pci->msix_cap)
		pci->config[pci->msix_cap + PCI_MSIX_FLAGS + 1] = 0;
}

/* All that a function can forget, and with it the device */
static inline void vpci_lose_state(struct vpci *pci)
{
	memset(&pci->config[PCI_COMMAND], 0, 2);
	memset(&pci->config[PCI_BASE_ADDRESS_0], 0, sizeof(pci->bars));
	if (pci->pm_cap)
		pci->config[pci->pm_cap + PCI_PM_CTRL] &= ~PCI_PM_CTRL_STATE_MASK;
	vpci_reset_msix(pci);
	vpci_end_reset(pci);
}

static inline void vpci_change_power_state(struct vpci *pci, u8 before)
{
	u8 state = vpci_power_state(pci);

	if (state == before)
		return;

	seq_buf_printf(&pci->bus.calls, "D%u ", state);
	if (!state && !pci->param->no_soft_reset)
		vpci_lose_state(pci);
}

static inline unsigned long fake_config_read(struct um_pci_device *um,
					     unsigned int offset, int size)
{
	struct vpci *pci = um_to_vpci(um);
	unsigned long value = 0;

	pci->config_reads++;
	if (pci->gone)
		return ULONG_MAX;

	if (offset + size <= sizeof(pci->config))
		memcpy(&value, &pci->config[offset], size);

	return value;
}

static inline void fake_config_write(struct um_pci_device *um, unsigned int offset,
				     int size, unsigned long value)
{
	struct vpci *pci = um_to_vpci(um);
	u8 power_state = vpci_power_state(pci), *mask;
	u16 command = vpci_command(pci);
	int i;

	if (pci->gone || offset + size > sizeof(pci->config))
		return;

	for (i = 0; i < size; i++, value >>= 8) {
		mask = &pci->writable[offset + i];
		pci->config[offset + i] &= ~*mask;
		pci->config[offset + i] |= value & *mask;
	}
	if (command != vpci_command(pci))
		seq_buf_printf(&pci->bus.calls, "COMMAND=%x ", vpci_command(pci));
	vpci_change_power_state(pci, power_state);
}

static const struct um_pci_ops vpci_ops = {
	.cfgspace_read = fake_config_read,
	.cfgspace_write = fake_config_write,
	.bar_read = fake_bar_read,
	.bar_write = fake_bar_write,
};

static inline u8 vpci_add_cap(struct vpci *pci, u8 id, u8 len)
{
	u8 cap = pci->cap_end;

	*pci->cap_link = cap;
	pci->config[cap] = id;
	pci->cap_link = &pci->config[cap + PCI_CAP_LIST_NEXT];
	pci->cap_end += round_up(len, 4);

	return cap;
}

static inline void vpci_add_virtio_cap(struct vpci *pci, u8 type, u32 offset, u32 length)
{
	struct virtio_pci_notify_cap cap = {
		.cap.cap_len = type == VIRTIO_PCI_CAP_NOTIFY_CFG ? sizeof(cap) : sizeof(cap.cap),
		.cap.cfg_type = type,
		.cap.bar = VPCI_MODERN_BAR,
		.cap.offset = cpu_to_le32(offset),
		.cap.length = cpu_to_le32(length),
		.notify_off_multiplier = cpu_to_le32(vpci_notify_step(pci)),
	};
	u8 at = vpci_add_cap(pci, PCI_CAP_ID_VNDR, cap.cap.cap_len);

	memcpy(&pci->config[at + VIRTIO_PCI_CAP_LEN], &cap.cap.cap_len,
	       cap.cap.cap_len - VIRTIO_PCI_CAP_LEN);
}

static inline void vpci_add_modern_caps(struct vpci *pci)
{
	vpci_add_virtio_cap(pci, VIRTIO_PCI_CAP_COMMON_CFG, 0,
			    sizeof(struct virtio_pci_modern_common_cfg));
	vpci_add_virtio_cap(pci, VIRTIO_PCI_CAP_ISR_CFG, VPCI_ISR, 1);
	vpci_add_virtio_cap(pci, VIRTIO_PCI_CAP_NOTIFY_CFG, VPCI_NOTIFY,
			    VPCI_QUEUES * vpci_notify_step(pci));
	if (!pci->param->no_config)
		vpci_add_virtio_cap(pci, VIRTIO_PCI_CAP_DEVICE_CFG, VPCI_DEVICE, 8);
}

static inline void vpci_add_bar(struct vpci *pci, int bar)
{
	const __le32 mask = cpu_to_le32(~(VPCI_BAR_SIZE - 1));

	memcpy(&pci->writable[PCI_BASE_ADDRESS_0 + 4 * bar], &mask, sizeof(mask));
}

static inline void vpci_add_pm(struct vpci *pci)
{
	pci->pm_cap = vpci_add_cap(pci, PCI_CAP_ID_PM, PCI_PM_SIZEOF);
	pci->config[pci->pm_cap + PCI_PM_PMC] = 3;
	if (pci->param->no_soft_reset)
		pci->config[pci->pm_cap + PCI_PM_CTRL] = PCI_PM_CTRL_NO_SOFT_RESET;
	pci->writable[pci->pm_cap + PCI_PM_CTRL] = PCI_PM_CTRL_STATE_MASK;
}

static inline void vpci_add_msix(struct vpci *pci)
{
	pci->msix_cap = vpci_add_cap(pci, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
	pci->config[pci->msix_cap + PCI_MSIX_FLAGS] = pci->param->vectors - 1;
	pci->writable[pci->msix_cap + PCI_MSIX_FLAGS + 1] =
		(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
	pci->config[pci->msix_cap + PCI_MSIX_TABLE] = VPCI_MSIX_BAR;
	pci->config[pci->msix_cap + PCI_MSIX_PBA] = VPCI_MSIX_BAR;
	pci->config[pci->msix_cap + PCI_MSIX_PBA + 1] = VPCI_PBA >> 8;
	vpci_add_bar(pci, VPCI_MSIX_BAR);
}

static inline void vpci_set_config16(struct vpci *pci, u8 offset, u16 value)
{
	put_unaligned_le16(value, pci->config + offset);
}

static inline void vpci_create_function(struct vpci *pci)
{
	vpci_set_config16(pci, PCI_VENDOR_ID, PCI_VENDOR_ID_REDHAT_QUMRANET);
	/* 4.1.2.1, and 4.1.2.3 for a legacy device */
	vpci_set_config16(pci, PCI_DEVICE_ID,
			  pci->param->legacy ? 0x103f : 0x1040 + VPCI_VIRTIO_ID);
	pci->config[PCI_REVISION_ID] = pci->param->legacy ? VIRTIO_PCI_ABI_VERSION : 1;
	vpci_set_config16(pci, PCI_SUBSYSTEM_ID, VPCI_VIRTIO_ID);
	vpci_set_config16(pci, PCI_CLASS_DEVICE, PCI_CLASS_OTHERS << 8);
	pci->config[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	pci->config[PCI_INTERRUPT_PIN] = 1;
	vpci_set_config16(pci, PCI_COMMAND, 0);
	pci->writable[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	pci->writable[PCI_COMMAND + 1] = PCI_COMMAND_INTX_DISABLE >> 8;
	pci->writable[PCI_INTERRUPT_LINE] = U8_MAX;

	pci->cap_link = &pci->config[PCI_CAPABILITY_LIST];
	pci->cap_end = PCI_STD_HEADER_SIZEOF;
	if (pci->param->has_pm)
		vpci_add_pm(pci);
	if (pci->param->vectors)
		vpci_add_msix(pci);
	if (!pci->param->legacy)
		vpci_add_modern_caps(pci);
	vpci_add_bar(pci, pci->param->legacy ? VPCI_LEGACY_BAR : VPCI_MODERN_BAR);
}

static inline void vpci_heal(struct vpci *pci)
{
	unsigned int i;

	pci->reset_ms = 0;
	pci->all_ones = false;
	pci->gone = false;
	pci->patience = 0;
	pci->keeps_queues = false;
	pci->refuses_features = false;
	pci->refuses_config_vector = false;
	pci->refuses_vector_of = 0;
	pci->then = NULL;
	pci->admin = VPCI_ADMIN;
	pci->admins = 1;
	for (i = 0; i < VPCI_QUEUES; i++) {
		pci->queues[i].size_max = VPCI_QUEUE_SIZE;
		pci->queues[i].notify_off = i;
	}
	if (pci->resetting)
		vpci_end_reset(pci);
}

static inline void vpci_create_device(struct vpci *pci)
{
	vpci_create_function(pci);
	vpci_heal(pci);
	vpci_lose_state(pci);
	if (!pci->param->legacy)
		pci->offered = BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_F_RING_RESET);
	if (pci->param->has_admin)
		pci->offered |= BIT_ULL(VIRTIO_F_ADMIN_VQ);
}

/*
 * The driver. Like most of them, it knows nothing of the noirq phase.
 */

static inline int vpci_call(struct virtio_device *vdev, const char *name)
{
	struct vpci *pci = to_vpci(vdev);

	seq_buf_printf(&pci->record.calls, "%s ", name);

	return pci->then && !strcmp(pci->at, name) ? pci->then(pci) : 0;
}

static inline void driver_callback(struct virtqueue *vq)
{
	to_vpci(vq->vdev)->called |= BIT(vq->index);
}

static inline int driver_find_vqs(struct virtio_device *vdev)
{
	struct virtqueue_info infos[VPCI_QUEUES] = {
		{ "first", driver_callback }, { }, { "second", driver_callback },
		{ "quiet" },
	};
	struct vpci *pci = to_vpci(vdev);
	struct virtqueue *vqs[VPCI_QUEUES];
	int ret;

	ret = virtio_find_vqs(vdev, VPCI_QUEUES, vqs, infos, NULL);
	if (ret)
		return ret;

	pci->vqs[VPCI_FIRST] = vqs[0];
	pci->vqs[VPCI_SECOND] = vqs[2];
	pci->vqs[VPCI_QUIET] = vqs[3];

	return 0;
}

static inline int driver_probe(struct virtio_device *vdev)
{
	struct vpci *pci = to_vpci(vdev);

	pci->vdev = vdev;
	pci->pdev = to_pci_dev(vdev->dev.parent);
	pci->probe_err = driver_find_vqs(vdev);

	return pci->probe_err;
}

static inline int driver_give_up(struct virtio_device *vdev)
{
	virtio_reset_device(vdev);
	vdev->config->del_vqs(vdev);

	return 0;
}

static inline int driver_freeze(struct virtio_device *vdev)
{
	return vpci_call(vdev, "freeze") ?: driver_give_up(vdev);
}

static inline int driver_restore(struct virtio_device *vdev)
{
	return vpci_call(vdev, "restore") ?: driver_find_vqs(vdev);
}

static inline void driver_remove(struct virtio_device *vdev)
{
	driver_give_up(vdev);
}

static inline void driver_config_changed(struct virtio_device *vdev)
{
	to_vpci(vdev)->config_changes++;
}

static const struct virtio_device_id vpci_id_table[] = {
	{ VPCI_VIRTIO_ID, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static const struct virtio_driver vpci_driver = {
	.driver.name = KBUILD_MODNAME,
	.id_table = vpci_id_table,
	.probe = driver_probe,
	.remove = driver_remove,
	.config_changed = driver_config_changed,
	.freeze = driver_freeze,
	.restore = driver_restore,
};

/* What the driver can do in a callback */

static inline void vpci_at(struct vpci *pci, const char *name, int (*then)(struct vpci *pci))
{
	pci->at = name;
	pci->then = then;
}

static inline int driver_fail(struct vpci *pci)
{
	return -ENXIO;
}

static inline int driver_add_buffer(struct vpci *pci, unsigned int queue)
{
	struct scatterlist sg;

	memset(pci->buffer, 0, sizeof(pci->buffer));
	sg_init_one(&sg, pci->buffer, sizeof(pci->buffer));

	return virtqueue_add_inbuf(pci->vqs[queue], &sg, 1, pci, GFP_ATOMIC);
}

/* Ask the device, and look for the answer until it is there. */
static inline int driver_request(struct vpci *pci, unsigned int queue)
{
	unsigned int len, tries;
	int ret;

	ret = driver_add_buffer(pci, queue);
	if (ret)
		return ret;

	virtqueue_kick(pci->vqs[queue]);
	for (tries = 0; tries < 100; tries++) {
		if (virtqueue_get_buf(pci->vqs[queue], &len))
			return len == sizeof(pci->buffer) &&
			       !memchr_inv(pci->buffer, VPCI_ANSWER, len) ? 0 : -EIO;
		fsleep(20);
	}

	return -ETIMEDOUT;
}

static inline int driver_ready(struct vpci *pci)
{
	virtio_device_ready_noirq(pci->vdev);

	return 0;
}

static inline int driver_ready_and_request(struct vpci *pci)
{
	driver_ready(pci);

	return driver_request(pci, VPCI_FIRST) ?: driver_request(pci, VPCI_QUIET);
}

/*
 * Steps of a sleep cycle, as the PM core takes them
 */

static const struct sleep_ops vpci_suspend_ops = SLEEP_OPS(suspend, resume);

/* Without hibernation, the PCI core has no callbacks for it. */
static inline int vpci_pm(struct vpci *pci, size_t op)
{
	struct device *dev = &pci->pdev->dev;

	return sleep_call(dev, sleep_callback(dev->bus->pm, op) ? dev->bus->pm :
			  dev->driver->pm, op);
}

static inline void vpci_switch_irqs(struct vpci *pci, void (*fn)(unsigned int irq))
{
	unsigned int i;

	/* Those of a driver that was unbound are gone. */
	if (!pci->vdev->dev.driver)
		return;

	for (i = 0; i <= VPCI_VECTORS && pci_irq_vector(pci->pdev, i) > 0; i++)
		fn(pci_irq_vector(pci->pdev, i));
}

static inline int vpci_down(struct vpci *pci)
{
	return vpci_pm(pci, pci->sleep->down);
}

static inline int vpci_down_noirq(struct vpci *pci)
{
	vpci_switch_irqs(pci, disable_irq);

	return vpci_pm(pci, pci->sleep->down_noirq);
}

static inline int vpci_up_noirq(struct vpci *pci)
{
	int ret;

	if (pci->param->loses_power)
		vpci_lose_state(pci);
	ret = vpci_pm(pci, pci->sleep->up_noirq);
	vpci_switch_irqs(pci, enable_irq);

	return ret;
}

static inline int vpci_up(struct vpci *pci)
{
	return vpci_pm(pci, pci->sleep->up);
}

static inline void vpci_suspend(struct kunit *test)
{
	struct vpci *pci = test->priv;

	KUNIT_ASSERT_EQ(test, vpci_down(pci), 0);
	KUNIT_ASSERT_EQ(test, vpci_down_noirq(pci), 0);
	record_take(test, &pci->record);
}

static inline void vpci_resume(struct kunit *test)
{
	struct vpci *pci = test->priv;

	KUNIT_ASSERT_EQ(test, vpci_up_noirq(pci), 0);
	KUNIT_ASSERT_EQ(test, vpci_up(pci), 0);
	record_take(test, &pci->record);
}

/*
 * What should be
 */

/* The vector of a queue: one for each, or one for all while there are only two */
static inline u16 vpci_vector(struct vpci *pci, unsigned int queue)
{
	if (!pci->param->vectors || queue == VPCI_QUIET)
		return VIRTIO_MSI_NO_VECTOR;
	if (pci->param->vectors == VPCI_VECTORS)
		return queue == VPCI_ADMIN ? 3 : 1 + queue;

	return queue == VPCI_ADMIN ? 0 : 1;
}

static inline unsigned int vpci_log_count(struct vpci *pci, const char *text)
{
	char line[160];

	snprintf(line, sizeof(line), "%s: %s", dev_name(&pci->vdev->dev), text);

	return kernel_log_count(pci->log_start, line);
}

static inline void vpci_expect_queue(struct kunit *test, unsigned int index)
{
	struct vpci *pci = test->priv;
	struct vpci_queue *queue = &pci->queues[index];
	struct virtqueue *vq = pci->vqs[index];

	KUNIT_EXPECT_TRUE(test, queue->enabled);
	KUNIT_EXPECT_EQ(test, queue->size, virtqueue_get_vring_size(vq));
	KUNIT_EXPECT_EQ(test, queue->vector, vpci_vector(pci, index));
	KUNIT_EXPECT_EQ(test, queue->desc, virtqueue_get_desc_addr(vq));
	KUNIT_EXPECT_EQ(test, queue->driver, virtqueue_get_avail_addr(vq));
	KUNIT_EXPECT_EQ(test, queue->device, virtqueue_get_used_addr(vq));
}

/* All registers are right, requests are answered, and interrupts arrive. */
static inline void vpci_expect_works(struct kunit *test)
{
	struct vpci *pci = test->priv;
	unsigned int changes = pci->config_changes;

	KUNIT_EXPECT_EQ(test, pci->status, vpci_live_status(pci));
	KUNIT_EXPECT_EQ(test, pci->accepted, pci->vdev->features);
	KUNIT_EXPECT_EQ(test, pci->config_vector,
			pci->param->vectors ? 0 : VIRTIO_MSI_NO_VECTOR);
	vpci_expect_queue(test, VPCI_FIRST);
	vpci_expect_queue(test, VPCI_SECOND);
	vpci_expect_queue(test, VPCI_QUIET);

	pci->called = 0;
	KUNIT_EXPECT_EQ(test, driver_request(pci, VPCI_FIRST), 0);
	KUNIT_EXPECT_EQ(test, driver_request(pci, VPCI_SECOND), 0);
	KUNIT_EXPECT_EQ(test, driver_request(pci, VPCI_QUIET), 0);
	KUNIT_EXPECT_EQ(test, pci->called, BIT(VPCI_FIRST) | BIT(VPCI_SECOND));
	vpci_change_config(pci);
	KUNIT_EXPECT_EQ(test, pci->config_changes, changes + 1);
}

/*
 * The parts of a suite
 */

/* Whatever a test has done, the device can be reset and removed. */
static inline void vpci_revive(struct vpci *pci)
{
	vpci_heal(pci);
	if (pci->pm_cap)
		pci->config[pci->pm_cap + PCI_PM_CTRL] &= ~PCI_PM_CTRL_STATE_MASK;
	pci->config[PCI_COMMAND] |= PCI_COMMAND_MEMORY;
	memcpy(&pci->config[PCI_BASE_ADDRESS_0], pci->bars, sizeof(pci->bars));
}

static inline void vpci_unregister_driver(void *data)
{
	struct vpci *pci = data;

	vpci_revive(pci);
	unregister_virtio_driver(&pci->drv);
}

static inline void vpci_unplug(void *data)
{
	struct vpci *pci = data;

	vpci_revive(pci);
	um_pci_device_unregister(&pci->um);
	hrtimer_cancel(&pci->timer);
}

static inline void vpci_plug(struct kunit *test, struct vpci *pci)
{
	pci->um.ops = &vpci_ops;
	KUNIT_ASSERT_EQ(test, um_pci_device_register(&pci->um), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, vpci_unplug, pci), 0);
	memcpy(pci->bars, &pci->config[PCI_BASE_ADDRESS_0], sizeof(pci->bars));
	irq_set_chip_and_handler(pci->um.irq, &dummy_irq_chip, handle_simple_irq);
	irq_clear_status_flags(pci->um.irq, IRQ_NOREQUEST);
}

/* The driver can still be changed. */
static inline struct vpci *vpci_create(struct kunit *test)
{
	const struct vpci_param *param = test->param_value;
	struct vpci *pci = kunit_kzalloc(test, sizeof(*pci), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pci);
	test->priv = pci;
	pci->param = param;
	pci->sleep = param->sleep ?: &vpci_suspend_ops;
	pci->log_start = kernel_log_end();
	pci->drv = vpci_driver;
	record_init(&pci->record);
	record_init(&pci->wanted);
	record_init(&pci->bus);
	hrtimer_setup(&pci->timer, vpci_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	vpci_create_device(pci);

	return pci;
}

static inline void vpci_start(struct kunit *test, struct vpci *pci)
{
	vpci_plug(test, pci);
	KUNIT_ASSERT_EQ(test, register_virtio_driver(&pci->drv), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, vpci_unregister_driver, pci), 0);
	KUNIT_ASSERT_NOT_NULL(test, pci->vdev);
	KUNIT_ASSERT_EQ(test, pci->probe_err, 0);

	/* As the PM core does for a device that has to resume with the system */
	pci->pdev->dev.power.must_resume = true;
	record_take(test, &pci->record);
	record_take(test, &pci->bus);
}

#endif /* _FAKE_PCI_H */
