#!/bin/sh
# Becomes a machine: runs in its new namespaces, mounts its root and hands over to its process 1.
# Arguments: directory of the machine, directory of the base root, host name.
set -eu
machine=$1 base=$2 name=$3
root=$machine/root

hostname "$name"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$machine/upper,workdir=$machine/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
[ -e "$root/dev/console" ] || : >"$root/dev/console"
mount --bind "$machine/serial.log" "$root/dev/console"
mount -t tmpfs -o mode=755 run "$root/run"
mkdir -p "$root/run/lock" "$root/var/lib/docker"
# The file system of images cannot be an overlay on an overlay.
mount --bind "$machine/docker" "$root/var/lib/docker"
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
else
    mount -t tmpfs -o mode=755 cgroup "$root/sys/fs/cgroup"
    for hierarchy in /sys/fs/cgroup/*/; do
        hierarchy=$(basename "$hierarchy")
        [ "$hierarchy" != unified ] || continue
        options=$hierarchy
        [ "$hierarchy" != systemd ] || options=none,name=systemd
        mkdir "$root/sys/fs/cgroup/$hierarchy"
        mount -t cgroup -o "$options" cgroup "$root/sys/fs/cgroup/$hierarchy" 2>/dev/null ||
            rmdir "$root/sys/fs/cgroup/$hierarchy"
    done
fi
cd "$root"
mkdir -p .outside
pivot_root . .outside
umount -l /.outside
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    /usr/local/sbin/machine-init
