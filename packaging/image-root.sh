#!/bin/sh
# Assembles the root of the image from a static binary; the last stage of the Dockerfile copies it and
# nothing else. Run it as root, with setcap (Debian: libcap2-bin, Alpine: libcap):
#
#   packaging/image-root.sh target/x86_64-unknown-linux-musl/dist/goavail FOLDER
set -eu
binary=${1:?the static binary}
root=${2:?the folder of the root}
umask 022

mkdir -p "$root/usr/local/bin" "$root/etc/goavail" "$root/run/goavail" "$root/var/lib/goavail"
cp "$binary" "$root/usr/local/bin/goavail"
chmod 0755 "$root/usr/local/bin/goavail"
# Permitted and not in effect: the agent takes the right up by itself. Were it in effect from the
# start, the kernel would refuse to run the binary wherever the right is not to be had.
setcap cap_net_raw=p "$root/usr/local/bin/goavail"

# The user of the image; without an account, since there is no file of accounts.
chown 65532:65532 "$root/run/goavail" "$root/var/lib/goavail"
chmod 0700 "$root/run/goavail" "$root/var/lib/goavail"
