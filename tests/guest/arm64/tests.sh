# SPDX-License-Identifier: BSD-2-Clause
#
# The tests of the tiny guests for aarch64; part of ../run.

end_guest=$guests/end.image
echo_guest=$guests/echo.image
output_guest=$guests/output.image

# The GIC that this host can give, and how many interrupts it has.
gic=2
"$vireo" run --dry-run --irqchip gicv3 "$end_guest" </dev/null >/dev/null 2>&1 && gic=3
irqs=$("$vireo" dump config "$end_guest" | sed -n 's/^gic-irqs *= *\([0-9]*\)$/\1/p')

boots boot-image "$guests/boot.image" -a gic=$gic
if begin boot-gzip; then
	gzip -c "$guests/boot.image" >"$work/image.gz"
	vireo "$work/image.gz" -m 64M -a "memory=64 gic=$gic" </dev/null
	status_is 0
	checks_hold
	end
fi
boots boot-gicv2 "$guests/boot.image" -a gic=2 --irqchip gicv2

checks mmio mmio.image
checks gic gic.image -a "irqs=$irqs"
checks gic-96-interrupts gic.image -a irqs=96 --gic-irqs 96
checks psci psci.image -c 2 -a cpus=2
for seed in 1 2 3; do
	checks hammer-$seed hammer.image -c 2 -a "cpus=2 seed=$seed count=20000"
done

ends end-poweroff 0 poweroff
ends end-reset 10 reset
ends end-reset2 10 reset2
ends end-panic 11 panic
