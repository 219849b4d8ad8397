#!/usr/bin/env python3
"""Another server behind Pounce's command line, to run the tests of HTTP/2 against it.

POUNCE_TEST_BINARY=tests/peers/peer.py PEER=hypercorn PEER_BIN=venv/bin cargo test --test http2 settings

PEER is hypercorn, h2corn or granian, PEER_BIN the folder with its program. Options of Pounce have no effect here:
tests that need one fail.
"""

import os
import socket
import sys
import time

app = sys.argv[1]
app_dir = sys.argv[sys.argv.index("--app-dir") + 1]
# Below the ports that the system gives to clients, and different for several servers that start at once.
port = str(20_000 + os.getpid() % 12_000)

if os.fork() == 0:
    for _ in range(500):
        time.sleep(0.02)
        try:
            socket.create_connection(("127.0.0.1", int(port))).close()
            break
        except OSError:
            pass
    print(f"READY http://127.0.0.1:{port}", file=sys.stderr, flush=True)
    os._exit(0)

commands = {
    "hypercorn": ["--bind", f"127.0.0.1:{port}", "--workers", "0", app],
    "h2corn": ["--host", "127.0.0.1", "--port", port, "--workers", "1", "--no-access-log", app],
    "granian": ["--interface", "asgi", "--host", "127.0.0.1", "--port", port, "--log-level=warning", app],
}
os.environ["PYTHONPATH"] = app_dir
os.chdir(app_dir)
program = os.path.join(os.environ["PEER_BIN"], os.environ["PEER"])
os.execv(program, [program, *commands[os.environ["PEER"]]])
