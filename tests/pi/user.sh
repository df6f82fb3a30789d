#!/bin/bash
# user.sh aarch64|armv7|armv6 PILOTLIGHT: does the binary do its job on that processor? Under qemu-user, with the host's
# git: the demo, and user.py's TLS. pilotlight starts itself again as a worker, so Linux must know how to run an ARM
# program: a binfmt_misc of our own in a user namespace (Linux 6.7 or newer) says so; the machine's is left alone.
set -euo pipefail
kind=${1:?aarch64, armv7 or armv6} pilotlight=$(readlink -f "${2:?the binary}")
here=$(cd "$(dirname "$0")" && pwd)
elf='\x7fELF%s\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00%s\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
case $kind in
  aarch64) magic=$(printf "${elf//\\/\\\\}" '\x02' '\xb7') run='qemu-aarch64-static' ;;
  armv7) magic=$(printf "${elf//\\/\\\\}" '\x01' '\x28') run='qemu-arm-static -cpu cortex-a7 -L /usr/arm-linux-gnueabihf' ;;
  armv6) magic=$(printf "${elf//\\/\\\\}" '\x01' '\x28') run='qemu-arm-static -cpu arm1176' ;;
  *) echo "there is no kind $kind: aarch64, armv7 or armv6" >&2; exit 2 ;;
esac
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
# A script, since a worker starts with an empty environment, where QEMU would look for its options.
printf '#!/bin/sh\nexec %s "$@"\n' "$run" > "$room/qemu"
chmod +x "$room/qemu"
export TMPDIR=$room
unshare --user --map-root-user --mount --pid --fork --mount-proc bash -euo pipefail -c '
  mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
  printf ":pi:M::%s:%s:%s:" "$1" "$2" "$3" > /proc/sys/fs/binfmt_misc/register
  shift 3
  python3 "$@"
' bash "$magic" "$mask" "$room/qemu" "$here/user.py" "$pilotlight"
