#!/bin/sh
# Joins this machine to its Kubernetes cluster, with kubeadm and containerd.
#
# Rule: it can be repeated at any time, after a reboot and after an interruption at any point. An incomplete attempt of
# kubeadm is reset, but only while $member does not exist: after that, this node stores data of the cluster, which is
# never deleted here. It ends when the node is ready, because the agent then reports that it has joined.
set -eu
umask 022

root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
kubernetes=$root/etc/kubernetes
member=$root/var/lib/jeroboam/member
# shellcheck source=/dev/null
. "$etc/node.env"
# shellcheck source=/dev/null
. "$etc/common.sh"
# shellcheck source=/dev/null
. "$etc/machine.sh"
# shellcheck source=/dev/null
. "$etc/trust.sh"
# shellcheck source=/dev/null
. "$etc/certificates.sh"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

prepare_host() {
    step "prepare the host"
    swapoff -a
    [ ! -f "$root/etc/fstab" ] || sed -i '/^[^#].*[[:space:]]swap[[:space:]]/s/^/# /' "$root/etc/fstab"
    while read -r module; do modprobe "$module"; done <"$root/etc/modules-load.d/kubernetes.conf"
    sysctl --quiet --system
}

# etcd's volume. That of a member stays where it is. kubeadm accepts only an empty directory.
mount_etcd_volume() {
    if [ -z "$ETCD_VOLUME_GIB" ] || [ -f "$member" ]; then return; fi
    mount_volume etcd "$ETCD_VOLUME_GIB" /var/lib/etcd kubelet
    chmod 0700 "$root/var/lib/etcd"
    rmdir "$root/var/lib/etcd/lost+found" 2>/dev/null || :
}

# Programs are part of the image or come from the operator's mirror.
install_packages() {
    missing=
    command -v containerd >/dev/null || missing=containerd
    [ -z "$VIRTUAL_IP" ] || command -v keepalived >/dev/null || missing="$missing keepalived"
    if [ -n "$missing" ]; then
        [ "$PACKAGES" = apt ] || fail "the image has no ${missing# }: use another image"
        # shellcheck disable=SC2086 # a list of packages
        install $missing
    fi
    found=$(kubeadm version -o short 2>/dev/null || :)
    # Members are upgraded only by the upgrade command, one node at a time.
    if [ ! -f "$member" ] && { [ "$found" != "$KUBERNETES_VERSION" ] || ! command -v kubelet >/dev/null ||
        ! command -v kubectl >/dev/null; }; then
        [ -n "$MIRROR" ] || fail "the image has ${found:-no} kubeadm and the cluster needs" \
        "$KUBERNETES_VERSION: use an image with kubeadm, kubelet and kubectl of that version," \
            "or set the label $MIRROR_LABEL"
        install_programs "$KUBERNETES_VERSION" kubeadm kubelet kubectl
    fi
    if [ "$PACKAGES" != apt ]; then
        install_network_plugins
        write_kubelet_unit
    fi
    # That of a member is upgraded with Kubernetes, when the node is drained.
    [ -f "$member" ] || upgrade_containerd "$CONTAINERD_VERSION" "$KUBERNETES_VERSION"
}

images() {
    kubeadm config images list --kubernetes-version "$KUBERNETES_VERSION" \
        ${IMAGE_REPOSITORY:+--image-repository "$IMAGE_REPOSITORY"} 2>/dev/null
}

# Only kubeadm can tell which pause image its version uses.
configure_containerd() {
    pause=$(images | grep '/pause:' | head -n 1)
    [ -n "$pause" ] || fail "kubeadm lists no pause image for $KUBERNETES_VERSION"
    mkdir -p "$root/etc/containerd"
    sed "s|@SANDBOX_IMAGE@|$pause|" "$etc/containerd.toml" >"$root/etc/containerd/config.toml.new"
    systemctl daemon-reload
    systemctl enable --quiet containerd kubelet
    if ! cmp -s "$root/etc/containerd/config.toml.new" "$root/etc/containerd/config.toml"; then
        step "configure containerd"
        mv "$root/etc/containerd/config.toml.new" "$root/etc/containerd/config.toml"
        systemctl restart containerd
    else
        rm "$root/etc/containerd/config.toml.new"
        systemctl start containerd
    fi
}

become_member() {
    if [ -f "$member" ]; then
        systemctl start kubelet
        follow_authorities
        return
    fi
    if [ -e "$kubernetes/kubelet.conf" ] || [ -e "$kubernetes/manifests/kube-apiserver.yaml" ]; then
        step "reset the previous attempt"
        kubeadm reset --force --cri-socket "$CRI_SOCKET"
    fi
    # A worker gets them from the cluster; kubeadm join fails if they already exist.
    [ "$MASTER" != yes ] || lay_authorities
    step "kubeadm $ROLE"
    if [ "$ROLE" = init ]; then
        kubeadm init --config "$etc/kubeadm.yaml" --skip-token-print || fail "kubeadm init failed"
    else
        certify "/O=system:nodes/CN=system:node:$NODE_NAME" "$etc/join.key" "$etc/join.crt"
        kubeadm join --config "$etc/kubeadm.yaml" || fail "kubeadm join failed"
    fi
    : >"$member"
    rm -f "$etc/join.key" "$etc/join.crt"
}

apply_add_ons() {
    [ -d "$etc/addons" ] || return 0
    as_admin 600
    remove_join_token
    # By default, the images of add-ons come from the registry that kubeadm uses.
    registry=$(images | sed -n 's|/kube-apiserver:.*||p' | head -n 1)
    for manifest in "$etc"/addons/*.yaml; do
        step "apply ${manifest##*/}"
        # It can contain the cloud credential.
        (umask 077 && sed "s|@REGISTRY@|$registry|g" "$manifest" >"$manifest.now")
        until_done 120 "${manifest##*/} was rejected" \
            kubectl apply --server-side --force-conflicts -f "$manifest.now"
        rm -f "$manifest.now"
    done
    for label in cni_manifest_url post_install_manifest_url; do
        case $label in cni*) url=$CNI_MANIFEST_URL ;; *) url=$POST_INSTALL_MANIFEST_URL ;; esac
        [ -n "$url" ] || continue
        step "apply $label"
        fetch "$label" "$url" "$etc/manifest.yaml"
        until_done 120 "label $label: the manifest was rejected" \
            kubectl apply --server-side --force-conflicts -f "$etc/manifest.yaml"
    done
}

read_arguments
case $(argument part) in
'')
    prepare_host
    trust_extra_authorities containerd kubelet
    mount_container_volume
    mount_etcd_volume
    install_packages
    configure_containerd
    if [ "$ROLE" = init ]; then share_address yes; else share_address no; fi
    become_member
    apply_add_ons
    ;;
certificates)
    [ -f "$member" ] || fail "this node is not a member of its cluster"
    follow_authorities
    ;;
# Only the files that came with this script.
scripts) ;;
# Also the addresses of the other masters, which have changed.
masters)
    [ -f "$member" ] || fail "this node is not a member of its cluster"
    share_address no
    ;;
add-ons)
    [ -f "$member" ] || fail "this node is not a member of its cluster"
    apply_add_ons
    ;;
*) fail "unknown part $(argument part)" ;;
esac
step "wait until the node is ready"
until_done 900 "the node is not ready" is_ready
step "done"
