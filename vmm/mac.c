// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/mac.h"

#include <stdlib.h>
#include <string.h>

#include "kvm/hash.h"
#include "vmm/config.h"

static bool parse(uint8_t mac[6], const char *text)
{
	static const uint8_t none[6];

	if (strlen(text) != 17)
		return false;
	for (unsigned int i = 0; i < 6; i++, text += 3) {
		char byte[3] = { text[0], text[1] };

		if (strspn(byte, "0123456789abcdefABCDEF") != 2 || text[2] != (i < 5 ? ':' : '\0'))
			return false;
		mac[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return !(mac[0] & 1) && memcmp(mac, none, sizeof(none)) != 0;
}

bool mac_ok(const char *text, char why[OPTION_ALLOWED_MAX])
{
	uint8_t mac[6];

	(void)why; /* what is allowed tells enough */
	return parse(mac, text);
}

/* What the VM and its card are known by. */
static uint64_t identity(const struct vm_config *cfg, const char *id, const char *peer)
{
	const char *file = cfg->config_file ? cfg->config_file : cfg->kernel ? cfg->kernel : "";
	uint64_t value;
	char *path;

	if (cfg->name)
		return hash_text(hash_text(HASH_BASIS, cfg->name), id);
	path = realpath(file, NULL);
	value = hash_text(hash_text(hash_text(HASH_BASIS, path ? path : file), id), peer);
	free(path);
	return value;
}

void mac_choose(uint8_t mac[6], const char *given, const struct vm_config *cfg, const char *id,
		const char *peer)
{
	uint64_t value;

	if (given && parse(mac, given))
		return;
	value = identity(cfg, id, peer);
	for (unsigned int i = 0; i < 6; i++)
		mac[i] = (uint8_t)(value >> 8 * i);
	mac[0] = (uint8_t)((mac[0] & ~1u) | 2);
}
