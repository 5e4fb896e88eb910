// SPDX-License-Identifier: GPL-2.0
/*
 * A consumer of a clock, a regulator and a power domain that SCMI over virtio
 * provides: it gates them in suspend_noirq() and needs them in resume_noirq().
 *
 * Its device tree node is compatible with "virtio-scmi-test" and has two clocks
 * ("bus", "other"), vdd-supply, io-supply, one of resets and of power-domains. The power
 * domain is switched by genpd, in the noirq phase as well. wake=N: the alarm of
 * rtc0 ends a sleep after N seconds.
 *
 * What else can happen in a sleep cycle, where PHASE is one of those of the
 * results:
 *
 *   all=1             in each phase but suspend_noirq the supply's level is set, and
 *                     the device is reset, too
 *   thread=1          a thread sets the rate of the second clock all the time
 *   read_in=PHASE     a thread asks for the voltage of the io supply
 *   set=1             it sets the rate of the second clock instead
 *   wait=1            suspend_noirq() waits for the answer to that thread, as if
 *                     for a lock that it holds
 *   wakeup_in=PHASE   a wakeup event
 *   fail_restore=1    the SCMI device cannot be negotiated with when the system
 *                     resumes; in every second cycle, from the first one on
 *
 * clk_set_rate() returns 0 even if no one has answered, so ask for the rate as
 * well. What is true is only known to the platform: a test has to look there.
 *
 * debugfs has virtio_scmi_test/results. For each phase, since the module was
 * loaded:
 *
 *   PHASE requests N polled N asleep N answered N errors N us N max_us N
 *
 * with the SCMI requests made; those of them that waited for the answer by polling
 * and asleep, which none does that was refused; those that were done;
 * operations that failed; and the time of all requests and of the longest. Then
 * the rate and the level asked for last, how often the device was reset, the events
 * that the platform sent about clocks, what the threads did, and how often
 * suspend_noirq() had to wait.
 */

#include <linux/clk.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/regulator/consumer.h>
#include <linux/reset.h>
#include <linux/rtc.h>
#include <linux/scmi_protocol.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/tracepoint.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#define VST_RATE(n)	((100 + 4 * ((n) % 8)) * 1000000UL)
#define VST_RATE_2(n)	((10 + (n) % 8) * 1000000UL)
#define VST_LEVEL(n)	((600 + 25 * ((n) % 8)) * 1000)

static bool all;
module_param(all, bool, 0444);
MODULE_PARM_DESC(all, "Set the supply's level and reset the device, too");

static bool thread;
module_param(thread, bool, 0444);
MODULE_PARM_DESC(thread, "Set the rate of a second clock all the time");

static unsigned int wake;
module_param(wake, uint, 0444);
MODULE_PARM_DESC(wake, "Seconds after which a sleep ends");

static char *read_in;
module_param(read_in, charp, 0444);
MODULE_PARM_DESC(read_in, "Phase in which a thread asks for a voltage");

static bool set;
module_param(set, bool, 0444);
MODULE_PARM_DESC(set, "That thread sets the rate of the second clock instead");

static bool wait;
module_param(wait, bool, 0444);
MODULE_PARM_DESC(wait, "suspend_noirq() waits for that thread");

static char *wakeup_in;
module_param(wakeup_in, charp, 0444);
MODULE_PARM_DESC(wakeup_in, "Phase in which there is a wakeup event");

static bool fail_restore;
module_param(fail_restore, bool, 0444);
MODULE_PARM_DESC(fail_restore, "The SCMI device fails in every second resume");

enum vst_phase {
	VST_RUNNING,
	VST_SUSPEND,
	VST_SUSPEND_LATE,
	VST_SUSPEND_NOIRQ,
	VST_RESUME_NOIRQ,
	VST_RESUME_EARLY,
	VST_RESUME,
	VST_PHASES
};

static const char *const vst_phase_name[] = {
	"running", "suspend", "suspend_late", "suspend_noirq",
	"resume_noirq", "resume_early", "resume",
};

static struct vst_stats {
	unsigned int requests;
	unsigned int polled;
	unsigned int asleep;
	unsigned int answered;
	unsigned int errors;
	s64 us;
	s64 max_us;
	ktime_t start;	/* of the request that is under way */
} vst_stats[VST_PHASES];

struct vst {
	struct device *dev;
	struct clk *clk;
	struct clk *clk_2;
	struct regulator *vdd;
	struct regulator *io;
	struct reset_control *reset;
	bool clk_on;
	bool vdd_on;
	unsigned int changes;
};

