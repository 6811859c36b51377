#!/usr/bin/env bash
# MiniStack 1.5.33, an emulator of AWS (PyPI: ministack): an item that DynamoDB's time to live deletes leaves no record
# in the table's stream. An item that a caller deletes does.
#
# AWS: deletions by the time to live are in the stream, as REMOVE with
# userIdentity {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
# (docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html).
# Who archives expired items by the stream, or filters them out of it, can't see that at work here.
#
# Output seen, twice, in November 2026:
#   deleted by a caller: ["INSERT deleted", "REMOVE deleted"]
#   deleted by the time to live: ["INSERT expired"]
#
# Exit code 0: still so. Needs Python 3.10 or newer with venv; takes a minute and a half, since the emulator looks for
# expired items once a minute.
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
    export HOME=$folder TMPDIR=$folder GATEWAY_PORT=$port
    exec venv/bin/python -m ministack
}
emulator > "$folder/log" 2>&1 &
server=$!

"$folder/venv/bin/python" - "$port" <<'PYTHON'
import json, sys, time, boto3
from botocore.config import Config

def client(service):
    return boto3.client(service, endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", region_name="us-east-1",
                        aws_access_key_id="test", aws_secret_access_key="test",
                        config=Config(retries={"total_max_attempts": 20}))  # the server is only starting

table, streams = client("dynamodb"), client("dynamodbstreams")
table.create_table(TableName="stock", BillingMode="PAY_PER_REQUEST",
                   AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                   KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                   StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
table.update_time_to_live(TableName="stock", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"})

def key(name):
    return {"id": {"S": name}}

table.put_item(TableName="stock", Item=key("deleted"))
table.delete_item(TableName="stock", Key=key("deleted"))
table.put_item(TableName="stock", Item={**key("expired"), "expires_at": {"N": str(int(time.time()) - 60)}})
deadline = time.monotonic() + 180
while "Item" in table.get_item(TableName="stock", Key=key("expired")):
    assert time.monotonic() < deadline, "MiniStack behaves otherwise now: the expired item stays"
    time.sleep(1)

stream = streams.list_streams(TableName="stock")["Streams"][0]["StreamArn"]
records = []
for shard in streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]:
    start = streams.get_shard_iterator(StreamArn=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    records += streams.get_records(ShardIterator=start["ShardIterator"])["Records"]
told = [f'{record["eventName"]} {record["dynamodb"]["Keys"]["id"]["S"]}' for record in records]
by_caller, by_time = ([one for one in told if one.endswith(name)] for name in ("deleted", "expired"))
print("deleted by a caller:", json.dumps(by_caller))
print("deleted by the time to live:", json.dumps(by_time))
assert by_caller == ["INSERT deleted", "REMOVE deleted"], "MiniStack behaves otherwise now"
assert by_time == ["INSERT expired"], "MiniStack behaves otherwise now"
PYTHON
