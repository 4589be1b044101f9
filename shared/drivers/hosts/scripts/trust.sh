#!/bin/sh
# The certificate authorities that a node trusts besides those of its system; sourced after functions.sh.
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam

# trust_extra_authorities SERVICE...: have the system's trust store contain the authorities of authorities.pem, and no longer
# those that came with an earlier bootstrap. Services read the store only when they start, so those that run are
# restarted; it is repeated until that is done.
trust_extra_authorities() {
    [ -s "$etc/authorities.pem" ] || [ -f "$etc/authorities.applied" ] || return 0
    if cmp -s "$etc/authorities.pem" "$etc/authorities.applied"; then return; fi
    step "change the authorities that this machine trusts"
    find_trust_store
    mkdir -p "$anchors"
    rm -f "$anchors"/jeroboam-*."$ending"
    awk -v start="$anchors/jeroboam-" -v ending=".$ending" '
        /^-----BEGIN/ { number += 1 }
        number { print >(start number ending) }' "$etc/authorities.pem"
    $update >"$etc/authorities.log" 2>&1 || fail "the authorities could not be trusted: $(why "$etc/authorities.log")"
    for service; do systemctl try-restart "$service"; done
    cp "$etc/authorities.pem" "$etc/authorities.applied"
}

# find_trust_store: the directory and the program of the system's trust store. That of Fedora and CentOS is p11-kit's;
# Flatcar has the program of Debian, but /usr cannot be written there, and it reads another directory.
find_trust_store() {
    ending=crt
    if command -v update-ca-trust >/dev/null; then
        anchors=$root/etc/pki/ca-trust/source/anchors update="update-ca-trust extract"
        return
    fi
    if ! command -v update-ca-certificates >/dev/null && command -v apt-get >/dev/null; then install ca-certificates; fi
    command -v update-ca-certificates >/dev/null ||
        fail "the image has neither update-ca-certificates nor update-ca-trust: use another image"
    anchors=$root/usr/local/share/ca-certificates update=update-ca-certificates
    mkdir -p "$anchors" 2>/dev/null || anchors=$root/etc/ssl/certs ending=pem
}
