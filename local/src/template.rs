//! template.yaml, as JSON: the one description of functions, table and routes.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use crate::aws;
use crate::tools::Tools;
use crate::workspace;

/// SAM's own parser, which knows `CloudFormation`'s short forms (`!Ref`).
const PARSE: &str = "import json, sys; from samtranslator.yaml_helper import yaml_parse; json.dump(yaml_parse(open(sys.argv[1]).read()), sys.stdout)";

/// SAM's own transform, as `CloudFormation` runs it. Functions need an address of their code, which does not exist
/// before a deployment.
const TRANSLATE: &str = "
import json, sys
from types import SimpleNamespace
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse
template = yaml_parse(open(sys.argv[1]).read())
for resource in template['Resources'].values():
    if resource['Type'] == 'AWS::Serverless::Function':
        resource['Properties']['CodeUri'] = 's3://code/function.zip'
json.dump(transform(template, {}, SimpleNamespace(load=dict)), sys.stdout)
";

/// What a table that is created must be told.
const KEYS: &[&str] = &["BillingMode", "AttributeDefinitions", "KeySchema"];

/// The template of the service.
#[derive(Clone, Debug)]
pub struct Template(Value);

/// An alarm of the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Its logical id.
    pub id: String,
    /// What it is about, and where to read on.
    pub description: String,
}

/// What the table of the history is called beside one of the stock, outside of the stack.
#[must_use]
pub fn history_table(stock: &str) -> String {
    format!("{stock}-history")
}

/// A table of the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateTable {
    /// Products, batches and lines.
    Stock,
    /// What happened.
    History,
}

impl Template {
    /// Reads template.yaml.
    ///
    /// # Errors
    /// When it can't be read, or is no YAML.
    pub async fn read(tools: &Tools) -> Result<Self> {
        Ok(Self(as_json(tools, PARSE).await?))
    }

    /// Reads what SAM makes of template.yaml: plain `CloudFormation`, which is what AWS is given.
    ///
    /// # Errors
    /// When it can't be read, or SAM refuses it.
    pub async fn translated(tools: &Tools) -> Result<Value> {
        as_json(tools, TRANSLATE).await
    }

    /// The functions' binaries: names of packages in `functions/`.
    #[must_use]
    pub fn binaries(&self) -> Vec<String> {
        self.resources("AWS::Serverless::Function")
            .filter_map(|(_, function)| binary(function))
            .map(str::to_owned)
            .collect()
    }

