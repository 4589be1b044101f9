#!/bin/sh
# Downloads the programs and images of an upgrade without changing the node. Arguments: version; containerd (the lowest
# version, optional).
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
runtime=$(argument containerd)

if [ "$(kubeadm version -o short)" != "${version:?}" ]; then
    [ -n "$MIRROR" ] || fail "kubeadm $version is not installed:" \
    "set the label $MIRROR_LABEL"
    [ "$PACKAGES" = apt ] || download_programs "$version" kubelet kubectl
    install_programs "$version" kubeadm
fi
if [ -n "$runtime" ] && ! found=$(containerd_is "$runtime"); then
    [ "$PACKAGES" = apt ] || too_old_containerd "$found" "$runtime" "$version"
    step "download containerd"
    until_done 600 "apt-get update" apt-get -q -o DPkg::Lock::Timeout=300 update
    offered=$(apt-cache policy containerd | sed -n 's/^ *Candidate: *//p')
    is_at_least "${offered%%[!0-9.]*}" "$runtime" || fail "containerd $found is installed, the sources of packages offer" \
        "${offered:-none} and Kubernetes $version needs $runtime or newer (label containerd_version): add a source of" \
        "packages that has it, or replace the nodes by ones with another image"
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=5 --download-only install containerd ||
        fail "the package containerd could not be downloaded"
fi
[ "$MASTER" != yes ] || {
    step "pull the images of $version"
    kubeadm config images pull --cri-socket "$CRI_SOCKET" --kubernetes-version "$version" \
        ${IMAGE_REPOSITORY:+--image-repository "$IMAGE_REPOSITORY"}
}
