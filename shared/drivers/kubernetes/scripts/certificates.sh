#!/bin/sh
# Keeps a member's certificates in step with the cluster's authorities; sourced by node.sh.
#
# Rule: $etc/pki holds the authorities as they are now: all that are to be trusted, the one that signs first. Whatever
# differs from that is mended, so it may be cut off anywhere and run again, and does nothing where nothing differs.
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam
kubernetes=$root/etc/kubernetes
pki=$kubernetes/pki
kubelet_pki=$root/var/lib/kubelet/pki
signed_by_ca="apiserver.crt apiserver-kubelet-client.crt"
signed_by_etcd="etcd/server.crt etcd/peer.crt etcd/healthcheck-client.crt apiserver-etcd-client.crt"
kubeconfigs="admin super-admin controller-manager scheduler"

# Where kubeadm and the engine look. The controller manager takes a file with one authority only to sign with.
lay_authorities() {
    mkdir -p "$pki"
    cp -a "$etc/pki/." "$pki/"
    [ "$MASTER" != yes ] || openssl x509 -in "$pki/ca.crt" -out "$pki/ca-signing.crt"
}

are_laid() {
    (cd "$etc/pki" && find . -type f) | while read -r file; do cmp -s "$etc/pki/$file" "$pki/$file" || exit 1; done
}

# certified CERTIFICATE AUTHORITIES: whether the first of them has signed it.
certified() {
    openssl x509 -in "$2" -out "$work/signer" &&
        openssl verify -no-CApath -CAfile "$work/signer" "$1" >/dev/null 2>&1
}

# kubeconfig_certified FILE: the same of the client certificate in it.
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

# replace FILE: standard input becomes the file, with the mode it had, or nothing does.
replace() {
    cp -p "$1" "$etc/replacement"
    cat >"$etc/replacement"
    mv "$etc/replacement" "$1"
}

# What reads kubeconfigs trusts what is to be trusted now.
trust_authorities() {
    trusted=$(base64 -w 0 <"$pki/ca.crt")
    for file in "$kubernetes"/*.conf; do
        sed "s|^\( *certificate-authority-data:\).*|\1 $trusted|" "$file" >"$work/conf"
        cmp -s "$work/conf" "$file" || replace "$file" <"$work/conf"
    done
}

# Nodes that join from now on are told the same.
announce_authorities() {
    kubectl -n kube-public get configmap cluster-info -o yaml |
        sed "s|\(certificate-authority-data:\).*|\1 $trusted|" | kubectl replace -f -
}

# A kubelet restarts a static pod whose manifest changes: so it gets a label that follows from all it reads.
restart_control_plane() {
    mark=$(cat "$pki"/*.crt "$pki"/etcd/*.crt "$kubernetes"/*.conf | sha256sum | cut -c 1-32)
    for manifest in "$kubernetes"/manifests/*.yaml; do
        sed -e '/^    jeroboam-certificates:/d' -e "s/^    component: .*/&\n    jeroboam-certificates: \"$mark\"/" \
            "$manifest" >"$work/manifest"
        cmp -s "$work/manifest" "$manifest" || replace "$manifest" <"$work/manifest"
    done
    for component in etcd kube-apiserver kube-controller-manager kube-scheduler; do
        until_done 300 "$component has not come back with the certificates" has_restarted "$component"
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

# The kubelet's own certificate, signed where the authorities are kept; its old key goes with it.
certify_kubelet() {
    if certified "$kubelet_pki/kubelet-client-current.pem" "$pki/ca.crt"; then return; fi
    step "certify the kubelet"
    (
        umask 077
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/key" \
            -subj "/O=system:nodes/CN=system:node:$NODE_NAME" -out "$work/csr" 2>/dev/null
        printf '{"csr": "%s"}' "$(sed 's/$/\\n/' "$work/csr" | tr -d '\n')" >"$work/request"
        until_done 300 "the kubelet's certificate was not signed" ask_certificate
        cat "$work/certificate" "$work/key" >"$kubelet_pki/kubelet-client-$(date +%Y-%m-%d-%H-%M-%S).pem"
    )
    newest=$(cd "$kubelet_pki" && find . -name 'kubelet-client-2*.pem' | sort | tail -n 1)
    ln -s "$newest" "$kubelet_pki/kubelet-client-next.pem"
    mv -T "$kubelet_pki/kubelet-client-next.pem" "$kubelet_pki/kubelet-client-current.pem"
}

ask_certificate() {
    # shellcheck source=/dev/null
    . "$etc/agent.env"
    [ ! -f "$etc/ca.pem" ] || set -- --cacert "$etc/ca.pem"
    curl --fail --silent --show-error --connect-timeout 10 --max-time 60 "$@" \
        --header "@$root/var/lib/jeroboam/auth" --header 'Content-Type: application/json' \
        --header 'Accept: application/x-pem-file' --data-binary "@$work/request" --output "$work/certificate" \
        "${JEROBOAM_URL%/}/v1/nodes/$JEROBOAM_NODE_ID/csr"
}

follow_authorities() {
    unfinished=$root/var/lib/jeroboam/authorities-unfinished
    if are_laid && [ ! -f "$unfinished" ]; then return; fi
    step "follow the cluster's authorities"
    : >"$unfinished"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
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
        until_done 120 "the cluster's authorities could not be announced" announce_authorities
    fi
    rm "$unfinished"
}
