#!/usr/bin/env bash
# Makes what is handed out, in dist/: the plugin's zip, a tarball and a Debian package of `lotwise`,
# the lists of what is in them (CycloneDX), and checksums. Programs are linked statically, because
# Grafana's image (Alpine) has no glibc. The same commit and compiler give the same bytes.
set -euo pipefail
umask 022
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"
# shellcheck source=dist-scripts/cross.sh
. "$(dirname "$0")/cross.sh"

usage() {
    cat <<'TEXT'
usage: dist-scripts/package.sh [OPTIONS]
  --arch amd64|arm64   again for both; default: amd64
  --programs FOLDER    programs that are built already, instead of building them (one --arch; tests)
  --out FOLDER         default: dist
  --no-sbom            without the lists of components
  --fast               compresses little (tests)
Signs the plugin when GRAFANA_ACCESS_POLICY_TOKEN is set; GRAFANA_ROOT_URLS, the addresses of the
Grafanas that may load it (comma-separated), makes the signature a private one.
TEXT
}

PLUGIN=buutech-lotwise-datasource
ARCHES=() PROGRAMS='' OUT='' SBOM=1 ZIP_LEVEL=6 GZIP_LEVEL=9 XZ_LEVEL=6
while [ $# -gt 0 ]; do
    case $1 in
        --arch)
            case ${2:-} in amd64 | arm64) ARCHES+=("$2") ;; *) die "--arch is amd64 or arm64" ;; esac
            shift 2 ;;
        --programs) PROGRAMS=$(cd "${2:?--programs needs a folder}" && pwd); shift 2 ;;
        --out) OUT=${2:?--out needs a folder}; shift 2 ;;
        --no-sbom) SBOM=; shift ;;
        --fast) ZIP_LEVEL=1 GZIP_LEVEL=1 XZ_LEVEL=0; shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
