#!/bin/sh
# Starts what follows as systemd starts the unit, as far as that can be done without systemd: its folders,
# its credential, its user and capabilities, no new privileges, and all else read-only.
# `unit.sh ROOT COMMAND...`, in a mount namespace of its own.
set -eu
root=$1
shift
chroot "$root" install -d -o goavail -g goavail -m 0755 /run/goavail
chroot "$root" install -d -o goavail -g goavail -m 0700 /var/lib/goavail
chroot "$root" install -d -o goavail -m 0500 /run/credentials/goavail.service
chroot "$root" install -o goavail -m 0400 /etc/goavail/cf-api-token /run/credentials/goavail.service/

mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
for folder in run/goavail var/lib/goavail; do
    mount --bind "$root/$folder" "$root/$folder"
done
mount -o remount,bind,ro "$root"
umask 0077
exec chroot "$root" setpriv --reuid=goavail --regid=goavail --clear-groups --no-new-privs \
    --inh-caps=-all,+net_raw --ambient-caps=-all,+net_raw --bounding-set=-all,+net_raw "$@"
