"""What stands around the units in a test: the daemon as a package would install it, GitHub, an office, an internet.

All of it is played from outside the box, through sockets in its networks (box.py). `Scene.build` is a pull request from
its first byte to the last status.
"""

import http.server
import hmac
import json
import re
import shutil
import socket
import socketserver
import subprocess
import textwrap
import threading
import time

from box import HERE

SYSTEMD = HERE.parent.parent / "systemd"
SECRET = "a-webhook-secret-of-0123456789"
TOKEN = "github_pat_of_the_box"
WEBHOOKS, DASHBOARD, API = ("127.0.0.1", 4567), ("127.0.0.1", 8080), ("127.0.0.1", 8088)

# The longest that a build of these tests may take: a busy machine is slow.
BUILD_S = 60

# The box in its office: a router that also resolves names, a printer, a second network whose addresses are public ones,
# another site behind the router, and the internet.
BOX, ROUTER, PRINTER = "192.168.50.10", "192.168.50.1", "192.168.50.77"
BOX_PUBLIC, PRINTER_PUBLIC, OTHER_SITE = "198.51.100.10", "198.51.100.77", "192.0.2.7"
INTERNET, METADATA = "203.0.113.9", "169.254.169.254"
BOX6, PRINTER6, INTERNET6 = "fd00:50::10", "fd00:50::77", "2001:db8::9"
NAMES = {"internet.example": INTERNET, "printer.example": PRINTER}

OFFICE = f"""
ip link set lo up
ip netns add office
ip link add eth0 type veth peer name office0 netns office
ip addr add {BOX}/24 dev eth0
ip addr add {BOX_PUBLIC}/24 dev eth0
ip addr add {BOX6}/64 dev eth0 nodad
ip link set eth0 up
ip -n office link set lo up
ip -n office link set office0 up
for address in {ROUTER} {PRINTER} {PRINTER_PUBLIC}; do ip -n office addr add $address/24 dev office0; done
for address in {OTHER_SITE} {INTERNET} {METADATA}; do ip -n office addr add $address/32 dev lo; done
ip -n office addr add {PRINTER6}/64 dev office0 nodad
ip -n office addr add {INTERNET6}/128 dev lo
ip -n office route add 198.18.0.0/15 via {BOX}
ip route add default via {ROUTER}
ip route add {OTHER_SITE}/32 via {ROUTER}
ip -6 route add default via {PRINTER6}
"""

CONFIG = f"""
webhook = {{ listen = "{WEBHOOKS[0]}:{WEBHOOKS[1]}" }}
github = {{ api_url = "http://{API[0]}:{API[1]}" }}
lights = {{ driver = "none" }}
builder = {{ workers = 2 }}
storage = {{ state_dir = "/var/lib/pilotlight", cache_dir = "/var/cache/pilotlight" }}
"""


