// SPDX-License-Identifier: BSD-2-Clause
#include "devices/device.h"

#include <errno.h>
#include <stdlib.h>

int device_create(struct device **out, const struct device_class *class, const struct device_host *host,
		  struct irq_line irq, unsigned int instance, struct err *err)
{
	struct device *dev = calloc(1, class->size);
	int code;

	if (!dev)
		return err_host(err, ENOMEM, "create device %s", class->name);
	dev->class = class;
	dev->host = host;
	dev->irq = irq;
	dev->instance = instance;

	code = pthread_mutex_init(&dev->lock, NULL);
	if (code) {
		free(dev);
		return err_host(err, code, "create the lock of device %s", class->name);
	}

	code = class->create ? class->create(dev, host, err) : 0;
	if (code) {
		pthread_mutex_destroy(&dev->lock);
		free(dev);
		return code;
	}
	*out = dev;
	return 0;
}

void device_destroy(struct device *dev)
{
	if (!dev)
		return;
	if (dev->class->destroy)
		dev->class->destroy(dev);
	pthread_mutex_destroy(&dev->lock);
	free(dev);
}
