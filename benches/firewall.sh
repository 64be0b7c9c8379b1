#!/usr/bin/env bash
# How many addresses that are alive are found dead behind a firewall that lets a thousand echo requests
# pass in a second and five at once, by `burst` and the number of addresses:
#
#     packaging/build.sh && benches/firewall.sh
#     benches/firewall.sh path/to/another/goavail
#
# It is why `burst` is 1 unless the operator says otherwise. Thirty seconds a row, in dry-run, on the
# loopback of a network namespace of this script's own. Needs nft and the right to make namespaces.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/kit/namespace.sh"
enter "$0" "${1:-}" nft

# Where they come in: what is dropped on the way out is told to the sender, and would be a fault.
nft -f - <<'RULES'
table inet firewall {
    chain arriving {
        type filter hook input priority 0
        icmp type echo-request limit rate over 1000/second burst 5 packets drop
    }
}
RULES

configure() {
    local burst=$1 count=$2 n
    echo "interval = 1
timeout = 0.5
retry_interval = 0.2
failure_threshold = 3
burst = $burst
[Cloudflare]
dns_domain = \"example.com\"
hostnames = [\"www\"]
api_url = \"http://127.0.0.1:9\"
ip_addresses = ["
    for ((n = 0; n < count; n++)); do
        echo "\"127.1.$((n / 250)).$((n % 250 + 1))\","
    done
    echo "]"
}

# Of how many addresses the log says that.
said() {
    sed -n "s/.*$1.* target=\([^ ]*\).*/\1/p" log | sort -u | wc -l
}

printf '%8s %8s %14s %14s\n' burst targets 'confirmed up' 'found dead'
for burst in 1 5 50 200; do
    for count in 100 250; do
        configure "$burst" "$count" >goavail.toml
        # Being told to stop is how it ends.
        timeout 30 "$goavail" monitor --config-file goavail.toml >log 2>&1 || true
        up=$(said 'target confirmed up')
        printf '%8d %8d %14d %14d\n' "$burst" "$count" "$up" "$(said 'target down')"
    done
done
