#!/usr/bin/env -S python3 -B
"""units.py BENCH BINARY [CASE…]: the installed units at work. tests/systemd/run starts it."""

import inspect
import json
import pathlib
import re
import socket
import sys
import time
import traceback

import scene
from box import Box
from scene import BUILD_S, DASHBOARD, INTERNET, ROUTER, TOKEN, Scene, instance, socket_of

REPOSITORIES = {"acme/app": "", "acme/other": "", "acme/closed": 'network = "none"', "acme/lan": 'network = "lan"'}

# What a build may not do to the box; each is tried by a shell in it, and must fail.
FORBIDDEN = {
    "read the configuration": "cat /etc/pilotlight/pilotlight.toml",
    "read the token": "cat /etc/credstore/github-token || cat /run/credentials/*/github-token",
    "read the database": "cat /var/lib/pilotlight/pilotlight.db",
    "list the daemon's state": "test -n \"$(ls -A /var/lib/pilotlight | grep -v mirrors)\"",
    "see another repository's mirror": "test $(ls /var/lib/pilotlight/mirrors | wc -l) -ne 1",
    "write into its own mirror": "touch $(echo /var/lib/pilotlight/mirrors/*)/x",
    "list the rooms of others": "ls -A /var/cache/private/pilotlight-build/acme__other",
    "find the control socket": "test -e /var/lib/pilotlight/control.sock",
    "find a worker's socket": "test -e /run/pilotlight/build",
    "find D-Bus": "test -e /run/dbus/system_bus_socket",
    "find systemd's own socket": "test -e /run/systemd/private",
    "find the journal": "test -e /run/systemd/journal/socket || ls /var/log",
    "find the namespaces of others": "ls /run/netns",
    "see the daemon's process": "grep -qs '^pilotlight.run' /proc/[0-9]*/cmdline",
    "see processes of others": "test -n \"$(ps -e -o user= | grep -v -e plb- -e $(id -u))\"",
    "signal PID 1": "kill -0 1",
    "write to the system": "touch /usr/x || touch /etc/x || touch /var/x || touch /opt/x",
    "write to the kernel's settings": "echo 1 >/proc/sys/kernel/panic",
    "write to cgroups": "mkdir /sys/fs/cgroup/x || mkdir $(ls -d /sys/fs/cgroup/*/ | head -n 1)x",
    "find the pins or a disk": "ls /dev/gpio* /dev/mem /dev/vd* /dev/sd* /dev/mmc*",
    "have a capability": "grep -q 'CapEff:.*[1-9a-f]' /proc/self/status",
    "gain rights by setuid": "su -c id nobody </dev/null || mount -t tmpfs x /tmp",
    "see shared memory of others": "test -e /dev/shm/box",
    "make a namespace": "unshare --user true || unshare --net true",
    "change its network": "ip link set eth0 down || ip netns exec x true || nft flush ruleset",
    "look into the homes": "ls /root /home/*",
    "look at shares of the office": "ls /mnt /media /srv",
    "find what nobody showed it": "ls /data || ls /var/log || ls /var/cache/apt || ls /boot",
    "learn of another repository": "ls -AR /var/cache /var/lib/pilotlight /run | grep acme__other",
}

