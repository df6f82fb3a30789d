#!/usr/bin/env -S python3 -B
"""package.py DEB ROOTFS: the arm64 package on an emulated Raspberry Pi 3 with Debian and systemd, seen from outside.

ROOTFS is rootfs.sh's; DEB is put on the card and installed in the running guest by apt, without a network. Then: pins
that stay inputs until there is a configuration, the start, builds in units of their own, a daemon that hangs until
systemd's watchdog ends it, and two power cuts (SIGKILL to QEMU), one with a red lamp, one in mid-build.

After each start the lamp must be honest within HONEST_S of the unit's start: in the daemon's hands and dark, then the
colour test, then "can't tell" if that is so, then the truth, and nothing else at any time. What the same unit needs for a
process that does nothing is the emulator's and does not count. When the truth came is printed beside it.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

from main_job import BENCH, HERE, PINS, Scene, stage
from power_cuts import Box, autopsy, modules

HONEST_S = 5.0
LATE = []
# Long enough for an emulated daemon that is well.
WATCHDOG_S = 20
COLOURS = ["red", "yellow", "green"]
# Longer than any red of a colour test.
RED_S = 5.0
# A red lamp's end: Debian's kernel takes the lines back, and `lamp off` takes them for a moment; rppal's stay as they are.
TAKEN_BACK = [["red", *old, "inputs", *off] for old in ([], ["dark"]) for off in ([], ["dark", "inputs"])]
FROZEN = [["red"]]
LOOKS = {(): "dark", ("red",): "red", ("yellow",): "yellow", ("green",): "green", ("red", "yellow"): "can't tell"}
CARD_BYTES = 2 << 30
# A whole Debian by emulation, on a machine that may be busy.
BOOT_S, APT_S = 300, 300
# Long enough to see the blink; the last one, to cut the power.
PASSES, FAILS, LONG = (f"#!/bin/sh\nsleep {seconds}\nexit {code}\n" for seconds, code in ((6, 0), (6, 3), (30, 0)))
# Without these folders udev finds nothing to load; builds need the network's.
KERNEL = ["kernel/net", "kernel/lib", "kernel/crypto", "kernel/drivers/net/veth.ko"]
NEEDLESS = ["serial-getty@ttyS1.service", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
            "e2scrub_reap.service", "getty@tty1.service"]


class Package(Scene):
    """One boot."""

    def boot(self):
        self.say(self.pi.line("^BOOTED (.*)", BOOT_S)[1])

    def must(self, command, limit=120):
        code, said = self.run(command, limit)
        assert code == 0, f"{command}: exit code {code}: {said}"
        return said

    def is_active(self, expected):
        _, said = self.run("systemctl is-active pilotlight")
        assert said == expected, f"the unit is {said}, not {expected}"

    def looks(self):
        """What the lamp looked like since `history` began, each with when it was first seen."""
        looks = []
        for _, seen, modes, levels in self.pi.history:
            lit = tuple(colour for colour, mode, level in zip(PINS, modes, levels) if mode == "out" and level)
            look = LOOKS.get(lit, str(lit)) if lit or modes == ("out",) * 3 else "inputs"
            if not looks or looks[-1][0] != look:
                looks.append((look, seen))
        return looks

    def starts(self, truth, befores=([], ["inputs"]), tests=(COLOURS,)):
        """Waits for a start that ends with the truth, and saw nothing false on the way; returns its looks."""
        ways = {(*before, "dark", *test, *late, truth): len(before)
                for before in befores for test in tests for late in ([], ["can't tell"])}

        def decided(*_):
            looks = self.looks()
            story = tuple(look for look, _ in looks)
            # Red may be the truth, or a colour test's first.
            lasts = truth != COLOURS[0] or self.pi.seconds() - looks[-1][1] > RED_S
            return story in ways and lasts or all(way[:len(story)] != story for way in ways)

        self.pi.until("the truth", decided, BOOT_S)
        looks = self.looks()
        self.say(f"LAMP   {', '.join(f'{look} {seen:.1f}' for look, seen in looks)}")
        story = tuple(look for look, _ in looks)
        assert story in ways, f"it tells what is none of {list(ways)}"
        return looks[ways[story]:]

    def starts_by_itself(self, truth):
        """As the box boots. It may try to have the pins before udev gives them to its group: then without colours."""
        looks = self.starts(truth, tests=([], COLOURS))
        self.boot()
        self.honest(looks)

    def honest(self, looks):
        """Reckons from the unit's start, which was not earlier than this, to what was seen."""
        self.is_active("active")
        # Its clock is looked at after it was asked to; the shortest of some ways to there is the nearest.
        ask = "read -r up _ </proc/uptime && echo $up"
        clock = max(self.pi.seconds() - float(self.must(ask)) for _ in range(3))
        started = clock + self.moment("pilotlight", "InactiveExit")
        plain = self.moment("plain", "ActiveEnter") - self.moment("plain", "InactiveExit")
        dark, truth = looks[0][1] - started, looks[-1][1] - started
        self.say(f"HONEST {dark:.1f} s after the unit's start, at most, of which a process that does nothing takes "
                 f"{plain:.1f}; the truth {truth:.1f} s after")
        if dark - plain > HONEST_S:
            self.say(f"LATE: not within {HONEST_S} s")
            LATE.append(dark)

    def moment(self, unit, what):
        return int(self.must(f"systemctl show --value --property={what}TimestampMonotonic {unit}")) / 1e6

    def install(self):
        """A bare Debian, then the package, then a configuration."""
        self.boot()
        self.inputs("as at power-on")
        self.must("apt-get install -y -qq -o Dpkg::Use-Pty=0 /root/pilotlight.deb", APT_S)
        self.must("pilotlight --version; dpkg-query -W pilotlight; systemctl is-enabled pilotlight")
        self.is_active("inactive")
        self.inputs("installed, not configured")
        self.must("configure")
        self.must("ls -l /dev/gpiochip*")
        self.pi.history.clear()
        self.must("systemctl start --no-block pilotlight")
        looks = self.starts("dark")
        self.must("systemctl start plain")
        self.honest(looks)
        self.build(1)
        self.status("success", 1)
        self.show("green")
        self.build(2)
        self.status("failure", 2, "Failed in .*exit code 3")
        self.show("red")
        self.watchdog("gpiochip", TAKEN_BACK)
        self.watchdog("gpio", FROZEN)
        self.must("watchdog_as_before")

    def watchdog(self, driver, befores):
        """A daemon that hangs: systemd ends it, `lamp off` makes dark, the next one tells the truth again."""
        self.must(f"watchdog {driver} {WATCHDOG_S}")
        self.pi.history.clear()
        self.must("systemctl restart pilotlight", BOOT_S)
        self.starts("red", TAKEN_BACK + FROZEN)
        self.must("kill -STOP $(systemctl show --value --property=MainPID pilotlight)")
        hung = self.pi.seconds()
        self.pi.history.clear()
        self.starts("red", befores)
        looks = self.looks()
        dark, truth = looks[1][1] - hung, looks[-1][1] - hung
        self.say(f"HUNG   {driver}: dark {dark:.1f} s after it was stopped, the truth {truth:.1f} s after")
        self.must("journalctl -b -o cat --no-pager -u pilotlight | grep -i watchdog")
        restarts = self.must("systemctl show --value --property=NRestarts pilotlight")
        assert restarts == "1", f"systemd restarted it {restarts} times"

    def build(self, pull):
        self.hook(pull)
        self.status("pending", pull, "Running")
        self.show("yellow")
        self.show()
        self.show("yellow")

    def red_again(self):
        """After a cut with a red lamp; then a build that the next cut ends."""
        self.starts_by_itself("red")
        self.build(3)

    def builds_again(self):
        """After a cut in mid-build: it runs again, and passes."""
        self.starts_by_itself("yellow")
        self.status("success", 3)
        self.show("green")
        self.must("systemctl stop pilotlight")
        self.inputs("stopped")
        self.must("sync")


