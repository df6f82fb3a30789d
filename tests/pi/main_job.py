#!/usr/bin/env -S python3 -B
"""main_job.py PILOTLIGHT: the aarch64 binary's main job on an emulated Raspberry Pi 3, seen from outside.

In the guest: the real daemon, real git, real checks, real webhooks, signed here. For each driver, active-high and
active-low, the GPIO registers must follow: start, running (both phases of the blink), success, failure, another CI's
status, can't tell and back, stop, a hang ended by SIGABRT, and SIGKILL, each followed by `pilotlight lamp off`. Prints what was seen, and a line with the count at the end.
"""

import hmac
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

from pi import WAIT_S, Pi

PINS = {"red": 21, "yellow": 20, "green": 16}
SECRET = "the webhook's secret"
PULLS = 4
# The check ends when it is told to, with the exit code it is told: nothing has to be timed.
SCRIPT = '#!/bin/sh\necho "running on $(uname -m)"\nread -r code </run/gate\nexit "$code"\n'

HERE = pathlib.Path(__file__).resolve().parent
BENCH = pathlib.Path(os.environ.get("PILOTLIGHT_BENCH") or pathlib.Path.home() / ".cache/pilotlight-bench")


class Scene:
    """One boot: a driver, a sense of the levels, and the heads of the pull requests."""

    def __init__(self, pi, driver, active_low, shas):
        self.pi, self.active_low, self.shas = pi, active_low, shas
        # rppal writes the registers, and nobody minds; Debian's kernel takes its lines back and makes them inputs.
        # Raspberry Pi's own kernels would let them be.
        self.stays = driver == "gpio"

    def say(self, text):
        print(f"   [{self.pi.seconds():6.1f}] {text}", flush=True)

    def levels(self, *lit):
        return tuple(int((colour in lit) != self.active_low) for colour in PINS)

    def show(self, *lit):
        """Waits until the pins are outputs and exactly these colours give light."""
        what = " and ".join(lit) or "dark"
        when = self.pi.until(what, lambda modes, levels: modes == ("out",) * 3 and levels == self.levels(*lit))
        self.say(f"PINS   {self.registers()}  {what}")
        return when

    def registers(self):
        modes, levels = self.pi.look()
        return " ".join(f"{colour}={mode}/{level}" for colour, mode, level in zip(PINS, modes, levels))

    def run(self, command, limit=WAIT_S):
        code, output = self.pi.run(command, limit)
        self.say(f"$ {command}" + (f" -> {output}" if output else "") + (f" (exit code {code})" if code else ""))
        return code, output

    def status(self, state, pull, description=""):
        found = self.pi.line(rf"^STATUS {state} {self.shas[pull - 1]} {description}")
        self.say(found.string)

    def start(self):
        """The daemon starts dark, with its colour test."""
        self.pi.history.clear()
        self.run("start")
        self.colour_test()

    def colour_test(self):
        for colour in PINS:
            self.show(colour)
        # Levels come with or before directions: until the test, no output gave light.
        lit = [seen for seen in self.pi.history if self.gives_light(seen)]
        assert lit[0][2:] == (("out",) * 3, self.levels("red")), f"a flash before the colour test: {self.pi.history}"

    def gives_light(self, seen):
        _, _, modes, levels = seen
        return any(mode == "out" and level != self.active_low for mode, level in zip(modes, levels))

    def hook(self, pull):
        code, answer = self.run(f"hook {pull}")
        assert code == 0 and json.loads(answer)["result"].startswith("Accepted as build"), answer

    def blink(self):
        """Both phases, twice, and never faster than once a second."""
        self.show("yellow")
        self.show()
        before_1, after_1 = self.show("yellow")
        self.show()
        before_2, after_2 = self.show("yellow")
        self.say(f"blinks: {after_2 - after_1:.2f} s from on to on")
        # A busy machine looks late: only what was surely too fast or too slow counts.
        assert after_2 - before_1 > 0.99 and before_2 - after_1 < 2, "not about once a second"

    def build(self, pull):
        self.hook(pull)
        self.status("pending", pull, "Running")
        self.blink()

    def play(self):
        found = self.pi.line("^BOOTED (.*)")
        self.say(found[1])
        assert self.pi.look()[0] == ("in",) * 3, "a pin is no input at boot"
        self.say(f"PINS   {self.registers()}  as at power-on")
        self.start()
        self.show()

        self.build(1)
        self.run("echo 0 >/run/gate")
        self.status("success", 1)
        self.show("green")
        self.travis("failure", "red")
        self.travis("success", "green")

        self.build(2)
        self.run("echo 2 >/run/gate")
        self.status("failure", 2, "Failed in .*exit code 2")
        self.show("red")

        self.run("echo 401 >/run/answer")
        self.hook(3)
        self.show("red", "yellow")
        self.say("the token is taken again: nobody tells pilotlight, which tries once a minute")
        self.run("echo 201 >/run/answer")
        self.status("pending", 3, "Running")
        self.blink()
        self.run("echo 0 >/run/gate")
        self.status("success", 3)
        self.show("green")

        self.build(4)
        self.run("kill -TERM $pid")
        self.blink()
        self.say("it lets the build go on for a while; told again, it stops at once")
        self.stop()
        self.start_again()
        self.hang()
        self.start()
        self.show("green")
        self.kill()

    def travis(self, state, lit):
        """Somebody else's status on the followed head, told by a webhook."""
        code, answer = self.run(f"hook travis-{state} status")
        assert code == 0 and json.loads(answer)["result"] == "Remembered for the lamp", answer
        self.show(lit)

    def hang(self):
        """A daemon that hangs, and what systemd does when its watchdog is not fed: SIGABRT, then ExecStopPost."""
        self.run("kill -STOP $pid")
        self.show("green")
        code, _ = self.run("kill -ABRT $pid; kill -CONT $pid; wait $pid")
        assert code == 134, f"ended with {code}"
        self.say("the configuration names other pins by now")
        self.run("sed -i.kept 's/^lights = {/& pins = { red = 5, yellow = 6, green = 12 },/' $config")
        self.off("aborted")
        self.run("mv $config.kept $config")

    def stop(self):
        """SIGTERM: dark, and the exit code is 0."""
        code, _ = self.run("kill -TERM $pid; wait $pid")
        assert code == 0, f"ended with {code}"
        self.after_the_end()

    def start_again(self):
        """What was interrupted runs again, and the lamp says so."""
        self.run("start")
        self.status("pending", 4, "Running")
        self.blink()
        self.run("echo 0 >/run/gate")
        self.status("success", 4)
        self.show("green")

    def kill(self):
        """SIGKILL: what stays is the driver's and the kernel's doing; `lamp off` makes it dark."""
        code, _ = self.run("kill -KILL $pid; wait $pid")
        assert code == 137, f"ended with {code}"
        self.say("the configuration is gone by now")
        self.run("rm $config")
        self.off("killed")

    def off(self, how):
        """What ExecStopPost does for a daemon that could not put out its lamp."""
        if self.stays:
            self.show("green")
            self.say(f"frozen: the lamp of a daemon that was {how} stays")
        else:
            self.inputs("the kernel took the lines back")
        code, _ = self.run("STATE_DIRECTORY=/root/state pilotlight lamp off")
        assert code == 0, f"lamp off ended with {code}"
        self.after_the_end()

    def after_the_end(self):
        if self.stays:
            self.show()
            return
        self.inputs("dark, then given back")
        _, levels = self.pi.look()
        assert levels == self.levels(), f"not dark before the lines were given back: {levels}"

    def fall_back(self):
        """`gpio` without the registers: the character device carries the lamp."""
        self.pi.line("^BOOTED")
        self.stays = False
        self.start()
        self.show()
        self.stop()

    def inputs(self, what):
        self.pi.until(what, lambda modes, _: modes == ("in",) * 3)
        self.say(f"PINS   {self.registers()}  {what}")


