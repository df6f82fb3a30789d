#!/usr/bin/env -S python3 -B
"""hostile.py BENCH BINARY [CASE…]: pull requests that mean harm, against the installed units. tests/systemd/run starts it.

Each case is a stranger's pull request that somebody approved without looking. What it tries is written into its log; the
test asserts that nothing was got, that the end has the right words, and that the daemon serves on.
"""

import os
import subprocess
import sys

import play
import scene
from scene import BOX, DASHBOARD, SECRET, TOKEN, Scene, instance

APP, OTHER = "acme/app", "acme/other"
REPOSITORIES = {
    APP: '[[repository.check]]\ncontext = "pilotlight"\nrun = "script/cibuild"\ntimeout = "30s"',
    OTHER: "",
}
STRANGER = f"pilotlight-build@{instance(APP, '_s')}.service"

# A stopped worker is borne with for 30 s of its check, 30 more, and 15 to leave.
scene.BUILD_S = 180

# A build can't see its worker, but it knows whose child it is.
WORKER = "$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$PPID/status)"

# So that little is enough to be too much.
SMALL = "[Service]\nMemoryMax=300M\nMemorySwapMax=0\nTasksMax=300\n"

# The state and the rooms have a small card of their own.
CARD_BYTES = 600 * 1024 * 1024


class Hostile(Scene):
    def install(self):
        super().install()
        drop_in = self.box.root / f"etc/systemd/system/{STRANGER}.d"
        drop_in.mkdir(parents=True)
        (drop_in / "small.conf").write_text(SMALL)
        card = self.box.room / "card"
        card.touch()
        os.truncate(card, CARD_BYTES)
        subprocess.run(["mkfs.ext4", "-q", card], check=True)
        subprocess.run(["mount", "-o", "loop", card, self.box.root / "var/cache"], check=True)

    def __enter__(self):
        super().__enter__()
        self.pid = self.box.run("systemctl show --value -p MainPID pilotlight")
        return self

    def attack(self, script, files=(), title=None):
        return self.build(APP, script, files, stranger=True, title=title)

    def serves_on(self):
        """The daemon is the same process, answers, and builds for others."""
        health = self.box.http("GET", DASHBOARD, "/healthz")[0]
        pid = self.box.run("systemctl show --value -p MainPID pilotlight")
        other = self.build(OTHER, "echo fine")
        good = health == 200 and pid == self.pid and other.last["state"] == "success"
        return f"healthz {health}, same process: {pid == self.pid}, another build: {other.last['state']}", good


def tried(build, row, what, end=None):
    """Every line GOT is something that was got; `end` is a pattern of the last status, else success."""
    got = build.said("GOT")
    row(f"{what}: what was got", got or "nothing", not got)
    state, words = end or ("success", "Passed")
    last = f"{build.last['state']}, {build.last['description']}"
    row(f"{what}: how it ended", last, build.last["state"] == state and words in build.last["description"])


def case_read(scene, row):
    """Token, secret, database, configuration, other repositories' objects, trees and caches; the daemon's memory."""
    scene.build(OTHER, "echo the treasure of another >$PILOTLIGHT_CACHE_DIR/treasure; echo mark >mark")
    scene.build(APP, "echo the treasure of the team >$PILOTLIGHT_CACHE_DIR/treasure")
    daemon = scene.box.run("systemctl show --value -p MainPID pilotlight")
    build = scene.attack(f"""
        for file in /etc/credstore/* /run/credentials/*/* /etc/pilotlight/* /var/lib/pilotlight/*.db* \\
            /var/lib/pilotlight/logs/* /var/lib/pilotlight/control.sock /var/lib/pilotlight/mirrors/*other*/* \\
            /var/cache/pilotlight/* /var/cache/private/*/*/cache/* /var/cache/pilotlight-build/*other*/* \\
            /var/cache/pilotlight-build/{instance(APP)}/* /srv/* /proc/{daemon}/environ /proc/{daemon}/mem /proc/1/environ; do
          [ -r "$file" ] && echo "GOT $file"
        done
        for word in "{TOKEN[:9]}""{TOKEN[9:]}" "{SECRET[:9]}""{SECRET[9:]}" "the treasure"" of"; do
          grep -rsl --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev --exclude=cibuild -e "$word" / | sed 's/^/GOT /'
        done
        env | grep -i -e token -e secret -e credential | sed 's/^/GOT /'
        ls "$PILOTLIGHT_CACHE_DIR" | sed 's/^/GOT a cache with /'
        """)
    tried(build, row, "reading")


