import asyncio
import http.server
import multiprocessing
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.request
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import shared_memory

import greeting


def doubled(number):
    return 2 * number


class Office(unittest.TestCase):
    def test_a_wheel(self):
        self.assertEqual(greeting.to("pip"), "hello, pip")

    def test_pools_of_processes(self):
        for way in ("fork", "spawn", "forkserver"):
            with self.subTest(way), ProcessPoolExecutor(2, multiprocessing.get_context(way)) as pool:
                self.assertEqual(list(pool.map(doubled, range(8))), [2 * number for number in range(8)])

    def test_shared_memory_and_a_manager(self):
        memory = shared_memory.SharedMemory(create=True, size=1 << 20)
        memory.buf[:5] = b"hello"
        same = shared_memory.SharedMemory(memory.name)
        self.assertEqual(bytes(same.buf[:5]), b"hello")
        same.close()
        memory.close()
        memory.unlink()
        with multiprocessing.Manager() as manager:
            self.assertEqual(list(manager.list([1, 2])), [1, 2])

    def test_a_server(self):
        handler = http.server.SimpleHTTPRequestHandler
        handler.log_message = lambda *_: None
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever).start()
            address = f"http://localhost:{server.server_port}/test_office.py"
            self.assertIn(b"hello, pip", urllib.request.urlopen(address, timeout=10).read())
            server.shutdown()

    def test_asyncio(self):
        async def talk():
            async def greet(_, writer):
                writer.write(b"hello\n")
                writer.close()
            server = await asyncio.start_unix_server(greet, pathlib.Path(tempfile.mkdtemp(), "socket"))
            reader, writer = await asyncio.open_unix_connection(server.sockets[0].getsockname())
            words = await reader.readline()
            writer.close()
            child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
            echo, _ = await child.communicate(words)
            server.close()
            return echo
        self.assertEqual(asyncio.run(talk()), b"hello\n")

    def test_a_database(self):
        path = pathlib.Path(tempfile.mkdtemp(), "db")
        for _ in range(2):
            with sqlite3.connect(path) as database:
                database.execute("pragma journal_mode = wal")
                database.execute("create table if not exists words (word)")
                database.execute("insert into words values ('hello')")
        self.assertEqual(sqlite3.connect(path).execute("select count(*) from words").fetchone(), (2,))

    def test_a_child_of_its_own_python(self):
        said = subprocess.run([sys.executable, "-c", "import greeting, os; print(os.path.expanduser('~'))"],
                              capture_output=True, text=True, check=True).stdout
        self.assertEqual(said.strip(), os.environ["HOME"])
