// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit test for the noirq phase of system sleep: random walks. Steps of sleep
 * cycles as the PM core may take them, with a driver, a device and a user of
 * the device that do at each call what they may do, or what they must not. After
 * each step, what must hold whatever happened.
 *
 * A walk is the same for the same seed, which is in its name.
 */
#include <linux/ktime.h>
#include <linux/prandom.h>
#include <linux/suspend.h>

#include "fake_noirq.h"

static unsigned long walk_seed = 1;
module_param_named(seed, walk_seed, ulong, 0444);
MODULE_PARM_DESC(seed, "of the first walk; each other one has the next");

static unsigned long walk_count = 100;
module_param_named(walks, walk_count, ulong, 0444);
MODULE_PARM_DESC(walks, "how many there are");

/* In each walk; KUnit has a limit for the time that a test takes. */
#define WALK_STEPS	1000

/* How many of the last steps a failure shows */
#define WALK_SHOWN	24
/* A driver and the core may both wait for a reset */
#define WALK_LIMIT_MS	11000

/* Where the PM core is with the device */
enum walk_phase {
	WALK_RUNNING,
	WALK_SUSPENDED,		/* in the normal phase */
	WALK_FROZEN,		/* in the noirq phase, too */
	WALK_RESUMED,		/* in the noirq phase */
};

struct walk {
	struct kunit *test;
	struct fake_virtio *fake;
	struct rnd_state rnd;
	enum walk_phase phase;

	/* Whether anybody does what must not be done, and the driver does not drain. */
	bool faulty;
	bool untidy;
	bool suspend;
	/* Whether the device has shorter virtqueues than it had */
	bool shorter;
	bool bound;

	unsigned int posted;
	bool change_pending;
	bool busy;

	/* What the driver is in, and what the device did in this step. */
	bool draining;
	bool drained;
	bool quiet;
	bool killed;
	const char *wrong;

	bool warned;
	unsigned int step;
	const char *shown[WALK_SHOWN];
};

/* The calls of the fakes know no walk: it is that of the test which is run. */
static struct walk *walk;

static bool walk_chance(unsigned int percent)
{
	return prandom_u32_state(&walk->rnd) % 100 < percent;
}

static bool walk_fault(unsigned int percent)
{
	return walk->faulty && walk_chance(percent);
}

/* The user of the device, who is never frozen */
static int walk_use(void)
{
	struct virtqueue *vq = walk->fake->vq;
	unsigned int len;
	int ret;

	while (virtqueue_get_buf(vq, &len))
		walk->posted--;

	ret = fake_add_buffer(walk->fake);
	if (ret)
		return ret;

	walk->posted++;
	if (walk->drained)
		walk->wrong = "a buffer was added to queues that are drained";
	if (walk->fake->vdev.noirq_state != VIRTIO_NOIRQ_NONE &&
	    !walk->fake->ready && !walk->draining)
		walk->wrong = "a buffer was added before the device is ready";

	return 0;
}

static void walk_detach(void)
{
	while (virtqueue_detach_unused_buf(walk->fake->vq))
		walk->posted--;
}

static void walk_signal_change(void)
{
	walk->change_pending = true;
	virtio_config_changed(&walk->fake->vdev);
}

/* A device that completes any buffer, whether it has it or not, and any number */
static void walk_complete(struct fake_virtio *fake)
{
	struct vring_used *used = phys_to_virt(virtqueue_get_used_addr(fake->vq));
	u16 idx = virtio16_to_cpu(&fake->vdev, used->idx);
	vring_used_elem_t *entry = &used->ring[idx % FAKE_QUEUE_SIZE];

	entry->id = cpu_to_virtio32(&fake->vdev,
				    prandom_u32_state(&walk->rnd) % (FAKE_QUEUE_SIZE + 1));
	entry->len = cpu_to_virtio32(&fake->vdev, prandom_u32_state(&walk->rnd));
	idx += walk_chance(20) ? prandom_u32_state(&walk->rnd) : 1;
	used->idx = cpu_to_virtio16(&fake->vdev, idx);
	vring_interrupt(0, fake->vq);
}

/* It comes back with a status of 0, and reads as all ones until then. */
static void walk_lose_power(struct fake_virtio *fake, u8 status)
{
	fake->status = status;
	fake->has_features = false;
	fake->has_vqs = false;
	fake->ready = false;
}

