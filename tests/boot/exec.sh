# SPDX-License-Identifier: BSD-2-Clause
#
# vireo exec, as a part of virtio: commands in guests whose root is that of the emulated host.

exec_kernel=$kernels/cloud
modules=$exec_kernel/modules
with= # which virtiofsd, if not this Debian's; for the names of tests

# Runs vireo exec with its output in $console, stdin from $input; fills in status and messages.
input=/dev/null
limit=600
exec_run() {
	timeout -k 5 $((limit + 60)) $as "$vireo" exec --kernel "$exec_kernel/vmlinuz" --modules "$modules" --timeout $limit \
		"$@" <"$input" >"$console" 2>"$messages"
	status=$?
}
as=

# $console is $1, byte for byte, and vireo and the command said nothing else.
expect_output() {
	printf '%s' "$1" | cmp -s - "$console" || problem "the output is not \"$1\" but \"$(head -c 200 "$console")\""
}
expect_silence() {
	[ ! -s "$messages" ] || problem "on stderr: $(head -n 1 "$messages")"
}

exec_uname() {
	begin "exec$with: uname -r is the guest's, and all that is said" || return
	exec_run -- uname -r
	expect_status 0
	expect_output "$(cat "$exec_kernel/version")
"
	expect_silence
	verdict
}

# As Debian 13, Fedora, Arch and Ubuntu ship them: xz, zstd and gzip, all of them in one directory.
exec_packed() {
	begin "exec: modules that are compressed" || return
	modules=$exec_kernel/modules.packed
	exec_run -- uname -r
	expect_status 0
	expect_output "$(cat "$exec_kernel/version")
"
	expect_silence
	modules=$work/packed
	cp -r "$exec_kernel/modules.packed" "$modules"
	cut=$(ls "$modules"/virtio_mmio.ko.*)
	truncate -s $(($(stat -c %s "$cut") - 100)) "$cut"
	exec_run -- uname -r
	expect_status 2
	expect_one_message "$cut is damaged or truncated.*ends too early.*--modules DIR"
	rm -rf "$modules"
	modules=$exec_kernel/modules
	verdict
}

