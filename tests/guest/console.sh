# SPDX-License-Identifier: BSD-2-Clause
#
# Time, signals and the console, on either architecture; part of run.

# --- ends from outside ---

for way in halt spin; do
	if begin timeout-$way; then
		limit=1
		vireo "$end_guest" -a end=$way </dev/null
		limit=300
		status_is 124
		reports timeout
		end
	fi
done
signalled sigterm TERM 143 halt
signalled sigterm-spin TERM 143 spin
signalled sigint INT 130 halt
signalled sigint-spin INT 130 spin
signalled sigkill KILL 137 spin

# --- SIGTERM presses the power button ---

if stopped stop-button 0 button-off; then
	says '^INFO pressed'
	reports 'asked to power off, within 90 seconds'
	notifies '^READY=1$'
	notifies '^STOPPING=1$'
	notifies '^EXTEND_TIMEOUT_USEC=100000000$'
	end
fi

# More time for a guest that was too late to say that it hears.
if begin stop-timeout; then
	for seconds in 1 10 60; do
		press button-deaf --stop-timeout $seconds
		console | grep -q '^INFO pressed' && break
	done
	status_is 143
	says '^INFO pressed'
	reports "did not power off within $seconds seconds of SIGTERM (--stop-timeout)"
	end
fi

# It may do something else; the run ends as that says.
if stopped stop-reset 10 button-reset; then
	says '^INFO pressed'
	end
fi

if begin stop-twice; then
	(
		await '^INFO listening' && kill -TERM "$(cat "$work/pid")"
		await '^INFO pressed' && kill -TERM "$(cat "$work/pid")"
	) &
	with_pid "$end_guest" -a end=button-deaf --stop-timeout 0 </dev/null
	wait
	status_is 143
	end
fi

# The time goes on over resets, and the next one is the second.
if begin stop-restart; then
	(
		await '^INFO listening' && kill -TERM "$(cat "$work/pid")"
		await '^INFO listening' 2 && kill -TERM "$(cat "$work/pid")"
	) &
	with_pid "$end_guest" -a end=button-reset --on-reboot restart </dev/null
	wait
	status_is 143
	boots=$(console | grep -c '^INFO pressed')
	[ "$boots" = 1 ] || problem "the button was pressed $boots times, not once"
	[ "$(grep -c '^READY=1$' "$work/notes")" = 1 ] || problem "READY=1 is not told once"
	end
fi

# A guest that does not listen is not waited for.
if begin stop-unheard; then
	(await '^INFO end' && kill -TERM "$(cat "$work/pid")") &
	with_pid "$end_guest" -a end=halt --log info </dev/null
	wait
	status_is 143
	reports 'the guest does not listen'
	end
fi

# One letter each boot: two resets, then power off.
if begin restart-twice; then
	printf rrp | vireo "$end_guest" -a end=ask --on-reboot restart
	status=$(cat "$work/status")
	status_is 0
	boots=$(console | grep -c '^INFO end')
	[ "$boots" = 3 ] || problem "$boots boots, not 3"
	end
fi
# Two CPUs reset at about the same time: each boot ends once, whichever of them comes too late for it.
if [ $arch = x86 ] && begin restart-both; then
	printf rrrrrrrrrrrrrrrrrrrrp | vireo "$end_guest" -c 2 -a cpus=2 -a end=ask-both --on-reboot restart
	status=$(cat "$work/status")
	status_is 0
	boots=$(console | grep -c '^INFO end')
	[ "$boots" = 21 ] || problem "$boots boots, not 21"
	end
fi
# A guest that resets in a loop may not fill the log.
if begin restart-log; then
	printf rrrp | vireo "$end_guest" -a end=ask --on-reboot restart --log info
	status=$(cat "$work/status")
	status_is 0
	reports 'the guest asked for a reset: starting it again'
	twice=$(sort "$work/err" | uniq -d)
	[ ! "$twice" ] || problem "said more than once: $twice"
	end
fi

# --- a trace, however the run ends ---

if begin trace-timeout; then
	for limit in 1 10 60; do # more time for a vCPU that has not come to run
		vireo "$end_guest" -a end=spin --trace "$work/trace" --stats json </dev/null
		grep -q '"name":"guest"' "$work/trace" && break
	done
	limit=300
	status_is 124
	traces
	grep -q '"name":"guest"' "$work/trace" || problem "the vCPU has not run"
	reports '^{"all":{.*}$'
	end
fi

if begin trace-sigterm; then
	(await '^INFO end' && kill -TERM "$(cat "$work/pid")") &
	with_pid "$end_guest" -a end=halt --trace "$work/trace" --stats table </dev/null
	wait
	status_is 143
	traces
	reports '^vCPU .*exits'
	end
fi

# One trace of all boots.
if begin trace-restart; then
	printf rp | vireo "$end_guest" -a end=ask --on-reboot restart --trace "$work/trace" --stats json
	status=$(cat "$work/status")
	status_is 0
	traces
	boots=$(grep -c '"name":"boot"' "$work/trace")
	[ "$boots" = 2 ] || problem "the trace has $boots boots, not 2"
	reports '^{"all":{.*}$'
	end
fi

# A file system that is full when the trace is written: said, removed, and no success.
if begin trace-too-large; then
	(
		ulimit -f 8
		vireo "$end_guest" -a end=poweroff --trace "$work/trace" </dev/null
	)
	status=$(cat "$work/status")
	status_is 1
	reports 'trace .*File too large'
	[ ! -e "$work/trace" ] || problem "half a trace was left"
	end
fi

# --- input ---

