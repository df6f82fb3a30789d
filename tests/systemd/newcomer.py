#!/usr/bin/env -S python3 -B
"""newcomer.py BENCH DEB: from `apt install` to a blank card that is put back, as a person goes. tests/systemd/run starts it.

What a person types is typed here; GitHub is github.py's stand-in; the tunnel is OpenSSH's, to a host on the internet.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

import github
from box import Box
from package import REPOSITORY, ROWS, Office, row
from scene import API, DASHBOARD, INTERNET, ROUTER, SECRET, TOKEN, serve, socket_of

SETUP = (f"pilotlight setup --repository {REPOSITORY} --run script/cibuild --token-file /root/token --lamp none "
         f"--api-url https://{API[0]}:{API[1]}")

# Where webhooks come in at the internet host, by hand and as ngrok's stand-in tells it.
BY_HAND, BY_NGROK, NGROK_HOST = 8443, 8444, "box.ngrok.example"

# Answers as ngrok's agent does, and is no tunnel: that is ssh's job here.
NGROK = f"""#!/usr/bin/python3
# A stand-in for ngrok.
import socket
body = b'{{"endpoints": [{{"url": "https://{NGROK_HOST}", "upstream": {{"url": "http://127.0.0.1:4567"}}}}]}}'
server = socket.create_server(("127.0.0.1", 4040))
while True:
    peer = server.accept()[0]
    peer.recv(10000)
    peer.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Type: application/json\\r\\n\\r\\n" + body)
    peer.close()
"""


class Desk(Office):
    """A person with a box, a repository and an afternoon."""

    def __enter__(self):
        room, root = self.box.room, self.box.root
        github.certify(room, API[0])
        shutil.copy(room / "ca.crt", root / "usr/local/share/ca-certificates/company.crt")
        (root / "etc/resolv.conf").write_text(f"nameserver {ROUTER}\n")
        for name, words in (("token", TOKEN), ("hook-token", github.ADMIN)):
            (root / "root" / name).write_text(words + "\n")
        self.git(REPOSITORY, "init", "--quiet", "--bare", str(self.origin(REPOSITORY)))
        self.github = github.Github(self, room / "origins", room)
        return super().__enter__()

    def serve_github(self):
        serve(github.Server, self.box.listen(API), github.handler(self.github))

    def origin(self, name):
        return self.box.room / f"origins/{name}.git"

    def git(self, name, *args, stdin=""):
        done = subprocess.run(["git", *args], input=stdin, text=True, check=True, stdout=subprocess.PIPE)
        return done.stdout.strip()

    def hook(self, event, payload):
        """What GitHub delivers to the newest webhook: the daemon's answer."""
        status, answer = self.github.deliver(self.github.hooks[-1], event, payload)
        assert status == 202, f"the webhook was answered {status}: {answer}"
        return json.loads(answer)

    def typed(self, command):
        """What a person types, and sees."""
        print(f"             $ {command}")
        code, said = self.box.run(command, check=False)
        print("\n".join(f"             {line}" for line in said.splitlines()), flush=True)
        return said if code == 0 else f"exit code {code}: {said}"

    def modes(self):
        return self.box.run("stat -c '%n %a %U' /etc/pilotlight/pilotlight.toml /etc/credstore /etc/credstore/* | sed 's:.*/::'")

    def read(self, path):
        return (self.box.root / path.lstrip("/")).read_text()

    def builds(self):
        return json.loads(self.box.run("pilotlight builds --json"))["builds"]

    def bad(self):
        """What `pilotlight check` does not find good."""
        findings = json.loads(self.box.run("pilotlight check --json", check=False)[1])["findings"]
        return [f"{found['verdict']} {found['about']}: {found['words']}" for found in findings if found["verdict"] != "good"]

    def wait(self, command):
        self.box.run(f"until {command}; do sleep 0.1; done")

    def tunnel(self, port):
        """ssh -R: from the internet host to the daemon's webhooks."""
        self.box.run(f"systemd-run --quiet --unit=tunnel-{port} ssh -N -o BatchMode=yes -o StrictHostKeyChecking=accept-new "
                     f"-o ExitOnForwardFailure=yes -R {INTERNET}:{port}:127.0.0.1:4567 {INTERNET}")
        self.wait(f"ip netns exec office ss -Hltn src {INTERNET}:{port} | grep -q LISTEN")


MODES = "pilotlight.toml 644 root\ncredstore 700 root\ngithub-token 600 root\nwebhook-secret 600 root"


