# shellcheck shell=bash
# A Rust compiler for linux/arm64 on linux/amd64. Sourced by package.sh after scripts/lib.sh.
#
# With rustup, `rustup target add aarch64-unknown-linux-gnu` is all that it takes, and that compiler is
# used. Where only Debian's packages can be had: bookworm-security has a current compiler for its
# browsers (rustc-web), whose standard library exists for every architecture of Debian. A standard
# library fits only the compiler that it was built with, so both come from there, unpacked into the
# cache, and nothing of the machine's own toolchain changes.

CROSS_TARGET=aarch64-unknown-linux-gnu

# has_std TARGET: does the toolchain on the PATH have the standard library of TARGET?
has_std() { compgen -G "$(rustc --print target-libdir --target "$1")/libstd-*.rlib" >/dev/null; }

# need_cross: makes CROSS_ENV, the variables with which cargo builds for arm64.
need_cross() {
    need_packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross
    CROSS_ENV=(
        CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    )
    has_std "$CROSS_TARGET" || need_debian_rust
}

# need_debian_rust: Debian's compiler with the standard libraries of amd64 and arm64.
need_debian_rust() {
    local home=$CACHE/cross-rust work=$CACHE/cross-build deb
    if [ ! -x "$home/rustc" ]; then
        say "getting Debian's Rust compiler for arm64 (130 MB, once)"
        need_packages ca-certificates debian-archive-keyring
        apt_update
        rm -rf "$work" "$home"
        mkdir -p "$work"/apt/{state/lists/partial,cache/archives/partial} "$work/debs" "$work/root"
        apt-get indextargets --format "\$(LABEL)|\$(REPO_URI)|\$(RELEASE)|\$(CREATED_BY)" |
            awk -F'|' -v key=/usr/share/keyrings/debian-archive-keyring.gpg '
                $4 == "Packages" && ($1 == "Debian" || $1 == "Debian-Security") && !seen[$2, $3]++ {
                    printf "deb [signed-by=%s] %s %s main\n", key, $2, $3
                }' >"$work/apt/sources.list"
        # Lists and cache of its own: the machine itself does not become one of two architectures.
        local apt=(apt-get -q -y -o Dir::Etc::SourceList="$work/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
            -o Dir::State="$work/apt/state" -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User=root
            -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o Acquire::Languages=none)
        logged "$CACHE/log/cross-apt.log" "reading the package lists" "${apt[@]}" update
        (
            cd "$work/debs" || exit
            logged "$CACHE/log/cross-download.log" "downloading rustc-web" "${apt[@]}" download \
                rustc-web:amd64 libstd-rust-web-dev:amd64 libstd-rust-web-dev:arm64
            # The compiler's own library and the LLVM that it was linked with, as the packages name them.
            logged "$CACHE/log/cross-download-2.log" "downloading the compiler's library" "${apt[@]}" download \
                "$(depends libstd-rust-web-dev_*_amd64.deb '^libstd-rust-web-')"
            logged "$CACHE/log/cross-download-3.log" "downloading LLVM" "${apt[@]}" download \
                "$(depends libstd-rust-web-[0-9]*_amd64.deb '^libllvm')"
        )
        # shellcheck disable=SC2046 # package names have no spaces
        need_packages $(depends "$(echo "$work"/debs/libllvm*.deb)" '^lib(edit|ffi|xml|z3)|^zlib')
        for deb in "$work"/debs/*.deb; do
            dpkg -x "$deb" "$work/root"
        done
        # Only the compiler shall find its libraries, not what it starts.
        cat >"$work/root/rustc" <<TEXT
#!/bin/sh
LD_LIBRARY_PATH=$home/usr/lib/x86_64-linux-gnu exec $home/usr/bin/rustc "\$@"
TEXT
        chmod 755 "$work/root/rustc"
        mv "$work/root" "$home"
        rm -rf "$work"
    fi
    CROSS_ENV+=(RUSTC="$home/rustc")
    local found wanted
    found=$("$home/rustc" --version | cut -d' ' -f2)
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$LOTWISE_ROOT/Cargo.toml")
    version_at_least "$found" "$wanted" ||
        die "Debian's rustc-web is $found, $wanted is needed: install Rust with rustup and run 'rustup target add $CROSS_TARGET'"
}

# depends DEB PATTERN: names of the packages that DEB depends on and that match PATTERN.
depends() { dpkg-deb -f "$1" Depends | tr ',' '\n' | sed -e 's/|.*//' -e 's/(.*//' -e 's/ //g' | grep -E "$2"; }
