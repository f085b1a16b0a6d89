# syntax=docker/dockerfile:1

# The service, with its model inside. `docker build --tag stance .`

ARG RUST_VERSION=1.95
ARG DEBIAN=bookworm

FROM rust:${RUST_VERSION}-${DEBIAN} AS chef
WORKDIR /build
RUN cargo install cargo-chef --locked --version 0.1.78

# What the dependencies are: changes only when a manifest or the lock file does.
FROM chef AS planner
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS builder
COPY --from=planner /build/recipe.json recipe.json
# Dependencies alone, so that this layer is kept while only our own code changes.
RUN cargo chef cook --release --locked --package stance --recipe-path recipe.json
COPY . .
RUN cargo build --release --locked --package stance
# The same trial that CI runs.
RUN scripts/smoke.sh target/release/stance

FROM debian:${DEBIAN}-slim AS runtime
# Root certificates, for models of the hub.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin stance
COPY --from=builder /build/target/release/stance /usr/local/bin/stance
COPY scripts/healthcheck.sh /usr/local/bin/stance-healthcheck
COPY LICENSE NOTICE /usr/share/doc/stance/
USER 10001:10001
WORKDIR /home/stance
# Inside a container the service must listen on more than the loopback.
ENV STANCE_BIND=0.0.0.0 \
    STANCE_PORT=8080
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 \
    CMD ["stance-healthcheck"]
# Admitted work is finished after SIGTERM within STANCE_SHUTDOWN_GRACE (30 s), which is longer
# than Docker waits by itself: `docker stop --time 35`.
STOPSIGNAL SIGTERM
ENTRYPOINT ["stance"]
CMD ["serve"]
