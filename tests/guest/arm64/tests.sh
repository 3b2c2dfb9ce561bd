# SPDX-License-Identifier: BSD-2-Clause
#
# The tests of the tiny guests for aarch64; part of ../run.

end_guest=$guests/end.image
echo_guest=$guests/echo.image
output_guest=$guests/output.image
control_guest=$guests/control.image

# The GIC that auto gives on this host, and how many interrupts it has.
can() {
	"$vireo" run --dry-run --irqchip "$1" "$end_guest" </dev/null >/dev/null 2>&1
}
gic=2
user=
can gicv3 && gic=3
[ $gic = 3 ] || can gicv2 || user=1
irqs=$("$vireo" dump config "$end_guest" | sed -n 's/^gic-irqs *= *\([0-9]*\).*/\1/p')

boots boot-image "$guests/boot.image" -a gic=$gic
if begin boot-gzip; then
	gzip -c "$guests/boot.image" >"$work/image.gz"
	vireo "$work/image.gz" -m 64M -a "memory=64 gic=$gic" </dev/null
	status_is 0
	checks_hold
	end
fi

boots boot-flat "$guests/boot.flat" -a gic=$gic --kernel-format flat
if begin boot-flat-is-no-image; then
	vireo "$guests/boot.flat" </dev/null
	status_is 2
	reports 'accepted is'
	end
fi

# explicit VERSION: that GIC is what the guest gets, or the program says that it cannot.
explicit() {
	if can "gicv$1"; then
		boots "boot-gicv$1" "$guests/boot.image" -a "gic=$1" --irqchip "gicv$1"
		return
	fi
	begin "boot-gicv$1" || return 0
	vireo "$guests/boot.image" --irqchip "gicv$1" </dev/null
	status_is 1
	reports "GICv$1"
	note="refused: this host has none"
	end
}
explicit 2
explicit 3

# chip SUFFIX OPTION...: what holds with every interrupt controller.
chip() {
	suffix=$1
	shift
	checks mmio"$suffix" mmio.image "$@"
	checks virtio"$suffix" virtio.image --rng=rate=0 "$@"
	checks gic"$suffix" gic.image -a "irqs=$irqs" "$@"
	checks gic-96-interrupts"$suffix" gic.image -a irqs=96 --gic-irqs 96 "$@"
	checks psci"$suffix" psci.image -c 2 -a cpus=2 "$@"
	for seed in 1 2 3; do
		checks hammer-$seed"$suffix" hammer.image -c 4 -a "cpus=4 seed=$seed count=10000" "$@"
	done
}
chip ""
boots boot-gicv2-user "$guests/boot.image" -a gic=2 --irqchip gicv2-user
chip -gicv2-user --irqchip gicv2-user

