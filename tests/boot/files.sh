# SPDX-License-Identifier: BSD-2-Clause
#
# Directories and files of the host in the guest, as a part of virtio: --share and --pmem.

make_tree() {
	mkdir -p "$work/share/tree"
	for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		mkdir -p "$work/share/tree/$i/deeper"
		for j in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do
			dd if=/dev/urandom of="$work/share/tree/$i/$j" bs=$((i * j + j)) count=1 2>/dev/null
		done
		ln -s ../1 "$work/share/tree/$i/deeper/link"
	done
	mkdir -p "$work/share/inner"
	mount -t tmpfs inner "$work/share/inner"
	echo "of another file system" >"$work/share/inner/file"
}

test_share() {
	begin_in_vm "a shared directory with many small files" || return 0
	rm -rf "$work/share/back"
	must 'mkdir -p /share && mount -t virtiofs work /share'
	must 'cp -a /share/tree /copy && diff -r /share/tree /copy'
	must 'cp -a /copy /share/back && sync && echo 3 >/proc/sys/vm/drop_caches && diff -r /copy /share/back'
	here diff -r "$work/share/tree" "$work/share/back"
	echo "from the host" >"$work/share/news"
	must 'mv /share/news /share/olds && rm -r /share/back && cat /share/olds'
	equal "a file that came from the host later" "$(answer)" "from the host"
	here test -e "$work/share/olds"
	[ ! -e "$work/share/back" ] || problem "what the guest has removed is there on the host"
	verdict_in_vm
}

# A mount point below a shared directory is one in the guest, too.
test_submounts() {
	begin_in_vm "a mount point in a shared directory" || return 0
	must 'cat /share/inner/file'
	equal "a file of what is mounted there" "$(answer)" "of another file system"
	must '[ $(stat -c %d /share/inner) != $(stat -c %d /share) ] && grep " /share/inner " /proc/mounts'
	verdict_in_vm
}

# $1 = how many shares there are
test_share_gone() {
	begin_in_vm "virtiofsd is killed: errors in the guest" || return 0
	killall -KILL virtiofsd 2>/dev/null # one may have gone with its parent when its turn comes
	must_fail 'cat /share/tree/1/1 >/dev/null'
	must 'cat /copy/1/1 >/dev/null'
	expect_line 'share' "$1"
	verdict_in_vm
}

# A file with DAX as the buffer of what goes to and comes from virtiofsd, past all caches.
try_shared_window() {
	must 'mkdir -p /share && { grep -q " /share virtiofs" /proc/mounts || mount -t virtiofs work /share; }'
	must 'dd if=/dev/zero of=/pmem/buffer bs=1M count=1 && fio --name=window --filename=/share/window --size=2M
		--bs=64k --rw=write --ioengine=psync --direct=1 --mem=mmapshared:/pmem/buffer --verify=crc32c
		--do_verify=1 --verify_fatal=1 >/tmp/fio && grep -q "err= 0" /tmp/fio && rm /share/window'
}

test_pmem() {
	# Debian builds its arm64 kernels without CONFIG_FS_DAX.
	case $arch in
	x86_64) dax=dax=always ;;
	*) dax= ;;
	esac
	begin_in_vm "persistent memory, mounted${dax:+ with DAX}" || return 0
	must "mkdir -p /pmem && mount -t ext4 -o rw${dax:+,$dax} /dev/pmem0 /pmem && grep \" /pmem ext4 .*$dax\" /proc/mounts"
	must 'md5sum </pmem/file'
	equal "the sum of a file from the host" "$(answer)" "$sum"
	must 'dd if=/dev/urandom of=/pmem/new bs=64k count=32 2>/dev/null && sync && md5sum </pmem/new'
	new=$(answer)
	[ ! "$dax" ] || try_shared_window
	must 'umount /pmem'
	mkdir -p "$work/mnt"
	here /sbin/e2fsck -fn "$work/pmem.img"
	if mount -o loop,ro "$work/pmem.img" "$work/mnt"; then
		equal "the sum of what the guest wrote" "$(md5sum <"$work/mnt/new")" "$new"
		umount "$work/mnt"
	else
		problem "the file cannot be mounted"
	fi
	verdict_in_vm
}

# KVM_RUN fails for a page that the host cannot give; the VM goes on without it.
test_pmem_full() {
	begin_in_vm "persistent memory with holes on a full file system: the VM goes on" || return 0
	must 'dd if=/dev/pmem1 of=/dev/null bs=4k skip=768 count=1 && dd if=/dev/pmem1 of=/dev/null bs=4k count=512'
	must_fail 'dd if=/dev/urandom of=/dev/pmem1 bs=4k seek=768 count=1 conv=fsync'
	expect_line 'pmem pmem1: the host has no room for the holes of its file' 2
	verdict_in_vm
}

