# shellcheck shell=bash
# Common ground of the scripts in this folder: messages, Debian packages, the folders that outlive a
# run, and the toolchains. Sourced, never run.

LOTWISE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# The system user that runs PostgreSQL when the scripts run as root (PostgreSQL refuses root).
DB_USER=lotwise

# Messages ----------------------------------------------------------------------------------------

# say MESSAGE: one line on stderr, after the seconds since the script started.
say() { printf '[%4ds] %s\n' "$SECONDS" "$*" >&2; }

# die MESSAGE: says it and ends the script.
die() {
    printf '[%4ds] error: %s\n' "$SECONDS" "$*" >&2
    exit 1
}

# logged LOG WHAT COMMAND...: runs COMMAND with its output in LOG; on failure shows the log's end.
logged() {
    local log=$1 what=$2
    shift 2
    mkdir -p "$(dirname "$log")"
    if ! "$@" >"$log" 2>&1 </dev/null; then
        printf '%s\n' "--- the end of $log" >&2
        tail -n 30 "$log" >&2
        die "$what failed; the whole log is $log"
    fi
}

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