# All of a GICv2, on KVM's where there is one, and on the one in userspace.
for chip in gicv2 gicv2-user; do
	for cpus in 1 2 4; do
		for guest in gicv2 gicv2_signals; do
			name=$chip-${guest#gicv2_}-$cpus
			[ $guest = gicv2 ] && name=$chip-registers-$cpus
			if [ $chip = gicv2 ] && ! can gicv2; then
				begin "$name" && skip "this host has no in-kernel GICv2"
				continue
			fi
			checks "$name" $guest.image -c $cpus -a "cpus=$cpus irqs=$irqs" --irqchip $chip
		done
	done
done

stopped stop-button-gicv2-user 0 button-off --irqchip gicv2-user && end

# MSIs: an ITS where the host can give one, else a frame.
if "$vireo" run --dry-run --its on "$end_guest" </dev/null >/dev/null 2>&1; then
	checks its its.image -c 2 -a cpus=2
elif begin its; then
	skip "this host's KVM has no ITS"
fi
checks v2m v2m.image --its off -a "irqs=$irqs"
checks v2m-gicv2-user v2m.image --irqchip gicv2-user -a "irqs=$irqs"
checks v2m-gicv2-user-1024-interrupts v2m.image --irqchip gicv2-user --gic-irqs 1024 -a irqs=1024
checks v2m-64-interrupts v2m.image --its off --gic-irqs 64 -a irqs=64
checks v2m-992-interrupts v2m.image --its off --gic-irqs 992 -a irqs=992

# far NAME OPTION...: addresses that no guest here can reach, of what KVM does not see.
far() {
	begin "$1" || return 0
	shift
	vireo "$end_guest" "$@" </dev/null
	status_is 1
	reports 'beyond the guest-physical addresses'
	end
}
far far-dist --irqchip gicv2-user --gic-dist 0xf000000000000
far far-cpu --irqchip gicv2-user --gic-cpu 0xf000000000000
far far-v2m --its off --gic-v2m 0xf000000000000

# restores NAME ARGUMENT...: a VM that is saved, by a process of its own each time, until it has come to its end
# (or begins again and again).
restore=$(dirname "$vireo")/tests/restore/restore
restores() {
	begin "$1" || return 0
	shift
	if [ $user ]; then
		skip "this host has no in-kernel GIC, whose state this is about"
		return 0
	fi
	rm -f "$work/state"
	what=start
	saved=-1
	: >"$work/whole"
	while
		timeout -k 10 $limit "$restore" $what "$work/state" "$guests/restore.image" -m 32M "$@" \
			>"$work/out" 2>"$work/err" </dev/null
		status=$?
		cat "$work/out" >>"$work/whole"
		saved=$((saved + 1))
		[ $status = 0 ] && [ $saved -lt 3 ] && grep -q '^INFO saved' "$work/out"
	do
		what=resume
	done
	mv "$work/whole" "$work/out"
	status_is 0
	checks_hold
	[ $saved = 2 ] || problem "the VM was saved $saved times, not twice"
	if [ ! "$problems" ]; then
		timeout -k 10 $limit "$restore" spoil "$work/state" "$guests/restore.image" -m 32M "$@" \
			>>"$work/out" 2>"$work/err" </dev/null
		status=$?
		status_is 0
		says '^INFO refused'
	fi
	rm -f "$work/state"
	end
}
restores restore -c 4 -a cpus=4
restores restore-more-interrupts -c 4 -a cpus=4 --gic-irqs 992
[ $gic = 3 ] && restores restore-without-its -c 4 -a cpus=4 --its off

checks hammer-without-its hammer.image -c 4 --its off -a "cpus=4 seed=4 count=10000"

ends end-poweroff 0 poweroff
ends end-reset 10 reset
ends end-reset2 10 reset2
ends end-panic 11 panic

# The convention of test kernels that have no other way to tell how they ended.
if begin end-exit-status; then
	vireo "$end_guest" -a end=exit-status </dev/null
	status_is 0
	[ "$(console | sed -n 's/^EXIT: STATUS=\([0-9]*\).*/\1/p')" = 3 ] || problem "no EXIT: STATUS=3"
	end
fi

# --- what --trace and --stats show of an interrupt controller that is KVM's ---

if begin trace; then
	vireo "$echo_guest" --trace "$work/trace" --stats json <<-END
		some input$(printf '\004')
	END
	status_is 0
	traces 'line raised'
	grep -q '"name":"serial, line 0"' "$work/trace" || problem "no track of the serial port's line"
	grep -q '"name":"MMIO".*"at":"serial"' "$work/trace" || problem "no exit at the serial port"
	grep -q '"name":"SYSTEM_EVENT"' "$work/trace" || problem "no exit that powers off"
	reports '"lines":\[{"line":0,"device":"serial","raised":[1-9]'
	end
fi

# The userspace GICv2 hides nothing.
if begin trace-gicv2-user; then
	vireo "$echo_guest" --irqchip gicv2-user --trace "$work/trace" <<-END
		some input$(printf '\004')
	END
	status_is 0
	traces 'line raised' routed pending injected EOI
	end
fi
if begin trace-gicv2-user-cpus; then
	vireo "$guests/psci.image" --irqchip gicv2-user -c 2 -a cpus=2 --trace "$work/trace" --stats table </dev/null
	status_is 0
	checks_hold
	traces 'IPI sent' 'IPI received' injected EOI
	end
fi
if begin trace-gicv2-user-timer; then
	vireo "$guests/gic.image" --irqchip gicv2-user -a "irqs=$irqs" --trace "$work/trace" </dev/null
	status_is 0
	checks_hold
	traces 'timer fired' pending injected EOI
	end
fi