# What the command is given, and what it gives back, each in its place.
exec_command() {
	begin "exec$with: arguments, environment, streams, directories, status" || return
	rw="/run/exec-rw/deep /dev/shm/exec-rw" # below what is the guest's own
	rm -rf "$work/rw" /run/exec-rw /dev/shm/exec-rw
	# shellcheck disable=SC2086
	mkdir -p "$work/rw" $rw
	echo "of the host" >"$work/rw/old"
	long=$(head -c 120000 /dev/zero | tr '\0' v)
	# shellcheck disable=SC2046
	exec_run --rw "$work/rw" --rw /run/exec-rw/deep --rw /dev/shm/exec-rw --cwd "$work/rw" --env "A=$long" --env "B=$long" --env "C=$long" --env 'D=a  b"' -- sh -c '
		echo "$# ${1000} $0"; echo "${#A} ${#B} ${#C} $D"; pwd; cat old; echo "of the guest" >new
		for i in /run/exec-rw/deep /dev/shm/exec-rw; do cd $i && pwd >new; done; ls -d /run/* /dev/shm/*
		echo x >/etc/exec-was-here && cat /etc/exec-was-here; id -u; echo complaint >&2; exit 42' name $(seq 1 1000)
	expect_status 42
	expect_output "1000 1000 name
120000 120000 120000 a  b\"
$work/rw
of the host
/dev/shm/exec-rw
/run/exec-rw
x
0
"
	[ "$(cat "$messages")" = complaint ] || problem "stderr is not the command's own: $(head -n 1 "$messages")"
	[ "$(cat "$work/rw/new")" = "of the guest" ] || problem "what it wrote into --rw is not there"
	for i in $rw; do
		[ "$(cat "$i/new")" = "$i" ] || problem "what it wrote into --rw $i is not there"
	done
	[ ! -e /etc/exec-was-here ] || problem "what it wrote elsewhere is there"
	verdict
}

exec_unprivileged() {
	begin "exec$with: by a user who is not root: false returns 1" || return
	mode=$(stat -c %a /dev/kvm)
	chmod 666 /dev/kvm
	rm -f /tmp/exec.sh
	cat >/tmp/exec.sh <<-END
		exec "$vireo" exec --kernel "$exec_kernel/vmlinuz" --modules "$exec_kernel/modules" --timeout $limit \
			-- sh -c 'id -u; echo x >/etc/x; cat /etc/x; false'
	END
	su -s /bin/sh nobody -c 'sh /tmp/exec.sh' </dev/null >"$console" 2>"$messages"
	status=$?
	chmod "$mode" /dev/kvm
	expect_status 1
	expect_output "0
x
"
	expect_silence
	verdict
}

exec_binary() {
	size=100
	[ "$host" = A3 ] && size=8 # where all is emulated twice, once is enough
	begin "exec: $size MB of binary input come back as they are" || return
	head -c ${size}000000 /dev/urandom >"$work/in"
	input=$work/in
	limit=900
	exec_run -m 512M -- cat
	limit=600
	input=/dev/null
	expect_status 0
	cmp -s "$work/in" "$console" || problem "the output is not the input"
	expect_silence
	rm -f "$work/in"
	: >"$console"
	verdict
}

exec_signal() {
	begin "exec: SIGTERM is the command's, and its status counts" || return
	# A name of its own: a file that another test left is no pipe, and the
	# first line of it would be taken for the command's.
	pipe=$(mktemp -d)
	mkfifo "$pipe/out"
	"$vireo" exec --kernel "$exec_kernel/vmlinuz" --modules "$exec_kernel/modules" --timeout $limit -- \
		sh -c 'trap "echo caught; exit 9" TERM; echo up; while :; do sleep 1; done' \
		</dev/null >"$pipe/out" 2>"$messages" &
	pid=$!
	{
		IFS= read -r line
		kill -TERM $pid
		cat
	} <"$pipe/out" >"$console"
	wait $pid
	status=$?
	rm -r "$pipe"
	expect_status 9
	expect_output "caught
"
	verdict
}

# Each says so when it has come, and only then the next one is sent. (Of SIGTERM and SIGHUP the second ends the guest.)
# In the background the shell would have made it ignore two of them.
exec_signals() {
	begin "exec: SIGINT, SIGQUIT and SIGHUP are the command's, too" || return
	{
		sh -c 'echo $$ >"$0"; exec "$@"' "$work/pid" "$vireo" exec --kernel "$exec_kernel/vmlinuz" \
			--modules "$exec_kernel/modules" --timeout $limit -- \
			sh -c 'for i in INT QUIT; do trap "echo $i" $i; done; trap "echo HUP; exit 9" HUP
				sleep 600 & echo up; while :; do wait; done' </dev/null 2>"$messages"
		echo status $?
	} | while IFS= read -r line; do
		echo "$line"
		case $line in
		up) kill -INT "$(cat "$work/pid")" ;;
		INT) kill -QUIT "$(cat "$work/pid")" ;;
		QUIT) kill -HUP "$(cat "$work/pid")" ;;
		esac
	done >"$console"
	status=0
	expect_output "up
INT
QUIT
HUP
status 9
"
	expect_silence
	verdict
}

exec_not_run() {
	begin "exec: a command that is not there: 127" && {
		exec_run -- no-such-command
		expect_status 127
		expect_one_message 'no-such-command.*not found'
		verdict
	}
	begin "exec: a file that is no program: 126" && {
		exec_run -- /etc/passwd
		expect_status 126
		expect_one_message '/etc/passwd.*permission denied'
		verdict
	}
}

exec_ends() {
	begin "exec: a directory that is not in the guest: 125, and why" && {
		exec_run --cwd /not/here -- true
		expect_status 125
		expect_message 'guest: vireo-init: cannot enter /not/here: No such file or directory'
		verdict
	}
	begin "exec: a panic: 255, and what the kernel said of it" && {
		pipe=$(mktemp -d)
		mkfifo "$pipe/out" "$pipe/in"
		"$vireo" exec --kernel "$exec_kernel/vmlinuz" --modules "$modules" --timeout $limit -- \
			sh -c 'echo before; read -r x; echo c >/proc/sysrq-trigger' <"$pipe/in" >"$pipe/out" 2>"$messages" &
		pid=$!
		exec 8>"$pipe/in" 9<"$pipe/out"
		IFS= read -r line <&9
		echo go >&8
		wait $pid
		status=$?
		exec 8>&- 9<&-
		rm -r "$pipe"
		[ "$line" = before ] || problem "the output is \"$line\""
		expect_status 255
		expect_message 'panicked: Kernel panic - not syncing: sysrq triggered crash'
		: >"$console"
		verdict
	}
	begin "exec: output that cannot be written: 0 becomes 125, another status stays" && {
		for own in 0 7; do
			"$vireo" exec --kernel "$exec_kernel/vmlinuz" --modules "$modules" --timeout $limit -- \
				sh -c "echo lost; exit $own" </dev/null >/dev/full 2>"$messages"
			status=$?
			[ $own = 7 ] && expect_status 7 || expect_status 125
			expect_one_message 'stdout cannot be written any more: No space left'
		done
		: >"$console"
		verdict
	}
	begin "exec: a reader that has enough: the command's own status" && {
		pipe=$(mktemp -d)
		mkfifo "$pipe/out" "$pipe/in"
		"$vireo" exec --kernel "$exec_kernel/vmlinuz" --modules "$modules" --timeout $limit -- \
			sh -c 'echo first; read -r x; trap "" PIPE; echo second 2>/dev/null; exit 0' <"$pipe/in" >"$pipe/out" 2>"$messages" &
		pid=$!
		exec 8>"$pipe/in"
		IFS= read -r line <"$pipe/out" # which closes it
		echo go >&8
		exec 8>&-
		wait $pid
		status=$?
		rm -r "$pipe"
		[ "$line" = first ] || problem "the reader has \"$line\""
		expect_status 0
		expect_silence
		: >"$console"
		verdict
	}
	begin "exec: --timeout: 124" && {
		limit=1
		exec_run -- sleep 600
		limit=600
		expect_status 124
		verdict
	}
}

# The command, its loader and its libraries; and nothing else, which is said.
exec_copies() {
	begin "exec: without virtiofsd the command is copied" || return
	mv /usr/lib/qemu/virtiofsd /usr/lib/qemu/virtiofsd.away
	exec_run --cwd /run/it/is/made -- /bin/ip -V
	expect_status 0
	expect_output "$(/bin/ip -V)
"
	expect_one_message 'virtiofsd is not installed.*copies of /bin/ip'
	exec_run --rw "$work" -- /bin/ip -V
	mv /usr/lib/qemu/virtiofsd.away /usr/lib/qemu/virtiofsd
	expect_status 125
	expect_one_message 'cannot find the program virtiofsd.*apt install'
	verdict
}

# Runs $work/inner on a terminal that socat makes, until it says its status and ends. The function $1 gets each line that is
# printed, and what it prints is typed. The guest's terminals do not echo: an echo may come before or after what the
# command prints, and Linux sends the signal of a Ctrl-C before it echoes it.
converse() {
	pipe=$(mktemp -d)
	mkfifo "$pipe/in" "$pipe/out"
	socat -t $((limit + 60)) - "EXEC:sh $work/inner,pty,ctty,setsid,stderr" <"$pipe/in" >"$pipe/out" 2>"$messages" &
	pid=$!
	exec 5>"$pipe/in"
	while IFS= read -r line; do
		line=${line%"$cr"}
		echo "$line"
		$1 "$line" >&5
		case $line in
		"status "*) exec 5>&- ;;
		esac
	done <"$pipe/out" >"$console"
	exec 5>&-
	wait $pid
	rm -r "$pipe"
	status=0
}

type_hello() {
	[ "$1" != asked ] || echo hello
}

exec_terminal() {
	begin "exec: a terminal is one for the command: its size, its input, and the status" || return
	cat >"$work/inner" <<-END
		stty -echo rows 33 cols 99
		"$vireo" exec --kernel "$exec_kernel/vmlinuz" --modules "$exec_kernel/modules" --timeout $limit -- \
			sh -c 'stty -echo; tty; stty size; echo asked; read -r x; echo got \$x; exit 5'
		code=\$?
		stty size
		stty -a | grep -o ' icanon'
		echo status \$code
	END
	converse type_hello
	expect_output "/dev/pts/0
33 99
asked
got hello
33 99
 icanon
status 5
"
	verdict
}

resize_and_interrupt() {
	case $1 in
	up) stty cols 120 <"$(cat "$work/tty")" ;;
	"33 120") printf '\003' ;;
	esac
}

exec_resize() {
	begin "exec: the size of the terminal changes: SIGWINCH and the new size; Ctrl-C is the command's SIGINT" || return
	cat >"$work/inner" <<-END
		stty -echo rows 33 cols 99
		tty >"$work/tty"
		"$vireo" exec --kernel "$exec_kernel/vmlinuz" --modules "$exec_kernel/modules" --timeout $limit -- \
			sh -c 'stty -echo; trap "stty size" WINCH; trap "echo interrupted; exit 7" INT
				sleep 600 & stty size; echo up; while :; do wait; done'
		echo status \$?
	END
	converse resize_and_interrupt
	expect_output "33 99
up
33 120
interrupted
status 7
"
	verdict
}

try_exec() {
	exec_uname
	exec_packed
	exec_command
	exec_binary
	exec_ends
	[ "$host" != A3 ] || return # that are the program's own doings
	exec_unprivileged
	exec_signal
	exec_signals
	exec_not_run
	exec_copies
	exec_terminal
	exec_resize
}
