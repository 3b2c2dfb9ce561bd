// SPDX-License-Identifier: BSD-2-Clause
#include "devices/guestmem.h"

#include <errno.h>
#include <string.h>

/*
 * Addresses and lengths come from the guest and may be anything up to 2^64 - 1. They are compared
 * as distances from a range's base, so that no sum of two of them is ever formed.
 */
static bool contains(const struct guest_range *r, uint64_t gpa, uint64_t len)
{
	return gpa >= r->base && gpa - r->base < r->size && len <= r->size - (gpa - r->base);
}

static const struct guest_range *find(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	if (len == 0)
		return NULL;
	for (unsigned int i = 0; i < mem->count; i++) {
		if (contains(&mem->range[i], gpa, len))
			return &mem->range[i];
	}
	return NULL;
}

static void *host_address(const struct guest_range *r, uint64_t gpa)
{
	return r->host + (gpa - r->base);
}

int guest_mem_add(struct guest_mem *mem, uint64_t base, uint64_t size, void *host, bool read_only)
{
	/* Compared by their last bytes: a range may end at the very top of the address space. */
	uint64_t last = base + (size - 1);
	struct guest_range *r;

	if (size == 0 || last < base)
		return -EINVAL;
	for (unsigned int i = 0; i < mem->count; i++) {
		r = &mem->range[i];
		if (base <= r->base + (r->size - 1) && r->base <= last)
			return -EINVAL;
	}
	if (mem->count == GUEST_MEM_MAX_RANGES)
		return -ENOSPC;

	r = &mem->range[mem->count++];
	*r = (struct guest_range){
		.base = base, .size = size, .host = host, .read_only = read_only, .fd = -1
	};
	return 0;
}

int guest_mem_set_file(struct guest_mem *mem, uint64_t base, int fd, uint64_t offset)
{
	for (unsigned int i = 0; i < mem->count; i++) {
		if (mem->range[i].base == base) {
			mem->range[i].fd = fd;
			mem->range[i].offset = offset;
			return 0;
		}
	}
	return -EINVAL;
}

int guest_mem_add_window(struct guest_mem *mem, uint64_t base, uint64_t size, void *host, bool read_only)
{
	int ret = guest_mem_add(mem, base, size, host, read_only);

	if (!ret)
		mem->range[mem->count - 1].is_window = true;
	return ret;
}

const void *guest_mem_ptr_read(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	const struct guest_range *r = find(mem, gpa, len);

	return r ? host_address(r, gpa) : NULL;
}

void *guest_mem_ptr_write(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	const struct guest_range *r = find(mem, gpa, len);

	return r && !r->read_only ? host_address(r, gpa) : NULL;
}

int guest_mem_read(const struct guest_mem *mem, uint64_t gpa, void *dst, uint64_t len)
{
	const void *src;

	if (len == 0)
		return 0;
	src = guest_mem_ptr_read(mem, gpa, len);
	if (!src)
		return -EFAULT;
	memcpy(dst, src, len);
	return 0;
}

int guest_mem_write(const struct guest_mem *mem, uint64_t gpa, const void *src, uint64_t len)
{
	void *dst;

	if (len == 0)
		return 0;
	dst = guest_mem_ptr_write(mem, gpa, len);
	if (!dst)
		return -EFAULT;
	memcpy(dst, src, len);
	return 0;
}

void *guest_mem_load(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	const struct guest_range *r = find(mem, gpa, len);

	return r && !r->is_window ? host_address(r, gpa) : NULL;
}
