/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The memory that the front-end shares with us, and the only way to it.
 */
#ifndef MEM_H
#define MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#define MEM_REGIONS_MAX 8	/* of the vhost-user specification */

/* As in the payload of VHOST_USER_SET_MEM_TABLE */
struct mem_desc {
	__u64 guest;		/* guest physical address */
	__u64 size;
	__u64 user;		/* the front-end's own virtual address */
	__u64 offset;		/* of the region in its file */
};

struct mem_region {
	__u64 guest, user, size;
	__u8 *base;		/* our address of the region's first byte */
	void *map;		/* what to unmap: the mapping and its guards */
	size_t map_size;
};

struct mem {
	unsigned int n;
	struct mem_region region[MEM_REGIONS_MAX];
};

/*
 * Replaces all regions. The descriptors stay the caller's. Returns -1, with
 * no region left, if anything about the table is wrong.
 */
int mem_set(struct mem *mem, const struct mem_desc *desc, const int *fds,
	    unsigned int n);
void mem_clear(struct mem *mem);

/* Our address of a ring at a front-end address, or NULL if not all is shared */
void *mem_user(const struct mem *mem, __u64 user, __u64 len, size_t align);

/* Guest physical addresses; false if a part is not shared memory */
bool mem_valid(const struct mem *mem, __u64 guest, __u64 len);
bool mem_read(const struct mem *mem, __u64 guest, void *to, size_t len);
bool mem_write(const struct mem *mem, __u64 guest, const void *from,
	       size_t len);

/*
 * After a copy out of shared memory: the compiler must use the copy from here
 * on and not fetch again what the guest may have changed since.
 */
static inline void mem_copied(void)
{
	__asm__ volatile("" : : : "memory");
}

#endif
