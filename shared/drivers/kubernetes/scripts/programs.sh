#!/bin/sh
# How a node gets the programs of Kubernetes and its container runtime; sourced by common.sh.
#
# With apt they are packages. Without a package manager, the image has containerd, and the programs of Kubernetes are
# binaries of its releases, in a directory that is writable and in front of the PATH.
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
# shellcheck source=/dev/null
. "$etc/node.env"
if [ "$PACKAGES" = apt ]; then
    MIRROR=$KUBERNETES_APT_MIRROR MIRROR_LABEL=kubernetes_apt_mirror
else
    MIRROR=$KUBERNETES_BINARY_MIRROR MIRROR_LABEL=kubernetes_binary_mirror
    programs=$root$PROGRAMS_DIRECTORY
    PATH=$programs:$PATH
fi

# install_programs VERSION PROGRAM...: install programs of Kubernetes from the operator's mirror.
install_programs() {
    release=$1
    shift
    if [ "$PACKAGES" = apt ]; then
        use_mirror "$release"
        for program; do
            shift
            set -- "$@" "$program=${release#v}-*"
        done
        install_kubernetes "$@"
    else
        download_programs "$release" "$@"
        # kubeadm is the last one, because its version tells the next attempt that all of them are there.
        for program; do
            [ "$program" = kubeadm ] || mv -f "$programs/.$program-$release" "$programs/$program"
        done
        [ ! -e "$programs/.kubeadm-$release" ] || mv -f "$programs/.kubeadm-$release" "$programs/kubeadm"
        # The shell remembers where it found a program of the image.
        hash -r
    fi
}

# use_mirror VERSION: use the operator's mirror for packages of that minor version.
use_mirror() {
    list=$KUBERNETES_APT_MIRROR/${1%.*}/deb
    mkdir -p "$root/etc/apt/keyrings" "$root/etc/apt/sources.list.d"
    fetch kubernetes_apt_mirror "$list/Release.key" "$root/etc/apt/keyrings/kubernetes.asc"
    echo "deb [signed-by=/etc/apt/keyrings/kubernetes.asc] $list/ /" \
        >"$root/etc/apt/sources.list.d/kubernetes.list"
}

# install_kubernetes PACKAGE...: install packages, and keep apt from upgrading those of Kubernetes by itself.
install_kubernetes() {
    install "$@"
    apt-mark hold kubeadm kubelet kubectl >/dev/null
}

# download_programs VERSION PROGRAM...: have binaries beside those in use, which stay as they are. They are written where
# they are used, because a file that is moved keeps the SELinux type of the directory that it was made in.
download_programs() {
    from=$MIRROR/$1/bin/linux/$(architecture) version_of=$1
    shift
    [ -n "$MIRROR" ] || fail "the image has no $* of $version_of: set the label $MIRROR_LABEL"
    mkdir -p "$programs"
    for program; do
        place=$programs/.$program-$version_of
        [ ! -x "$place" ] || continue
        step "download $program $version_of"
        fetch_checked "$MIRROR_LABEL" "$from/$program" "$place.new"
        chmod 0755 "$place.new"
        mv -f "$place.new" "$place"
    done
}

# fetch_checked LABEL URL FILE: download a file and compare it with the SHA-256 checksum that is published beside it.
fetch_checked() {
    fetch "$1" "$2.sha256" "$3.sha256"
    fetch "$1" "$2" "$3" 600
    # Some projects write the name of the file behind the checksum.
    expected=$(head -n 1 "$3.sha256" | cut -d ' ' -f 1)
    actual=$(sha256sum "$3" | cut -d ' ' -f 1)
    rm -f "$3.sha256"
    [ "$actual" = "$expected" ] || {
        rm -f "$3"
        fail "label $1: $2 has the checksum $actual, and $2.sha256 names $(printf '%s' "${expected:-none}" | cut -c 1-64)"
    }
}

architecture() {
    case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) uname -m ;;
    esac
}

# install_network_plugins: the CNI plug-ins, which the packages of Kubernetes bring along.
install_network_plugins() {
    has=$root/var/lib/jeroboam/cni-plugins
    if [ "$(cat "$has" 2>/dev/null)" = "$CNI_PLUGINS_VERSION" ]; then return; fi
    if [ -z "$CNI_PLUGINS_MIRROR" ]; then
        [ -x "$root/opt/cni/bin/portmap" ] ||
            fail "the image has no CNI plug-ins in /opt/cni/bin: use an image with them, or set the label" \
                "cni_plugins_mirror"
        return
    fi
    step "install the CNI plug-ins $CNI_PLUGINS_VERSION"
    mkdir -p "$root/opt/cni/bin"
    fetch_checked cni_plugins_mirror \
        "$CNI_PLUGINS_MIRROR/$CNI_PLUGINS_VERSION/cni-plugins-linux-$(architecture)-$CNI_PLUGINS_VERSION.tgz" "$has.tgz"
    tar -xz --no-same-owner -f "$has.tgz" -C "$root/opt/cni/bin" || fail "the CNI plug-ins could not be unpacked"
    rm -f "$has.tgz"
    echo "$CNI_PLUGINS_VERSION" >"$has"
}

# write_kubelet_unit: the kubelet's unit with the drop-in that kubeadm expects, as in the packages of Kubernetes. Both
# replace those of an image or extension that has some.
write_kubelet_unit() {
    units=$root/etc/systemd/system kubelet=$(command -v kubelet)
    mkdir -p "$units/kubelet.service.d"
    sed "s|@KUBELET@|${kubelet#"$root"}|" "$etc/kubelet.service" >"$units/kubelet.service"
    sed "s|@KUBELET@|${kubelet#"$root"}|" "$etc/kubelet-kubeadm.conf" >"$units/kubelet.service.d/10-kubeadm.conf"
}

# containerd_is VERSION: whether containerd has at least that version. Prints the one it has.
containerd_is() {
    has=$(containerd --version 2>/dev/null | awk '{ print $3 }' | sed -e 's/^v//' -e 's/[^0-9.].*//')
    echo "${has:-none}"
    is_at_least "$has" "$1"
}

is_at_least() { [ -n "$1" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# upgrade_containerd VERSION KUBERNETES: install the distribution's containerd if the present one is older than the first
# version, which the second one needs; fail if both are. An empty version is any.
upgrade_containerd() {
    if [ -z "$1" ] || found=$(containerd_is "$1"); then return; fi
    [ "$PACKAGES" = apt ] || too_old_containerd "$found" "$1" "$2"
    install containerd
    systemctl restart containerd
    found=$(containerd_is "$1") || fail "containerd $found is installed and Kubernetes $2 needs $1 or" \
        "newer (label containerd_version): use an image with it, or add a source of packages that has it"
}

# too_old_containerd VERSION NEEDED KUBERNETES: fail where containerd is part of the image.
too_old_containerd() {
    fail "containerd $1 is part of the image and Kubernetes $3 needs $2 or newer (label containerd_version):" \
        "use a newer image for these nodes"
}
