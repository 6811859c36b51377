#!/usr/bin/env python3
"""What cargo-lambda takes for cargo (by the variable CARGO), so that every call of a function is answered.

cargo-lambda starts a function by `cargo run`. If that ends, because the function does not compile or its process ends,
nobody is left who asks for calls, and whoever makes one waits forever. So this runs cargo, and answers the call that
was under way when it ended with an error. A function that has been called is started again, as Lambda does. One that
has not would only end again: its calls are answered here, until cargo-lambda kills this to build the function anew.

cargo-lambda tells nobody which call a process was at work on when it ended, and hands a call to one that was killed a
moment ago. But it takes an id that it is given. So each time the next call is asked for, by a function (what it asks
passes through here) or by this, an id is made up and kept in a file first: whenever we are killed, our successor knows
which call to answer. An answer to a call that has one already, or to none, does no harm.
"""

import asyncio
import contextlib
import http.client
import json
import os
import pathlib
import signal
import sys
import urllib.parse
import uuid

ID = "lambda-runtime-aws-request-id"
NEXT = b"/runtime/invocation/next HTTP/1.1\r\n"


def main():
    command = ["cargo", *sys.argv[1:]]
    if "AWS_LAMBDA_RUNTIME_API" not in os.environ:
        os.execvp("cargo", command)

    name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    log = os.environ.pop("WATCH_LOG")
    calls = Calls(os.environ["AWS_LAMBDA_RUNTIME_API"], pathlib.Path(__file__).with_name(f"{name}.call"))
    # Until cargo-lambda has ended, if that comes first.
    with contextlib.suppress(ConnectionError):
        calls.fail_last(f"{name} was stopped in the middle of this call, because code had changed. Please ask again.")
        calls.taken = True
        while calls.taken:
            calls.taken = False
            status = asyncio.run(run(command, calls))
            ended = f"exit status {status}" if status >= 0 else signal.Signals(-status).name
            message = f"{name} is not running: `{' '.join(command)}` ended with {ended}. The reason is in {log}."
            print(f"error: {message}", file=sys.stderr, flush=True)
            calls.fail_last(message)
        print(f"Calls of {name} are answered with 500 until code changes.", file=sys.stderr, flush=True)
        while True:
            calls.fail(calls.next(), message)


async def run(command, calls):
    """Runs cargo, and then the function, to its end."""
    relay = await asyncio.start_server(calls.relay, "127.0.0.1", 0)
    port = relay.sockets[0].getsockname()[1]
    api = f"http://127.0.0.1:{port}{calls.path}"
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "AWS_LAMBDA_RUNTIME_API": api})
    return await process.wait()


class Calls:
    """The calls of one function, as cargo-lambda hands them out."""

    def __init__(self, api, last):
        address = urllib.parse.urlsplit(api)
        self.host, self.port, self.path = address.hostname, address.port, address.path
        self.last = last
        self.call = ""
        self.taken = False

    def name_call(self):
        """Makes up the id of the next call. Returns the header that asks for it."""
        self.call = str(uuid.uuid4())
        self.last.write_text(self.call)
        return {ID: self.call}

    def next(self):
        """Waits for the next call. Returns its id."""
        self.ask("GET", "next", self.name_call())
        return self.call

    def fail(self, call, message):
        error = {"errorType": "Runtime.ExitError", "errorMessage": message}
        self.ask("POST", f"{call}/error", {"content-type": "application/json"}, json.dumps(error))

    def fail_last(self, message):
        if self.last.exists():
            self.fail(self.last.read_text(), message)

    def ask(self, method, what, headers, body=None):
        connection = http.client.HTTPConnection(self.host, self.port)
        connection.request(method, f"{self.path}/2018-06-01/runtime/invocation/{what}", body, headers)
        connection.getresponse().read()
        connection.close()

    async def relay(self, *function):
        """Carries one connection of the function."""
        try:
            api = await asyncio.open_connection(self.host, self.port)
        except ConnectionError:
            # cargo-lambda has ended, and so will the function.
            return function[1].close()
        there = asyncio.create_task(carry(function[0], api[1], self.asked))
        back = asyncio.create_task(carry(api[0], function[1], self.answered))
        # Where one end has gone, the other must not wait: a call that is handed to nobody is lost.
        try:
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task, writer in [(there, api[1]), (back, function[1])]:
                task.cancel()
                writer.close()

    def asked(self, piece):
        if NEXT not in piece:
            return piece
        headers = "".join(f"{name}: {value}\r\n" for name, value in self.name_call().items())
        return piece.replace(NEXT, NEXT + headers.encode())

    def answered(self, piece):
        self.taken |= bool(self.call) and self.call.encode() in piece
        return piece


async def carry(reader, writer, passing):
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65536):
            writer.write(passing(piece))
            await writer.drain()


main()
