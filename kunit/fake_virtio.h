/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A fake virtio transport, and a driver that is bound to its device on the real
 * virtio bus. Both record every call in order, and any call can be made to fail
 * or to do something else on the side.
 */
#ifndef _FAKE_VIRTIO_H
#define _FAKE_VIRTIO_H

#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <kunit/device.h>
#include <kunit/test.h>

#include "record.h"

#define FAKE_DEVICE_ID		0xfa4e
#define FAKE_QUEUE_SIZE		8

#define FAKE_STATUS_FEATURES_OK	(VIRTIO_CONFIG_S_ACKNOWLEDGE | \
				 VIRTIO_CONFIG_S_DRIVER | \
				 VIRTIO_CONFIG_S_FEATURES_OK)
#define FAKE_STATUS_LIVE	(FAKE_STATUS_FEATURES_OK | \
				 VIRTIO_CONFIG_S_DRIVER_OK)

/* What is recorded when a device is reset and its features are negotiated. */
#define FAKE_NEGOTIATE	"reset status=01 status=03 finalize_features status=0b "

struct fake_virtio {
	struct virtio_device vdev;
	struct virtio_driver drv;
	struct device *parent;
	struct completion released;
	struct virtqueue *vq;
	u8 buffer[16];

	/*
	 * The device: its status, the bits that a reset or a write leaves, and the
	 * features that it no longer offers.
	 */
	u8 status;
	u8 stuck;
	u8 refused;
	u64 features;
	u64 lost;
	bool has_features;
	bool has_vqs;
	bool ready;

	/* What the device was told, and whether DRIVER_OK came too early. */
	struct record record;
	bool premature;

	/* What a function at a call has seen. */
	int seen;

	/* What shall happen in the call of this name, or in each. */
	const char *at;
	int (*then)(struct fake_virtio *fake);
};

static inline struct fake_virtio *to_fake(struct virtio_device *vdev)
{
	return container_of(vdev, struct fake_virtio, vdev);
}

static inline int fake_call(struct fake_virtio *fake, const char *name)
{
	seq_buf_printf(&fake->record.calls, "%s ", name);

	return fake->then && (!fake->at || !strcmp(fake->at, name)) ?
	       fake->then(fake) : 0;
}

static inline const char *fake_calls(struct kunit *test)
{
	struct fake_virtio *fake = test->priv;

	return record_take(test, &fake->record);
}

static inline const char *fake_calls_from(struct kunit *test, const char *name)
{
	struct fake_virtio *fake = test->priv;

	return record_take_from(test, &fake->record, name);
}

static inline void fake_at(struct fake_virtio *fake, const char *name,
			   int (*then)(struct fake_virtio *fake))
{
	fake->at = name;
	fake->then = then;
}

static inline int fake_fail(struct fake_virtio *fake)
{
	return -ENXIO;
}

/* The device behaves from now on. */
static inline void fake_heal(struct fake_virtio *fake)
{
	fake->then = NULL;
	fake->stuck = 0;
	fake->refused = 0;
	fake->lost = 0;
}

static inline int fake_signal_change(struct fake_virtio *fake)
{
	virtio_config_changed(&fake->vdev);

	return 0;
}

static inline int fake_add_buffer(struct fake_virtio *fake)
{
	struct scatterlist sg;

	sg_init_one(&sg, fake->buffer, sizeof(fake->buffer));

	return virtqueue_add_outbuf(fake->vq, &sg, 1, fake, GFP_KERNEL);
}

static inline void fake_drain(struct fake_virtio *fake)
{
	while (virtqueue_detach_unused_buf(fake->vq))
		;
}

/* The transport */

static inline u8 fake_get_status(struct virtio_device *vdev)
{
	return to_fake(vdev)->status;
}

static inline void fake_set_status(struct virtio_device *vdev, u8 status)
{
	struct fake_virtio *fake = to_fake(vdev);
	char name[] = "status=00";

	snprintf(name, sizeof(name), "status=%02x", status);
	fake->status = status & ~fake->refused;
	/* Without power all bits are read, and written back to nobody. */
	fake->premature |= status != 0xff && (status & VIRTIO_CONFIG_S_DRIVER_OK) &&
			   !(fake->has_features && fake->has_vqs);
	fake_call(fake, name);
	fake->ready |= status & VIRTIO_CONFIG_S_DRIVER_OK;
}

static inline void fake_reset(struct virtio_device *vdev)
{
	struct fake_virtio *fake = to_fake(vdev);

	fake->status &= fake->stuck;
	fake->has_features = false;
	fake->ready = false;
	fake->has_vqs = list_empty(&vdev->vqs);
	fake_call(fake, "reset");
}

static inline u64 fake_get_features(struct virtio_device *vdev)
{
	struct fake_virtio *fake = to_fake(vdev);

	return fake->features & ~fake->lost;
}

static inline int fake_finalize_features(struct virtio_device *vdev)
{
	struct fake_virtio *fake = to_fake(vdev);

	vring_transport_features(vdev);
	/* A device cannot have what it does not offer. */
	fake->has_features = !(vdev->features & fake->lost);

	return fake_call(fake, "finalize_features");
}

static inline bool fake_notify(struct virtqueue *vq)
{
	return true;
}

