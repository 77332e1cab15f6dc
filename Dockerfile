# Images for docker-compose.yaml: `lotwise` (the command line with the ingest service) and `grafana`
# (Grafana with the plugin in it).

FROM rust:1-bookworm AS programs
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY src src
COPY migrations migrations
COPY examples examples
COPY tests tests
# Static, because Grafana's image (Alpine) has no glibc; --target keeps the flag away from build scripts.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    target=$(rustc -vV | sed -n 's/^host: //p') \
    && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --bin lotwise --bin gpx_lotwise --target "$target" \
    && cp "target/$target/release/lotwise" "target/$target/release/gpx_lotwise" /usr/local/bin/

FROM node:22-bookworm AS front-end
WORKDIR /src/frontend
COPY frontend/package.json frontend/package-lock.json frontend/.npmrc ./
ENV PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1
RUN --mount=type=cache,target=/root/.npm npm ci
COPY plugin.json README.md CHANGELOG.md LICENSE /src/
COPY provisioning /src/provisioning
COPY docs/img /src/docs/img
COPY frontend ./
RUN npm run build

FROM debian:bookworm-slim AS lotwise
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home lotwise && install -d -o lotwise /keys /spool
COPY --from=programs /usr/local/bin/lotwise /usr/local/bin/
USER lotwise
ENTRYPOINT ["lotwise"]

FROM grafana/grafana:12.4.0 AS grafana
ARG TARGETARCH=amd64
COPY --from=front-end /src/frontend/dist /usr/share/grafana/lotwise/buutech-lotwise-datasource
COPY --from=programs /usr/local/bin/gpx_lotwise \
    /usr/share/grafana/lotwise/buutech-lotwise-datasource/gpx_lotwise_linux_${TARGETARCH}
# Beside the folder of a volume that would hide it: /var/lib/grafana.
ENV GF_PATHS_PLUGINS=/usr/share/grafana/lotwise
