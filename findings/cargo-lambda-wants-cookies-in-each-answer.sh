#!/usr/bin/env bash
# cargo-lambda 1.9.2 (PyPI: cargo-lambda): `cargo lambda watch` gives the client 500 when the answer of a function has
# no `cookies`.
#
# AWS: no answer needs the list. In payload format 2.0 API Gateway infers what an answer leaves out; in AWS's examples
# that goes down to a bare string
# (docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
# Functions that write their answer themselves, without a library that always adds the list, fail here and not on AWS,
# and the client is not told which field is missing.
#
# Output seen, twice, in November 2026:
#   {"statusCode": 201, "body": "made"}: 500
#   {"statusCode": 201, "body": "made", "cookies": []}: 201 made
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

def function(answer):
    runtime, base = connect(), "/.rt/finding/2018-06-01/runtime/invocation/"
    runtime.request("GET", base + "next")
    invocation = runtime.getresponse()
    invocation.read()
    request_id = invocation.headers["lambda-runtime-aws-request-id"]
    runtime.request("POST", base + request_id + "/response", json.dumps(answer))
    runtime.getresponse().read()

def call(answer):
    threading.Thread(target=function, args=[answer], daemon=True).start()
    client = connect()
    client.request("GET", "/lambda-url/finding/")
    response = client.getresponse()
    return response.status, response.read().decode()

without, with_list = {"statusCode": 201, "body": "made"}, {"statusCode": 201, "body": "made", "cookies": []}
status, _ = call(without)
print(f"{json.dumps(without)}: {status}")
assert status == 500, "cargo-lambda behaves otherwise now"
status, body = call(with_list)
print(f"{json.dumps(with_list)}: {status} {body}")
assert (status, body) == (201, "made"), "cargo-lambda behaves otherwise now"
PYTHON