static struct dentry *vst_debugfs;
static atomic_t vst_events;
static unsigned long vst_rate;
static int vst_level;
static unsigned int vst_resets;

static struct task_struct *vst_current;	/* whose requests are counted */
static enum vst_phase vst_phase;
static unsigned int vst_thread_changes;
static s64 vst_thread_max_us;

static struct task_struct *vst_reader;
static DECLARE_WAIT_QUEUE_HEAD(vst_read_wait);
static bool vst_read_wanted;
static DECLARE_COMPLETION(vst_read_sent);
static DECLARE_COMPLETION(vst_read_done);
static unsigned int vst_waits;
static struct vst_stats vst_reads;

static unsigned int vst_cycles;
static struct virtio_device *vst_vdev;
static const struct virtio_config_ops *vst_config;
static struct virtio_config_ops vst_failing_config;

/* Where the request that the current thread makes is counted. */
static struct vst_stats *vst_current_stats(void)
{
	if (current == READ_ONCE(vst_reader))
		return &vst_reads;
	if (current == READ_ONCE(vst_current))
		return &vst_stats[vst_phase];

	return NULL;
}

static void vst_begin_request(void *data, int transfer_id, u8 msg_id,
			      u8 protocol_id, u16 seq, bool poll, int in_flight)
{
	struct vst_stats *stats = vst_current_stats();

	if (!stats)
		return;

	stats->requests++;
	stats->start = ktime_get();
}

static void vst_wait_for_response(void *data, int transfer_id, u8 msg_id,
				  u8 protocol_id, u16 seq, u32 timeout,
				  bool poll)
{
	struct vst_stats *stats = vst_current_stats();

	if (!stats)
		return;

	if (poll)
		stats->polled++;
	else
		stats->asleep++;
	if (stats == &vst_reads)
		complete(&vst_read_sent);
}

static void vst_end_request(void *data, int transfer_id, u8 msg_id,
			    u8 protocol_id, u16 seq, int status, int in_flight)
{
	struct vst_stats *stats = vst_current_stats();
	s64 us;

	if (!stats)
		return;

	us = ktime_us_delta(ktime_get(), stats->start);
	stats->us += us;
	stats->max_us = max(stats->max_us, us);
	stats->answered += !status;
}

static struct {
	const char *name;
	void *probe;
	struct tracepoint *tp;
} vst_tracepoints[] = {
	{ "scmi_xfer_begin", vst_begin_request },
	{ "scmi_xfer_response_wait", vst_wait_for_response },
	{ "scmi_xfer_end", vst_end_request },
};

static int vst_set_rate(struct vst *vst)
{
	int ret;

	vst_rate = VST_RATE(++vst->changes);
	ret = clk_set_rate(vst->clk, vst_rate);
	if (!ret && clk_get_rate(vst->clk) != vst_rate)
		ret = -EIO;

	return ret;
}

static int vst_set_level(struct vst *vst)
{
	vst_level = VST_LEVEL(vst->changes);
	return regulator_set_voltage(vst->vdd, vst_level, vst_level);
}

static int vst_reset(struct vst *vst)
{
	int ret = reset_control_reset(vst->reset);

	vst_resets += !ret;

	return ret;
}

static int vst_enable_clk(struct vst *vst)
{
	int ret = clk_prepare_enable(vst->clk);

	vst->clk_on = !ret;

	return ret;
}

static int vst_disable_clk(struct vst *vst)
{
	if (vst->clk_on)
		clk_disable_unprepare(vst->clk);
	vst->clk_on = false;

	return 0;
}

/* It is still on if it could not be disabled. */
static int vst_enable_vdd(struct vst *vst)
{
	int ret = vst->vdd_on ? 0 : regulator_enable(vst->vdd);

	vst->vdd_on = !ret;
	if (!ret && regulator_is_enabled(vst->vdd) <= 0)
		ret = -EIO;

	return ret;
}

static int vst_disable_vdd(struct vst *vst)
{
	int ret = 0;

	if (vst->vdd_on)
		ret = regulator_disable(vst->vdd);
	vst->vdd_on = vst->vdd_on && ret;

	return ret;
}

/* An error is counted and does not end the sleep: the next phase is to be seen. */
static void vst_do(struct vst *vst, enum vst_phase phase, const char *what,
		   int (*op)(struct vst *vst))
{
	struct vst_stats *stats = &vst_stats[phase];
	ktime_t start = ktime_get();
	int ret;

	vst_phase = phase;
	WRITE_ONCE(vst_current, current);
	ret = op(vst);
	WRITE_ONCE(vst_current, NULL);

	if (ret) {
		stats->errors++;
		dev_info(vst->dev, "%s: %s: %pe after %lld us\n",
			 vst_phase_name[phase], what, ERR_PTR(ret),
			 ktime_us_delta(ktime_get(), start));
	}
}