def plain():
    """The daemon's unit, for a process that does nothing, and after it."""
    ours = ("Exec", "Restart", "Type", "Notify", "Watchdog", "Wants", "After", "StartLimit")
    lines = (HERE.parent.parent / "systemd/pilotlight.service").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith(ours))
    return text.replace("[Unit]", "[Unit]\nAfter=pilotlight.service").replace(
        "[Service]", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/local/bin/busybox true") + "\n"


def card(deb, rootfs, room):
    """The card: Debian, its kernel's modules, the package as a file, the origin and the signed webhooks."""
    root, image = room / "root", room / "card.img"
    subprocess.run(["cp", "-a", rootfs, root], check=True)
    shutil.copytree(HERE / "guest/debian", root, dirs_exist_ok=True)
    shutil.copy(deb, root / "root/pilotlight.deb")
    shutil.copy(BENCH / "guest/bin/busybox", root / "usr/local/bin")
    api = root / "srv/www/cgi-bin/api"
    api.parent.mkdir(parents=True)
    shutil.copy(HERE / "guest/api", api)
    api.chmod(0o755)
    shas = stage(root / "srv", (PASSES, FAILS, LONG))
    kernel = next((BENCH / "guest/lib/modules").iterdir())
    for part in KERNEL:
        (root / "lib/modules" / kernel.name / part).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", kernel / part, root / "lib/modules" / kernel.name / part], check=True)
    for needed in kernel.glob("modules.*"):
        shutil.copy(needed, root / "lib/modules" / kernel.name)
    subprocess.run(["depmod", "-b", root, kernel.name], check=True)
    with open(root / "etc/group", "a") as groups:
        groups.write("gpio:x:997:\n")
    (root / "etc/machine-id").write_text("0123456789abcdef" * 2 + "\n")
    (root / "etc/systemd/system/plain.service").write_text(plain())
    units = ["github.service", "network.service", "plain.service", "shell.service"]
    subprocess.run(["systemctl", f"--root={root}", "--quiet", "enable", *units], check=True)
    subprocess.run(["systemctl", f"--root={root}", "--quiet", "mask", *NEEDLESS], check=True)
    with open(image, "wb") as file:
        file.truncate(CARD_BYTES)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, image], check=True)
    return image, shas


