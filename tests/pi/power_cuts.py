#!/usr/bin/env -S python3 -B
"""power_cuts.py PILOTLIGHT [CUTS] [SEED]: nothing is lost when an emulated Raspberry Pi's power is cut, ten times.

pilotlight's folders and the origin are on an SD card of ext4. Signed webhooks arrive and builds write to their trees;
1 to 8 seconds after the daemon is up, QEMU is killed with SIGKILL, and started again with the same card. After the
last cut the Pi is left to settle. What GitHub was told and what pilotlight answered comes over the serial port and is
kept here: then every delivery that was answered 202 is a build that ended, the newest status of every head is its
build's end, no build's end was ever taken back, and the database, the mirror and the file system are whole.
Prints what was seen, what each cut left on the card, and a line with the counts at the end.
"""

import hmac
import json
import pathlib
import queue
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

from main_job import BENCH, HERE, SECRET, payload
from pi import WAIT_S, Pi

CUTS = 10
SEED = 1
# Seconds after the daemon is up.
CUT_FROM, CUT_TO = 1.0, 8.0
# Builds queue up while boots are short; pushes to the same few pull requests supersede many of them.
PULLS = 7
DELIVERIES_PER_BOOT = 4
# The longest pause after an answer.
GAP_S = 3.0
# A busy machine takes 20 s for one emulated build.
SETTLE_S = 900.0
# QEMU takes powers of two only.
CARD_BYTES = 256 << 20
MODULES = ["crc32c_generic", "ext4", "bcm2835", "sdhci-iproc"]
# A second or two of writing to the tree; every third head fails.
SCRIPT = """#!/bin/sh
for part in 1 2 3 4 5; do
  head -c 200000 /dev/urandom >"part-$part"
  usleep 300000
done
cat part-* >whole
exit {code}
"""
FINAL = {"success": "success", "failure": "failure", "error": "error", "cancelled": "error"}


class Box(Pi):
    """A Pi with the card in its slot; what it said until its last moment is in `heard`."""

    def __init__(self, initramfs, card, pins=(), append="rdinit=/srv/init"):
        super().__init__(BENCH / "guest", initramfs, pins, append)
        self.card, self.silent = card, threading.Event()

    def _command(self):
        return [*super()._command(), "-drive", f"file={self.card},if=sd,format=raw"]

    def _listen(self):
        for line in self.serial.makefile("rb"):
            # Noise, what was torn by the cut, and the terminal's "clear this line" are no words.
            words = line.decode("ascii", "ignore").replace("\x1b[K", "").strip()
            if words and line.endswith(b"\n"):
                self.heard.put(words)
        self.silent.set()

    def say_to(self, command):
        self.serial.sendall(command.encode() + b"\n")

    def cut(self):
        self.qemu.kill()
        self.qemu.wait()
        assert self.silent.wait(WAIT_S), "the serial port is still open"


