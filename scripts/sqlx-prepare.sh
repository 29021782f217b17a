#!/usr/bin/env bash
# Writes .sqlx, what the checked queries need to build without a database.
#
#   scripts/sqlx-prepare.sh           rewrite .sqlx from migrations/ and the queries
#   scripts/sqlx-prepare.sh --check   change nothing; fail and list the files that differ
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ -z "${HIKIATE_TEST_PG:-}" ]]; then
    exec scripts/with-postgres.sh "$0" "$@"
fi
mode="${1:-write}"
[[ "$mode" == write || "$mode" == --check ]] || { echo "usage: scripts/sqlx-prepare.sh [--check]" >&2; exit 2; }

name="hikiate_sqlx_$$"
url="${HIKIATE_TEST_PG/\/postgres\?//$name?}"
target="${CARGO_TARGET_DIR:-target}"
mkdir -p "$target"
fresh="$(cd "$target" && pwd)/sqlx"
rm -rf "$fresh"
mkdir "$fresh"

run_sql() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }
run_sql -d "$HIKIATE_TEST_PG" -c "CREATE DATABASE $name"
drop() { run_sql -d "$HIKIATE_TEST_PG" -c "DROP DATABASE IF EXISTS $name WITH (FORCE)"; }
trap drop EXIT
for file in migrations/*.sql; do
    [[ -e "$file" ]] || break
    run_sql -d "$url" -1 -f "$file"
done

# The macros write what they asked the database, and only a fresh expansion asks for everything. All
# checked queries are in the library; tests use unchecked ones.
touch src/lib.rs
SQLX_OFFLINE=false DATABASE_URL="$url" SQLX_OFFLINE_DIR="$fresh" \
    cargo check -q -p hikiate --lib --all-features
# The next offline build must not take these results for its own.
touch src/lib.rs

mkdir -p .sqlx
if [[ "$mode" == --check ]]; then
    if diff -rq .sqlx "$fresh"; then
        echo "sqlx: $(find "$fresh" -name '*.json' | wc -l | tr -d ' ') queries, .sqlx is up to date"
    else
        echo "sqlx: .sqlx differs from the queries and migrations (above); run make sqlx" >&2
        exit 1
    fi
else
    find .sqlx -name 'query-*.json' -delete
    find "$fresh" -name 'query-*.json' -exec cp {} .sqlx/ \;
    echo "sqlx: $(find .sqlx -name '*.json' | wc -l | tr -d ' ') queries written to .sqlx"
fi
