// SPDX-License-Identifier: BSD-2-Clause
/* What is to be run, and in which root file system: a share of the host, which writes do not reach. */
#include <asm/ioctls.h>
#include <linux/capability.h>
#include <linux/if.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/sockios.h>

#include "init/exec.h"

#define ROOT   "/root"
#define MOUNTS 64

static bool is_connected; /* the host can be told of failures */

/* There is no strerror() here; these are what is likely, the others keep their number. */
static void add_error(struct text *line, long code)
{
	static const char *const names[] = {
		[EPERM] = "Operation not permitted",   [ENOENT] = "No such file or directory",
		[EIO] = "Input/output error",          [ENOEXEC] = "Exec format error",
		[ENOMEM] = "Cannot allocate memory",   [EACCES] = "Permission denied",
		[EBUSY] = "Device or resource busy",   [ENODEV] = "No such device",
		[ENOTDIR] = "Not a directory",         [EINVAL] = "Invalid argument",
		[ENOSPC] = "No space left on device",  [EROFS] = "Read-only file system",
		[ENAMETOOLONG] = "File name too long", [ELOOP] = "Too many levels of symbolic links",
	};

	if (code > 0 && (size_t)code < sizeof(names) / sizeof(names[0]) && names[code]) {
		text_add(line, names[code]);
	} else {
		text_add(line, "error ");
		text_number(line, (unsigned long)code);
	}
}

void fail(const char *what, const char *whom, long code)
{
	struct text line = { .len = 0 };

	text_add(&line, what);
	if (whom) {
		text_add(&line, " ");
		text_add(&line, whom);
	}
	text_add(&line, ": ");
	add_error(&line, -code);
	say(line.bytes);
	if (is_connected)
		exec_failed();
	power_off();
}

/* --- the file --- */

struct mounts {
	const char *path[MOUNTS];
	unsigned int count;
	bool no_root; /* EXEC_NO_ROOT */
	bool copied;  /* EXEC_COPIED */
};

static void *allocate(size_t size)
{
	long at = SYS6(mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at < 0 && at > -4096)
		fail("no memory for the command", NULL, at);
	return (void *)at;
}

/* The whole file, and how long it is. */
static char *read_file(const char *path, size_t *size)
{
	int fd = sys_open(path, O_RDONLY);
	long end = SYS3(lseek, fd, 0, 2 /* SEEK_END */), n;
	char *data = allocate((size_t)end + 1);

	SYS3(lseek, fd, 0, 0);
	for (*size = 0; (n = sys_read(fd, data + *size, (size_t)end - *size)) > 0;)
		*size += (size_t)n;
	sys_close(fd);
	return data;
}

static void take_record(struct exec_job *job, struct mounts *mounts, char **argv[2], unsigned int kind,
			void *data)
{
	switch (kind) {
	case EXEC_ARGUMENT:
		*argv[0]++ = data;
		break;
	case EXEC_ENVIRONMENT:
		*argv[1]++ = data;
		break;
	case EXEC_DIRECTORY:
		job->directory = data;
		break;
	case EXEC_MOUNT:
		if (mounts->count < MOUNTS)
			mounts->path[mounts->count++] = data;
		break;
	case EXEC_USER:
		memcpy(&job->user, data, sizeof(job->user));
		break;
	case EXEC_TERMINAL:
		job->terminal = data;
		break;
	case EXEC_COPIED:
		mounts->copied = true;
		break;
	case EXEC_NO_ROOT:
		mounts->no_root = true;
		break;
	}
}

static void read_job(struct exec_job *job, struct mounts *mounts, const char *path)
{
	struct exec_record record;
	size_t size, at, count = 0;
	char *data = read_file(path, &size), **lists[2];

	for (at = 0; at + sizeof(record) <= size; at += sizeof(record) + record.size, count++)
		memcpy(&record, data + at, sizeof(record));
	job->argv = lists[0] = allocate(2 * (count + 1) * sizeof(char *));
	job->envp = lists[1] = job->argv + count + 1;
	for (at = 0; at + sizeof(record) <= size; at += sizeof(record) + record.size) {
		memcpy(&record, data + at, sizeof(record));
		take_record(job, mounts, lists, record.kind, data + at + sizeof(record));
	}
}

/* --- the root --- */

static void mount(const char *source, const char *target, const char *type, unsigned long flags,
		  const char *data)
{
	int ret = sys_mount(source, target, type, flags, data);

	if (ret < 0)
		fail("cannot mount", target, ret);
}

/* Makes a directory and those above it. */
static void make_directories(const char *path)
{
	char part[4096]; /* PATH_MAX: what is longer is no path */

	for (size_t i = 0; i < sizeof(part); i++) {
		part[i] = '\0';
		if (i && (path[i] == '/' || !path[i]))
			sys_mkdir(part, 0755);
		if (!path[i])
			return;
		part[i] = path[i];
	}
}

