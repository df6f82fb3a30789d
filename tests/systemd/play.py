"""Plays the cases of a file in boxes booted both ways, and counts what was seen."""

import inspect
import pathlib
import sys
import time
import traceback

from box import Box

CGROUPS = ("v1", "v2")


def main(about, names, kind, repositories, each=None):
    """`names`: the file's globals, of which every `case_…(scene, row)` is played, in the boots that its `boots` names, else
    in the first. `each` looks at the scene after each."""
    bench, binary, wanted = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
    cases = {name[5:]: case for name, case in names.items() if name.startswith("case_")}
    rows = []

    def row(what, seen, good):
        rows.append(good)
        print(f"   {'seen' if good else 'NOT SEEN':8}  {what:44}  {seen}", flush=True)

    for cgroups in CGROUPS:
        start = time.monotonic()
        with Box(bench / "rootfs", bench, f"{kind.__name__.lower()}-{cgroups}", cgroups) as box:
            with kind(box, binary, repositories) as scene:
                print(f"\n== {about}: a box with {box.run('systemctl --version').splitlines()[0]}, cgroups {cgroups}"
                      f" ({time.monotonic() - start:.1f} s)", flush=True)
                for name in wanted or cases:
                    if cgroups not in getattr(cases[name], "boots", CGROUPS[:1]):
                        continue
                    print(f"\n-- {name}: {inspect.getdoc(cases[name])}", flush=True)
                    try:
                        cases[name](scene, row)
                        if each:
                            row("and the daemon", *each(scene))
                    except Exception:  # noqa: BLE001: whatever it was, the others are played too
                        traceback.print_exc(file=sys.stdout)
                        row("the whole case", "see above", False)
                        print(box.run("journalctl -b --no-pager -n 60", check=False)[1])
    print(f"\n{about}: {rows.count(True)} seen, {rows.count(False)} not")
    return 0 if all(rows) else 1
