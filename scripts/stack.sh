# shellcheck shell=bash
# The running whole: database, ingest service, demo factory, plugin in the preview server. Sourced by
# scripts/dev and scripts/test after lib.sh.

# Processes of the stack, in the order in which they started.
STACK_PIDS=() STACK_NAMES=() STACK_LOGS=()

# in_background NAME COMMAND...: starts COMMAND with its log in STACK_FOLDER, in a group of its own.
in_background() {
    local name=$1 log=$STACK_FOLDER/$1.log
    shift
    setsid "$@" >"$log" 2>&1 </dev/null 8>&- 9>&- &
    STACK_PIDS+=($!) STACK_NAMES+=("$name") STACK_LOGS+=("$log")
}

# failed NAME LOG: says so with the log's end.
stack_failed() {
    printf '%s\n' "--- the end of $2" >&2
    tail -n 30 "$2" >&2
    die "$1; the whole log is $2"
}

# http_status PORT PATH: prints the status code of a GET on the loopback address.
http_status() {
    local code=
    {
        exec 3<>"/dev/tcp/127.0.0.1/$1"
        printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1:%s\r\nAccept: */*\r\n\r\n' "$2" "$1" >&3
        read -r -t 10 _ code _ <&3
        exec 3>&-
    } 2>/dev/null || true
    echo "$code"
}

# await PORT PATH: waits, half a minute at most, until the newest background process answers PATH
# with 200.
await() {
    local last=$((${#STACK_PIDS[@]} - 1)) limit=$((SECONDS + 30)) status=
    while [ "$SECONDS" -lt "$limit" ] && kill -0 "${STACK_PIDS[$last]}" 2>/dev/null; do
        status=$(http_status "$1" "$2")
        [ "$status" != 200 ] || return 0
        sleep 0.1
    done
    stack_failed "${STACK_NAMES[$last]} does not answer http://127.0.0.1:$1$2 with 200 but with ${status:-nothing}" \
        "${STACK_LOGS[$last]}"
}

# stack_up: brings everything up. Reads STACK_FOLDER (logs and the demo's key), STACK_BIN (folder of
# the programs), STACK_DB (arguments that name the cluster to scripts/db), the ports INGEST_PORT and
# PREVIEW_PORT, DEMO_DAYS (empty: no demo), and DEMO_INTERVAL (60s) between readings.
stack_up() {
    local owner key=$STACK_FOLDER/demo.key
    mkdir -p "$STACK_FOLDER"
    owner=$("$LOTWISE_ROOT/scripts/db" url timescale "${STACK_DB[@]}" --role owner)
    say "bringing the schema up to date"
    LOTWISE_DATABASE_URL=$owner logged "$STACK_FOLDER/migrate.log" "lotwise migrate" \
        "$STACK_BIN/lotwise" migrate --timescaledb require
    LOTWISE_DATABASE_URL=$owner logged "$STACK_FOLDER/key.log" "lotwise key create" "$STACK_BIN/lotwise" key create \
        --name demo --scope readings --scope context --if-absent --out "$key"

    say "starting the ingest service on port $INGEST_PORT"
    ! port_taken "$INGEST_PORT" || die "port $INGEST_PORT is taken; stop what listens there, or choose another: --ingest-port"
    LOTWISE_DATABASE_URL=$("$LOTWISE_ROOT/scripts/db" url timescale "${STACK_DB[@]}" --role ingest) \
        in_background ingest "$STACK_BIN/lotwise" ingest --listen "127.0.0.1:$INGEST_PORT"
    await "$INGEST_PORT" /ready

    if [ -n "$DEMO_DAYS" ]; then
        say "posting the demo factory's readings through the ingest service"
        interruptible "$STACK_BIN/lotwise" demo --url "http://127.0.0.1:$INGEST_PORT" --key-file "$key" \
            --days "$DEMO_DAYS" --interval "${DEMO_INTERVAL:-60s}" </dev/null || die "lotwise demo failed; the ingest service's log is $STACK_FOLDER/ingest.log"
    fi

    say "starting the preview server on port $PREVIEW_PORT"
    ! port_taken "$PREVIEW_PORT" || die "port $PREVIEW_PORT is taken; stop what listens there, or choose another: --port"
    export_reader
    in_background preview "$STACK_BIN/examples/preview" --plugin "$STACK_BIN/gpx_lotwise" \
        --provisioning "$LOTWISE_ROOT/provisioning" --dist "$LOTWISE_ROOT/frontend/dist" \
        --web "$LOTWISE_ROOT/frontend/preview/dist" --listen "127.0.0.1:$PREVIEW_PORT"
    await "$PREVIEW_PORT" /
    await "$PREVIEW_PORT" /api/datasources/uid/lotwise/health
}

# live_demo: the factory goes on as time passes.
live_demo() {
    in_background demo "$STACK_BIN/lotwise" demo --url "http://127.0.0.1:$INGEST_PORT" \
        --key-file "$STACK_FOLDER/demo.key" --days "$DEMO_DAYS" --live
}

# export_reader: the variables of provisioning/datasources/lotwise.yaml, from the reader's URL.
export_reader() {
    local url rest
    url=$("$LOTWISE_ROOT/scripts/db" url timescale "${STACK_DB[@]}" --role grafana)
    rest=${url#*://}
    LOTWISE_DB_USER=${rest%%:*} rest=${rest#*:}
    LOTWISE_DB_PASSWORD=${rest%%@*} rest=${rest#*@}
    LOTWISE_DB_HOST=${rest%%:*} rest=${rest#*:}
    LOTWISE_DB_PORT=${rest%%/*} rest=${rest#*/}
    LOTWISE_DB_NAME=${rest%%\?*}
    LOTWISE_DB_TLS=disable
    export LOTWISE_DB_USER LOTWISE_DB_PASSWORD LOTWISE_DB_HOST LOTWISE_DB_PORT LOTWISE_DB_NAME LOTWISE_DB_TLS
}

# stack_down: stops what stack_up and live_demo started, last first, each within ten seconds.
stack_down() {
    local i _
    for ((i = ${#STACK_PIDS[@]} - 1; i >= 0; i--)); do
        kill -TERM "${STACK_PIDS[$i]}" 2>/dev/null || continue
        for _ in {1..100}; do
            kill -0 "${STACK_PIDS[$i]}" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL -- "-${STACK_PIDS[$i]}" 2>/dev/null || true
    done
    STACK_PIDS=() STACK_NAMES=() STACK_LOGS=()
}
