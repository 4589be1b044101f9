#!/bin/sh
# Downloads the packages and images of an upgrade without changing the node. Argument: version.
set -eu
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/node.env"
# shellcheck source=/dev/null
. "$etc/common.sh"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
read_arguments
version=$(argument version)

if [ "$(kubeadm version -o short)" != "${version:?}" ]; then
    [ -n "$KUBERNETES_APT_MIRROR" ] || fail "kubeadm $version is not installed:" \
    "set the label kubernetes_apt_mirror"
    use_mirror "$version"
    install "kubeadm=${version#v}-*"
fi
[ "$MASTER" != yes ] || {
    step "pull the images of $version"
    kubeadm config images pull --cri-socket "$CRI_SOCKET" --kubernetes-version "$version" \
        ${IMAGE_REPOSITORY:+--image-repository "$IMAGE_REPOSITORY"}
}
