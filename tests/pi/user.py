#!/usr/bin/env python3
"""user.py PILOTLIGHT: the binary's job where no pin is: git, SQLite, HTTP, processes and TLS. Called by user.sh."""

import hmac
import json
import os
import pathlib
import re
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

PILOTLIGHT = sys.argv[1]
SECRET = "the webhook's secret"
# Emulation is slow, and the machine may be busy.
WAIT_S = 120


def demo():
    """The whole job, four pull requests, with a stand-in for GitHub inside."""
    played = subprocess.run([PILOTLIGHT, "demo"], capture_output=True, text=True, timeout=WAIT_S)
    print(played.stdout, played.stderr, sep="", end="")
    assert played.returncode == 0, f"the demo ended with {played.returncode}"
    ends = [line.split()[1] for line in played.stdout.splitlines() if re.match(" +status +(success|failure|error) ", line)]
    assert ends == ["success", "failure", "error", "error", "success"], ends


def tls_refused(room):
    """An API whose certificate nobody knows: pilotlight shakes hands, refuses it, and says so. The build is saved."""
    key, certificate = room / "key.pem", room / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))
    outcomes = []
    threading.Thread(target=shake_hands, args=(context, listener, outcomes), daemon=True).start()

    (room / "secret").write_text(SECRET)
    (room / "token").write_text("token-of-the-test")
    config = room / "pilotlight.toml"
    config.write_text(f"""
        webhook = {{ listen = "127.0.0.1:0", secret_file = "{room}/secret" }}
        github = {{ api_url = "https://localhost:{listener.getsockname()[1]}", token_file = "{room}/token" }}
        dashboard = {{ listen = "off" }}
        lights = {{ driver = "none" }}
        builder = {{ isolation = "none" }}
        storage = {{ state_dir = "{room}/state", cache_dir = "{room}/cache" }}
        [[repository]]
        name = "acme/app"
        clone_url = "file://{room}/nothing.git"
    """)
    daemon = subprocess.Popen([PILOTLIGHT, "run", "--config", config], stderr=subprocess.PIPE, text=True)
    lines = iter(daemon.stderr.readline, "")
    address = await_line(lines, r"listening for webhooks on (http://\S+)")
    print("   webhook:", deliver(address))
    print("   pilotlight:", await_line(lines, r"(.*invalid peer certificate: UnknownIssuer.*)"))
    daemon.terminate()
    daemon.communicate(timeout=WAIT_S)
    assert daemon.returncode == 0, f"ended with {daemon.returncode}"
    assert outcomes and "told" not in outcomes, f"the server was spoken to: {outcomes}"
    database = next((room / "state").glob("*.db"))
    builds = sqlite3.connect(database).execute("SELECT count(*) FROM builds").fetchone()[0]
    assert builds == 1, f"{builds} builds in {database}"
    print(f"   {builds} build in {database.name}, as x86's SQLite reads it")


def shake_hands(context, listener, outcomes):
    while True:
        connection, _ = listener.accept()
        try:
            outcomes.append("told" if context.wrap_socket(connection, server_side=True).recv(1) else "shaken")
        except OSError as error:
            outcomes.append(str(error))


def await_line(lines, pattern):
    for line in lines:
        if found := re.search(pattern, line):
            return found[1].strip()
    raise AssertionError(f"ended without a line like {pattern}")


def deliver(address):
    sha = "1234567890" * 4
    repository = {"full_name": "acme/app", "fork": False}
    body = json.dumps({
        "action": "opened", "number": 1, "repository": repository,
        "pull_request": {
            "number": 1, "title": "Greet", "state": "open", "draft": False, "updated_at": "2026-01-01T00:00:00Z",
            "head": {"sha": sha, "ref": "greet", "repo": repository},
            "base": {"sha": "0" * 40, "ref": "main", "repo": repository}}}).encode()
    request = urllib.request.Request(address, body, {
        "Content-Type": "application/json", "X-GitHub-Event": "pull_request", "X-GitHub-Hook-ID": "1",
        "X-GitHub-Delivery": "one", "X-Hub-Signature-256": "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex()})
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
        return answer.status, json.load(answer)["result"]


def give_up():
    print(f"it hangs: nothing came for {2 * WAIT_S} s", flush=True)
    os._exit(1)


def main():
    print("--", subprocess.run([PILOTLIGHT, "--version"], capture_output=True, text=True, check=True).stdout.strip())
    watchdog = threading.Timer(2 * WAIT_S, give_up)
    watchdog.daemon = True
    watchdog.start()
    start = time.monotonic()
    print("-- the demo")
    demo()
    print("-- TLS")
    with tempfile.TemporaryDirectory() as room:
        tls_refused(pathlib.Path(room))
    print(f"-- done in {time.monotonic() - start:.0f} s")


main()
