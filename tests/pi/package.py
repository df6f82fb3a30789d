#!/usr/bin/env -S python3 -B
"""package.py DEB ROOTFS: the arm64 package on an emulated Raspberry Pi 3 with Debian and systemd, seen from outside.

ROOTFS is rootfs.sh's; DEB is put on the card and installed in the running guest by apt, without a network. Then: pins
that stay inputs until there is a configuration, the start, builds in units of their own, and two power cuts (SIGKILL
to QEMU), one with a red lamp, one in mid-build. After each the daemon starts by itself, and the lamp must tell the
truth within HONEST_S of its unit's start. Prints what was seen.
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

    def starts_by_itself(self):
        self.pi.until("outputs", lambda modes, _: modes == ("out",) * 3, BOOT_S)
        self.colour_test()

    def honest(self, began):
        """`began`: when it was seen that the lamp tells the truth. Within HONEST_S of the unit's start, at the latest."""
        self.is_active("active")
        before = self.pi.seconds()
        up = float(self.must("cut -d' ' -f1 /proc/uptime"))
        started = int(self.must("systemctl show --value --property=InactiveExitTimestampMonotonic pilotlight")) / 1e6
        # The guest looked at its clock after `before`: the unit did not start earlier than that.
        took = began - (before - (up - started))
        self.say(f"HONEST {took:.2f} s after the unit's start, at most")
        if took > HONEST_S:
            self.say(f"LATE: not within {HONEST_S} s")
            LATE.append(took)

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
        self.colour_test()
        self.show()
        self.honest(self.pi.history[-1][1])
        self.build(1)
        self.status("success", 1)
        self.show("green")
        self.build(2)
        self.status("failure", 2, "Failed in .*exit code 3")
        self.show("red")

    def build(self, pull):
        self.hook(pull)
        self.status("pending", pull, "Running")
        self.show("yellow")
        self.show()
        self.show("yellow")

    def red_again(self):
        """After a cut with a red lamp; then a build that the next cut ends."""
        self.starts_by_itself()
        _, began = self.show("red")
        self.boot()
        self.honest(began)
        self.build(3)

    def builds_again(self):
        """After a cut in mid-build: it runs again, and passes."""
        self.starts_by_itself()
        _, began = self.show("yellow")
        self.boot()
        self.honest(began)
        self.status("success", 3)
        self.show("green")
        self.must("systemctl stop pilotlight")
        self.inputs("stopped")
        self.must("sync")


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
    subprocess.run(["systemctl", f"--root={root}", "--quiet", "enable", "github.service", "shell.service"], check=True)
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
            with Box(system, image, list(PINS.values()), "systemd.show_status=0") as pi:
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
