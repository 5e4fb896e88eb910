// SPDX-License-Identifier: GPL-2.0
/*
 * Two virtio drivers that read sectors of a block device while the system
 * resumes, and compare what they read with a known pattern:
 *
 * virtio_noirq_test reads in restore_noirq(), by polling. Its virtqueue lives
 * through the sleep. This is how a driver uses the noirq phase.
 *
 * virtio_normal_test does the same in restore(), as drivers do that know only
 * the normal phase: it deletes its virtqueue in freeze() and finds it again in
 * restore().
 *
 * The disk must carry the pattern; see struct vnt_label and vnt_word(). Other
 * disks are left alone, and nothing is ever written to any. There is no module
 * alias on purpose: this must not be loaded because a disk turned up.
 *
 * For each device, debugfs has a folder virtio_noirq_test/virtio<N>:
 *
 *   features           negotiated feature bits, hexadecimal
 *   seed               seed of the pattern; write another one to see the
 *                      comparison fail
 *   freezes            how often freeze() was called
 *   power_losses       how often a PCI function came out of a sleep as out of
 *                      reset, before the PCI core brought it back
 *   capacity           size of the disk in sectors, as the driver last read it
 *   config_changes     how often a change of the configuration was reported
 *   config_too_early   those of them before restore() had returned
 *   first_answer_ns    nanoseconds from the start of dpm_resume_noirq to the
 *                      first answered and compared request, last cycle only
 *   read               write a number to read that many sectors now, by
 *                      interrupt
 *   ring_in_use        descriptors that are not free
 *   fault/             what goes wrong, see struct vnt_faults
 *   running/           what "read" did
 *   suspend/           what freeze_noirq() did, by polling
 *   resume/            what restore_noirq() or restore() did, by polling
 *
 * and in each of the last three, counted since the driver was bound:
 *
 *   requests           requests answered, one sector each
 *   noirq_requests     those of them answered while the PM core was in its
 *                      noirq phase
 *   bytes              bytes compared with the pattern
 *   mismatches         64-bit words that differed
 *   errors             requests not answered, or answered with an error
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <trace/events/power.h>

#include "virtio_noirq_provider.h"
#include "virtio_noirq_support.h"

#define VNT_MAGIC	"virtio-noirq-pat"
#define VNT_DEPTH	4	/* requests in flight at the same time */
#define VNT_SPIN_US	(100 * USEC_PER_MSEC)
#define VNT_SLEEP_US	1000
#define VNT_TIMEOUT_US	(5 * USEC_PER_SEC)	/* for one request */
#define VNT_HOST_MS	1000			/* for the host, if nothing tells */
#define VNT_WORDS	(SECTOR_SIZE / sizeof(__le64))

static unsigned int requests = 8;
module_param(requests, uint, 0444);
MODULE_PARM_DESC(requests, "Requests per resume (default 8)");

static bool unfit;
module_param(unfit, bool, 0444);
MODULE_PARM_DESC(unfit, "Take devices whose transport has no noirq support, too");

/* What the PM core is doing, from its own trace events. */
static u64 vnt_resume_start_ns;
bool vnt_in_noirq;
EXPORT_SYMBOL_GPL(vnt_in_noirq);

struct dentry *vnt_debugfs;
EXPORT_SYMBOL_GPL(vnt_debugfs);

/* Sector 0 of a disk that is ours. */
struct vnt_label {
	char magic[16];
	__le64 seed;
};

/* Each happens once after it was set, but for the last. */
struct vnt_faults {
	bool freeze_noirq_early;	/* fails before it used the device */
	bool freeze_noirq_late;		/* fails after it reset the device */
	bool leave_buffer;		/* freeze_noirq leaves one in the queue */
	bool restore_noirq_early;	/* fails before it used the device */
	bool restore_noirq_late;	/* fails after it used the device */
	bool allocate;			/* restore_noirq allocates memory */
	u64 resize_in_freeze;		/* new size of the disk in sectors */
	bool keep_callbacks;		/* on while polling, always */
};

struct vnt_request {
	u64 sector;
	struct virtio_blk_outhdr hdr;

	/* The device writes here. */
	__dma_from_device_group_begin(answer);
	__le64 data[VNT_WORDS];
	u8 status;
	__dma_from_device_group_end(answer);
};