def stage(folder, scripts=(SCRIPT,) * PULLS):
    """The repository with a pull request for each script, and a signed webhook for each."""
    origin, hooks = folder / "app.git", folder / "hooks"
    subprocess.run(["git", "init", "--quiet", "--bare", origin], check=True)
    stream = ""
    for pull, script in enumerate(scripts, start=1):
        who, words = "pi <pi@example.com> 1577836800 +0000", f"Pull request {pull}"
        stream += f"commit refs/pull/{pull}/head\ncommitter {who}\ndata {len(words)}\n{words}\n"
        stream += f"M 100755 inline script/cibuild\ndata {len(script)}\n{script}\n"
    subprocess.run(["git", "-C", origin, "fast-import", "--quiet"], input=stream, text=True, check=True)
    hooks.mkdir()
    for pull, head in enumerate(heads(origin), start=1):
        body = json.dumps(payload(pull, head)).encode()
        sign(hooks, str(pull), body)
    for at, state in enumerate(("failure", "success"), start=1):
        body = json.dumps({
            "id": at, "sha": heads(origin)[0], "context": "travis", "state": state, "description": None,
            "updated_at": f"2026-01-01T00:00:0{at}Z", "repository": {"full_name": "acme/app"}}).encode()
        sign(hooks, f"travis-{state}", body)
    (folder / "secret").write_text(SECRET)
    return heads(origin)