static bool vst_is(enum vst_phase phase, const char *name)
{
	return name && !strcmp(name, vst_phase_name[phase]);
}

/* What else happens in this phase, when the consumer has done its part. */
static int vst_end_phase(enum vst_phase phase)
{
	if (vst_is(phase, wakeup_in))
		pm_system_wakeup();

	/* It need not be answered. */
	if (vst_is(phase, read_in)) {
		reinit_completion(&vst_read_sent);
		reinit_completion(&vst_read_done);
		WRITE_ONCE(vst_read_wanted, true);
		wake_up(&vst_read_wait);
		if (!wait_for_completion_timeout(&vst_read_sent, 10 * HZ))
			return -EIO;
	}

	return 0;
}

static int vst_use(struct device *dev, enum vst_phase phase)
{
	struct vst *vst = dev_get_drvdata(dev);

	vst_do(vst, phase, "set rate", vst_set_rate);
	if (all) {
		vst_do(vst, phase, "set level", vst_set_level);
		vst_do(vst, phase, "reset", vst_reset);
	}

	return vst_end_phase(phase);
}

static int vst_set_alarm(void)
{
	struct rtc_device *rtc = rtc_class_open("rtc0");
	struct rtc_wkalrm alarm = { .enabled = 1 };
	int ret;

	if (!rtc)
		return -ENODEV;

	ret = rtc_read_time(rtc, &alarm.time);
	if (!ret) {
		rtc_time64_to_tm(rtc_tm_to_time64(&alarm.time) + wake,
				 &alarm.time);
		ret = rtc_set_alarm(rtc, &alarm);
	}
	rtc_class_close(rtc);

	return ret;
}

static int vst_no_features(struct virtio_device *vdev)
{
	return -ENXIO;
}

static int vst_suspend(struct device *dev)
{
	if (vst_vdev && vst_cycles++ % 2 == 0)
		vst_vdev->config = &vst_failing_config;

	return vst_use(dev, VST_SUSPEND);
}

static int vst_suspend_late(struct device *dev)
{
	/* suspend_noirq() is to be the one that has to wait */
	return wait ? 0 : vst_use(dev, VST_SUSPEND_LATE);
}

static int vst_suspend_noirq(struct device *dev)
{
	struct vst *vst = dev_get_drvdata(dev);

	if (wait) {
		vst_waits += !completion_done(&vst_read_done);
		wait_for_completion(&vst_read_done);
	}

	vst_do(vst, VST_SUSPEND_NOIRQ, "disable clock", vst_disable_clk);
	vst_do(vst, VST_SUSPEND_NOIRQ, "disable supply", vst_disable_vdd);

	/* Timeouts may have taken long until here. */
	return vst_end_phase(VST_SUSPEND_NOIRQ) ?: wake ? vst_set_alarm() : 0;
}

static int vst_resume_noirq(struct device *dev)
{
	struct vst *vst = dev_get_drvdata(dev);

	vst_do(vst, VST_RESUME_NOIRQ, "enable supply", vst_enable_vdd);
	vst_do(vst, VST_RESUME_NOIRQ, "enable clock", vst_enable_clk);
	return vst_use(dev, VST_RESUME_NOIRQ);
}

static int vst_resume_early(struct device *dev)
{
	return vst_use(dev, VST_RESUME_EARLY);
}

static int vst_resume(struct device *dev)
{
	if (vst_vdev)
		vst_vdev->config = vst_config;

	return vst_use(dev, VST_RESUME);
}

static const struct dev_pm_ops vst_pm_ops = {
	SYSTEM_SLEEP_PM_OPS(vst_suspend, vst_resume)
	LATE_SYSTEM_SLEEP_PM_OPS(vst_suspend_late, vst_resume_early)
	NOIRQ_SYSTEM_SLEEP_PM_OPS(vst_suspend_noirq, vst_resume_noirq)
};

static int vst_thread(void *data)
{
	struct vst *vst = data;

	while (!kthread_should_stop()) {
		ktime_t start = ktime_get();

		clk_set_rate(vst->clk_2, VST_RATE_2(++vst_thread_changes));
		vst_thread_max_us = max(vst_thread_max_us,
					ktime_us_delta(ktime_get(), start));
		usleep_range(200, 400);
	}

	return 0;
}