class Cuts:
    """What is known outside of the Pi: deliveries and their answers, statuses and their order."""

    def __init__(self, initramfs, card, shas, seed):
        self.initramfs, self.card, self.shas, self.random = initramfs, card, shas, random.Random(seed)
        self.answers, self.statuses, self.builds = {}, [], []
        self.next, self.asked, self.not_before, self.while_running, self.mended = 0, False, 0.0, 0, 0

    def say(self, box, text):
        print(f"   [{box.seconds():6.1f}] {text}", flush=True)

    def take(self, box, line):
        """Keeps what a line says."""
        if found := re.match(r"STATUS (\w+) (.*)", line):
            status = json.loads(found[2])
            self.statuses.append((found[1], status))
            build = status["target_url"].rsplit("/", 1)[1]
            line = f"STATUS {status['state']} {found[1][:7]} build {build}: {status['description']}"
        elif found := re.match(r"ANSWER (\d+) (.*)", line):
            self.answered(int(found[1]), found[2])
            line = f"ANSWER {found[1]} {found[2][found[2].find('{'):]}"
        elif line.startswith("BUILDS "):
            self.builds, self.asked = json.loads(line[7:])["builds"], False
            return
        self.mended += "is made anew" in line
        if not line.startswith("info: the lamp"):
            self.say(box, line)

    def answered(self, number, answer):
        """Only what was answered is done; the rest is delivered again, as GitHub would be asked to."""
        self.asked, self.not_before = False, time.monotonic() + self.random.uniform(0, GAP_S)
        if "HTTP/1.1 202" in answer:
            self.answers[number] = json.loads(answer[answer.index("{"):])["build"]
            self.next = number + 1

    def hear(self, box, deadline, pattern=None):
        """Takes lines until one matches, or the deadline."""
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = box.heard.get(timeout=min(left, 0.1))
            except queue.Empty:
                assert box.qemu.poll() is None, "QEMU has ended"
                continue
            self.take(box, line)
            if pattern is None or re.search(pattern, line):
                return line
        assert pattern is None, f"no line like {pattern}"
        return None

    def start(self, box):
        self.hear(box, time.monotonic() + WAIT_S, "^BOOTED .* 1 file system")
        box.say_to("start")
        self.hear(box, time.monotonic() + WAIT_S, "listening for webhooks")
        self.asked = False

    def deliver(self, box, stop):
        """The next delivery, if its moment has come and it is before `stop`."""
        if not self.asked and self.next < stop and time.monotonic() > self.not_before:
            self.asked = True
            box.say_to(f"hook {self.next}")

    def boot_and_cut(self):
        moment, stop = self.random.uniform(CUT_FROM, CUT_TO), self.next + DELIVERIES_PER_BOOT
        with Box(self.initramfs, self.card) as box:
            self.start(box)
            end = time.monotonic() + moment
            while time.monotonic() < end:
                self.deliver(box, stop)
                self.hear(box, end)
            box.cut()
            when = box.seconds()
            while not box.heard.empty():
                self.take(box, box.heard.get())
            last = {status["target_url"]: status["description"] for _, status in self.statuses}
            busy = "Running" in last.values()
            self.while_running += busy
            print(f"   [{when:6.1f}] POWER CUT, {moment:.1f} s after the daemon was up"
                  + ", while a build ran" * busy, flush=True)

    def settle(self):
        """The last boot: what is left ends, the daemon stops, the card is unmounted."""
        with Box(self.initramfs, self.card) as box:
            self.start(box)
            deadline = time.monotonic() + SETTLE_S
            stop = self.next + 1
            while not (self.next >= stop and self.builds and not self.wrong()):
                assert time.monotonic() < deadline, f"not settled in {SETTLE_S:.0f} s: {self.wrong()}"
                self.deliver(box, stop)
                if not self.asked:
                    self.asked = True
                    box.say_to("builds")
                self.hear(box, time.monotonic() + 2)
            box.say_to("stop")
            self.hear(box, time.monotonic() + WAIT_S, "^STOPPED 0")

    def wrong(self):
        """What is not as it should be in the end."""
        builds = {build["id"]: build for build in self.builds}
        newest = {build["sha"]: build for build in sorted(self.builds, key=lambda build: build["id"])}
        told = {sha: status for sha, status in self.statuses}
        wrong = [f"build {id} is {build['state']}" for id, build in builds.items() if build["state"] not in FINAL]
        for number, id in self.answers.items():
            if builds.get(id, {}).get("sha") != self.shas[number]:
                wrong.append(f"delivery {number} was answered 202 with build {id}, which is {builds.get(id)}")
        for sha, build in newest.items():
            end = FINAL.get(build["state"]), build["checks"][0]["description"], str(build["id"])
            status = told.get(sha, {"state": None, "description": None, "target_url": "/"})
            heard = status["state"], status["description"], status["target_url"].rsplit("/", 1)[1]
            if heard != end:
                wrong.append(f"{sha[:7]} ended as {end}, GitHub heard {heard} last")
        return wrong

    def taken_back(self):
        """Ends that were followed by another word on the same build; and how many were only repeated."""
        ends, repeats, wrong = {}, 0, []
        for sha, status in self.statuses:
            end = ends.get(status["target_url"])
            if end and end == (sha, status):
                repeats += 1
            elif end:
                wrong.append(f"{end[1]} was followed by {status}")
            elif status["state"] != "pending":
                ends[status["target_url"]] = sha, status
        return wrong, repeats


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


def autopsy(card, state="/state"):
    """Reads a copy of the card as the next mount will: its journal replayed. Returns what is broken on it."""
    broken = []
    with tempfile.TemporaryDirectory() as room:
        copy, files = pathlib.Path(room, "card"), pathlib.Path(room, "files")
        files.mkdir()
        subprocess.run(["cp", "--sparse=always", card, copy], check=True)
        _, replay = run("e2fsck", "-p", copy)
        code, said = run("e2fsck", "-fn", copy)
        replay = replay.removeprefix(f"{copy}: ").splitlines()[0]
        print(f"   card   e2fsck -p: {replay}; e2fsck -fn: exit code {code}")
        if code:
            broken.append(f"the file system: {said}")
        run("debugfs", "-R", f"rdump {state} {files}", copy)
        state = files / pathlib.Path(state).name
        mirrors = sorted(state.glob("mirrors/*.git"))
        broken += filter(None, [database(state / "pilotlight.db"), *map(mirror, mirrors)])
        broken += [f"{path.name} was set aside" for path in state.glob("*.broken-*")]
    for what in broken or ["nothing is broken"]:
        print(f"   card   {what}", flush=True)
    return broken


def database(path):
    if not path.exists():
        return "there is no database"
    try:
        with sqlite3.connect(path) as connection:
            said = connection.execute("PRAGMA integrity_check").fetchone()[0]
            builds = connection.execute("SELECT count(*) FROM builds").fetchone()[0]
    except sqlite3.Error as error:
        return f"the database: {error}"
    print(f"   card   database: {said}, {builds} builds")
    return None if said == "ok" else f"the database: {said}"