def set_up(desk):
    """Four answers by flags; the lamp is green before there is any tunnel."""
    desk.apt("install /root/pilotlight.deb")
    said = desk.typed(SETUP + " --no-hook")
    row("a server that the box does not trust", "nothing is written",
        "then `update-ca-certificates`" in said and not desk.there("/etc/pilotlight/pilotlight.toml", "/etc/credstore/github-token"))
    desk.box.run("update-ca-certificates")
    first = desk.push(REPOSITORY, "echo the first one", announce=False)
    start = time.monotonic()
    said = desk.typed(SETUP + " --no-hook")
    row("setup shows the first build, found by polling", f"{time.monotonic() - start:.1f} s",
        re.search("The lamp: .*passed", said) and said.splitlines()[-1].startswith("Done. "))
    first.end()
    row("GitHub is told", first.last["description"], first.last["state"] == "success")
    row("modes", desk.modes().replace("\n", "; "), desk.modes() == MODES)
    units = ["pilotlight", socket_of(REPOSITORY), socket_of(REPOSITORY, "_s")]
    states = [desk.state(unit) for unit in units]
    row("units run and start with the box", states, all(state == ["active", "enabled"] for state in states))
    before = desk.read("/etc/pilotlight/pilotlight.toml"), desk.read("/etc/credstore/webhook-secret")
    said = desk.typed(SETUP + " --no-hook")
    after = desk.read("/etc/pilotlight/pilotlight.toml"), desk.read("/etc/credstore/webhook-secret")
    row("set up again: nothing changes", "same configuration, same secret", before == after and "Done. " in said)


def secrets(desk):
    """The daemon has them by systemd, and nobody else has them at all."""
    daemon = desk.box.run("ls -l /run/credentials/pilotlight.service/")
    row("as credentials of the unit", daemon.splitlines()[1:], daemon.count("-r--") == 2)
    for file in ("/etc/credstore/github-token", "/run/credentials/pilotlight.service/github-token"):
        code, said = desk.box.run(f"setpriv --reuid=nobody --regid=nogroup --clear-groups cat {file}", check=False)
        row(f"another user reads {file}", said, code != 0 and TOKEN not in said)
    secret = desk.read("/etc/credstore/webhook-secret").strip()
    for what, word in (("the token", TOKEN), ("the secret", secret)):
        (desk.box.root / "root/word").write_text(word)
        found = desk.box.run("grep -rlsF -f /root/word /etc /var /tmp; journalctl -b --no-pager | grep -cF -f /root/word; "
                             "grep -lsF -f /root/word /proc/[0-9]*/cmdline /proc/[0-9]*/environ", check=False)[1].split()
        kept = {"/etc/credstore/github-token", "/etc/credstore/webhook-secret"}
        found = [line for line in found if line not in kept and line != "0"]
        row(f"{what} is in no other file, log, argument", found, not found)


def checked(desk):
    """The doctor."""
    said = desk.typed("pilotlight check")
    row("check finds nothing wrong", desk.bad(), not re.search("^BAD", said, re.M))


def tunnelled(desk):
    """A real webhook through a real tunnel."""
    desk.box.run("ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519; cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys; "
                 "mkdir -p /run/sshd; systemd-run --quiet --unit=internet --property=NetworkNamespacePath=/run/netns/office "
                 f"/usr/sbin/sshd -D -o ListenAddress={INTERNET} -o GatewayPorts=clientspecified -o PidFile=none")
    desk.wait(f"ip netns exec office ss -Hltn src {INTERNET}:22 | grep -q LISTEN")
    desk.tunnel(BY_HAND)
    said = desk.typed(f"pilotlight hook install --url http://{INTERNET}:{BY_HAND} --token-file /root/hook-token")
    row("the webhook is made, its ping arrives", desk.github.deliveries[:1], "GitHub's ping arrived: all is well" in said)
    row("and is signed with the box's secret", "", desk.github.hooks[0]["config"]["secret"] == desk.read("/etc/credstore/webhook-secret").strip())
    start = time.monotonic()
    build = desk.push(REPOSITORY, "echo through the tunnel")
    answered = time.monotonic() - start
    build.end()
    row("a pull request through the tunnel", f"{build.last['description']}, answered in {answered:.2f} s", build.last["state"] == "success")
    said = desk.typed("pilotlight hook show")
    row("hook show", "", "last delivery arrived (202)" in said)
    row("check", desk.bad(), not any("hook" in line or "deliver" in line for line in desk.bad()))
    said = desk.typed("pilotlight setup")
    row("set up again without a word: nothing is asked", "", "the webhook is there" in said and said.splitlines()[-1].startswith("Done. "))