/* capabilities(7): takes CAP_FOWNER out of what is in force, or puts it back. */
static void set_fowner(bool on)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	SYS3(capget, &header, data, 0);
	data[0].effective &= ~(1u << CAP_FOWNER);
	data[0].effective |= (unsigned int)on << CAP_FOWNER;
	SYS3(capset, &header, data, 0);
}

/*
 * An overlay works on its layers with the rights of who mounts it. With CAP_FOWNER it opens files with O_NOATIME, which a
 * host refuses to who neither is root nor owns them.
 */
static void make_root(bool no_root)
{
	sys_mkdir("/lower", 0755);
	sys_mkdir("/over", 0755);
	sys_mkdir(ROOT, 0755);
	mount(EXEC_TAG_ROOT, "/lower", "virtiofs", MS_RDONLY, NULL);
	mount("over", "/over", "tmpfs", 0, "mode=0755");
	sys_mkdir("/over/upper", 0755);
	sys_mkdir("/over/work", 0755);
	set_fowner(!no_root);
	mount("root", ROOT, "overlay", 0, "lowerdir=/lower,upperdir=/over/upper,workdir=/over/work");
	set_fowner(true);
}

/* What a system has of its own: nothing of the host's processes and devices. */
static void mount_kernel_files(void)
{
	static const char *const moved[] = { "/proc", "/sys", "/dev" };

	for (unsigned int i = 0; i < sizeof(moved) / sizeof(moved[0]); i++) {
		struct text path = { .len = 0 };

		text_add(&path, ROOT);
		text_add(&path, moved[i]);
		sys_mkdir(path.bytes, 0755);
		mount(moved[i], path.bytes, NULL, MS_MOVE, NULL);
	}
	sys_mkdir(ROOT "/dev/pts", 0755);
	sys_mkdir(ROOT "/dev/shm", 0755);
	sys_mkdir(ROOT "/run", 0755);
	mount("devpts", ROOT "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=0620,ptmxmode=0666");
	mount("shm", ROOT "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
	mount("run", ROOT "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755");
	/* What udev would make. */
	SYS3(symlinkat, "/proc/self/fd", AT_FDCWD, ROOT "/dev/fd");
	SYS3(symlinkat, "/proc/self/fd/0", AT_FDCWD, ROOT "/dev/stdin");
	SYS3(symlinkat, "/proc/self/fd/1", AT_FDCWD, ROOT "/dev/stdout");
	SYS3(symlinkat, "/proc/self/fd/2", AT_FDCWD, ROOT "/dev/stderr");
}

static void enter_root(void)
{
	long ret = SYS3(chdir, ROOT, 0, 0);

	if (!ret)
		ret = sys_mount(".", "/", NULL, MS_MOVE, NULL);
	if (!ret)
		ret = SYS3(chroot, ".", 0, 0);
	if (ret < 0)
		fail("cannot enter", ROOT, ret);
}

/* In the root, over all else: below a file system of the guest's own, too, and by the links of its root. */
static void mount_shares(const struct mounts *mounts)
{
	for (unsigned int i = 0; i < mounts->count; i++) {
		struct text tag = { .len = 0 };

		text_add(&tag, "vireo.rw");
		text_number(&tag, i);
		make_directories(mounts->path[i]);
		mount(tag.bytes, mounts->path[i], "virtiofs", 0, NULL);
	}
}

static void enter_directory(const char *path)
{
	long ret = SYS3(chdir, path, 0, 0);

	if (ret < 0)
		fail("cannot enter", path, ret);
}

/* The loopback interface; a kernel without a network has none. */
static void bring_up_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = (int)SYS3(socket, 2 /* AF_INET */, 2 /* SOCK_DGRAM */ | O_CLOEXEC, 0);

	if (fd < 0)
		return;
	request.ifr_flags = IFF_UP;
	SYS3(ioctl, fd, SIOCSIFFLAGS, &request);
	sys_close(fd);
}

void job_run(const char *file)
{
	struct exec_job job = { .directory = "/" };
	struct mounts mounts = { .count = 0 };

	exec_connect();
	is_connected = true;
	read_job(&job, &mounts, file);
	if (mounts.copied)
		mount(ROOT, ROOT, NULL, MS_BIND, NULL); /* what is moved to / must be a mount */
	else
		make_root(mounts.no_root);
	mount_kernel_files();
	enter_root();
	mount_shares(&mounts);
	bring_up_loopback();
	if (mounts.copied)
		make_directories(job.directory);
	enter_directory(job.directory);
	exec_run(&job);
}