def mirror(path):
    code, said = run("git", "--git-dir", path, "fsck", "--no-dangling", "--no-progress")
    said = said.replace(f"{path}/", "").splitlines()
    print(f"   card   mirror: git fsck ends with {code}")
    return f"the mirror, line 1 of {len(said)}: {said[0]}" if code else None


def modules(kernel, out):
    """Copies MODULES and what they need, numbered in the order to insert them."""
    out.mkdir()
    files = {path.stem.replace("-", "_"): path for path in kernel.rglob("*.ko")}
    done = []

    def put(name):
        needs = re.search(rb"\0depends=([^\0]*)", files[name].read_bytes())[1].decode()
        for need in filter(None, needs.split(",")):
            put(need.replace("-", "_"))
        if name not in done:
            shutil.copy(files[name], out / f"{len(done):02}-{name}.ko")
            done.append(name)

    for name in MODULES:
        put(name.replace("-", "_"))


def stage(room, count):
    """/srv of the guest, with a signed webhook for every head, and the card with the origin. Returns the heads."""
    srv, card = room / "srv", room / "card"
    origin, hooks = card / "app.git", srv / "hooks"
    hooks.mkdir(parents=True)
    card.mkdir()
    subprocess.run(["git", "init", "--quiet", "--bare", origin], check=True)
    stream = ""
    for number in range(count):
        script, words = SCRIPT.format(code=int(number % 3 == 2)), f"Push {number}"
        stream += f"commit refs/pull/{number % PULLS + 1}/head\nmark :{number + 1}\n"
        stream += f"committer pi <pi@example.com> 1577836800 +0000\ndata {len(words)}\n{words}\n"
        stream += f"M 100755 inline script/cibuild\ndata {len(script)}\n{script}\n"
        stream += f"M 100644 inline number\ndata {len(words)}\n{words}\n"
    marks = room / "marks"
    subprocess.run(["git", "-C", origin, "fast-import", "--quiet", f"--export-marks={marks}"],
                   input=stream, text=True, check=True)
    shas = dict(line.split() for line in marks.read_text().splitlines())
    shas = [shas[f":{number + 1}"] for number in range(count)]
    for number, sha in enumerate(shas):
        event = payload(number % PULLS + 1, sha)
        event["action"] = "opened" if number < PULLS else "synchronize"
        event["pull_request"]["updated_at"] = f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z"
        body = json.dumps(event).encode()
        (hooks / f"{number}.json").write_bytes(body)
        (hooks / f"{number}.sha256").write_text(hmac.digest(SECRET.encode(), body, "sha256").hex())
    (srv / "secret").write_text(SECRET)
    modules(BENCH / "guest/lib/modules", srv / "modules")
    shutil.copy(HERE / "guest/cuts/init", srv / "init")
    (srv / "init").chmod(0o755)
    return shas


def system(pilotlight, room):
    """initramfs.sh's, with our stand-in in the place of its own: the kernel unpacks one archive over the other."""
    initramfs, over = room / "initramfs.gz", room / "over/srv/www/cgi-bin"
    subprocess.run([HERE / "initramfs.sh", pilotlight, room / "srv", initramfs], check=True)
    over.mkdir(parents=True)
    shutil.copy(HERE / "guest/cuts/api", over / "api")
    (over / "api").chmod(0o755)
    with open(initramfs, "ab") as out:
        subprocess.run("find . | cpio --quiet -o -H newc -R 0:0 | gzip -1", cwd=room / "over", shell=True, check=True,
                       stdout=out)
    image = room / "card.img"
    with open(image, "wb") as file:
        file.truncate(CARD_BYTES)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", room / "card", image], check=True)
    return initramfs, image


def main():
    pilotlight, cuts, seed = (sys.argv[1:] + [None] * 3)[:3]
    cuts, seed = int(cuts or CUTS), int(seed or SEED)
    done, wrong = 0, []
    with tempfile.TemporaryDirectory() as room:
        room = pathlib.Path(room)
        shas = stage(room, (cuts + 1) * DELIVERIES_PER_BOOT)
        world = Cuts(*system(pilotlight, room), shas, seed)
        try:
            for done in range(1, cuts + 1):
                print(f"\n-- cut {done} of {cuts}, seed {seed}", flush=True)
                world.boot_and_cut()
                autopsy(world.card)
            print("\n-- left to settle", flush=True)
            world.settle()
            wrong += world.wrong() + autopsy(world.card)
        except AssertionError as error:
            wrong += [str(error), *world.wrong()]
    taken_back, repeats = world.taken_back()
    wrong += taken_back
    if not world.while_running:
        wrong.append("no cut came while a build ran: nothing was shown")
    for what in wrong:
        print(f"   WRONG: {what}")
    ends = [build["state"] for build in world.builds]
    counts = ", ".join(f"{ends.count(end)} {end}" for end in sorted(set(ends)))
    print(f"\npower cuts: {done}, {world.while_running} while a build ran; "
          f"{len(world.answers)} deliveries answered 202; {len(ends)} builds ({counts}); "
          f"{len(world.statuses)} statuses, {repeats} repeated; mirrors mended: {world.mended}; {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
