// SPDX-License-Identifier: BSD-2-Clause
/* A GICv2's registers and how interrupts go through it, seen by one CPU; the machine has "cpus=N". */
#include "gicv2.h"

static unsigned int cpus;

static void identification(void)
{
	uint32_t typer = dist(GICD_TYPER);

	check_eq("cpu-number", typer >> 5 & 7, cpus - 1);
	check_eq("no-security-extensions", typer >> 10 & 1, 0);
	if (is_kvm()) {
		skip("peripheral-id", "KVM's GICv2 has no identification registers");
		return;
	}
	check_eq("architecture-revision", dist(GICD_PIDR2) >> 4 & 0xf, 2);
	check_eq("interface-version", cpu(GICC_IIDR) >> 16 & 0xf, 2);
	check_eq("interface-implementer", cpu(GICC_IIDR) & 0xfff, 0x43b);
}

/* Section "GIC register access". */
static void widths(void)
{
	uint64_t priority = GIC_DIST + GICD_IPRIORITYR + A;

	write32(priority, 0x80604020);
	check_eq("priority-by-word", read32(priority), 0x80604020);
	check_eq("priority-by-byte", read8(priority + 2), 0x60);
	write8(priority + 1, 0xff);
	check_eq("priority-implemented-bits", read32(priority), 0x8060f820);
	write16(priority, 0);
	write64(priority & ~7ULL, 0);
	check_eq("priority-by-other-widths", read32(priority), 0x8060f820);
	check_eq("priority-read-by-16", read16(priority), 0);
	check_eq("priority-read-by-64", read64(priority & ~7ULL), 0);

	set_bit(GICD_ISENABLER, A);
	write8(GIC_DIST + GICD_ICENABLER + A / 8, 0xff);
	write16(GIC_DIST + GICD_ICENABLER + 4, 0xffff);
	check_eq("enable-not-by-byte", bit(GICD_ISENABLER, A), 1);
	check_eq("enable-read-by-byte", read8(GIC_DIST + GICD_ISENABLER + A / 8), 0);
	check_eq("nothing-reads-as-zero", dist(0x0c) | dist(0xd00) | cpu(0x2c) | cpu(0x1004), 0);
	set_dist(0x0c, 0xffffffff);
	set_cpu(0x2c, 0xffffffff);
	set_dist(GICD_TYPER, 0);
	check_eq("read-only", (dist(GICD_TYPER) & 0x1f) * 32 + 32, option_number("irqs", 64));
}

static void targets(void)
{
	uint64_t at = GIC_DIST + GICD_ITARGETSR;

	if (cpus == 1) {
		if (is_kvm()) {
			skip("targets-of-one-cpu", "KVM's GICv2 has target registers for one CPU");
			return;
		}
		write32(at + A, 0xffffffff);
		check_eq("targets-of-one-cpu", read32(at + A) | read32(at), 0);
		return;
	}
	check_eq("targets-of-sgis", read32(at), 0x01010101);
	write8(at, 0xff);
	check_eq("targets-of-sgis-read-only", read8(at), 1);
	write32(at + A, 0xffffffff);
	check_eq("targets-of-cpus-there-are", read32(at + A), ((1u << cpus) - 1) * 0x01010101);
	write8(at + A + 1, 1);
	check_eq("targets-by-byte", read16(at + A) | read8(at + A + 1), 1);
}

static void configuration(void)
{
	check_eq("sgis-are-edge-triggered", dist(GICD_ICFGR), 0xaaaaaaaa);
	set_dist(GICD_ICFGR, 0);
	check_eq("sgis-stay-so", dist(GICD_ICFGR), 0xaaaaaaaa);
	check_eq("ppis-are-level-triggered", dist(GICD_ICFGR + 4), 0);
	set_edge(A, true);
	check_eq("spi-edge", dist(GICD_ICFGR + A / 16 * 4) >> A % 16 * 2 & 3, 2);
	set_edge(A, false);
	check_eq("spi-level", dist(GICD_ICFGR + A / 16 * 4) >> A % 16 * 2 & 3, 0);
}

