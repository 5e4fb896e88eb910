// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"

static bool ranges_overlap(__u64 a, __u64 a_size, __u64 b, __u64 b_size)
{
	return a < b + b_size && b < a + a_size;
}

static bool desc_ok(const struct mem *mem, const struct mem_desc *desc, int fd)
{
	__u64 end;
	struct stat st;
	unsigned int i;

	if (!desc->size || desc->guest + desc->size < desc->guest ||
	    desc->user + desc->size < desc->user)
		return false;

	/* A page beyond the end of the file would be a SIGBUS for us. */
	if (__builtin_add_overflow(desc->offset, desc->size, &end) ||
	    fstat(fd, &st) || !S_ISREG(st.st_mode) || end > (__u64)st.st_size)
		return false;

	for (i = 0; i < mem->n; i++) {
		const struct mem_region *r = &mem->region[i];

		if (ranges_overlap(desc->guest, desc->size, r->guest, r->size) ||
		    ranges_overlap(desc->user, desc->size, r->user, r->size))
			return false;
	}
	return true;
}

/* An inaccessible page on both sides turns a mistake of ours into a crash. */
static bool map(struct mem_region *r, const struct mem_desc *desc, int fd)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t skip = desc->offset % page;
	size_t size = (skip + desc->size + page - 1) / page * page;
	__u8 *at;

	r->map_size = size + 2 * page;
	if (r->map_size < desc->size)
		return false;

	r->map = mmap(NULL, r->map_size, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->map == MAP_FAILED)
		return false;

	at = (__u8 *)r->map + page;
	if (mmap(at, skip + desc->size, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, fd, desc->offset - skip) == MAP_FAILED) {
		munmap(r->map, r->map_size);
		return false;
	}
	r->guest = desc->guest;
	r->user = desc->user;
	r->size = desc->size;
	r->base = at + skip;
	return true;
}

int mem_set(struct mem *mem, const struct mem_desc *desc, const int *fds,
	    unsigned int n)
{
	mem_clear(mem);
	if (n > MEM_REGIONS_MAX)
		return -1;

	for (; mem->n < n; mem->n++) {
		const struct mem_desc *d = &desc[mem->n];

		if (!desc_ok(mem, d, fds[mem->n]) ||
		    !map(&mem->region[mem->n], d, fds[mem->n])) {
			mem_clear(mem);
			return -1;
		}
	}
	return 0;
}

void mem_clear(struct mem *mem)
{
	while (mem->n) {
		struct mem_region *r = &mem->region[--mem->n];

		munmap(r->map, r->map_size);
	}
}

static bool inside(__u64 start, __u64 size, __u64 addr, __u64 len)
{
	return addr >= start && addr - start < size &&
	       len <= size - (addr - start);
}

void *mem_user(const struct mem *mem, __u64 user, __u64 len, size_t align)
{
	unsigned int i;

	for (i = 0; i < mem->n; i++) {
		const struct mem_region *r = &mem->region[i];
		__u8 *at;

		if (!inside(r->user, r->size, user, len))
			continue;
		at = r->base + (user - r->user);
		return (size_t)at % align ? NULL : at;
	}
	return NULL;
}

/* A buffer may cross from one region to the next. */
static __u8 *guest_part(const struct mem *mem, __u64 guest, __u64 len,
			__u64 *part)
{
	unsigned int i;

	for (i = 0; i < mem->n; i++) {
		const struct mem_region *r = &mem->region[i];

		if (!inside(r->guest, r->size, guest, 1))
			continue;
		*part = r->size - (guest - r->guest);
		if (*part > len)
			*part = len;
		return r->base + (guest - r->guest);
	}
	return NULL;
}

bool mem_valid(const struct mem *mem, __u64 guest, __u64 len)
{
	__u64 part;

	for (; len; guest += part, len -= part) {
		if (!guest_part(mem, guest, len, &part))
			return false;
	}
	return true;
}

bool mem_read(const struct mem *mem, __u64 guest, void *to, size_t len)
{
	__u8 *out = to;
	__u64 part;

	for (; len; guest += part, out += part, len -= part) {
		const __u8 *at = guest_part(mem, guest, len, &part);

		if (!at)
			return false;
		memcpy(out, at, part);
	}
	mem_copied();
	return true;
}

bool mem_write(const struct mem *mem, __u64 guest, const void *from, size_t len)
{
	const __u8 *in = from;
	__u64 part;

	for (; len; guest += part, in += part, len -= part) {
		__u8 *at = guest_part(mem, guest, len, &part);

		if (!at)
			return false;
		memcpy(at, in, part);
	}
	return true;
}
