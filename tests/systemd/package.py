#!/usr/bin/env -S python3 -B
"""package.py BENCH DEB: a package's life in a box with a real systemd. tests/systemd/run starts it."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

from box import Box
from scene import OFFICE, Scene, socket_of

REPOSITORY = "acme/app"
ROWS = []

# A build that goes on until the file `go` is beside it.
WAITS = """
    echo "TREE $(pwd -P)"
    until [ -e go ]; do sleep 0.2; done
    """


def row(what, seen, good):
    ROWS.append(good)
    print(f"   {'seen' if good else 'NOT SEEN':8}  {what:44}  {seen}", flush=True)


class Office(Scene):
    """A bare box in its office: nothing of pilotlight is there yet."""

    def __enter__(self):
        self.box.boot()
        self.box.run(OFFICE)
        self.serve_github()
        self.serve_office()
        return self

    def enable(self, name, stranger):
        self.box.run(f"systemctl --quiet enable --now {socket_of(name, stranger)}")

    def apt(self, words):
        said = self.box.run(f"DEBIAN_FRONTEND=noninteractive apt-get --yes --quiet {words}")
        print("\n".join(f"             {line}" for line in said.splitlines() if re.match("Setting|Removing|Purging|pilot", line)))

    def state(self, unit="pilotlight"):
        return self.box.run(f"systemctl is-active {unit}; systemctl is-enabled {unit}", check=False)[1].split()

    def pid(self):
        return self.box.run("systemctl show --value --property=MainPID pilotlight")

    def there(self, *paths):
        return [path for path in paths if (self.box.root / path.lstrip("/")).exists()]


def installed(office):
    office.apt("install /root/old.deb")
    row("installed: enabled, waits for a configuration", office.state(), office.state() == ["inactive", "enabled"])
    pages = office.there("/usr/bin/pilotlight", "/usr/share/bash-completion/completions/pilotlight",
                         "/usr/share/zsh/vendor-completions/_pilotlight",
                         "/usr/share/fish/vendor_completions.d/pilotlight.fish",
                         "/usr/share/doc/pilotlight/licences-of-crates")
    row("binary, completions and licences", pages, len(pages) == 5)
    office.set_up()
    office.box.run("systemctl start pilotlight")
    office.first = office.build(REPOSITORY, "true")
    row("configured: builds", office.first.last["description"], office.first.last["state"] == "success")


def upgraded(office):
    """In mid-build: the build ends as if nothing had been, then the new one runs."""
    before, build = office.pid(), office.push(REPOSITORY, WAITS)
    office.box.run(f"until pilotlight log {build.id} | grep -q TREE; do sleep 0.2; done")
    tree = build.said("TREE")[0]
    upgrade = threading.Thread(target=office.apt, args=("install /root/new.deb",))
    upgrade.start()
    office.box.run("until [ $(systemctl is-active pilotlight) = deactivating ]; do sleep 0.2; done")
    office.box.run(f"touch {tree}/go")
    upgrade.join()
    build.end()
    said = [status["description"] for status in build.statuses()]
    row("upgraded in mid-build: it ends", said, build.last["state"] == "success" and "nterrupt" not in str(said))
    row("upgraded: the new one runs", f"{before} → {office.pid()}", office.state()[0] == "active" and before != office.pid())
    found = office.box.run("pilotlight builds")
    row("upgraded: state is as it was", f"{len(found.splitlines())} lines of builds", str(office.first.id) in found)
    last = office.build(REPOSITORY, "true").last
    row("upgraded: builds", last["description"], last["state"] == "success")
    office.box.run("systemctl stop pilotlight")
    office.apt("install --allow-downgrades /root/old.deb")
    row("upgraded while stopped: stays so", office.state(), office.state() == ["inactive", "enabled"])
    office.box.run("systemctl --quiet disable pilotlight")
    office.apt("install /root/new.deb")
    row("upgraded while disabled: stays so", office.state(), office.state() == ["inactive", "disabled"])
    office.box.run("systemctl --quiet enable --now pilotlight")


def removed(office):
    office.apt("remove pilotlight")
    left = office.box.run("pgrep -lx pilotlight; ls -d /run/netns/plb-*; nft list table inet pilotlight; "
                          "systemctl --no-legend list-units 'pilotlight*'", check=False)[1]
    left = [line for line in left.splitlines() if "No such file" not in line and not re.match(r"list table|\s*\^", line)]
    row("removed: nothing runs, no network is left", left, not left)
    kept = office.there("/etc/pilotlight/pilotlight.toml", "/etc/credstore/github-token", "/var/lib/pilotlight/pilotlight.db")
    row("removed: keeps configuration, secrets, state", kept, len(kept) == 3)
    office.apt("install /root/new.deb")
    row("installed again: runs", office.state(), office.state() == ["active", "enabled"])
    last = office.build(REPOSITORY, "true").last
    row("installed again: builds", last["description"], last["state"] == "success")


def purged(office):
    office.apt("purge pilotlight")
    left = office.box.run("find / /run -xdev '(' -name '*pilotlight*' -o -name 'plb*' -o -name github-token "
                          "-o -name webhook-secret ')' -not -path '/proc/*' -not -path '/sys/*' -not -path '/var/log/journal/*'; "
                          "grep -l pilotlight /etc/passwd /etc/group; systemctl --all --state=loaded --no-legend list-units 'pilotlight*'",
                          check=False)[1]
    row("purged: no file, no user, no unit", left.splitlines(), not left)


def next_version(deb, out):
    """The same package, a version later."""
    with tempfile.TemporaryDirectory() as room:
        subprocess.run(["dpkg-deb", "--raw-extract", deb, room], check=True)
        control = pathlib.Path(room, "DEBIAN/control")
        control.write_text(re.sub("^(Version: .*)$", r"\1+next", control.read_text(), flags=re.M))
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", room, out], check=True, stdout=subprocess.DEVNULL)


def main():
    bench, deb = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    with Box(bench / "rootfs", bench, "package", "v2") as box:
        shutil.copy(deb, box.root / "root/old.deb")
        next_version(deb, box.root / "root/new.deb")
        with Office(box, None, {REPOSITORY: ""}) as office:
            for part in (installed, upgraded, removed, purged):
                print(f"\n-- {part.__name__}", flush=True)
                part(office)
    print(f"\nthe package's life: {ROWS.count(True)} seen, {ROWS.count(False)} not")
    return 0 if all(ROWS) else 1


if __name__ == "__main__":
    sys.exit(main())