static int vst_read(void *data)
{
	struct vst *vst = data;

	for (;;) {
		wait_event_interruptible(vst_read_wait, kthread_should_stop() ||
					 xchg(&vst_read_wanted, false));
		if (kthread_should_stop())
			return 0;
		if (set)
			clk_set_rate(vst->clk_2, VST_RATE_2(++vst_thread_changes));
		else if (regulator_get_voltage(vst->io) < 0)
			vst_reads.errors++;
		complete(&vst_read_done);
	}
}

static void vst_stop_thread(void *data)
{
	kthread_stop(data);
}

static struct task_struct *vst_start_thread(struct vst *vst, const char *name,
					    int (*fn)(void *data))
{
	struct task_struct *task = kthread_run(fn, vst, "%s", name);
	int ret = PTR_ERR_OR_ZERO(task);

	if (!ret)
		ret = devm_add_action_or_reset(vst->dev, vst_stop_thread, task);

	return ret ? ERR_PTR(ret) : task;
}

static void vst_off(void *data)
{
	vst_disable_clk(data);
	vst_disable_vdd(data);
}

static int vst_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct vst *vst;
	int ret;

	vst = devm_kzalloc(dev, sizeof(*vst), GFP_KERNEL);
	if (!vst)
		return -ENOMEM;

	vst->dev = dev;
	vst->clk = devm_clk_get(dev, "bus");
	if (IS_ERR(vst->clk))
		return dev_err_probe(dev, PTR_ERR(vst->clk), "no clock\n");
	vst->clk_2 = devm_clk_get(dev, "other");
	if (IS_ERR(vst->clk_2))
		return dev_err_probe(dev, PTR_ERR(vst->clk_2), "no clock\n");
	vst->vdd = devm_regulator_get(dev, "vdd");
	if (IS_ERR(vst->vdd))
		return dev_err_probe(dev, PTR_ERR(vst->vdd), "no supply\n");
	vst->io = devm_regulator_get(dev, "io");
	if (IS_ERR(vst->io))
		return dev_err_probe(dev, PTR_ERR(vst->io), "no supply\n");
	vst->reset = devm_reset_control_get_exclusive(dev, NULL);
	if (IS_ERR(vst->reset))
		return dev_err_probe(dev, PTR_ERR(vst->reset), "no reset\n");
	platform_set_drvdata(pdev, vst);

	vst_do(vst, VST_RUNNING, "enable supply", vst_enable_vdd);
	vst_do(vst, VST_RUNNING, "enable clock", vst_enable_clk);
	vst_do(vst, VST_RUNNING, "set rate", vst_set_rate);
	ret = devm_add_action_or_reset(dev, vst_off, vst);
	if (ret)
		return ret;

	if (thread)
		ret = PTR_ERR_OR_ZERO(vst_start_thread(vst, "vst_rate", vst_thread));
	if (!ret && read_in) {
		vst_reader = vst_start_thread(vst, "vst_read", vst_read);
		ret = PTR_ERR_OR_ZERO(vst_reader);
	}

	return ret;
}

static const struct of_device_id vst_of_match[] = {
	{ .compatible = "virtio-scmi-test" },
	{ }
};

static struct platform_driver vst_driver = {
	.driver = {
		.name = "virtio_scmi_test",
		.of_match_table = vst_of_match,
		.pm = pm_sleep_ptr(&vst_pm_ops),
	},
	.probe = vst_probe,
};

static int vst_clock_event(struct notifier_block *nb, unsigned long event,
			   void *data)
{
	atomic_inc(&vst_events);
	return NOTIFY_OK;
}

static struct notifier_block vst_nb = { .notifier_call = vst_clock_event };

static int vst_scmi_probe(struct scmi_device *sdev)
{
	const struct scmi_notify_ops *notify = sdev->handle->notify_ops;

	return notify->devm_event_notifier_register(sdev, SCMI_PROTOCOL_CLOCK,
						    SCMI_EVENT_CLOCK_RATE_CHANGED,
						    NULL, &vst_nb);
}

static const struct scmi_device_id vst_scmi_ids[] = {
	{ SCMI_PROTOCOL_CLOCK, "virtio-scmi-test" },
	{ }
};

static struct scmi_driver vst_scmi_driver = {
	.name = "virtio_scmi_test",
	.probe = vst_scmi_probe,
	.id_table = vst_scmi_ids,
};