# echoes FILE: the guest has sent back what is in FILE.
echoes() {
	size=$(wc -c <"$1")
	says "^INFO received $size\$"
	tr -d '\r' <"$work/out" | tail -n +2 | head -c "$size" | cmp -s - "$1" ||
		problem "what came back is not what was sent"
}

text() {
	awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "%08d The five boxing wizards jump quickly; how vexingly so!\n", i }'
}

# returned BYTES: so many came back behind the guest's first line.
returned() {
	[ $(($(tr -d '\r' <"$work/out" | tail -n +2 | wc -c))) -ge "$1" ]
}

if begin input-pipe; then
	text 100 >"$work/text"
	{
		head -c 1000 "$work/text"
		eventually returned 1000
		tail -c +1001 "$work/text"
		eventually returned "$(wc -c <"$work/text")"
		printf '\004'
	} | vireo "$echo_guest"
	status=$(cat "$work/status")
	status_is 0
	echoes "$work/text"
	checks_hold
	end
fi

if begin input-file; then
	text 200 >"$work/text"
	{
		cat "$work/text"
		printf '\004'
	} >"$work/input"
	vireo "$echo_guest" <"$work/input"
	status_is 0
	echoes "$work/text"
	checks_hold
	end
fi

is_raw() {
	stty -a -F "$(cat "$work/tty")" | grep -q -e -icanon
}

# terminal KEYS: the echo guest on a terminal, with KEYS (for printf) typed when it is ready.
terminal() {
	{
		await '^READY'
		eventually is_raw # the guest may be ready first
		# shellcheck disable=SC2059 # it is a format
		printf "$1"
		eventually [ -s "$work/after" ]
	} | script -q -c "tty >'$work/tty'
		stty -a >'$work/before'
		'$vireo' run --timeout $limit ${host_words:+-a $host_words} '$echo_guest' 2>'$work/err'
		echo \$? >'$work/status'
		stty -a >'$work/after'" /dev/null >"$work/out"
	status=$(cat "$work/status")
	cmp -s "$work/before" "$work/after" || problem "the terminal is not as it was before"
}

on_terminal() {
	begin "$1" || return 1
	rm -f "$work/before" "$work/after" "$work/tty"
	command -v script >/dev/null && command -v stty >/dev/null && return 0
	skip "no script(1) or stty(1) to make a terminal with"
	return 1
}

if on_terminal input-terminal; then
	terminal 'a line\nCtrl-A is \001\001 or \001a, Ctrl-C is \003\004'
	printf 'a line\nCtrl-A is \001 or \001, Ctrl-C is \003' >"$work/text"
	status_is 0
	echoes "$work/text"
	end
fi

if on_terminal leave-terminal; then
	terminal 'bye\001x'
	status_is 130
	end
fi

# --- output ---

# As vireo, but with stdout as it is.
vireo_to_pipe() {
	timeout -k 10 $((limit + spare)) "$vireo" run --timeout $limit ${host_words:+-a "$host_words"} "$@" \
		2>"$work/err"
	echo $? >"$work/status"
}

# wrote LINES: they have all come, in order.
wrote() {
	text "$1" >"$work/text"
	head -c $(($1 * 64)) "$work/out" | cmp -s - "$work/text" || problem "the output is not complete and in order"
}

centiseconds() {
	read -r uptime _ </proc/uptime
	echo "${uptime%.*}${uptime#*.}"
}

# The time that 16 KiB take tells what this host can do in a test.
sixteenth=0
if begin output; then
	start=$(centiseconds)
	vireo "$output_guest" -a lines=256 </dev/null
	sixteenth=$(($(centiseconds) - start))
	status_is 0
	wrote 256
	end
fi

if begin output-much; then
	lines=16384
	[ $sixteenth -lt 100 ] || lines=2048
	vireo "$output_guest" -a lines=$lines </dev/null
	status_is 0
	wrote $lines
	says '^END 0 passed, 0 failed$'
	note="$((lines / 16)) KiB"
	end
fi

# A reader that sleeps until the pipe and the program's own buffer are full, some 128 KiB, and longer if the guest was
# too slow for that: the guest's timer goes on, and nothing is lost.
if begin output-slow-reader && {
	[ $sixteenth -lt 400 ] || ! skip "this host needs $((sixteenth / 100)) s for 16 KiB"
}; then
	for seconds in $((2 + sixteenth / 10)) $((10 + sixteenth / 5)) $((60 + sixteenth / 5)); do
		vireo_to_pipe "$output_guest" -a lines=2560 </dev/null | {
			sleep "$seconds"
			cat >"$work/out"
		}
		blocked=$(console | sed -n 's/^INFO ticks-while-blocked //p')
		[ "${blocked:-0}" -gt 20 ] && break
	done
	status=$(cat "$work/status")
	status_is 0
	wrote 2560
	[ "${blocked:-0}" -gt 20 ] || problem "the guest had ${blocked:-no} ticks while the reader slept"
	end
fi

if begin stdout-reader-gone; then
	vireo_to_pipe "$output_guest" -a lines=2560 </dev/null | head -c 1000 >"$work/out"
	status=$(cat "$work/status")
	status_is 0
	end
fi

# no_output NAME REDIRECTION: where the output cannot go does not matter to the guest.
no_output() {
	begin "$1" || return 0
	eval "'$vireo' run --timeout $limit '$output_guest' -a lines=100 2>'$work/err' $2"
	status=$?
	status_is 0
	end
}
no_output stdout-closed '</dev/null >&-'
no_output stdin-closed '<&- >/dev/null'
no_output both-closed '<&- >&-'
no_output stdout-full '</dev/null >/dev/full'
