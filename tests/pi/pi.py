"""An emulated Raspberry Pi 3 whose GPIO registers are read from outside, through QEMU's monitor."""

import json
import os
import pathlib
import queue
import re
import socket
import subprocess
import tempfile
import threading
import time

# BCM2837's peripherals: GPFSEL0 at +0 with three bits for each pin (0 input, 1 output), GPLEV0 at +0x34.
GPIO = 0x3F200000
LEVELS = 0x34 // 4

# The longest that anything may take: a boot is 15 s on a quiet machine, and this one may be busy.
WAIT_S = 120.0

# How long one look at the serial port takes when it says nothing; the pins are read after each.
LOOK_S = 0.01


class Pi:
    """Boots on entering, is switched off on leaving.

    Everything is waited for: `line` and `run` for the guest's words, `until` for a state of the pins. While it waits,
    the pins are read about 50 times a second; `history` keeps each change: the last look before it, the first look
    after it (in seconds since boot), modes, levels.
    """

    def __init__(self, kernel, initramfs, pins, append, say=print):
        self.kernel, self.initramfs, self.pins, self.append, self.say = kernel, initramfs, pins, append, say
        self.lines, self.heard, self.history, self.looked = [], queue.Queue(), [], 0.0

    def __enter__(self):
        self.room = tempfile.TemporaryDirectory()
        self.start = time.monotonic()
        self.qemu = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL)
        try:
            self.monitor = self._connect("monitor").makefile("rw")
            self.monitor.readline()
            self._qmp("qmp_capabilities")
            self.serial = self._connect("serial")
            threading.Thread(target=self._listen, daemon=True).start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.qemu.kill()
        self.qemu.wait()
        self.room.cleanup()

    def _command(self):
        version = next(name[8:] for name in os.listdir(f"{self.kernel}/boot") if name.startswith("vmlinuz-"))
        tree = f"{self.kernel}/usr/lib/linux-image-{version}/broadcom/bcm2837-rpi-3-b.dtb"
        return [
            "qemu-system-aarch64", "-M", "raspi3b", "-accel", "tcg", "-display", "none", "-no-reboot",
            "-serial", "null", "-serial", f"unix:{self.room.name}/serial,server=on,wait=off",
            "-qmp", f"unix:{self.room.name}/monitor,server=on,wait=off",
            "-kernel", f"{self.kernel}/boot/vmlinuz-{version}", "-initrd", str(self.initramfs), "-dtb", tree,
            "-append", f"console=ttyS1,115200 panic=1 quiet loglevel=1 rdinit=/init {self.append}"]

    def _connect(self, name):
        path = pathlib.Path(self.room.name, name)
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline and self.qemu.poll() is None:
            try:
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(str(path))
                return connection
            except OSError:
                time.sleep(LOOK_S)
        raise AssertionError(f"QEMU has no {name}: it did not start")

    def _qmp(self, command, **arguments):
        self.monitor.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.monitor.flush()
        while True:
            answer = json.loads(self.monitor.readline())
            if "return" in answer or "error" in answer:
                return answer["return"]

    def seconds(self):
        return time.monotonic() - self.start

    def look(self):
        """Reads the registers: for each pin its mode, and for each its level."""
        text = self._qmp("human-monitor-command", **{"command-line": f"xp /{LEVELS + 1}wx {GPIO:#x}"})
        words = [int(word, 16) for word in re.findall(r"0x([0-9a-f]{8})\b", text)]
        assert len(words) == LEVELS + 1, text
        modes = tuple({0: "in", 1: "out"}.get(words[pin // 10] >> pin % 10 * 3 & 7, "other") for pin in self.pins)
        levels = tuple(words[LEVELS] >> pin & 1 for pin in self.pins)
        now = self.seconds()
        if not self.history or self.history[-1][2:] != (modes, levels):
            self.history.append((self.looked, now, modes, levels))
        self.looked = now
        return modes, levels

    def _listen(self):
        # A thread of its own: QEMU stands still while nobody takes what the guest says.
        for line in self.serial.makefile("rb"):
            self.heard.put(line.decode("utf-8", "replace").strip())

    def _turn(self):
        """Hears the guest for a moment, then looks at its pins."""
        try:
            self.lines.append(self.heard.get(timeout=LOOK_S))
        except queue.Empty:
            assert self.qemu.poll() is None, "QEMU has ended"
        return self.look()

    def until(self, what, fits, limit=WAIT_S):
        """Waits for pins that `fits(modes, levels)`; returns between which two moments that began."""
        deadline = time.monotonic() + limit
        while not fits(*(seen := self.look())):
            assert time.monotonic() < deadline, f"not seen in {limit:.0f} s: {what}. The pins are {seen}"
            self._turn()
        return self.history[-1][:2]

    def line(self, pattern, limit=WAIT_S):
        """Waits for a line that matches, and takes it out of those not yet asked for."""
        deadline = time.monotonic() + limit
        seen = 0
        while True:
            for at in range(seen, len(self.lines)):
                if found := re.search(pattern, self.lines[at]):
                    del self.lines[at]
                    return found
            seen = len(self.lines)
            assert time.monotonic() < deadline, f"no line like {pattern} in {limit:.0f} s; there are {self.lines[-9:]}"
            self._turn()

    def run(self, command, limit=WAIT_S):
        """Runs a shell command in the guest; returns its exit code and what it printed, on one line."""
        self.serial.sendall(command.encode() + b"\n")
        answer = self.line(r"^ANSWER (\d+) ?(.*)$", limit)
        return int(answer[1]), answer[2].strip()
