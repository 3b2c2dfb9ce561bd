// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where there is no virtiofsd: the files that a command is made of, to be copied into the initramfs. What an ELF file is
 * linked to its own dynamic loader says (ld.so(8), --list).
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/daemon.h"
#include "vmm/exec.h"

#define FILES_MAX 256 /* one needs more than a few dozen only by mistake */

static int add_file(struct text_list *files, const char *path, struct err *err)
{
	if (text_list_has(files, path))
		return 0;
	if (files->count == FILES_MAX)
		return err_host_text(err, "%s: it needs more than %d files; install virtiofsd",
				     files->text[0], FILES_MAX);
	return text_list_add(files, path) ? 0 : err_host(err, ENOMEM, "%s", path);
}

static bool is_program(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, R_OK);
}

/* Where the guest's init will find it. False: nowhere. */
static bool find_program(char path[PATH_MAX], const struct vm_config *cfg, const char *name)
{
	const char *list = EXEC_PATH;

	if (strchr(name, '/')) {
		snprintf(path, PATH_MAX, "%s%s%s", *name == '/' ? "" : cfg->directory,
			 *name == '/' ? "" : "/", name);
		return is_program(path);
	}
	for (unsigned int i = 0; i < cfg->env.count; i++)
		if (!strncmp(cfg->env.text[i], "PATH=", 5))
			list = cfg->env.text[i] + 5;
	for (const char *end; *list; list = *end ? end + 1 : end) {
		end = strchrnul(list, ':');
		snprintf(path, PATH_MAX, "%.*s/%s", (int)(end - list), list, name);
		if (is_program(path))
			return true;
	}
	return false;
}

/* The loader that an ELF file names; false: it names none, or is none of 64 bits. */
static bool read_loader(int fd, char loader[PATH_MAX])
{
	Elf64_Ehdr elf;
	Elf64_Phdr part;

	if (pread(fd, &elf, sizeof(elf), 0) != sizeof(elf) || memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 ||
	    elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_phentsize != sizeof(part))
		return false;
	for (unsigned int i = 0; i < elf.e_phnum; i++) {
		ssize_t n;

		if (pread(fd, &part, sizeof(part), (off_t)(elf.e_phoff + i * sizeof(part))) != sizeof(part))
			return false;
		if (part.p_type != PT_INTERP || part.p_filesz >= PATH_MAX)
			continue;
		n = pread(fd, loader, part.p_filesz, (off_t)part.p_offset);
		loader[n > 0 ? n : 0] = '\0';
		return *loader == '/';
	}
	return false;
}

/* "NAME => PATH (ADDRESS)" or "PATH (ADDRESS)" in each line. */
static int add_libraries(struct text_list *files, char *loader, const char *path, struct err *err)
{
	char *argv[] = { loader, "--list", (char *)path, NULL };
	const struct daemon_config ask = { .name = "exec", .argv = argv, .keep_fd = -1 };
	char answer[32768], *rest = answer, *line;
	int ret = daemon_ask(&ask, answer, sizeof(answer), err);

	while (!ret && (line = strsep(&rest, "\n"))) {
		char *library = strchr(line, '/'), *end = library ? strstr(library, " (") : NULL;

		if (strstr(line, "not found"))
			return err_host_text(err, "%s: what it is linked to is not there: %s", path,
					     line + strspn(line, "\t"));
		if (!end)
			continue;
		*end = '\0';
		ret = add_file(files, library, err);
	}
	return ret;
}

static int add_program(struct text_list *files, const struct vm_config *cfg, const char *path,
		       struct err *err);

/* "#!INTERPRETER ARGUMENT"; with env(1), the argument is what counts. */
static int add_interpreter(struct text_list *files, const struct vm_config *cfg, char *line, struct err *err)
{
	char program[PATH_MAX], *save, *name, *argument;
	const char *base;
	int ret;

	line[strcspn(line, "\n")] = '\0';
	name = strtok_r(line, " \t", &save);
	argument = name ? strtok_r(NULL, " \t", &save) : NULL;
	if (!name || !is_program(name))
		return 0; /* the guest says so */
	ret = add_program(files, cfg, name, err);
	base = strrchr(name, '/') ?: name;
	if (!ret && !strcmp(base, "/env") && argument && find_program(program, cfg, argument))
		ret = add_program(files, cfg, program, err);
	return ret;
}

static int add_program(struct text_list *files, const struct vm_config *cfg, const char *path,
		       struct err *err)
{
	char head[256] = "", loader[PATH_MAX];
	unsigned int before = files->count;
	int fd, ret = add_file(files, path, err);

	if (ret || files->count == before)
		return ret;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_host(err, errno, "%s", path);
	if (pread(fd, head, sizeof(head) - 1, 0) > 2 && head[0] == '#' && head[1] == '!') {
		ret = add_interpreter(files, cfg, head + 2, err);
	} else if (read_loader(fd, loader)) {
		ret = add_file(files, loader, err);
		if (!ret)
			ret = add_libraries(files, loader, path, err);
	}
	close(fd);
	return ret;
}

int exec_list_files(struct text_list *files, const struct vm_config *cfg, struct err *err)
{
	static const char *const system[] = { "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/ld.so.cache" };
	char program[PATH_MAX];
	int ret = 0;

	/* One that is not there is for the guest to say, in the same way as ever. */
	if (find_program(program, cfg, cfg->command.text[0]))
		ret = add_program(files, cfg, program, err);
	for (unsigned int i = 0; i < sizeof(system) / sizeof(system[0]) && !ret; i++)
		if (is_program(system[i]))
			ret = add_file(files, system[i], err);
	return ret;
}
