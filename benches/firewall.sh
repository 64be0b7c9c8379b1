#!/usr/bin/env bash
# How many addresses that are alive are found dead behind a firewall that lets a thousand echo requests
# pass in a second and five at once, by `burst` and the number of addresses:
#
#     packaging/build.sh && benches/firewall.sh
#     benches/firewall.sh path/to/another/goavail
#
# It is why `burst` is 1 unless the operator says otherwise. With CHECKS=any in the environment, the
# addresses are asked by https besides, and are up if either check is (`require = "any"`): none is found
# dead at any `burst`, though the echo requests of many are lost ("ping down").
#
# Thirty seconds a row, in dry-run, on the loopback of a network namespace of this script's own. SECONDS_EACH
# changes that. Needs nft and the right to make namespaces; for https also nginx and openssl.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/kit/namespace.sh"
enter "$0" "${1:-}" nft
checks=${CHECKS:-icmp} seconds=${SECONDS_EACH:-30}

# Where they come in: what is dropped on the way out is told to the sender, and would be a fault.
nft -f - <<'RULES'
table inet firewall {
    chain arriving {
        type filter hook input priority 0
        icmp type echo-request limit rate over 1000/second burst 5 packets drop
    }
}
RULES

# An https server at every address of loopback.
serve() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=own \
        -addext subjectAltName=DNS:www.example.com -keyout key.pem -out ca.pem 2>/dev/null
    cat >nginx.conf <<NGINX
daemon off; master_process off; pid nginx.pid; error_log stderr error;
events { worker_connections 4096; }
http {
    access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f;
    uwsgi_temp_path u; scgi_temp_path s; ssl_session_cache shared:S:10m;
    server { listen 443 ssl backlog=4096; ssl_certificate ca.pem; ssl_certificate_key key.pem;
             return 200 "ok"; }
}
NGINX
    nginx -p "$scratch" -c "$scratch/nginx.conf" -e stderr & running=$!
    until (exec 3<>/dev/tcp/127.0.0.1/443) 2>/dev/null; do sleep 0.1; done
}

configure() {
    local burst=$1 count=$2 n
    echo "interval = 1
timeout = 0.5
retry_interval = 0.2
failure_threshold = 3
burst = $burst
$([[ $checks != any ]] || echo "require = \"any\"
checks = [{ type = \"icmp\" }, { type = \"https\", ca_file = \"$scratch/ca.pem\" }]")
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

# Of how many addresses the log says that, in lines that have the second word too.
said() {
    sed -n "/${2:-.}/s/.*$1.* target=\([^ ]*\).*/\1/p" log | sort -u | wc -l
}

[[ $checks != any ]] || serve
printf '%8s %8s %14s %14s %14s\n' burst targets 'confirmed up' 'ping down' 'found dead'
for burst in 1 5 50 200; do
    for count in 100 250; do
        configure "$burst" "$count" >goavail.toml
        # Being told to stop is how it ends.
        timeout "$seconds" "$goavail" monitor --config-file goavail.toml >log 2>&1 || true
        up=$(said 'target confirmed up')
        printf '%8d %8d %14d %14d %14d\n' "$burst" "$count" "$up" \
            "$(said 'check down' 'check="icmp"')" "$(said 'target down')"
    done
done
