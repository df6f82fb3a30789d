#!/bin/bash
# initramfs.sh PILOTLIGHT STAGE OUT: the emulated Pi's whole system, from what setup.sh unpacked: busybox, git with its
# libraries, PILOTLIGHT, guest/, and the folder STAGE as /srv.
set -euo pipefail
pilotlight=$1 stage=$2 out=$3
here=$(cd "$(dirname "$0")" && pwd)
guest=${PILOTLIGHT_BENCH:-$HOME/.cache/pilotlight-bench}/guest
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
libraries=lib/aarch64-linux-gnu
mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp,usr/bin,srv/www/cgi-bin,$libraries}
cp "$guest/bin/busybox" "$root/bin/"
cp "$pilotlight" "$root/usr/bin/pilotlight"
cp "$guest/usr/bin/git" "$root/usr/bin/"
ln -s git "$root/usr/bin/git-upload-pack"
cp -L /lib/ld-linux-aarch64.so.1 "$root/lib/"
cp -L /$libraries/{libc.so.6,libm.so.6,libgcc_s.so.1} "$root/$libraries/"
cp -L "$guest/usr/$libraries/libpcre2-8.so.0" "$guest/$libraries/libz.so.1" "$root/$libraries/"
cp -r "$stage/." "$root/srv/"
cp "$here/guest/init" "$root/init"
cp "$here/guest/api" "$root/srv/www/cgi-bin/api"
chmod +x "$root/init" "$root/srv/www/cgi-bin/api"
(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) > "$out"
