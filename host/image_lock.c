// SPDX-License-Identifier: BSD-2-Clause
/*
 * Locks of open file descriptions (fcntl(2), "Open file description locks"): they hold while the image is
 * open and vanish with the process, whatever becomes of it. QEMU's locks on single bytes of an image are
 * in each other's way with ours.
 */
#include "host/image_lock.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_AREA AREA_DISK
#include "kvm/log.h"

/* Whether /proc/PID/fdinfo/FD tells of a lock; a lock for reading is in a writer's way only. */
static bool has_lock(const char *fdinfo, bool any)
{
	FILE *file = fopen(fdinfo, "re");
	char line[256];
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, "lock:", 5) && (any || strstr(line, "WRITE"));
	fclose(file);
	return found;
}

/* Whether a process has the file open and locked. */
static bool process_has(const char *pid, const struct stat *image, bool any)
{
	char path[320];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return false; /* gone, or another user's */
	while (!found && (entry = readdir(dir))) {
		struct stat st;

		snprintf(path, sizeof(path), "/proc/%.20s/fd/%.20s", pid, entry->d_name);
		if (stat(path, &st) < 0 || st.st_dev != image->st_dev || st.st_ino != image->st_ino)
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/fdinfo/%.20s", pid, entry->d_name);
		found = has_lock(path, any);
	}
	closedir(dir);
	return found;
}

/* "process 1234 (vireo)", or "another program" where /proc does not tell. */
static void name_holder(int fd, bool read_only, char *text, size_t size)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	struct stat image;
	char path[64], name[32] = "";
	FILE *comm;

	snprintf(text, size, "another program");
	if (!proc || fstat(fd, &image) < 0)
		goto out;
	while ((entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    !process_has(entry->d_name, &image, !read_only))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/comm", entry->d_name);
		comm = fopen(path, "re");
		if (comm && fgets(name, sizeof(name), comm))
			name[strcspn(name, "\n")] = '\0';
		if (comm)
			fclose(comm);
		snprintf(text, size, "process %.20s%s%s%s", entry->d_name, *name ? " (" : "", name,
			 *name ? ")" : "");
		break;
	}
out:
	if (proc)
		closedir(proc);
}

int image_lock(int fd, const char *path, const char *name, bool read_only, struct err *err)
{
	struct flock lock = { .l_type = read_only ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };
	char holder[96];

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES) {
		name_holder(fd, read_only, holder, sizeof(holder));
		err_host_text(err, "%s: %s is in use by %s%s", name, path, holder,
			      read_only ? ", which writes to it"
					: "; several can share it if all have \"ro\"");
		return -EBUSY;
	}
	/* Some network file systems have no locks. */
	log_warn("%s: %s cannot be locked (%s): take care that no other VM writes to it", name, path,
		 strerror(errno));
	return 0;
}

void image_unlock(int fd)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	fcntl(fd, F_OFD_SETLK, &lock);
}
