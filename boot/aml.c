// SPDX-License-Identifier: BSD-2-Clause
#include "boot/aml.h"

#include <string.h>

/* "AML Byte Stream Byte Values" */
#define ZERO_OP       0x00
#define ONE_OP        0x01
#define NAME_OP       0x08
#define BYTE_PREFIX   0x0a
#define WORD_PREFIX   0x0b
#define DWORD_PREFIX  0x0c
#define STRING_PREFIX 0x0d
#define QWORD_PREFIX  0x0e
#define SCOPE_OP      0x10
#define BUFFER_OP     0x11
#define PACKAGE_OP    0x12
#define METHOD_OP     0x14
#define EXT_PREFIX    0x5b
#define EXT_DEVICE    0x82
#define NOTIFY_OP     0x86

void aml_init(struct aml *a, void *buf, size_t size)
{
	*a = (struct aml){ .buf = buf, .size = size };
}

void aml_bytes(struct aml *a, const void *bytes, size_t len)
{
	if (a->full || len > a->size - a->len) {
		a->full = true;
		return;
	}
	memcpy(a->buf + a->len, bytes, len);
	a->len += len;
}

void aml_number(struct aml *a, uint64_t value, unsigned int bytes)
{
	uint8_t le[8];

	for (unsigned int i = 0; i < bytes; i++)
		le[i] = (uint8_t)(value >> 8 * i);
	aml_bytes(a, le, bytes);
}

/*
 * "Package Length Encoding": the length counts its own bytes. In one byte it has 6 bits; in more,
 * bits 7:6 of the first say how many follow and its low 4 bits are the lowest of the length.
 */
static unsigned int encode_length(uint8_t out[4], size_t content)
{
	unsigned int bytes = 1;
	size_t length;

	if (content + 1 < 1U << 6) {
		out[0] = (uint8_t)(content + 1);
		return 1;
	}
	do
		bytes++;
	while (bytes < 4 && content + bytes >= 1U << (4 + 8 * (bytes - 1)));
	length = content + bytes;
	out[0] = (uint8_t)((bytes - 1) << 6 | (length & 0xf));
	for (unsigned int i = 1; i < bytes; i++)
		out[i] = (uint8_t)(length >> (4 + 8 * (i - 1)));
	return bytes;
}

/* The length's own size is known only now: the content makes room for it. */
void aml_end(struct aml *a, size_t place)
{
	uint8_t length[4];
	size_t content = a->len - place;
	unsigned int bytes = encode_length(length, content);

	aml_bytes(a, length, bytes);
	if (a->full)
		return;
	memmove(a->buf + place + bytes, a->buf + place, content);
	memcpy(a->buf + place, length, bytes);
}

size_t aml_scope(struct aml *a, const char *name)
{
	size_t place;

	aml_number(a, SCOPE_OP, 1);
	place = a->len;
	aml_bytes(a, name, 4);
	return place;
}

size_t aml_device(struct aml *a, const char *name)
{
	size_t place;

	aml_number(a, EXT_PREFIX, 1);
	aml_number(a, EXT_DEVICE, 1);
	place = a->len;
	aml_bytes(a, name, 4);
	return place;
}

size_t aml_method(struct aml *a, const char *name, uint8_t arguments)
{
	size_t place;

	aml_number(a, METHOD_OP, 1);
	place = a->len;
	aml_bytes(a, name, 4);
	aml_number(a, arguments, 1);
	return place;
}

size_t aml_package(struct aml *a, uint8_t elements)
{
	size_t place;

	aml_number(a, PACKAGE_OP, 1);
	place = a->len;
	aml_number(a, elements, 1);
	return place;
}

void aml_name(struct aml *a, const char *name)
{
	aml_number(a, NAME_OP, 1);
	aml_bytes(a, name, 4);
}

void aml_notify(struct aml *a, const char *name, uint8_t value)
{
	aml_number(a, NOTIFY_OP, 1);
	aml_bytes(a, name, 4);
	aml_integer(a, value);
}

void aml_integer(struct aml *a, uint64_t value)
{
	if (value <= 1) {
		aml_number(a, value ? ONE_OP : ZERO_OP, 1);
	} else if (value <= UINT8_MAX) {
		aml_number(a, BYTE_PREFIX, 1);
		aml_number(a, value, 1);
	} else if (value <= UINT16_MAX) {
		aml_number(a, WORD_PREFIX, 1);
		aml_number(a, value, 2);
	} else if (value <= UINT32_MAX) {
		aml_number(a, DWORD_PREFIX, 1);
		aml_number(a, value, 4);
	} else {
		aml_number(a, QWORD_PREFIX, 1);
		aml_number(a, value, 8);
	}
}

void aml_string(struct aml *a, const char *text)
{
	aml_number(a, STRING_PREFIX, 1);
	aml_bytes(a, text, strlen(text) + 1);
}

void aml_buffer(struct aml *a, const void *bytes, size_t len)
{
	size_t place;

	aml_number(a, BUFFER_OP, 1);
	place = a->len;
	aml_integer(a, len);
	aml_bytes(a, bytes, len);
	aml_end(a, place);
}

/* "I/O Port Descriptor": tag, 16-bit decoding, minimum, maximum, alignment, length. */
void aml_resource_io(struct aml *a, uint16_t base, uint8_t len)
{
	aml_number(a, 0x47, 1);
	aml_number(a, 0x01, 1);
	aml_number(a, base, 2);
	aml_number(a, base, 2);
	aml_number(a, 0x01, 1);
	aml_number(a, len, 1);
}

/* "32-Bit Fixed Memory Range Descriptor": tag, length, writable, base, size. */
void aml_resource_memory32(struct aml *a, uint32_t base, uint32_t len)
{
	aml_number(a, 0x86, 1);
	aml_number(a, 9, 2);
	aml_number(a, 0x01, 1);
	aml_number(a, base, 4);
	aml_number(a, len, 4);
}

/* "Extended Interrupt Descriptor": tag, length, flags (bit 0: consumer, bit 1: edge), count, interrupt. */
void aml_resource_interrupt(struct aml *a, uint32_t gsi, bool edge)
{
	aml_number(a, 0x89, 1);
	aml_number(a, 6, 2);
	aml_number(a, edge ? 0x03 : 0x01, 1);
	aml_number(a, 1, 1);
	aml_number(a, gsi, 4);
}

/* "End Tag"; a checksum of zero is taken as good. */
void aml_resource_end(struct aml *a)
{
	aml_number(a, 0x79, 1);
	aml_number(a, 0x00, 1);
}