class Scene:
    """An installed, running daemon in its office. `repositories`: name → lines of its [[repository]]."""

    def __init__(self, box, binary, repositories):
        self.box, self.binary, self.repositories = box, binary, repositories
        self.pulls, self.statuses, self.changed, self.visits = {}, [], threading.Condition(), []
        self.number = 0

    def __enter__(self):
        self.install()
        self.set_up()
        self.box.boot()
        self.box.run(OFFICE)
        self.serve_github()
        self.serve_office()
        self.box.run("systemctl start pilotlight")
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(self.box.run("journalctl -b --no-pager -n 80", check=False)[1])

    # What a package and a person do.

    def install(self):
        """By hand, as the README says; or all of a package's files, if that is what `binary` is."""
        root = self.box.root
        if str(self.binary).endswith(".deb"):
            subprocess.run(["dpkg-deb", "--extract", self.binary, root], check=True)
            return self.make_users()
        shutil.copy(self.binary, root / "usr/bin/pilotlight")
        for unit in [path for kind in ("service", "socket", "slice", "path") for path in SYSTEMD.glob(f"*.{kind}")]:
            shutil.copy(unit, root / "usr/lib/systemd/system")
        for kind in ("sysusers.d", "tmpfiles.d"):
            shutil.copy(SYSTEMD / kind / "pilotlight.conf", root / "usr/lib" / kind)
        self.make_users()

    def make_users(self):
        root = self.box.root
        for kind in ("sysusers.d", "tmpfiles.d"):
            subprocess.run([f"systemd-{kind.removesuffix('.d')}", f"--root={root}", *["--create"] * (kind[0] == "t"),
                            "pilotlight.conf"], check=True, stderr=subprocess.DEVNULL)

    def set_up(self):
        root = self.box.root
        self.configure(CONFIG + "".join(f'[[repository]]\nname = "{name}"\nclone_url = "file:///srv/{name}.git"\n{lines}\n'
                                        for name, lines in self.repositories.items()))
        for name, words in (("github-token", TOKEN), ("webhook-secret", SECRET)):
            (root / "etc/credstore" / name).write_text(words + "\n")
        (root / "etc/resolv.conf").write_text(f"nameserver {ROUTER}\n")
        for name in self.repositories:
            self.git(name, "init", "--quiet", "--bare", str(self.origin(name)))
            for stranger in ("", "_s"):
                self.enable(name, stranger)

    def configure(self, text):
        (self.box.root / "etc/pilotlight/pilotlight.toml").write_text(text)

    def enable(self, name, stranger):
        subprocess.run(["systemctl", f"--root={self.box.root}", "--quiet", "enable", socket_of(name, stranger)], check=True)

    # GitHub.

    def serve_github(self):
        scene = self

        class Api(http.server.BaseHTTPRequestHandler):
            def answer(self, status, body):
                words = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(words)))
                self.end_headers()
                self.wfile.write(words)

            def do_GET(self):
                if found := re.match(r"/repos/([^/]+/[^/]+)/pulls\?", self.path):
                    return self.answer(200, [pull for (name, _), pull in scene.pulls.items() if name == found[1]])
                if self.path.split("?")[0].endswith("/status"):
                    return self.answer(200, {"statuses": []})
                self.answer(404, {"message": "not in this test"})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with scene.changed:
                    scene.statuses.append({"sha": self.path.split("/")[-1], **body})
                    scene.changed.notify_all()
                self.answer(201, {})

            def log_message(self, *_):
                pass

        serve(http.server.ThreadingHTTPServer, self.box.listen(API), Api)

    def git(self, name, *args, stdin=""):
        done = subprocess.run(["git", "-c", "safe.directory=*", *args], input=stdin, text=True, check=True,
                              errors="surrogateescape", stdout=subprocess.PIPE)
        subprocess.run(["chroot", self.box.root, "chown", "-R", "pilotlight:", f"/srv/{name}.git"], check=True)
        return done.stdout.strip()

    def origin(self, name):
        return self.box.root / f"srv/{name}.git"

    def push(self, name, script, files=(), stranger=False, number=None, base=None, announce=True, title=None):
        """A head with this script as its script/cibuild, and its webhook; the build that it became. All other files are
        those of the pull request `base`, or none."""
        if number is None:
            self.number += 1
            number = self.number
        script = "#!/bin/sh\n" + textwrap.dedent(script)
        who = "box <box@example.com> 1577836800 +0000"
        words = f"{name} {number}"
        stream = f"commit refs/pull/{number}/head\ncommitter {who}\ndata {len(words)}\n{words}\n"
        stream += f"from refs/pull/{base}/head\n" if base else "deleteall\n"
        for path, mode, text in [("script/cibuild", "100755", script), *files]:
            stream += f"M {mode} inline {path}\ndata {len(text.encode(errors='surrogateescape'))}\n{text}\n"
        self.git(name, "-C", str(self.origin(name)), "fast-import", "--quiet", "--force", stdin=stream)
        sha = self.git(name, "-C", str(self.origin(name)), "rev-parse", f"refs/pull/{number}/head")
        pull = pull_request(name, number, sha, stranger)
        pull["title"] = title or pull["title"]
        self.pulls[name, number] = pull
        build = Build(self, name, number, sha)
        return build.announce() if announce else build

    def hook(self, event, payload):
        body = json.dumps(payload).encode()
        signature = "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex()
        headers = {"Content-Type": "application/json", "X-GitHub-Event": event, "X-GitHub-Hook-ID": "1",
                   "X-GitHub-Delivery": f"box-{time.monotonic_ns()}", "X-Hub-Signature-256": signature}
        status, answer = self.box.http("POST", WEBHOOKS, "/event_handler", body, headers)
        assert status == 202, f"the webhook was answered {status}: {answer}"
        return json.loads(answer)

    def build(self, name, script, files=(), stranger=False, title=None):
        """A pull request and its end; a stranger's is approved first."""
        build = self.push(name, script, files, stranger, title=title)
        if stranger:
            build.status("pending", "Waiting for approval")
            self.box.run(f"pilotlight approve {name}#{build.number} {build.sha}")
        build.end()
        return build

    # The office and the internet.

    def serve_office(self):
        scene = self

        class Web(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.recv(1000)
                scene.visits.append((self.server.socket.getsockname()[0], self.client_address[0]))
                self.request.sendall(b"HTTP/1.0 200 OK\r\n\r\n")

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self):
                data, reply = self.request
                if self.server.socket.getsockname()[1] == 53:
                    return reply.sendto(resolve(data), self.client_address)
                scene.visits.append((self.server.socket.getsockname()[0], self.client_address[0]))

        for address in (ROUTER, PRINTER, PRINTER_PUBLIC, OTHER_SITE, INTERNET, METADATA, PRINTER6, INTERNET6):
            serve(socketserver.ThreadingTCPServer, self.box.listen((address, 80), "office"), Web)
        for address, port in ((ROUTER, 53), (PRINTER, 9), (PRINTER6, 9), ("192.168.50.255", 9), ("224.0.0.251", 5353)):
            udp = self.box.listen((address, port), "office", socket.SOCK_DGRAM)
            serve(socketserver.ThreadingUDPServer, udp, Datagram)


