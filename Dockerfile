# syntax=docker/dockerfile:1
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# No `demo` feature: the image has no simulators.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin hikiate \
    && cp target/release/hikiate /usr/bin/hikiate

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/hikiate --create-home hikiate
COPY --from=build /usr/bin/hikiate /usr/bin/hikiate
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/hikiate/
# glibc keeps freed memory per thread otherwise.
ENV MALLOC_ARENA_MAX=1
USER 10001
WORKDIR /var/lib/hikiate
VOLUME /var/lib/hikiate
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["/usr/bin/hikiate", "health", "--alive"]
# No PostgreSQL inside: give DATABASE_URL.
ENTRYPOINT ["/usr/bin/hikiate"]
CMD ["run", "--config", "/etc/hikiate/hikiate.toml"]
