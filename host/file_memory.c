// SPDX-License-Identifier: BSD-2-Clause
#include "host/file_memory.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOG_AREA AREA_DISK
#include "kvm/log.h"

#define SEARCH_PIECE 0x200000U /* bytes that are asked for at once, a multiple of all page sizes */

/*
 * Read by a signal handler on any thread: `begin` is stored last, and cleared first. Entries are added and
 * removed while no thread touches the mapping.
 */
struct mapping {
	_Atomic uintptr_t begin; /* 0: this one is free */
	uintptr_t end;
	_Atomic bool lost;
	_Atomic uintptr_t searched; /* where the last search has found something, or `begin` */

	/* Guarded by `lock`. */
	uint64_t left; /* bytes that are still the file's, as far as is known */
	bool told;     /* that pages cannot be had: once */
	int fd;
	char name[48];
};

static struct mapping mappings[FILE_MEMORY_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic unsigned int mends;

static uint64_t whole_pages(uint64_t size)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) & ~(page - 1);
}

/* Nothing but a system call: fit for a signal handler. */
static bool replace(uintptr_t at, uint64_t len)
{
	return mmap((void *)at, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

static struct mapping *mapping_at(uintptr_t addr)
{
	for (unsigned int i = 0; i < FILE_MEMORY_MAX; i++) {
		uintptr_t begin = mappings[i].begin;

		if (begin && addr >= begin && addr < mappings[i].end)
			return &mappings[i];
	}
	return NULL;
}

/* A page of the file is missing, for whatever reason: the instruction is tried again with another. */
static void on_sigbus(int number, siginfo_t *info, void *context)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), addr = (uintptr_t)info->si_addr;
	struct mapping *m = mapping_at(addr);
	int saved = errno;

	(void)context;
	if (m && replace(addr & ~(page - 1), page)) {
		m->lost = true;
		mends++;
	} else {
		signal(number, SIG_DFL); /* it happens again, and ends the program */
	}
	errno = saved;
}

static void handle_sigbus(void)
{
	struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, NULL);
}

int file_memory_add(void *host, uint64_t size, int fd, const char *name, struct err *err)
{
	struct mapping *m = mappings;

	size = whole_pages(size);
	pthread_mutex_lock(&lock);
	while (m < mappings + FILE_MEMORY_MAX && m->begin)
		m++;
	if (m == mappings + FILE_MEMORY_MAX) {
		pthread_mutex_unlock(&lock);
		err_host_text(err, "%s: more than %d files in guest memory", name, FILE_MEMORY_MAX);
		return -ENOSPC;
	}
	m->lost = m->told = false;
	m->left = size;
	m->fd = fd;
	m->end = (uintptr_t)host + size;
	snprintf(m->name, sizeof(m->name), "%s", name);
	m->searched = (uintptr_t)host;
	m->begin = (uintptr_t)host;
	handle_sigbus();
	pthread_mutex_unlock(&lock);
	return 0;
}

void file_memory_remove(const void *host)
{
	struct mapping *m;

	pthread_mutex_lock(&lock);
	m = mapping_at((uintptr_t)host);
	if (m)
		m->begin = 0;
	pthread_mutex_unlock(&lock);
}

/* With the lock held. The page in which the file ends is there as a whole. */
static void mend(struct mapping *m)
{
	off_t end = lseek(m->fd, 0, SEEK_END);
	uint64_t there;

	if (end < 0)
		return;
	there = whole_pages((uint64_t)end);
	if (there >= m->left)
		return;
	if (!replace(m->begin + there, m->end - m->begin - there))
		return;
	log_warn("%s: its file has become shorter: %llu bytes are left, the rest is lost", m->name,
		 (unsigned long long)end);
	m->left = there;
	m->lost = true;
	mends++;
}

unsigned int file_memory_mend(void)
{
	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; i < FILE_MEMORY_MAX; i++)
		if (mappings[i].begin)
			mend(&mappings[i]);
	pthread_mutex_unlock(&lock);
	return mends;
}

/* Whether the host can give all of it. Where it cannot be asked (before Linux 5.14) it is said to. */
static bool is_there(uintptr_t at, uint64_t len, int how)
{
	return madvise((void *)at, len, how) == 0 || (errno != EFAULT && errno != EHWPOISON);
}

static void mend_page(struct mapping *m, uintptr_t at, uint64_t page)
{
	pthread_mutex_lock(&lock);
	/* Another thread may have done it, and the guest may have written there since. */
	if (!is_there(at, page, MADV_POPULATE_READ) && replace(at, page)) {
		if (!m->told)
			log_warn(
				"%s: the host cannot read its file at %llu: that page is lost, and maybe others",
				m->name, (unsigned long long)(at - m->begin));
		m->told = true;
		m->lost = true;
		mends++;
	}
	pthread_mutex_unlock(&lock);
}

/* From where the last one has found something: what is missing is seldom alone. Pieces without data cost nothing. */
static void search_data(struct mapping *m, const _Atomic bool *give_up)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const uintptr_t begin = m->begin, end = m->end, from = m->searched;
	const unsigned int before = mends;
	uintptr_t at = from;

	do {
		uint64_t len = end - at < SEARCH_PIECE ? end - at : SEARCH_PIECE;
		off_t data = lseek(m->fd, (off_t)(at - begin), SEEK_DATA);

		if (data >= 0 && (uint64_t)data < at - begin + len &&
		    !is_there(at, len, MADV_POPULATE_READ)) {
			m->searched = at;
			for (uint64_t i = 0; i < len; i += page)
				if (!is_there(at + i, page, MADV_POPULATE_READ))
					mend_page(m, at + i, page);
		}
		at = at + len == end ? begin : at + len;
	} while (at != from && mends == before && !*give_up);
}

/* With the lock held. No room for one page of a hole is no room for any: all are mended at once. */
static void mend_holes(struct mapping *m)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	bool is_full = false;

	for (uint64_t at = 0; at < m->left;) {
		off_t data = lseek(m->fd, (off_t)at, SEEK_DATA);
		uint64_t end = data < 0 || (uint64_t)data > m->left ? m->left : (uint64_t)data & ~(page - 1);
		uintptr_t hole = m->begin + whole_pages(at);
		uint64_t len = whole_pages(at) < end ? end - whole_pages(at) : 0;
		uint64_t first = len < SEARCH_PIECE ? len : SEARCH_PIECE;

		if (data < 0 && errno != ENXIO)
			return;
		if (len && !is_full && is_there(hole, first, MADV_POPULATE_WRITE) &&
		    is_there(hole, first, MADV_POPULATE_READ))
			return;
		if (len) {
			if (!is_full)
				log_warn(
					"%s: the host has no room for the holes of its file: what is written "
					"there is lost",
					m->name);
			is_full = true;
			if (!replace(hole, len))
				return;
			m->lost = true;
			mends++;
		}
		data = data < 0 ? -1 : lseek(m->fd, data, SEEK_HOLE);
		if (data < 0)
			return;
		at = (uint64_t)data;
	}
}

unsigned int file_memory_search(const _Atomic bool *give_up)
{
	const unsigned int before = mends;

	for (unsigned int i = 0; i < FILE_MEMORY_MAX && mends == before; i++)
		if (mappings[i].begin)
			search_data(&mappings[i], give_up);
	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; i < FILE_MEMORY_MAX && mends == before && !*give_up; i++)
		if (mappings[i].begin)
			mend_holes(&mappings[i]);
	pthread_mutex_unlock(&lock);
	return mends;
}

bool file_memory_is_lost(const void *host)
{
	const struct mapping *m = mapping_at((uintptr_t)host);

	return m && m->lost;
}
