// SPDX-License-Identifier: BSD-2-Clause
#include "boot/modules.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "boot/image.h"

#define LIST_MAX (64u << 20)

/* Reads a file of the directory as text. */
static int read_list(char **text, const char *dir, const char *name, struct err *err)
{
	char path[4096];
	struct image img;
	struct stat st;
	int ret;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return err_user(err, "modules: \"%s\" is too long a name", dir);
	if (!stat(path, &st) && S_ISREG(st.st_mode) &&
	    !st.st_size) { /* there are none, which is no mistake */
		*text = strdup("");
		return *text ? 0 : err_host(err, ENOMEM, "read %s", path);
	}
	ret = image_open(&img, "list of modules", path, LIST_MAX, err);
	if (ret)
		return ret;
	*text = img.size <= LIST_MAX ? malloc(img.size + 1) : NULL;
	ret = *text ? image_read(&img, 0, *text, img.size, err) : err_host(err, ENOMEM, "read %s", path);
	if (*text)
		(*text)[img.size] = '\0';
	image_close(&img);
	return ret;
}

/* Whether the path [path, path + len) is of the module `name`: DIRECTORY/NAME.ko, and perhaps .xz, .zst or .gz. */
static bool is_module(const char *path, size_t len, const char *name)
{
	const char *base = memrchr(path, '/', len);
	size_t n = strlen(name);

	base = base ? base + 1 : path;
	len -= (size_t)(base - path);
	if (len < n + 3 || memcmp(base + n, ".ko", 3) != 0 || (len > n + 3 && base[n + 3] != '.'))
		return false;
	for (size_t i = 0; i < n; i++)
		if (base[i] != name[i] && !(strchr("-_", base[i]) && strchr("-_", name[i])))
			return false;
	return true;
}

/* The line, one to a path before a ":" or the line's end, of that module; NULL: none. */
static char *find_line(char *list, const char *name)
{
	for (char *line = list; *line;) {
		size_t len = strcspn(line, ":\n");

		if (is_module(line, len, name))
			return line;
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return NULL;
}

static int add_path(struct modules *m, const char *path, struct err *err)
{
	if (text_list_has(&m->path, path) || text_list_add(&m->path, path))
		return 0;
	return err_host(err, ENOMEM, "the list of modules");
}

/* "PATH: DEPENDENCY...": the last dependency is to be loaded first, and PATH at the end. */
static int add_line(struct modules *m, const char *line, struct err *err)
{
	size_t len = strcspn(line, "\n");
	char *copy = strndup(line, len), *colon, *word;
	int ret = 0;

	if (!copy)
		return err_host(err, ENOMEM, "the list of modules");
	colon = strchr(copy, ':');
	if (colon) {
		*colon = '\0';
		while (!ret && (word = strrchr(colon + 1, ' '))) {
			*word = '\0';
			if (word[1])
				ret = add_path(m, word + 1, err);
		}
		if (!ret && colon[1])
			ret = add_path(m, colon + 1, err);
	}
	if (!ret)
		ret = add_path(m, copy, err);
	free(copy);
	return ret;
}

int modules_add(struct modules *m, const char *dir, const char *release, const char *name, struct err *err)
{
	struct err cause;
	char *line;

	if (!m->dep && (read_list(&m->dep, dir, "modules.dep", &cause) < 0 ||
			read_list(&m->builtin, dir, "modules.builtin", &cause) < 0))
		return err_user(err,
				"the modules of Linux %s are not to be had (%s); say where they are with "
				"--modules DIR, or --modules none for a kernel that has all built in",
				release, cause.text);
	line = find_line(m->dep, name);
	if (line)
		return add_line(m, line, err);
	if (find_line(m->builtin, name))
		return 0;
	return err_user(err,
			"Linux %s has no module %s: it is neither in %s/modules.dep nor built in "
			"(modules.builtin); take a kernel that has it, or say --modules none",
			release, name, dir);
}

void modules_finish(struct modules *m)
{
	text_list_clear(&m->path);
	free(m->dep);
	free(m->builtin);
	*m = (struct modules){ 0 };
}
