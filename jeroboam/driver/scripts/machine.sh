#!/bin/sh
# A node's container volume and shared address, for every engine; sourced after functions.sh.
# Variables: CONTAINER_VOLUME_GIB (empty for none), CONTAINER_DIRECTORY, VIRTUAL_IP (empty for none).
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam

# The volume for container images: the disk labelled `containers`, otherwise a blank disk of the requested size.
find_volume() {
    blkid -L containers && return
    lsblk -bdnpo NAME,SIZE,TYPE | while read -r name size kind; do
        [ "$kind" = disk ] && [ "$size" = "$((CONTAINER_VOLUME_GIB * 1073741824))" ] || continue
        # A blank disk has no file system and no partitions, unlike the system disk and a config drive.
        [ -n "$(lsblk -nro FSTYPE,PARTTYPE "$name" | tr -d ' \n')" ] || echo "$name"
    done | head -n 1 | grep .
}

mount_container_volume() {
    [ -n "$CONTAINER_VOLUME_GIB" ] || return 0
    place=$root$CONTAINER_DIRECTORY
    if mountpoint -q "$place"; then return; fi
    step "mount the container volume"
    until_done 300 "no blank disk of $CONTAINER_VOLUME_GIB GiB has appeared" find_volume
    disk=$(find_volume)
    [ -n "$(blkid -o value -s TYPE "$disk" || :)" ] || mkfs.ext4 -q -L containers "$disk"
    mkdir -p "$place"
    grep -q '^LABEL=containers ' "$root/etc/fstab" ||
        echo "LABEL=containers $place ext4 defaults,nofail 0 2" >>"$root/etc/fstab"
    mount "$place"
}

# share_address FOUNDER: masters without a load balancer share an address; the founder (`yes`) waits until it has it.
share_address() {
    [ -n "$VIRTUAL_IP" ] || return 0
    step "share the address $VIRTUAL_IP"
    mkdir -p "$root/etc/keepalived"
    interface=$(ip -o -4 route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
    (umask 077 && sed "s|@INTERFACE@|${interface:?no default route}|" "$etc/keepalived.conf" \
        >"$root/etc/keepalived/keepalived.conf")
    systemctl enable --quiet keepalived
    # Not restarted: the address must not move because the bootstrap is repeated.
    systemctl reload-or-restart keepalived
    [ "$1" != yes ] || until_done 60 "keepalived has not set up $VIRTUAL_IP" has_address "$VIRTUAL_IP"
}

has_address() { ip -o addr show | grep -q " $1/"; }
