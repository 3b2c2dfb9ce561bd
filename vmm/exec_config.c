// SPDX-License-Identifier: BSD-2-Clause
/* What exec has by default, and the shares that it brings. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "host/daemon.h"
#include "init/protocol.h"
#include "vmm/devices.h"
#include "vmm/exec.h"

#define SHARES_MAX 16

/* Digits, up to but not with the end of the range, which is "none" to the kernel. */
static bool take_number(const char **text, uint32_t *number)
{
	uint64_t n = 0;
	const char *at = *text;

	for (; *at >= '0' && *at <= '9'; at++)
		if ((n = n * 10 + (uint64_t)(*at - '0')) >= UINT32_MAX)
			return false;
	*number = (uint32_t)n;
	if (at == *text)
		return false;
	*text = at;
	return true;
}

bool exec_parse_user(const char *text, uint32_t *uid, uint32_t *gid)
{
	if (!take_number(&text, uid))
		return false;
	*gid = *uid;
	return !*text || (*text++ == ':' && take_number(&text, gid) && !*text);
}

static int set_text(char **text, const char *value, struct err *err)
{
	char *copy = strdup(value);

	if (!copy)
		return err_host(err, ENOMEM, "exec");
	free(*text);
	*text = copy;
	return 0;
}

/* That of the system that runs here. */
static int default_kernel(struct vm_config *cfg, struct err *err)
{
	struct utsname uts;
	char path[sizeof("/boot/vmlinuz-") + sizeof(uts.release)];

	if (cfg->kernel)
		return 0;
	uname(&uts);
	snprintf(path, sizeof(path), "/boot/vmlinuz-%s", uts.release);
	if (access(path, R_OK) < 0)
		return err_user(
			err,
			"no kernel given, and %s, that of this system, cannot be read: %s; name one that "
			"can with --kernel FILE",
			path, strerrordesc_np(errno));
	return set_text(&cfg->kernel, path, err);
}

/* A directory by its full name. */
static int resolve(char **text, const char *option, struct err *err)
{
	char path[PATH_MAX];
	struct stat st;

	if (!realpath(*text, path) || stat(path, &st) < 0)
		return err_user(err, "--%s: %s: %s", option, quote_path(*text).text, strerrordesc_np(errno));
	if (!S_ISDIR(st.st_mode))
		return err_user(err, "--%s: %s is no directory", option, quote_path(*text).text);
	return set_text(text, path, err);
}

static int add_share(struct vm_config *cfg, const char *id, const char *tag, const char *dir, bool read_only,
		     struct err *err)
{
	const struct device_kind *kind = device_kind_by_name("share");
	struct device_config *dc = device_config_new(kind);
	int ret;

	if (!dc)
		return err_host(err, ENOMEM, "exec");
	snprintf(dc->id, sizeof(dc->id), "%s", id);
	ret = option_set(dc, device_key(kind, "dir"), dir, &command_line, err);
	if (!ret)
		ret = option_set(dc, device_key(kind, "tag"), tag, &command_line, err);
	if (!ret && read_only)
		ret = option_set(dc, device_key(kind, "ro"), NULL, &command_line, err);
	/* The overlay over it would not go through them. */
	if (!ret && read_only)
		ret = option_set(dc, device_key(kind, "submounts"), "off", &command_line, err);
	/* Nothing can change its root to what is its root already, which is what a namespace's begins with. */
	if (!ret && !strcmp(dir, "/"))
		ret = option_set(dc, device_key(kind, "sandbox"), "chroot", &command_line, err);
	if (!ret && devices_find(cfg, kind, id))
		ret = err_user(err, "--share: the id \"%s\" is exec's own; choose another", id);
	if (ret) {
		device_config_free(dc);
		return ret;
	}
	devices_add(cfg, dc);
	return 0;
}

static bool is_at_or_below(const char *path, const char *directory)
{
	size_t len = strlen(directory);

	return !strncmp(path, directory, len) && (!path[len] || path[len] == '/');
}

/* What a guest cannot do without, and has of its own. */
static bool is_the_guests(const char *path)
{
	return is_at_or_below(path, "/proc") || is_at_or_below(path, "/sys") ||
	       (is_at_or_below(path, "/dev") && !is_at_or_below(path, "/dev/shm"));
}

