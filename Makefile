# The commands of the README. Each installs what it needs and says so.

.PHONY: up cluster test check postman bench prepare

# Build and run the whole system on this machine; Ctrl-C stops it.
up:
	@.ci/need cargo cc
	cargo build --release -p veritrail
	target/release/veritrail up

# The whole system as on several machines: each service and worker a process of its own, on
# PostgreSQL, LocalStack and OpenSearch, which it starts; Ctrl-C stops all.
cluster:
	@.ci/need cargo cc
	cargo build --release --workspace --bins
	target/release/servers target/release/cluster

# Every test, against PostgreSQL, LocalStack (S3, SQS) and OpenSearch, started for it and stopped
# after it: containers where a Docker engine answers, else processes. Commands are always for the
# whole workspace: a part of it would want its dependencies built with other features.
test:
	@.ci/need cargo cc openssl
	cargo build --workspace --all-targets
	target/debug/servers env SIMULATION_SEEDS=100000 cargo test --workspace

# Format, lints, documentation, that the prepared queries are those of the code, and, where Docker
# Compose is there, that it understands docker-compose.yml.
check:
	@.ci/need cargo cc
	cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --document-private-items
	cargo build --workspace --all-targets
	target/debug/servers --only postgres .ci/prepared --check
	if docker compose version > /dev/null 2>&1; then docker compose config --quiet; fi

# Every route through the Postman collection, against the system that runs here, or one that is
# built and started for it.
postman:
	@.ci/need npm
	npm ci --silent --ignore-scripts --prefix postman
	node postman/run.mjs

# Write the prepared queries anew, after a change of SQL or of a migration. A query that changed does not build before
# it is described; then the programs that were built before it migrate.
prepare:
	cargo build --workspace --all-targets || test -x target/debug/log-service
	target/debug/servers --only postgres .ci/prepared

# The figures of bench/RESULTS.md, with an OpenSearch beside it for the rows about searching and a
# LocalStack for the memory of an export; two hours and 50 GB of disk on an otherwise idle machine,
# most of it for tables of millions of entries.
bench:
	@.ci/need cargo cc
	cargo build --release --workspace --bins
	target/release/servers --only opensearch,localstack --opensearch-heap 2g target/release/bench