# What a build tries to reach, through TCP with its port, and by the names that the router knows.
PROBE = f"""#!/usr/bin/env python3
import socket, sys, threading

def tcp(host, port):
    try:
        with socket.create_connection((host, port), 5) as peer:
            peer.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            return peer.recv(100).decode(errors="replace").split("\\r")[0] or "silence"
    except OSError as error:
        return f"{{type(error).__name__}}: {{error}}"

def udp(host, port, family=socket.AF_INET):
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            peer.sendto(b"hello", (host, port))
            peer.sendto(b"hello", (host, port))
            return "sent"
    except OSError as error:
        return f"{{type(error).__name__}}: {{error}}"

def make(*kind):
    try:
        return socket.socket(*kind) and "made"
    except OSError as error:
        return f"{{type(error).__name__}}: {{error}}"

def abstract():
    try:
        with socket.socket(socket.AF_UNIX) as peer:
            return peer.connect("\\0box") or "connected"
    except OSError as error:
        return f"{{type(error).__name__}}: {{error}}"

def own(family, host):
    server = socket.create_server((host, 9000), family=family)
    threading.Thread(target=lambda: server.accept()[0].sendall(b"own server"), daemon=True).start()

own(socket.AF_INET, "127.0.0.1")
own(socket.AF_INET6, "::1")
routes = [line.split() for line in open("/proc/net/route")][1:]
gateways = [".".join(str(b) for b in bytes.fromhex(route[2])[::-1]) for route in routes if int(route[2], 16)]
for what, host, port in {[
    ("the internet", scene.INTERNET, 80), ("the internet by name", "internet.example", 80),
    ("the printer", scene.PRINTER, 80), ("the printer by name", "printer.example", 80),
    ("the router's page", scene.ROUTER, 80), ("the on-link network with public addresses", scene.PRINTER_PUBLIC, 80),
    ("the other site", scene.OTHER_SITE, 80), ("the metadata address", scene.METADATA, 80),
    ("the box's dashboard", scene.BOX, 8080), ("the box's public address", scene.BOX_PUBLIC, 8080),
    ("the box's loopback", "127.0.0.1", 8080), ("the box's webhook", "127.0.0.1", 4567),
    ("the printer over IPv6", scene.PRINTER6, 80), ("the internet over IPv6", scene.INTERNET6, 80),
    ("the box over IPv6", scene.BOX6, 8080), ("its own loopback", "127.0.0.1", 9000), ("its own ::1", "::1", 9000),
]!r} + [("the box's end of the wire", gateway, 8080) for gateway in gateways] + [
        ("another build", other, 9000) for other in sys.argv[1:]]:
    print(f"NET {{what}} = {{tcp(host, port)}}", flush=True)
for what, host, port in {[
    ("UDP to the printer", scene.PRINTER, 9), ("broadcast to the office", "192.168.50.255", 9),
    ("mDNS to the office", "224.0.0.251", 5353),
]!r}:
    print(f"NET {{what}} = {{udp(host, port)}}", flush=True)
print(f"NET UDP to the printer over IPv6 = {{udp({scene.PRINTER6!r}, 9, socket.AF_INET6)}}")
print(f"NET a raw socket = {{make(socket.AF_INET, socket.SOCK_RAW, 1)}}")
print(f"NET a packet socket = {{make(socket.AF_PACKET, socket.SOCK_RAW)}}")
print(f"NET the box's abstract sockets = {{abstract()}}")
"""

ROWS = []


def row(what, seen, good):
    ROWS.append(good)
    print(f"   {'seen' if good else 'NOT SEEN':8}  {what:44}  {seen}", flush=True)


def case_own_unit(scene):
    """Each repository has a user, a cache and a unit of its own, and its strangers another."""
    script = """
        echo "WHO $(id -u) $(stat -c %u $HOME $PILOTLIGHT_CACHE_DIR . | sort -u | tr '\\n' ' ')"
        echo "UNIT $(sed -n 's/.*\\(pilotlight-build@[^/]*\\).*/\\1/p' /proc/self/cgroup | sort -u)"
        echo "CACHE $(cat $PILOTLIGHT_CACHE_DIR/mark 2>&1)"
        echo "$PILOTLIGHT_REPOSITORY" >$PILOTLIGHT_CACHE_DIR/mark
        """
    users = {}
    for name, stranger in (("acme/app", False), ("acme/other", False), ("acme/app", True), ("acme/app", False)):
        build = scene.build(name, script, stranger=stranger)
        unit = f"pilotlight-build@{instance(name, '_s' if stranger else '')}.service"
        seen = f"{build.last['state']}, {build.last['description']}; uid {build.said('WHO')}, {build.said('CACHE')}"
        who = build.said("WHO")[0].split()
        row(f"{name}{' (stranger)' * stranger}: {unit}", seen,
            build.last["state"] == "success" and build.said("UNIT") == [unit] and len(set(who)) == 1)
        users.setdefault((name, stranger), []).append((who[0], build.said("CACHE")[0]))
    app = users["acme/app", False]
    row("its user and cache stay", app, app[0][0] == app[1][0] and app[1][1] == "acme/app" and "No such file" in app[0][1])
    uids = {builds[0][0] for builds in users.values()}
    row("nobody shares a user", uids, len(uids) == 3)
    caches = [builds[0][1] for builds in users.values()]
    row("nobody finds another's cache", caches, all("No such file" in cache for cache in caches))


