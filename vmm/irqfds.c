// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/irqfds.h"

#include <sys/eventfd.h>
#include <unistd.h>

void irqfds_init(struct irqfds *irqfds, const struct kvm_vm *kvm_vm)
{
	irqfds->kvm_vm = kvm_vm;
	pthread_mutex_init(&irqfds->lock, NULL);
	for (unsigned int line = 0; line < IRQFDS_LINES; line++)
		irqfds->fd[line] = 0;
}

void irqfds_finish(struct irqfds *irqfds)
{
	if (!irqfds->kvm_vm)
		return;
	for (unsigned int line = 0; line < IRQFDS_LINES; line++) {
		int fd = irqfds->fd[line] - 1;

		if (fd < 0)
			continue;
		kvm_vm_irqfd(irqfds->kvm_vm, line, fd, false);
		close(fd);
	}
	pthread_mutex_destroy(&irqfds->lock);
	irqfds->kvm_vm = NULL;
}

/* With the lock held. */
static int make(struct irqfds *irqfds, uint32_t line)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return -1;
	if (kvm_vm_irqfd(irqfds->kvm_vm, line, fd, true) < 0) {
		close(fd);
		return -1;
	}
	irqfds->fd[line] = fd + 1;
	return fd;
}

int irqfds_get(struct irqfds *irqfds, uint32_t line)
{
	int fd;

	if (line >= IRQFDS_LINES)
		return -1;
	fd = irqfds->fd[line] - 1;
	if (fd >= 0)
		return fd;
	pthread_mutex_lock(&irqfds->lock);
	fd = irqfds->fd[line] - 1;
	if (fd < 0)
		fd = make(irqfds, line);
	pthread_mutex_unlock(&irqfds->lock);
	return fd;
}

bool irqfds_pulse(struct irqfds *irqfds, uint32_t line)
{
	const uint64_t one = 1;
	int fd = irqfds_get(irqfds, line);

	return fd >= 0 && write(fd, &one, sizeof(one)) == sizeof(one);
}
