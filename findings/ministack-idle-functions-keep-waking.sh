#!/usr/bin/env bash
# MiniStack 1.5.33, an emulator of AWS (PyPI: ministack): a function on a provided.* runtime that has answered and has nothing to do
# wakes the emulator's process more than twenty times a second, for as long as it is kept warm (five minutes). Two threads wait for each:
# one for a connection to its Runtime API, one for its next event. Both would be woken when there is something, and look ten times a
# second all the same. A good guess is that what waits costs nothing, as on Lambda.
#
# With one environment that is nothing. Each concurrent call leaves one, though: after a burst of 200 calls the emulator wakes some 4,000
# times a second, each time for Python's one lock, beside which it answers.
#
# Output seen, twice, in November 2026:
#   wake-ups a second, per idle function: 25 (and 22)
#
# Exit code 0: still so (15 or more). Linux, Python 3.10 or newer with venv; takes half a minute.
set -euo pipefail
folder=$(mktemp -d)
server=
cleanup() {
    if [[ -n $server ]]; then kill "$server" && wait "$server" || true; fi
    rm -rf "$folder"
}
trap cleanup EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.106
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
emulator() {
    cd "$folder"
    export HOME=$folder TMPDIR=$folder GATEWAY_PORT=$port BIND_HOST=127.0.0.1
    exec venv/bin/python -m ministack
}
emulator > "$folder/log" 2>&1 &
server=$!

"$folder/venv/bin/python" - "$port" "$server" <<'PYTHON'
import concurrent.futures, glob, io, re, sys, time, zipfile, boto3
from botocore.config import Config

ENVIRONMENTS, SECONDS = 20, 5
# A runtime in a few lines: it answers each event after a second, so that calls at once need an environment each.
BOOTSTRAP = f"""#!{sys.executable}
import http.client, os, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    event = api.getresponse()
    event.read()
    if event.status != 200:
        break
    time.sleep(1)
    api.request("POST", f"/2018-06-01/runtime/invocation/{{event.headers['Lambda-Runtime-Aws-Request-Id']}}/response", "{{}}")
    api.getresponse().read()
"""


def wake_ups():
    """How often the emulator's threads have gone to sleep so far."""
    files = glob.glob(f"/proc/{sys.argv[2]}/task/*/status")
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", open(file).read(), re.M)[1]) for file in files)


def idle():
    before = wake_ups()
    time.sleep(SECONDS)
    return (wake_ups() - before) / SECONDS


once = Config(retries={"max_attempts": 1}, max_pool_connections=ENVIRONMENTS)
aws = boto3.client("lambda", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", region_name="us-east-1", aws_access_key_id="a",
                   aws_secret_access_key="a", config=once)
for _ in range(300):
    try:
        aws.list_functions()
        break
    except Exception:
        time.sleep(0.1)
code = io.BytesIO()
with zipfile.ZipFile(code, "w") as archive:
    bootstrap = zipfile.ZipInfo("bootstrap")
    bootstrap.external_attr = 0o755 << 16
    archive.writestr(bootstrap, BOOTSTRAP)
aws.create_function(FunctionName="f", Runtime="provided.al2023", Handler="bootstrap", Role="arn:aws:iam::000000000000:role/r",
                    Timeout=30, Code={"ZipFile": code.getvalue()})
without = idle()
with concurrent.futures.ThreadPoolExecutor(ENVIRONMENTS) as pool:
    answers = list(pool.map(lambda _: aws.invoke(FunctionName="f"), range(ENVIRONMENTS)))
assert all(answer["StatusCode"] == 200 and "FunctionError" not in answer for answer in answers), answers
time.sleep(2)
each = (idle() - without) / ENVIRONMENTS
print(f"wake-ups a second, per idle function: {each:.0f}")
sys.exit(each < 15)
PYTHON
