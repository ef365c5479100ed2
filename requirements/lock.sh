#!/usr/bin/env bash
# Writes the locks anew: one per way to install Pinhole, for CPython 3.11 to 3.13 on Linux, x86-64
# and aarch64 alike, every file by its hash. Run it after changing pyproject.toml: `make lock`.
set -euo pipefail
cd "$(dirname "$0")/.."
UV=${UV:-.venv/bin/uv}
export UV_CUSTOM_COMPILE_COMMAND="make lock"
for name in camera pinning dashboard yolo-slim yolo up dev; do
  "$UV" pip compile pyproject.toml --extra "$name" --universal --python-version 3.11 \
    --generate-hashes --no-emit-index-url --no-emit-find-links --quiet \
    --prerelease if-necessary-or-explicit \
    --output-file "requirements/$name.lock" "$@"
done
