#!/bin/sh
# A node's volumes and shared address, for every engine; sourced after functions.sh.
# Variables: CONTAINER_VOLUME_GIB (empty for none), CONTAINER_DIRECTORY, CONTAINER_SERVICE (the one that writes there),
# VIRTUAL_IP (empty for none).
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam

# find_disk LABEL GIB: the disk with that label, otherwise a blank disk of that size.
find_disk() {
    blkid -L "$1" && return
    lsblk -bdnpo NAME,SIZE,TYPE | while read -r name size kind; do
        [ "$kind" = disk ] && [ "$size" = "$(($2 * 1073741824))" ] || continue
        # A blank disk has no file system and no partitions, unlike the system disk and a config drive.
        [ -n "$(lsblk -nro FSTYPE,PARTTYPE "$name" | tr -d ' \n')" ] || echo "$name"
    done | head -n 1 | grep .
}

# mount_volume LABEL GIB DIRECTORY SERVICE...: format the volume of that size once, and mount it now and at every boot.
# The services that write to the directory are stopped before, and do not start without it from then on.
mount_volume() {
    label=$1 gib=$2 directory=$3
    shift 3
    [ -n "$gib" ] || return 0
    place=$root$directory
    for service; do
        mkdir -p "$root/etc/systemd/system/$service.service.d"
        printf '[Unit]\nRequiresMountsFor=%s\n' "$directory" \
            >"$root/etc/systemd/system/$service.service.d/20-jeroboam-volume.conf"
    done
    if mountpoint -q "$place"; then return; fi
    step "mount the volume for $directory"
    until_done 300 "no blank disk of $gib GiB has appeared" find_disk "$label" "$gib"
    disk=$(find_disk "$label" "$gib")
    [ -n "$(blkid -o value -s TYPE "$disk" || :)" ] || mkfs.ext4 -q -L "$label" "$disk"
    for service; do systemctl stop "$service.socket" "$service.service" 2>/dev/null || :; done
    mkdir -p "$place"
    grep -qs "^LABEL=$label " "$root/etc/fstab" ||
        echo "LABEL=$label $place ext4 defaults,nofail 0 2" >>"$root/etc/fstab"
    systemctl daemon-reload
    mount "$place"
    if command -v restorecon >/dev/null; then restorecon "$place" || :; fi
}

# shellcheck disable=SC2086 # no service, or one
mount_container_volume() {
    mount_volume containers "$CONTAINER_VOLUME_GIB" "$CONTAINER_DIRECTORY" ${CONTAINER_SERVICE:-}
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
