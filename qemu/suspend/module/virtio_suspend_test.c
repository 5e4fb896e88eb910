// SPDX-License-Identifier: GPL-2.0
/*
 * Two drivers of disks and entropy devices that keep buffers posted while the
 * device is suspended. All that is read has the pattern of qemu/blk/mkdisk.py.
 *
 * virtio_suspend_bare has no callback for system sleep, and virtio_suspend_noirq has
 * those of the noirq phase and lets its devices be suspended. Whoever loads this binds
 * the devices, all on virtio-mmio, with drivers_autoprobe off: one that another driver has
 * refused is FAILED.
 *
 * An entropy device has all buffers all the time. A disk gets two requests when
 * interrupts are off already, and is notified, and, when it has answered, two more of
 * which it is not. All of them have to be there with the right data after the sleep,
 * those of virtio_suspend_noirq in the noirq phase, and of the others those that the
 * device was notified of, as the core calls the driver then.
 *
 * debugfs, virtio_suspend_test/:
 * alarm	write a number: the real-time clock ends a sleep after so many seconds
 * check	what was wrong in the sleep cycle before, one line for each device
 * alive	"blk0 works", or "blk0 fails", for each device, after it was tried
 */

#include <linux/blk_types.h>
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/rtc.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>
#include <linux/virtio.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <trace/events/power.h>

#define VST_PLACES	32		/* virtio-mmio buses of QEMU's virt machine */
#define VST_PLACE_SIZE	0x200
#define VST_DEPTH	8		/* buffers */
#define VST_REQUESTS	4		/* to a disk, in a sleep cycle */
#define VST_NOTIFIED	2		/* of these */
#define VST_RNG_SIZE	16		/* bytes, of VST_DEPTH buffers at a time */
#define VST_SEED	0x5eed		/* of the pattern */
#define VST_FACTOR	0x9E3779B97F4A7C15ULL
#define VST_INVERSE	0xF1DE83E19937733DULL	/* of the factor, modulo 2^64 */
#define VST_WAIT_MS	3000
#define VST_SPIN_MS	100		/* of them, in which -icount gives the host time */

struct vst_buffer {
	struct virtio_blk_outhdr hdr;
	u64 sector;
	bool posted;

	/* The device writes here. */
	__dma_from_device_group_begin(answer);
	__le64 data[SECTOR_SIZE / sizeof(__le64)];
	u8 status;
	__dma_from_device_group_end(answer);
};

struct vst {
	struct virtio_device *vdev;
	struct virtqueue *vq;
	spinlock_t lock;		/* virtqueue and counters */
	bool is_disk;
	bool is_noirq;			/* which of the drivers it has */
	unsigned int place;
	u64 next;			/* sector, or word at least */
	struct vst_buffer *buffers[VST_DEPTH];
	/* Since the last look */
	unsigned int posted;		/* in the sleep */
	unsigned int used, used_in_noirq, wrong;
};

static struct vst *vst_devices[VST_PLACES];
static struct dentry *vst_debugfs;
static bool vst_in_noirq;

static u64 vst_word(u64 value)
{
	return (VST_SEED + value) * VST_FACTOR;
}

/* What an entropy device says goes on, with gaps: QEMU drops some of its own. */
static bool vst_is_right(struct vst *t, const struct vst_buffer *buf, unsigned int len)
{
	unsigned int i, n = len / sizeof(__le64);
	u64 first;

	if (t->is_disk) {
		first = buf->sector * ARRAY_SIZE(buf->data);
		if (buf->status != VIRTIO_BLK_S_OK || n != ARRAY_SIZE(buf->data))
			return false;
	} else {
		first = le64_to_cpu(buf->data[0]) * VST_INVERSE - VST_SEED;
		if (len != VST_RNG_SIZE || first < t->next)
			return false;
		t->next = first + n;
	}
	for (i = 0; i < n; i++)
		if (le64_to_cpu(buf->data[i]) != vst_word(first + i))
			return false;

	return true;
}