def case_eyes(scene):
    """What a build can't see or do."""
    script = "".join(f"if ({command}) >out 2>&1; then echo \"DID {what}: $(head -c 200 out | tr '\\n' ' ')\"; else echo "
                     f"\"FAILED {what}: $(tail -n 1 out)\"; fi\n" for what, command in FORBIDDEN.items())
    scene.build("acme/other", "true")
    scene.box.run("touch /dev/shm/box; mkdir /data; touch /data/given")
    for stranger in (False, True):
        build = scene.build("acme/app", script, stranger=stranger)
        words = dict(line.split(": ", 1) for line in build.said("FAILED"))
        for what in FORBIDDEN if not stranger else ():
            row(what, words.get(what, "it did"), what in words)
        row(f"nothing else{' for a stranger' * stranger}", build.said("DID"), not build.said("DID") and len(words) == len(FORBIDDEN))
    drop_in(scene, "BindReadOnlyPaths=/data")
    build = scene.build("acme/app", 'echo "SEES $(ls /data)"; touch /data/mine && echo "DID write"')
    row("what a drop-in shows it", build.said("SEES"), build.said("SEES") == ["given"] and not build.said("DID"))
    drop_in(scene, "")


def drop_in(scene, lines):
    directory = "/run/systemd/system/pilotlight-build@.service.d"
    scene.box.run(f"mkdir -p {directory}; printf '[Service]\n{lines}\n' >{directory}/test.conf; systemctl daemon-reload")


def case_ended_whole(scene):
    """What a build leaves running ends with it, setsid or not, and so does what outlives a killed worker."""
    leave = "setsid sleep 7101 </dev/null >/dev/null 2>&1 & (setsid setsid sleep 7102 &) & sleep 0.2; "
    scene.build("acme/app", leave + "true")
    row("after a build", left(scene), not left(scene))
    build = scene.build("acme/app", leave + "kill -KILL $PPID; sleep 60")
    wait(lambda: not left(scene))
    row("after a build that killed its worker", f"{build.last['state']}: {build.last['description']}; {left(scene)}",
        build.last["state"] == "error" and not left(scene))
    build = scene.build("acme/app", "true")
    row("the next build", build.last["description"], build.last["state"] == "success")


def left(scene):
    return scene.box.run("pgrep -af 'sleep 710[12]'", check=False)[1]


