# For the scripts beside this folder: a network namespace and a folder of their own.

# Runs the script, which calls this first, once more inside a new network namespace, as root there; then
# returns in a new folder, with `goavail` set to the binary: the one given, or that of packaging/build.sh.
#
#     enter SCRIPT BINARY-OR-NOTHING TOOL...
enter() {
    local script=$1 binary=$2 tool
    shift 2
    if [[ ${GOAVAIL_INSIDE:-} != yes ]]; then
        binary=$(realpath "${binary:-"$(dirname "$script")/../target/dist/goavail"}")
        for tool in "$@" ip unshare; do
            command -v "$tool" >/dev/null || { echo "$script: $tool is not installed" >&2; exit 1; }
        done
        local as_root=()
        [[ $(id -u) == 0 ]] || as_root=(--user --map-root-user)
        GOAVAIL_INSIDE=yes exec unshare "${as_root[@]}" --net "$script" "$binary"
    fi
    goavail=$binary
    running=
    scratch=$(mktemp -d)
    trap '[[ -z $running ]] || kill "$running" 2>/dev/null || true; wait; rm -rf "$scratch"' EXIT
    cd "$scratch"
    ip link set lo up
}
