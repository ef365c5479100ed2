#!/bin/sh
# Makes the secrets that docker-compose.yml asks for, in ./secrets, at the first start.
#
#   deploy/make-secrets.sh [DIRECTORY]
#
# What is there already is kept: run it again after an upgrade that needs one more. The directory
# lets only its owner in (0700). The files in it are readable (0444) because Compose mounts each as
# it is, and the containers' users have other numbers than yours.
set -eu
umask 077
directory=${1:-secrets}
mkdir -p "$directory"
chmod 0700 "$directory"

# 32 random bytes in base64url: letters, digits, - and _, which need no quoting anywhere.
random() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }
# Standard input becomes the secret $1, whole or not at all, unless there is one.
keep() {
    if [ ! -s "$directory/$1" ]; then
        cat > "$directory/$1.new"
        chmod 0444 "$directory/$1.new"
        mv -f "$directory/$1.new" "$directory/$1"
        echo "made $directory/$1"
    fi
}

random | keep postgres_password
printf 'postgresql://pinhole:%s@postgres:5432/pinhole' "$(cat "$directory/postgres_password")" \
    | keep pinhole_postgres_dsn
printf '/key/swarm/psk/1.0.0/\n/base16/\n%s\n' "$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')" \
    | keep swarm_key
for token in dashboard_pinning_token dashboard_yolo_token yolo_pinning_token; do
    printf 'pnh_%s' "$(random)" | keep "$token"
done
# An Ed25519 private key is any 32 random bytes: the key of the profile's own camera.
printf 'whsk_%s' "$(head -c 32 /dev/urandom | base64 | tr -d '\n')" | keep camera_key
for secret in pinning_kubo_rpc_token camera_kubo_rpc_token metrics_token grafana_admin_password; do
    random | keep "$secret"
done