def case_network(scene):
    """What a build reaches, in each mode; refused at once, over every protocol."""
    open_to = {
        "internet": {"the internet", "the internet by name"},
        "lan": {"the internet", "the internet by name", "the printer", "the printer by name", "the router's page", "the other site",
                "the on-link network with public addresses", "UDP to the printer",
                "broadcast to the office", "mDNS to the office"},
        "none": set(),
    }
    always = {"its own loopback", "its own ::1"}
    abstract = scene.box.open(socket.AF_UNIX)
    abstract.bind("\0box")
    abstract.listen()
    waiting = scene.push("acme/other", """
        echo "ADDRESS $(ip -4 -o address show eth0 | sed 's/.*inet \\([0-9.]*\\).*/\\1/')"
        python3 -c 'import socket, time; s = socket.create_server(("0.0.0.0", 9000)); print("READY", flush=True); s.accept()'
        """)
    wait(lambda: "READY" in waiting.log())
    other = waiting.said("ADDRESS")[0]
    for name, stranger, mode in (("acme/app", False, "internet"), ("acme/closed", False, "none"), ("acme/lan", False, "lan"),
                                 ("acme/lan", True, "internet")):
        scene.visits.clear()
        build = scene.build(name, f"python3 probe.py {other}; echo END", [("probe.py", "100644", PROBE)], stranger=stranger)
        seen = dict(line.split(" = ", 1) for line in build.said("NET"))
        who = f"{mode}{' (a stranger of lan)' * stranger}"
        for what, words in seen.items():
            good = words in ("HTTP/1.0 200 OK", "own server", "sent") or words.startswith("HTTP/1.1 ")
            row(f"{who}: {what}", words, good == (what in open_to[mode] | always))
        row(f"{who}: all of it was tried", len(seen), len(seen) >= 24 - (mode == "none") and "END" in build.log())
        visits = {visit[0] for visit in scene.visits}
        row(f"{who}: whom it got through to", visits, visits == ({INTERNET} if mode == "internet" else visits if mode == "lan" else set()))
    scene.box.run(f"pilotlight cancel {waiting.id}")
    waiting.end()


def case_names(scene):
    """Name servers: systemd-resolved's stub has others behind it; one that listens on the box's loopback can't be reached."""
    ask = "python3 -c 'import socket; print(\"NAME\", socket.gethostbyname(\"internet.example\"))'"
    scene.box.run("mkdir -p /run/systemd/resolve; cd /run/systemd/resolve; echo 'nameserver 127.0.0.53' >stub-resolv.conf; "
                  f"echo 'nameserver {ROUTER}' >resolv.conf; mv /etc/resolv.conf /root/; "
                  "ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf")
    build = scene.build("acme/app", ask)
    row("behind systemd-resolved", build.said("NAME"), build.said("NAME") == [INTERNET])
    scene.box.run("rm -r /run/systemd/resolve /etc/resolv.conf; echo 'nameserver 127.0.0.1' >/etc/resolv.conf")
    build = scene.build("acme/app", ask)
    row("on the box's loopback", build.log().splitlines()[-1], not build.said("NAME"))
    said = scene.box.run("pilotlight check --offline", check=False)[1]
    line = next((line for line in said.splitlines() if "names in builds" in line), said)
    row("what check says of it", line, line.startswith("doubtful"))
    scene.box.run("mv /root/resolv.conf /etc/")
    build = scene.build("acme/app", ask)
    row("and back", build.said("NAME"), build.said("NAME") == [INTERNET])


def case_changed_network(scene):
    """A changed mode holds from the next build on; the build that runs is not touched, nor is one under a broken file."""
    reach = f"curl --silent --max-time 5 --output /dev/null http://{INTERNET}/ && echo REACHED yes || echo REACHED no; "
    config = (scene.box.root / "etc/pilotlight/pilotlight.toml").read_text()
    running = scene.push("acme/app", reach + "touch $PILOTLIGHT_CACHE_DIR/begun; "
                         "until [ -e $PILOTLIGHT_CACHE_DIR/go ]; do sleep 0.1; done; rm $PILOTLIGHT_CACHE_DIR/*; " + reach)
    cache = "/var/cache/pilotlight-build/acme__app/cache"
    wait(lambda: scene.box.run(f"test -e {cache}/begun", check=False)[0] == 0)
    scene.configure(config.replace('name = "acme/app"', 'name = "acme/app"\nnetwork = "none"'))
    scene.box.run(f"systemctl reload pilotlight; touch {cache}/go")
    running.end()
    row("the build that runs", running.said("REACHED"), running.said("REACHED") == ["yes", "yes"])
    build = scene.build("acme/app", reach)
    row("the next one, with none", build.said("REACHED"), build.said("REACHED") == ["no"])
    scene.configure("[broken")
    build = scene.build("acme/app", reach)
    row("under a file that is broken just now", build.said("REACHED"), build.said("REACHED") == ["no"])
    scene.configure(config)
    scene.box.run("systemctl reload pilotlight")
    build = scene.build("acme/app", reach)
    row("and back", build.said("REACHED"), build.said("REACHED") == ["yes"])
    scene.box.run("nft flush ruleset")
    build = scene.build("acme/app", reach)
    row("after somebody flushed the box's firewall", build.said("REACHED"), build.said("REACHED") == ["yes"])