static int vst_post(struct vst *t, struct vst_buffer *buf)
{
	struct scatterlist hdr, data, status;
	struct scatterlist *sgs[] = { &hdr, &data, &status };
	int ret;

	sg_init_one(&data, buf->data, t->is_disk ? sizeof(buf->data) : VST_RNG_SIZE);
	memset(buf->data, 0xa5, sizeof(buf->data));
	if (!t->is_disk) {
		ret = virtqueue_add_inbuf(t->vq, &data, 1, buf, GFP_ATOMIC);
	} else {
		/* Sector 0 has the label of the disk. */
		buf->sector = 1 + t->next++ % 255;
		buf->hdr.type = cpu_to_virtio32(t->vdev, VIRTIO_BLK_T_IN);
		buf->hdr.sector = cpu_to_virtio64(t->vdev, buf->sector);
		buf->status = 0xff;
		sg_init_one(&hdr, &buf->hdr, sizeof(buf->hdr));
		sg_init_one(&status, &buf->status, sizeof(buf->status));
		ret = virtqueue_add_sgs(t->vq, sgs, 1, 2, buf, GFP_ATOMIC);
	}
	buf->posted = !ret;

	return ret;
}

/* Posts the buffers that are not, up to a number. */
static int vst_post_some(struct vst *t, unsigned int count)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < VST_DEPTH && count && !ret; i++) {
		if (t->buffers[i]->posted)
			continue;
		ret = vst_post(t, t->buffers[i]);
		count--;
	}

	return ret;
}

static unsigned int vst_count_posted(struct vst *t)
{
	unsigned int i, n = 0;

	for (i = 0; i < VST_DEPTH; i++)
		n += t->buffers[i]->posted;

	return n;
}

/* Takes what the device has used. */
static void vst_take(struct vst *t)
{
	struct vst_buffer *buf;
	unsigned int len;

	while ((buf = virtqueue_get_buf(t->vq, &len))) {
		/* The status byte of a disk */
		t->wrong += !vst_is_right(t, buf, len - t->is_disk);
		t->used++;
		t->used_in_noirq += vst_in_noirq;
		buf->posted = false;
	}
}

static void vst_interrupt(struct virtqueue *vq)
{
	struct vst *t = vq->vdev->priv;

	guard(spinlock_irqsave)(&t->lock);
	vst_take(t);
	if (t->is_disk)
		return;
	vst_post_some(t, VST_DEPTH);
	virtqueue_kick(vq);
}

/*
 * The sleep, by the PM core's own trace events. At the first of them interrupts are off
 * and the device works; at the last one it works again.
 */

static void vst_begin(struct vst *t)
{
	unsigned int ms, last;

	guard(spinlock_irqsave)(&t->lock);
	t->used = 0;
	t->used_in_noirq = 0;
	if (t->is_disk) {
		last = virtqueue_enable_cb_prepare(t->vq);
		vst_post_some(t, VST_NOTIFIED);
		virtqueue_kick(t->vq);
		/* When the device gets to it, it takes what is there. */
		for (ms = 0; ms < VST_WAIT_MS && !virtqueue_poll(t->vq, last); ms++)
			mdelay(1);
		vst_post_some(t, VST_REQUESTS - VST_NOTIFIED);
	}
	t->posted = vst_count_posted(t);
}

static void vst_end(struct vst *t)
{
	unsigned int ms;

	if (!t->is_noirq || !t->is_disk)
		return;
	for (ms = 0; ms < VST_WAIT_MS && vst_count_posted(t); ms++) {
		scoped_guard(spinlock_irqsave, &t->lock)
			vst_take(t);
		if (virtqueue_is_broken(t->vq))
			return;
		mdelay(1);
	}
}

static void vst_suspend_resume(void *data, const char *action, int val, bool start)
{
	bool begins = !strcmp(action, "dpm_suspend_noirq") && start;
	unsigned int i;

	if (!begins && (strcmp(action, "dpm_resume_noirq") || start))
		return;
	if (begins)
		vst_in_noirq = true;
	for (i = 0; i < VST_PLACES; i++) {
		if (!vst_devices[i])
			continue;
		if (begins)
			vst_begin(vst_devices[i]);
		else
			vst_end(vst_devices[i]);
	}
	if (!begins)
		vst_in_noirq = false;
}

