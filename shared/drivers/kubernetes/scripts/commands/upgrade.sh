#!/bin/sh
# Upgrades this node, which must be drained. It can be repeated at any time. Arguments: version;
# containerd (the lowest version, optional).
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
[ "$(kubeadm version -o short)" = "${version:?}" ] || fail "kubeadm is not $version: run upgrade-prepare first"

upgrade_containerd "$(argument containerd)" "$version"

# The first master changes the cluster's configuration; all other nodes apply it.
how=node
if [ "$MASTER" = yes ]; then
    as_admin 120
    configuration=$(kube -n kube-system get configmap kubeadm-config -o 'jsonpath={.data.ClusterConfiguration}') ||
        fail "the cluster's configuration could not be read"
    printf '%s\n' "$configuration" | grep -qx "kubernetesVersion: $version" || how="apply --yes $version"
fi
step "kubeadm upgrade ${how%% *}"
# shellcheck disable=SC2086 # a subcommand and its arguments
kubeadm upgrade $how || fail "kubeadm upgrade ${how%% *} failed"

if [ "$(kubelet --version)" != "Kubernetes $version" ]; then
    install_programs "$version" kubelet kubectl
fi
[ "$PACKAGES" = apt ] || write_kubelet_unit
systemctl daemon-reload
systemctl restart kubelet
sed "s/^KUBERNETES_VERSION=.*/KUBERNETES_VERSION=$version/" "$etc/node.env" >"$etc/node.env.new"
chmod 0600 "$etc/node.env.new"
mv "$etc/node.env.new" "$etc/node.env"
step "wait until the node is ready"
until_done 600 "the node is not ready" is_ready
step "done"