/* What a device can do at any time */
static void walk_device(struct fake_virtio *fake)
{
	u8 status = fake->status;

	if (!list_empty(&fake->vdev.vqs) && walk_fault(2))
		walk_complete(fake);
	if (walk_fault(1))
		walk->shorter = true;
	if (walk_fault(2))
		fake->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (walk_fault(1))
		walk_lose_power(fake, 0);
	if (walk_fault(1))
		fake->stuck = prandom_u32_state(&walk->rnd);
	if (walk_fault(1))
		fake->refused = VIRTIO_CONFIG_S_FEATURES_OK;
	if (walk_fault(1))
		fake->lost = BIT_ULL(VIRTIO_F_VERSION_1);
	walk->killed |= fake->status != status || fake->refused || fake->lost;
	if (walk_chance(30))
		fake->stuck = 0;
	if (walk_chance(30))
		fake->refused = 0;
	if (walk_chance(30))
		fake->lost = 0;
	if (walk_chance(30))
		walk->shorter = false;
	if (walk_chance(5))
		walk_signal_change();
}

/* At each call of driver and transport; some can fail. */
static int walk_call(struct fake_virtio *fake)
{
	/* Not from within itself */
	if (walk->busy)
		return 0;

	walk->busy = true;
	walk_device(fake);
	if (walk_chance(20) && !list_empty(&fake->vdev.vqs))
		walk_use();
	walk->busy = false;

	return walk_fault(3) ? -ENXIO : 0;
}

/* What went wrong, if anything did */

static void walk_expect(const char *wrong)
{
	unsigned int i;

	if (!wrong)
		return;

	for (i = 1; i <= min(walk->step, WALK_SHOWN); i++)
		kunit_info(walk->test, "step %u: %s", walk->step - i,
			   walk->shown[(walk->step - i) % WALK_SHOWN]);
	KUNIT_FAIL_AND_ABORT(walk->test, "step %u, state %d, status %02x: %s",
			     walk->step, walk->fake->vdev.noirq_state,
			     walk->fake->status, wrong);
}

/* The driver */

static int driver_freeze(struct virtio_device *vdev)
{
	int ret = fake_call(to_fake(vdev), "freeze");

	walk->quiet |= !ret;

	return ret;
}

static int walk_drain(struct virtio_device *vdev)
{
	int ret = fake_call(to_fake(vdev), "freeze_noirq");

	/* Some drivers get all buffers back, and do not reset. */
	if (ret || walk->untidy || (walk_chance(30) && !walk->posted))
		return ret;

	ret = virtio_reset_device_noirq(vdev);
	if (ret)
		return ret;

	walk_detach();

	return walk_fault(10) ? -ENXIO : 0;
}

static int driver_freeze_noirq(struct virtio_device *vdev)
{
	int ret;

	walk->draining = true;
	ret = walk_drain(vdev);
	walk->draining = false;
	walk->drained = !ret;

	return ret;
}

static int driver_restore_noirq(struct virtio_device *vdev)
{
	int ret = fake_call(to_fake(vdev), "restore_noirq");

	if (ret || walk_chance(20))
		return ret;

	walk->drained = false;
	virtio_device_ready_noirq(vdev);
	walk_use();

	return 0;
}

static int driver_restore(struct virtio_device *vdev)
{
	int ret;

	walk->drained = false;
	ret = fake_call(to_fake(vdev), "restore");
	walk->quiet &= !!ret;

	return ret;
}

static void walk_config_changed(struct virtio_device *vdev)
{
	if (walk->quiet)
		walk->wrong = "a config change reached a frozen driver";
	walk->change_pending = false;
}

static void walk_remove(struct virtio_device *vdev)
{
	struct fake_virtio *fake = to_fake(vdev);

	/* Unbinding waits for a reset to complete. */
	fake_heal(fake);
	virtio_reset_device(vdev);
	walk_detach();
	fake_del_vqs(vdev);
	walk->drained = false;
	walk->quiet = false;
}

static const struct virtio_driver walk_driver = {
	.driver.name = KBUILD_MODNAME,
	.id_table = fake_id_table,
	.probe = driver_probe,
	.remove = walk_remove,
	.config_changed = walk_config_changed,
	.freeze = driver_freeze,
	.restore = driver_restore,
	.freeze_noirq = driver_freeze_noirq,
	.restore_noirq = driver_restore_noirq,
};

/* The transport */

static int walk_reset_vqs(struct virtio_device *vdev)
{
	return walk->shorter ? -ENOENT : fake_reset_vqs(vdev);
}