def through_ngrok(desk):
    """The tunnel's address changes: ngrok's stand-in, started by its unit, tells the new one, and setup mends the hook."""
    desk.box.run(f"systemctl stop tunnel-{BY_HAND}")
    desk.tunnel(BY_NGROK)
    desk.github.addresses[NGROK_HOST] = (INTERNET, BY_NGROK)
    program = desk.box.root / "usr/local/bin/ngrok"
    program.write_text(NGROK)
    program.chmod(0o755)
    (desk.box.root / "etc/pilotlight/ngrok.env").write_text("NGROK_AUTHTOKEN=x\n")
    said = desk.typed(SETUP + " --hook-token-file /root/hook-token")
    row("setup starts the tunnel and mends the webhook", desk.state("pilotlight-ngrok"),
        f"webhook 100 mended: https://{NGROK_HOST}/event_handler" in said and "ping arrived" in said)
    build = desk.push(REPOSITORY, "echo through a stand-in for ngrok").end()
    row("a pull request", build.last["description"], build.last["state"] == "success" and len(desk.github.hooks) == 1)
    kept = desk.box.run("grep -rlsF -f /root/hook-token /etc /var /tmp /run /root", check=False)[1].split()
    row("the token for webhooks is kept by nobody but us", kept, kept == ["/root/hook-token"])


def told(desk):
    """The journal's fields tell one story; systemctl says what is done now."""
    build = desk.push(REPOSITORY, "until [ -e $PILOTLIGHT_CACHE_DIR/go ]; do sleep 0.1; done; rm $PILOTLIGHT_CACHE_DIR/go")
    build.status("pending", "Running")
    now = desk.box.run("systemctl show --value --property=StatusText pilotlight")
    row("systemctl status", now, f"{REPOSITORY}#{build.number}" in now)
    desk.box.run(f"touch /var/cache/pilotlight-build/{REPOSITORY.replace('/', '__')}/cache/go")
    build.end()
    said = [json.loads(line) for line in desk.box.run(f"journalctl -b -o json PILOTLIGHT_PULL={build.number}").splitlines()]
    words = [line["MESSAGE"] for line in said]
    row("the journal's story of one pull request", words, len(words) >= 3)
    fields = {(line.get("PILOTLIGHT_REPOSITORY"), line.get("PILOTLIGHT_BUILD")) for line in said}
    row("its fields", fields, fields == {(REPOSITORY, str(build.id))})
    row("and the delivery's", said[0].get("PILOTLIGHT_DELIVERY"), said[0].get("PILOTLIGHT_DELIVERY") == desk.github.deliveries[0]["guid"])


def hung(desk):
    """A daemon that hangs is started anew by systemd's watchdog, and the build that ran runs again."""
    desk.box.run("mkdir -p /etc/systemd/system/pilotlight.service.d; cd /etc/systemd/system/pilotlight.service.d; "
                 "printf '[Service]\\nWatchdogSec=4s\\n' >short.conf; systemctl daemon-reload; systemctl restart pilotlight")
    build = desk.push(REPOSITORY, "[ ! -e $PILOTLIGHT_CACHE_DIR/once ] || exit 0; touch $PILOTLIGHT_CACHE_DIR/once; sleep 1000")
    desk.wait(f"test -e /var/cache/pilotlight-build/{REPOSITORY.replace('/', '__')}/cache/once")
    before, start = desk.pid(), time.monotonic()
    desk.box.run(f"kill -STOP {before}")
    desk.wait(f"pid=$(systemctl show --value --property=MainPID pilotlight) && [ $pid != 0 ] && [ $pid != {before} ]")
    row("a stopped daemon is another process after", f"{time.monotonic() - start:.1f} s", time.monotonic() - start < 30)
    build.end()
    row("its build", [status["description"] for status in build.statuses()], build.last["state"] == "success")
    desk.box.run("rm -r /etc/systemd/system/pilotlight.service.d; systemctl daemon-reload; systemctl restart pilotlight")


