#!/bin/sh
# What runs inside a manylinux or musllinux image: builds one wheel into dist/, for the version and the platform tag given,
# and serves with it. The images have every CPython below /opt/python, and no Rust.
set -eu
version="$1" libc="$2"
tag="cp$(echo "$version" | tr -d .)"
python="/opt/python/$tag-$tag/bin/python"
[ -x "$python" ] || { echo "error: this image has no CPython $version" >&2; exit 1; }

# The installer of the Rust project; CI has no other source for musl on all machines.
curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal >/dev/null
. "$HOME/.cargo/env"

"$python" -m venv /tmp/build
/tmp/build/bin/pip install --quiet 'maturin>=1.9.4,<2'
# maturin reads what the extension links with, and fails if the tag promises an older C library.
/tmp/build/bin/maturin build --release --compatibility "$libc" --interpreter "$python" --out dist
"$python" packaging/check.py "$(ls dist/rsgi-*-"$tag"-*"$libc"*.whl)"