static void vst_show_stats(struct seq_file *s, const char *name,
			   const struct vst_stats *stats)
{
	seq_printf(s, "%s requests %u polled %u asleep %u answered %u errors %u us %lld max_us %lld\n",
		   name, stats->requests, stats->polled, stats->asleep,
		   stats->answered, stats->errors, stats->us, stats->max_us);
}

static int vst_results_show(struct seq_file *s, void *data)
{
	int i;

	for (i = 0; i < VST_PHASES; i++)
		vst_show_stats(s, vst_phase_name[i], &vst_stats[i]);
	vst_show_stats(s, "reads", &vst_reads);
	seq_printf(s, "rate %lu\nlevel %d\nresets %u\nevents %d\nthread changes %u max_us %lld\nwaits %u\n",
		   vst_rate, vst_level, vst_resets, atomic_read(&vst_events), vst_thread_changes,
		   vst_thread_max_us, vst_waits);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vst_results);

static const struct virtio_device_id vst_no_ids[] = { { 0 } };

static int vst_no_probe(struct virtio_device *vdev)
{
	return -ENODEV;
}

/* Registered for a moment, to get hold of the bus. */
static struct virtio_driver vst_virtio_driver = {
	.driver.name = "virtio_scmi_test",
	.id_table = vst_no_ids,
	.probe = vst_no_probe,
};

static int vst_is_scmi(struct device *dev, const void *data)
{
	return dev_to_virtio(dev)->id.device == VIRTIO_ID_SCMI;
}

static int vst_find_device(void)
{
	struct device *dev;
	int ret;

	ret = register_virtio_driver(&vst_virtio_driver);
	if (ret)
		return ret;

	dev = bus_find_device(vst_virtio_driver.driver.bus, NULL, NULL,
			      vst_is_scmi);
	unregister_virtio_driver(&vst_virtio_driver);
	if (!dev)
		return -ENODEV;

	vst_vdev = dev_to_virtio(dev);
	vst_config = vst_vdev->config;
	vst_failing_config = *vst_config;
	vst_failing_config.finalize_features = vst_no_features;

	return 0;
}

static void vst_put_device(void)
{
	if (vst_vdev)
		put_device(&vst_vdev->dev);
}

static void vst_find_tracepoint(struct tracepoint *tp, void *data)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(vst_tracepoints); i++) {
		if (!strcmp(tp->name, vst_tracepoints[i].name))
			vst_tracepoints[i].tp = tp;
	}
}

static void vst_put_tracepoints(int n)
{
	while (n--)
		tracepoint_probe_unregister(vst_tracepoints[n].tp,
					    vst_tracepoints[n].probe, NULL);
	tracepoint_synchronize_unregister();
}

static int vst_get_tracepoints(void)
{
	int i, ret;

	/* They are not exported. */
	for_each_kernel_tracepoint(vst_find_tracepoint, NULL);

	for (i = 0; i < ARRAY_SIZE(vst_tracepoints); i++) {
		ret = -ENODEV;
		if (vst_tracepoints[i].tp)
			ret = tracepoint_probe_register(vst_tracepoints[i].tp,
							vst_tracepoints[i].probe,
							NULL);
		if (ret) {
			vst_put_tracepoints(i);
			return ret;
		}
	}

	return 0;
}

static int __init vst_init(void)
{
	int ret;

	ret = vst_get_tracepoints();
	if (ret)
		return ret;

	if (fail_restore)
		ret = vst_find_device();
	if (ret)
		goto err_tracepoint;

	ret = scmi_register(&vst_scmi_driver);
	if (ret)
		goto err_device;

	ret = platform_driver_register(&vst_driver);
	if (ret)
		goto err_scmi;

	vst_debugfs = debugfs_create_dir("virtio_scmi_test", NULL);
	debugfs_create_file("results", 0400, vst_debugfs, NULL,
			    &vst_results_fops);

	return 0;

err_scmi:
	scmi_unregister(&vst_scmi_driver);
err_device:
	vst_put_device();
err_tracepoint:
	vst_put_tracepoints(ARRAY_SIZE(vst_tracepoints));
	return ret;
}
module_init(vst_init);

static void __exit vst_exit(void)
{
	debugfs_remove(vst_debugfs);
	platform_driver_unregister(&vst_driver);
	scmi_unregister(&vst_scmi_driver);
	vst_put_device();
	vst_put_tracepoints(ARRAY_SIZE(vst_tracepoints));
}
module_exit(vst_exit);

MODULE_DESCRIPTION("Use SCMI over virtio in the noirq phase of system sleep");
MODULE_LICENSE("GPL");
