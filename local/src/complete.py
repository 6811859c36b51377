"""Completes a stack just deployed to MiniStack, and prints its outputs as JSON:
- makes the HTTP API's routes, which MiniStack does not read from the API's Body. Routes and integrations are those of the template that
  the SAM transform made;
- verifies the sender of mails, as one does by hand on AWS.

usage: complete.py STACK, with AWS_ENDPOINT_URL set"""

import json
import re
import sys

import boto3

stack = sys.argv[1]
cloudformation, gateway = boto3.client("cloudformation"), boto3.client("apigatewayv2")
template = cloudformation.get_template(StackName=stack, TemplateStage="Processed")["TemplateBody"]
template = json.loads(template) if isinstance(template, str) else template
names = {
    resource["LogicalResourceId"]: resource["PhysicalResourceId"]
    for resource in cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
}

for api, resource in template["Resources"].items():
    if resource["Type"] != "AWS::ApiGatewayV2::Api":
        continue
    for path, methods in resource["Properties"]["Body"]["paths"].items():
        for method, operation in methods.items():
            wanted = operation["x-amazon-apigateway-integration"]
            function = re.search(r"\$\{(\w+)\.Arn\}", json.dumps(wanted["uri"]))[1]
            integration = gateway.create_integration(
                ApiId=names[api],
                IntegrationType="AWS_PROXY",
                IntegrationUri=names[function],
                PayloadFormatVersion=wanted["payloadFormatVersion"],
            )
            gateway.create_route(
                ApiId=names[api],
                RouteKey=f"{method.upper()} {path}",
                Target="integrations/" + integration["IntegrationId"],
            )

deployed = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
parameters = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in deployed["Parameters"]}
boto3.client("sesv2").create_email_identity(EmailIdentity=parameters["MailFrom"])
json.dump({output["OutputKey"]: output["OutputValue"] for output in deployed["Outputs"]}, sys.stdout)
