/* SPDX-License-Identifier: GPL-2.0 */
/* Probes on tracepoints that are found by name, as they are not exported. */

#ifndef TRACEPOINT_PROBES_H
#define TRACEPOINT_PROBES_H

#include <linux/string.h>
#include <linux/tracepoint.h>

struct vn_probe {
	const char *name;
	void *probe;
	struct tracepoint *tracepoint;
};

struct vn_probes {
	struct vn_probe *probes;
	unsigned int count;
};

static void vn_probe_find(struct tracepoint *tracepoint, void *data)
{
	struct vn_probes *p = data;
	unsigned int i;

	for (i = 0; i < p->count; i++)
		if (!strcmp(tracepoint->name, p->probes[i].name))
			p->probes[i].tracepoint = tracepoint;
}

static void vn_probes_unregister(struct vn_probe *probes, unsigned int count)
{
	while (count--)
		tracepoint_probe_unregister(probes[count].tracepoint,
					    probes[count].probe, NULL);
	tracepoint_synchronize_unregister();
}

static int vn_probes_register(struct vn_probe *probes, unsigned int count)
{
	struct vn_probes p = { probes, count };
	unsigned int i;
	int err;

	for_each_kernel_tracepoint(vn_probe_find, &p);

	for (i = 0; i < count; i++) {
		err = probes[i].tracepoint ?
		      tracepoint_probe_register(probes[i].tracepoint,
						probes[i].probe, NULL) :
		      -ENOENT;
		if (err) {
			vn_probes_unregister(probes, i);
			return err;
		}
	}
	return 0;
}

#endif /* TRACEPOINT_PROBES_H */
