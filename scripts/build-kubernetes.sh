#!/bin/bash
# Build Kubernetes 1.20.2 from the source package of Debian 12: scripts/build-kubernetes.sh DIRECTORY
set -euo pipefail
directory=${1:?missing argument: the directory for the programs}
programs="kube-apiserver kube-controller-manager kube-scheduler kubectl kubelet kubeadm"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Download the source with separate apt directories, so that the machine's configuration is not changed.
mkdir -p apt/lists/partial apt/cache/archives/partial
mirror=$(apt-cache policy containerd | sed -n 's|.* \(https\?:[^ ]*\) bookworm/main.*|\1|p' | head -n 1)
echo "deb-src ${mirror:?this is not Debian 12} bookworm main" >apt/sources.list
options=(-o "Dir::Etc::sourcelist=$work/apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/apt/lists"
  -o "Dir::Cache=$work/apt/cache" -o APT::Sandbox::User=root -q)
apt-get "${options[@]}" update
apt-get "${options[@]}" source --download-only kubernetes
dpkg-source -x kubernetes_*1.20.2*.dsc source
cd source

# The copy in the source corrupts memory when it is built with a current Go.
reflect=vendor/github.com/modern-go/reflect2
rm -f $reflect/*.go $reflect/*.s
cp /usr/share/gocode/src/github.com/modern-go/reflect2/*.{go,s} $reflect/
mkdir -p .go/src/k8s.io
ln -s ../../.. .go/src/k8s.io/kubernetes
export GOPATH=$PWD/.go PATH=/usr/lib/go-1.19/bin:$PATH GOCACHE=$work/cache CGO_ENABLED=0 GO111MODULE=off GOPROXY=off
export GOFLAGS='' KUBE_GIT_VERSION=v1.20.2 KUBE_GIT_MAJOR=1 KUBE_GIT_MINOR=20 KUBE_GIT_COMMIT=debian
export KUBE_GIT_TREE_STATE=clean
make WHAT="cmd/${programs// / cmd/}" GOLDFLAGS="-s -w"
mkdir -p "$directory"
# kubeadm is copied last: its presence means that the build is complete.
for program in $programs; do cp "_output/local/bin/linux/amd64/$program" "$directory/"; done