    /// Its alarms, by name.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        let text = |alarm: &Value| {
            let description = alarm.pointer("/Properties/AlarmDescription").and_then(Value::as_str);
            description.unwrap_or_default().to_owned()
        };
        let alarms = self.resources("AWS::CloudWatch::Alarm");
        alarms.map(|(id, alarm)| Alarm { id: id.clone(), description: text(alarm) }).collect()
    }

    /// Writes a copy in which the code of each function is `code`, which has its executable of the folder `executables` log
    /// to a file of its own in the folder `logs`. They are for this machine's architecture.
    pub(crate) fn write_with_code(&self, code: &Path, executables: &Path, logs: &Path, path: &Path) -> Result<()> {
        let mut copy = self.0.clone();
        let architecture =
            copy.pointer_mut("/Parameters/Architecture/Default").context("a template without an architecture")?;
        *architecture = json!(if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" });
        let resources =
            copy.get_mut("Resources").and_then(Value::as_object_mut).context("a template without resources")?;
        for resource in resources.values_mut() {
            let Some(name) = binary(resource).map(str::to_owned) else { continue };
            let Some(properties) = resource.get_mut("Properties").and_then(Value::as_object_mut) else { continue };
            properties.insert("CodeUri".into(), json!(code));
            let environment = properties.entry("Environment").or_insert_with(|| json!({ "Variables": {} }));
            let variables = environment.get_mut("Variables").and_then(Value::as_object_mut);
            let variables = variables.with_context(|| format!("{name} has an environment without variables"))?;
            // As Lambda does for this format, which the template asks for.
            variables.insert("AWS_LAMBDA_LOG_FORMAT".into(), json!("JSON"));
            variables.insert("FUNCTION_EXECUTABLE".into(), json!(executables.join(&name)));
            variables.insert("FUNCTION_LOG".into(), json!(logs.join(format!("{name}.log"))));
        }
        std::fs::write(path, copy.to_string()).with_context(|| format!("writing {}", path.display()))
    }

    /// Creates a table with the keys and indexes that this template has for it, under any name. Without its stream, which
    /// nobody reads outside the stack, and for which dynoxide looks through all earlier records at each write.
    ///
    /// # Errors
    /// When the database can't be reached, refuses, or has a table of that name.
    pub async fn create_table(&self, endpoint: &str, table: TemplateTable, name: &str) -> Result<()> {
        let request = self.create_table_request(table, name)?;
        aws::call(&aws::http_client()?, endpoint, "DynamoDB_20120810.CreateTable", &request).await?;
        Ok(())
    }

    /// `CloudFormation`'s properties have the names of the API's own fields, apart from those that need a call of their
    /// own there.
    fn create_table_request(&self, table: TemplateTable, name: &str) -> Result<Value> {
        let (resource, fields) = match table {
            TemplateTable::Stock => ("Table", &[KEYS, &["GlobalSecondaryIndexes"]].concat()),
            TemplateTable::History => ("HistoryTable", &KEYS.to_vec()),
        };
        let mut tables = self.resources("AWS::DynamoDB::Table");
        let (_, table) = tables.find(|(name, _)| *name == resource).context("a template without its table")?;
        let mut request = Map::new();
        request.insert("TableName".into(), json!(name));
        for field in fields {
            let value =
                table.pointer(&format!("/Properties/{field}")).with_context(|| format!("{resource} has no {field}"))?;
            request.insert((*field).into(), value.clone());
        }
        Ok(Value::Object(request))
    }

    fn resources<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a String, &'a Value)> {
        let all = self.0.get("Resources").and_then(Value::as_object).into_iter().flatten();
        all.filter(move |(_, resource)| resource.get("Type").and_then(Value::as_str) == Some(kind))
    }
}

async fn as_json(tools: &Tools, script: &str) -> Result<Value> {
    let path = workspace::root().join("template.yaml");
    let mut python = tools.python();
    // SAM asks for a region, to know the partition.
    let output = python.args(["-c", script]).arg(&path).env("AWS_DEFAULT_REGION", aws::REGION).output().await;
    let output = output.context("starting Python")?;
    if !output.status.success() {
        bail!("reading {}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("reading the template as JSON")
}

fn binary(resource: &Value) -> Option<&str> {
    resource.pointer("/Metadata/BuildProperties/Binary")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_the_templates_keys_and_indexes_and_no_stream() {
        let template = Template(json!({ "Resources": {
            "Other": { "Type": "AWS::SQS::Queue" },
            "Table": { "Type": "AWS::DynamoDB::Table", "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": ["definitions"],
                "KeySchema": ["keys"],
                "GlobalSecondaryIndexes": ["index"],
                "StreamSpecification": { "StreamViewType": "NEW_IMAGE" },
                "SSESpecification": { "SSEEnabled": true },
            } },
            "HistoryTable": { "Type": "AWS::DynamoDB::Table", "Properties": {
                "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": ["others"], "KeySchema": ["its"],
            } },
        } }));
        let expected = json!({
            "TableName": "stock",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": ["definitions"],
            "KeySchema": ["keys"],
            "GlobalSecondaryIndexes": ["index"],
        });
        assert_eq!(template.create_table_request(TemplateTable::Stock, "stock").unwrap(), expected);
        let expected = json!({
            "TableName": "past",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": ["others"],
            "KeySchema": ["its"],
        });
        assert_eq!(template.create_table_request(TemplateTable::History, "past").unwrap(), expected);
    }

    #[test]
    fn a_function_is_named_by_its_binary() {
        let function =
            json!({ "Type": "AWS::Serverless::Function", "Metadata": { "BuildProperties": { "Binary": "batches" } } });
        assert_eq!(Template(json!({ "Resources": { "BatchesFunction": function } })).binaries(), ["batches"]);
    }
}