def case_shell(scene):
    """A person in the tree that a failed build left, in the same unit."""
    build = scene.build("acme/app", "echo half >made; echo \"WHO $(id -u)\"; exit 3")
    typed = 'cat made; echo "user $(id -u) in $(pwd)"; cat /etc/credstore/*; echo $PILOTLIGHT_SHA; exit'
    said = scene.box.run(f"printf '%s\\n' '{typed}' | pilotlight shell {build.id}").replace("\r", "")
    user = f"user {build.said('WHO')[0]} in"
    row("shell", said.splitlines()[-6:], "half" in said and user in said and build.sha in said and TOKEN not in said)
    after = scene.build("acme/app", "true")
    row("and builds go on", after.last["description"], after.last["state"] == "success")


def case_no_unit(scene):
    """Without a unit, or with one that can't start, builds wait, the lamp can't tell, and the cure is all it takes."""
    ways = {
        "its socket is not enabled": (f"systemctl disable --now --quiet {socket_of('acme/app')}",
                                      f"systemctl enable --now --quiet {socket_of('acme/app')}"),
        "nft is missing": ("mv /usr/sbin/nft /root/; ip netns delete plb-acme__app", "mv /root/nft /usr/sbin/"),
    }
    for what, (breaks, cures) in ways.items():
        scene.box.run(breaks)
        build = scene.push("acme/app", "true")
        lamp = wait(lambda: (found := lights(scene))["red"] == "on" and found["yellow"] == "on" and found)
        row(what, lamp["reason"], not re.search("success|failure|error", " ".join(s["state"] for s in build.statuses())))
        said = scene.box.run("pilotlight check --offline", check=False)[1]
        row("what check says", next((line for line in said.splitlines() if line.startswith("BAD")), said), "BAD" in said)
        scene.box.run(cures)
        build.end()
        row("after its cure", build.last["description"], build.last["state"] == "success")
    starts = scene.box.run("journalctl -b -u pilotlight-network@acme__app --no-pager | grep -c 'can.t be started'", check=False)[1]
    row("it was not started for ever", f"{starts} starts", 0 < int(starts) < 100)


def lights(scene):
    return json.loads(scene.box.http("GET", DASHBOARD, "/api/v1/lights")[1])


def case_mirror(scene):
    """A mirror that is made anew reaches the units of a repository and of its strangers."""
    for stranger in (False, True):
        scene.box.run("rm -rf /var/lib/pilotlight/mirrors/acme__app.git")
        build = scene.build("acme/app", "git log --format='HEAD %H'", stranger=stranger)
        row(f"acme/app{' (stranger)' * stranger}", build.said("HEAD"), build.said("HEAD") == [build.sha])


