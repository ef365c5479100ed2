#!/bin/sh
# Lays Pinhole's profile over a Kubo container's configuration, before its daemon starts.
#
# The official image runs what it finds in /container-init.d, after `ipfs init`, as user ipfs.
#
#   PINHOLE_KUBO_PROFILE          file of `key value` lines (deploy/kubo/render.py)
#   PINHOLE_KUBO_RPC_ADDRESS      IPv4 address on which the RPC listens, beside 127.0.0.1
#   PINHOLE_KUBO_RPC_TOKEN_FILE   the RPC's bearer token
#   PINHOLE_KUBO_PEERS            optional: JSON for Peering.Peers
set -eu

token=$(cat "$PINHOLE_KUBO_RPC_TOKEN_FILE")
[ -n "$token" ] || { echo "$PINHOLE_KUBO_RPC_TOKEN_FILE is empty" >&2; exit 1; }
[ -f "$IPFS_PATH/swarm.key" ] || { echo "no swarm.key: this node must be private" >&2; exit 1; }

wanted=$(sed -e "s|@RPC_ADDRESS@|$PINHOLE_KUBO_RPC_ADDRESS|" -e "s|@TOKEN@|$token|" "$PINHOLE_KUBO_PROFILE")
if [ -n "${PINHOLE_KUBO_PEERS:-}" ]; then
    wanted=$(printf '%s\n' "$wanted" | grep -v '^Peering\.Peers ')
    wanted=$(printf '%s\nPeering.Peers %s' "$wanted" "$PINHOLE_KUBO_PEERS")
fi

# About 60 settings at 0.1 s each: only when one of them, or Kubo itself, is another than before.
mark="$IPFS_PATH/pinhole-profile.sha256"
print=$(printf '%s\n%s\n' "$(ipfs version)" "$wanted" | sha256sum)
if [ "$(cat "$mark" 2>/dev/null)" != "$print" ]; then
    rm -f "$mark"
    printf '%s\n' "$wanted" | while IFS=' ' read -r key value; do
        ipfs config --json "$key" "$value"
    done
    printf '%s' "$print" > "$mark"
fi

# Only appends to it take effect while the node runs, so it has to be there before.
mkdir -p "$IPFS_PATH/denylists"
touch "$IPFS_PATH/denylists/erasure.deny"
