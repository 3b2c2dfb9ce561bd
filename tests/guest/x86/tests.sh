# SPDX-License-Identifier: BSD-2-Clause
#
# The tests of the tiny guests for x86-64; part of ../run.

end_guest=$guests/end.elf
echo_guest=$guests/echo.elf
output_guest=$guests/output.elf
control_guest=$guests/control.elf

boots boot-pvh "$guests/boot.elf"
boots boot-long "$guests/boot-long.elf"
boots boot-bzimage "$guests/boot.bzimage"
boots boot-multiboot "$guests/boot-multiboot.elf"

checks cpuid cpuid.elf
checks cpuid-3-cpus cpuid.elf -c 3 -a cpus=3
checks cpuid-255-cpus cpuid.elf -c 255 -a cpus=255
# interrupts SUFFIX WORDS ARGUMENT...: every guest that judges the interrupt controllers, by both front ends
# of the local APIC; the tests' names end in SUFFIX, the guests get WORDS.
interrupts() {
	suffix=$1 words=$2
	shift 2
	for mode in '' x2apic; do
		name=${mode:+-$mode}$suffix
		checks "lapic$name" lapic.elf -a "$mode $words" "$@"
		checks "regs$name" regs.elf -c 2 -a "cpus=2 $mode $words" "$@"
		checks "prio$name" prio.elf -a "$mode $words" "$@"
		checks "pveoi$name" pveoi.elf -a "$mode $words" "$@"
		checks "lvt$name" lvt.elf -a "$mode $words" "$@"
		checks "timer$name" timer.elf -a "$mode $words" "$@"
		checks "irq$name" irq.elf -a "$mode $words" "$@"
		checks "hlt$name" hlt.elf -c 2 -a "cpus=2 $mode $words" "$@"
		checks "smp$name" smp.elf -c 2 -a "cpus=2 $mode $words" "$@"
		checks "ipi$name" ipi.elf -c 4 -a "cpus=4 $mode $words" "$@"
		checks "ioapic$name" ioapic.elf -c 2 -a "cpus=2 $mode $words" "$@"
		checks "pins$name" pins.elf --test-device -a "$mode $words" "$@"
		checks "routes$name" routes.elf --test-device -c 4 -a "cpus=4 $mode $words" "$@"
		checks "msi$name" msi.elf --test-device -c 4 -a "cpus=4 $mode $words" "$@"
		checks "wide$name" wide.elf --test-device -c 32 -a "id=31 $mode $words" "$@"
	done
	checks "apicbase$suffix" apicbase.elf -c 2 -a "cpus=2 $words" "$@"
}

interrupts '' ''
if [ "$host_words" != pvm ]; then
	interrupts -split kernel-lapic --irqchip apic-split
	interrupts -kernel 'kernel-lapic kernel-ioapic' --irqchip apic-kernel
	checks pins-2-ioapics-split pins.elf --test-device --ioapics 2 -a "ioapics=2 kernel-lapic" \
		--irqchip apic-split
elif begin kernel-lapics; then
	skip "kvm_pvm's local APICs end an interrupt when they deliver it: nothing is ever in service"
fi
checks virtio virtio.elf --rng=rate=0
checks virtio-split virtio.elf --rng=rate=0 --irqchip apic-split
[ "$host_words" = pvm ] || checks virtio-kernel virtio.elf --rng=rate=0 --irqchip apic-kernel
checks smp-4-cpus smp.elf -c 4 -a cpus=4
checks smp-4-cpus-x2apic smp.elf -c 4 -a "cpus=4 x2apic"
checks pins-2-ioapics pins.elf --test-device --ioapics 2 -a ioapics=2

# Ids beyond 8 bits, if the program and the host's KVM have them.
if "$vireo" run --dry-run -c 300 "$end_guest" </dev/null >/dev/null 2>&1; then
	checks cpuid-300-cpus cpuid.elf -c 300 -a cpus=300
	checks wide-300 wide.elf --test-device -c 300 -a "id=299 x2apic"
	checks wide-255 wide.elf --test-device -c 300 -a "id=255 x2apic"
	checks wide-300-split wide.elf --test-device -c 300 -a "id=299 x2apic kernel-lapic" --irqchip apic-split
elif begin wide-300; then
	skip "no 300 CPUs: $("$vireo" run --dry-run -c 300 "$end_guest" </dev/null 2>&1 | tail -n 1)"
fi

checks testdev testdev.elf -m 64M -c 3 -a "memory=64 cpus=3" --test-device
checks testdev-x2apic testdev.elf -m 64M -c 3 -a "memory=64 cpus=3 x2apic" --test-device
if begin testdev-multiboot; then
	vireo "$guests/testdev-multiboot.elf" -m 64M -c 3 -a "memory=64 cpus=3 exit=1" --test-device \
		--debug-exit 0xf4 </dev/null
	status_is 3
	says '^INFO debug exit$'
	! console | grep -q '^FAIL' || problem "the guest's checks failed"
	end
