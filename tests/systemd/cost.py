#!/usr/bin/env -S python3 -B
"""cost.py BENCH BINARY: what a unit costs beside a child process. tests/systemd/run starts it (`run BINARY cost`).

From the daemon's start of a build to its end, by the journal, in the same box: nothing to do, and a warm repository of
200 MB in which one file has changed; each with its origin beside it, where a fetch takes no time that counts, and as far
away as GitHub is at best, as a unit starts while the head is fetched. Posts to GitHub keep their own pace and are not in
it. Both kinds take turns; the network is made once and then brought up to date, as on a box that runs. The cgroups are
those of Debian 12 and Raspberry Pi OS, v2: with v1's dozen of hierarchies a unit has a third more to do.

Prints what was measured and is content: a busy machine is slow.
"""

import pathlib
import random
import statistics
import sys

from box import Box
from scene import Scene
from units import wait

# Builds of a kind in one turn, of a daemon that was just started: it paces its posts after 60 of them in a minute, and a
# build makes three.
BUILDS, TURNS = 6, 3
FILES, FILE_BYTES = 2000, 100_000
AIM_MS = 40

# What a fetch over HTTPS waits for GitHub: the handshakes and three requests, half a dozen round trips of 25 ms and more
# and what GitHub thinks about them.
FAR_SECONDS = 0.2
ORIGINS = {"": 0, f", {FAR_SECONDS * 1000:.0f} ms away": FAR_SECONDS}
REPOSITORIES = {"no-op": "acme/app", "warm 200 MB": "acme/big"}


class Far(Scene):
    """Its repositories are as far away as the file `far` says."""

    def install(self):
        super().install()
        self.far = self.box.root / "etc/far"
        for directory in ("usr/bin", "usr/lib/git-core"):
            serve = self.box.root / directory / "git-upload-pack"
            serve.unlink()
            serve.write_text('#!/bin/sh\nsleep "$(cat /etc/far)"\nexec git upload-pack "$@"\n')
            serve.chmod(0o755)
        self.far.write_text("0\n")


def measured(scene, name, base=None):
    """Milliseconds of each build, the first one left out."""
    took = []
    for number in range(BUILDS + 1):
        build = scene.push(name, f"true # {number}", base=base)
        build.end()
        assert build.last["state"] == "success", build.statuses()
        # Closed: a daemon that starts asks after every open one.
        del scene.pulls[name, build.number]
        took.append(milliseconds(scene, build.id))
    return took[1:]


def milliseconds(scene, build):
    """Its status is posted before it has ended."""
    words = f"journalctl -u pilotlight -o short-unix --no-pager -n 50 | grep -E 'build {build} (of|ended)'"
    started, ended = wait(lambda: (lines := scene.box.run(words).splitlines())[1:] and lines)
    return (float(ended.split()[0]) - float(started.split()[0])) * 1000


def main():
    bench, binary = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    letters = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz0123456789\n", k=FILE_BYTES * 2))
    big = [(f"data/{n % 50}/{n}", "100644", f"{n}\n" + letters[n:n + FILE_BYTES]) for n in range(FILES)]
    took = {}
    with Box(bench / "rootfs", bench, "cost", "v2") as box, Far(box, binary, dict.fromkeys(REPOSITORIES.values(), "")) as scene:
        config = (box.root / "etc/pilotlight/pilotlight.toml").read_text()
        first = scene.push("acme/big", "true", big)
        first.end()
        for _ in range(TURNS):
            for where, seconds in ORIGINS.items():
                scene.far.write_text(f"{seconds}\n")
                for isolation in ("none", "systemd"):
                    scene.configure(config.replace("workers = 2", f'isolation = "{isolation}"'))
                    box.run("systemctl restart pilotlight")
                    for what, name in REPOSITORIES.items():
                        builds = measured(scene, name, first.number if name == "acme/big" else None)
                        took.setdefault((what + where, isolation), []).extend(builds)
    print(f"the cost of a unit, in ms: medians of {TURNS * BUILDS} (the least of them); the aim is ≤ {AIM_MS} ms more")
    print(f"{'build':26}  {'child process':>16}  {'unit':>16}  {'more':>16}  {'ratio':>5}  aim")
    for what in dict.fromkeys(what for what, _ in took):
        (child, least_child), (unit, least_unit) = (
            (statistics.median(took[what, kind]), min(took[what, kind])) for kind in ("none", "systemd"))
        pairs = "  ".join(f"{f'{median:.1f} ({least:.1f})':>16}" for median, least in (
            (child, least_child), (unit, least_unit), (unit - child, least_unit - least_child)))
        print(f"{what:26}  {pairs}  {unit / child:5.2f}  {'met' if unit - child <= AIM_MS else 'missed'}")


if __name__ == "__main__":
    main()
