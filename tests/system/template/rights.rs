//! Each function has the rights that it uses, and no others. What it uses is not written down here but found: the calls
//! that its code makes to DynamoDB are recorded while it does all it can do; what else the adapters call is read in
//! their source.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapters::http::Route;
use serde_json::{Value, json};

use super::scene::Scene;
use super::{Translated, named};
use crate::layers::{Layers, Outcome, add_tests};
use crate::servers::Servers;

pub(super) fn add_to(layers: &mut Layers) {
    add_tests!(
        layers,
        "template",
        [
            each_function_has_the_rights_that_it_uses_and_no_others,
            no_right_is_wider_than_it_must_be,
            mail_is_from_one_sender_by_any_identity_of_it_and_by_its_configuration_set,
            the_adapters_make_no_other_calls,
        ]
    );
}

/// An action, and the resource as the template writes it.
pub(super) type Right = (String, String);

pub(super) fn right(action: &str, resource: &str) -> Right {
    (action.to_owned(), resource.to_owned())
}

// --- what the code uses ---------------------------------------------------------------------------------------

/// The calls to AWS in each file of `shared/adapters/src`. `DynamoDB`'s are recorded too, but for the recount's, which
/// no function makes: it runs with its operator's rights. Of the others, each is a right.
const CALLS: [(&str, &[&str]); 11] = [
    ("dynamodb/asking.rs", &["put_item", "put_item", "delete_item"]),
    ("dynamodb/find.rs", &["get_item", "batch_get_item"]),
    ("dynamodb/history.rs", &["batch_write_item", "query"]),
    ("dynamodb/inbox.rs", &["put_item", "put_item"]),
    ("dynamodb/list.rs", &["query", "query", "query"]),
    ("dynamodb/recount.rs", &["scan"]),
    ("dynamodb/transaction.rs", &["transact_write_items", "put_item"]),
    // Their answers are not needed, so neither would further rights be.
    ("dynamodb/warm_up.rs", &["query", "put_item"]),
    ("line_queue.rs", &["send_message"]),
    ("ses.rs", &["send_email", "send_email"]),
    ("sns.rs", &["publish_batch"]),
];

/// What SES sends a mail by: an identity, and a configuration set, either the named one or an identity's default.
const SENT_BY: [&str; 3] = [
    "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*",
    "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/${MailConfigurationSet}",
    "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/*",
];

/// What the bootstrap function that a `main.rs` calls gives it beside DynamoDB.
fn of_clients(bootstrap: &str) -> Vec<Right> {
    match bootstrap {
        "command_bus" | "view" | "history" | "max_receives" => Vec::new(),
        "allocation_bus_and_queue" => vec![right("sqs:SendMessage", "AllocateQueue.Arn")],
        "topic" => vec![right("sns:Publish", "EventsTopic")],
        "event_bus" => SENT_BY.map(|resource| right("ses:SendEmail", resource)).to_vec(),
        other => panic!("what bootstrap::{other} needs is not known here"),
    }
}

/// What Lambda does with the function's role, to bring it its events: AWS's own lists for each kind of source.
fn of_mapping(mapping: &Value) -> BTreeSet<Right> {
    let source = resource(&mapping["EventSourceArn"]);
    let (actions, source) = match source.strip_suffix(".StreamArn") {
        Some(_) => (&["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"], source),
        None => (&["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], source),
    };
    let mut rights: BTreeSet<_> = actions.iter().map(|action| right(action, &source)).collect();
    if let Some(destination) = mapping.pointer("/DestinationConfig/OnFailure/Destination") {
        let bucket = named(destination);
        rights.insert(right("s3:PutObject", &format!("${{{bucket}.Arn}}/*")));
        rights.insert(right("s3:ListBucket", &format!("{bucket}.Arn")));
        rights.insert(right("dynamodb:ListStreams", "*"));
    }
    rights
}

// --- what the template grants ---------------------------------------------------------------------------------

/// Rights to everything, or to all that begins with a name, each with its reason.
const WIDE: [(&str, &str, &str); 6] = [
    ("dynamodb:ListStreams", "*", "AWS knows no resource for it; Lambda's list for stream mappings has it"),
    ("s3:PutObject", "${UnpublishedEvents.Arn}/*", "Lambda names the objects"),
    (
        "ses:SendEmail",
        "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*",
        "the sender's domain or one above may be what is verified; a condition names the sender",
    ),
    (
        "ses:SendEmail",
        "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/*",
        "an identity's default one, if the template's parameter names none",
    ),
    ("xray:PutTelemetryRecords", "*", "AWS knows no resource for it"),
    ("xray:PutTraceSegments", "*", "AWS knows no resource for it"),
];

fn list(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |all| all.iter().collect())
}

fn resource(expression: &Value) -> String {
    if let Some(text) = expression.as_str() {
        return text.to_owned();
    }
    if let Some(sub) = expression.get("Fn::Sub") {
        return sub.as_str().or_else(|| sub[0].as_str()).unwrap().to_owned();
    }
    if let Some(attribute) = expression.get("Fn::GetAtt") {
        let parts: Vec<_> = attribute.as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
        return parts.join(".");
    }
    named(expression).to_owned()
}

/// The resources of a statement, whatever its conditions.
fn resources(expression: &Value) -> Vec<String> {
    match expression.get("Fn::If") {
        Some(choice) => [&choice[1], &choice[2]].into_iter().flat_map(resources).collect(),
        None => list(expression).into_iter().map(resource).collect(),
    }
}

/// The rights of a statement. One that grants all but some, or to all but some, is no list of rights.
fn granted(statement: &Value) -> Vec<Right> {
    for inverse in ["NotAction", "NotResource", "NotPrincipal"] {
        assert_eq!(statement[inverse], Value::Null, "{statement}");
    }
    let actions = list(&statement["Action"]).into_iter().map(|action| action.as_str().unwrap());
    actions.flat_map(|action| resources(&statement["Resource"]).into_iter().map(move |of| right(action, &of))).collect()
}

fn statements(role: &Value) -> impl Iterator<Item = &Value> {
    role["Policies"].as_array().unwrap().iter().flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]))
}

