# SPDX-License-Identifier: BSD-2-Clause
#
# Shared by the scripts that run on a KVM host, suite and virtio: their arguments, the frame of a test, guests.
# For any POSIX shell.

host=$1
vireo=$2
logs=$3
pattern=${4:-}

arch=$(uname -m)
kernels=build/kernels/$arch
initrd=$kernels/guest.cpio
MiB=$((1024 * 1024))
failed=0
mkdir -p "$logs"

# --- one test: begin, what it does and expects, verdict ---

begin() {
	name=$1
	case $name in
	*"$pattern"*) ;;
	*) return 1 ;;
	esac
	problems=
	log=$logs/$host-$(echo "$name" | tr -c 'A-Za-z0-9.\n' '-')
	console=$log.console # what the guest said
	messages=$log.vireo  # what vireo said
	: >"$console"
	: >"$messages"
}

problem() {
	problems="$problems#   $*
"
}

verdict() {
	if [ "$problems" ]; then
		failed=1
		echo "not ok - $host: $name"
		printf '%s' "$problems"
		echo "#   see $console and $messages"
	else
		echo "ok - $host: $name"
	fi
}

skip() {
	echo "ok - $host: $name # SKIP $1"
}

# Runs vireo, the guest at most $limit seconds; fills in status, console and messages.
limit=400 # only a net
run() {
	timeout -k 5 $((limit + 60)) "$vireo" run -i "$initrd" --timeout $limit "$@" >"$console.raw" 2>"$messages"
	status=$?
	settle
}

settle() {
	tr -d '\r' <"$console.raw" >"$console"
	rm -f "$console.raw"
}

expect_status() {
	[ "$status" = "$1" ] || problem "exit status $status, not $1: $(tail -n 1 "$messages")"
}

# The guest said a line that matches the extended regular expression $1.
expect() {
	grep -Eq "$1" "$console" || problem "the guest did not say: $1"
}

expect_not() {
	! grep -Eq "$1" "$console" || problem "the guest said: $(grep -E "$1" "$console" | head -n 1)"
}

expect_message() {
	grep -Eiq "$1" "$messages" || problem "vireo did not say: $1"
}

# What vireo said is one line, and it says $1.
expect_one_message() {
	lines=$(wc -l <"$messages")
	[ "$lines" -eq 1 ] || problem "vireo said $lines lines, not one"
	expect_message "$1"
}

# Takes lines of the guest from descriptor 4 until one begins with $1; false at the end of its output. By a shell of
# its own, which has no children: busybox's begins a read anew when a child ends, and what it had of the line is lost.
hear() {
	(
		while IFS= read -r line <&4; do
			echo "$line" >>"$console.raw"
			case $line in
			"$1"*) exit 0 ;;
			esac
		done
		exit 1
	)
}

# Starts vireo with stdin from descriptor 3 and stdout to descriptor 4; sets pid.
start() {
	pipes=$(mktemp -d)
	mkfifo "$pipes/in" "$pipes/out"
	: >"$console.raw"
	"$vireo" run -i "$initrd" --timeout $limit "$@" <"$pipes/in" >"$pipes/out" 2>"$messages" &
	pid=$!
	exec 3>"$pipes/in" 4<"$pipes/out"
	rm -r "$pipes"
}

# Takes the rest of the output, and the status.
finish() {
	exec 3>&-
	hear "no line begins like this"
	exec 4<&-
	wait $pid
	status=$?
	settle
}
