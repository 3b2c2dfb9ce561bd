# SPDX-License-Identifier: BSD-2-Clause
#
# Shared by the scripts in this directory (bash).

set -euo pipefail
umask 022

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$tree/build
boot=$tree/tests/boot
kernels=$build/kernels
logs=$build/test-logs
program=$(basename "$0")
machine=$(uname -m)
export LC_ALL=C

say() {
	printf '%s\n' "$*"
}

# One line that says what went wrong and what to do, and out.
die() {
	printf '%s: %s\n' "$program" "$*" >&2
	exit 1
}

# Debian's name of an architecture.
debian_arch() {
	case $1 in
	x86_64) say amd64 ;;
	aarch64) say arm64 ;;
	*) die "architecture '$1' is not supported; use x86_64 or aarch64" ;;
	esac
}

# The architecture that is not this machine's: what is cross-built.
other_arch() {
	case $machine in
	x86_64) say aarch64 ;;
	*) say x86_64 ;;
	esac
}

# Runs the rest with output going to log file $1; shows its end if it fails.
logged() {
	local log=$1
	shift
	mkdir -p "$(dirname "$log")"
	if ! "$@" >"$log" 2>&1 </dev/null; then
		tail -n 15 "$log" >&2
		return 1
	fi
}

# Becomes the only one to work on $1 (a name) until the script ends.
lock() {
	mkdir -p "$build"
	exec 9>"$build/.lock-$1"
	flock 9
}

# Whether $1 is a QEMU whose emulated SVM is sound: 7.2's and 9.0's are not (docs/testing.md).
sound_qemu() {
	local version
	version=$("$1" --version 2>/dev/null | sed -n '1s/.*version \([0-9]*\)\.\([0-9]*\).*/\1 * 100 + \2/p')
	((${version:-0} >= 901))
}

# Whether this machine's own KVM can run a distribution's kernel.
can_run_stock_kernels() {
	"$build/$machine-static/vireo" probe --json 2>/dev/null | grep -q '"stock_kernels": *true'
}

# The QEMU that emulates an x86-64 host: $VIREO_QEMU, that of tests/boot/fetch, or the installed one.
x86_qemu() {
	if [[ ${VIREO_QEMU:-} ]]; then
		say "$VIREO_QEMU"
	elif [[ -x $build/qemu/usr/bin/qemu-system-x86_64 ]]; then
		say "$build/qemu/usr/bin/qemu-system-x86_64"
	else
		say qemu-system-x86_64
	fi
}