[ ${#ARCHES[@]} -gt 0 ] || ARCHES=(amd64)
[ -z "$PROGRAMS" ] || [ ${#ARCHES[@]} = 1 ] || die "--programs are of one --arch"

set_cache
mkdir -p "${OUT:=$LOTWISE_ROOT/dist}"
OUT=$(cd "$OUT" && pwd)
cd "$LOTWISE_ROOT"
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
grep -q "\"version\": \"$VERSION\"" frontend/package.json ||
    die "Cargo.toml says version $VERSION, frontend/package.json another: make them agree"
# The time of the last commit stands for the time of the build.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 315532800)}

STAGE=$(mktemp -d "$CACHE/package.XXXXXX")
at_exit() { rm -rf "$STAGE"; }

rust_target() { case $1 in amd64) echo x86_64-unknown-linux-gnu ;; arm64) echo aarch64-unknown-linux-gnu ;; esac; }

# build ARCH: the programs of ARCH; prints their folder.
build() {
    local target env=() remap
    target=$(rust_target "$1")
    CROSS_ENV=()
    [ "$target" = "$(rustc -vV | sed -n 's/^host: //p')" ] || need_cross
    # No folder of this machine in the programs. --target keeps the flags away from build scripts.
    remap="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$LOTWISE_ROOT=/lotwise"
    env=("${CROSS_ENV[@]}" RUSTFLAGS="-C target-feature=+crt-static $remap"
        CFLAGS="-ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=/cargo")
    say "building the programs for $1"
    logged "$CACHE/log/package-cargo-$1.log" "cargo build for $1" env "${env[@]}" \
        cargo build --release --locked --target "$target" --bin gpx_lotwise --bin lotwise
    for program in gpx_lotwise lotwise; do
        ! has_interpreter "${CARGO_TARGET_DIR:-target}/$target/release/$program" || die "$program is not linked statically"
    done
    BUILT=${CARGO_TARGET_DIR:-target}/$target/release
}

# has_interpreter PROGRAM: does it need a dynamic linker?
has_interpreter() { LC_ALL=C readelf --program-headers --wide "$1" | grep -q INTERP; }

# plain FOLDER: modes and times that do not depend on this machine. Programs are made executable by name.
plain() {
    find "$1" -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
    find "$1" -type f \( -name 'gpx_lotwise_*' -o -path '*/bin/lotwise' \) -exec chmod 755 {} +
    find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# plugin_zip ARCH PROGRAMS
plugin_zip() {
    local folder=$STAGE/plugin-$1/$PLUGIN zip=$OUT/$PLUGIN-$VERSION.linux_$1.zip file
    mkdir -p "$STAGE/plugin-$1"
    cp -rL frontend/dist "$folder"
    for file in module.js module.js.map plugin.json README.md CHANGELOG.md LICENSE; do
        [ -s "$folder/$file" ] || die "the front end's build has no $file"
    done
    sed -i "s/\"updated\": \"[^\"]*\"/\"updated\": \"$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)\"/" "$folder/plugin.json"
    cp "$2/gpx_lotwise" "$folder/gpx_lotwise_linux_$1"
    plain "$folder"
    sign "$folder"
    plain "$folder"
    rm -f "$zip"
    (cd "$STAGE/plugin-$1" && find "$PLUGIN" -type f | LC_ALL=C sort | TZ=UTC zip -q -X "-$ZIP_LEVEL" -@ "$zip")
    made_file "$zip"
}

# sign FOLDER: adds MANIFEST.txt, Grafana's signature, where there is a token for it.
sign() {
    [ -n "${GRAFANA_ACCESS_POLICY_TOKEN:-}" ] || return 0
    local roots=()
    [ -z "${GRAFANA_ROOT_URLS:-}" ] || roots=(--rootUrls "$GRAFANA_ROOT_URLS")
    say "signing"
    # The version is fixed: this program sees the token.
    logged "$CACHE/log/sign.log" "signing" npx --yes @grafana/sign-plugin@3.3.3 --distDir "$1" "${roots[@]}"
    [ -s "$1/MANIFEST.txt" ] || die "signing made no MANIFEST.txt"
}

# service_files FOLDER PROGRAMS UNIT BIN: what tarball and Debian package have in common.
service_files() {
    install -D "$2/lotwise" "$1/$4/lotwise"
    mkdir -p "$(dirname "$1/$3")"
    sed "s|^ExecStart=/usr/local/bin/lotwise |ExecStart=/usr/bin/lotwise |" dist-scripts/lotwise-ingest.service >"$1/$3"
}

# documents FOLDER
documents() {
    mkdir -p "$1"
    cp README.md CHANGELOG.md LICENSE docs/*.md docs/openapi.json "$1/"
    cp -r docs/telegraf docs/node-red docs/img dist-scripts/prometheus-alerts.yaml "$1/"
}

# tarball ARCH PROGRAMS
tarball() {
    local name=lotwise-$VERSION-linux-$1 file=$OUT/lotwise-$VERSION.linux_$1.tar.gz
    service_files "$STAGE/$name" "$2" lotwise-ingest.service bin
    cp dist-scripts/lotwise-ingest.service "$STAGE/$name/"
    cp dist-scripts/ingest.env "$STAGE/$name/"
    documents "$STAGE/$name/doc"
    plain "$STAGE/$name"
    tar -C "$STAGE" --sort=name --format=gnu --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
        -cf - "$name" | gzip -n "-$GZIP_LEVEL" >"$file"
    made_file "$file"
}

# debian_package ARCH PROGRAMS
debian_package() {
    local root=$STAGE/deb-$1 file=$OUT/lotwise_${VERSION}_$1.deb script
    service_files "$root" "$2" lib/systemd/system/lotwise-ingest.service usr/bin
    documents "$root/usr/share/doc/lotwise"
    mv "$root/usr/share/doc/lotwise/LICENSE" "$root/usr/share/doc/lotwise/copyright"
    plain "$root"
    # The settings hold the database's password.
    install -D -m 600 dist-scripts/ingest.env "$root/etc/lotwise/ingest.env"
    mkdir -p "$root/DEBIAN"
    cat >"$root/DEBIAN/control" <<TEXT
Package: lotwise
Version: $VERSION
Architecture: $1
Maintainer: Buutech <lotwise@buutech.invalid>
Installed-Size: $(du -sk --apparent-size "$root" | cut -f1)
Recommends: ca-certificates
Section: science
Priority: optional
Description: energy and process figures per lot: ingest service and tools
 The command line of Lotwise: makes the schema in TimescaleDB or PostgreSQL, takes readings and
 production context over HTTP as a systemd service, and checks an installation. The Grafana data
 source that shows them is installed into Grafana.
TEXT
    echo /etc/lotwise/ingest.env >"$root/DEBIAN/conffiles"
    for script in postinst prerm postrm; do
        install -m 755 "dist-scripts/debian/$script" "$root/DEBIAN/$script"
    done
    touch -h -d "@$SOURCE_DATE_EPOCH" "$root/etc" "$root/etc/lotwise" "$root/etc/lotwise/ingest.env" "$root"
    dpkg-deb --root-owner-group -Zxz "-z$XZ_LEVEL" --build "$root" "$file" >/dev/null
    made_file "$file"
}

# components: what went into programs and front end, as CycloneDX.
components() {
    local tool=$CACHE/cargo-cyclonedx-0.5.9 file
    if [ ! -x "$tool/bin/cargo-cyclonedx" ]; then
        say "building cargo-cyclonedx (once)"
        logged "$CACHE/log/cargo-cyclonedx.log" "cargo install cargo-cyclonedx" \
            env -u CARGO_TARGET_DIR cargo install --quiet --locked --root "$tool" cargo-cyclonedx@0.5.9
    fi
    # --describe crate writes one file beside Cargo.toml.
    logged "$CACHE/log/sbom-rust.log" "cargo cyclonedx" "$tool/bin/cargo-cyclonedx" cyclonedx \
        --format json --spec-version 1.5 --target all --override-filename lotwise-components
    file=$OUT/lotwise-$VERSION.cdx.json
    mv lotwise-components.json "$file"
    made_file "$file"
    tool=$CACHE/cyclonedx-npm-6.0.1
    if [ ! -x "$tool/node_modules/.bin/cyclonedx-npm" ]; then
        logged "$CACHE/log/cyclonedx-npm.log" "installing cyclonedx-npm" \
            npm install --prefix "$tool" --no-audit --no-fund @cyclonedx/cyclonedx-npm@6.0.1
    fi
    file=$OUT/$PLUGIN-$VERSION.cdx.json
    # What runs in the browser; the tools that build it are no part of it. npm calls React's version an
    # error, because some packages have not heard of it yet.
    logged "$CACHE/log/sbom-npm.log" "cyclonedx-npm" "$tool/node_modules/.bin/cyclonedx-npm" --omit dev --ignore-npm-errors \
        --package-lock-only --output-reproducible --spec-version 1.5 --output-file "$file" frontend/package.json
    grep -q '"purl": "pkg:npm/rxjs@' "$file" || die "$file does not list what the front end is made of"
    made_file "$file"
}

FILES=()
made_file() {
    FILES+=("$(basename "$1")")
    say "made $1 ($(du -h "$1" | cut -f1))"
}

need_rust
need_packages build-essential ca-certificates zip
need_front_end
for arch in "${ARCHES[@]}"; do
    if [ -n "$PROGRAMS" ]; then BUILT=$PROGRAMS; else build "$arch"; fi
    plugin_zip "$arch" "$BUILT"
    tarball "$arch" "$BUILT"
    debian_package "$arch" "$BUILT"
done
[ -z "$SBOM" ] || components
(cd "$OUT" && sha256sum "${FILES[@]}" >SHA256SUMS)
say "checksums are in $OUT/SHA256SUMS"
