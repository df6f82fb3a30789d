#!/usr/bin/env -S python3 -B
"""units.py BENCH BINARY [CASE…]: the installed units at work. tests/systemd/run starts it."""

import inspect
import pathlib
import sys
import time
import traceback

from box import Box
from scene import Scene, instance, socket_of

REPOSITORIES = {"acme/app": "", "acme/other": "", "acme/closed": 'network = "none"', "acme/lan": 'network = "lan"'}

ROWS = []


def row(what, seen, good):
    ROWS.append(good)
    print(f"   {'seen' if good else 'NOT SEEN':8}  {what:44}  {seen}", flush=True)


def case_own_unit(scene):
    """Each repository has a user, a cache and a unit of its own, and its strangers another."""
    script = """
        echo "WHO $(id -u) $(stat -c %u $HOME $PILOTLIGHT_CACHE_DIR . | sort -u | tr '\\n' ' ')"
        echo "UNIT $(sed -n 's/.*\\(pilotlight-build@[^/]*\\).*/\\1/p' /proc/self/cgroup | sort -u)"
        echo "CACHE $(cat $PILOTLIGHT_CACHE_DIR/mark 2>&1)"
        echo "$PILOTLIGHT_REPOSITORY" >$PILOTLIGHT_CACHE_DIR/mark
        """
    users = {}
    for name, stranger in (("acme/app", False), ("acme/other", False), ("acme/app", True), ("acme/app", False)):
        build = scene.build(name, script, stranger=stranger)
        unit = f"pilotlight-build@{instance(name, '_s' if stranger else '')}.service"
        seen = f"{build.last['state']}, {build.last['description']}; uid {build.said('WHO')}, {build.said('CACHE')}"
        who = build.said("WHO")[0].split()
        row(f"{name}{' (stranger)' * stranger}: {unit}", seen,
            build.last["state"] == "success" and build.said("UNIT") == [unit] and len(set(who)) == 1)
        users.setdefault((name, stranger), []).append((who[0], build.said("CACHE")[0]))
    app = users["acme/app", False]
    row("its user and cache stay", app, app[0][0] == app[1][0] and app[1][1] == "acme/app" and "No such file" in app[0][1])
    uids = {builds[0][0] for builds in users.values()}
    row("nobody shares a user", uids, len(uids) == 3)
    caches = [builds[0][1] for builds in users.values()]
    row("nobody finds another's cache", caches, all("No such file" in cache for cache in caches))


def main():
    bench, binary, wanted = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
    cases = {name[5:]: case for name, case in globals().items() if name.startswith("case_")}
    for cgroups in ("v1", "v2"):
        start = time.monotonic()
        with Box(bench / "rootfs", bench, f"units-{cgroups}", cgroups) as box:
            with Scene(box, binary, REPOSITORIES) as scene:
                print(f"\n== a box with {box.run('systemctl --version').splitlines()[0]}, cgroups {cgroups}"
                      f" ({time.monotonic() - start:.1f} s)", flush=True)
                for name in wanted or cases:
                    print(f"\n-- {name}: {inspect.getdoc(cases[name])}", flush=True)
                    try:
                        cases[name](scene)
                    except Exception:  # noqa: BLE001: whatever it was, the others are played too
                        traceback.print_exc(file=sys.stdout)
                        row("the whole case", "see above", False)
                        print(box.run("journalctl -b --no-pager -n 60", check=False)[1])
    print(f"\nthe units in a real systemd: {ROWS.count(True)} seen, {ROWS.count(False)} not")
    return 0 if all(ROWS) else 1


if __name__ == "__main__":
    sys.exit(main())
