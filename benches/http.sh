#!/usr/bin/env bash
# The CPU time and the memory of probes by http and by https, beside those of
# prometheus-blackbox-exporter for the same addresses at the same time:
#
#     packaging/build.sh && benches/http.sh
#     benches/http.sh path/to/another/goavail
#
# One nginx answers at 1,000 addresses with the certificate of one name. goavail, the whole agent in
# dry-run, asks each of them once a second; so does the exporter, by order of a script that asks it for
# them over connections that stay open, as Prometheus does. The seconds of each are read from /proc, for
# all of its threads, in user mode and in the kernel. The window is longer than a minute, so that each
# target has one full handshake in it; the exporter makes one for each probe. Ten seconds pass before,
# so that everything is warm. "lost" are the losses of goavail from its start to its end: nothing is dead.
# In a network namespace of this script's own. Needs nginx, openssl, python3 and
# prometheus-blackbox-exporter.
#
# COUNT and WINDOW in the environment change the number of addresses and the seconds of each row, and
# CHECKS the rows.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/kit/namespace.sh"
enter "$0" "${1:-}" nginx openssl python3 prometheus-blackbox-exporter
count=${COUNT:-1000} seconds=${WINDOW:-65} checks=${CHECKS:-http https}
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$scratch"' EXIT

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 60 -subj /CN=Bench \
    -keyout ca.key -out ca.pem 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=www.example.com \
    -keyout host.key -out host.csr 2>/dev/null
openssl x509 -req -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out host.pem \
    -extfile <(echo 'subjectAltName=DNS:www.example.com') 2>/dev/null

cat >nginx.conf <<NGINX
daemon off; worker_processes 1; pid nginx.pid; error_log stderr error; user root;
events { worker_connections 8192; }
http {
    access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f;
    uwsgi_temp_path u; scgi_temp_path s; ssl_session_cache shared:S:10m;
    server { listen 8080 backlog=4096; return 200 "ok"; }
    server { listen 8443 ssl backlog=4096; server_name www.example.com;
             ssl_certificate host.pem; ssl_certificate_key host.key; return 200 "ok"; }
}
NGINX
nginx -p "$scratch" -c "$scratch/nginx.conf" -e stderr & pids+=($!)

cat >blackbox.yml <<'BLACKBOX'
modules:
  http: { prober: http, timeout: 5s, http: { preferred_ip_protocol: ip4 } }
  https:
    prober: http
    timeout: 5s
    http: { preferred_ip_protocol: ip4, tls_config: { ca_file: ca.pem, server_name: www.example.com } }
BLACKBOX
prometheus-blackbox-exporter --config.file=blackbox.yml --web.listen-address=127.0.0.1:9115 \
    --log.level=error >blackbox.log 2>&1 & blackbox=$! pids+=($blackbox)

addresses() {
    local n
    for ((n = 0; n < count; n++)); do
        echo "127.1.$((n / 250)).$((n % 250 + 1))"
    done
}

# Asks the exporter for each address once a second, spread over the second, over 32 connections at most.
cat >scrape.py <<'SCRAPE'
import http.client, sys, threading, time
module, port, stop = sys.argv[1], sys.argv[2], time.monotonic() + float(sys.argv[3])
targets = [line.strip() for line in sys.stdin]
begun, workers = time.monotonic(), min(32, len(targets))
good, bad = [0] * workers, [0] * workers

def work(nth):
    connection, own, turn = http.client.HTTPConnection("127.0.0.1", 9115), targets[nth::workers], 0
    while True:
        for place, target in enumerate(own):
            due = begun + turn + place / len(own)
            if max(due, time.monotonic()) > stop:
                return
            time.sleep(max(0, due - time.monotonic()))
            connection.request("GET", f"/probe?module={module}&target={module}://{target}:{port}/")
            text = connection.getresponse().read()
            if b"\nprobe_success 1\n" in text:
                good[nth] += 1
            else:
                bad[nth] += 1
        turn += 1

