/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes ACPI Machine Language (ACPI Specification 6.5, chapter 20 "ACPI Machine Language (AML)
 * Specification") and resource descriptors (chapter 6, "Resource Data Types for ACPI").
 *
 * An aml is a cursor over memory of the caller. What does not fit is dropped and `full` is set, to
 * be looked at once, at the end. All numbers are little-endian, whatever the host.
 */
#ifndef VIREO_BOOT_AML_H
#define VIREO_BOOT_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *buf; /* not owned */
	size_t size;  /* bytes at buf */
	size_t len;   /* bytes written, at most size */
	bool full;    /* something did not fit */
};

void aml_init(struct aml *a, void *buf, size_t size);

/* Plain bytes, and the low `bytes` (1 to 8) of a number. */
void aml_bytes(struct aml *a, const void *bytes, size_t len);
void aml_number(struct aml *a, uint64_t value, unsigned int bytes);

/*
 * Things with a length in front. Each begins with a call that returns its place; the things written
 * until aml_end() of that place are its contents. Names have four characters.
 */
size_t aml_scope(struct aml *a, const char *name);
size_t aml_device(struct aml *a, const char *name);
size_t aml_method(struct aml *a, const char *name, uint8_t arguments); /* at most 7; not serialized */
size_t aml_package(struct aml *a, uint8_t elements);
void aml_end(struct aml *a, size_t place);

/* Name (NAME, ...): the object written next is its value. */
void aml_name(struct aml *a, const char *name);
void aml_notify(struct aml *a, const char *name, uint8_t value); /* Notify (NAME, value) */
void aml_integer(struct aml *a, uint64_t value);                 /* in the shortest encoding */
void aml_string(struct aml *a, const char *text);
void aml_buffer(struct aml *a, const void *bytes, size_t len);

/* Resource descriptors, in a template of their own which then goes into a buffer. */
void aml_resource_io(struct aml *a, uint16_t base, uint8_t len);
void aml_resource_memory32(struct aml *a, uint32_t base, uint32_t len); /* Memory32Fixed, read-write */
void aml_resource_interrupt(struct aml *a, uint32_t gsi, bool edge);    /* active high, exclusive */
void aml_resource_end(struct aml *a);

#endif