/*
 * What userspace asks for
 */

static bool vst_wait(struct vst *t, unsigned int used)
{
	unsigned int ms;

	for (ms = 0; ms < VST_WAIT_MS && READ_ONCE(t->used) < used; ms += 20) {
		if (ms < VST_SPIN_MS)
			mdelay(20);
		else
			msleep(20);
	}

	return READ_ONCE(t->used) >= used;
}

static const char *vst_name(const struct vst *t)
{
	return t->is_disk ? "blk" : "rng";
}

static void vst_check(struct seq_file *seq, struct vst *t)
{
	unsigned int posted = t->is_disk ? VST_REQUESTS : VST_DEPTH;
	unsigned int noirq = t->is_noirq ? VST_REQUESTS : VST_NOTIFIED;
	bool all = vst_wait(t, t->is_disk ? VST_REQUESTS : 1);

	if (t->posted != posted || !all || t->wrong ||
	    (t->is_disk && (t->used_in_noirq < noirq || t->used != posted ||
			    vst_count_posted(t))))
		seq_printf(seq, "%s%u: %u posted, not %u; %u used, %u in noirq, not %u at least; %u wrong\n",
			   vst_name(t), t->place, t->posted, posted, t->used,
			   t->used_in_noirq, noirq, t->wrong);
}