def case_reach(scene, row):
    """The dashboard, the control socket, the other units' sockets, D-Bus; it approves and cancels itself."""
    gateway = "$(ip route show default | cut -d' ' -f3)"
    build = scene.attack(f"""
        for host in 127.0.0.1 {BOX} {gateway} localhost $(hostname); do
          for port in 8080 4567 8088 22; do curl -s -m 3 -o /dev/null http://$host:$port/ && echo "GOT $host:$port"; done
        done
        for socket in /var/lib/pilotlight/control.sock /run/pilotlight/build/*.sock /run/dbus/system_bus_socket \\
            /run/systemd/private /run/systemd/journal/socket /run/systemd/notify; do
          [ -S "$socket" ] && python3 -c 'import socket, sys
        kind = socket.SOCK_DGRAM if "notify" in sys.argv[1] or "journal" in sys.argv[1] else socket.SOCK_STREAM
        socket.socket(socket.AF_UNIX, kind).connect(sys.argv[1])' "$socket" 2>/dev/null && echo "GOT $socket"
        done
        pilotlight approve {APP}#1 2>&1 | grep -i approved | sed 's/^/GOT /'
        pilotlight cancel 1 2>&1 | grep -i cancelled | sed 's/^/GOT /'
        systemctl list-units >/dev/null 2>&1 && echo GOT systemctl
        true
        """)
    tried(build, row, "reaching")


def case_write(scene, row):
    """Files of the box, the mirror, other rooms, kernel settings, devices; a new user, a set-uid file."""
    build = scene.attack("""
        for place in / /etc /usr/bin /usr/lib/systemd/system /run /run/pilotlight /var/lib/pilotlight /var/log /root /home \\
            /srv /var/cache /var/cache/pilotlight-build /var/lib/pilotlight/mirrors/*.git /boot /sys/fs/cgroup /dev; do
          (echo bad >"$place/hostile") 2>/dev/null && echo "GOT $place"
        done
        (echo 1 >/proc/sys/kernel/panic) 2>/dev/null && echo GOT /proc/sys
        (echo bad >/proc/self/cgroup) 2>/dev/null && echo GOT a cgroup
        mknod device c 1 1 2>/dev/null && echo GOT a device
        mount -t tmpfs none /mnt 2>/dev/null && echo GOT a mount
        unshare -U true 2>/dev/null && echo GOT a user namespace
        cp /bin/sh ./shell && chmod u+s ./shell 2>/dev/null && [ -u ./shell ] && echo GOT a set-uid file
        hostname hostile 2>/dev/null && echo GOT the host name
        ip link add hostile0 type dummy 2>/dev/null && echo GOT a network card
        dmesg >/dev/null 2>&1 && echo GOT the kernel log
        true
        """)
    tried(build, row, "writing")


def case_kill(scene, row):
    """Signals to everybody, tracing, and its own worker killed and stopped."""
    other = scene.push(OTHER, "sleep 5; echo unharmed")
    other.status("pending", "Running")
    build = scene.attack("""
        for pid in $(ls /proc | grep '^[0-9]*$'); do
          [ "$pid" = $$ ] || kill -0 $pid 2>/dev/null && case $(tr '\\0' ' ' </proc/$pid/cmdline) in
            *cibuild*|*worker*|'') ;; *) echo "GOT $pid $(tr '\\0' ' ' </proc/$pid/cmdline)" ;; esac
        done
        worker=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$PPID/status); [ -n "$worker" ] || echo GOT no worker at all
        python3 -c "open('/proc/$worker/mem', 'r+b')" 2>/dev/null && echo "GOT its worker's memory"
        ls /proc/$worker/fd >/dev/null 2>&1 && echo "GOT its worker's files"
        for pid in 1 2 3; do kill -9 $pid 2>/dev/null && echo "GOT a signal to $pid"; done
        true
        """)
    tried(build, row, "signals")
    build = scene.attack(f"kill -9 {WORKER}; sleep 60")
    row("its worker killed: how it ended", f"{build.last['state']}, {build.last['description']}",
        build.last["state"] == "error")
    build = scene.attack(f"kill -STOP {WORKER}; sleep 600 & sleep 600")
    row("its worker stopped: how it ended", f"{build.last['state']}, {build.last['description']}",
        build.last["state"] == "error")
    tried(scene.attack("true"), row, "the stranger after it")
    other.end()
    row("another build meanwhile", other.last["description"], other.said("unharmed") == [] and other.last["state"] == "success")


def case_exhaust(scene, row):
    """A fork bomb, all the memory, all of the disk, a log without end."""
    build = scene.attack("bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 60")
    row("a fork bomb", f"{build.last['state']}, {build.last['description']}", build.last["state"] in ("error", "failure"))
    build = scene.attack('python3 -c "b = bytearray()\nwhile True: b += b\'x\' * 16000000"')
    tried(build, row, "all the memory", ("error", "Out of memory"))
    build = scene.attack("cat /dev/zero >$HOME/much; sleep 100")
    tried(build, row, "all of the disk", ("error", "isk"))
    build = scene.attack("cat /dev/zero >$HOME/../lock; sleep 100")
    tried(build, row, "all of the disk, in the lock", ("error", "disk is full"))
    build = scene.attack(f"kill -STOP {WORKER}; cat /dev/zero >$HOME/much; sleep 100")
    row("all of the disk, and its worker stopped", f"{build.last['state']}, {build.last['description']}",
        build.last["state"] == "error")
    build = scene.attack("head -c 1000000000 /dev/zero | tr '\\\\0' x; yes '' | head -c 200000000; echo the end")
    size = int(scene.box.run(f"stat -c %s /var/lib/pilotlight/logs/{build.id}.log"))
    peak = int(scene.box.run("grep VmHWM /proc/$(systemctl show --value -p MainPID pilotlight)/status").split()[1])
    row("a line of 1 GB and 200 million empty ones", f"{build.last['description']}; log of {size >> 20} MiB, daemon {peak >> 10} MiB",
        build.last["state"] == "success" and size < 10 << 20 and peak < 64 << 10)


