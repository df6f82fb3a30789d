#!/bin/bash
# build.sh aarch64|armv7|armv6: a release build of pilotlight for that Pi, with Debian's rustc-web, below target/arm.
#   aarch64  Pi 3, 4, 5, Zero 2 with a 64-bit system
#   armv7    Pi 2, 3, 4 with a 32-bit system; Debian has no std for it, so that is built as well
#   armv6    Pi Zero, Pi 1: static with musl, by zig. A glibc build would die there: Debian's libc for it is ARMv7
# The last line is the binary's path. Needs setup.sh.
set -euo pipefail
kind=${1:?aarch64, armv7 or armv6}
bench=${PILOTLIGHT_BENCH:-$HOME/.cache/pilotlight-bench}
cd "$(dirname "$0")/../.."
# A folder for each: with RUSTC_BOOTSTRAP cargo would build everything anew for the next.
export CARGO_TARGET_DIR=$PWD/target/arm/$kind PATH=/usr/bin:$PATH
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_LINKER=arm-linux-gnueabihf-gcc
common=(--release --locked --bin pilotlight)
# rustc calls itself stable; Debian's own std sources are built with the flags of a nightly one.
std=(-Zbuild-std=std,panic_unwind)
case $kind in
  aarch64)
    target=aarch64-unknown-linux-gnu
    cargo build "${common[@]}" --target $target
    ;;
  armv7)
    target=armv7-unknown-linux-gnueabihf
    RUSTC_BOOTSTRAP=1 cargo build "${common[@]}" "${std[@]}" --target $target
    ;;
  armv6)
    target=arm-unknown-linux-musleabihf
    PATH=$bench/zig/bin:$PATH RUSTC_BOOTSTRAP=1 \
      cargo-zigbuild rustc "${common[@]}" "${std[@]}" --target $target -- -C link-self-contained=no
    ;;
  *)
    echo "there is no kind $kind: aarch64, armv7 or armv6" >&2
    exit 2
    ;;
esac
echo "$CARGO_TARGET_DIR/$target/release/pilotlight"
