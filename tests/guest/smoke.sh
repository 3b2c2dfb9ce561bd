# SPDX-License-Identifier: BSD-2-Clause
#
# vireo smoke: verdicts on guests that say something, hang, or end; part of run.

say_guest=$guests/say.${echo_guest##*.}
junit=$here/junit.xsd
reset_way=reset
[ $arch = arm64 ] || reset_way=acpi-reset

# smoke ARGUMENT...: `vireo smoke` with them. Leaves the files out, err and status, and $status.
smoke() {
	timeout -k 10 $((limit + spare)) "$vireo" smoke --timeout $limit "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	echo $status >"$work/status"
}

# The last line on stderr is the verdict.
verdict_is() {
	tail -n 1 "$work/err" | grep -q "^$1" || problem "the last line is not: $1, but: $(tail -n 1 "$work/err")"
}

# All reports are there, and as they should be.
report_options="--report $work/r.xml --report $work/r.json --report $work/r.tap"
has_reports() {
	for format in xml json tap; do
		[ -s "$work/r.$format" ] || problem "there is no r.$format"
	done
	if command -v xmllint >/dev/null; then
		xmllint --noout --schema "$junit" "$work/r.xml" 2>"$work/xml" || problem "r.xml: $(head -n 1 "$work/xml")"
	elif [ ! "$told_xmllint" ]; then
		echo "# xmllint is not installed: JUnit reports are not validated here"
		told_xmllint=1
	fi
	head -n 1 "$work/r.tap" | grep -q '^TAP version 13$' || problem "r.tap is no TAP"
}
told_xmllint=

in_report() {
	grep -q "$2" "$work/r.$1" || problem "r.$1 does not say: $2"
}

json_number() {
	sed -n "s/^ *\"$1\": \([0-9.]*\),*\$/\1/p" "$work/r.json" | tail -n 1
}

# judged NAME STATUS VERDICT ARGUMENT...: the say guest with these arguments comes to that. What a busy machine can spoil
# is tried again, at most so often: where `unspoilt` fails.
judged() {
	begin "smoke-$1" || { unspoilt=true; return 1; }
	wanted=$2 line=$3
	shift 3
	for _ in 1 2 3 4 5; do
		rm -f "$work"/r.*
		# shellcheck disable=SC2086 # they are several words
		smoke "$say_guest" $report_options "$@"
		$unspoilt && break
	done
	unspoilt=true
	status_is "$wanted"
	verdict_is "$line"
	has_reports
}

unspoilt=true

# A trace ends where the guest says nothing for half a second, as one does that its host lets stand still.
trace_is_whole() {
	grep -Eq 'end (trace|Kernel panic)' "$work/r.xml"
}

# Within a second after the crash.
ended_soon() {
	note=$(json_number seconds)-$(json_number crash_seconds)
	awk "BEGIN { exit !($note < 1) }"
}

panic_is_whole() {
	trace_is_whole && ended_soon
}

unspoilt=panic_is_whole
if judged panic 1 'FAIL say.*: panic: Kernel panic - not syncing: VFS' -a say=panic --expect 'login:'; then
	in_report xml '<failure message="Kernel panic - not syncing: VFS.*" type="panic">'
	in_report xml 'panic+0x118/0x2ed'
	in_report json '"verdict": "failed"'
	in_report tap '^not ok 1 - say'
	reports 'mount_block_root+0x14e/0x1e6'
	ended_soon || problem "the boot went on for more than a second after the panic: $note"
	note="ended after $note s"
	end
fi
for of in x86 arm64; do
	unspoilt=trace_is_whole
	if judged oops-$of 1 'FAIL say.*: oops: .*NULL pointer dereference.*at do_bad+0x1' -a say=oops-$of --expect x; then
		in_report json '"where": "do_bad+0x1'
		in_report xml 'end trace'
		end
	fi
done
judged lockup 1 'FAIL say.*: soft-lockup: watchdog' -a say=lockup --expect x && end
judged crash-ignored 0 'PASS ' -a say=oops-x86 --on-crash ignore --expect 'end trace' && end
judged expected-panic 0 'PASS ' -a say=panic --expect 'Kernel panic.*VFS' && end
# What is looked for is all of the line: a guest that stands still within it may pass, or fail, with what there is.
judged passed 0 'PASS say.*: Test 3: ok (' -a say=tests --expect '^Test 1: ok$' --expect 'Test 3: ok' && end
judged wrong-order 1 'FAIL say.*: poweroff: .*"Test 1"' -a 'say=tests then=poweroff' --expect 'Test 3' --expect 'Test 1' && end
if judged fail-on 1 'FAIL say.*: fail-on: --fail-on "FAILED: 3 is not 4": Test 2: FAILED: 3 is not 4' -a say=tests \
	--expect 'Test 3' --fail-on panic --fail-on 'FAILED: 3 is not 4'; then
	in_report json '"regex": "FAILED: 3 is not 4"'
	in_report json '"line": "Test 1: ok"'
	end
fi
judged poweroff 1 'FAIL say.*: poweroff: .*never' -a 'say=tests then=poweroff' --expect never && end
judged seen-at-poweroff 0 'PASS ' -a 'say=tests then=poweroff' --expect '^Test 3: ok$' && end
judged login 0 "PASS say.*: you said 'id -u'" -a say=login --expect 'Welcome, root' --expect "you said 'id -u'" \
	--send 'root\n' after 'login: ' --send 'id -u\n' after '^# ' && end
if judged noise 0 'PASS say.*: done' -a say=noise --expect '^done$' --console-log "$work/log"; then
	in_report json 'forged'
	[ "$(grep -c '^not ok\|^ok' "$work/r.tap")" = 1 ] || problem "the guest has written into the TAP report"
	grep -q '^20..-..-..T..:..:..\....Z \[ *[0-9]*\.[0-9]*\] ttyS0: \\x01\\x02\\x7f\\xff\\xfe\\x80 ' "$work/log" ||
		problem "the log has not what the guest said"
	grep -q 'vireo: seen: ^done\$$' "$work/log" || problem "the log does not say what was seen"
	end
fi
if judged retries 1 'FAIL say.*attempt 3)' -a say=tests --retries 2 --fail-on FAILED --expect 'Test 3'; then
	in_report json '"attempts": 3'
	end
fi

if begin smoke-hang; then
	limit=1
	# shellcheck disable=SC2086
	smoke "$say_guest" --expect never $report_options
	limit=300
	status_is 124
	verdict_is 'FAIL say.*: timeout: not seen within 1 s (--timeout): "never"'
	has_reports
	in_report xml 'type="timeout"'
	end
fi
# More than any buffer takes: the guest waits, and the end comes all the same.
if begin smoke-flood; then
	limit=2
	smoke "$say_guest" -a say=flood --expect never
	limit=300
	status_is 124
	end
fi
if begin smoke-reset; then
	smoke "$end_guest" -a end=$reset_way --expect never
	status_is 1
	verdict_is 'FAIL end.*: reset: the guest asked for a reset'
	end
fi
if begin smoke-pvpanic; then
	smoke "$end_guest" -a end=panic --expect never
	status_is 1
	verdict_is 'FAIL end.*: panic: .*pvpanic'
	end
fi
if [ $arch = x86 ] && begin smoke-triple-fault; then
	# shellcheck disable=SC2086
	smoke "$end_guest" -a end=triple-fault --expect never $report_options
	status_is 1
	verdict_is 'FAIL end.*: died: .*triple fault'
	in_report json '"host": ".*triple fault'
	end
fi
ln -sf /dev/full "$work/full.xml"
if begin smoke-report-full; then
	smoke "$say_guest" -a say=tests --expect 'Test 1' --report "$work/full.xml" --report "$work/r.tap"
	status_is 1
	verdict_is 'FAIL say.*: host: it passed, but report .*full.xml: .*No space left'
	[ -s "$work/r.tap" ] || problem "the other report was not written"
	end
fi
mkfifo "$work/fifo.xml"
if begin smoke-report-fifo; then
	limit=60 # all in all: nobody comes to read
	smoke "$say_guest" -a say=tests --expect 'Test 1' --report "$work/fifo.xml"
	limit=300
	status_is 1
	verdict_is 'FAIL say.*: host: it passed, but report .*fifo.xml: a FIFO that nobody reads'
	# One who has it open already, and reads later.
	exec 9<>"$work/fifo.xml" 8<"$work/fifo.xml" 9>&-
	smoke "$say_guest" -a say=tests --expect 'Test 1' --report "$work/fifo.xml" 8<&-
	status_is 0
	cat <&8 >"$work/r.xml"
	exec 8<&-
	in_report xml '^</testsuites>$'
	end
fi
if begin smoke-log-full; then
	smoke "$say_guest" -a say=tests --expect 'Test 1' --console-log /dev/full
	status_is 1
	verdict_is 'FAIL say.*: host: it passed, but .*No space left'
	end
fi
if begin smoke-sigterm; then
	rm -f "$work"/r.*
	sh -c 'echo $$ >"$1"; shift; exec "$@"' sh "$work/pid" "$vireo" smoke --timeout $limit "$say_guest" -a say=tests \
		--expect never --console-log "$work/out" --report "$work/r.json" 2>"$work/err" </dev/null &
	await 'Test 3' && kill -TERM "$(cat "$work/pid")"
	wait $!
	status=$?
	status_is 143
	verdict_is 'FAIL say.*: signal: '
	in_report json '"verdict": "interrupted"'
	end
fi

# --- several VMs ---

cat >"$work/matrix.conf" <<END
[boot]
kernel = $say_guest
[smoke]
expect = Test 3
[matrix]
memory = 64M, 128M
[test good]
append = say=tests
[test bad]
append = say=tests
fail-on = FAILED
[test panic]
append = say=panic
END

if begin smoke-matrix-report-full; then
	smoke -f "$work/matrix.conf" --only 'good*' --report "$work/full.xml"
	status_is 1
	verdict_is 'FAIL all 2 passed, but report .*full.xml: .*No space left'
	end
fi
# Whoever has it open does not read, and it is full: a signal ends the waiting.
if begin smoke-matrix-report-signal; then
	exec 9<>"$work/fifo.xml"
	head -c 65536 /dev/zero >&9
	timeout -k 10 $limit sh -c 'echo $$ >"$1"; shift; exec "$@"' sh "$work/pid" "$vireo" smoke --timeout $limit -f "$work/matrix.conf" \
		--only 'good memory=64M' --report "$work/fifo.xml" 2>"$work/err" </dev/null 9>&- &
	await '^PASS good' 1 "$work/err"
	kill -TERM "$(cat "$work/pid")"
	wait $!
	status=$?
	exec 9>&-
	status_is 143
	end
fi
if begin smoke-matrix; then
	rm -f "$work"/r.*
	# shellcheck disable=SC2086
	smoke -f "$work/matrix.conf" --jobs 2 $report_options --console-log "$work/{name}.log"
	status_is 1
	verdict_is 'FAIL 4 of 6: bad memory=64M; bad memory=128M; panic memory=64M; panic memory=128M ('
	has_reports
	in_report tap '^1\.\.6$'
	in_report tap '^ok 1 - good memory=64M$'
	in_report tap '^not ok 6 - panic memory=128M$'
	in_report xml 'tests="6" failures="4" errors="0"'
	grep -q 'Test 2: FAILED' "$work/bad-memory=128M.log" || problem "a VM has no log"
	[ "$(grep -c '^start ' "$work/err")" = 6 ] || problem "not every VM was said to start"
	end
fi
if begin smoke-only; then
	smoke -f "$work/matrix.conf" --only 'good *'
	status_is 0
	verdict_is 'PASS all 2 ('
	end
fi
# The common disk is not there, and the test that has one of its own in its place passes.
if begin smoke-test-devices; then
	truncate -s 1M "$work/own.img"
	cat >"$work/devices.conf" <<-END
		[boot]
		kernel = $say_guest
		append = say=tests
		[smoke]
		expect = Test 3
		[disk data]
		path = none.img
		[test own]
		disk = own.img,id=data,ro
		rng = on
		[test common]
		rng = on
	END
	smoke -f "$work/devices.conf" --jobs 1
	status_is 2
	verdict_is 'FAIL 1 of 2: common ('
	grep -q '^FAIL common: .*none.img' "$work/err" || problem "the common disk's file is not named"
	smoke -f "$work/devices.conf" --only own
	status_is 0
	verdict_is 'PASS all 1 ('
	end
fi
# A VM's process that is gone is a verdict, and the others go on.
if begin smoke-matrix-crash; then
	printf '[boot]\nkernel = %s\n[test a]\nexpect = never\nappend = say=tests\n[test b]\nexpect = Test 3\nappend = say=tests\n' \
		"$say_guest" >"$work/crash.conf"
	rm -f "$work"/r.* "$work/a.log"
	sh -c 'echo $$ >"$1"; shift; exec "$@"' sh "$work/pid" "$vireo" smoke --timeout $limit -f "$work/crash.conf" --jobs 1 \
		--report "$work/r.json" --console-log "$work/{name}.log" 2>"$work/err" </dev/null &
	child=
	await 'Test 3' 1 "$work/a.log"
	for process in /proc/[0-9]*; do
		[ "$(sed -n 's/^PPid:[^0-9]*//p' "$process/status" 2>/dev/null)" = "$(cat "$work/pid")" ] && child=${process#/proc/}
	done
	kill -KILL "$child"
	wait $!
	status=$?
	status_is 1
	reports "^FAIL a: host: the VM's process was ended by signal 9"
	reports '^PASS b: Test 3'
	verdict_is 'FAIL 1 of 2: a ('
	in_report json '"errors": 1'
	end
fi
if begin smoke-matrix-sigint; then
	rm -f "$work"/r.* "$work/a.log"
	sh -c 'trap - INT; echo $$ >"$1"; shift; exec "$@"' sh "$work/pid" "$vireo" smoke --timeout $limit \
		-f "$work/crash.conf" --jobs 1 --report "$work/r.json" --console-log "$work/{name}.log" 2>"$work/err" </dev/null &
	await 'Test 3' 1 "$work/a.log"
	kill -TERM "$(cat "$work/pid")"
	wait $!
	status=$?
	status_is 143
	reports '^FAIL a: signal: '
	in_report json '"message": "not started"'
	end
fi
