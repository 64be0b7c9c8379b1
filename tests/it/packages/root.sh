#!/bin/sh
# A root of its own for packages: this machine's, with everything that is written to it in memory. Prints
# its folder, and holds it until standard input ends. Runs in a mount namespace of its own.
set -eu
here=$1
mount -t tmpfs root "$here"
mkdir "$here/upper" "$here/work" "$here/root"
mount -t overlay root -o "lowerdir=/,upperdir=$here/upper,workdir=$here/work" "$here/root"
mount -t proc proc "$here/root/proc"
mount --bind /dev "$here/root/dev"
# No maintainer script may talk to the systemd of this machine.
rm -rf "$here/root/run/systemd"
echo "$here/root"
exec cat
