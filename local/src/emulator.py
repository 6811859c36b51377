"""Runs MiniStack so that it has time for what it is asked.

For each process of a function it keeps three threads, and each of them looks ten or twenty times a second whether something
has happened, though it is woken when something has. With 200 processes that is some 6,000 looks a second, each of which has to
wait for Python's lock, while 60 calls a second are answered. So here they look once a second; a thread that waits for the lock
asks for it 20 instead of 200 times a second; and the garbage collector, which looks through all that the emulator holds, runs less
often.
"""

import gc
import importlib.metadata
import queue
import runpy
import socketserver
import sys
import types

from ministack.core import lambda_runtime

# What is set below are names of its own, which another version need not have.
KNOWN = "1.5.33"
LOOK = 1.0

version = importlib.metadata.version("ministack")
if version != KNOWN:
    sys.exit(f"local/src/emulator.py was written for MiniStack {KNOWN}: read whether it is right for {version}, and name that there")


class Queue(queue.Queue):
    def get(self, block=True, timeout=None):
        return super().get(block, LOOK if timeout == 0.1 else timeout)


def serve_forever(self, poll_interval=LOOK):
    socketserver.BaseServer.serve_forever(self, LOOK)


lambda_runtime._PROVIDED_POLL = LOOK
lambda_runtime.queue = types.SimpleNamespace(Queue=Queue, Empty=queue.Empty, Full=queue.Full)
socketserver.ThreadingTCPServer.serve_forever = serve_forever
sys.setswitchinterval(0.05)
gc.set_threshold(50_000, 20, 100)
runpy.run_module("ministack", run_name="__main__")