def case_rooms(scene):
    """Rooms that are not needed go: daily those of repositories that are not configured, short of space the least
    recently used until there is room; never one that a build is in. Builds go on by themselves."""
    config = (scene.box.root / "etc/pilotlight/pilotlight.toml").read_text()
    without = re.sub(r'\[\[repository\]\]\nname = "acme/(app|other)"\n.*?\n\n', "", config, flags=re.DOTALL)
    scene.box.run("systemctl stop pilotlight; mount -t tmpfs -o size=200M,mode=755 tmpfs /var/cache; systemctl start pilotlight")
    scene.build("acme/other", "true")
    running = scene.push("acme/app", "touch begun; until [ -e $PILOTLIGHT_CACHE_DIR/go ]; do sleep 0.1; done")
    wait(lambda: scene.box.run("test -e /var/cache/pilotlight-build/acme__app/tree/begun", check=False)[0] == 0)
    scene.configure(without)
    scene.box.run("touch /run/pilotlight/sweep/beat")
    wait(lambda: scene.box.run("ls /run/pilotlight/sweep") == "")
    row("neither is configured, one runs", rooms(scene), rooms(scene) == {"acme__app"})
    scene.box.run("touch /var/cache/pilotlight-build/acme__app/cache/go")
    running.end()
    row("the build that ran", running.last["description"], running.last["state"] == "success")
    scene.box.run("systemctl restart pilotlight")
    wait(lambda: "acme__app" not in rooms(scene))
    row("not configured, at the daemon's start", rooms(scene), not rooms(scene))
    scene.configure(config)
    scene.box.run("systemctl restart pilotlight")

    build = scene.build("acme/app", "dd if=/dev/zero of=large bs=1M count=60 status=none; mkdir -m 0 closed; ln -s / link; "
                        "python3 -c 'import os; [(os.mkdir(\"deep\"), os.chdir(\"deep\")) for _ in range(3000)]'")
    row("a new room", build.last["description"], build.last["state"] == "success")
    # Its worker can't tell how it ended, so that its unit has failed.
    scene.build("acme/other", "dd if=/dev/zero of=large bs=1M count=60 status=none; kill -KILL $PPID; sleep 60")
    scene.build("acme/closed", "dd if=/dev/zero of=large bs=1M count=10 status=none")
    row("all quiet", rooms(scene), rooms(scene) == {"acme__app", "acme__other", "acme__closed"})
    fill(scene, 1)
    build = scene.build("acme/lan", "true")
    row("a build after that", build.last["description"], build.last["state"] == "success")
    row("short of space", rooms(scene), rooms(scene) == {"acme__other", "acme__closed", "acme__lan"})
    fill(scene, 2)
    build = scene.build("acme/lan", "true")
    row("again, where the unit had failed", rooms(scene), build.last["state"] == "success" and "acme__other" not in rooms(scene))
    scene.box.run("systemctl stop pilotlight; umount --lazy /var/cache; systemctl start pilotlight")


def fill(scene, number):
    """Until less is free than pilotlight wants, and it knows."""
    scene.box.run(f"fallocate -l $(($(stat -f -c '%a * %S' /var/cache) - 5000000)) /var/cache/filler-{number}; "
                  "systemctl restart pilotlight")
    reason = wait(lambda: "disk is full" in (found := lights(scene)["reason"]) and found)
    row("the lamp", reason, True)


def rooms(scene):
    return set(scene.box.run("ls /var/cache/private/pilotlight-build").split())


def case_scores(scene):
    """Short of memory the kernel ends the daemon's git before the daemon."""
    git, scores = "/usr/local/bin/git", "/var/lib/pilotlight/scores"
    # The worker's git passes there as well, and can't write it down.
    scene.box.run(f"printf '#!/bin/sh\\n{{ cat /proc/self/oom_score_adj >>{scores}; }} 2>/dev/null\\nexec /usr/bin/git \"$@\"\\n' "
                  f">{git}; chmod +x {git}")
    scene.build("acme/app", "true")
    daemon = scene.box.run("cat /proc/$(systemctl show pilotlight -p MainPID --value)/oom_score_adj")
    its_git = scene.box.run(f"sort -u {scores}; rm {git} {scores}")
    # A box in a box may not go below 0, which systemd forgives.
    row("the daemon's, its git's", f"{daemon}, {its_git}", daemon in ("-500", "0") and its_git == "500")


