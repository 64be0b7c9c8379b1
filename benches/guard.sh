#!/usr/bin/env bash
# Fails if a probe costs over five percent more instructions or system calls than benches/guard.txt says:
#
#     cargo build --profile guard && benches/guard.sh target/guard/goavail
#     GUARD=write benches/guard.sh target/guard/goavail      # after a change that is meant to cost more or less
#
# Both are counted and not timed, so they depend neither on the machine nor on what else it does; they do depend
# on the compiler, its options and the C library, so the figures are those of the profile `guard`, and are
# written anew with another toolchain. A thousand targets, all alive, on the loopback of a network namespace of
# this script's own; some 30 seconds. Needs valgrind, strace, python3 and the right to make namespaces.
set -euo pipefail

expected=$(realpath "$(dirname "${BASH_SOURCE[0]}")/guard.txt")
source "$(dirname "${BASH_SOURCE[0]}")/kit/namespace.sh"
enter "$0" "${1:-}" valgrind callgrind_control strace python3
source "$(dirname "$expected")/kit/counting.sh"

window=5
failed=
written=()
# With `burst = 1` the number of wake-ups depends on how punctual a program is under valgrind.
for burst in 10 200; do
    configure 1000 1 "$burst"
    count 1000 "$window"
    for figure in "instructions $instructions" "calls $calls"; do
        read -r what number <<<"$figure"
        limit=$(awk -v burst="$burst" -v what="$what" '$1 == burst && $2 == what { print $3 }' "$expected")
        written+=("$burst $what $number")
        if awk -v n="$number" -v limit="${limit:-0}" 'BEGIN { exit !(n > limit * 1.05) }'; then
            verdict='over by more than 5 %' failed=yes
        else
            verdict=well
        fi
        printf 'burst = %-3s  %-12s a probe: %8s, %8s expected: %s\n' \
            "$burst" "$what" "$number" "${limit:-none}" "$verdict"
    done
done
if [[ ${GUARD:-} == write ]]; then
    { grep '^#' "$expected"; printf '%s\n' "${written[@]}"; } >written
    cat written >"$expected"
elif [[ $failed ]]; then
    echo "$0: a probe costs more than it did; mend it, or write benches/guard.txt anew and say why" >&2
    exit 1
fi