def sign(hooks, name, body):
    (hooks / f"{name}.json").write_bytes(body)
    (hooks / f"{name}.sha256").write_text(hmac.digest(SECRET.encode(), body, "sha256").hex())


def heads(origin):
    command = ["git", "-C", origin, "for-each-ref", "--format=%(objectname)", "refs/pull"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def payload(pull, head):
    repository = {"full_name": "acme/app", "fork": False}
    return {
        "action": "opened", "number": pull, "repository": repository,
        "pull_request": {
            "number": pull, "title": f"Pull request {pull}", "state": "open", "draft": False,
            "updated_at": f"2026-01-01T00:00:0{pull}Z",
            "head": {"sha": head, "ref": f"branch-{pull}", "repo": repository},
            "base": {"sha": "0" * 40, "ref": "main", "repo": repository}}}


def boot(initramfs, shas, driver, active_low, play=Scene.play, registers="iomem=relaxed"):
    """Plays on one Pi; returns whether all was seen. rppal needs `iomem=relaxed` where there is no /dev/gpiomem."""
    print(f"\n-- driver {driver}, active-{'low' if active_low else 'high'} {registers}", flush=True)
    append = f"driver={driver} active_low={str(active_low).lower()} {registers}"
    try:
        with Pi(BENCH / "guest", initramfs, list(PINS.values()), append) as pi:
            scene = Scene(pi, driver, active_low, shas)
            try:
                play(scene)
            except AssertionError as error:
                scene.say(f"NOT SEEN: {error}")
                scene.run("tail -c 3000 /run/log")
                raise
            scene.say("seen to the end")
            return True
    except (AssertionError, OSError, ValueError):
        traceback.print_exc(file=sys.stdout)
        return False


def main():
    with tempfile.TemporaryDirectory() as room:
        folder, initramfs = pathlib.Path(room, "srv"), pathlib.Path(room, "initramfs.gz")
        folder.mkdir()
        shas = stage(folder)
        subprocess.run([HERE / "initramfs.sh", sys.argv[1], folder, initramfs], check=True)
        runs = [(driver, low) for driver in ("gpio", "gpiochip") for low in (False, True)]
        seen = [boot(initramfs, shas, driver, low, registers="iomem=relaxed" if driver == "gpio" else "")
                for driver, low in runs]
        seen.append(boot(initramfs, shas, "gpio", False, play=Scene.fall_back, registers=""))
    print(f"\nmain job on an emulated Raspberry Pi 3: {seen.count(True)} passed, {seen.count(False)} failed")
    return 0 if all(seen) else 1


if __name__ == "__main__":
    sys.exit(main())
