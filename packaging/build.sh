#!/bin/sh
# Builds the binary that is shipped: the profile `dist`, without the paths of the machine that builds
# it. Options are handed on to cargo, such as `--target x86_64-unknown-linux-musl`. The binary is
# under target/, in the folder `dist`.
set -eu
cd "$(dirname "$0")/.."
cargo_home=${CARGO_HOME:-$HOME/.cargo}
RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$cargo_home/registry/src=cargo --remap-path-prefix=$PWD=goavail"
export RUSTFLAGS
exec cargo build --profile dist --locked --bin goavail "$@"
