#!/bin/sh
# Docker's volume plug-ins on a node; sourced after functions.sh.
root=${JEROBOAM_ROOT:-}
etc=$root/etc/jeroboam

# install_plugins: install and enable the plug-ins of the files in volume-plugins, which are named after their alias.
install_plugins() {
    for file in "$etc"/volume-plugins/*; do
        [ ! -f "$file" ] || install_plugin "${file##*/}" "$file"
    done
}

# install_plugin ALIAS FILE: the first line of the file is the image, the others are settings.
install_plugin() {
    alias=$1 errors=$etc/volume-plugins.log
    [ "$(timeout 30 docker plugin inspect --format '{{.Enabled}}' "$alias" 2>/dev/null)" != true ] || return 0
    step "install the volume plug-in $alias"
    {
        read -r image
        set --
        while IFS= read -r setting; do set -- "$@" "$setting"; done
    } <"$2"
    if timeout 30 docker plugin inspect "$alias" >/dev/null 2>&1; then
        enable_plugin "$alias" "$@"
    else
        timeout 300 docker plugin install --grant-all-permissions --alias "$alias" "$image" "$@"
    fi >/dev/null 2>"$errors" ||
        fail "the volume plug-in $alias (label docker_volume_plugins) could not be installed: $(why "$errors")"
    rm -f "$errors"
}

# enable_plugin ALIAS SETTING...: finish an installation that was interrupted.
enable_plugin() {
    plugin=$1
    shift
    [ "$#" -eq 0 ] || timeout 30 docker plugin set "$plugin" "$@" || return 1
    timeout 120 docker plugin enable --timeout 60 "$plugin"
}
