# shellcheck shell=bash
# Common ground of the scripts in this folder: messages, Debian packages, the folders that outlive a
# run, and the toolchains. Sourced, never run.

LOTWISE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# The system user that runs PostgreSQL when the scripts run as root (PostgreSQL refuses root).
DB_USER=lotwise

# Messages ----------------------------------------------------------------------------------------

# Seconds since the first script of the run started.
export LOTWISE_STARTED=${LOTWISE_STARTED:-$EPOCHSECONDS}
elapsed() { echo $((EPOCHSECONDS - LOTWISE_STARTED)); }

# say MESSAGE: one line on stderr, after the elapsed seconds.
say() { printf '[%4ds] %s\n' "$(elapsed)" "$*" >&2; }

# die MESSAGE: says it and ends the script.
die() {
    printf '[%4ds] error: %s\n' "$(elapsed)" "$*" >&2
    exit 1
}

# Processes ---------------------------------------------------------------------------------------

# The step that runs now: a process that leads a group of its own.
STEP=

# interruptible COMMAND...: runs COMMAND and waits for it. In a group of its own, so that a signal
# to this script ends it at once, and Ctrl-C reaches it only through this script. File descriptors
# 8 and 9 hold locks, which no child shall keep.
interruptible() {
    local status=0
    setsid "$@" 8>&- 9>&- &
    STEP=$!
    wait "$STEP" || status=$?
    STEP=
    return "$status"
}

# A process that says every half minute what a long step is at.
HEARTBEAT=

heartbeat() {
    while true; do
        # Sleeps without a process that would outlive this one.
        read -rt 30 <> <(:) || true
        say "... $1: $(tail -n 1 "$2" | tr -d '\r' | cut -c1-100)"
    done
}

stop_heartbeat() {
    [ -z "$HEARTBEAT" ] || kill "$HEARTBEAT" 2>/dev/null || true
    HEARTBEAT=
}

# logged LOG WHAT COMMAND...: runs COMMAND with its output in LOG; on failure shows the log's end.
logged() {
    local log=$1 what=$2 status=0
    shift 2
    mkdir -p "$(dirname "$log")"
    : >"$log"
    heartbeat "$what" "$log" 8>&- 9>&- &
    HEARTBEAT=$!
    interruptible "$@" >"$log" 2>&1 </dev/null || status=$?
    stop_heartbeat
    if [ "$status" != 0 ]; then
        printf '%s\n' "--- the end of $log" >&2
        tail -n 30 "$log" >&2
        die "$what failed; the whole log is $log"
    fi
}

# at_exit: what a script has to undo; scripts define their own.
at_exit() { :; }

leave() {
    local status=$?
    trap '' INT TERM HUP
    stop_heartbeat
    [ -z "$STEP" ] || kill -TERM -- "-$STEP" 2>/dev/null || true
    at_exit
    exit "$status"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# Debian packages ---------------------------------------------------------------------------------

is_root() { [ "$(id -u)" = 0 ]; }

# apt_update: refreshes the package lists, once in a script and its children.
apt_update() {
    [ -z "${LOTWISE_APT_UPDATED:-}" ] || return 0
    is_root || return 0
    logged "$CACHE/log/apt-update.log" "apt-get update" apt-get update
    export LOTWISE_APT_UPDATED=1
}

# installed PACKAGE: is the Debian package there?
installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | head -n 1)" = installed ]
}

# need_packages PACKAGE...: installs those that are missing.
need_packages() {
    local package missing=()
    command -v dpkg-query >/dev/null || die "this script needs Debian 12 (or Docker: docker-compose.yaml)"
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    is_root || die "missing packages; run as root: apt-get update && apt-get install -y ${missing[*]}"
    say "installing ${missing[*]}"
    apt_update
    DEBIAN_FRONTEND=noninteractive logged "$CACHE/log/apt-install.log" "apt-get install" \
        apt-get install -y --no-install-recommends "${missing[@]}"
}

# Folders -----------------------------------------------------------------------------------------

