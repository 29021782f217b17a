#!/usr/bin/env bash
# N orders of its own through a WooCommerce shop that is given by its URL; what it proves is in docs/real-run.md.
#
#   KIND=woocommerce URL=https://shop.example KEY=ck_… SECRET=cs_… [N=20] scripts/real-shop.sh
#
# HIKIATE_BIN    a built program                (else: cargo build)
# SEED           repeats the moments of the kills
# REAL_LIMIT     seconds until it gives up      (450)
# KEEP=1         keeps a good run's folder, and its orders and products in the shop (a failed run's are always kept)
# REMOVE=FOLDER  only removes from the shop what a run has left there, by that run's folder
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
    echo "real-shop: $1" >&2
    echo "usage: make real-shop KIND=woocommerce URL=https://shop.example KEY=ck_… SECRET=cs_… [N=20] [KEEP=1]" >&2
    exit 2
}

[[ "${KIND:-}" == woocommerce ]] || usage "KIND=${KIND:-} is no kind of shop that this run knows"
for name in URL KEY SECRET; do
    [[ -n "${!name:-}" ]] || usage "$name is missing"
done
export URL KEY SECRET PYTHONPATH=scripts/real
if [[ -n "${REMOVE:-}" ]]; then
    exec python3 -B scripts/real_shop/main.py --remove "$REMOVE"
fi
count="${N:-20}"
[[ "$count" =~ ^[0-9]+$ ]] && ((10#$count >= 5 && 10#$count <= 100)) || usage "N=$count: 5 to 100 orders"

if [[ -n "${HIKIATE_BIN:-}" ]]; then
    binary="$HIKIATE_BIN"
else
    env -u KEY -u SECRET -u MAKEFLAGS cargo build --bin hikiate
    binary="${CARGO_TARGET_DIR:-target}/debug/hikiate"
fi

run=(python3 -B scripts/real_shop/main.py --binary "$binary" --orders "$((10#$count))" --limit "${REAL_LIMIT:-450}")
[[ -z "${SEED:-}" ]] || run+=(--seed "$SEED")
[[ "${KEEP:-}" != 1 ]] || export REAL_KEEP=1
exec "${run[@]}"
