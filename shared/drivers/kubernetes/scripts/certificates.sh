#!/bin/sh
# Updates a member's certificates to the cluster's current authorities; sourced by node.sh.
#
# Rule: $etc/pki contains the current authorities: all trusted certificates, the signing one first. Everything that
# differs is updated, so this can be interrupted at any point and repeated, and does nothing if nothing differs.
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
kubernetes=$root/etc/kubernetes
pki=$kubernetes/pki
kubelet_pki=$root/var/lib/kubelet/pki
signed_by_ca="apiserver.crt apiserver-kubelet-client.crt"
signed_by_etcd="etcd/server.crt etcd/peer.crt etcd/healthcheck-client.crt apiserver-etcd-client.crt"
kubeconfigs="admin super-admin controller-manager scheduler"

# Copy the authorities to kubeadm's directory. For signing, the controller manager accepts only one certificate.
lay_authorities() {
    mkdir -p "$pki"
    cp -a "$etc/pki/." "$pki/"
    [ "$MASTER" != yes ] || openssl x509 -in "$pki/ca.crt" -out "$pki/ca-signing.crt"
}

are_laid() {
    (cd "$etc/pki" && find . -type f) | while read -r file; do cmp -s "$etc/pki/$file" "$pki/$file" || exit 1; done
}

# certified CERTIFICATE AUTHORITIES: whether the first of AUTHORITIES has signed CERTIFICATE.
certified() {
    openssl x509 -in "$2" -out "$work/signer" &&
        openssl verify -no-CApath -CAfile "$work/signer" "$1" >/dev/null 2>&1
}

# kubeconfig_certified FILE: the same for the client certificate in a kubeconfig.
kubeconfig_certified() {
    sed -n 's/^ *client-certificate-data: *//p' "$1" | base64 -d >"$work/client"
    certified "$work/client" "$pki/ca.crt"
}

master_certified() {
    for file in $signed_by_ca; do certified "$pki/$file" "$pki/ca.crt" || return 1; done
    for file in $signed_by_etcd; do certified "$pki/$file" "$pki/etcd/ca.crt" || return 1; done
    certified "$pki/front-proxy-client.crt" "$pki/front-proxy-ca.crt" || return 1
    for name in $kubeconfigs; do
        [ ! -f "$kubernetes/$name.conf" ] || kubeconfig_certified "$kubernetes/$name.conf" || return 1
    done
}

# replace FILE: replace the file atomically with standard input; keeps its mode.
replace() {
    cp -p "$1" "$etc/replacement"
    cat >"$etc/replacement"
    mv "$etc/replacement" "$1"
}

# Update the trusted authorities in all kubeconfigs.
trust_authorities() {
    trusted=$(base64 -w 0 <"$pki/ca.crt")
    for file in "$kubernetes"/*.conf; do
        sed "s|^\( *certificate-authority-data:\).*|\1 $trusted|" "$file" >"$work/conf"
        cmp -s "$work/conf" "$file" || replace "$file" <"$work/conf"
    done
}

# Update the trusted authorities for nodes that join later.
announce_authorities() {
    kubectl -n kube-public get configmap cluster-info -o yaml |
        sed "s|\(certificate-authority-data:\).*|\1 $trusted|" | kubectl replace -f -
}

# The kubelet restarts a static pod when its manifest changes, so add a label with a hash of all files that it reads.
restart_control_plane() {
    mark=$(cat "$pki"/*.crt "$pki"/etcd/*.crt "$pki/sa.pub" "$kubernetes"/*.conf | sha256sum | cut -c 1-32)
    for manifest in "$kubernetes"/manifests/*.yaml; do
        sed -e '/^    jeroboam-certificates:/d' -e "s/^    component: .*/&\n    jeroboam-certificates: \"$mark\"/" \
            "$manifest" >"$work/manifest"
        cmp -s "$work/manifest" "$manifest" || replace "$manifest" <"$work/manifest"
    done
    for component in etcd kube-apiserver kube-controller-manager kube-scheduler; do
        until_done 300 "$component did not become ready with the new certificates" has_restarted "$component"
    done
}

has_restarted() {
    found=$(kubectl -n kube-system get pod "$1-$NODE_NAME" \
        -o 'jsonpath={.metadata.labels.jeroboam-certificates}{" "}{.status.conditions[?(@.type=="Ready")].status}')
    [ "$found" = "$mark True" ] || {
        echo "$found"
        return 1
    }
}

# Kubelets get new tokens for their pods when they start. Wait until no pod of this node has one of another key, because
# that key is removed in a later round; pods that are stuck do not block.
renew_tokens() {
    runs=60
    until have_new_tokens; do
        runs=$((runs - 1))
        [ "$runs" -gt 0 ] || {
            echo "pods still have a token of an old key: $stale"
            return 0
        }
        sleep "${JEROBOAM_RETRY_SECONDS:-3}"
    done
}

have_new_tokens() {
    signing=$(signing_key)
    for stale in "$root"/var/lib/kubelet/pods/*/volumes/kubernetes.io~projected/*/*; do
        [ -f "$stale" ] || continue
        key=$(key_of_token <"$stale" 2>/dev/null)
        [ -z "$key" ] || [ "$key" = "$signing" ] || return 1
    done
}

# Replace the kubelet's key and certificate; Jeroboam's API signs the certificate.
certify_kubelet() {
    if certified "$kubelet_pki/kubelet-client-current.pem" "$pki/ca.crt"; then return; fi
    step "renew the kubelet's certificate"
    certify "/O=system:nodes/CN=system:node:$NODE_NAME" "$work/key" "$work/certificate"
    (umask 077 && cat "$work/certificate" "$work/key" >"$kubelet_pki/kubelet-client-$(date +%Y-%m-%d-%H-%M-%S).pem")
    newest=$(cd "$kubelet_pki" && find . -name 'kubelet-client-2*.pem' | sort | tail -n 1)
    ln -s "$newest" "$kubelet_pki/kubelet-client-next.pem"
    mv -T "$kubelet_pki/kubelet-client-next.pem" "$kubelet_pki/kubelet-client-current.pem"
}

follow_authorities() {
    unfinished=$root/var/lib/jeroboam/authorities-unfinished
    if are_laid && [ ! -f "$unfinished" ]; then return; fi
    step "update the certificate authorities"
    : >"$unfinished"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    # While masters change their key, those that have not done so sign with the old one.
    keys_change=no
    cmp -s "$etc/pki/sa.pub" "$pki/sa.pub" || keys_change=$MASTER
    lay_authorities
    if [ "$MASTER" = yes ] && ! master_certified; then
        step "renew the control plane's certificates"
        kubeadm certs renew all || fail "kubeadm certs renew failed"
    fi
    trust_authorities
    certify_kubelet
    systemctl restart kubelet
    if [ "$MASTER" = yes ]; then
        step "restart the control plane"
        as_admin 300
        restart_control_plane
        until_done 120 "the trusted authorities in the ConfigMap cluster-info could not be updated" announce_authorities
        remove_join_token
    fi
    [ "$keys_change" = yes ] || renew_tokens
    rm "$unfinished"
}
