/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The devices of a definition: from an option or a section to the list in struct vm_config. What a kind
 * of devices is stands in vmm/kinds.h.
 */
#ifndef VIREO_VMM_DEVICES_H
#define VIREO_VMM_DEVICES_H

#include <stdbool.h>

#include "kvm/err.h"
#include "vmm/config.h"
#include "vmm/kinds.h"
#include "vmm/options.h"

/* The commands whose options devices are, bits as in struct option. */
#define DEVICE_COMMANDS (1u << COMMAND_RUN | 1u << COMMAND_DUMP | 1u << COMMAND_SMOKE | 1u << COMMAND_EXEC)

/* The kind of that name, whatever platform it is for, or NULL. */
const struct device_kind *device_kind_by_name(const char *name);

/* The key of that name, whatever platform it is for, or NULL. "id" is none: it is no field of the kind's own. */
const struct option *device_key(const struct device_kind *kind, const char *name);

/* Fills in `err`: a device of `kind` has no key `name`, but which. Returns -EINVAL. */
int device_unknown_key(const struct device_kind *kind, const char *name, const struct option_origin *origin,
		       struct err *err);

/* A device as it is by default, to be owned by the caller; NULL without memory. */
struct device_config *device_config_new(const struct device_kind *kind);
void device_config_free(struct device_config *dc);

/* What an id may be, as messages put it after "allowed is". */
#define DEVICE_ID_ALLOWED "1 to 32 letters, digits, \"-\", \"_\" and \".\""
bool device_id_ok(const char *id);

/*
 * The device of that kind and id ("": the one without), or of a single kind the one there is; NULL: none.
 */
struct device_config *devices_find(const struct vm_config *cfg, const struct device_kind *kind,
				   const char *id);

/* option_set() for a key of a device, which also remembers where its value comes from. */
int device_set(struct device_config *dc, const struct option *key, const char *value,
	       const struct option_origin *origin, struct err *err);

/* Puts `dc` behind all others; `cfg` owns it. */
void devices_add(struct vm_config *cfg, struct device_config *dc);

/* Puts `dc` in the place of the one that devices_find() finds by its id, which is freed, or else behind all others. */
void devices_put(struct vm_config *cfg, struct device_config *dc);

/*
 * A device by an option: `value` is what follows --KIND, or NULL. It stands on the command line, or, with the name of a
 * file, at the key KIND of a [test NAME] (vmm/matrix.h). It takes the place of the one with the same id that the
 * sections of the definition file have, or that a test has.
 */
int devices_add_option(struct vm_config *cfg, const struct device_kind *kind, const char *value,
		       const struct option_origin *at, struct err *err);

/* Gives those that have no id KIND0, KIND1, ...: the first that none has. */
void devices_give_ids(struct vm_config *cfg);

/* What each one's keys mean together, and for RAM. `m`: NULL, or who hears of all mistakes. */
int devices_check(const struct vm_config *cfg, struct mistakes *m, struct err *err);

/* Does each one fit the rest of the definition? */
int devices_fit(const struct vm_config *cfg, struct mistakes *m, struct err *err);

/* The first one with whose memory another process works, or NULL. */
const struct device_config *devices_sharing_memory(const struct vm_config *cfg);

/* `cfg` is a byte for byte copy: gives it devices of its own. -ENOMEM: not all of them, and none that is another's. */
int devices_copy(struct vm_config *cfg);

/* Frees them all. */
void devices_finish(struct vm_config *cfg);

#endif