# as_db_user COMMAND...: runs COMMAND as the database's user, in a clean environment.
as_db_user() {
    local clean=(env -i "PATH=/usr/bin:/bin" LC_ALL=C.UTF-8)
    if is_root; then
        (cd / && exec setpriv --reuid "$DB_USER" --regid "$DB_USER" --clear-groups "${clean[@]}" "$@")
    else
        (cd / && exec "${clean[@]}" "$@")
    fi
}

# Everything that is downloaded, built or stored by the scripts lives in CACHE: the checkout's
# .cache folder, or /var/lib/lotwise/NAME when the database's user could not enter the checkout
# (a clone in /root, say). LOTWISE_CACHE overrides both.
set_cache() {
    CACHE=${LOTWISE_CACHE:-$LOTWISE_ROOT/.cache}
    if is_root; then
        if ! id -u "$DB_USER" >/dev/null 2>&1; then
            useradd --system --user-group --no-create-home --home-dir /nonexistent \
                --shell /usr/sbin/nologin "$DB_USER"
        fi
        mkdir -p "$CACHE"
        if [ -z "${LOTWISE_CACHE:-}" ] && ! as_db_user test -x "$CACHE"; then
            CACHE=/var/lib/lotwise/$(basename "$LOTWISE_ROOT")-$(printf %s "$LOTWISE_ROOT" | sha256sum | head -c 8)
        fi
    fi
    mkdir -p "$CACHE"
    CACHE=$(cd "$CACHE" && pwd -P)
}

# free_port: prints a loopback port that nothing listens on.
free_port() {
    local port
    for _ in {1..100}; do
        port=$((20000 + RANDOM % 12000))
        if ! port_taken "$port"; then
            echo "$port"
            return 0
        fi
    done
    die "found no free port"
}

# port_taken PORT: does something listen on the loopback port?
port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# clear_soak FOLDER: ends what an interrupted fault test left running in FOLDER, and removes it.
clear_soak() {
    local file mounted
    while read -r file; do
        [ ! -s "$file" ] || kill -QUIT "$(head -n 1 "$file")" 2>/dev/null || true
    done < <(find "$1" -name postmaster.pid 2>/dev/null)
    while read -r mounted; do
        umount --lazy "$mounted" || true
    done < <(awk -v folder="$1/" 'index($2, folder) == 1 { print $2 }' /proc/mounts)
    rm -rf "$1"
}

# Toolchains --------------------------------------------------------------------------------------

# version_at_least HAVE WANTED
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# need_rust: puts cargo on the PATH. HOME may be empty or another user's: rustup's programs look for
# their toolchains in HOME, so the folder is derived from where cargo is.
need_rust() {
    local wanted found bin home
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$LOTWISE_ROOT/Cargo.toml")
    home=$(getent passwd "$(id -u)" | cut -d: -f6)
    export HOME=${HOME:-$home}
    if ! command -v cargo >/dev/null; then
        for bin in "${CARGO_HOME:-$HOME/.cargo}/bin" "$HOME/.cargo/bin" "$home/.cargo/bin" /usr/local/cargo/bin; do
            if [ -x "$bin/cargo" ]; then
                export PATH=$bin:$PATH
                break
            fi
        done
    fi
    command -v cargo >/dev/null ||
        die "there is no Rust toolchain: install Rust $wanted or newer with rustup (Debian's rustc is too old), then run this again"
    bin=$(dirname "$(command -v cargo)")
    if [ -z "${RUSTUP_HOME:-}" ] && [ -e "$bin/rustup" ] && [ ! -e "$HOME/.rustup/settings.toml" ]; then
        for home in "$(dirname "$(dirname "$bin")")/.rustup" "$(dirname "$(dirname "$bin")")/rustup"; do
            if [ -e "$home/settings.toml" ]; then
                export RUSTUP_HOME=$home
                break
            fi
        done
    fi
    found=$(cargo --version 2>/dev/null | cut -d' ' -f2) ||
        die "cargo is at $bin but has no toolchain: run 'rustup default stable', or set RUSTUP_HOME"
    version_at_least "$found" "$wanted" ||
        die "Rust $found is too old; $wanted or newer is needed: run 'rustup update stable'"
}

