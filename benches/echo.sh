#!/usr/bin/env bash
# What an echo request costs, beside fping and beside another build of goavail, in one run:
#
#     benches/echo.sh path/to/goavail path/to/goavail-before
#     SIZES="1000 5000" ROUNDS=5 SECONDS_EACH=10 benches/echo.sh path/to/goavail path/to/goavail-before
#
# All targets answer, in a second network namespace behind a virtual link, and each is probed once a second.
# The programs run one after another, ROUNDS times in turn, so that each has its share of what else the
# machine does; the medians are shown, and their ratios. Processor time is that of all threads, in user mode
# and in the kernel, which handles the reply on this machine too. Needs fping, python3 and root.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/kit/namespace.sh"
before=$(realpath "${2:-${GOAVAIL_BEFORE:?the build to compare with}}")
export GOAVAIL_BEFORE=$before
enter "$0" "${1:-}" fping nsenter python3

unshare --net sleep infinity & world=$!
until [[ $(readlink "/proc/$world/ns/net") != $(readlink /proc/self/ns/net) ]]; do sleep 0.1; done
trap 'kill $world; wait; rm -rf "$scratch"' EXIT
ip link add eth0 type veth peer name port0 netns "$world"
ip address add 10.255.0.1/24 dev eth0
ip link set eth0 up
ip route add default via 10.255.0.254
nsenter --target "$world" --net sh -euc '
    ip link set lo up
    ip address add 10.255.0.254/24 dev port0
    ip link set port0 up
    ip route add local 10.0.0.0/16 dev lo'

BINARY=$goavail python3 - <<'PYTHON'
import os, re, statistics, subprocess, time

new, old = os.environ["BINARY"], os.environ["GOAVAIL_BEFORE"]
sizes = [int(size) for size in os.environ.get("SIZES", "10 100 1000 5000 10000").split()]
rounds = int(os.environ.get("ROUNDS", "3"))
seconds = float(os.environ.get("SECONDS_EACH", "8"))


def addresses(count):
    return [f"10.0.{n // 250}.{n % 250 + 1}" for n in range(count)]


def configure(count, burst):
    listed = ", ".join(f'"{address}"' for address in addresses(count))
    with open("goavail.toml", "w") as file:
        file.write(f"""interval = 1
timeout = 0.5
retry_interval = 0.2
failure_threshold = 3
burst = {burst}
[Cloudflare]
dns_domain = "example.com"
hostnames = ["www"]
ip_addresses = [{listed}]
api_url = "http://127.0.0.1:9"
""")


def echo(direction):
    names, values = [line.split() for line in open("/proc/net/snmp") if line.startswith("Icmp: ")]
    return int(values[names.index(direction)])


def reading(pid):
    used = woken = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        used += int(open(f"/proc/{pid}/task/{task}/schedstat").read().split()[0])
        status = open(f"/proc/{pid}/task/{task}/status").read()
        woken += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.M).group(1))
    return time.monotonic(), used, woken, echo("OutEchos"), echo("InEchoReps")


def measure(pid):
    first = reading(pid)
    time.sleep(seconds)
    lasted, used, woken, sent, heard = (b - a for a, b in zip(first, reading(pid)))
    peak = int(re.search(r"VmHWM:\s*(\d+)", open(f"/proc/{pid}/status").read()).group(1))
    return used / 1000 / max(sent, 1), woken / lasted, peak / 1024, used / 1e9 / lasted, sent


def goavail(binary, count, burst):
    configure(count, burst)
    log = open("log", "w")
    quiet = dict(os.environ, RUST_LOG="info,goavail::agent::observers::log=debug", NO_COLOR="1")
    child = subprocess.Popen([binary, "monitor", "--config-file", "goavail.toml"], stdout=log,
                             stderr=log, env=quiet)
    deadline = time.monotonic() + 60
    while open("log").read().count("target confirmed up") < count:
        assert child.poll() is None and time.monotonic() < deadline, open("log").read()[-2000:]
        time.sleep(0.3)
    time.sleep(1)
    before = open("log").read().count("probe lost")
    result = measure(child.pid)
    lost = open("log").read().count("probe lost")
    child.terminate()
    child.wait()
    return *result, lost - before, lost


def fping(count, spread):
    open("targets", "w").write("\n".join(addresses(count)) + "\n")
    gap = str(1000 // count) if spread else "0"
    child = subprocess.Popen(["fping", "-l", "-q", "-p", "1000", "-i", gap, "-f", "targets"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1.5)
    result = measure(child.pid)
    child.kill()
    child.wait()
    return *result, 0, 0


print(f"load {os.getloadavg()[0]:.1f}; {rounds} rounds of {seconds:.0f} s")
print(f"{'targets':>8} {'burst':>6} {'program':>14} {'us a probe':>11} {'(all)':>24} {'wake-ups/s':>10} "
      f"{'MiB':>6} {'core':>7} {'lost':>5}  to before, to fping spread, to fping in one burst")
for count in sizes:
    programs = []
    for burst in (1, 200):
        programs += [(f"{burst}", "before", lambda burst=burst: goavail(old, count, burst)),
                     (f"{burst}", "now", lambda burst=burst: goavail(new, count, burst))]
    if count <= 1000:
        programs.append(("", "fping spread", lambda: fping(count, True)))
    if count <= 5000:
        programs.append(("", "fping burst", lambda: fping(count, False)))
    runs = {}
    for _ in range(rounds):
        for burst, name, run in programs:
            runs.setdefault((burst, name), []).append(run())
    medians = {key: [statistics.median(column) for column in zip(*values)]
               for key, values in runs.items()}
    for (burst, name), (cost, woken, peak, core, sent, lost, all_lost) in medians.items():
        ratios = [cost / medians[key][0] if key in medians and name != key[1] else None
                  for key in ((burst, "before"), ("", "fping spread"), ("", "fping burst"))]
        ratios = "  ".join("-" if ratio is None else f"{ratio:.2f}" for ratio in ratios)
        each = "/".join(f"{run[0]:.1f}" for run in runs[burst, name])
        lost = sum(run[5] for run in runs[burst, name])
        print(f"{count:8} {burst:>6} {name:>14} {cost:11.1f} {each:>24} {woken:10.0f} {peak:6.1f} "
              f"{core:7.4f} {lost:5.0f}  {ratios if name[:5] != 'fping' else ''}", flush=True)
PYTHON
