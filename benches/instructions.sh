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
enter "$0" "${1:-}" valgrind callgrind_control strace python3

# How many seconds are counted.
window=10

configure() {
    python3 - "$1" "$2" "$3" >goavail.toml <<'PYTHON'
import sys

count, interval, burst = int(sys.argv[1]), sys.argv[2], sys.argv[3]
addresses = [f'"127.1.{n // 250}.{n % 250 + 1}"' for n in range(count)]
print(f"""interval = {interval}
timeout = 0.5
retry_interval = 0.2
failure_threshold = 3
burst = {burst}
[Cloudflare]
dns_domain = "example.com"
hostnames = ["www"]
ip_addresses = [{", ".join(addresses)}]
api_url = "http://127.0.0.1:9"
""")
PYTHON
}

# The echo requests that have left this namespace so far.
sent() {
    awk '/^Icmp:/ { if (at) { print $at } else { for (i = 1; i <= NF; i++) if ($i == "OutEchos") at = i } }' \
        /proc/self/net/snmp
}

# Starts goavail under whatever is given before it, and waits until all targets are confirmed.
start() {
    local count=$1
    shift
    "$@" "$goavail" monitor --config-file goavail.toml >log 2>&1 &
    running=$!
    until (($(grep -c "target confirmed up" log) >= count)); do
        kill -0 "$running" || { cat log >&2; exit 1; }
        sleep 0.5
    done
}

end() {
    kill "$running"
    wait "$running" || true
    running=
}

row() {
    local count=$1 interval=$2 burst=$3 before probes instructions calls
    configure "$count" "$interval" "$burst"

    start "$count" valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file=counted
    before=$(sent)
    callgrind_control -i on "$running" >/dev/null 2>&1
    sleep "$window"
    callgrind_control -i off "$running" >/dev/null 2>&1
    probes=$(($(sent) - before))
    end
    instructions=$(awk '/^(summary|totals):/ { count = $2 } END { print count }' counted)
    if grep -q "probe lost" log; then
        echo "$count targets: probes were lost under valgrind, so these figures are of something else" >&2
    fi
    printf '%8d %8d %8d %14d' "$count" "$burst" "$probes" "$((instructions / probes))"

    start "$count"
    before=$(sent)
    timeout --signal=INT "$window" strace -f -c -o calls -p "$running" 2>/dev/null || true
    probes=$(($(sent) - before))
    end
    calls=$(awk '$NF == "total" { print $(NF - 2) ~ /^[0-9]+$/ ? $(NF - 2) : $(NF - 1) }' calls)
    awk -v calls="$calls" -v probes="$probes" 'BEGIN { printf "%14.1f\n", calls / probes }'
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