def encrypted(desk):
    """Secrets that only this box can read: the daemon has them, commands find them, setup lets them be."""
    desk.box.run("mkdir -m 700 /etc/credstore.encrypted; cd /etc/credstore; for name in *; do systemd-creds encrypt "
                 "--with-key=host --name=$name $name /etc/credstore.encrypted/$name; done; rm *")
    for command in ("pilotlight check --offline", "pilotlight setup"):
        said = desk.typed(command)
        row(f"without a drop-in: {command}", "names the cure", "exit code 1" in said and "LoadCredentialEncrypted=github-token" in said)
    desk.box.run("cd /etc/systemd/system; mkdir pilotlight.service.d; printf '[Service]\nLoadCredentialEncrypted=github-token\n"
                 "LoadCredentialEncrypted=webhook-secret\n' >pilotlight.service.d/encrypted.conf; "
                 "systemctl daemon-reload; systemctl restart pilotlight")
    daemon = desk.box.run("ls -l /run/credentials/pilotlight.service/")
    row("as credentials of the unit", daemon.splitlines()[1:], daemon.count("-r--") == 2)
    said = desk.typed("pilotlight check")
    row("check finds them", desk.bad(), said.count("is encrypted") == 2 and not re.search("^BAD", said, re.M))
    row("hook show", "", "last delivery" in desk.typed("pilotlight hook show"))
    before = desk.box.run("sha256sum /etc/credstore.encrypted/*")
    row("set up again", "", desk.typed("pilotlight setup").splitlines()[-1].startswith("Done. "))
    said = desk.typed("pilotlight setup --token-file /root/hook-token")
    row("set up with another token: names the cure", "", "exit code 1" in said and "systemd-creds encrypt --name=github-token" in said)
    left = desk.box.run("ls /etc/credstore; sha256sum /etc/credstore.encrypted/*")
    row("nothing plain is beside them, and they are as they were", left, left == before)
    build = desk.push(REPOSITORY, "echo with secrets that were encrypted").end()
    row("a pull request", build.last["description"], build.last["state"] == "success")
    # A path that only the drop-in knows, while no daemon holds what is in it.
    desk.box.run("cd /etc/systemd/system/pilotlight.service.d; cp encrypted.conf /root; sed -i 's|^.*=github-token|LoadCredential="
                 "github-token:/root/the-token|' encrypted.conf; systemd-creds decrypt /etc/credstore.encrypted/github-token "
                 "/root/the-token; systemctl daemon-reload; systemctl stop pilotlight")
    said = desk.typed("pilotlight check")
    row("a drop-in with a path, and no daemon", desk.bad(), "brings /root/the-token" in said and not re.search("^BAD", said, re.M))
    desk.box.run("mv /root/encrypted.conf /etc/systemd/system/pilotlight.service.d; systemctl daemon-reload; systemctl start pilotlight")


def put_back(desk):
    """A backup, a blank card, and all is as it was: GitHub notices nothing."""
    desk.typed("pilotlight backup /root/backup.tar.gz")
    mode = desk.box.run("stat -c %a /root/backup.tar.gz")
    row("the backup is its owner's", mode, mode == "600")
    # Encrypted for the old card, and in the clear in the backup: another card could not read it.
    before = desk.builds(), desk.github.hooks[0]["config"]["secret"] + "\n", desk.read("/etc/pilotlight/pilotlight.toml")
    desk.apt("purge pilotlight")
    desk.apt("install /root/pilotlight.deb")
    said = desk.typed("pilotlight setup --restore /root/backup.tar.gz")
    after = desk.builds(), desk.read("/etc/credstore/webhook-secret"), desk.read("/etc/pilotlight/pilotlight.toml")
    row("restored: history, secret, configuration", f"{len(after[0])} builds", before == after and "Done. " in said)
    row("modes", desk.modes().replace("\n", "; "), desk.modes() == MODES)
    build = desk.push(REPOSITORY, "echo after the new card").end()
    row("the old webhook builds", build.last["description"], build.last["state"] == "success")
    row("check", desk.bad(), not any(line.startswith("bad") for line in desk.bad()))


def main():
    bench, deb = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    with Box(bench / "rootfs", bench, "newcomer", "v2") as box:
        shutil.copy(deb, box.root / "root/pilotlight.deb")
        with Desk(box, None, {REPOSITORY: ""}) as desk:
            for part in (set_up, secrets, checked, tunnelled, through_ngrok, told, hung, encrypted, put_back):
                print(f"\n-- {part.__name__}: {part.__doc__ or ''}", flush=True)
                part(desk)
    print(f"\na newcomer's afternoon: {ROWS.count(True)} seen, {len(ROWS) - ROWS.count(True)} not")
    return 0 if all(ROWS) else 1


if __name__ == "__main__":
    sys.exit(main())