test_pmem_many() {
	begin "persistent memory: no more files beside a vhost-user program than that can be given" || return 0
	set --
	for i in 1 2 3 4 5 6 7 8; do
		truncate -s 2M "$work/many.$i"
		set -- "$@" --pmem "$work/many.$i"
	done
	run -k "$kernels/cloud/vmlinuz" --dry-run "$@"
	expect_status 0
	run -k "$kernels/cloud/vmlinuz" --dry-run --share "$work/share,tag=work" "$@"
	expect_status 2
	expect_message "share share0: the program behind it can see 8 pieces of memory at most, and here are 9"
	run -k "$kernels/cloud/vmlinuz" --dry-run --share "$work/share,tag=work" "$@,ro"
	expect_status 0
	rm "$work"/many.*
	verdict
}

# What the host has mounted is written by the host; what a guest only reads is the user's own concern.
test_pmem_mounted() {
	begin "persistent memory: not a block device that the host has mounted" || return 0
	mkdir -p "$work/mnt" "$work/empty"
	make_ext4 "$work/mounted.img" 8 "$work/empty"
	device=$(losetup -f)
	losetup "$device" "$work/mounted.img"
	mount "$device" "$work/mnt"
	run -k "$kernels/cloud/vmlinuz" --dry-run --pmem "$device"
	expect_status 1
	expect_message "pmem pmem0: $device is in use on this host: mounted"
	run -k "$kernels/cloud/vmlinuz" --dry-run --pmem "$device,ro"
	expect_status 0
	umount "$work/mnt"
	run -k "$kernels/cloud/vmlinuz" --dry-run --pmem "$device"
	expect_status 0
	losetup -d "$device"
	rm "$work/mounted.img"
	verdict
}

test_full() {
	begin_in_vm "the host's file system is full: I/O errors in the guest" || return 0
	must_fail 'dd if=/dev/zero of=/dev/vdb bs=64k count=512 oflag=direct'
	must 'dd if=/dev/vdb of=/dev/null bs=64k count=16 iflag=direct'
	rm "$work/full/ballast"
	must 'dd if=/dev/zero of=/dev/vdb bs=64k count=64 oflag=direct'
	expect_line "full/image"
	verdict_in_vm
}

# Said by hvc0, as is all that the guest of this VM says.
test_console() {
	begin_in_vm "64 KiB on the virtio console" || return 0
	must 'dd if=/dev/urandom bs=1k count=48 2>/dev/null | base64 >/tmp/text; cat /tmp/text; md5sum </tmp/text'
	equal "the sum of what arrived" "$(sed '$d' "$said" | md5sum)" "$(answer)"
	verdict_in_vm
}

# The port named $1, in the guest's shell.
port_of() {
	echo "/dev/\$(basename \$(dirname \$(grep -lx $1 /sys/class/virtio-ports/*/name)))"
}

# Until Linux knows that the host's end of port $1 is open (1) or not (0). If it is not, a read is the end of the file; and
# what is written when only Linux takes it for open is nobody's.
host_end() {
	must "until grep -q 'host_connected: $2' /sys/kernel/debug/virtio-ports/\$(basename $(port_of $1)); do sleep 0.1; done"
}

test_ports() {
	begin_in_vm "console ports: a socket and a file" || return 0
	must 'mount -t debugfs debugfs /sys/kernel/debug'
	socat -u OPEN:"$work/www/file" UNIX-CONNECT:"$work/talk" &
	host_end talk 1
	must "head -c 3145728 $(port_of talk) >/tmp/in; md5sum </tmp/in"
	equal "the sum of what the guest got" "$(answer)" "$sum"
	wait $! || problem "socat cannot write to the port's socket"
	host_end talk 0
	socat -u UNIX-CONNECT:"$work/talk" OPEN:"$work/out",creat,trunc &
	host_end talk 1
	must "dd if=/tmp/in of=$(port_of talk) bs=4k"
	soon same_size "$work/out" "$work/www/file"
	kill $!
	wait $!
	equal "the sum of what the host got" "$(md5sum <"$work/out")" "$sum"
	must "cat /tmp/in >$(port_of log)"
	soon same_size "$work/log" "$work/www/file"
	equal "the sum of the file of a port" "$(md5sum <"$work/log")" "$sum"
	verdict_in_vm
}
same_size() {
	[ "$(stat -c %s "$1")" = "$(stat -c %s "$2")" ]
}
