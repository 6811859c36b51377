#!/usr/bin/env bash
# cargo-lambda 1.9.2 (PyPI: cargo-lambda): of two request headers with the same name, `cargo lambda watch` hands the
# function the first one only, though the event that it makes says payload format 2.0.
#
# AWS: in format 2.0 "duplicate headers are combined with commas and included in the headers field"
# (docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
# Lists that a client sends line by line (Accept, Prefer, X-Forwarded-For) arrive cut off, without a hint.
#
# Output seen, twice, in November 2026:
#   format 2.0, x-list: "one"
#
# Exit code 0: still so. Needs cargo, and Python 3.10 or newer with venv; takes a minute or two. The function is this
# script's own: it speaks the runtime API, so nothing is compiled.
set -euo pipefail
folder=$(mktemp -d)
server=
cleanup() {
    if [[ -n $server ]]; then kill "$server" && wait "$server" || true; fi
    rm -rf "$folder"
}
trap cleanup EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check cargo-lambda==1.9.2
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$folder/src"
printf '[package]\nname = "finding"\nedition = "2021"\n' > "$folder/Cargo.toml"
echo 'fn main() {}' > "$folder/src/main.rs"
watch() {
    cd "$folder"
    exec venv/bin/cargo-lambda lambda watch --only-lambda-apis --timeout 30 \
        --invoke-address 127.0.0.1 --invoke-port "$port"
}
watch > "$folder/log" 2>&1 &
server=$!

python3 - "$port" <<'PYTHON'
import http.client, json, sys, threading, time

def connect():
    deadline = time.monotonic() + 30
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
        try:
            connection.connect()
            return connection
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "cargo lambda watch does not start"
            time.sleep(0.1)

events = []

def function():
    runtime, base = connect(), "/.rt/finding/2018-06-01/runtime/invocation/"
    runtime.request("GET", base + "next")
    invocation = runtime.getresponse()
    events.append(json.loads(invocation.read()))
    answer = {"statusCode": 200, "headers": {}, "cookies": [], "body": "", "isBase64Encoded": False}
    request_id = invocation.headers["lambda-runtime-aws-request-id"]
    runtime.request("POST", base + request_id + "/response", json.dumps(answer))
    runtime.getresponse().read()

threading.Thread(target=function, daemon=True).start()
client = connect()
client.putrequest("GET", "/lambda-url/finding/")
client.putheader("x-list", "one")
client.putheader("x-list", "two")
client.endheaders()
status = client.getresponse().status
assert status == 200, f"the call was answered with {status}"
print(f'format {events[0]["version"]}, x-list: {json.dumps(events[0]["headers"]["x-list"])}')
assert events[0]["headers"]["x-list"] == "one", "cargo-lambda behaves otherwise now"
PYTHON
