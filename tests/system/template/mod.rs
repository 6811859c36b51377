//! What the template sets up, as SAM translates it for AWS: encryption, retention, dead letters, authorization,
//! throttling, alarms. Needs no stack. The functions' rights are in [`rights`].

mod rights;
mod scene;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use adapters::http::Route;
use local::Template;
use serde_json::{Value, json};

use crate::layers::{Layers, Outcome, add_tests};
use crate::servers::Servers;

pub(crate) fn add_to(layers: &mut Layers) {
    add_tests!(
        layers,
        "template",
        [
            what_is_stored_is_encrypted_and_can_be_recovered,
            logs_are_deleted_some_day_and_keep_the_figures_till_then,
            what_is_asynchronous_has_dead_letters,
            each_queue_has_dead_letters_of_its_own_that_are_kept_for_longer,
            lines_are_gathered_as_was_measured,
            a_function_knows_when_a_message_comes_for_the_last_time,
            every_route_asks_who_calls_and_is_throttled,
            wrong_combinations_of_authorization_are_refused,
            every_function_is_traced_and_names_its_stack,
            every_alarm_is_there_and_explained,
            the_dashboard_shows_what_the_alarms_watch,
        ]
    );
    rights::add_to(layers);
}

/// The translated template.
struct Translated(Value);

impl Translated {
    async fn read(servers: &Servers) -> anyhow::Result<Self> {
        Ok(Self(Template::translated(servers.tools().await?).await?))
    }

    /// The resources of a type, by logical id. There is one at least, so that no rule holds for want of resources.
    fn all(&self, kind: &str) -> BTreeMap<&str, &Value> {
        let resources = self.0["Resources"].as_object().unwrap().iter();
        let found: BTreeMap<_, _> = resources
            .filter(|(_, resource)| resource["Type"] == kind)
            .map(|(id, resource)| (id.as_str(), &resource["Properties"]))
            .collect();
        assert!(!found.is_empty(), "no {kind}");
        found
    }

    fn resource(&self, id: &str) -> &Value {
        &self.0["Resources"][id]["Properties"]
    }

    fn parameter(&self, name: &str) -> &Value {
        &self.0["Parameters"][name]
    }
}

/// Which resource an expression means: `!Ref` and `!GetAtt` name one.
fn named(expression: &Value) -> &str {
    let name = expression["Ref"].as_str().or_else(|| expression["Fn::GetAtt"][0].as_str());
    name.unwrap_or_else(|| panic!("{expression} names no resource"))
}

async fn what_is_stored_is_encrypted_and_can_be_recovered(servers: Arc<Servers>) -> Outcome {
    let template = Translated::read(&servers).await?;
    for (id, table) in template.all("AWS::DynamoDB::Table") {
        assert_eq!(table["SSESpecification"]["SSEEnabled"], true, "{id}");
        assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true, "{id}");
        assert_eq!(table["DeletionProtectionEnabled"], true, "{id}");
    }
    for (id, queue) in template.all("AWS::SQS::Queue") {
        assert_eq!(queue["SqsManagedSseEnabled"], true, "{id}");
    }
    for (id, topic) in template.all("AWS::SNS::Topic") {
        assert_eq!(topic["KmsMasterKeyId"], "alias/aws/sns", "{id}");
    }
    for (id, bucket) in template.all("AWS::S3::Bucket") {
        let rules = &bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"];
        assert_eq!(rules[0]["ServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256", "{id}");
        let access = bucket["PublicAccessBlockConfiguration"].as_object().expect("a bucket that blocks the public");
        assert_eq!(access.values().filter(|blocked| **blocked == json!(true)).count(), 4, "{id}");
    }
    for kind in ["AWS::DynamoDB::Table", "AWS::S3::Bucket"] {
        for (id, _) in template.all(kind) {
            let resource = &template.0["Resources"][id];
            assert_eq!(
                (&resource["DeletionPolicy"], &resource["UpdateReplacePolicy"]),
                (&json!("Retain"), &json!("Retain"))
            );
        }
    }
    Ok(())
}

