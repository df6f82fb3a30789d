#!/usr/bin/env -S python3 -B
"""cost.py BENCH BINARY: what a unit costs beside a child process. tests/systemd/run starts it (`run BINARY cost`).

From the daemon's start of a build to its end, by the journal, in the same box: nothing to do, and a warm repository of
200 MB in which one file has changed. Posts to GitHub keep their own pace and are not in it. Both kinds take turns; the
network is made once and then brought up to date, as on a box that runs.
"""

import pathlib
import random
import statistics
import sys

from box import Box
from scene import Scene

# Builds of a kind in one turn, of a daemon that was just started: it paces its posts after 60 of them in a minute, and a
# build makes three.
BUILDS, TURNS = 6, 3
FILES, FILE_BYTES = 2000, 100_000
AIM_MS = 40


def measured(scene, name, base=None):
    """Milliseconds of each build, the first one left out."""
    took = []
    for number in range(BUILDS + 1):
        build = scene.push(name, f"true # {number}", base=base)
        build.end()
        assert build.last["state"] == "success", build.statuses()
        said = scene.box.run(f"journalctl -u pilotlight -o short-unix --no-pager -n 50 | grep -E 'build {build.id} (of|ended)'")
        start, end = (float(line.split()[0]) for line in said.splitlines())
        took.append((end - start) * 1000)
    return took[1:]


def main():
    bench, binary = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    letters = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz0123456789\n", k=FILE_BYTES * 2))
    big = [(f"data/{n % 50}/{n}", "100644", f"{n}\n" + letters[n:n + FILE_BYTES]) for n in range(FILES)]
    medians = {}
    with Box(bench / "rootfs", bench, "cost", "v1") as box, Scene(box, binary, {"acme/app": "", "acme/big": ""}) as scene:
        config = (box.root / "etc/pilotlight/pilotlight.toml").read_text()
        first = scene.push("acme/big", "true", big)
        for turn in range(TURNS):
            for isolation in ("none", "systemd"):
                scene.configure(config.replace("workers = 2", f'isolation = "{isolation}"'))
                box.run("systemctl restart pilotlight")
                first.end()
                for what, name, base in (("no-op", "acme/app", None), ("warm 200 MB", "acme/big", first.number)):
                    medians.setdefault((what, isolation), []).extend(measured(scene, name, base))
    print(f"{'build':12}  {'child process':>14}  {'unit':>10}  {'more':>8}  {'ratio':>6}   (medians of {TURNS * BUILDS}, ms)")
    good = True
    for what in ("no-op", "warm 200 MB"):
        child, unit = (statistics.median(medians[what, isolation]) for isolation in ("none", "systemd"))
        print(f"{what:12}  {child:14.1f}  {unit:10.1f}  {unit - child:8.1f}  {unit / child:6.2f}")
        good &= unit - child <= AIM_MS
    print(f"at most {AIM_MS} ms more: {'yes' if good else 'NO'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
