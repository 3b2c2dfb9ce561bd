// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is refused of a saved GIC or vCPU before KVM sees any of it. The rest needs KVM and is in
 * tests/restore.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm/vcpu_state_arm64.h"
#include "kvm/vgic_state_arm64.h"

static void assert_says(const struct err *err, const char *text)
{
	if (!strstr(err->text, text))
		fail_msg("\"%s\" does not say \"%s\"", err->text, text);
	assert_int_equal(err->kind, ERR_USER);
	assert_null(strchr(err->text, '\n'));
}

/* --- GIC --- */

static const uint64_t mpidr[] = { 0, 1, 2 };
static struct vgic vgic;
static struct vgic_shape shape;
static struct vgic_state state;

static int setup(void **unused)
{
	(void)unused;
	vgic = (struct vgic){ .fd = -1, .version = 3, .its_fd = -1 };
	shape = (struct vgic_shape){ .vgic = &vgic, .nr_irqs = 128, .nr_vcpus = 3, .mpidr = mpidr };
	state = (struct vgic_state){ .version = VGIC_STATE_VERSION, .gic = 3, .nr_irqs = 128, .nr_vcpus = 3 };
	return 0;
}

static void refuses(const char *text)
{
	struct err err;

	assert_int_equal(vgic_load(&shape, &state, sizeof(state), &err), -EINVAL);
	assert_says(&err, text);
}

static void too_few_bytes(void **unused)
{
	struct err err;

	(void)unused;
	for (size_t size = 0; size < sizeof(state); size++) {
		assert_int_equal(vgic_load(&shape, &state, size, &err), -EINVAL);
		assert_says(&err, "too few");
	}
}

static void another_version(void **unused)
{
	(void)unused;
	state.version = 2;
	refuses("the version is 2; allowed here is 1");
	state.version = 0;
	refuses("the version is 0; allowed here is 1");
}

static void another_shape(void **unused)
{
	(void)unused;
	state.gic = 2;
	refuses("the GIC's version is 2; allowed here is 3");
	setup(NULL);
	state.nr_irqs = 1024;
	refuses("the number of interrupts is 1024; allowed here is 128");
	setup(NULL);
	state.nr_vcpus = UINT32_MAX;
	refuses("the number of vCPUs is 4294967295; allowed here is 3");
	setup(NULL);
	state.its = 1;
	refuses("the number of ITSs is 1; allowed here is 0");
	setup(NULL);
	state.count = UINT32_MAX;
	refuses("the number of values is 4294967295; allowed here is");
}

/*
 * How many values there are follows from the registers. GICv3, for each SPI word of 32 INTIDs: IROUTER
 * 64, IPRIORITYR 8, ICFGR 2, and one each of IGROUPR, ISENABLER, ISACTIVER, ISPENDR and levels.
 */
static void as_many_values_as_registers(void **unused)
{
	const unsigned int word = 8 + 2 + 1 + 1 + 1 + 1, redist = 7, cpu = 7 + 8;
	unsigned int count;
	struct err err;
	char text[64];

	(void)unused;
	count = 3 + 3 * (64 + word + 1) + 3 * (redist + word + 1 + cpu);
	snprintf(text, sizeof(text), "the number of values is 0; allowed here is %u", count);
	refuses(text);
	state.count = count;
	refuses("the size is");

	setup(NULL);
	vgic.its_fd = 1000;
	state.its = 1;
	snprintf(text, sizeof(text), "the number of values is 0; allowed here is %u", count + 4 + 8 + 1);
	refuses(text);

	/* GICv2: ITARGETSR instead of IROUTER, pending SGIs by sender, fewer registers in the CPU interface. */
	setup(NULL);
	vgic.version = state.gic = 2;
	count = 2 + 3 * (8 + word + 1) + 3 * (word + 4 + 8);
	snprintf(text, sizeof(text), "the number of values is 0; allowed here is %u", count);
	assert_int_equal(vgic_load(&shape, &state, sizeof(state), &err), -EINVAL);
	assert_says(&err, text);
}

/* --- vCPU --- */

static void vcpu_refuses(struct vcpu_state *vcpu, size_t size, const char *text)
{
	const struct kvm_vcpu nothing = { .fd = -1 };
	struct err err;

	assert_int_equal(vcpu_state_load(&nothing, vcpu, size, &err), -EINVAL);
	assert_says(&err, text);
}

static void vcpu_states(void **unused)
{
	const size_t size = VCPU_STATE_SIZE(1);
	const struct vcpu_state good = { .version = VCPU_STATE_VERSION, .count = 1 };
	struct vcpu_state *vcpu = calloc(1, size);

	(void)unused;
	assert_non_null(vcpu);
	*vcpu = good;
	vcpu_refuses(vcpu, 0, "too few");
	vcpu_refuses(vcpu, sizeof(*vcpu) - 1, "too few");
	vcpu_refuses(vcpu, size - 1, "do not fill");
	vcpu_refuses(vcpu, size + 1, "do not fill");
	vcpu->version = 2;
	vcpu_refuses(vcpu, size, "version is 2; allowed is 1");
	*vcpu = good;
	vcpu->mp_state = 1;
	vcpu_refuses(vcpu, size, "mp_state is 1");
	*vcpu = good;
	vcpu->serror_pending = 2;
	vcpu_refuses(vcpu, size, "serror_pending");
	*vcpu = good;
	vcpu->serror_has_esr = 256;
	vcpu_refuses(vcpu, size, "serror_has_esr");
	*vcpu = good;
	vcpu->zero = 1;
	vcpu_refuses(vcpu, size, "zero is 1; allowed is 0");
	*vcpu = good;
	vcpu->count = UINT32_MAX;
	vcpu_refuses(vcpu, size, "do not fill");
	*vcpu = good;
	vcpu->reg[0].id = KVM_REG_ARM64 | KVM_REG_SIZE_U256;
	vcpu_refuses(vcpu, size, "too wide");
	vcpu->reg[0].id = UINT64_MAX;
	vcpu_refuses(vcpu, size, "too wide");
	free(vcpu);
}

#define TEST(function) cmocka_unit_test_setup(function, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(too_few_bytes), TEST(another_version),
		TEST(another_shape), TEST(as_many_values_as_registers),
		TEST(vcpu_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