/// The bootstrap functions that a function's `main.rs` calls.
fn bootstrap(function: &str) -> anyhow::Result<Vec<String>> {
    let path = workspace().join("functions").join(function).join("src/main.rs");
    let source = std::fs::read_to_string(path)?;
    let calls: Vec<_> = source.split("bootstrap::").skip(1).map(|call| identifier(call).to_owned()).collect();
    anyhow::ensure!(!calls.is_empty(), "{function} is built by nobody");
    Ok(calls)
}

fn identifier(text: &str) -> &str {
    text.split(|next: char| !next.is_alphanumeric() && next != '_').next().unwrap_or_default()
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

async fn each_function_has_the_rights_that_it_uses_and_no_others(servers: Arc<Servers>) -> Outcome {
    let template = Translated::read(&servers).await?;
    let functions = template.all("AWS::Lambda::Function");
    let (mut roles, mut played) = (BTreeSet::new(), BTreeSet::new());
    for (id, function) in &functions {
        let binary = template.0["Resources"][id]["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap();
        let role = named(&function["Role"]);
        assert!(roles.insert(role), "two functions share {role}");
        let granted: BTreeSet<_> = statements(template.resource(role)).flat_map(granted).collect();

        let scene = Scene::new(&servers).await?;
        scene.play(binary).await?;
        let routes = scene.played.lock().unwrap().clone();
        assert!(routes.iter().all(|route| route.function() == binary), "{binary} plays {routes:?}");
        played.extend(routes);
        let mut used = scene.recorder.0.lock().unwrap().clone();
        used.extend(bootstrap(binary)?.iter().flat_map(|call| of_clients(call)));
        for mapping in template.all("AWS::Lambda::EventSourceMapping").into_values() {
            if named(&mapping["FunctionName"]) == *id {
                used.extend(of_mapping(mapping));
            }
        }
        let logs = format!("{}.Arn", named(&function["LoggingConfig"]["LogGroup"]));
        used.extend(["logs:CreateLogStream", "logs:PutLogEvents"].map(|action| right(action, &logs)));
        used.extend(["xray:PutTraceSegments", "xray:PutTelemetryRecords"].map(|action| right(action, "*")));

        let missing: Vec<_> = used.difference(&granted).collect();
        let unused: Vec<_> = granted.difference(&used).collect();
        assert!(missing.is_empty() && unused.is_empty(), "{binary}: missing {missing:?}, unused {unused:?}");
    }
    assert_eq!(played, Route::ALL.iter().copied().collect(), "what a route needs is known if it is played");
    assert_eq!(roles, template.all("AWS::IAM::Role").into_keys().collect(), "a role without a function");
    Ok(())
}

async fn no_right_is_wider_than_it_must_be(servers: Arc<Servers>) -> Outcome {
    let template = Translated::read(&servers).await?;
    let mut wide = BTreeSet::new();
    for (id, role) in template.all("AWS::IAM::Role") {
        assert_eq!(role["ManagedPolicyArns"], Value::Null, "{id}: AWS's own policies reach every resource");
        let trust = list(&role["AssumeRolePolicyDocument"]["Statement"]);
        assert!(trust.iter().all(|who| who["Principal"] == json!({ "Service": "lambda.amazonaws.com" })), "{id}");
        for statement in statements(role) {
            for (action, resource) in granted(statement) {
                assert!(!action.contains('*'), "{id}: {action}");
                if resource.contains('*') {
                    wide.insert((action, resource));
                }
            }
        }
    }
    let reasoned: BTreeSet<_> = WIDE.iter().map(|(action, resource, _)| right(action, resource)).collect();
    assert_eq!(wide, reasoned, "each right to everything has its reason");
    for (id, policy) in template.all("AWS::SQS::QueuePolicy") {
        for statement in list(&policy["PolicyDocument"]["Statement"]) {
            assert_eq!(statement["Principal"], json!({ "Service": "sns.amazonaws.com" }), "{id}");
            assert_eq!(statement["Action"], "sqs:SendMessage", "{id}");
            assert!(queues_of(policy).contains(named(&statement["Resource"])), "{id}");
            let topic = &statement["Condition"]["ArnEquals"]["aws:SourceArn"];
            assert!(template.all("AWS::SNS::Topic").contains_key(named(topic)), "{id} lets any topic send");
        }
    }
    let mut callable = BTreeSet::new();
    for (id, permission) in template.all("AWS::Lambda::Permission") {
        if permission["Principal"] == "events.amazonaws.com" {
            let rule = named(&permission["SourceArn"]);
            let schedule = template.all("AWS::Events::Rule")[rule]["Targets"][0]["Arn"].clone();
            assert_eq!(
                named(&schedule),
                named(&permission["FunctionName"]),
                "{id}: a rule calls its own function alone"
            );
            continue;
        }
        assert_eq!(permission["Principal"], "apigateway.amazonaws.com", "{id}");
        let from = resource(&permission["SourceArn"]);
        let route = from.split_once(":${Api}/*/").map(|(_, route)| route.to_owned());
        let route = route.filter(|route| !route.contains('*'));
        callable.insert(route.unwrap_or_else(|| panic!("{id}: any stage, but one route: {from}")));
    }
    let routes = Route::ALL.iter().map(|route| format!("{}{}", route.method(), route.gateway_path()));
    assert_eq!(callable, routes.collect(), "API Gateway may call each route's function");
    Ok(())
}

/// SES refuses an identity that the sender does not belong to, so the condition on the sender is what limits the right.
async fn mail_is_from_one_sender_by_any_identity_of_it_and_by_its_configuration_set(servers: Arc<Servers>) -> Outcome {
    let template = Translated::read(&servers).await?;
    let [identity, named, default] = SENT_BY;
    let mut seen = Vec::new();
    for (_, role) in template.all("AWS::IAM::Role") {
        for statement in statements(role).filter(|statement| statement["Action"] == "ses:SendEmail") {
            seen.push((&statement["Resource"], &statement["Condition"]));
        }
    }
    let from = json!({ "StringEquals": { "ses:FromAddress": { "Ref": "MailFrom" } } });
    let identity = json!({ "Fn::Sub": identity });
    let set = json!({ "Fn::If": ["NamesConfigurationSet", { "Fn::Sub": named }, { "Fn::Sub": default }] });
    assert_eq!(seen, [(&identity, &from), (&set, &Value::Null)]);

    let is_named = json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": "MailConfigurationSet" }, ""] }] });
    assert_eq!(template.0["Conditions"]["NamesConfigurationSet"], is_named);
    assert_eq!(template.parameter("MailConfigurationSet")["Default"], "");
    let mailer = template.resource("HandleEventsFunction");
    let set =
        json!({ "Fn::If": ["NamesConfigurationSet", { "Ref": "MailConfigurationSet" }, { "Ref": "AWS::NoValue" }] });
    assert_eq!(mailer["Environment"]["Variables"]["MAIL_CONFIGURATION_SET"], set);
    Ok(())
}

fn queues_of(policy: &Value) -> BTreeSet<&str> {
    policy["Queues"].as_array().unwrap().iter().map(named).collect()
}

/// In the adapters, `client` is only ever used to make a call, and these are the calls.
async fn the_adapters_make_no_other_calls(_: Arc<Servers>) -> Outcome {
    let source = workspace().join("shared/adapters/src");
    let mut found = Vec::new();
    for path in rust_files(&source)? {
        let text: String = std::fs::read_to_string(&path)?.split_whitespace().collect();
        let calls: Vec<_> = text
            .split("self.client")
            .skip(1)
            .map(|rest| {
                let call =
                    rest.strip_prefix('.').unwrap_or_else(|| panic!("{}: the client is passed on", path.display()));
                identifier(call).to_owned()
            })
            .collect();
        let name = path.strip_prefix(&source)?.display().to_string();
        // A client that is not `self.client` is built in bootstrap, or injected.
        if !calls.is_empty() {
            found.push((name, calls));
        }
    }
    found.sort();
    let expected: Vec<_> = CALLS
        .iter()
        .map(|(file, calls)| ((*file).to_owned(), calls.iter().map(|call| (*call).to_owned()).collect()))
        .collect();
    assert_eq!(found, expected);
    Ok(())
}

fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}
