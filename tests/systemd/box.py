"""A box with a real systemd: a container of its own, booted from a directory; and sockets inside its networks.

The test runs outside. Servers and clients are sockets that were made inside the container's network namespaces, so that
a test plays GitHub, the office and the internet, and waits for them, without a second program.
"""

import concurrent.futures
import ctypes
import http.client
import os
import pathlib
import shutil
import socket
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)

# The longest that a command inside may take.
COMMAND_S = 120


class Box:
    """Boots on entering; gone with all that happened in it on leaving. `root` is the container's file system."""

    def __init__(self, rootfs, room, name, cgroups):
        self.rootfs, self.name, self.cgroups = rootfs, name, cgroups
        self.room = pathlib.Path(room, name)
        self.root = self.room / "root"
        self.environment = dict(os.environ, BENCH=str(room))

    def __enter__(self):
        self._clean()
        for part in ("upper", "work", "root"):
            (self.room / part).mkdir(parents=True)
        layers = f"lowerdir={self.rootfs},upperdir={self.room}/upper,workdir={self.room}/work"
        subprocess.run(["mount", "-t", "overlay", "pilotlight", "-o", layers, self.root], check=True)
        return self

    def boot(self):
        command = [HERE / "boot.sh", self.root, self.name, self.cgroups]
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, text=True, check=True)
        self.leader = int(done.stdout)

    def __exit__(self, *_):
        self._clean()

    def _clean(self):
        subprocess.run([HERE / "clean.sh", self.name], env=self.environment, check=True)
        subprocess.run(["umount", "--lazy", self.root], check=False, stderr=subprocess.DEVNULL)
        if self.room.exists():
            shutil.rmtree(self.room)

    def run(self, command, check=True, timeout=COMMAND_S):
        """A shell command inside; what it said, its exit code where that is not checked."""
        done = subprocess.run([HERE / "enter.sh", str(self.leader), "sh", "-c", command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout)
        if not check:
            return done.returncode, done.stdout.strip()
        assert done.returncode == 0, f"{command}: exit code {done.returncode}: {done.stdout}"
        return done.stdout.strip()

    def open(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, network=None):
        """A socket of the box's network, or of a named one's."""
        path = f"/proc/{self.leader}/ns/net" if network is None else f"/proc/{self.leader}/root/run/netns/{network}"
        with concurrent.futures.ThreadPoolExecutor(1) as inside:
            return inside.submit(_socket, path, family, kind).result()

    def listen(self, address, network=None, kind=socket.SOCK_STREAM):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        listener = self.open(family, kind, network)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        if kind == socket.SOCK_STREAM:
            listener.listen(64)
        return listener

    def http(self, method, address, path, body=None, headers=None, network=None, timeout=COMMAND_S):
        """One request on the box, or from a named network: the status and the body of its answer."""
        connection = http.client.HTTPConnection(*address)
        connection.sock = self.open(network=network)
        connection.sock.settimeout(timeout)
        connection.sock.connect(address)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")


def _socket(path, family, kind):
    """In a thread of its own: a namespace belongs to a thread."""
    with open(path) as namespace:
        if LIBC.setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {path}")
    return socket.socket(family, kind)
