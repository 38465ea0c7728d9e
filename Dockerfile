# Every program, built once. Each has an image of its own, named by its target; what they share is one
# small layer. `docker build --target log-service .`

FROM rust:1.95-bookworm AS build
WORKDIR /veritrail
COPY . .
ENV CARGO_PROFILE_RELEASE_STRIP=symbols
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/veritrail/target \
    cargo build --release --locked --workspace --exclude tests --exclude bench --bins \
 && mkdir /programs \
 && cp target/release/auth-service target/release/log-service target/release/indexer-worker \
       target/release/export-worker target/release/veritrail /programs

# curl is for the health checks, the certificates for servers elsewhere.
FROM debian:bookworm-slim AS base
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin veritrail
USER veritrail
STOPSIGNAL SIGTERM

FROM base AS auth-service
COPY --from=build /programs/auth-service /usr/local/bin/
ENV LISTEN=0.0.0.0:8001 ADMIN_LISTEN=0.0.0.0:9000
EXPOSE 8001 9000
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8001/readyz"]
ENTRYPOINT ["auth-service"]

FROM base AS log-service
COPY --from=build /programs/log-service /usr/local/bin/
ENV LISTEN=0.0.0.0:8000 ADMIN_LISTEN=0.0.0.0:9000
EXPOSE 8000 9000
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8000/readyz"]
ENTRYPOINT ["log-service"]

FROM base AS indexer-worker
COPY --from=build /programs/indexer-worker /usr/local/bin/
ENV ADMIN_LISTEN=0.0.0.0:9000
EXPOSE 9000
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:9000/readyz"]
ENTRYPOINT ["indexer-worker"]

FROM base AS export-worker
COPY --from=build /programs/export-worker /usr/local/bin/
ENV ADMIN_LISTEN=0.0.0.0:9000
EXPOSE 9000
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:9000/readyz"]
ENTRYPOINT ["export-worker"]

# The command line, and everything in one process.
FROM base AS veritrail
COPY --from=build /programs/veritrail /usr/local/bin/
ENTRYPOINT ["veritrail"]
