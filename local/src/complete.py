"""Completes a stack just deployed to MiniStack: verifies the sender of mails, as one does by hand on AWS. Prints the
stack's outputs as JSON.

usage: complete.py STACK, with AWS_ENDPOINT_URL set"""

import json
import sys

import boto3

deployed = boto3.client("cloudformation").describe_stacks(StackName=sys.argv[1])["Stacks"][0]
parameters = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in deployed["Parameters"]}
boto3.client("ses").verify_email_identity(EmailAddress=parameters["MailFrom"])
json.dump({output["OutputKey"]: output["OutputValue"] for output in deployed["Outputs"]}, sys.stdout)
