#!/bin/sh
# Gives Docker the image of this machine's image, as a cloud's own image may contain some.
for _ in $(seq 60); do
    ! docker image inspect sandbox/busybox:1 >/dev/null 2>&1 || exit 0
    docker import --change 'CMD ["sleep", "1000000"]' /usr/share/machine/busybox.tar sandbox/busybox:1 >/dev/null 2>&1 &&
        exit 0
    sleep 1
done
