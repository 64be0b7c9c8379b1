# For the scripts beside this folder: counts the instructions and system calls of each probe. They have called
# `enter` before.

# Writes a configuration: so many targets, their interval in seconds, and `burst`.
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

# Counts over so many seconds, with the configuration for so many targets. Sets `probes`, `instructions` and
# `calls`, the latter two for each probe.
count() {
    local count=$1 window=$2 before all
    start "$count" valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file=counted
    before=$(sent)
    callgrind_control -i on "$running" >/dev/null 2>&1
    sleep "$window"
    callgrind_control -i off "$running" >/dev/null 2>&1
    probes=$(($(sent) - before))
    end
    all=$(awk '/^(summary|totals):/ { count = $2 } END { print count }' counted)
    if grep -q "probe lost" log; then
        echo "$count targets: probes were lost under valgrind, so these figures are of something else" >&2
    fi
    instructions=$((all / probes))

    start "$count"
    before=$(sent)
    timeout --signal=INT "$window" strace -f -c -o calls -p "$running" 2>/dev/null || true
    before=$(($(sent) - before))
    end
    # The fourth column; that of errors may be empty.
    all=$(awk '$NF == "total" { print $4 }' calls)
    calls=$(awk -v calls="$all" -v probes="$before" 'BEGIN { printf "%.2f", calls / probes }')
}