static int add_shares(struct vm_config *cfg, struct err *err)
{
	int ret = add_share(cfg, EXEC_TAG_ROOT, EXEC_TAG_ROOT, cfg->root, true, err);

	if (!ret && cfg->rw.count > SHARES_MAX)
		ret = err_user(err, "--rw: %u directories; %d are allowed", cfg->rw.count, SHARES_MAX);
	for (unsigned int i = 0; i < cfg->rw.count && !ret; i++) {
		char tag[32];

		snprintf(tag, sizeof(tag), "vireo.rw%u", i);
		ret = resolve(&cfg->rw.text[i], "rw", err);
		if (!ret && !strcmp(cfg->rw.text[i], "/"))
			ret = err_user(err,
				       "--rw: / is not allowed; name the directories that are to be changed");
		if (!ret && is_the_guests(cfg->rw.text[i]))
			ret = err_user(
				err,
				"--rw: %s is not allowed: the guest has /proc, /sys and /dev of its own; "
				"name a directory elsewhere, or in /dev/shm",
				quote_path(cfg->rw.text[i]).text);
		if (!ret)
			ret = add_share(cfg, tag, tag, cfg->rw.text[i], false, err);
	}
	return ret;
}

/* A variable without a value has that of this program's. */
static int complete_environment(struct vm_config *cfg, struct err *err)
{
	for (unsigned int i = 0; i < cfg->env.count; i++) {
		char **item = &cfg->env.text[i], *joined;
		const char *value;

		if (**item == '=' || !**item)
			return err_user(err, "--env: \"%s\" names no variable; allowed is K=V, or K alone",
					quote(*item).text);
		if (strchr(*item, '='))
			continue;
		value = getenv(*item);
		if (!value)
			return err_user(err, "--env: there is no %s in the environment here; say %s=VALUE",
					quote(*item).text, quote(*item).text);
		if (asprintf(&joined, "%s=%s", *item, value) < 0)
			return err_host(err, ENOMEM, "--env");
		free(*item);
		*item = joined;
	}
	return 0;
}

/*
 * A panic must end the VM, and nobody reads what the kernel says of its devices. What the user appends comes
 * later, and so counts.
 */
static int complete_cmdline(struct vm_config *cfg, struct err *err)
{
	char *append;

	if (cfg->cmdline)
		return 0;
	if (asprintf(&append, "panic=-1 quiet%s%s", cfg->append ? " " : "", cfg->append ? cfg->append : "") <
	    0)
		return err_host(err, ENOMEM, "exec");
	free(cfg->append);
	cfg->append = append;
	return 0;
}

static int refuse_keys(const struct vm_config *cfg, struct err *err)
{
	const char *key = cfg->initrd                             ? "initrd"
			  : cfg->serial                           ? "serial"
			  : config_console(cfg) != CONSOLE_SERIAL ? "console"
			  : cfg->hvc                              ? "hvc"
			  : cfg->console_log                      ? "console-log"
			  : cfg->on_reboot == ON_REBOOT_RESTART   ? "on-reboot"
			  : cfg->kernel_format != KERNEL_AUTO     ? "kernel-format"
								  : NULL;

	if (!key)
		return 0;
	err_user(err, "key \"%s\": cannot be kept, for \"vireo exec\" has its own; leave it out", key);
	return source_error(err, config_source(cfg, key));
}

/* Where the command is to run, if --cwd does not say: here; never somewhere else because there is no "here". */
static int default_directory(struct vm_config *cfg, struct err *err)
{
	char here[PATH_MAX];

	if (cfg->directory)
		return 0;
	if (cfg->root)
		return set_text(&cfg->directory, "/", err);
	if (!getcwd(here, sizeof(here)))
		return err_user(err,
				"the directory to run the command in, the one here, cannot be named: %s; "
				"name one with --cwd DIR",
				strerrordesc_np(errno));
	return set_text(&cfg->directory, here, err);
}

int exec_complete(struct vm_config *cfg, struct err *err)
{
	uint32_t uid, gid;
	char program[PATH_MAX];
	int ret;

	if (!cfg->command.count)
		return 0; /* check_complete() says so */
	ret = refuse_keys(cfg, err);
	if (!ret && !*cfg->command.text[0])
		ret = err_user(err, "the command is an empty word; name one");
	if (!ret && cfg->user && !exec_parse_user(cfg->user, &uid, &gid))
		ret = err_user(err, "--user: \"%s\" is not allowed; allowed is UID or UID:GID, both numbers",
			       quote(cfg->user).text);
	if (!ret)
		ret = default_kernel(cfg, err);
	if (!ret)
		ret = default_directory(cfg, err);
	if (!ret && *cfg->directory != '/')
		ret = err_user(err, "--cwd: \"%s\" is not allowed; allowed is a path that begins with /",
			       quote_path(cfg->directory).text);
	if (!ret && !cfg->root)
		ret = set_text(&cfg->root, "/", err);
	if (!ret)
		ret = resolve(&cfg->root, "root", err);
	if (!ret)
		ret = complete_environment(cfg, err);
	if (!ret)
		ret = complete_cmdline(cfg, err);
	if (ret)
		return ret;
	cfg->copies = !cfg->rw.count && !strcmp(cfg->root, "/") &&
		      daemon_find(program, sizeof(program), "virtiofsd") == -ENOENT;
	return cfg->copies ? 0 : add_shares(cfg, err);
}
