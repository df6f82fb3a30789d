#!/bin/bash
# boot.sh ROOT NAME v1|v2 [systemd-nspawn options]: boots systemd as PID 1 and prints that process's pid.
#   v1  each cgroup v1 controller gets a child of our own that is writable inside: limits on memory, tasks and processor
#       are real, and so is DeviceAllow=; cgroup.kill is not there. For hosts whose controllers are mounted (hybrid).
#   v2  pure v2: DeviceAllow= and cgroup.kill are real; limits on memory, processor and tasks are ignored here.
# What it makes is below $BENCH; clean.sh NAME takes it away again.
set -euo pipefail
root=$1 name=$2 mode=$3
shift 3
here=$(dirname "$(readlink -f "$0")")
log=$BENCH/$name.log
options=(--quiet "--directory=$root" --boot --register=no --keep-unit --console=pipe "--machine=$name" --private-network)

# A child of ours in each hierarchy, which this shell and so the container moves into.
own_cgroups() {
  local controllers path mounted child
  while IFS=: read -r _ controllers path; do
    case $controllers in
    '') mounted=unified ;;
    name=*) mounted=${controllers#name=} ;;
    *) mounted=$controllers ;;
    esac
    child=/sys/fs/cgroup/$mounted${path%/}/$name
    mkdir -p "$child"
    if [ "$mounted" = cpuset ]; then
      cat "${child%/*}/cpuset.cpus" >"$child/cpuset.cpus"
      cat "${child%/*}/cpuset.mems" >"$child/cpuset.mems"
    fi
    echo "$BASHPID" >"$child/cgroup.procs"
    echo "$child" >>"$BENCH/$name.cgroups"
  done < <(cat /proc/self/cgroup)
}

case $mode in
v1)
  [ -d /sys/fs/cgroup/memory ] || { echo "boot.sh: no cgroup v1 controllers here: their limits can't be shown" >&2; exit 1; }
  (own_cgroups && exec systemd-nspawn "${options[@]}" "$@" </dev/null >"$log" 2>&1) &
  ;;
v2)
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn "${options[@]}" --capability=all --system-call-filter=bpf "$@" \
    </dev/null >"$log" 2>&1 &
  ;;
esac
nspawn=$!
echo $nspawn >"$BENCH/$name.nspawn"
leader=
for _ in $(seq 300); do
  for pid in $(cat /proc/$nspawn/task/*/children 2>/dev/null); do
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != systemd ] || leader=$pid
  done
  [ -z "$leader" ] || [ ! -S "/proc/$leader/root/run/systemd/private" ] || break
  kill -0 $nspawn 2>/dev/null || break
  sleep .1
done
if [ -z "$leader" ] || [ ! -S "/proc/$leader/root/run/systemd/private" ]; then
  echo "boot.sh: systemd did not start in $root:" >&2
  tail "$log" >&2
  exit 1
fi
if [ "$mode" = v1 ]; then
  nsenter -t "$leader" -m -- sh -c \
    'for c in memory cpu cpuacct pids devices freezer blkio; do mount -o remount,rw,nosuid,nodev,noexec,bind /sys/fs/cgroup/$c; done'
  "$here/enter.sh" "$leader" systemctl daemon-reexec
fi
"$here/enter.sh" "$leader" systemctl is-system-running --wait >/dev/null || true
echo "$leader"
