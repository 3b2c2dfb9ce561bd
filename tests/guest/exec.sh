# SPDX-License-Identifier: BSD-2-Clause
#
# vireo exec with guests that are no Linux and so never begin the command; part of run.

# exec_run ARGUMENT...: `vireo exec` of the say guest with them.
exec_run() {
	timeout -k 10 $((limit + spare)) "$vireo" exec --timeout $limit --modules none -k "$say_guest" "$@" -- true \
		>"$work/out" 2>"$work/err" </dev/null
	status=$?
	[ ! -s "$work/out" ] || problem "stdout is not empty"
}

# exec_until PATTERN ARGUMENT...: the same, with a timeout that lets the guest say that.
exec_until() {
	pattern=$1
	shift
	for seconds in 2 20 100; do
		limit=$seconds
		exec_run "$@"
		grep -q "$pattern" "$work/err" && break
	done
	limit=300
	status_is 124
	reports "$pattern"
}

if begin exec-timeout; then
	exec_until 'guest: Test 3: ok' -a say=tests
	reports "the guest did not end within $seconds seconds"
	reports 'the command has not begun'
	end
fi
if begin exec-timeout-panic; then
	exec_until 'guest: .*Kernel panic - not syncing: VFS' --cmdline say=panic
	reports 'the guest has panicked'
	end
fi