static int check_show(struct seq_file *seq, void *unused)
{
	unsigned int i;

	for (i = 0; i < VST_PLACES; i++)
		if (vst_devices[i])
			vst_check(seq, vst_devices[i]);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(check);

static bool vst_works(struct vst *t)
{
	scoped_guard(spinlock_irqsave, &t->lock) {
		t->used = 0;
		if (vst_post_some(t, t->is_disk ? 1 : VST_DEPTH))
			return false;
		virtqueue_kick(t->vq);
	}

	return vst_wait(t, 1) && !t->wrong;
}

static int alive_show(struct seq_file *seq, void *unused)
{
	unsigned int i;

	for (i = 0; i < VST_PLACES; i++)
		if (vst_devices[i])
			seq_printf(seq, "%s%u %s\n", vst_name(vst_devices[i]), i,
				   vst_works(vst_devices[i]) ? "works" : "fails");

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(alive);

static int vst_alarm_set(void *data, u64 seconds)
{
	struct rtc_wkalrm alarm = { .enabled = 1 };
	struct rtc_device *rtc = rtc_class_open("rtc0");
	int ret;

	if (!rtc)
		return -ENODEV;
	ret = rtc_read_time(rtc, &alarm.time);
	if (!ret) {
		rtc_time64_to_tm(rtc_tm_to_time64(&alarm.time) + seconds, &alarm.time);
		ret = rtc_set_alarm(rtc, &alarm);
	}
	rtc_class_close(rtc);

	return ret;
}
DEFINE_DEBUGFS_ATTRIBUTE(vst_alarm, NULL, vst_alarm_set, "%llu\n");

/*
 * The drivers
 */

static int vst_start(struct vst *t)
{
	int ret = 0;

	guard(spinlock_irqsave)(&t->lock);
	if (!t->is_disk) {
		ret = vst_post_some(t, VST_DEPTH);
		virtqueue_kick(t->vq);
	}

	return ret;
}

/* Returns -ENODEV if it is not on virtio-mmio. */
static int vst_place(struct virtio_device *vdev)
{
	struct resource *res;

	if (vdev->dev.parent->bus != &platform_bus_type)
		return -ENODEV;
	res = platform_get_resource(to_platform_device(vdev->dev.parent), IORESOURCE_MEM, 0);

	return res ? res->start / VST_PLACE_SIZE % VST_PLACES : -ENODEV;
}

static int vst_probe(struct virtio_device *vdev, bool noirq)
{
	int i, place = vst_place(vdev);
	struct vst *t;

	if (place < 0)
		return place;
	t = devm_kzalloc(&vdev->dev, sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	for (i = 0; i < VST_DEPTH; i++) {
		t->buffers[i] = devm_kzalloc(&vdev->dev, sizeof(*t->buffers[i]), GFP_KERNEL);
		if (!t->buffers[i])
			return -ENOMEM;
	}
	spin_lock_init(&t->lock);
	t->vdev = vdev;
	t->place = place;
	t->is_noirq = noirq;
	t->is_disk = vdev->id.device == VIRTIO_ID_BLOCK;
	vdev->priv = t;
	t->vq = virtio_find_single_vq(vdev, vst_interrupt, "buffers");
	if (IS_ERR(t->vq))
		return PTR_ERR(t->vq);
	virtio_device_ready(vdev);
	vst_devices[place] = t;

	return vst_start(t);
}

static int vst_bare_probe(struct virtio_device *vdev)
{
	return vst_probe(vdev, false);
}

static int vst_noirq_probe(struct virtio_device *vdev)
{
	return vst_probe(vdev, true);
}

static void vst_detach(struct vst *t)
{
	struct vst_buffer *buf;

	guard(spinlock_irqsave)(&t->lock);
	while ((buf = virtqueue_detach_unused_buf(t->vq)))
		buf->posted = false;
}

static void vst_remove(struct virtio_device *vdev)
{
	struct vst *t = vdev->priv;

	vst_devices[t->place] = NULL;
	virtio_reset_device(vdev);
	vst_detach(t);
	vdev->config->del_vqs(vdev);
}

static int vst_freeze(struct virtio_device *vdev)
{
	return 0;
}

static int vst_freeze_noirq(struct virtio_device *vdev)
{
	int ret = virtio_reset_device_noirq(vdev);

	if (!ret)
		vst_detach(vdev->priv);

	return ret;
}

static int vst_restore_noirq(struct virtio_device *vdev)
{
	virtio_device_ready_noirq(vdev);

	return vst_start(vdev->priv);
}

static int vst_restore(struct virtio_device *vdev)
{
	return 0;
}

static const struct virtio_device_id vst_ids[] = {
	{ VIRTIO_ID_BLOCK, VIRTIO_DEV_ANY_ID },
	{ VIRTIO_ID_RNG, VIRTIO_DEV_ANY_ID },
	{}
};

static struct virtio_driver vst_bare = {
	.driver.name	= "virtio_suspend_bare",
	.id_table	= vst_ids,
	.probe		= vst_bare_probe,
	.remove		= vst_remove,
};

static struct virtio_driver vst_noirq = {
	.driver.name	= "virtio_suspend_noirq",
	.id_table	= vst_ids,
	.probe		= vst_noirq_probe,
	.remove		= vst_remove,
	.freeze		= vst_freeze,
	.freeze_noirq	= vst_freeze_noirq,
	.restore_noirq	= vst_restore_noirq,
	.restore	= vst_restore,
	.noirq_suspend	= true,
};

static int __init vst_init(void)
{
	int ret = register_virtio_driver(&vst_bare);

	if (ret)
		return ret;
	ret = register_virtio_driver(&vst_noirq);
	if (ret)
		goto err_bare;
	ret = register_trace_suspend_resume(vst_suspend_resume, NULL);
	if (ret)
		goto err_noirq;
	vst_debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("check", 0400, vst_debugfs, NULL, &check_fops);
	debugfs_create_file("alive", 0400, vst_debugfs, NULL, &alive_fops);
	debugfs_create_file_unsafe("alarm", 0200, vst_debugfs, NULL, &vst_alarm);

	return 0;

err_noirq:
	unregister_virtio_driver(&vst_noirq);
err_bare:
	unregister_virtio_driver(&vst_bare);
	return ret;
}
module_init(vst_init);

MODULE_DESCRIPTION("Test drivers for virtio devices that are suspended");
MODULE_LICENSE("GPL");