struct vnt {
	struct virtio_device *vdev;
	struct virtqueue *vq;		/* NULL if deleted */
	struct mutex lock;		/* one reader of the virtqueue */
	bool interrupted;		/* since the last kick */
	struct vnt_request *slots[VNT_DEPTH];
	unsigned int in_flight;
	u32 sectors;			/* that are read: all, or 2 TiB */
	u32 sequence;
	u64 seed;
	u64 features;
	u64 first_answer_ns;
	u64 freezes;
	u64 power_losses;
	u64 capacity;
	u64 config_changes;
	u64 config_too_early;
	bool frozen;
	struct vnt_faults fault;
	u8 reset_status;		/* of a device that does not complete resets */
	bool was_reset;
	struct virtio_config_ops other_config;
	const struct virtio_config_ops *config;
	struct vnt_stats running;
	struct vnt_stats suspend;
	struct vnt_stats resume;
	struct dentry *debugfs;
};

/* Looks for an answer; NULL if there is none yet. */
typedef struct vnt_request *(*vnt_get_t)(struct vnt *t);

static u64 vnt_word(u64 seed, u64 sector, unsigned int word)
{
	return (seed + sector * VNT_WORDS + word) * 0x9E3779B97F4A7C15ULL;
}

static void vnt_interrupt(struct virtqueue *vq)
{
	struct vnt *t = vq->vdev->priv;

	WRITE_ONCE(t->interrupted, true);
}

static struct vnt_request *vnt_get(struct vnt *t)
{
	unsigned int len;

	return virtqueue_get_buf(t->vq, &len);
}

static bool vnt_fault(bool *fault)
{
	bool wanted = *fault;

	*fault = false;
	return wanted;
}

/*
 * With VIRTIO_RING_F_EVENT_IDX, disabling does nothing if there was an interrupt
 * since callbacks were last enabled: the device may interrupt once more.
 */
static void vnt_disable_cb(struct vnt *t)
{
	virtqueue_enable_cb(t->vq);
	if (!t->fault.keep_callbacks)
		virtqueue_disable_cb(t->vq);
}

/* Does not look at the virtqueue before the interrupt. */
static struct vnt_request *vnt_get_interrupted(struct vnt *t)
{
	return READ_ONCE(t->interrupted) ? vnt_get(t) : NULL;
}

/*
 * Gets the next answer, or NULL if there is none in time. Spins for long enough
 * that QEMU's -icount mode, which skips the time in which the CPU is idle, does
 * not make the device late. Then sleeps between two looks: timers work in the
 * noirq phase.
 */
static struct vnt_request *vnt_wait(struct vnt *t, vnt_get_t get)
{
	struct vnt_request *req;
	int err;

	err = poll_timeout_us(req = get(t), req || virtqueue_is_broken(t->vq),
			      0, VNT_SPIN_US, false);
	if (err)
		poll_timeout_us(req = get(t), req || virtqueue_is_broken(t->vq),
				VNT_SLEEP_US, VNT_TIMEOUT_US, false);
	return req;
}

static int vnt_submit(struct vnt *t, struct vnt_request *req, u64 sector)
{
	struct scatterlist hdr, data, status;
	struct scatterlist *sgs[] = { &hdr, &data, &status };
	int err;

	req->sector = sector;
	req->hdr.type = cpu_to_virtio32(t->vdev, VIRTIO_BLK_T_IN);
	req->hdr.ioprio = 0;
	req->hdr.sector = cpu_to_virtio64(t->vdev, sector);
	memset(req->data, 0xa5, sizeof(req->data));
	req->status = 0xff;

	sg_init_one(&hdr, &req->hdr, sizeof(req->hdr));
	sg_init_one(&data, req->data, sizeof(req->data));
	sg_init_one(&status, &req->status, sizeof(req->status));

	/*
	 * With indirect descriptors the ring wants memory for a table. It must
	 * not wait for it here, and can do without.
	 */
	err = virtqueue_add_sgs(t->vq, sgs, 1, 2, req, GFP_NOWAIT);
	if (!err)
		t->in_flight++;
	return err;
}

