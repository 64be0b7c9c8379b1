#!/usr/bin/env bash
# Instructions and system calls for each probe, by the number of targets and `burst`. Unlike times they
# hardly depend on the machine, and not at all on what else it does:
#
#     packaging/build.sh && benches/instructions.sh
#     benches/instructions.sh path/to/another/goavail
#
# Instructions are those of the program itself, as valgrind's callgrind counts them over ten seconds;
# what the kernel does for a system call is not in them. All targets are alive, on the loopback of a
# network namespace of this script's own. Needs valgrind, strace, python3 and the right to make
# namespaces.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/kit/namespace.sh"
kit=$(realpath "$(dirname "${BASH_SOURCE[0]}")/kit")
enter "$0" "${1:-}" valgrind callgrind_control strace python3
source "$kit/counting.sh"

# How many seconds are counted.
window=10

row() {
    local count=$1 interval=$2 burst=$3
    configure "$count" "$interval" "$burst"
    count "$count" "$window"
    printf '%8d %8d %8d %14d %14s\n' "$count" "$burst" "$probes" "$instructions" "$calls"
}

printf '%8s %8s %8s %14s %14s\n' targets burst probes instructions 'system calls'
printf '%8s %8s %8s %14s %14s\n' '' '' '' 'a probe' 'a probe'
row 10 1 1
for burst in 1 200; do
    row 100 1 "$burst"
    row 1000 1 "$burst"
    # Under valgrind it is some fifty times slower, and must not come to its limit.
    row 10000 4 "$burst"
done