async fn logs_are_deleted_some_day_and_keep_the_figures_till_then(servers: Arc<Servers>) -> Outcome {
    let template = Translated::read(&servers).await?;
    let logs = template.all("AWS::Logs::LogGroup");
    for (id, group) in &logs {
        assert_eq!(group["RetentionInDays"], json!({ "Ref": "LogRetentionDays" }), "{id}");
    }
    assert!(template.parameter("LogRetentionDays")["Default"].as_u64().is_some());
    // Lambda takes a line without a level for INFO, and drops it above: those with the figures have none.
    assert_eq!(template.parameter("LogLevel")["AllowedValues"], json!(["INFO", "DEBUG", "TRACE"]));
    let mut owned = BTreeSet::new();
    for (id, function) in template.all("AWS::Lambda::Function") {
        let group = named(&function["LoggingConfig"]["LogGroup"]);
        assert!(logs.contains_key(group), "{id} logs to {group}");
        assert!(owned.insert(group), "{group} has two functions");
    }
    for (id, stage) in template.all("AWS::ApiGatewayV2::Stage") {
        assert!(logs.contains_key(named(&stage["AccessLogSettings"]["DestinationArn"])), "{id}");
        let format = stage["AccessLogSettings"]["Format"].as_str().expect("a format");
        assert!(!format.contains("$context.path"), "{id}: a path holds order ids, and may hold quotes");
    }
    Ok(())
}

async fn what_is_asynchronous_has_dead_letters(servers: Arc<Servers>) -> Outcome {
    let template = Translated::read(&servers).await?;
    let queues = template.all("AWS::SQS::Queue");
    let has_dead_letters = |redrive: &Value| queues.contains_key(named(&redrive["deadLetterTargetArn"]));
    for (id, mapping) in template.all("AWS::Lambda::EventSourceMapping") {
        assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{id}");
        let source = named(&mapping["EventSourceArn"]);
        if let Some(queue) = queues.get(source) {
            assert!(has_dead_letters(&queue["RedrivePolicy"]), "{source}");
            let function = template.resource(named(&mapping["FunctionName"]));
            let window = mapping["MaximumBatchingWindowInSeconds"].as_u64().unwrap_or_default();
            let patience = function["Timeout"].as_u64().unwrap() * 6 + window;
            assert!(
                queue["VisibilityTimeout"].as_u64().unwrap() >= patience,
                "{source} hands out what is being handled"
            );
            continue;
        }
        let bucket = named(&mapping["DestinationConfig"]["OnFailure"]["Destination"]);
        assert!(template.all("AWS::S3::Bucket").contains_key(bucket), "{id} loses what it gives up");
        assert!(
            mapping["MaximumRetryAttempts"].as_i64().is_some_and(|tries| tries >= 0),
            "{id} blocks its shard for a day"
        );
        assert!(mapping["MaximumRecordAgeInSeconds"].as_i64().is_some_and(|age| age > 0), "{id}");
        assert_eq!(mapping["BisectBatchOnFunctionError"], true, "{id}");
    }
    for (id, subscription) in template.all("AWS::SNS::Subscription") {
        assert!(has_dead_letters(&subscription["RedrivePolicy"]), "{id}");
    }
    Ok(())
}

/// A dead letter is as old as the message was, so it needs the time that this had, and some more.
async fn each_queue_has_dead_letters_of_its_own_that_are_kept_for_longer(servers: Arc<Servers>) -> Outcome {
    let template = Translated::read(&servers).await?;
    let queues = template.all("AWS::SQS::Queue");
    let mut owned = BTreeSet::new();
    for (id, queue) in queues.iter().filter(|(_, queue)| queue["RedrivePolicy"].is_object()) {
        let dead_letters = named(&queue["RedrivePolicy"]["deadLetterTargetArn"]);
        assert!(owned.insert(dead_letters), "{dead_letters} has messages of {id} and of another queue");
        let kept = |queue: &Value| queue["MessageRetentionPeriod"].as_u64().unwrap();
        assert!(kept(queues[dead_letters]) > kept(queue), "{dead_letters}");
    }
    Ok(())
}

/// As docs/decisions/0019-many-lines-in-one-commit.md has it. Lambda takes no batch of more than ten without a window.
async fn lines_are_gathered_as_was_measured(servers: Arc<Servers>) -> Outcome {
    let template = Translated::read(&servers).await?;
    let mapping = template.resource("AllocateQueuedMapping");
    assert_eq!(
        (&mapping["BatchSize"], &mapping["MaximumBatchingWindowInSeconds"], &mapping["ScalingConfig"]),
        (&json!(1000), &json!(1), &json!({ "MaximumConcurrency": 2 }))
    );
    Ok(())
}

async fn a_function_knows_when_a_message_comes_for_the_last_time(servers: Arc<Servers>) -> Outcome {
    let template = Translated::read(&servers).await?;
    let queues = template.all("AWS::SQS::Queue");
    for (id, mapping) in template.all("AWS::Lambda::EventSourceMapping") {
        let Some(queue) = queues.get(named(&mapping["EventSourceArn"])) else { continue };
        let told = &template.resource(named(&mapping["FunctionName"]))["Environment"]["Variables"]["MAX_RECEIVES"];
        assert!(told.is_object(), "{id}: {told}");
        assert_eq!(told, &queue["RedrivePolicy"]["maxReceiveCount"], "{id}");
    }
    // As README.md and docs/operations.md say. Once would make a dead letter of what meets any passing trouble.
    assert_eq!(template.0["Mappings"]["Deliveries"]["EachMessage"]["AtMost"], "5");
    Ok(())
}