static inline int fake_create_vqs(struct virtio_device *vdev, unsigned int nvqs,
				  struct virtqueue *vqs[],
				  struct virtqueue_info vqs_info[],
				  bool (*notify)(struct virtqueue *vq))
{
	struct fake_virtio *fake = to_fake(vdev);
	unsigned int i;

	for (i = 0; i < nvqs; i++) {
		vqs[i] = vring_create_virtqueue(i, FAKE_QUEUE_SIZE, PAGE_SIZE,
						vdev, true, false, false,
						notify, vqs_info[i].callback,
						vqs_info[i].name);
		if (!vqs[i])
			return -ENOMEM;
	}
	fake->has_vqs = true;

	return fake_call(fake, "find_vqs");
}

static inline int fake_find_vqs(struct virtio_device *vdev, unsigned int nvqs,
				struct virtqueue *vqs[],
				struct virtqueue_info vqs_info[],
				struct irq_affinity *desc)
{
	return fake_create_vqs(vdev, nvqs, vqs, vqs_info, fake_notify);
}

static inline void fake_del_vqs(struct virtio_device *vdev)
{
	struct virtqueue *vq, *next;

	list_for_each_entry_safe(vq, next, &vdev->vqs, list)
		vring_del_virtqueue(vq);
	fake_call(to_fake(vdev), "del_vqs");
}

#define FAKE_CONFIG_OPS					\
	.get_status = fake_get_status,			\
	.set_status = fake_set_status,			\
	.reset = fake_reset,				\
	.find_vqs = fake_find_vqs,			\
	.del_vqs = fake_del_vqs,			\
	.get_features = fake_get_features,		\
	.finalize_features = fake_finalize_features

/* The driver */

static inline int driver_create_vq(struct fake_virtio *fake)
{
	fake->vq = virtio_find_single_vq(&fake->vdev, NULL, "fake");

	return PTR_ERR_OR_ZERO(fake->vq);
}

static inline int driver_probe(struct virtio_device *vdev)
{
	return driver_create_vq(to_fake(vdev));
}

static inline void driver_remove(struct virtio_device *vdev)
{
	struct fake_virtio *fake = to_fake(vdev);

	fake_call(fake, "remove");
	fake_heal(fake);
	virtio_reset_device(vdev);
	fake_del_vqs(vdev);
}

static inline void driver_config_changed(struct virtio_device *vdev)
{
	fake_call(to_fake(vdev), "config_changed");
}

static const struct virtio_device_id fake_id_table[] = {
	{ FAKE_DEVICE_ID, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

#define FAKE_DRIVER					\
	.driver.name = KBUILD_MODNAME,			\
	.id_table = fake_id_table,			\
	.probe = driver_probe,				\
	.remove = driver_remove,				\
	.config_changed = driver_config_changed

/* The whole */

static inline void fake_release(struct device *dev)
{
	complete(&to_fake(dev_to_virtio(dev))->released);
}

static inline void fake_unregister_driver(void *fake)
{
	unregister_virtio_driver(&((struct fake_virtio *)fake)->drv);
}

static inline void fake_unregister_device(void *data)
{
	struct fake_virtio *fake = data;

	fake_heal(fake);
	unregister_virtio_device(&fake->vdev);
	wait_for_completion(&fake->released);
}

static inline void fake_register_device(struct kunit *test,
					struct fake_virtio *fake)
{
	struct device *dev = &fake->vdev.dev;

	memset(dev, 0, sizeof(*dev));
	dev->release = fake_release;
	dev->parent = fake->parent;
	init_completion(&fake->released);
	KUNIT_ASSERT_EQ(test, register_virtio_device(&fake->vdev), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, fake_unregister_device, fake), 0);

	KUNIT_ASSERT_STREQ(test, fake_calls(test),
			   FAKE_NEGOTIATE "find_vqs status=0f ");
}

/*
 * A device that was just probed by a copy of @drv, and offers the features that this
 * knows. Becomes test->priv.
 */
static inline void fake_virtio_init(struct kunit *test,
				    const struct virtio_config_ops *config,
				    const struct virtio_driver *drv)
{
	struct fake_virtio *fake = kunit_kzalloc(test, sizeof(*fake),
						 GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, fake);
	test->priv = fake;
	record_init(&fake->record);
	fake->features = BIT_ULL(VIRTIO_F_VERSION_1);
	for (i = 0; i < drv->feature_table_size; i++)
		fake->features |= BIT_ULL(drv->feature_table[i]);

	fake->drv = *drv;
	KUNIT_ASSERT_EQ(test, register_virtio_driver(&fake->drv), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, fake_unregister_driver, fake), 0);

	fake->parent = kunit_device_register(test, "fake-transport");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake->parent);
	fake->vdev.config = config;
	fake->vdev.id.device = FAKE_DEVICE_ID;
	fake_register_device(test, fake);
}

static inline void fake_unbind(struct fake_virtio *fake)
{
	device_release_driver(&fake->vdev.dev);
}

static inline void fake_bind(struct kunit *test, struct fake_virtio *fake)
{
	KUNIT_ASSERT_EQ(test, device_attach(&fake->vdev.dev), 1);
	fake_calls(test);
}

#endif /* _FAKE_VIRTIO_H */