static void vnt_compare(struct vnt *t, struct vnt_stats *stats,
			const struct vnt_request *req)
{
	unsigned int i;

	if (req->status != VIRTIO_BLK_S_OK) {
		stats->errors++;
		return;
	}

	for (i = 0; i < VNT_WORDS; i++)
		if (le64_to_cpu(req->data[i]) != vnt_word(t->seed, req->sector, i))
			stats->mismatches++;

	stats->bytes += sizeof(req->data);
	stats->requests++;
	if (READ_ONCE(vnt_in_noirq))
		stats->noirq_requests++;
}

/* Gets and compares all answers that are due. */
static int vnt_collect(struct vnt *t, struct vnt_stats *stats, vnt_get_t get)
{
	struct vnt_request *req;

	while (t->in_flight) {
		req = vnt_wait(t, get);
		if (!req) {
			stats->errors += t->in_flight;
			return -ETIMEDOUT;
		}
		t->in_flight--;
		vnt_compare(t, stats, req);
	}
	return 0;
}

/* Reads up to VNT_DEPTH sectors, all in flight at the same time. */
static int vnt_read_batch(struct vnt *t, struct vnt_stats *stats,
			  unsigned int count, vnt_get_t get)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < count && !err; i++)
		err = vnt_submit(t, t->slots[i],
				 1 + t->sequence++ % (t->sectors - 1));
	stats->errors += count - t->in_flight;

	WRITE_ONCE(t->interrupted, false);
	virtqueue_kick(t->vq);
	return vnt_collect(t, stats, get) ?: err;
}

static int vnt_read(struct vnt *t, struct vnt_stats *stats,
		    unsigned int count, vnt_get_t get)
{
	unsigned int n;
	int err;

	guard(mutex)(&t->lock);

	for (; count; count -= n) {
		/* No virtqueue, or a lost request still owns its buffer. */
		if (!t->vq || t->in_flight) {
			stats->errors += count;
			return -EIO;
		}
		n = min(count, VNT_DEPTH);
		err = vnt_read_batch(t, stats, n, get);
		if (err)
			return err;
	}
	return 0;
}

/*
 * The same requests for both drivers, as soon as the device is ready. A fresh or
 * reset virtqueue has its callback enabled.
 */
static int vnt_read_resume(struct vnt *t)
{
	int err;

	vnt_disable_cb(t);
	err = vnt_read(t, &t->resume, 1, vnt_get);
	if (err)
		return err;

	t->first_answer_ns = ktime_get_ns() - READ_ONCE(vnt_resume_start_ns);
	return vnt_read(t, &t->resume, requests - 1, vnt_get);
}

/* Returns -ENODEV if the disk is not ours. */
static int vnt_read_label(struct vnt *t)
{
	struct vnt_request *req = t->slots[0];
	const struct vnt_label *label = (const void *)req->data;
	int err;

	err = vnt_submit(t, req, 0);
	if (err)
		return err;

	virtqueue_kick(t->vq);
	if (!vnt_wait(t, vnt_get))
		return -ETIMEDOUT;
	t->in_flight--;

	if (req->status != VIRTIO_BLK_S_OK)
		return -EIO;
	if (memcmp(label->magic, VNT_MAGIC, sizeof(label->magic)))
		return -ENODEV;

	t->seed = le64_to_cpu(label->seed);
	return 0;
}

static int vnt_find_vq(struct vnt *t)
{
	struct virtqueue *vq;

	vq = virtio_find_single_vq(t->vdev, vnt_interrupt, "requests");
	if (IS_ERR(vq))
		return PTR_ERR(vq);

	t->vq = vq;
	virtio_device_ready(t->vdev);
	return 0;
}

/* Takes lost requests back; the device has been reset. */
static void vnt_detach(struct vnt *t)
{
	while (virtqueue_detach_unused_buf(t->vq))
		t->in_flight--;
}

static void vnt_del_vq(struct vnt *t)
{
	virtio_reset_device(t->vdev);
	if (!t->vq)
		return;

	vnt_detach(t);
	/* Its handler may still look for the next queue; v7.3 does not wait. */
	virtio_synchronize_cbs(t->vdev);
	t->vdev->config->del_vqs(t->vdev);
	t->vq = NULL;
}