async fn every_route_asks_who_calls_and_is_throttled(servers: Arc<Servers>) -> Outcome {
    let template = Translated::read(&servers).await?;
    let limited: BTreeSet<_> = template
        .all("AWS::ApiGatewayV2::Stage")
        .into_values()
        .map(|stage| {
            let settings = &stage["DefaultRouteSettings"];
            for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
                assert_eq!(settings[limit], json!({ "Ref": limit }));
                assert!(template.parameter(limit)["Default"].as_u64().is_some_and(|limit| limit > 0), "{limit}");
            }
            assert_eq!(stage["RouteSettings"], Value::Null, "a route with limits of its own");
            named(&stage["ApiId"])
        })
        .collect();
    let authorization = template.parameter("Authorization");
    assert_eq!(authorization["Default"], "AWS_IAM");
    assert_eq!(authorization["AllowedValues"], json!(["AWS_IAM", "JWT", "NONE"]));
    let routes = template.all("AWS::ApiGatewayV2::Route");
    let key = |route: &Route| format!("{} {}", route.method(), route.gateway_path());
    let keys = routes.values().map(|route| route["RouteKey"].as_str().unwrap().to_owned());
    assert_eq!(keys.collect::<BTreeSet<_>>(), Route::ALL.iter().map(key).collect());
    for (id, route) in routes {
        assert_eq!(route["AuthorizationType"], json!({ "Ref": "Authorization" }), "{id}");
        let authorizer = json!({ "Fn::If": ["ChecksTokens", { "Ref": "TokenAuthorizer" }, { "Ref": "AWS::NoValue" }] });
        assert_eq!(route["AuthorizerId"], authorizer, "{id}");
        assert!(limited.contains(named(&route["ApiId"])), "{id}");
    }
    // An API that SAM makes brings routes of its own.
    for (id, api) in template.all("AWS::ApiGatewayV2::Api") {
        assert_eq!(api["Body"], Value::Null, "{id}");
    }
    Ok(())
}

async fn wrong_combinations_of_authorization_are_refused(servers: Arc<Servers>) -> Outcome {
    let template = Translated::read(&servers).await?;
    let (issuer, audience) = ("https://issuer.example", "shop");
    for authorization in ["AWS_IAM", "JWT", "NONE"] {
        for (issuer, audience) in [("", ""), (issuer, ""), ("", audience), (issuer, audience)] {
            let given = json!({ "Authorization": authorization, "JwtIssuer": issuer, "JwtAudience": audience });
            let refusals = refusals(&template.0["Rules"], &given);
            let tokens = authorization == "JWT";
            let wrong = [("JwtIssuer", issuer.is_empty() == tokens), ("JwtAudience", audience.is_empty() == tokens)];
            let wrong: Vec<_> = wrong.into_iter().filter(|(_, wrong)| *wrong).map(|(name, _)| name).collect();
            assert_eq!(refusals.len(), wrong.len(), "{given}: {refusals:?}");
            for name in wrong {
                assert!(refusals.iter().any(|refusal| refusal.contains(name)), "{given}: {refusals:?}");
            }
        }
    }
    Ok(())
}

/// What `CloudFormation` would say: rules whose condition holds, but an assertion does not.
fn refusals(rules: &Value, given: &Value) -> Vec<String> {
    fn holds(condition: &Value, given: &Value) -> bool {
        if let Some(not) = condition.get("Fn::Not") {
            return !holds(&not[0], given);
        }
        let value = |side: &Value| side.get("Ref").map_or(side, |name| &given[name.as_str().unwrap()]).clone();
        let sides = &condition["Fn::Equals"];
        assert!(sides.is_array(), "{condition} is not understood here");
        value(&sides[0]) == value(&sides[1])
    }
    let applying = rules.as_object().unwrap().values().filter(|rule| holds(&rule["RuleCondition"], given));
    let assertions = applying.flat_map(|rule| rule["Assertions"].as_array().unwrap());
    let failing = assertions.filter(|assertion| !holds(&assertion["Assert"], given));
    failing.map(|assertion| assertion["AssertDescription"].as_str().unwrap().to_owned()).collect()
}

