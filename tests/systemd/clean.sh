#!/bin/bash
# clean.sh NAME: ends what boot.sh started and takes its cgroups away.
nspawn=$(cat "$BENCH/$1.nspawn" 2>/dev/null)
if [ -n "$nspawn" ]; then
  kill -KILL $(cat /proc/"$nspawn"/task/*/children 2>/dev/null) 2>/dev/null
  while kill -0 "$nspawn" 2>/dev/null; do sleep .05; done
fi
while read -r cgroup; do
  for _ in $(seq 100); do
    [ -d "$cgroup" ] || break
    find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null
    [ ! -d "$cgroup" ] || sleep .05
  done
done < <(cat "$BENCH/$1.cgroups" 2>/dev/null)
rm -f "$BENCH/$1".{cgroups,nspawn}
rmdir "/run/systemd/nspawn/propagate/$1" 2>/dev/null
true
