#!/usr/bin/env bash
# Runs a command beside a throw-away PostgreSQL cluster, and stops the cluster whatever happens.
#
#   scripts/with-postgres.sh COMMAND [ARGUMENT…]
#
# The command finds the cluster's address in HIKIATE_TEST_PG (a URL of its `postgres` database, over a
# unix socket; no TCP). Inside another with-postgres.sh the outer cluster is used. fsync is off: nothing
# in it is meant to survive.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

(($# > 0)) || { echo "usage: scripts/with-postgres.sh COMMAND [ARGUMENT…]" >&2; exit 2; }
[[ -z "${HIKIATE_TEST_PG:-}" ]] || exec "$@"

bin="$(pg_bin)" || { echo "with-postgres: no PostgreSQL here; run scripts/install-postgres.sh" >&2; exit 1; }

base="${TMPDIR:-/tmp}"
# In memory where there is plenty: 4 GB free.
if [[ -z "${TMPDIR:-}" && -w /dev/shm && "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt 4194304 ]]; then
    base=/dev/shm
fi
# A socket path has room for about 100 bytes.
((${#base} < 60)) || base=/tmp
dir="$(mktemp -d "${base%/}/hikiate-pg.XXXXXX")"
command=""

finish() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP
    if [[ -n "$command" ]] && kill -0 "$command" 2>/dev/null; then
        kill -TERM "$command" 2>/dev/null || true
        wait "$command" 2>/dev/null || true
    fi
    if [[ -f "$dir/data/postmaster.pid" ]]; then
        (cd / && as_pg_user "$bin/pg_ctl" stop -D "$dir/data" -m immediate -w -t 30 >/dev/null 2>&1) || true
    fi
    rm -rf -- "$dir"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

chmod 0700 "$dir"
[[ "$(id -u)" != 0 ]] || chown "$(pg_user)" "$dir"

fail() {
    echo "with-postgres: $1" >&2
    tail -n 5 "$dir/log" >&2 || true
    exit 1
}

cd "$dir"
as_pg_user env LC_ALL=C "$bin/initdb" --pgdata "$dir/data" --username hikiate --auth trust --encoding UTF8 \
    --locale C --no-sync >"$dir/log" 2>&1 || fail "initdb failed:"
settings="-c listen_addresses= -c unix_socket_directories=$dir -c port=5432 -c fsync=off"
settings+=" -c wal_level=minimal -c max_wal_senders=0 -c update_process_title=off -c max_wal_size=4GB -c checkpoint_timeout=1h"
# What counts statements, where PostgreSQL's own extensions are installed.
[[ ! -f "$bin/../lib/pg_stat_statements.so" ]] || settings+=" -c shared_preload_libraries=pg_stat_statements -c pg_stat_statements.max=50000"
# Tests run on all cores at once, each with a pool or two of its own.
connections=$((200 + 20 * $(getconf _NPROCESSORS_ONLN)))
settings+=" -c full_page_writes=off -c synchronous_commit=off -c max_connections=$connections -c timezone=UTC -c jit=off"
as_pg_user env LC_ALL=C "$bin/pg_ctl" start -D "$dir/data" -w -t 60 -l "$dir/data/server.log" -o "$settings" \
    </dev/null >>"$dir/log" 2>&1 || fail "the server did not start:"
cd - >/dev/null

export HIKIATE_TEST_PG="postgres://hikiate@localhost/postgres?host=$dir&port=5432&sslmode=disable"
# In the background, so that a signal to this script is acted on at once.
"$@" <&0 &
command=$!
status=0
wait "$command" || status=$?
command=""
exit "$status"