fi

if begin ports; then
	today=$(date -u +%Y-%m-%d)
	vireo "$guests/ports.elf" </dev/null
	status_is 0
	checks_hold
	says '^INFO string The quick brown fox jumps over the lazy dog 0123456789$'
	says "^INFO date \($today\|$(date -u +%Y-%m-%d)\)\$" # midnight may have come between
	end
fi

for seed in 1 2 3; do
	checks hammer-$seed hammer.elf -c 2 --ioapics 4 -a "cpus=2 seed=$seed count=5000"
	checks hammer-init-$seed hammer.elf -c 4 -a "cpus=4 seed=$seed count=5000"
done
checks hammer-apic-split hammer.elf -c 4 --irqchip apic-split -a "cpus=4 nosmi count=2000"
checks hammer-apic-kernel hammer.elf -c 4 --irqchip apic-kernel -a "cpus=4 nosmi count=2000"

ends end-poweroff 0 poweroff
for chip in apic-split apic-kernel; do
	[ "$host_words" = pvm ] && continue # as above
	stopped stop-button-$chip 0 button-off --irqchip $chip && end
done
if stopped stop-without-acpi 143 button-off --tables fdt --log info; then
	reports 'described by a device tree'
	end
fi
ends end-i8042-pulse 10 i8042-pulse
ends end-i8042-output-port 10 i8042-output-port
ends end-acpi-reset 10 acpi-reset
ends end-reset-vector 10 reset-vector
ends end-init 10 init
ends end-panic 11 panic
for pair in 0=1 1=3 5=11 77=155 256=1 65537=3; do
	ends "end-debug-exit-${pair%=*}" "${pair#*=}" debug-exit -a "value=${pair%=*}" --debug-exit 0xf4
done

# Where and in which code; but SVM keeps nothing of a CPU that shut down, and KVM resets it.
if begin end-triple-fault; then
	vireo "$end_guest" -a end=triple-fault </dev/null
	status_is 12
	reports 'triple fault at RIP 0x\([0-9a-f]* .*code 0f 0b 90 de ad\|fff0\)'
	[ "$host_words" != pvm ] || reports 'kvm_pvm'
	end
fi

# --- what --trace and --stats show ---

if begin trace-line; then
	vireo "$guests/ioapic.elf" -c 2 -a cpus=2 --trace "$work/trace" </dev/null
	status_is 0
	checks_hold
	is_silent
	traces 'line raised' routed IRR injected EOI
	traces 'line raised' routed IRR injected EOI routed IRR injected EOI # still up at the first EOI
	grep -q '"name":"serial, line 4"' "$work/trace" || problem "no track of the serial port's line"
	end
fi

if begin trace-timer; then
	vireo "$guests/timer.elf" --trace "$work/trace" </dev/null
	status_is 0
	traces 'timer armed' 'timer fired' IRR injected EOI
	end
fi

for mode in '' x2apic; do
	if begin trace-ipi${mode:+-$mode}; then
		vireo "$guests/smp.elf" -c 2 -a "cpus=2 $mode" --trace "$work/trace" --stats json </dev/null
		status_is 0
		checks_hold
		traces 'IPI sent' 'IPI received' injected EOI
		grep -q '"name":"HLT"\|"name":"halt"' "$work/trace" || problem "no vCPU has slept"
		if [ "$mode" ]; then
			grep -q '"name":"X86_WRMSR".*"msr":"0x830"' "$work/trace" || problem "no write of the ICR's MSR"
		else
			grep -q '"name":"MMIO".*"address":"0xfee00300"' "$work/trace" || problem "no write of the ICR"
		fi
		reports '"injected_by_vector":{"0x61":[1-9]'
		reports '"IO":[1-9]'
		[ "$(wc -l <"$work/err")" = 1 ] || problem "stderr has more than one line"
		end
	fi
done

# The guest chooses what there is too much of: the trace keeps the end and says what it lost.
if begin trace-overflow; then
	vireo "$guests/hammer.elf" -c 2 -a "seed=4 count=20000" --trace "$work/trace" --trace-size 1024 \
		--stats table </dev/null
	status_is 0
	traces
	grep -q '"records":1024,"lost":[1-9][0-9]' "$work/trace" || problem "nothing was lost"
	reports '^ *[0-9]*  elsewhere$'
	end
fi

if begin trace-death; then
	vireo "$end_guest" -a end=triple-fault --trace "$work/trace" --stats table </dev/null
	status_is 12
	traces
	grep -q '"name":"SHUTDOWN"' "$work/trace" || problem "the trace does not say what the guest died of"
	reports ' 1  SHUTDOWN$'
	end
fi
