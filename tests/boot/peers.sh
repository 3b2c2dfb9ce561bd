# SPDX-License-Identifier: BSD-2-Clause
#
# Programs behind devices, as a part of virtio: those that the user has started and names by a socket, and those of the
# Debian after 12, where virtiofsd is another program and passt has vhost-user.

# Starts "$2..." with its output in $work/$1.log, and waits until it listens at /tmp/$1: as root passt runs as nobody,
# who may make a socket there. Sets peer.
start_peer() {
	peer_socket=/tmp/$1
	peer_log=$work/$1.log
	shift
	rm -f "$peer_socket"
	"$@" >"$peer_log" 2>&1 &
	peer=$!
	soon listens "$peer_socket" || problem "$1 says: $(tail -n 1 "$peer_log")"
}

# A socket is there before anybody listens at it; then it has this flag.
listens() {
	grep -q " 00010000 0001 .* $1\$" /proc/net/unix
}

end_peer() {
	kill -KILL "$1"
	wait "$1" 2>/dev/null # the shell would say how it ended
}

# --- sockets that are named ---

vm_sockets() {
	truncate -s 64M "$work/storage.img"
	start_peer storage qemu-storage-daemon --blockdev "driver=file,filename=$work/storage.img,node-name=disk" --export \
		"type=vhost-user-blk,id=e,node-name=disk,addr.type=unix,addr.path=/tmp/storage,writable=on,num-queues=2"
	storage=$peer
	start_peer passt passt --foreground --socket /tmp/passt
	passt=$peer
	boot_root cloud --irqchip "$irqchip" --vhost-user-blk /tmp/storage,queues=2 --net socket=/tmp/passt
}

test_storage() {
	begin_in_vm "vhost-user-blk by qemu-storage-daemon: fio verifies, and the image has what the guest wrote" || return 0
	must '[ $(cat /sys/block/vdb/size) = 131072 ] && [ $(ls /sys/block/vdb/mq | wc -l) = 2 ]'
	must 'fio --name=disk --filename=/dev/vdb --size=12M --rw=randrw --bsrange=512-32k --blockalign=512
		--ioengine=libaio --iodepth=32 --direct=1 --numjobs=2 --offset_increment=12M --verify=crc32c
		--do_verify=1 --verify_fatal=1 >/tmp/fio'
	must 'head -c 3000000 /dev/urandom >/tmp/new && dd if=/tmp/new of=/dev/vdb bs=64k conv=fsync 2>/dev/null && md5sum </tmp/new'
	equal "the sum of the image's beginning" "$(head -c 3000000 "$work/storage.img" | md5sum)" "$(answer)"
	verdict_in_vm
}

test_storage_gone() {
	begin_in_vm "qemu-storage-daemon is killed: I/O errors in the guest" || return 0
	end_peer "$storage"
	must_fail 'dd if=/dev/vdb of=/dev/null bs=64k count=1 iflag=direct 2>/dev/null'
	must_fail 'dd if=/dev/zero of=/dev/vdb bs=64k count=1 oflag=direct 2>/dev/null'
	must 'dd if=/dev/vda of=/dev/null bs=64k count=1 iflag=direct 2>/dev/null'
	expect_line 'vhost-user-blk'
	verdict_in_vm
}

# $1 = interface in the guest, $2 = what vireo says
test_passt_gone() {
	begin_in_vm "the passt behind $1 is killed: link down" || return 0
	must "ip link set $1 up"
	end_peer "$passt"
	must "until [ \$(cat /sys/class/net/$1/carrier) = 0 ]; do sleep 0.1; done"
	expect_line "$2"
	verdict_in_vm
}

try_sockets() {
	limit=1500 # of a whole VM, as in virtio
	vm "$irqchip, sockets" vm_sockets
	test_storage
	test_user eth0 "socket of a passt"
	test_passt_gone eth0 net
	test_storage_gone
	vm_end
}

# --- programs of a later Debian ---

vm_later() {
	start_peer passt passt --foreground --vhost-user --socket /tmp/passt
	passt=$peer
	boot_root cloud --irqchip "$irqchip" --net user --vhost-user-net /tmp/passt --share "$work/share,tag=work" \
		--share "$work/www,tag=www,ro"
}

test_share_read_only() {
	begin_in_vm "a shared directory that cannot be changed" || return 0
	must 'mkdir -p /www && mount -t virtiofs www /www && md5sum </www/file'
	equal "the sum of a file from the host" "$(answer)" "$sum"
	must_fail 'touch /www/new 2>/dev/null'
	must_fail 'rm /www/file 2>/dev/null'
	must_fail 'dd if=/dev/zero of=/www/file bs=1 count=1 2>/dev/null'
	equal "the sum of the file on the host" "$(md5sum <"$work/www/file")" "$sum"
	verdict_in_vm
}

try_later() {
	limit=1500
	vm "$irqchip, later" vm_later
	if [ ! -d "$kernels/later" ]; then
		! begin "$vm: virtiofsd and passt of a later Debian" || skip "tests/boot/fetch later did not get them"
		return
	fi
	cp -a --remove-destination "$kernels/later/." /
	mv /usr/lib/qemu/virtiofsd /usr/lib/qemu/virtiofsd.away
	test_share
	test_submounts
	test_share_read_only
	test_user eth0
	test_user eth1 "vhost-user-net by passt"
	test_passt_gone eth1 vhost-user-net
	test_share_gone 2
	vm_end
	# A root has mount points, and an overlay over it, which does not go through what is announced as one.
	limit=600
	with=", later"
	exec_uname
	exec_command
	exec_unprivileged
	with=
	mv /usr/lib/qemu/virtiofsd.away /usr/lib/qemu/virtiofsd
}
