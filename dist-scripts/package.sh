#!/usr/bin/env bash
# Makes the plugin's zip, dist/buutech-lotwise-datasource-VERSION.linux_amd64.zip: the front end, and
# the back end linked statically, because Grafana's image (Alpine) has no glibc. The same commit
# gives the same file names, order, modes and times.
set -euo pipefail
umask 022
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"

PLUGIN=buutech-lotwise-datasource
TARGET=x86_64-unknown-linux-gnu

set_cache
cd "$LOTWISE_ROOT"
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
grep -q "\"version\": \"$VERSION\"" frontend/package.json ||
    die "Cargo.toml says version $VERSION, frontend/package.json another: make them agree"
# The time of the last commit stands for the time of the build.
EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 315532800)}

need_rust
need_packages build-essential ca-certificates zip
need_front_end
say "building gpx_lotwise"
# --target keeps the flag away from build scripts and procedural macros.
RUSTFLAGS="-C target-feature=+crt-static" logged "$CACHE/log/package-cargo.log" "cargo build" \
    cargo build --release --locked --target "$TARGET" --bin gpx_lotwise

STAGE=$(mktemp -d "$CACHE/package.XXXXXX")
at_exit() { rm -rf "$STAGE"; }
cp -rL frontend/dist "$STAGE/$PLUGIN"
for file in module.js plugin.json README.md CHANGELOG.md LICENSE; do
    [ -s "$STAGE/$PLUGIN/$file" ] || die "the front end's build has no $file"
done
sed -i "s/\"updated\": \"[^\"]*\"/\"updated\": \"$(date -u -d "@$EPOCH" +%F)\"/" "$STAGE/$PLUGIN/plugin.json"
cp "${CARGO_TARGET_DIR:-target}/$TARGET/release/gpx_lotwise" "$STAGE/$PLUGIN/gpx_lotwise_linux_amd64"
find "$STAGE/$PLUGIN" -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
chmod 755 "$STAGE/$PLUGIN/gpx_lotwise_linux_amd64"
find "$STAGE/$PLUGIN" -exec touch -h -d "@$EPOCH" {} +

ZIP=$LOTWISE_ROOT/dist/$PLUGIN-$VERSION.linux_amd64.zip
mkdir -p "$LOTWISE_ROOT/dist"
rm -f "$ZIP"
(cd "$STAGE" && find "$PLUGIN" -type f | LC_ALL=C sort | TZ=UTC zip -q -X -@ "$ZIP")
say "made $ZIP ($(du -h "$ZIP" | cut -f1), sha256 $(sha256sum "$ZIP" | cut -c1-16)...)"
echo "$ZIP"