def case_outlive(scene, row):
    """Children in sessions of their own, with the streams closed, after the end and after a timeout."""
    build = scene.attack("for i in 1 2 3; do setsid sh -c 'exec >/dev/null 2>&1 </dev/null; sleep 7777' & done; nohup sleep 7777 &\ntrue")
    left = scene.box.run("pgrep -f '[s]leep 7777' || true")
    row("after a pass", left or "nobody", not left and build.last["state"] == "success")
    build = scene.attack("trap '' TERM INT HUP; setsid sleep 7777 & sleep 7777")
    scene.box.run(f"while systemctl is-active --quiet {STRANGER}; do sleep .1; done")
    left = scene.box.run("pgrep -f '[s]leep 7777' || true")
    row("after a timeout", f"{build.last['description']}; {left or 'nobody'}", not left and "Timed out after 30s" in build.last["description"])


def case_repository(scene, row):
    """Symlinks, filters, hooks, submodules and configuration that point outside; a tree that waits for the next build."""
    files = [
        ("leak", "120000", "/etc/credstore"),
        ("up", "120000", "../../../../../../var/lib/pilotlight"),
        (".gitattributes", "100644", "* filter=evil diff=evil merge=evil\n"),
        (".gitconfig", "100644", "[core]\n\tfsmonitor = touch /tmp/hostile\n[filter \"evil\"]\n\tsmudge = touch hostile; cat\n"),
        (".git-hooks/post-checkout", "100755", "#!/bin/sh\ntouch hostile\n"),
    ]
    build = scene.attack("""
        ls leak/* up/*.db up/logs up/control.sock up/mirrors/*other* 2>/dev/null | sed 's/^/GOT /'
        [ -e hostile ] || [ -e /tmp/hostile ] && echo GOT a program of the checkout
        git config core.fsmonitor 'touch /tmp/hostile'; git config filter.evil.smudge 'echo LIES'
        printf '#!/bin/sh\\ntouch hostile\\n' >.git/hooks/post-checkout; chmod +x .git/hooks/post-checkout
        git update-index --assume-unchanged script/cibuild
        for place in . .. "$HOME" "$PILOTLIGHT_CACHE_DIR" "$TMPDIR" /tmp /var/tmp; do echo left >"$place/left" 2>/dev/null; done
        mkdir -p "$HOME/bin"; printf '#!/bin/sh\\necho LIES\\n' >"$HOME/bin/git"; chmod +x "$HOME/bin/git"
        """, files)
    tried(build, row, "a repository full of tricks")
    build = scene.attack("""
        find . .. "$HOME" "$PILOTLIGHT_CACHE_DIR" "$TMPDIR" /tmp /var/tmp -name left -o -name hostile 2>/dev/null | sed 's/^/GOT /'
        git config --list --local | grep -e evil -e fsmonitor | sed 's/^/GOT /'
        ls .git/hooks | sed 's/^/GOT /'
        git status --porcelain | sed 's/^/GOT /'
        """)
    tried(build, row, "the stranger after it")
    build = scene.build(APP, """
        find . .. "$HOME" "$PILOTLIGHT_CACHE_DIR" "$TMPDIR" /tmp /var/tmp -name left -o -name hostile 2>/dev/null | sed 's/^/GOT /'
        true
        """)
    tried(build, row, "the team after it")


def case_words(scene, row):
    """HTML, ANSI, OSC and bidi tricks in log, title and branch."""
    tricks = "<script>alert(1)</script>\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.\u2066\r100% passed"
    build = scene.attack("printf '%s\\n' '" + tricks.replace("\r", "") + "'; printf '\\033]52;c;aGk=\\007\\033[8m\\rOK\\n'", title=tricks)
    page = scene.box.http("GET", DASHBOARD, f"/builds/{build.id}")[1]
    listed = scene.box.http("GET", DASHBOARD, "/")[1]
    shown = scene.box.run(f"script -qec 'pilotlight log {build.id}; pilotlight builds' /dev/null")
    for what, text in (("page", page), ("list", listed), ("terminal", shown)):
        bad = [repr(mark) for mark in ("<script>", "\x1b]", "\x1b[2J", "\x1b[8m", "\x07", "\x9b", "\u202e", "\u2066") if mark in text]
        if what == "terminal":
            bad = [mark for mark in bad if mark != repr("<script>")]
        row(f"tricks in log and title: the {what}", bad or "harmless", not bad)


# How a unit's processes are found and killed is another way in each; the limits on memory and tasks are real in v1 alone.
case_kill.boots = case_outlive.boots = play.CGROUPS

if __name__ == "__main__":
    sys.exit(play.main("hostile pull requests", globals(), Hostile, REPOSITORIES, each=lambda scene: scene.serves_on()))