static void life(void)
{
	uint32_t iar;

	fresh();
	check_eq("nothing-pending", cpu(GICC_IAR), NONE);
	end(NONE);
	check_eq("idle", cpu(GICC_RPR), IDLE);
	make_pending(A, 0x60);
	check_eq("pending", bit(GICD_ISPENDR, A), 1);
	check_eq("highest-pending", cpu(GICC_HPPIR), A);
	iar = cpu(GICC_IAR);
	check_eq("acknowledged", iar, A);
	check_eq("active", bit(GICD_ISACTIVER, A), 1);
	check_eq("no-longer-pending", bit(GICD_ISPENDR, A), 0);
	check_eq("running-priority", cpu(GICC_RPR), 0x60);
	check_eq("not-twice", cpu(GICC_IAR), NONE);
	set_bit(GICD_ISPENDR, A);
	check_eq("active-and-pending", bit(GICD_ISPENDR, A) + bit(GICD_ISACTIVER, A), 2);
	check_eq("not-while-active", cpu(GICC_IAR), NONE);
	end(iar);
	check_eq("pending-again", cpu(GICC_IAR), A);
	end(A);
	check_eq("inactive", bit(GICD_ISACTIVER, A), 0);
	check_eq("idle-again", cpu(GICC_RPR), IDLE);

	set_bit(GICD_ISPENDR, A);
	set_bit(GICD_ICPENDR, A);
	check_eq("pending-cleared", cpu(GICC_IAR), NONE);
	set_bit(GICD_ISPENDR, A);
	set_bit(GICD_ICENABLER, A);
	check_eq("disabled", cpu(GICC_IAR), NONE);
	set_bit(GICD_ISENABLER, A);
	set_cpu(GICC_CTLR, 0);
	check_eq("interface-disabled", cpu(GICC_IAR), NONE);
	set_cpu(GICC_CTLR, CTLR_GROUP0);
	check_eq("enabled-again", cpu(GICC_IAR), A);
	end(A);
	if (is_kvm()) {
		skip("distributor-disabled", "KVM's GICv2 forgets what is pending meanwhile");
	} else {
		set_bit(GICD_ISPENDR, A);
		set_dist(GICD_CTLR, 0);
		check_eq("distributor-disabled", cpu(GICC_IAR), NONE);
		set_dist(GICD_CTLR, CTLR_GROUP0);
		check_eq("distributor-enabled-again", cpu(GICC_IAR), A);
		end(A);
	}
	set_bit(GICD_ISACTIVER, A);
	set_bit(GICD_ISPENDR, A);
	check_eq("made-active", cpu(GICC_IAR), NONE);
	set_bit(GICD_ICACTIVER, A);
	check_eq("made-inactive", cpu(GICC_IAR), A);
	end(A);
}

static void priorities(void)
{
	fresh();
	set_cpu(GICC_PMR, 0xff);
	check_eq("mask-implemented-bits", cpu(GICC_PMR), 0xf8);
	make_pending(A, 0x80);
	make_pending(B, 0x40);
	make_pending(C, 0xc0);
	check_eq("urgent-first", cpu(GICC_IAR), B);
	check_eq("less-urgent-waits", cpu(GICC_IAR), NONE);
	end(B);
	set_cpu(GICC_PMR, 0x80);
	check_eq("masked-at-its-priority", cpu(GICC_IAR), NONE);
	set_cpu(GICC_PMR, 0x88);
	check_eq("then-the-next", cpu(GICC_IAR), A);
	end(A);
	check_eq("last-is-masked", cpu(GICC_IAR), NONE);
	set_cpu(GICC_PMR, 0xf8);
	check_eq("last-unmasked", cpu(GICC_IAR), C);
	end(C);
}

static void preemption(void)
{
	fresh();
	make_pending(A, 0xa0);
	check_eq("first", cpu(GICC_IAR), A);
	make_pending(B, 0xa0);
	check_eq("equal-does-not-preempt", cpu(GICC_IAR), NONE);
	set_priority(B, 0x98);
	check_eq("one-step-preempts", cpu(GICC_IAR), B);
	make_pending(C, 0x20);
	check_eq("nested", cpu(GICC_IAR), C);
	check_eq("nested-priority", cpu(GICC_RPR), 0x20);
	check_eq("active-priorities", cpu(GICC_APR0), 1u << 0x20 / 8 | 1u << 0x98 / 8 | 1u << 0xa0 / 8);
	end(C);
	check_eq("back-to-second", cpu(GICC_RPR), 0x98);
	end(B);
	check_eq("back-to-first", cpu(GICC_RPR), 0xa0);
	end(A);
	check_eq("back-to-idle", cpu(GICC_RPR), IDLE);
	set_cpu(GICC_APR0, 1u << 8);
	check_eq("active-priorities-restored", cpu(GICC_RPR), 0x40);
	set_cpu(GICC_APR0, 0);
}

