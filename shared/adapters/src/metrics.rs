//! Figures for `CloudWatch`, as lines of the log in its embedded metric format.
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>)

use serde_json::{Map, Value, json};
use service_layer::ports::Timestamp;
use service_layer::{Call, Figures, Work};

const NAMESPACE: &str = "Allocation";
/// The only dimension: each combination of values is a metric of its own, and paid for.
const DIMENSION: &str = "Stack";

/// One line: the figures, and whose they are. What tells calls apart is no dimension, but can be searched for.
pub(crate) fn line(stack: &str, now: Timestamp, call: &Call, cold_start: bool, figures: &Figures) -> String {
    let values = values(figures);
    let definitions: Vec<Value> = values.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
    let mut line = Map::new();
    let metrics = json!([{"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": definitions}]);
    line.insert("_aws".to_owned(), json!({"Timestamp": now.0, "CloudWatchMetrics": metrics}));
    line.insert(DIMENSION.to_owned(), stack.into());
    line.insert("request_id".to_owned(), call.request.as_str().into());
    line.insert("correlation_id".to_owned(), call.correlation.as_str().into());
    line.insert("cold_start".to_owned(), cold_start.into());
    line.extend(values.into_iter().map(|(name, _, value)| (name.to_owned(), value.into())));
    Value::Object(line).to_string()
}

fn values(figures: &Figures) -> Vec<(&'static str, &'static str, u64)> {
    let count = |name, count: u32| (name, "Count", u64::from(count));
    match figures {
        Figures::Command(Work { allocations, out_of_stock, conflicts, retries, retries_exhausted, waiting_lines }) => {
            let mut values = vec![
                count("Allocations", *allocations),
                count("OutOfStock", *out_of_stock),
                count("Conflicts", *conflicts),
                count("Retries", *retries),
                count("RetriesExhausted", *retries_exhausted),
            ];
            values.extend(waiting_lines.map(|lines| count("WaitingLines", lines)));
            values
        }
        Figures::Relay(lag) => {
            vec![("RelayLag", "Milliseconds", u64::try_from(lag.as_millis()).unwrap_or(u64::MAX))]
        }
        Figures::DeadLetter => vec![count("DeadLetters", 1)],
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use insta::assert_snapshot;

    use super::*;

    fn of(figures: &Figures) -> String {
        let call =
            Call { request: "r1".to_owned(), correlation: "order-7".try_into().unwrap(), deadline: Timestamp(0) };
        line("allocation", Timestamp(1_700_000_000_000), &call, true, figures)
    }

    #[test]
    fn figures_are_lines_that_cloudwatch_reads() {
        let work = Work { allocations: 1, conflicts: 2, retries: 2, waiting_lines: Some(3), ..Work::default() };
        assert_snapshot!(of(&Figures::Command(work)), @r#"{"Allocations":1,"Conflicts":2,"OutOfStock":0,"Retries":2,"RetriesExhausted":0,"Stack":"allocation","WaitingLines":3,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["Stack"]],"Metrics":[{"Name":"Allocations","Unit":"Count"},{"Name":"OutOfStock","Unit":"Count"},{"Name":"Conflicts","Unit":"Count"},{"Name":"Retries","Unit":"Count"},{"Name":"RetriesExhausted","Unit":"Count"},{"Name":"WaitingLines","Unit":"Count"}],"Namespace":"Allocation"}],"Timestamp":1700000000000},"cold_start":true,"correlation_id":"order-7","request_id":"r1"}"#);
        assert_snapshot!(of(&Figures::Relay(Duration::from_millis(250))), @r#"{"RelayLag":250,"Stack":"allocation","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Stack"]],"Metrics":[{"Name":"RelayLag","Unit":"Milliseconds"}],"Namespace":"Allocation"}],"Timestamp":1700000000000},"cold_start":true,"correlation_id":"order-7","request_id":"r1"}"#);
        assert_snapshot!(of(&Figures::DeadLetter), @r#"{"DeadLetters":1,"Stack":"allocation","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Stack"]],"Metrics":[{"Name":"DeadLetters","Unit":"Count"}],"Namespace":"Allocation"}],"Timestamp":1700000000000},"cold_start":true,"correlation_id":"order-7","request_id":"r1"}"#);
    }
}