async fn every_function_is_traced_and_names_its_stack(servers: Arc<Servers>) -> Outcome {
    let template = Translated::read(&servers).await?;
    for (id, function) in template.all("AWS::Lambda::Function") {
        assert_eq!(function["TracingConfig"]["Mode"], "Active", "{id}");
        assert_eq!(function["Environment"]["Variables"]["STACK_NAME"], json!({ "Ref": "AWS::StackName" }), "{id}");
    }
    Ok(())
}

/// Logical id, metric, and whose it is.
const ALARMS: [(&str, &str, &str); 16] = [
    ("AllocateDeadLettersAlarm", "ApproximateNumberOfMessagesVisible", "AllocateDeadLetters"),
    ("AllocateQueueAgeAlarm", "ApproximateAgeOfOldestMessage", "AllocateQueue"),
    ("ApiErrorsAlarm", "5xx", "Api"),
    ("ChangeBatchQuantityDeadLettersAlarm", "ApproximateNumberOfMessagesVisible", "ChangeBatchQuantityDeadLetters"),
    ("ChangeBatchQuantityQueueAgeAlarm", "ApproximateAgeOfOldestMessage", "ChangeBatchQuantityQueue"),
    ("EventsDeadLettersAlarm", "ApproximateNumberOfMessagesVisible", "EventsDeadLetters"),
    ("EventsQueueAgeAlarm", "ApproximateAgeOfOldestMessage", "EventsQueue"),
    ("ExpireHoldsAlarm", "Errors", "ExpireHoldsFunction"),
    ("HistoryDeadLettersAlarm", "ApproximateNumberOfMessagesVisible", "HistoryDeadLetters"),
    ("HistoryQueueAgeAlarm", "ApproximateAgeOfOldestMessage", "HistoryQueue"),
    ("LostEventsAlarm", "DroppedEventCount", "PublishEventsMapping"),
    ("RelayIteratorAgeAlarm", "IteratorAge", "PublishEventsFunction"),
    ("RelayLagAlarm", "RelayLag", "AWS::StackName"),
    ("RetriesExhaustedAlarm", "RetriesExhausted", "AWS::StackName"),
    ("UnnumberedChangesAlarm", "UnnumberedChanges", "AWS::StackName"),
    ("UnpublishedEventsAlarm", "OnFailureDestinationDeliveredEventCount", "PublishEventsMapping"),
];

async fn every_alarm_is_there_and_explained(servers: Arc<Servers>) -> Outcome {
    let template = Translated::read(&servers).await?;
    let alarms = template.all("AWS::CloudWatch::Alarm");
    let watched: Vec<_> = alarms
        .iter()
        .map(|(id, alarm)| (*id, alarm["MetricName"].as_str().unwrap(), named(&alarm["Dimensions"][0]["Value"])))
        .collect();
    assert_eq!(watched, ALARMS);

    let operations = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md"))?;
    for (id, alarm) in alarms {
        let action = json!({ "Fn::If": ["TellsAlarms", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] });
        assert_eq!((&alarm["AlarmActions"], &alarm["OKActions"]), (&action, &action), "{id}");
        assert_eq!(alarm["TreatMissingData"], "notBreaching", "{id}");
        let description = alarm["AlarmDescription"].as_str().unwrap();
        let (_, heading) = description.split_once("docs/operations.md: ").expect("an alarm that says where to read on");
        let section = operations.split("\n## ").find(|section| section.lines().next() == Some(heading));
        let section = section.unwrap_or_else(|| panic!("docs/operations.md has no heading \"{heading}\""));
        assert!(section.contains(&format!("`{id}`")), "the section \"{heading}\" does not name {id}");
    }
    Ok(())
}

async fn the_dashboard_shows_what_the_alarms_watch(servers: Arc<Servers>) -> Outcome {
    let template = Translated::read(&servers).await?;
    let [(_, dashboard)] = template.all("AWS::CloudWatch::Dashboard").into_iter().collect::<Vec<_>>()[..] else {
        anyhow::bail!("not one dashboard");
    };
    let body: Value = serde_json::from_str(dashboard["DashboardBody"]["Fn::Sub"].as_str().unwrap())?;
    let widgets = body["widgets"].as_array().unwrap();
    let metrics = widgets.iter().flat_map(|widget| widget["properties"]["metrics"].as_array().unwrap());
    let shown: BTreeSet<_> = metrics.map(|metric| metric[1].as_str().unwrap()).collect();
    for figure in [
        "Allocations",
        "OutOfStock",
        "Conflicts",
        "Throttled",
        "Retries",
        "WaitingLines",
        "DeadLetters",
        "Errors",
        "Throttles",
    ] {
        assert!(shown.contains(figure), "{figure} is not shown");
    }
    for (id, metric, _) in ALARMS {
        assert!(shown.contains(metric), "{id} watches {metric}, which is not shown");
    }
    Ok(())
}
