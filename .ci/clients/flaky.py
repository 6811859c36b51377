"""Stands before an API, and loses: whoever gives up at the first failure gets nothing done through it.

    flaky.py API_URL

Prints its own address. What is asked for the first time is not passed on, but answered with 503, 429 or 500, or not at all; what is
asked for the second time is done, but the answer is lost. Only the third is answered. It counts by method, path and body, and begins
again once it has answered.
"""

import collections
import http.server
import itertools
import sys
import urllib.error
import urllib.parse
import urllib.request

API = urllib.parse.urlsplit(sys.argv[1])
FAILURES = itertools.cycle([(503, [("retry-after", "1")]), (429, []), (500, []), (None, [])])
asked = collections.Counter()


def passed_on(request, body):
    """The API's answer."""
    url = f"{API.scheme}://{API.netloc}{request.path}"
    names = ("accept", "content-type", "x-correlation-id")
    headers = {name: request.headers[name] for name in names if name in request.headers}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers, method=request.command)) as answer:
            return answer.status, list(answer.headers.items()), answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, list(answer.headers.items()), answer.read()


class Flaky(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))) or None
        of = (self.command, self.path, body)
        asked[of] += 1
        if asked[of] == 1:
            status, headers = next(FAILURES)
            if status is None:
                self.close_connection = True
            else:
                self.tell(status, headers, b'{"message":"try again"}')
            return
        status, headers, text = passed_on(self, body)
        if asked[of] == 2:
            self.close_connection = True
            return
        del asked[of]
        self.tell(status, headers, text)

    do_POST = do_PUT = do_GET

    def tell(self, status, headers, text):
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
print(f"http://127.0.0.1:{server.server_port}{API.path}", flush=True)
server.serve_forever()
