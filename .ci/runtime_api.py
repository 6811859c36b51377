#!/usr/bin/env python3
"""Runs one Lambda binary against a small Runtime API server and checks what it answers.

    runtime_api.py BOOTSTRAP [RUNNER ...]

BOOTSTRAP is the built `allocate` function; RUNNER is a command that runs it, such as an emulator of its processor. The server
here speaks the part of the Lambda Runtime API that a runtime needs: it hands out HTTP API events (payload 2.0) and takes the
answers. There is no database: the endpoint that the function is given is closed. What this shows is that the binary starts on
its processor, links, speaks the protocol, parses, and logs as Lambda and CloudWatch read it; the behaviour behind that is tested
elsewhere, natively.

Only the standard library is used. The function is stopped at the end, whatever happened.
"""

import base64
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# An emulated processor starts a binary in a second or two; a loaded machine takes longer.
ANSWER_SECONDS = 60

# Each body, and a word that the message about it must hold.
REFUSED = [
    ("that is no JSON", '{"orderid": "smoke-1", "sku": ', ""),
    ("without a quantity", '{"orderid": "smoke-1", "sku": "RETRO-CLOCK"}', "qty"),
    ("with a quantity of 0", '{"orderid": "smoke-1", "sku": "RETRO-CLOCK", "qty": 0}', "qty"),
]

ORDER = '{"orderid": "smoke-1", "sku": "RETRO-CLOCK", "qty": 1}'
TRACE = "1-00000000-000000000000000000000000"

PREFIX = "/2018-06-01/runtime/"


class Failure(Exception):
    """The function did not do what it should."""


def http_api_event(body, correlation=None):
    """An event as an HTTP API sends it for POST /allocate; bodies arrive in Base64 as often as not."""
    now = time.time()
    headers = {"x-correlation-id": correlation} if correlation else {}
    return {
        "version": "2.0",
        "routeKey": "POST /allocate",
        "rawPath": "/allocate",
        "rawQueryString": "",
        "headers": headers
        | {
            "accept": "*/*",
            "content-length": str(len(body)),
            "content-type": "application/json",
            "host": "smoke.execute-api.eu-west-1.amazonaws.com",
            "user-agent": "smoke",
            "x-amzn-trace-id": f"Root={TRACE}",
            "x-forwarded-for": "192.0.2.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "smoke",
            "domainName": "smoke.execute-api.eu-west-1.amazonaws.com",
            "domainPrefix": "smoke",
            "http": {
                "method": "POST",
                "path": "/allocate",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "smoke",
            },
            "requestId": "smoke-request",
            "routeKey": "POST /allocate",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "body": base64.b64encode(body.encode()).decode(),
        "isBase64Encoded": True,
    }


class RuntimeApi(ThreadingHTTPServer):
    """Hands out events in the order they were put, and collects (path, body) of all that the function posts."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.events = queue.Queue()
        self.posts = queue.Queue()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """Its connections break when the function is stopped, or ends by itself; `answer` says which."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path != PREFIX + "invocation/next":
            return self.reply(404, b"")
        request_id, event = self.server.events.get()  # like Lambda, answers when there is work
        self.reply(
            200,
            json.dumps(event).encode(),
            {
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + ANSWER_SECONDS) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:123456789012:function:allocate",
                "Lambda-Runtime-Trace-Id": f"Root={TRACE};Sampled=0",
            },
        )

    def do_POST(self):
        self.server.posts.put((self.path, self.read_body()))
        self.reply(202, b'{"status":"OK"}')

    def read_body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return body

    def reply(self, status, body, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass  # the function's own log is what is worth reading


def closed_port():
    """A port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(api):
    """What Lambda and the template give the function; nothing of this process's own AWS settings gets through."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return inherited | {
        "AWS_ACCESS_KEY_ID": "smoke",
        "AWS_SECRET_ACCESS_KEY": "smoke",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{closed_port()}",
        "AWS_LAMBDA_FUNCTION_NAME": "allocate",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/allocate",
        "AWS_LAMBDA_LOG_STREAM_NAME": "smoke",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "WARN",
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
        "STACK_NAME": "smoke",
        "TABLE_NAME": "allocation",
        "ENDED_LINES_DAYS": "90",
    }


