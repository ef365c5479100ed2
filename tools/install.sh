#!/usr/bin/env bash
# Makes a virtual environment and installs locks into it, every file checked by its hash, and the
# project itself in place.
#
#   tools/install.sh .venv requirements/up.lock …
#
# TORCH_INDEX_URL names a package index of PyTorch's own; its builds have other hashes than the
# lock's, so torch alone is then installed in the lock's version without one.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
shift
python=${PYTHON:-python3}
part() { "$venv/bin/python" deploy/docker/lock_part.py "$@"; }

say() { printf '%s\n' "$*" >&2; }

if ! command -v "$python" > /dev/null; then
  say "$python is not installed: Pinhole needs Python 3.11 or newer (make PYTHON=…)"
  exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  say "$python is $("$python" --version 2>&1): Pinhole needs 3.11 or newer (make PYTHON=python3.12)"
  exit 1
fi
if [[ ! -x $venv/bin/python ]] && ! "$python" -m venv "$venv"; then
  rm -rf "$venv" # half of one would be taken for a whole one the next time
  say "$python cannot make virtual environments: install its venv module (apt: python3-venv)"
  exit 1
fi

# uv installs the locks 5 to 10 times as fast as pip; setuptools builds the project itself.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
  -r <(part only uv requirements/dev.lock) -r <(part only setuptools requirements/dev.lock)

locks=()
for lock in "$@"; do
  say "installing $lock"
  if [[ -n ${TORCH_INDEX_URL:-} ]]; then
    part without-torch "$lock" > "$venv/$(basename "$lock")"
    part torch "$lock" >> "$venv/torch.txt"
    lock=$venv/$(basename "$lock")
  fi
  locks+=(-r "$lock")
done
export VIRTUAL_ENV=$PWD/$venv
"$venv/bin/uv" pip install --require-hashes "${locks[@]}"
if [[ -s $venv/torch.txt ]]; then
  "$venv/bin/uv" pip install --no-deps --index-url "$TORCH_INDEX_URL" -r "$venv/torch.txt"
fi
"$venv/bin/uv" pip install --no-deps --no-build-isolation --editable .