static u64 vnt_capacity(struct vnt *t)
{
	u64 capacity;

	virtio_cread(t->vdev, struct virtio_blk_config, capacity, &capacity);
	return capacity;
}

/*
 * The host, which reads the console, resizes the disk. Nobody but the kernel can
 * ask for it while the system suspends. Spins, so that QEMU's -icount mode lets
 * time pass for the host. A PCI function in D3hot reads as all ones: whoever looks
 * later sees whether the host did it.
 */
static int vnt_resize(struct vnt *t, u64 sectors)
{
	u64 now;

	dev_warn(&t->vdev->dev, "host: resize %llu\n", sectors);
	if (vnt_capacity(t) == U64_MAX) {
		mdelay(VNT_HOST_MS);
		return 0;
	}
	return poll_timeout_us(now = vnt_capacity(t), now == sectors, 0,
			       VNT_TIMEOUT_US, false);
}

/*
 * Returns when the interrupt has come: the core must keep the change for later,
 * and not report it.
 */
static int vnt_resize_in_freeze(struct vnt *t)
{
	bool kept;

	return vnt_resize(t, t->fault.resize_in_freeze) ?:
	       poll_timeout_us(kept = READ_ONCE(t->vdev->config_change_pending),
			       kept || READ_ONCE(t->config_changes), 0,
			       VNT_TIMEOUT_US, false);
}

static int vnt_debugfs_read_set(void *data, u64 count)
{
	struct vnt *t = data;

	if (count > UINT_MAX)
		return -EINVAL;
	return vnt_read(t, &t->running, count, vnt_get_interrupted);
}
DEFINE_DEBUGFS_ATTRIBUTE(vnt_debugfs_read, NULL, vnt_debugfs_read_set, "%llu\n");