def case_limits(scene):
    """The memory of a build is limited, and that is told; the daemon does not notice."""
    if scene.box.cgroups != "v1":
        return print("   (limits are not real in this boot)")
    drop_in(scene, "MemoryMax=100M\nTasksMax=100")
    build = scene.build("acme/app", "python3 -c 'x = bytearray(300 << 20)'")
    row("memory", f"{build.last['state']}: {build.last['description']}", "memory" in build.last["description"].lower())
    build = scene.build("acme/app", "for i in $(seq 200); do sleep 100 & done; echo UNREACHED")
    row("processes", f"{build.last['state']}: {build.last['description']}", not build.said("UNREACHED"))
    restarts = scene.box.run("systemctl show pilotlight -p NRestarts --value")
    row("restarts of the daemon", restarts, restarts == "0")
    drop_in(scene, "")


def case_check(scene):
    """`pilotlight check` finds the units in order, and knows where the kernel limits no memory."""
    unlimited = {"memory of builds"} if scene.box.cgroups == "v2" else set()
    said = scene.box.run("pilotlight check --offline", check=False)[1].splitlines()
    for about in ("isolation", "network of builds", "memory of builds"):
        found = [line for line in said if re.search(f"^[a-zA-Z]+ +{about}", line)]
        verdict = "doubtful" if about in unlimited else "good"
        row(about, found[0] if found else said, found and all(line.startswith(verdict) for line in found))


def case_units_themselves(scene):
    """systemd finds nothing to say about the units, and they are closed enough."""
    for unit in sorted(path.name for path in (scene.box.root / "usr/lib/systemd/system").glob("pilotlight*")):
        said = scene.box.run(f"systemd-analyze verify --man=no {unit.replace('@', '@acme__app')}", check=False)[1]
        said = "\n".join(line for line in said.splitlines() if "pilotlight" in line and "is not executable" not in line)
        row(f"verify {unit}", said or "silent", not said)
    for unit, most in (("pilotlight.service", 16), ("pilotlight-build@acme__app.service", 13)):
        code, said = scene.box.run(f"systemd-analyze security --offline=true --no-pager --threshold={most} "
                                   f"/usr/lib/systemd/system/{unit.replace('acme__app', '')}", check=False)
        row(f"security {unit}, at most {most / 10}", said.splitlines()[-1], code == 0)


def wait(reached):
    """Waits until this holds: for what nobody can tell us of."""
    deadline = time.monotonic() + BUILD_S
    while not (found := reached()):
        assert time.monotonic() < deadline, f"not seen within {BUILD_S} s: {inspect.getsource(reached).strip()}"
        time.sleep(0.1)
    return found


def main():
    bench, binary, wanted = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
    cases = {name[5:]: case for name, case in globals().items() if name.startswith("case_")}
    for cgroups in ("v1", "v2"):
        start = time.monotonic()
        with Box(bench / "rootfs", bench, f"units-{cgroups}", cgroups) as box:
            with Scene(box, binary, REPOSITORIES) as scene:
                print(f"\n== a box with {box.run('systemctl --version').splitlines()[0]}, cgroups {cgroups}"
                      f" ({time.monotonic() - start:.1f} s)", flush=True)
                for name in wanted or cases:
                    print(f"\n-- {name}: {inspect.getdoc(cases[name])}", flush=True)
                    try:
                        cases[name](scene)
                    except Exception:  # noqa: BLE001: whatever it was, the others are played too
                        traceback.print_exc(file=sys.stdout)
                        row("the whole case", "see above", False)
                        print(box.run("journalctl -b --no-pager -n 25 -u 'pilotlight*'", check=False)[1])
    print(f"\nthe units in a real systemd: {ROWS.count(True)} seen, {ROWS.count(False)} not")
    return 0 if all(ROWS) else 1


if __name__ == "__main__":
    sys.exit(main())
