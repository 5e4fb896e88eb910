/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The PM callbacks of a transition, as a test of a transport calls them.
 */
#ifndef _SLEEP_H
#define _SLEEP_H

#include <linux/device.h>
#include <linux/pm.h>
#include <linux/stddef.h>

/* Those of one kind of transition, as offsets into dev_pm_ops */
struct sleep_ops {
	size_t down;
	size_t down_noirq;
	size_t up_noirq;
	size_t up;
};

#define SLEEP_OPS(_down, _up) {						\
	.down = offsetof(const struct dev_pm_ops, _down),		\
	.down_noirq = offsetof(const struct dev_pm_ops, _down##_noirq),	\
	.up_noirq = offsetof(const struct dev_pm_ops, _up##_noirq),	\
	.up = offsetof(const struct dev_pm_ops, _up),			\
}

typedef int (*sleep_fn)(struct device *dev);

static inline sleep_fn sleep_callback(const struct dev_pm_ops *pm, size_t op)
{
	return *(const sleep_fn *)((const void *)pm + op);
}

static inline int sleep_call(struct device *dev, const struct dev_pm_ops *pm,
			     size_t op)
{
	sleep_fn fn = sleep_callback(pm, op);

	return fn ? fn(dev) : 0;
}

#endif /* _SLEEP_H */
