#!/usr/bin/env bash
# 20 orders through a real Medusa, SFTP and SMTP server to a journal that hledger accepts, the daemon killed
# three times on the way, and seven more that are paid at an emulator of Stripe; what it proves is in docs/real-run.md. Leaves the lab's servers running.
#
#   scripts/real.sh [SEED]
#
# HIKIATE_LAB    the lab's scripts            (../shared/lab beside the checkout)
# LAB            where its servers keep state (as the lab has it: $TMPDIR/hikiate-lab)
# HIKIATE_BIN    a built program              (else: cargo build)
# REAL_LIMIT     seconds until it gives up    (900)
# REAL_KEEP=1    keeps the run's folder       (a failed run's is always kept)
# REAL_STOP_LAB=1 stops the lab's servers at the end
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A worktree lies deeper than the main checkout; both find what lies beside the latter.
main="$(cd "$(git rev-parse --git-common-dir 2>/dev/null || echo .git)/.." && pwd)"
lab="${HIKIATE_LAB:-$main/../shared/lab}"
for script in medusa/up.sh localstripe/up.sh infra/up.sh accounting/up.sh; do
    if [[ ! -f "$lab/$script" ]]; then
        echo "real: $lab/$script is missing. This run needs the lab (real Medusa, SFTP, SMTP and hledger, and a Stripe emulator); set HIKIATE_LAB to its folder." >&2
        exit 2
    fi
done
export LAB="${LAB:-${TMPDIR:-/tmp}/hikiate-lab}"

if [[ -n "${HIKIATE_BIN:-}" ]]; then
    binary="$HIKIATE_BIN"
else
    cargo build --bin hikiate
    binary="${CARGO_TARGET_DIR:-target}/debug/hikiate"
fi

mkdir -p "$LAB/log"
for part in medusa localstripe infra accounting; do
    echo "real: starting the lab's $part; the first time takes minutes"
    bash "$lab/$part/up.sh" >"$LAB/log/real-up-$part.log" 2>&1 </dev/null || {
        echo "real: $lab/$part/up.sh failed:" >&2
        tail -n 20 "$LAB/log/real-up-$part.log" >&2
        exit 2
    }
done

run=(python3 -B scripts/real/main.py --lab "$LAB" --binary "$binary" --limit "${REAL_LIMIT:-900}")
[[ $# -eq 0 ]] || run+=(--seed "$1")
# Signals then reach the run itself, which ends what it started.
[[ "${REAL_STOP_LAB:-}" == 1 ]] || exec "${run[@]}"
status=0
"${run[@]}" || status=$?
bash "$lab/medusa/up.sh" stop >/dev/null
bash "$lab/localstripe/up.sh" stop >/dev/null
bash "$lab/infra/up.sh" stop >/dev/null
exit "$status"
