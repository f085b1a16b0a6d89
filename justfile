# The same commands that CI runs; `just` alone lists them.

default:
    @just --list

# Everything CI checks, in its order
ci:
    .ci/run

# Format the code
fmt:
    cargo fmt --all

# Format check, order of modules, and lints
lint:
    .ci/run fmt layers clippy

# All tests
test:
    cargo test --workspace

# Licences, bans and sources of dependencies
deny:
    .ci/run deny

# Known vulnerabilities of dependencies (needs the advisory database)
advisories:
    cargo deny check advisories

# Write the generated pages: docs/cli.md, docs/config.md, docs/openapi.json
docs:
    cargo run --quiet -- docs --write

# Check the generated pages and rustdoc's links
docs-check:
    .ci/run doc build docs

# Try the program as README says
smoke:
    .ci/run build smoke

# Compare the service's answers with its description (schemathesis)
contract:
    .ci/run build contract

# Try the playground in a headless Chromium
web:
    .ci/run build web

# The Python package on clusters of Ray and Spark, and with data frames (needs Java 17)
cluster:
    .ci/run build cluster

# The service under load, as ratios (needs wrk and jq)
load PROGRAM="target/release/stance":
    benches/service_load.sh {{PROGRAM}}

# Judge files: just classify examples/*.txt
classify *FILES:
    cargo run --release -- classify {{FILES}}

# Serve on 127.0.0.1:8080
serve *FLAGS:
    cargo run --release -- serve {{FLAGS}}

# The container image
image:
    docker build --tag stance .