static const struct virtio_config_ops walk_config_ops = {
	FAKE_CONFIG_OPS,
	.reset_vqs = walk_reset_vqs,
	.noirq_safe = true,
	.synchronize_cbs = fake_synchronize_cbs,
};

/* The PM core */

static void walk_set_target(bool suspend)
{
#ifdef CONFIG_SUSPEND
	pm_suspend_target_state = suspend ? PM_SUSPEND_TO_IDLE : PM_SUSPEND_ON;
	walk->suspend = suspend;
#endif
}

static const char *walk_unbind(void)
{
	fake_unbind(walk->fake);
	walk->fake->then = walk_call;
	walk->bound = false;

	return "unbind";
}

static const char *walk_bind(void)
{
	struct fake_virtio *fake = walk->fake;

	fake_heal(fake);
	if (device_attach(&fake->vdev.dev) != 1)
		walk_expect("the driver cannot be bound again");
	fake->then = walk_call;
	walk->bound = true;

	return "bind";
}

/* What comes after it finds a device that was reset, and so does a driver here. */
static const char *walk_shutdown(struct virtio_device *vdev)
{
	fake_heal(walk->fake);
	vdev->dev.bus->shutdown(&vdev->dev);
	if (walk->fake->status)
		walk->wrong = "the device was not reset in the shutdown";
	if (!walk_use())
		walk->wrong = "a device can be used after the shutdown";
	walk_unbind();

	return "shutdown";
}

static const char *walk_running(struct virtio_device *vdev)
{
	if (!walk->bound)
		return walk_bind();
	if (walk_chance(3))
		return walk_unbind();
	if (walk_chance(1))
		return walk_shutdown(vdev);
	if (walk_chance(30)) {
		walk_use();
		return "use";
	}
	if (walk_chance(10))
		walk_detach();

	walk->untidy = walk_fault(15);
	walk_set_target(walk_chance(50));
	if (virtio_device_freeze(vdev))
		return "freeze fails";

	walk->phase = WALK_SUSPENDED;
	return "freeze";
}

static const char *walk_restore(struct virtio_device *vdev)
{
	int ret;

	/* What was so before, the core can see. */
	if (vdev->noirq_state == VIRTIO_NOIRQ_NONE)
		walk->killed = false;
	ret = virtio_device_restore(vdev);

	walk->phase = WALK_RUNNING;
	walk_set_target(false);
	if (!ret && walk->bound && !walk->killed && !walk->fake->ready)
		walk->wrong = "a device was restored that does not run";

	return ret ? "restore fails" : "restore";
}

static const char *walk_freeze_noirq(struct virtio_device *vdev)
{
	int ret = virtio_device_freeze_noirq(vdev);

	if (ret == -ETIMEDOUT && walk->suspend)
		walk->wrong = "a device that cannot be reset keeps the system awake";
	if (ret) {
		walk->drained &= vdev->noirq_state != VIRTIO_NOIRQ_NONE;
		walk->phase = WALK_SUSPENDED;
		return "freeze_noirq fails";
	}

	walk->phase = WALK_FROZEN;
	return "freeze_noirq";
}

static const char *walk_restore_noirq(struct virtio_device *vdev)
{
	walk->phase = WALK_RESUMED;
	walk->killed = false;

	return virtio_device_restore_noirq(vdev) ? "restore_noirq fails" : "restore_noirq";
}

static const char *walk_step(struct virtio_device *vdev)
{
	if (walk_fault(1)) {
		walk_lose_power(walk->fake, 0xff);
		walk->killed = true;
	}
	/* By the kernel itself, user space is frozen */
	if (walk->bound && walk->phase != WALK_RUNNING && walk_chance(1))
		return walk_unbind();

	switch (walk->phase) {
	case WALK_RUNNING:
		return walk_running(vdev);
	case WALK_SUSPENDED:
		/* Another device may abort the transition. */
		return walk_chance(20) ? walk_restore(vdev) : walk_freeze_noirq(vdev);
	case WALK_FROZEN:
		return walk_restore_noirq(vdev);
	case WALK_RESUMED:
		/* The core may go to sleep again. */
		return walk_chance(10) ? walk_freeze_noirq(vdev) : walk_restore(vdev);
	}

	return "nothing";
}

/* What must hold */

