#!/bin/sh
# Create .venv with all dependencies, on a machine with python3.11 or newer, make and git.
# Rule: only the interpreter of the machine is used; versions come from uv.lock.
set -eu
cd "$(dirname "$0")/.."

stamp=.venv/.jeroboam-setup
if [ -e "$stamp" ] && [ "$stamp" -nt uv.lock ] && [ "$stamp" -nt pyproject.toml ]; then exit 0; fi

find_python() {
    for name in python3.11 python3.12 python3.13 python3.14 python3; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    echo "setup: needs python3.11 or newer" >&2
    exit 1
}

# Debian's Python has no pip and ensurepip; the package with pip's wheel can be unpacked without root.
pip_from_package() {
    echo "setup: this Python has no pip; downloading the package python3-pip-whl" >&2
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    if ! (cd "$work" && apt-get download -q python3-pip-whl >/dev/null 2>&1); then
        mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
        options="-o Dir::State::lists=$work/lists -o Dir::Cache=$work/cache -o APT::Sandbox::User= -o Debug::NoLocking=1"
        # shellcheck disable=SC2086 # the options contain no spaces
        (apt-get -q $options update && cd "$work" && apt-get -q $options download python3-pip-whl) >&2
    fi
    dpkg-deb -x "$work"/python3-pip-whl_*.deb "$work/tree"
    wheel=$(ls "$work"/tree/usr/share/python-wheels/pip-*.whl)
    PYTHONPATH="$wheel" .venv/bin/python -m pip install -q uv
}

python=$(find_python)
echo "setup: $($python --version) at $python"
if [ ! -x .venv/bin/python ]; then "$python" -m venv --without-pip .venv; fi
if [ ! -x .venv/bin/uv ]; then
    if .venv/bin/python -m ensurepip -q 2>/dev/null; then
        .venv/bin/python -m pip install -q uv
    elif "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m pip -q --python .venv/bin/python install uv
    else
        pip_from_package
    fi
fi
echo "setup: installing the packages of uv.lock"
# --inexact keeps uv, which is not in the lock file.
UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never .venv/bin/uv sync -q --frozen --inexact --all-extras --compile-bytecode --python .venv/bin/python
# Once, instead of by each of the processes that a sandbox starts at the same time.
.venv/bin/python -m compileall -q -j 0 jeroboam services shared sandbox cli || :
touch "$stamp"
