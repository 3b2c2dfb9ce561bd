// SPDX-License-Identifier: BSD-2-Clause
#include "host/virtiofsd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOG_AREA AREA_VIRTIO
#include "kvm/log.h"

#define PROGRAM "virtiofsd"

enum flavour {
	FLAVOUR_C,
	FLAVOUR_RUST,
	FLAVOUR_RUST_SUBMOUNTS, /* it announces mount points unless told not to */
};

/* By its own word, for the two are installed in more places than one. */
static int find_flavour(const struct virtiofsd_config *config, enum flavour *flavour, struct err *err)
{
	char *argv[] = { PROGRAM, "--help", NULL };
	const struct daemon_config ask = {
		.name = config->name,
		.argv = argv,
		.hint = "Debian 12 has it in qemu-system-common (apt install qemu-system-common), later "
			"releases in virtiofsd (apt install virtiofsd)",
		.keep_fd = -1,
		.fake_root = geteuid() != 0, /* it may want to drop groups before it reads its options */
	};
	char answer[16384];
	int ret = daemon_ask(&ask, answer, sizeof(answer), err);

	if (ret < 0)
		return ret;
	if (strstr(answer, "--no-announce-submounts"))
		*flavour = FLAVOUR_RUST_SUBMOUNTS;
	else if (strstr(answer, "--shared-dir"))
		*flavour = FLAVOUR_RUST;
	else if (strstr(answer, "source=PATH"))
		*flavour = FLAVOUR_C;
	else
		return err_host_text(err,
				     "%s: %s --help tells of neither --shared-dir nor -o source=PATH; "
				     "another program of that name?",
				     config->name, PROGRAM);
	return 0;
}

/*
 * A socket that listens, for virtiofsd, and one that is connected to it. Nobody else can connect in
 * between: its name is in a directory of the user's own, and gone when this returns.
 */
static int make_sockets(const struct virtiofsd_config *config, int *listener, int *connected, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *tmp = getenv("TMPDIR") ?: "/tmp";
	char dir[sizeof(addr.sun_path) - sizeof("/fs")];
	int ret = 0;

	*connected = -1;
	*listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*listener < 0)
		return err_host(err, errno, "%s: socket", config->name);
	if ((size_t)snprintf(dir, sizeof(dir), "%s/vireo-XXXXXX", tmp) >= sizeof(dir)) {
		ret = err_host(err, ENAMETOOLONG, "%s: a socket in %s", config->name, tmp);
	} else if (!mkdtemp(dir)) {
		ret = err_host(err, errno, "%s: a directory for a socket in %s", config->name, tmp);
	} else {
		snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/fs", dir);
		if (bind(*listener, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		    listen(*listener, 1) < 0)
			ret = err_host(err, errno, "%s: a socket in %s", config->name, dir);
		else
			ret = vhost_user_connect(connected, config->name, addr.sun_path, err);
		unlink(addr.sun_path);
		rmdir(dir);
	}
	if (ret < 0)
		close(*listener);
	return ret;
}

/* "source=DIR" as the C one reads it: a comma would begin the next option. NULL: no memory. */
static char *source_option(const char *dir)
{
	char *text = malloc(sizeof("source=") + 2 * strlen(dir)), *p = text;

	if (!text)
		return NULL;
	p = stpcpy(p, "source=");
	for (; *dir; dir++) {
		if (*dir == ',' || *dir == '\\')
			*p++ = '\\';
		*p++ = *dir;
	}
	*p = '\0';
	return text;
}

/* What tells virtiofsd to do other than it does by itself; NULL: nothing has to. */
static char *submounts_option(enum flavour flavour, enum submounts submounts)
{
	if (submounts == SUBMOUNTS_OFF)
		return flavour == FLAVOUR_RUST_SUBMOUNTS ? "--no-announce-submounts" : NULL;
	if (submounts == SUBMOUNTS_ON && flavour == FLAVOUR_C)
		return "-oannounce_submounts";
	if (submounts == SUBMOUNTS_ON && flavour == FLAVOUR_RUST)
		return "--announce-submounts";
	return NULL;
}

static int launch(struct daemon **daemon, const struct virtiofsd_config *config, enum flavour flavour,
		  const char *dir, const char *sandbox, int listener, struct err *err)
{
	char fd[24], option[32], *source = source_option(dir);
	char *announce = submounts_option(flavour, config->submounts);
	char *c[] = { PROGRAM, fd, "-o", source, "-o", option, "-o", "log_level=warn", announce, NULL };
	char *rust[] = { PROGRAM,       fd,     "--shared-dir", (char *)dir, "--sandbox", (char *)sandbox,
			 "--log-level", "warn", announce,       NULL };
	struct daemon_config dc = {
		.name = config->name,
		.argv = flavour == FLAVOUR_C ? c : rust,
		.loss = "from now on its requests fail",
		.keep_fd = listener,
		.fake_root = geteuid() != 0,
		/* The one in C has no option for it; this way it holds for both, whatever they do. */
		.read_only = config->read_only ? dir : NULL,
	};
	int ret;

	if (!source)
		return err_host(err, ENOMEM, "%s", config->name);
	snprintf(fd, sizeof(fd), "--fd=%d", listener);
	snprintf(option, sizeof(option), "sandbox=%s", sandbox);
	ret = daemon_start(daemon, config->loop, &dc, err);
	free(source);
	return ret;
}

static int try_sandbox(struct vhost_user **vu, struct daemon **daemon, const struct virtiofsd_config *config,
		       enum flavour flavour, const char *dir, const char *sandbox, struct err *err)
{
	int listener, connected, ret = make_sockets(config, &listener, &connected, err);
	const char *words;

	if (ret < 0)
		return ret;
	ret = launch(daemon, config, flavour, dir, sandbox, listener, err);
	close(listener); /* if virtiofsd ends now, the connection ends with it */
	if (ret < 0) {
		close(connected);
		return ret;
	}
	ret = vhost_user_open(vu, connected, config->name, err);
	if (ret < 0) {
		words = daemon_last_words(*daemon);
		err_host_text(err, "%s: " PROGRAM " with sandbox %s does not answer%s%s", config->name,
			      sandbox, words[0] ? "; its last words: " : "", words);
		daemon_stop(*daemon);
	}
	return ret;
}

int virtiofsd_start(struct vhost_user **vu, struct daemon **daemon, const struct virtiofsd_config *config,
		    struct err *err)
{
	enum flavour flavour = FLAVOUR_C;
	char dir[PATH_MAX];
	struct stat st;
	int ret;

	/* Absolute, for what is mounted over it is found only from the root. */
	if (!realpath(config->dir, dir) || stat(dir, &st) < 0)
		return errno == ENOENT
			       ? err_user(err, "%s: there is no directory %s", config->name, config->dir)
			       : err_host(err, errno, "%s: %s", config->name, config->dir);
	if (!S_ISDIR(st.st_mode))
		return err_user(err, "%s: %s is no directory; what is shared is one", config->name,
				config->dir);
	ret = find_flavour(config, &flavour, err);
	if (ret < 0)
		return ret;
	if (config->sandbox != SANDBOX_CHROOT) {
		ret = try_sandbox(vu, daemon, config, flavour, dir, "namespace", err);
		if (!ret || config->sandbox == SANDBOX_NAMESPACE)
			return ret;
		log_warn("%s; trying sandbox chroot, which keeps it less apart from the host", err->text);
	}
	return try_sandbox(vu, daemon, config, flavour, dir, "chroot", err);
}
