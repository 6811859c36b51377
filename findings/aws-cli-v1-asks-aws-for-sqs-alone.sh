#!/usr/bin/env bash
# aws-cli 1.46.3 (PyPI: awscli, with botocore 1.43.62): `AWS_ENDPOINT_URL` and a profile's `endpoint_url` count for SNS
# and DynamoDB, but not for SQS. Its requests go to AWS, under the old address queue.amazonaws.com, even if
# `AWS_ENDPOINT_URL_SQS` names another one. `--endpoint-url` counts for all of them.
#
# What the settings are for: docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html. Whoever points the CLI at an emulator by its environment sends messages, and credentials, elsewhere.
#
# Output seen, twice, in November 2026:
#   sns: http://127.0.0.1:9/
#   sqs: https://queue.amazonaws.com/
#   sqs --endpoint-url: http://127.0.0.1:9/
#
# Exit code 0: still so. Needs Python 3.10 or newer with venv. Nobody answers at the address that it is pointed at, and a
# proxy that is not there keeps all requests on this machine.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check awscli==1.46.3 botocore==1.43.62
export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION=us-east-1 AWS_MAX_ATTEMPTS=1
export AWS_CONFIG_FILE=$folder/none AWS_SHARED_CREDENTIALS_FILE=$folder/none AWS_EC2_METADATA_DISABLED=true
export AWS_ENDPOINT_URL=http://127.0.0.1:9 AWS_ENDPOINT_URL_SQS=http://127.0.0.1:9
export HTTPS_PROXY=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 NO_PROXY=127.0.0.1 no_proxy=127.0.0.1

# Where it tried to go.
asked() {
    "$folder/venv/bin/aws" "$@" --debug 2>&1 | grep --only-matching --max-count=1 "'url': u*'[^']*'" | cut -d"'" -f4 || true
}

sns=$(asked sns list-topics)
sqs=$(asked sqs list-queues)
named=$(asked --endpoint-url http://127.0.0.1:9 sqs list-queues)
printf 'sns: %s\nsqs: %s\nsqs --endpoint-url: %s\n' "$sns" "$sqs" "$named"
if [[ $sns != http://127.0.0.1:9/* || $sqs != https://queue.amazonaws.com/* || $named != http://127.0.0.1:9/* ]]; then
    echo 'error: the AWS CLI behaves otherwise now' >&2
    exit 1
fi