def answer(api, function, request_id):
    """What the function posts about this invocation: the HTTP answer it gave."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            path, body = api.posts.get(timeout=0.1)
            break
        except queue.Empty:
            if function.poll() is not None:
                raise Failure(f"the function ended with {function.returncode} before it answered") from None
            if time.monotonic() > deadline:
                raise Failure(f"no answer within {ANSWER_SECONDS} s") from None
    if path != f"{PREFIX}invocation/{urllib.parse.quote(request_id)}/response":
        raise Failure(f"posted to {path}: {body.decode(errors='replace')}")
    return json.loads(body)


def check_refusal(answered, word):
    """400 with a message that holds the word; returns the message."""
    if answered.get("statusCode") != 400:
        raise Failure(f"expected status 400: {answered}")
    body = answered.get("body") or ""
    if answered.get("isBase64Encoded"):
        body = base64.b64decode(body).decode()
    try:
        message = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        raise Failure(f'expected a body {{"message": ..}}: {body!r}') from None
    if not isinstance(message, str) or not message or word not in message:
        raise Failure(f"expected a message about {word or 'the body'!r}: {message!r}")
    return message


def check_given_up(answered, log, request_id, correlation, cold_start):
    """503 with the correlation id, and in the log a line that says why, and one with figures that CloudWatch takes."""
    headers = answered.get("headers") or {}
    if answered.get("statusCode") != 503 or headers.get("x-correlation-id") != correlation:
        raise Failure(f"expected status 503 and correlation id {correlation}: {answered}")
    marks = {"request_id": request_id, "correlation_id": correlation, "cold_start": cold_start}
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:  # the answer may overtake the log
        lines = log.lines()
        failures = [line for line in lines if line.get("level") == "ERROR" and marks.items() <= line["span"].items()]
        figures = [line for line in lines if "_aws" in line and marks.items() <= line.items()]
        if failures and figures:
            break
        if time.monotonic() > deadline:
            raise Failure(f"expected a reason and a line of figures with {marks}: {lines}")
        time.sleep(0.05)
    if len(failures) != 1 or len(figures) != 1:
        raise Failure(f"expected one reason and one line of figures with {marks}: {lines}")
    [metrics] = figures[0]["_aws"]["CloudWatchMetrics"]
    named = {metric["Name"]: figures[0][metric["Name"]] for metric in metrics["Metrics"]}
    if metrics["Dimensions"] != [["Stack"]] or figures[0]["Stack"] != "smoke" or named.get("RetriesExhausted") != 1:
        raise Failure(f"expected one exhausted command of the stack: {figures[0]}")
    return failures[0]["fields"]["reason"]


class Log:
    """What the function writes to its standard output: JSON, line by line."""

    def __init__(self, output):
        self.read = []
        threading.Thread(target=self.follow, args=(output,), daemon=True).start()

    def follow(self, output):
        for line in output:
            self.read.append(line)

    def lines(self):
        try:
            return [json.loads(line) for line in self.read]
        except ValueError as error:
            raise Failure(f"expected lines of JSON ({error}): {self.read}") from None


def main(bootstrap, runner):
    api = RuntimeApi()
    started = time.monotonic()
    try:
        function = subprocess.Popen(
            [*runner, bootstrap],
            env=environment(api),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        print(f"smoke run of {bootstrap}: it does not start: {error}", file=sys.stderr)
        return 1
    try:
        log = Log(function.stdout)
        api.events.put(("smoke-0", http_api_event(ORDER, "smoke-order")))
        reason = check_given_up(answer(api, function, "smoke-0"), log, "smoke-0", "smoke-order", True)
        print(f"after {time.monotonic() - started:.2f} s: an order without a database -> 503; log: {reason!r}", flush=True)
        for number, (name, body, word) in enumerate(REFUSED, 1):
            api.events.put((f"smoke-{number}", http_api_event(body)))
            message = check_refusal(answer(api, function, f"smoke-{number}"), word)
            print(f"after {time.monotonic() - started:.2f} s: a body {name} -> 400 {message!r}", flush=True)
        api.events.put(("smoke-last", http_api_event(ORDER)))
        check_given_up(answer(api, function, "smoke-last"), log, "smoke-last", TRACE, False)
        print(f"after {time.monotonic() - started:.2f} s: another one -> 503, with its trace's id, and no cold start", flush=True)
        if function.poll() is not None:
            raise Failure(f"the function ended by itself with {function.returncode}")
    except Failure as failure:
        print(f"smoke run of {bootstrap}: {failure}", file=sys.stderr)
        return 1
    finally:
        # Its own process group: whatever the runner started goes as well.
        if function.poll() is None:
            os.killpg(function.pid, signal.SIGKILL)
        function.wait()
        api.shutdown()
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: runtime_api.py BOOTSTRAP [RUNNER ...]")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the function is stopped then, too
    sys.exit(main(sys.argv[1], sys.argv[2:]))
