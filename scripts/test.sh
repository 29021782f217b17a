#!/usr/bin/env bash
# All tests, beside a throw-away PostgreSQL. Every test binary runs, each under a time limit of 20 minutes
# (times HIKIATE_SLOW); the last line is `N passed, N failed, N skipped`, over all of them.
#
#   scripts/test.sh [WORD…]      with words: only the binaries with one of them in their names
#   CI_STRICT=1                  what was skipped fails
#   HIKIATE_SEED=N|fresh         where tests begin that draw their inputs; 1 without it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seed="${HIKIATE_SEED:-1}"
[[ "$seed" != fresh ]] || seed="$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')"
echo "==> HIKIATE_SEED=$seed"
export HIKIATE_SEED="$seed" PROPTEST_RNG_SEED="$seed"

target="${CARGO_TARGET_DIR:-target}"
logs="$target/test-logs"
mkdir -p "$logs"
cargo test --workspace --all-features --no-run --message-format=json-render-diagnostics >"$logs/built.json"
exec scripts/with-postgres.sh "$target/debug/hikiate-prove" suite --logs "$logs" "$logs/built.json" "$@"
