#!/usr/bin/env bash
# Builds the previous release's program, for the test that lets it meet this version's schema.
#
#   scripts/previous.sh        prints the program's path; nothing but a reason when it cannot be built
#
# The commit is in .ci/previous-release. Dependencies are shared with this checkout's own build (the same target
# folder, the same features); only our own crates are built, into folders of their own. The result is kept as
# TARGET/previous/hikiate and built again only for another commit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

commit="$(<.ci/previous-release)"
if ! git cat-file -e "$commit^{commit}" 2>/dev/null; then
    echo "previous: SKIPPED, the history here does not reach back to $commit (a shallow clone, or no git)" >&2
    exit 0
fi
mkdir -p "${CARGO_TARGET_DIR:-target}/previous"
target="$(cd "${CARGO_TARGET_DIR:-target}" && pwd)"
kept="$target/previous"
if [[ -x "$kept/hikiate" && "$(cat "$kept/commit" 2>/dev/null)" == "$commit" ]]; then
    echo "$kept/hikiate"
    exit 0
fi

rm -rf "$kept/source"
mkdir "$kept/source"
git archive "$commit" | tar -x -C "$kept/source"
# Another version is another package to cargo: its crates do not take the place of this checkout's.
sed -i '0,/^version = "/s/^version = "[^"]*/&-previous/' "$kept/source/Cargo.toml"
# What this checkout's own build has put in that place.
ours="$target/debug/hikiate"
[[ ! -e "$ours" ]] || cp -p "$ours" "$kept/ours"
# --examples (there are none) makes cargo choose the features of dependencies as for tests, so that they are shared.
(
    cd "$kept/source"
    CARGO_TARGET_DIR="$target" cargo build -q --workspace --all-features --bin hikiate --examples
) >&2
cp -p "$ours" "$kept/hikiate"
[[ ! -e "$kept/ours" ]] || mv -f "$kept/ours" "$ours"
echo "$commit" >"$kept/commit"
rm -rf "$kept/source"
echo "$kept/hikiate"
