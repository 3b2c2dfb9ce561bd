# SPDX-License-Identifier: BSD-2-Clause
#
# VMs that are controlled from outside while they run, on either architecture; part of run.

XDG_RUNTIME_DIR=$work/xdg
export XDG_RUNTIME_DIR
mkdir "$XDG_RUNTIME_DIR"

# ctl ARGUMENT...: vireo ctl, which must do it.
ctl() {
	"$vireo" ctl --wait 60 vm "$@" >"$work/ctl" 2>&1 || problem "vireo ctl vm $*: status $?: $(cat "$work/ctl")"
}

# ctl_fails STATUS PATTERN ARGUMENT...: it must not, and say why in one line.
ctl_fails() {
	expected=$1 pattern=$2
	shift 2
	"$vireo" ctl --wait 60 vm "$@" >"$work/ctl" 2>&1
	got=$?
	[ $got = "$expected" ] || problem "vireo ctl vm $*: status $got, not $expected"
	grep -q "$pattern" "$work/ctl" || problem "vireo ctl vm $* does not say: $pattern"
	[ "$(grep -vc 'does not answer yet' "$work/ctl")" = 1 ] || problem "vireo ctl vm $*: not one line: $(cat "$work/ctl")"
}

# state_is STATE
state_is() {
	ctl status
	grep -q "^state  *$1\$" "$work/ctl" || problem "not $1: $(cat "$work/ctl")"
}

# controlled ARGUMENT...: a VM named vm, whose guest is ready; ended() waits for its end and has $status.
controlled() {
	sh -c 'echo $$ >"$1"; shift; exec "$@"' sh "$work/pid" "$vireo" run "$control_guest" --name vm \
		--timeout $limit ${host_words:+-a "$host_words"} "$@" </dev/null >"$work/out" 2>"$work/err" &
	vm=$!
	await '^READY' || problem "the guest is not ready"
}

ended() {
	wait $vm
	status=$?
	status_is "$1"
	[ -z "$(ls -A "$XDG_RUNTIME_DIR/vireo")" ] || problem "left behind: $(ls "$XDG_RUNTIME_DIR/vireo")"
}

# ps_says PATTERN: it says "no answer" of a VM that is busy for two seconds.
ps_says() {
	"$vireo" ps >"$work/ps" && grep -q "$1" "$work/ps"
}

if begin control-status; then
	controlled -c 1 -m 32M
	state_is running
	grep -q '^memory  *32 MiB$' "$work/ctl" || problem "memory is missing: $(cat "$work/ctl")"
	grep -q "^pid  *$(cat "$work/pid")\$" "$work/ctl" || problem "pid is wrong: $(cat "$work/ctl")"
	eventually ps_says "^vm  *$(cat "$work/pid") running .* 1 * 32M $XDG_RUNTIME_DIR/vireo/vm.sock\$" ||
		problem "vireo ps: $(cat "$work/ps")"
	ctl stats
	grep -q '"cpu_time"' "$work/ctl" || problem "stats: $(cat "$work/ctl")"
	ctl_fails 1 'no balloon' balloon 16M
	ctl_fails 1 'no disk "root"' resize-disk root 16M
	"$vireo" run --name vm "$control_guest" </dev/null >"$work/second" 2>&1
	[ $? = 2 ] || problem "a second VM of the same name started"
	grep -q "process $(cat "$work/pid"),.*vm.sock" "$work/second" || problem "it says: $(cat "$work/second")"
	ctl quit
	ended 130
	ctl_fails 1 'no VM named vm' status
	"$vireo" ps | grep -F "$XDG_RUNTIME_DIR/" && problem "it is still there: $("$vireo" ps)"
	end
fi

# What a paused guest has said, it has said before the answer: from then on nothing comes, not of its timer nor of
# what is typed, which waits.
if begin control-pause; then
	controlled -c 2 -a cpus=2
	await '^TICKS 20' || problem "the guest has no ticks"
	ctl pause
	state_is paused
	ctl pause
	before=$(wc -c <"$work/out")
	printf x | timeout $limit "$vireo" ctl vm console >"$work/attached" 2>&1 &
	attached=$!
	for _ in 1 2 3; do state_is paused; done
	[ "$(wc -c <"$work/out")" = "$before" ] || problem "the guest has run while it was paused"
	ctl resume
	state_is running
	await '^GOT x' || problem "what was typed is lost"
	await '^TICKS' $(($(grep -c '^TICKS' "$work/out") + 1)) || problem "the timer does not go on"
	ctl pause
	kill -TERM "$(cat "$work/pid")"
	ended 143
	wait $attached
	grep -q '^GOT x' "$work/attached" || problem "who is attached does not hear the guest"
	end
fi

# has_booted N
has_booted() {
	"$vireo" ctl --wait 60 vm status 2>/dev/null | grep -q "^boots  *$1\$"
}

if begin control-reset; then
	controlled
	ctl reset
	eventually has_booted 2 || problem "it was not restarted"
	ctl pause
	ctl reset
	eventually has_booted 3 || problem "it was not restarted when it was paused"
	state_is running
	ctl quit
	ended 130
	end
fi

if begin control-sysrq; then
	controlled
	ctl sysrq t
	await '^SYSRQ t' || problem "the guest does not get the key"
	ctl sysrq h
	await '^SYSRQ h' || problem "the guest does not get the second key"
	console | grep -q '^GOT' && problem "the guest gets something else"
	ctl_fails 2 'one character' sysrq th
	ctl quit
	ended 130
	end
fi

if begin control-stats; then
	controlled --stats json
	await '^TICKS 10' || problem "the guest has no ticks"
	ctl stats
	grep -q '"exits": [1-9]' "$work/ctl" || problem "nothing is counted: $(cat "$work/ctl")"
	ctl quit
	ended 130
	reports '^{"all":{.*}$'
	end
fi

nmis() {
	if begin "control-nmi${1:+-$1}"; then
		controlled ${1:+--irqchip "$1"}
		if [ $arch = x86 ]; then
			ctl nmi
			await '^NMI' || problem "the guest does not get the NMI"
			ctl nmi 0
			ctl_fails 1 'no vCPU 1; allowed is 0 to 0' nmi 1
		else
			ctl_fails 1 'aarch64 has no NMI' nmi
		fi
		ctl quit
		ended 130
		end
	fi
}
nmis ""
[ $arch != x86 ] || nmis apic-split

# other_vm COMMAND ARGUMENT...: a VM named vm of smoke or exec, and what `vireo ctl` says to it comes when it is there.
other_vm() {
	command=$1
	shift
	timeout -k 10 $((limit + spare)) "$vireo" "$command" --name vm --timeout $limit "$@" </dev/null >"$work/out" 2>"$work/err" &
	vm=$!
	eventually answers || problem "it does not answer"
}

answers() {
	"$vireo" ctl --wait 60 vm status >/dev/null 2>&1
}

if begin control-quit-smoke; then
	other_vm smoke "$say_guest" -a say=tests --expect never --report "$work/r.json"
	ctl quit
	ended 130
	verdict_is 'FAIL say.*: signal: ended by vireo ctl quit ('
	in_report json '"verdict": "interrupted"'
	end
fi
if begin control-reset-exec; then
	other_vm exec --modules none -k "$say_guest" -- true
	ctl_fails 1 'starts its guest once' reset
	ctl quit
	ended 130
	end
fi