class Build:
    def __init__(self, scene, name, number, sha):
        self.scene, self.name, self.number, self.sha = scene, name, number, sha

    def announce(self):
        """GitHub's webhook."""
        pull = self.scene.pulls[self.name, self.number]
        payload = {"action": "opened", "number": self.number, "repository": pull["base"]["repo"], "pull_request": pull}
        self.id = self.scene.hook("pull_request", payload)["build"]
        return self

    def status(self, state, description=""):
        """Waits for such a status of this head."""
        found = None

        def seen():
            nonlocal found
            found = next((s for s in self.statuses() if re.match(state, s["state"])
                          and re.search(description, s["description"])), None)
            return found

        with self.scene.changed:
            assert self.scene.changed.wait_for(seen, BUILD_S), f"no status {state} “{description}” in {self.statuses()}"
        return found

    def statuses(self):
        return [s for s in self.scene.statuses if s["sha"] == self.sha]

    def end(self):
        self.last = self.status("success|failure|error")
        return self

    def log(self):
        return self.scene.box.http("GET", DASHBOARD, f"/api/v1/builds/{self.id}/log")[1]

    def said(self, word):
        """The lines of the log that begin with this word, without it."""
        return [line[len(word) + 1:] for line in self.log().splitlines() if line.startswith(word + " ")]


def serve(kind, listener, handler):
    """A socketserver on a socket that is there already."""
    kind.daemon_threads = True
    server = kind(listener.getsockname()[:2], handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = listener.getsockname()[:2]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()


def resolve(question):
    """A DNS answer (RFC 1035) from `NAMES`; all others do not exist."""
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1:at + 1 + question[at]].decode())
        at += 1 + question[at]
    asked, address = question[12:at + 5], NAMES.get(".".join(labels))
    wanted = question[at + 1:at + 3] == b"\0\1"
    answers = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(address) if address and wanted else b""
    code = 0 if address else 3
    return question[:2] + bytes([0x81, 0x80 | code, 0, 1, 0, bool(answers), 0, 0, 0, 0]) + asked + answers


def pull_request(name, number, sha, stranger):
    repository = {"full_name": name, "fork": False}
    fork = {"full_name": f"mallory/{name.split('/')[1]}", "fork": True}
    return {
        "number": number, "title": f"Pull request {number}", "state": "open", "draft": False,
        "updated_at": f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z", "user": {"login": "octocat"},
        "head": {"sha": sha, "ref": f"branch-{number}", "repo": fork if stranger else repository},
        "base": {"sha": "0" * 40, "ref": "main", "repo": repository}}


def instance(name, stranger=""):
    return name.replace("/", "__") + stranger


def socket_of(name, stranger=""):
    return f"pilotlight-build@{instance(name, stranger)}.socket"