static const char *walk_wrong(struct fake_virtio *fake)
{
	enum virtio_noirq_state state = fake->vdev.noirq_state;
	struct virtqueue *vq = fake->vq;

	if (walk->wrong)
		return walk->wrong;
	if (test_taint(TAINT_WARN) && !walk->warned)
		return "the kernel warned";
	if (fake->premature)
		return "DRIVER_OK without features or queues";
	if (!walk->bound)
		return state == VIRTIO_NOIRQ_NONE ? NULL : "a state without a driver";
	if (vq->num_free != FAKE_QUEUE_SIZE - walk->posted)
		return "a buffer was lost or came back twice";
	if (state == VIRTIO_NOIRQ_ENTERED && walk->phase != WALK_FROZEN)
		return "frozen outside of the noirq phase";
	if (walk->phase == WALK_FROZEN && state != VIRTIO_NOIRQ_ENTERED &&
	    state != VIRTIO_NOIRQ_FAILED)
		return "not frozen in the noirq phase";
	if ((state == VIRTIO_NOIRQ_ENTERED || state == VIRTIO_NOIRQ_FAILED) &&
	    !virtqueue_is_broken(vq))
		return "a device that does not work can be used";
	if (state == VIRTIO_NOIRQ_ENTERED && walk->posted)
		return "the device sleeps with buffers";
	if (walk->phase == WALK_RUNNING && state == VIRTIO_NOIRQ_NONE &&
	    walk->change_pending)
		return "a config change was not reported";

	return NULL;
}

static void walk_one(void)
{
	struct fake_virtio *fake = walk->fake;
	ktime_t start = ktime_get();

	walk->shown[walk->step % WALK_SHOWN] = walk_step(&fake->vdev);
	walk->step++;
	seq_buf_clear(&fake->record.calls);
	walk_expect(walk_wrong(fake));
	walk_expect(ktime_ms_delta(ktime_get(), start) > WALK_LIMIT_MS ?
		    "it took too long" : NULL);
}

/* With a device and a driver that behave, all works after a cycle, or a rebind. */
static void walk_heal(void)
{
	struct fake_virtio *fake = walk->fake;

	walk->faulty = false;
	walk->untidy = false;
	fake->stuck = 0;
	fake->refused = 0;
	fake->lost = 0;
	walk->shorter = false;
	while (walk->phase != WALK_RUNNING)
		walk_one();
	if (walk->bound && walk_chance(30))
		walk_unbind();
	do
		walk_one();
	while (!walk->bound || walk->phase != WALK_FROZEN);
	while (!walk->bound || walk->phase != WALK_RUNNING)
		walk_one();

	walk_detach();
	if (fake->vdev.noirq_state != VIRTIO_NOIRQ_NONE ||
	    (fake->status | VIRTIO_CONFIG_S_FAILED) !=
	    (FAKE_STATUS_LIVE | VIRTIO_CONFIG_S_FAILED) || walk_use())
		walk_expect("a device that was healed does not work");
	walk->faulty = true;
}

/* Test that, whatever happens, what must hold holds, and all works after that. */
static void walk_at_random(struct kunit *test)
{
	while (walk->step < WALK_STEPS) {
		walk_one();
		if (walk_chance(1))
			walk_heal();
	}
}

static const void *walk_gen_params(struct kunit *test, const void *prev,
				   char *desc)
{
	unsigned long seed = prev ? (unsigned long)prev + 1 : walk_seed;

	if (seed >= walk_seed + walk_count)
		return NULL;

	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "seed %lu", seed);

	return (void *)seed;
}

static int walk_init(struct kunit *test)
{
	walk = kunit_kzalloc(test, sizeof(*walk), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, walk);
	walk->test = test;
	prandom_seed_state(&walk->rnd, (unsigned long)test->param_value);

	fake_virtio_init(test, &walk_config_ops, &walk_driver);
	walk->fake = test->priv;
	walk->fake->then = walk_call;
	walk->bound = true;
	walk->faulty = true;
	walk->warned = test_taint(TAINT_WARN);

	return 0;
}

static void walk_exit(struct kunit *test)
{
	walk_set_target(false);
	walk->fake->then = NULL;
}

static struct kunit_case walk_cases[] = {
	KUNIT_CASE_PARAM_ATTR(walk_at_random, walk_gen_params, { .speed = KUNIT_SPEED_SLOW }),
	{}
};

static struct kunit_suite walk_suite = {
	.name = "virtio_noirq_walk",
	.init = walk_init,
	.exit = walk_exit,
	.test_cases = walk_cases,
};

kunit_test_suite(walk_suite);

MODULE_DESCRIPTION("KUnit test for virtio in the noirq phase: a random walk");
MODULE_LICENSE("GPL");
