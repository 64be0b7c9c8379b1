#!/bin/sh
# Runs goavail as the container of the image does: `scene.sh ROOT WAY ARGUMENT...`, in a mount and network
# namespace of its own. The root is read-only, and the two folders that the documents ask for are mounted.
# WAY is the way to send echo requests: "raw" with the capability of the container, "ping" without any
# and without new privileges, or "none".
set -eu
root=$1 way=$2
shift 2

ip link set lo up
mount --bind "$root" "$root"
mount -t tmpfs -o uid=65532,gid=65532,mode=0700 run "$root/run/goavail"
mount -t tmpfs -o uid=65532,gid=65532,mode=0700 state "$root/var/lib/goavail"
mount -o remount,bind,ro "$root"

# As root in the container until the user is changed: chroot and the change need these.
kept=-all,+sys_chroot,+setuid,+setgid
privileges=''
range='1 0'
case $way in
raw) kept=$kept,+net_raw ;;
ping)
    range='65532 65532'
    privileges=--no-new-privs
    ;;
esac
echo "$range" >/proc/sys/net/ipv4/ping_group_range
exec setpriv --bounding-set=$kept $privileges \
    chroot --userspec=65532:65532 --groups= "$root" /usr/local/bin/goavail "$@"
