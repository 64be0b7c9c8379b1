#!/bin/sh
# Writes packaging/goavail.cdx.json anew: every crate in the binary with its version, source, checksum and
# licence, in CycloneDX. Run it after a change of Cargo.lock; a test compares the two.
#
# cargo-cyclonedx (`cargo install --locked cargo-cyclonedx`) reads Cargo.lock for one target and for one
# binary. cargo-about, the other choice, writes pages for people and no bill of materials.
set -eu
cd "$(dirname "$0")/.."
export SOURCE_DATE_EPOCH=0
cargo cyclonedx --quiet --format json --describe binaries --spec-version 1.5 \
    --target x86_64-unknown-linux-musl --license-strict
# What cargo builds: the tool counts what only the tests make of a crate as well.
cargo tree --locked --edges normal,build --prefix none --target x86_64-unknown-linux-musl --format '{p}' |
    sed 's/ v/@/; s/ .*//' | sort -u >goavail_bin.tree
# Left out: the time, a number that differs each time, the folder of this machine, and what others wrote
# about their crates, which crates.io shows.
python3 - goavail_bin.cdx.json goavail_bin.tree packaging/goavail.cdx.json <<'END'
import json, re, sys
bom = json.load(open(sys.argv[1]))
bom.pop("serialNumber", None)
bom["metadata"].pop("timestamp", None)
built = set(open(sys.argv[2]).read().split())
bom["components"] = [it for it in bom["components"] if it["name"] + "@" + it["version"] in built]
kept = {it["bom-ref"] for it in bom["components"]} | {bom["metadata"]["component"]["bom-ref"]}
bom["dependencies"] = [it for it in bom["dependencies"] if it["ref"] in kept]
for it in bom["dependencies"]:
    it["dependsOn"] = [ref for ref in it.get("dependsOn", []) if ref in kept]
for component in bom["components"]:
    for key in ("author", "description", "externalReferences"):
        component.pop(key, None)
text = re.sub(r"path\+file:///[^\"#]*#", "path+file:///goavail#", json.dumps(bom, indent=1, sort_keys=True))
open(sys.argv[3], "w").write(re.sub(r"\?download_url=file://[^\"#]*", "", text) + "\n")
END
rm goavail_bin.cdx.json goavail_bin.tree
