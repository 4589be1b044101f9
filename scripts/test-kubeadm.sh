#!/bin/bash
# Run the node scripts on two real kubeadm clusters, a master with a worker and three masters, each machine in its own
# namespaces. Both are tested at the same time, because each mostly waits.
#
#   scripts/test-kubeadm.sh [PYTEST ARGUMENTS...]
#
# Needs root, Debian 12 and cgroup v1. Debian has no binary package of kubeadm, only the source of Kubernetes 1.20.2. It is
# built once and kept, which takes 5 to 10 minutes and 4 GB. JEROBOAM_KUBEADM sets another directory for it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ "$(id -u)" = 0 ] || { echo "test-kubeadm: root is required for namespaces and mounts" >&2; exit 1; }
CACHE=${XDG_CACHE_HOME:-${HOME:?set HOME or XDG_CACHE_HOME}/.cache}
export JEROBOAM_KUBEADM=${JEROBOAM_KUBEADM:-$CACHE/jeroboam/kubeadm}
PACKAGES="keepalived containerd runc etcd-server containernetworking-plugins iproute2 iptables conntrack socat ethtool"
BUILD="golang-1.19-go golang-github-modern-go-reflect2-dev gcc libc6-dev make rsync jq dpkg-dev"

missing=
for package in $PACKAGES; do dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"; done
if [ ! -x "$JEROBOAM_KUBEADM/kubeadm" ]; then
  for package in $BUILD; do dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"; done
fi
if [ -n "$missing" ]; then
  echo "test-kubeadm: installing Debian packages:$missing"
  apt-get -q update >/dev/null
  # shellcheck disable=SC2086 # a list
  DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing >/dev/null
fi

if [ ! -x "$JEROBOAM_KUBEADM/kubeadm" ]; then
  mkdir -p "$JEROBOAM_KUBEADM"
  log=$JEROBOAM_KUBEADM/build.log
  echo "test-kubeadm: building Kubernetes 1.20.2 into $JEROBOAM_KUBEADM"
  scripts/build-kubernetes.sh "$JEROBOAM_KUBEADM" >"$log" 2>&1 || { tail -n 20 "$log" >&2; exit 1; }
fi
# The next minor version is the same build with another version in its programs, as another -X of the linker would set it.
if [ ! -x "$JEROBOAM_KUBEADM/next/kubeadm" ]; then
  mkdir -p "$JEROBOAM_KUBEADM/next"
  for program in kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl kubeadm; do
    LC_ALL=C sed 's/v1\.20\.2/v1.21.0/g' "$JEROBOAM_KUBEADM/$program" >"$JEROBOAM_KUBEADM/next/$program.new"
    chmod 0755 "$JEROBOAM_KUBEADM/next/$program.new"
    mv "$JEROBOAM_KUBEADM/next/$program.new" "$JEROBOAM_KUBEADM/next/$program"
  done
fi
.venv/bin/python -m pytest -n 2 --dist loadfile -m kubeadm "${@:-tests/kubeadm}"
