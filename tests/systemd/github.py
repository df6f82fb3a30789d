"""A stand-in for GitHub that a whole installation talks to: its API, its private repositories over TLS, its webhooks.

Unlike scene.py's it asks for tokens, and delivers what webhooks were made for: from the internet, signed as they say.
"""

import base64
import hmac
import http.client
import http.server
import json
import os
import re
import ssl
import subprocess
import sys
import urllib.parse
import uuid

from scene import TOKEN

# May make webhooks, as the daemon's token may not.
ADMIN = "github_pat_of_an_admin"

# GitHub gives up after this, and counts the delivery as failed.
DELIVERY_S = 10


class Github:
    """`origins`: where the bare repositories are. `addresses`: of public host names that lead into a tunnel."""

    def __init__(self, scene, origins, room):
        self.scene, self.origins = scene, origins
        self.hooks, self.deliveries, self.addresses = [], [], {}
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(room / "server.crt", room / "server.key")

    def deliver(self, hook, event, payload):
        """From the internet to the hook's address; what was answered, with the status 502 where nobody did."""
        body, guid = json.dumps(payload).encode(), str(uuid.uuid4())
        headers = {"Content-Type": "application/json", "X-GitHub-Event": event, "X-GitHub-Delivery": guid,
                   "X-GitHub-Hook-ID": str(hook["id"]), "User-Agent": "GitHub-Hookshot/stand-in",
                   "X-Hub-Signature-256": "sha256=" + hmac.digest(hook["config"]["secret"].encode(), body, "sha256").hex()}
        url = urllib.parse.urlsplit(hook["config"]["url"])
        try:
            address = self.addresses.get(url.hostname) or (url.hostname, url.port)
            status, answer = self.scene.box.http("POST", address, url.path, body, headers, "office", DELIVERY_S)
        except (OSError, http.client.HTTPException) as error:
            status, answer = 502, str(error)
        hook["last_response"] = {"code": status}
        self.deliveries.insert(0, {"id": len(self.deliveries) + 1, "guid": guid, "event": event, "status_code": status,
                                   "status": answer[:60], "redelivery": False})
        return status, answer

    def answer(self, method, path, token, body):
        """The status and the JSON of one call."""
        if token not in (TOKEN, ADMIN):
            return 401, {"message": "Bad credentials"}
        if path == "/rate_limit":
            return 200, {"resources": {"core": {"limit": 5000, "remaining": 4987}}}
        found = re.fullmatch(r"/repos/([^/]+/[^/]+)(/[^/]+)?(.*)", path)
        name, kind, rest = found.groups() if found else ("", "", "")
        if not (self.origins / f"{name}.git").exists():
            return 404, {"message": "Not Found"}
        match method, kind:
            case "GET", None:
                return 200, {"full_name": name}
            case "GET", "/branches":
                return 200, []
            case "GET", "/pulls":
                return 200, [pull for (of, _), pull in self.scene.pulls.items() if of == name]
            case "GET", "/commits":
                newest = {s["context"]: s for s in self.scene.statuses if s["sha"] == rest.split("/")[1]}
                return 200, {"statuses": list(newest.values())}
            case "POST", "/statuses":
                return self.keep_status(rest.strip("/"), json.loads(body))
            case _, "/hooks":
                return self.hook(name, method, rest, token == ADMIN, json.loads(body or "null"))
        return 404, {"message": "not in this test"}

    def keep_status(self, sha, status):
        if sha == "0" * 40:
            return 422, {"message": f"No commit found for SHA: {sha}"}
        with self.scene.changed:
            self.scene.statuses.append({"sha": sha, **status})
            self.scene.changed.notify_all()
        return 201, {}

    def hook(self, name, method, rest, may_write, body):
        """The daemon's token may look at webhooks, and no more."""
        id, _, what = rest.strip("/").partition("/")
        hook = next((hook for hook in self.hooks if str(hook["id"]) == id), None)
        if method != "GET" and not may_write:
            return 403, {"message": "Resource not accessible by personal access token"}
        match method, hook is not None, what:
            case "GET", False, "" if not id:
                return 200, self.hooks
            case "POST", False, "" if not id:
                self.hooks.append({"id": 100 + len(self.hooks), **body})
                return 201, self.hooks[-1]
            case "PATCH", True, "":
                hook.update(body)
                return 200, hook
            case "POST", True, "pings":
                self.deliver(hook, "ping", {"zen": "Stand-ins are called that.", "hook_id": hook["id"], "hook": {},
                                            "repository": {"full_name": name, "fork": False}})
                return 204, None
            case "GET", True, "deliveries":
                return 200, self.deliveries
        return 404, {"message": "Not Found"}

    def git(self, request, body):
        """git's own server behind a password, as for a private repository: the status, the type and the body."""
        expected = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {expected}":
            return 401, "text/plain", b"Repository not found."
        path, _, query = request.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.origins), "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": request.command, "PATH_INFO": path, "QUERY_STRING": query,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", "")}
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, stdout=subprocess.PIPE, check=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        return int(headers.get("Status", "200").split()[0]), headers["Content-Type"], body


class Server(http.server.ThreadingHTTPServer):
    """Whoever does not trust the certificate hangs up."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ssl.SSLError):
            super().handle_error(request, client_address)


def certify(room, address):
    """A company's own authority, and its server's certificate: ca.crt, server.crt and server.key in `room`."""
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    for name, more in (("ca", ["-subj", "/CN=a company"]),
                       ("server", ["-subj", "/CN=a stand-in for GitHub", "-CA", room / "ca.crt", "-CAkey", room / "ca.key",
                                   "-addext", "basicConstraints=critical,CA:FALSE", "-addext", f"subjectAltName=IP:{address}"])):
        subprocess.run([*new, "-keyout", room / f"{name}.key", "-out", room / f"{name}.crt", *more], check=True,
                       stderr=subprocess.DEVNULL)


def handler(github):
    """Over TLS, with a certificate of a company's making: what the box trusts."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def setup(self):
            self.request = github.tls.wrap_socket(self.request, server_side=True)
            super().setup()

        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if ".git/" in self.path:
                return self.say(*github.git(self, body))
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            status, answer = github.answer(self.command, self.path.split("?")[0], token, body)
            self.say(status, "application/json", b"" if answer is None else json.dumps(answer).encode())

        do_POST = do_PATCH = do_GET

        def say(self, status, kind, body):
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="GitHub"')
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler
