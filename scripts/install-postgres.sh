#!/usr/bin/env bash
# Makes sure PostgreSQL's server programs are here, installing them with the system's package manager
# where that needs no question (root, or sudo without a password); else prints the one line to type.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

if pg_bin >/dev/null; then exit 0; fi

root=()
[[ "$(id -u)" == 0 ]] || root=(sudo)
may=yes
[[ "$(id -u)" == 0 ]] || sudo -n true 2>/dev/null || may=no

if command -v apt-get >/dev/null; then
    # No cluster of the system's own: this program runs its private one.
    if [[ -d /etc/postgresql-common || $may == no ]]; then :; else
        ${root[@]+"${root[@]}"} mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' |
            ${root[@]+"${root[@]}"} tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    line="apt-get install -y --no-install-recommends postgresql"
    prepare="apt-get update -q"
elif command -v dnf >/dev/null; then
    line="dnf install -y postgresql-server"
    prepare=true
elif command -v brew >/dev/null; then
    root=()
    may=yes
    line="brew install postgresql"
    prepare=true
else
    echo "install-postgres: PostgreSQL is missing, and there is no apt, dnf or brew; install PostgreSQL 14 or later" >&2
    echo "and put its bin folder on the PATH or into HIKIATE_PG_BIN" >&2
    exit 1
fi

if [[ $may == no ]]; then
    echo "install-postgres: PostgreSQL is missing. Type:" >&2
    echo "    sudo ${line}" >&2
    exit 1
fi

echo "install-postgres: ${root[*]-} ${line}"
# shellcheck disable=SC2086 # both are word lists
${root[@]+"${root[@]}"} $prepare
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive ${root[@]+"${root[@]}"} $line
pg_bin >/dev/null || { echo "install-postgres: installed, but postgres, initdb and pg_ctl were not found" >&2; exit 1; }
