#!/bin/bash
# Everything that the Pi tests need, on Debian 12 amd64 as root: one minute and 2 GB the first time, nothing later.
# Compilers for three kinds of Pi, QEMU 10, and a kernel, busybox and git for the emulated one. State is below
# ${PILOTLIGHT_BENCH:-~/.cache/pilotlight-bench}. The armhf architecture is not added: its security index does not
# match the others' and would break `apt-get update`.
set -euo pipefail
bench=${PILOTLIGHT_BENCH:-$HOME/.cache/pilotlight-bench}
made=$bench/guest-made
tools=(qemu-system-aarch64 qemu-aarch64-static qemu-arm-static aarch64-linux-gnu-gcc arm-linux-gnueabihf-gcc
  /usr/bin/cargo cpio git openssl readelf "$bench/zig/bin/cargo-zigbuild")
have_all() {
  local tool
  for tool in "${tools[@]}"; do command -v "$tool" >/dev/null || return 1; done
  [ -e "$made" ] && [ -e /lib/ld-linux-aarch64.so.1 ]
}
have_all && exit 0
[ "$(id -u)" = 0 ] || { echo "only root can install what is missing of: ${tools[*]}" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
mkdir -p "$bench/debs" "$bench/guest"

dpkg --add-architecture arm64
apt-get update -qq
apt-get install -y -qq --no-install-recommends rustc-web cargo-web rust-web-src libstd-rust-web-dev:arm64 \
  gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross \
  libc6:arm64 libgcc-s1:arm64 binutils cpio git openssl python3-venv

# QEMU 10 is in backports: asked for through lists of its own, so that nothing else comes from there.
parts=$bench/apt/parts lists=$bench/apt/lists
mkdir -p "$parts" "$lists/partial"
sources=/etc/apt/sources.list.d/debian.sources
cp "$sources" "$parts/"
sed -E 's/^Suites:.*/Suites: bookworm-backports/' "$sources" | awk 'BEGIN { RS = ""; ORS = "\n\n" } NR == 1' \
  > "$parts/backports.sources"
backports() {
  apt-get -qq -o Dir::Etc::sourceparts="$parts" -o Dir::State::lists="$lists" -o Dir::Cache::pkgcache= \
    -o Dir::Cache::srcpkgcache= "$@"
}
backports update
backports install -y --no-install-recommends -t bookworm-backports qemu-system-arm qemu-user-static

# What the guest is made of: unpacked here, never installed.
kernel=$(apt-cache depends linux-image-arm64:arm64 | sed -n 's/.*Depends: \(linux-image-6[^: ]*\).*/\1/p' | head -n 1)
cd "$bench/debs"
rm -rf ./*.deb "$bench/guest" "$made"
apt-get download -qq "$kernel:arm64" busybox-static:arm64 git:arm64 libpcre2-8-0:arm64 zlib1g:arm64
for deb in *.deb; do dpkg -x "$deb" "$bench/guest"; done

# zig is compiler and linker for ARMv6, whose glibc Debian does not have.
python3 -m venv "$bench/zig"
"$bench/zig/bin/pip" install -q ziglang==0.17.1 cargo-zigbuild==0.24.0
touch "$made"
