"""Starts a server on a terminal, sends it SIGHUP, and then closes the terminal. Prints the server's reactions."""

import os
import pty
import signal
import sys
import time

reader, writer = os.pipe()
pid, terminal = pty.fork()
if pid == 0:
    # The server's output must outlive the terminal.
    os.dup2(writer, 1)
    os.dup2(writer, 2)
    os.execv(sys.argv[1], sys.argv[1:])
os.close(writer)
said = ""


def wait_for(text):
    global said
    while text not in said:
        piece = os.read(reader, 65536)
        if not piece:
            sys.exit(f"it never said {text!r}: {said}")
        said += piece.decode()


wait_for(" ready: ")
os.kill(pid, signal.SIGHUP)
wait_for("Reloaded")
os.close(terminal)
for _ in range(300):
    ended, status = os.waitpid(pid, os.WNOHANG)
    if ended:
        print("reloaded, and exited with", os.waitstatus_to_exitcode(status))
        break
    time.sleep(0.1)
else:
    os.killpg(pid, signal.SIGKILL)
    sys.exit("the server goes on without its terminal")