threads = [threading.Thread(target=work, args=(nth,)) for nth in range(workers)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sum(good), sum(bad))
SCRAPE

# The clock ticks that a process has used.
ticks() {
    awk '{ print $14 + $15 }' "/proc/$1/stat"
}

# The most memory that a process ever held, in mebibytes.
memory() {
    awk '/^VmHWM:/ { printf "%.0f", $2 / 1024 }' "/proc/$1/status"
}

# The replies and the losses that goavail has counted so far.
probes() {
    python3 -c 'import re, urllib.request
text = urllib.request.urlopen("http://127.0.0.1:9100/metrics").read().decode()
rows = re.findall(r"^goavail_probes_total\{(.*)\} (\d+)", text, re.M)
print(*(sum(int(n) for labels, n in rows if f"outcome=\"{it}\"" in labels) for it in ("reply", "loss")))'
}

# The file of an agent that asks all addresses by this check, at this port.
configure() {
    local check=$1 port=$2
    printf 'interval = 1\ntimeout = 0.5\nretry_interval = 0.2\nfailure_threshold = 3\n'
    printf '[zone.main]\nprovider = "cloudflare"\ndomain = "example.com"\napi_url = "http://127.0.0.1:9"\n'
    printf '[check.web]\ntype = "%s"\nport = %s\n' "$check" "$port"
    [[ $check == http ]] || printf 'ca_file = "%s/ca.pem"\n' "$scratch"
    printf '[[service]]\nname = "www"\nhostnames = ["www"]\ncheck = "web"\nip_addresses = [\n'
    addresses | sed 's/.*/"&",/'
    printf ']\n[Status]\nlisten = "127.0.0.1:9100"\n'
}

printf '%-6s %10s %10s %10s %10s %6s %10s %10s %10s %8s\n' \
    check targets goavail 'a probe' memory lost exporter 'a probe' memory ratio
for check in $checks; do
    port=$([[ $check == http ]] && echo 8080 || echo 8443)
    configure "$check" "$port" >goavail.toml
    "$goavail" monitor --config-file goavail.toml >"log.$check" 2>&1 & own=$!
    pids+=("$own")
    addresses | python3 scrape.py "$check" "$port" 10 >/dev/null
    before_own=$(ticks "$own") before_other=$(ticks "$blackbox")
    read -r replies_before _ <<<"$(probes)"
    read -r good bad <<<"$(addresses | python3 scrape.py "$check" "$port" "$seconds")"
    after_own=$(ticks "$own") after_other=$(ticks "$blackbox")
    read -r replies losses <<<"$(probes)"
    memory_own=$(memory "$own") memory_other=$(memory "$blackbox")
    kill "$own"
    wait "$own" 2>/dev/null || true
    awk -v check="$check" -v count="$count" -v own=$((after_own - before_own)) \
        -v other=$((after_other - before_other)) -v probes=$((replies - replies_before)) \
        -v lost="$losses" -v good="$good" -v bad="$bad" -v hertz="$(getconf CLK_TCK)" \
        -v memory="$memory_own" -v other_memory="$memory_other" \
        'BEGIN {
            a = own / hertz / probes * 1e6; b = other / hertz / good * 1e6
            printf "%-6s %10d %8.2f s %7.0f µs %6d MiB %6d %8.2f s %7.0f µs %6d MiB %8.2f", check, count,
                own / hertz, a, memory, lost, other / hertz, b, other_memory, a / b
            printf "   (%d probes here, %d there", probes, good
            if (bad > 0) printf ", and %d that failed", bad
            print ")"
        }'
    # The first reasons, if anything was lost.
    if ((losses > 0)); then grep -m 3 -E 'down|lost|fault' "log.$check" | sed 's/^/    /' || true; fi
done
echo
echo 'targets: http at most 0.33 of the exporter, https at most 0.4; nothing lost'