# need_node: puts Node 20 or newer and its npm on the PATH. Without one, Debian's (too old) npm
# fetches the npm packages node and npm into the cache.
need_node() {
    local own=$CACHE/node/node_modules/.bin
    if command -v node >/dev/null && command -v npm >/dev/null &&
        version_at_least "$(node --version | tr -d v)" 20; then
        return 0
    fi
    if [ ! -x "$own/node" ] || [ ! -x "$own/npm" ]; then
        need_packages nodejs npm ca-certificates
        say "getting Node 22 from npm"
        logged "$CACHE/log/node.log" "installing the npm packages node and npm" \
            npm install --prefix "$CACHE/node" --no-audit --no-fund node@22 npm@11
    fi
    export PATH=$own:$PATH
}

# Front end ---------------------------------------------------------------------------------------

# fingerprint PATH...: of the contents of files and folders.
fingerprint() {
    (cd "$LOTWISE_ROOT" && find "$@" \( -name node_modules -o -name dist -o -name e2e \) -prune -o -type f -print0 |
        LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
}

# unchanged NAME FINGERPRINT: was NAME made from just this?
unchanged() { [ "$(cat "$CACHE/made/$1" 2>/dev/null)" = "$2" ]; }

# made NAME FINGERPRINT: remembers it.
made() {
    mkdir -p "$CACHE/made"
    echo "$2" >"$CACHE/made/$1"
}

# need_node_modules: what package-lock.json names.
need_node_modules() {
    local of
    need_node
    of=$(fingerprint frontend/package.json frontend/package-lock.json)-$(node --version)
    if [ ! -d "$LOTWISE_ROOT/frontend/node_modules" ] || ! unchanged node_modules "$of"; then
        say "installing the front end's packages"
        logged "$CACHE/log/npm-ci.log" "npm ci" env PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 \
            npm ci --prefix "$LOTWISE_ROOT/frontend" --no-audit --no-fund
        made node_modules "$of"
    fi
}

# need_node_red: Node-RED and an MQTT broker for the test of docs/node-red.
need_node_red() {
    local of
    need_node
    of=$(fingerprint tests/node-red/package.json tests/node-red/package-lock.json)-$(node --version)
    if [ ! -d "$LOTWISE_ROOT/tests/node-red/node_modules" ] || ! unchanged node_red "$of"; then
        say "installing Node-RED"
        logged "$CACHE/log/node-red.log" "npm ci" \
            npm ci --prefix "$LOTWISE_ROOT/tests/node-red" --omit=optional --no-audit --no-fund
        made node_red "$of"
    fi
}

# need_tsl: TimescaleDB's community edition for the tests, as WebAssembly.
need_tsl() {
    local of
    need_node
    of=$(fingerprint tests/tsl/package.json tests/tsl/package-lock.json)-$(node --version)
    if [ ! -d "$LOTWISE_ROOT/tests/tsl/node_modules" ] || ! unchanged tsl "$of"; then
        say "installing TimescaleDB's community edition for the tests"
        logged "$CACHE/log/tsl.log" "npm ci" npm ci --prefix "$LOTWISE_ROOT/tests/tsl" --no-audit --no-fund
        made tsl "$of"
    fi
}

# need_bundle SCRIPT FOLDER SOURCE...: runs the npm script that makes FOLDER, unless its sources are
# as they were.
need_bundle() {
    local script=$1 folder=$2 of
    shift 2
    of=$(fingerprint frontend/package-lock.json "$@")
    if [ ! -d "$LOTWISE_ROOT/$folder" ] || ! unchanged "$script" "$of"; then
        say "building $folder"
        logged "$CACHE/log/npm-${script/:/-}.log" "npm run $script" npm run --prefix "$LOTWISE_ROOT/frontend" "$script"
        made "$script" "$of"
    fi
}

# need_front_end: the plugin's bundle and the preview page.
need_front_end() {
    need_node_modules
    need_bundle build frontend/dist frontend/src frontend/.config frontend/package.json \
        plugin.json provisioning/dashboards docs/img CHANGELOG.md
    need_bundle build:preview frontend/preview/dist frontend/preview frontend/package.json
}
