#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# smoke.sh kvm|emulated [OPTION...] KERNEL smoke-boots KERNEL with `vireo smoke`, on a runner that is thrown away
# afterwards:
#
#   kvm       on the runner's own KVM; without one that may be used it fails, and says so
#   emulated  on a KVM host of the runner's architecture that QEMU emulates: for runners without KVM. It takes minutes,
#             and needs root and Debian 12 (a container of it will do) for what it installs and fetches.
#
# Relative paths start from vireo's tree, which this script is in; with `emulated` all files, reports too, must be in it:
# build/smoke is a place for them. Ends with the status of `vireo smoke`. VIREO: the program, static for `emulated`;
# without it, it is built.

set -euo pipefail

die() {
	printf 'smoke.sh: %s\n' "$1" >&2
	exit "${2:-1}"
}

(($# >= 2)) || die "usage: smoke.sh kvm|emulated [OPTION...] KERNEL" 2
where=$1
shift
cd "$(dirname "$0")/../.."
arch=$(uname -m)
case $where.$arch in
kvm.*)
	[[ -e /dev/kvm ]] || die "this runner has no /dev/kvm; without one, use: smoke.sh emulated"
	[[ -r /dev/kvm && -w /dev/kvm ]] ||
		die "/dev/kvm may not be opened: be root or in its group; a container needs --device /dev/kvm"
	;;
emulated.x86_64) host=S ;;
emulated.aarch64) host=A3 ;;
emulated.*) die "there is no emulated host for $arch" ;;
*) die "\"$where\": allowed are kvm and emulated" 2 ;;
esac

vireo=${VIREO:-}
if [[ ! $vireo ]]; then
	tests/boot/deps build
	make STATIC=1
	vireo=build/$arch-static/vireo
fi
[[ $where == emulated ]] || exec "$vireo" smoke "$@"
tests/boot/deps host
exec tests/boot/host "$host" -t 1800 -- "$vireo" smoke "$@"