def initramfs(room):
    root, out = room / "initramfs", room / "initramfs.gz"
    for folder in ("bin", "dev", "proc", "sys", "srv"):
        (root / folder).mkdir(parents=True)
    shutil.copy(BENCH / "guest/bin/busybox", root / "bin")
    shutil.copy(HERE / "guest/card/init", root / "init")
    modules(BENCH / "guest/lib/modules", root / "srv/modules")
    subprocess.run(f"find . | cpio --quiet -o -H newc -R 0:0 | gzip -1 >{out}", cwd=root, shell=True, check=True)
    return out


def main():
    with tempfile.TemporaryDirectory() as room:
        room = pathlib.Path(room)
        image, shas = card(sys.argv[1], sys.argv[2], room)
        system = initramfs(room)
        for play in (Package.install, Package.red_again, Package.builds_again):
            print(f"\n-- {play.__doc__}", flush=True)
            with Box(system, image, list(PINS.values()), "systemd.show_status=0 iomem=relaxed") as pi:
                scene = Package(pi, "gpiochip", False, shas)
                try:
                    play(scene)
                except AssertionError as error:
                    scene.say(f"NOT SEEN: {error}")
                    scene.run("journalctl -b --no-pager -n 30 -u 'pilotlight*'")
                    return 1
                pi.cut()
                scene.say("POWER CUT")
            # A mirror that a cut tore is made anew by the next build: what counts is what is left in the end.
            wrong = autopsy(image, "/var/lib/pilotlight")
    print(f"\npackage on an emulated Raspberry Pi 3: {len(wrong)} wrong, {len(LATE)} times late")
    return 1 if wrong or LATE else 0


if __name__ == "__main__":
    sys.exit(main())
