#!/usr/bin/env -S python3 -B
"""positive.py BENCH BINARY [CASE…]: ordinary projects in the installed units. tests/systemd/run starts it."""

import io
import sys
import zipfile

import play
from box import HERE
from scene import Scene

PROJECTS = HERE / "projects"
# The second build finds what the first kept; a stranger's does not.
BUILDS = ("the team", "the team again", "a stranger")
REPOSITORIES = {f"acme/{project.name}": "" for project in PROJECTS.iterdir()}

# A wheel as an index would have it, for pip to find (PEP 427).
WHEEL = {
    "greeting.py": "def to(whom):\n    return f'hello, {whom}'\n",
    "greeting-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
    "greeting-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "greeting-1.0.dist-info/RECORD": "",
}


class Office(Scene):
    """Every box has these lines from its installer."""

    def set_up(self):
        super().set_up()
        (self.box.root / "etc/hostname").write_text("box\n")
        (self.box.root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 box\n::1 localhost ip6-localhost\n")


def case_c(scene, row):
    """make, a test program, ccache, and the sanitizers of the compiler."""
    found = ["ccache: 0 hits" not in said for said in ("\n".join(lines) for lines in built(scene, row, "c"))]
    row("whose ccache found something", found, found == [False, True, False])


def case_rust(scene, row):
    """cargo, with a vendored crate and a build script."""
    built(scene, row, "rust")


def case_python(scene, row):
    """A venv, pip with a vendored wheel, and unittest: pools of processes, a server, asyncio."""
    built(scene, row, "python", [("wheels/greeting-1.0-py3-none-any.whl", "100644", wheel())])


def case_node(scene, row):
    """npm with a vendored package: servers, worker threads, code compiled while it runs."""
    built(scene, row, "node")


def case_usual(scene, row):
    """What sandboxes like to break."""
    built(scene, row, "usual")


def built(scene, row, project, files=()):
    """What each of its builds said that it saw."""
    said = []
    for who in BUILDS:
        build = scene.build(f"acme/{project}", *source(project, files), stranger=who == "a stranger")
        said.append(build.said("SAW"))
        missed = build.said("MISSED")
        for line in missed or said[-1]:
            row(f"{project}, {who}", line, not missed)
        good = build.last["state"] == "success" and said[-1]
        row(f"{project}, {who}: its end", build.last["description"], good)
        if not good:
            print(build.log())
    return said


def source(project, files):
    """Its script, and all its other files."""
    root = PROJECTS / project
    found = {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}
    script = found.pop("script/cibuild")
    return script, [*((name, "100644", text) for name, text in found.items()), *files]


def wheel():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in WHEEL.items():
            archive.writestr(name, text)
    return packed.getvalue().decode(errors="surrogateescape")


if __name__ == "__main__":
    sys.exit(play.main("ordinary projects", globals(), Office, REPOSITORIES))