static int vnt_debugfs_ring_in_use_get(void *data, u64 *count)
{
	struct vnt *t = data;

	guard(mutex)(&t->lock);
	if (!t->vq)
		return -ENODEV;

	*count = virtqueue_get_vring_size(t->vq) - t->vq->num_free;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(vnt_debugfs_ring_in_use, vnt_debugfs_ring_in_use_get,
			 NULL, "%llu\n");

/* Pretends, from the next freeze() on, that the transport is another one. */
static int vnt_debugfs_unsafe_set(void *data, u64 unsafe)
{
	struct vnt *t = data;

	t->other_config = *t->config;
	vnt_make_unfit(&t->other_config);
	t->vdev->config = unsafe ? &t->other_config : t->config;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(vnt_debugfs_unsafe, NULL, vnt_debugfs_unsafe_set,
			 "%llu\n");

static void vnt_dead_reset(struct virtio_device *vdev)
{
	struct vnt *t = vdev->priv;

	t->was_reset = true;
}

static u8 vnt_dead_get_status(struct virtio_device *vdev)
{
	struct vnt *t = vdev->priv;

	return t->was_reset ? t->reset_status : t->config->get_status(vdev);
}

/* Pretends that this is the device's status after each reset; 0 heals it. */
static int vnt_debugfs_reset_status_set(void *data, u64 status)
{
	struct vnt *t = data;

	t->reset_status = status;
	t->was_reset = false;
	t->other_config = *t->config;
	t->other_config.reset = vnt_dead_reset;
	t->other_config.get_status = vnt_dead_get_status;
	t->vdev->config = status ? &t->other_config : t->config;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(vnt_debugfs_reset_status, NULL,
			 vnt_debugfs_reset_status_set, "%llu\n");

static void vnt_debugfs_faults(struct vnt *t)
{
	struct dentry *dir = debugfs_create_dir("fault", t->debugfs);
	struct vnt_faults *f = &t->fault;

	debugfs_create_bool("freeze_noirq_early", 0600, dir,
			    &f->freeze_noirq_early);
	debugfs_create_bool("freeze_noirq_late", 0600, dir,
			    &f->freeze_noirq_late);
	debugfs_create_bool("leave_buffer", 0600, dir, &f->leave_buffer);
	debugfs_create_bool("restore_noirq_early", 0600, dir,
			    &f->restore_noirq_early);
	debugfs_create_bool("restore_noirq_late", 0600, dir,
			    &f->restore_noirq_late);
	debugfs_create_bool("allocate", 0600, dir, &f->allocate);
	debugfs_create_u64("resize_in_freeze", 0600, dir, &f->resize_in_freeze);
	debugfs_create_bool("keep_callbacks", 0600, dir, &f->keep_callbacks);
	debugfs_create_file_unsafe("unsafe_transport", 0200, dir, t,
				   &vnt_debugfs_unsafe);
	debugfs_create_file_unsafe("reset_status", 0200, dir, t,
				   &vnt_debugfs_reset_status);
}

void vnt_debugfs_stats(const char *name, struct dentry *parent,
		       struct vnt_stats *stats)
{
	struct dentry *dir = debugfs_create_dir(name, parent);

	debugfs_create_u64("requests", 0400, dir, &stats->requests);
	debugfs_create_u64("noirq_requests", 0400, dir, &stats->noirq_requests);
	debugfs_create_u64("bytes", 0400, dir, &stats->bytes);
	debugfs_create_u64("mismatches", 0400, dir, &stats->mismatches);
	debugfs_create_u64("errors", 0400, dir, &stats->errors);
}
EXPORT_SYMBOL_GPL(vnt_debugfs_stats);

static void vnt_debugfs_add(struct vnt *t)
{
	t->debugfs = debugfs_create_dir(dev_name(&t->vdev->dev), vnt_debugfs);
	debugfs_create_x64("features", 0400, t->debugfs, &t->features);
	debugfs_create_u64("seed", 0600, t->debugfs, &t->seed);
	debugfs_create_u64("first_answer_ns", 0400, t->debugfs,
			   &t->first_answer_ns);
	debugfs_create_u64("freezes", 0400, t->debugfs, &t->freezes);
	debugfs_create_u64("power_losses", 0400, t->debugfs, &t->power_losses);
	debugfs_create_u64("capacity", 0400, t->debugfs, &t->capacity);
	debugfs_create_u64("config_changes", 0400, t->debugfs,
			   &t->config_changes);
	debugfs_create_u64("config_too_early", 0400, t->debugfs,
			   &t->config_too_early);
	debugfs_create_file_unsafe("read", 0200, t->debugfs, t,
				   &vnt_debugfs_read);
	debugfs_create_file_unsafe("ring_in_use", 0400, t->debugfs, t,
				   &vnt_debugfs_ring_in_use);
	vnt_debugfs_stats("running", t->debugfs, &t->running);
	vnt_debugfs_stats("suspend", t->debugfs, &t->suspend);
	vnt_debugfs_stats("resume", t->debugfs, &t->resume);
	vnt_debugfs_faults(t);
}

static struct vnt *vnt_alloc(struct virtio_device *vdev)
{
	struct vnt *t;
	int i;

	t = devm_kzalloc(&vdev->dev, sizeof(*t), GFP_KERNEL);
	if (!t)
		return NULL;

	for (i = 0; i < VNT_DEPTH; i++) {
		t->slots[i] = devm_kzalloc(&vdev->dev, sizeof(*t->slots[i]),
					   GFP_KERNEL);
		if (!t->slots[i])
			return NULL;
	}

	mutex_init(&t->lock);
	t->vdev = vdev;
	t->features = vdev->features;
	t->capacity = vnt_capacity(t);
	t->sectors = min(t->capacity, U32_MAX);
	t->config = vdev->config;
	return t;
}

static int vnt_probe(struct virtio_device *vdev)
{
	struct vnt *t;
	int err;

	t = vnt_alloc(vdev);
	if (!t)
		return -ENOMEM;
	if (t->sectors < 2)
		return -ENODEV;

	vdev->priv = t;
	err = vnt_find_vq(t);
	if (err)
		return err;

	err = vnt_read_label(t);
	if (err) {
		vnt_del_vq(t);
		return err;
	}

	vnt_debugfs_add(t);
	return 0;
}

static int vnt_noirq_probe(struct virtio_device *vdev)
{
	if (!unfit && !vnt_is_fit(vdev->config)) {
		dev_info(&vdev->dev, "transport has no noirq support\n");
		return -ENODEV;
	}
	return vnt_probe(vdev);
}

static void vnt_remove(struct virtio_device *vdev)
{
	struct vnt *t = vdev->priv;

	debugfs_remove_recursive(t->debugfs);
	vnt_del_vq(t);
	vdev->config = t->config;
}

static void vnt_config_changed(struct virtio_device *vdev)
{
	struct vnt *t = vdev->priv;

	if (READ_ONCE(t->frozen))
		t->config_too_early++;
	WRITE_ONCE(t->config_changes, t->config_changes + 1);
}

/*
 * Userspace, and with it every writer to debugfs, is frozen from before
 * freeze() until after restore(): nobody else uses the virtqueue. A caller that
 * comes back after a failed resume must reach the virtqueue and get its error,
 * so nothing is locked or flagged here that only restore() would undo.
 *
 * From here on answers are polled for. An interrupt is of no use in the noirq
 * phase, and if it can wake the system, it ends the sleep.
 */
static int vnt_noirq_freeze(struct virtio_device *vdev)
{
	struct vnt *t = vdev->priv;
	int err;

	t->freezes++;
	WRITE_ONCE(t->frozen, true);
	vnt_disable_cb(t);
	if (!t->fault.resize_in_freeze)
		return 0;

	err = vnt_resize_in_freeze(t);
	t->fault.resize_in_freeze = 0;
	return err;
}

/* The virtqueue must be drained before it can be brought up again. */
static int vnt_noirq_drain(struct vnt *t, int err)
{
	int reset_err;

	if (!t->in_flight)
		return err;

	/* The device may still write to the buffers if it did not reset. */
	reset_err = virtio_reset_device_noirq(t->vdev);
	if (reset_err)
		return reset_err;

	vnt_detach(t);
	return err;
}

/* Other devices may need this one until now; then it is reset. */
static int __maybe_unused vnt_noirq_freeze_noirq(struct virtio_device *vdev)
{
	struct vnt *t = vdev->priv;
	int err;

	if (vnt_fault(&t->fault.freeze_noirq_early))
		return -EIO;
	if (vnt_fault(&t->fault.leave_buffer)) {
		err = vnt_submit(t, t->slots[0], 1);
		virtqueue_kick(t->vq);
		return err;
	}

	err = vnt_noirq_drain(t, vnt_read(t, &t->suspend, 1, vnt_get));
	if (!err && vnt_fault(&t->fault.freeze_noirq_late))
		err = virtio_reset_device_noirq(vdev) ?: -EIO;
	return err;
}

static int __maybe_unused vnt_noirq_restore_noirq(struct virtio_device *vdev)
{
	struct vnt *t = vdev->priv;
	int err;

	if (vnt_fault(&t->fault.restore_noirq_early))
		return -EIO;
	if (vnt_fault(&t->fault.allocate))
		kfree(kmalloc(1, GFP_NOWAIT));

	virtio_device_ready_noirq(vdev);
	err = vnt_noirq_drain(t, vnt_read_resume(t));
	if (!err && vnt_fault(&t->fault.restore_noirq_late))
		err = -EIO;
	return err;
}

/*
 * Also called if the sleep was aborted before freeze_noirq(), or because that
 * left a buffer: the device still works, and has it.
 */
static int vnt_noirq_restore(struct virtio_device *vdev)
{
	struct vnt *t = vdev->priv;
	int err;

	err = vnt_collect(t, &t->running, vnt_get);
	virtqueue_enable_cb(t->vq);
	t->capacity = vnt_capacity(t);
	WRITE_ONCE(t->frozen, false);
	return err;
}

static int vnt_normal_freeze(struct virtio_device *vdev)
{
	vnt_del_vq(vdev->priv);
	return 0;
}

static int vnt_normal_restore(struct virtio_device *vdev)
{
	struct vnt *t = vdev->priv;
	int err;

	err = vnt_find_vq(t);
	if (err)
		return err;

	err = vnt_read_resume(t);
	virtqueue_enable_cb(t->vq);
	return err;
}

static const struct virtio_device_id vnt_ids[] = {
	{ VIRTIO_ID_BLOCK, VIRTIO_DEV_ANY_ID },
	{ },
};

static struct virtio_driver vnt_noirq_driver = {
	.driver.name	= "virtio_noirq_test",
	.id_table	= vnt_ids,
	.probe		= vnt_noirq_probe,
	.remove		= vnt_remove,
	.config_changed	= vnt_config_changed,
	.freeze		= vnt_noirq_freeze,
	.restore	= vnt_noirq_restore,
	VNT_NOIRQ_OPS(vnt_noirq_freeze_noirq, vnt_noirq_restore_noirq)
};

static struct virtio_driver vnt_normal_driver = {
	.driver.name	= "virtio_normal_test",
	.id_table	= vnt_ids,
	.probe		= vnt_probe,
	.remove		= vnt_remove,
	.config_changed	= vnt_config_changed,
	.freeze		= vnt_normal_freeze,
	.restore	= vnt_normal_restore,
};

struct device *vnt_provider_get(const char *name)
{
	return driver_find_device_by_name(&vnt_noirq_driver.driver, name) ?:
	       driver_find_device_by_name(&vnt_normal_driver.driver, name);
}
EXPORT_SYMBOL_GPL(vnt_provider_get);

int vnt_provider_read(struct device *dev, struct vnt_stats *stats,
		      unsigned int count)
{
	return vnt_read(dev_to_virtio(dev)->priv, stats, count, vnt_get);
}
EXPORT_SYMBOL_GPL(vnt_provider_read);

int vnt_provider_resize(struct device *dev, u64 sectors)
{
	return vnt_resize(dev_to_virtio(dev)->priv, sectors);
}
EXPORT_SYMBOL_GPL(vnt_provider_resize);

/* After a reset a PCI function may do nothing, and has no addresses. */
static bool vnt_was_reset(struct pci_dev *pdev)
{
	u16 command = 0;
	u32 bar = 0;
	int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0 + 4 * i, &bar);
		if (bar & PCI_BASE_ADDRESS_MEM_MASK)
			return false;
	}
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	return !command;
}

static int vnt_look_for_power(struct device *dev, void *unused)
{
	struct vnt *t = dev_to_virtio(dev)->priv;

	if (dev_is_pci(dev->parent) && vnt_was_reset(to_pci_dev(dev->parent)))
		t->power_losses++;
	return 0;
}

/* The noirq phase lasts from one event's start to the other event's end. */
static void vnt_suspend_resume(void *data, const char *action, int val,
			       bool start)
{
	if (!strcmp(action, "dpm_suspend_noirq") && start) {
		WRITE_ONCE(vnt_in_noirq, true);
	} else if (!strcmp(action, "dpm_resume_noirq")) {
		WRITE_ONCE(vnt_in_noirq, start);
		if (!start)
			return;
		WARN_ON(driver_for_each_device(&vnt_noirq_driver.driver, NULL,
					       NULL, vnt_look_for_power));
		WARN_ON(driver_for_each_device(&vnt_normal_driver.driver, NULL,
					       NULL, vnt_look_for_power));
		WRITE_ONCE(vnt_resume_start_ns, ktime_get_ns());
	}
}

static int __init vnt_init(void)
{
	int err;

	if (!requests)
		return -EINVAL;

	err = register_trace_suspend_resume(vnt_suspend_resume, NULL);
	if (err)
		return err;

	vnt_debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);

	err = register_virtio_driver(&vnt_noirq_driver);
	if (err)
		goto err_trace;

	/* The twin gets a device when somebody binds it. */
	err = register_virtio_driver(&vnt_normal_driver);
	if (err)
		goto err_driver;

	return 0;

err_driver:
	unregister_virtio_driver(&vnt_noirq_driver);
err_trace:
	debugfs_remove_recursive(vnt_debugfs);
	unregister_trace_suspend_resume(vnt_suspend_resume, NULL);
	tracepoint_synchronize_unregister();
	return err;
}
module_init(vnt_init);

static void __exit vnt_exit(void)
{
	unregister_virtio_driver(&vnt_normal_driver);
	unregister_virtio_driver(&vnt_noirq_driver);
	debugfs_remove_recursive(vnt_debugfs);
	unregister_trace_suspend_resume(vnt_suspend_resume, NULL);
	tracepoint_synchronize_unregister();
}
module_exit(vnt_exit);

MODULE_DESCRIPTION("Test drivers for virtio in the noirq phase of system sleep");
MODULE_LICENSE("GPL");