static void binary_point(void)
{
	fresh();
	check_eq("binary-point-minimum", cpu(GICC_BPR), 2);
	set_cpu(GICC_BPR, 5); /* bits 7:6 preempt */
	check_eq("binary-point", cpu(GICC_BPR), 5);
	make_pending(A, 0x78);
	check_eq("coarse-first", cpu(GICC_IAR), A);
	check_eq("coarse-running-priority", cpu(GICC_RPR), 0x40);
	make_pending(B, 0x40);
	check_eq("same-group-does-not-preempt", cpu(GICC_IAR), NONE);
	make_pending(C, 0x38);
	check_eq("other-group-preempts", cpu(GICC_IAR), C);
	end(C);
	end(A);
	check_eq("then-the-same-group", cpu(GICC_IAR), B);
	end(B);
	set_cpu(GICC_BPR, 7);
	make_pending(A, 0xf0);
	check_eq("without-preemption-first", cpu(GICC_IAR), A);
	make_pending(B, 0);
	check_eq("without-preemption", cpu(GICC_IAR), NONE);
	end(A);
	check_eq("without-preemption-next", cpu(GICC_IAR), B);
	end(B);
}

/* Sections "End of Interrupt Register", "Deactivate Interrupt Register". */
static void eoi_modes(void)
{
	fresh();
	set_cpu(GICC_CTLR, CTLR_GROUP0 | CTLR_EOIMODE);
	check_eq("eoi-mode", cpu(GICC_CTLR) & CTLR_EOIMODE, CTLR_EOIMODE);
	make_pending(A, 0x60);
	check_eq("split-acknowledged", cpu(GICC_IAR), A);
	set_bit(GICD_ISPENDR, A);
	end(A);
	check_eq("split-dropped", cpu(GICC_RPR), IDLE);
	check_eq("split-still-active", bit(GICD_ISACTIVER, A), 1);
	check_eq("split-not-again", cpu(GICC_IAR), NONE);
	make_pending(B, 0xe0);
	check_eq("split-others-go-on", cpu(GICC_IAR), B);
	end(B);
	set_cpu(GICC_DIR, B);
	set_cpu(GICC_DIR, A);
	check_eq("split-again", cpu(GICC_IAR), A);
	end(A);
	set_cpu(GICC_DIR, A);
	check_eq("split-inactive", bit(GICD_ISACTIVER, A) + bit(GICD_ISACTIVER, B), 0);
}

static void sgi_sources(void)
{
	uint64_t set = GIC_DIST + GICD_SPENDSGIR + SGI, clear = GIC_DIST + GICD_CPENDSGIR + SGI;
	uint32_t all = (1u << cpus) - 1;

	fresh();
	set_priority(SGI, 0x40);
	enable_interrupt(SGI);
	write8(set, (uint8_t)all);
	check_eq("sgi-sources", read8(set), all);
	check_eq("sgi-sources-both-ways", read8(clear), all);
	check_eq("sgi-sources-by-word", dist(GICD_SPENDSGIR + 4), all << 8);
	check_eq("sgi-pending", bit(GICD_ISPENDR, SGI), 1);
	set_bit(GICD_ICPENDR, SGI);
	check_eq("sgi-pending-read-only", bit(GICD_ISPENDR, SGI), 1);
	if (cpus > 1) {
		uint32_t seen = 0;

		write8(clear, 1);
		check_eq("sgi-source-cleared", read8(set), all & ~1u);
		write8(set, 1);
		for (unsigned int i = 0; i < cpus; i++) {
			uint32_t iar = cpu(GICC_IAR);

			check_eq("sgi-of-each-source", iar & 0x3ff, SGI);
			seen |= 1u << (iar >> 10 & 7);
			end(iar);
		}
		check_eq("sgi-from-all-sources", seen, all);
	} else {
		check_eq("sgi-acknowledged", cpu(GICC_IAR), SGI);
		end(SGI);
	}
	check_eq("sgi-no-more", cpu(GICC_IAR), NONE);
	check_eq("sgi-no-source", read8(set), 0);

	set_dist(GICD_SGIR, 2u << 24 | SGI);
	check_eq("sgi-to-self", cpu(GICC_IAR), SGI);
	end(SGI);
	set_dist(GICD_SGIR, 3u << 24 | 0xffu << 16 | SGI);
	check_eq("sgi-reserved-filter", cpu(GICC_IAR), NONE);
	set_bit(GICD_ISPENDR, SGI);
	check_eq("sgi-not-by-pending", cpu(GICC_IAR), NONE);
	set_dist(GICD_SGIR, 1u << 16 | SGI);
	set_dist(GICD_SGIR, 1u << 16 | SGI);
	check_eq("sgi-listed", cpu(GICC_IAR), SGI);
	end(SGI);
	check_eq("sgi-merged", cpu(GICC_IAR), NONE);
}

void guest_main(void)
{
	cpus = (unsigned int)option_number("cpus", 1);
	print("INFO %s\n", is_kvm() ? "KVM's GICv2" : "GICv2 in userspace");
	identification();
	widths();
	targets();
	configuration();
	life();
	priorities();
	preemption();
	binary_point();
	eoi_modes();
	sgi_sources();
}
