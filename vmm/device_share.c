// SPDX-License-Identifier: BSD-2-Clause
/* --share: a directory of the host for the guest: virtio-fs, with virtiofsd behind it. */
#include <errno.h>
#include <string.h>

#include "host/unix_listen.h"
#include "host/vhost_user_device.h"
#include "host/virtiofsd.h"
#include "vmm/kinds.h"
#include "vmm/vm.h"

#define TAG_MAX    36u /* bytes; VIRTIO 1.2, "File System Device", "Device configuration layout" */
#define QUEUES     2   /* one for what cannot wait, one for all else: more than one virtiofsd in C refuses */
#define QUEUE_SIZE 1024u /* descriptors: the length of a queue limits how much a driver transfers at once */

struct share_config {
	struct device_config dc;
	char *dir, *socket, *tag;
	bool read_only;
	enum sandbox sandbox;
	enum submounts submounts;
};

#define PLATFORMS (1u << PLATFORM_PC | 1u << PLATFORM_ARM)

static const struct option_choice sandboxes[] = {
	{ "auto", SANDBOX_AUTO, PLATFORMS },
	{ "namespace", SANDBOX_NAMESPACE, PLATFORMS },
	{ "chroot", SANDBOX_CHROOT, PLATFORMS },
	{ NULL, 0, 0 },
};

static const struct option_choice announced[] = {
	{ "auto", SUBMOUNTS_AUTO, PLATFORMS },
	{ "on", SUBMOUNTS_ON, PLATFORMS },
	{ "off", SUBMOUNTS_OFF, PLATFORMS },
	{ NULL, 0, 0 },
};

static const struct option share_keys[] = {
	{ .name = "dir",
	  .type = OPTION_FILE,
	  .input = true,
	  .placeholder = "DIR",
	  .offset = offsetof(struct share_config, dir),
	  .platforms = PLATFORMS,
	  .help = "the directory; virtiofsd is started for it" },
	{ .name = "socket",
	  .type = OPTION_FILE,
	  .placeholder = "PATH",
	  .offset = offsetof(struct share_config, socket),
	  .socket = UNIX_PATH_MAX_LENGTH,
	  .platforms = PLATFORMS,
	  .help = "instead: the socket of a virtiofsd that runs already" },
	{ .name = "tag",
	  .type = OPTION_TEXT,
	  .placeholder = "TAG",
	  .offset = offsetof(struct share_config, tag),
	  .platforms = PLATFORMS,
	  .help = "what the guest mounts: mount -t virtiofs TAG /mnt; the device's id if not given" },
	{ .name = "ro",
	  .type = OPTION_FLAG,
	  .offset = offsetof(struct share_config, read_only),
	  .platforms = PLATFORMS,
	  .help = "the guest can change nothing" },
	{ .name = "sandbox",
	  .type = OPTION_CHOICE,
	  .offset = offsetof(struct share_config, sandbox),
	  .platforms = PLATFORMS,
	  .choices = sandboxes,
	  .help = "how virtiofsd keeps itself to the directory: in namespaces of its own, or by chroot alone" },
	{ .name = "submounts",
	  .type = OPTION_CHOICE,
	  .offset = offsetof(struct share_config, submounts),
	  .platforms = PLATFORMS,
	  .choices = announced,
	  .help = "whether mount points below the directory are mount points in the guest, too; auto: as that "
		  "virtiofsd does by itself" },
	{ .name = NULL },
};

static const char *tag_of(const struct share_config *sc)
{
	return sc->tag ? sc->tag : sc->dc.id;
}

/* Linux takes the first of two shares of one tag, and leaves the second alone. */
static int check_tags(const struct device_config *dc, struct err *err)
{
	const char *tag = tag_of((const struct share_config *)dc);

	for (const struct device_config *other = dc->next; other; other = other->next)
		if (other->kind == dc->kind && !strcmp(tag, tag_of((const struct share_config *)other)))
			return device_error(err, dc,
					    "tag: \"%s\" is that of share %s, too; give one of them another "
					    "by tag=TAG",
					    quote(tag).text, other->id);
	return 0;
}

static int share_check(const struct device_config *dc, struct err *err)
{
	const struct share_config *sc = (const struct share_config *)dc;

	if (!sc->dir == !sc->socket)
		return device_error(err, dc, "needs either a directory or socket=PATH");
	if (sc->tag && (!*sc->tag || strlen(sc->tag) > TAG_MAX))
		return device_error(err, dc, "tag: \"%s\" is not allowed; allowed is a text of 1 to %u bytes",
				    quote(sc->tag).text, TAG_MAX);
	if (sc->socket && (sc->read_only || sc->sandbox != SANDBOX_AUTO || sc->submounts != SUBMOUNTS_AUTO))
		return device_error(err, dc,
				    "%s: not with socket; it is for whoever starts the program behind that",
				    sc->read_only                 ? "ro"
				    : sc->sandbox != SANDBOX_AUTO ? "sandbox"
								  : "submounts");
	return check_tags(dc, err);
}

static int open_back_end(struct vhost_user **vu, struct daemon **daemon, const struct share_config *sc,
			 const struct device_place *place, struct err *err)
{
	const struct virtiofsd_config config = {
		.name = place->name,
		.dir = sc->dir,
		.read_only = sc->read_only,
		.sandbox = sc->sandbox,
		.submounts = sc->submounts,
		.loop = place->vm->loop,
	};
	int fd, ret;

	*daemon = NULL;
	if (sc->dir)
		return virtiofsd_start(vu, daemon, &config, err);
	ret = vhost_user_connect(&fd, place->name, sc->socket, err);
	return ret < 0 ? ret : vhost_user_open(vu, fd, place->name, err);
}

static int share_create(struct virtio_device **out, const struct device_config *dc,
			const struct device_place *place, struct err *err)
{
	const struct share_config *sc = (const struct share_config *)dc;
	const char *tag = tag_of(sc);
	struct {
		char tag[TAG_MAX]; /* filled up with zeroes, and without one at the end if it is so long */
		uint32_t num_request_queues;
	} space = { .num_request_queues = QUEUES - 1 };
	struct vhost_user_device_config config = {
		.name = place->name,
		.id = VIRTIO_ID_FS,
		.nr_queues = QUEUES,
		.queue_size = QUEUE_SIZE,
		.config = &space,
		.config_size = sizeof(space),
		.mem = &place->vm->mem,
		.loop = place->loop,
	};
	struct vhost_user *vu;
	int ret;

	memcpy(space.tag, tag, strlen(tag));
	ret = open_back_end(&vu, &config.daemon, sc, place, err);
	return ret < 0 ? ret : vhost_user_device_create(out, vu, &config, err);
}

const struct device_kind share_kind = {
	.name = "share",
	.value_key = "dir",
	.help = "a directory of the host for the guest",
	.own_thread = true,
	.platforms = PLATFORMS,
	.config_size = sizeof(struct share_config),
	.keys = share_keys,
	.check = share_check,
	.shares_memory = true,
	.create = share_create,
};
