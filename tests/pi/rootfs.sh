#!/bin/bash
# rootfs.sh: Debian 12 arm64 with systemd and all that pilotlight's package depends on, for package.py. Made once, most of
# it by emulation. The last line is its folder. Needs setup.sh.
set -euo pipefail
bench=${PILOTLIGHT_BENCH:-$HOME/.cache/pilotlight-bench}
packages=systemd-sysv,udev,dbus,kmod,iproute2,git,nftables,libnss-systemd
if [ "$(cat "$bench/rootfs.packages" 2>/dev/null)" = "$packages" ]; then
  echo "$bench/rootfs"
  exit
fi
[ "$(id -u)" = 0 ] || { echo "only root can make the emulated Pi's Debian" >&2; exit 1; }
if ! command -v debootstrap >/dev/null; then
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap
fi
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
root=$bench/rootfs
rm -rf "$root"
mirror=$(awk '/^URIs/ { print $2; exit }' /etc/apt/sources.list.d/debian.sources)
debootstrap --foreign --arch=arm64 --variant=minbase --include="$packages" bookworm "$root" "$mirror" >"$room/log" ||
  { tail "$room/log" >&2; exit 1; }
# In a user namespace nothing can make device nodes; its /dev is the host's.
sed -i 's/^check_sane_mount () {/& return 0/; s/^setup_devices () {/& return 0/' "$root/debootstrap/functions"
mkdir -p "$root/etc/dpkg/dpkg.cfg.d"
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/fast"

# Linux must know how to run an ARM program: a binfmt_misc of our own says so, as in user.sh; but dpkg needs many users.
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
mkfifo "$room/go" "$room/ready"
cat >"$room/second" <<END_OF_SECOND
set -euo pipefail
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf '%s' ':pi:M::${magic}:${mask}:/usr/bin/qemu-aarch64-static:F' >/proc/sys/fs/binfmt_misc/register
mount --rbind /dev '$root/dev'
mount -t proc proc '$root/proc'
chroot '$root' /debootstrap/debootstrap --second-stage
END_OF_SECOND
unshare --user sh -c 'echo >"$1/ready"; read -r _ <"$1/go"
  exec unshare --mount --pid --fork --mount-proc --propagation private bash "$1/second"' sh "$room" >"$room/log" 2>&1 &
read -r _ <"$room/ready"
echo "0 0 65536" >/proc/$!/uid_map
echo "0 0 65536" >/proc/$!/gid_map
echo >"$room/go"
wait $! || { tail "$room/log" >&2; exit 1; }
rm "$root/etc/dpkg/dpkg.cfg.d/fast" "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*_*
echo "$packages" >"$bench/rootfs.packages"
echo "$root"
