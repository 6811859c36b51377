//! Figures for `CloudWatch`, as lines of the log in its embedded metric format.
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>)

use serde::{Serialize, Serializer};
use service_layer::ports::Timestamp;
use service_layer::{Call, Figures};

/// Written field by field, not gathered in a `serde_json::Value` first: each command writes one of these, and maps of
/// maps took half of what a warm invocation took beyond its floor.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "_aws")]
    metadata: Metadata<'a>,
    /// The only dimension: each combination of values is a metric of its own, and paid for.
    #[serde(rename = "Stack")]
    stack: &'a str,
    // What tells calls apart is no dimension, but can be searched for.
    request_id: &'a str,
    correlation_id: &'a str,
    cold_start: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    throttled_by: Option<&'a str>,
    #[serde(flatten, serialize_with = "by_name")]
    values: &'a [Metric],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    timestamp: u64,
    cloud_watch_metrics: [Directive<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'static str,
    dimensions: [[&'static str; 1]; 1],
    metrics: &'a [Metric],
}

/// Serialized, it is a metric's definition. Its value is a field of the line.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
    #[serde(skip)]
    value: u64,
}

fn by_name<S: Serializer>(metrics: &&[Metric], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(metrics.iter().map(|metric| (metric.name, metric.value)))
}

/// One line: the figures, and whose they are.
pub(crate) fn line(
    stack: &str,
    now: Timestamp,
    call: &Call,
    cold_start: bool,
    figures: &Figures,
) -> serde_json::Result<String> {
    let metrics = &metrics_of(figures)[..];
    let throttled_by = match figures {
        Figures::Command(command) => command.throttled_by.as_deref(),
        Figures::Relay(_) | Figures::UnnumberedChange | Figures::DeadLetter => None,
    };
    let directive = Directive { namespace: "Allocation", dimensions: [["Stack"]], metrics };
    serde_json::to_string(&Line {
        metadata: Metadata { timestamp: now.0, cloud_watch_metrics: [directive] },
        stack,
        request_id: &call.request,
        correlation_id: call.correlation.as_str(),
        cold_start,
        throttled_by,
        values: metrics,
    })
}

/// Zeros are left out: they add nothing to a sum, and each byte of a log is paid for. But for the one that has an
/// alarm, which ends at the next zero.
fn metrics_of(figures: &Figures) -> Vec<Metric> {
    let count = |name, count: u32| Metric { name, unit: "Count", value: u64::from(count) };
    match figures {
        Figures::Command(command) => {
            let mut metrics = vec![
                count("Allocations", command.allocations),
                count("OutOfStock", command.out_of_stock),
                count("Asked", command.asked),
                count("Conflicts", command.conflicts),
                count("Throttled", command.throttled),
                count("Retries", command.retries),
            ];
            metrics.retain(|metric| metric.value > 0);
            metrics.push(count("RetriesExhausted", command.retries_exhausted));
            metrics.extend(command.waiting_lines.map(|lines| count("WaitingLines", lines)));
            metrics
        }
        Figures::Relay(lag) => {
            let value = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
            vec![Metric { name: "RelayLag", unit: "Milliseconds", value }]
        }
        Figures::UnnumberedChange => vec![count("UnnumberedChanges", 1)],
        Figures::DeadLetter => vec![count("DeadLetters", 1)],
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use insta::assert_snapshot;
    use service_layer::CommandFigures;

    use super::*;

    fn of(figures: &Figures) -> String {
        let call =
            Call { request: "r1".to_owned(), correlation: "order-7".try_into().unwrap(), deadline: Timestamp(0) };
        line("allocation", Timestamp(1_700_000_000_000), &call, true, figures).unwrap()
    }

    #[test]
    fn figures_are_lines_that_cloudwatch_reads() {
        let figures = CommandFigures {
            allocations: 1,
            conflicts: 2,
            retries: 2,
            waiting_lines: Some(0),
            ..CommandFigures::default()
        };
        assert_snapshot!(of(&Figures::Command(figures)), @r#"{"_aws":{"Timestamp":1700000000000,"CloudWatchMetrics":[{"Namespace":"Allocation","Dimensions":[["Stack"]],"Metrics":[{"Name":"Allocations","Unit":"Count"},{"Name":"Conflicts","Unit":"Count"},{"Name":"Retries","Unit":"Count"},{"Name":"RetriesExhausted","Unit":"Count"},{"Name":"WaitingLines","Unit":"Count"}]}]},"Stack":"allocation","request_id":"r1","correlation_id":"order-7","cold_start":true,"Allocations":1,"Conflicts":2,"Retries":2,"RetriesExhausted":0,"WaitingLines":0}"#);
        assert_snapshot!(of(&Figures::Command(CommandFigures::default())), @r#"{"_aws":{"Timestamp":1700000000000,"CloudWatchMetrics":[{"Namespace":"Allocation","Dimensions":[["Stack"]],"Metrics":[{"Name":"RetriesExhausted","Unit":"Count"}]}]},"Stack":"allocation","request_id":"r1","correlation_id":"order-7","cold_start":true,"RetriesExhausted":0}"#);
        let throttled = CommandFigures {
            throttled: 3,
            throttled_by: Some("TableWriteKeyRangeThroughputExceeded on allocation".to_owned()),
            retries: 2,
            retries_exhausted: 1,
            ..CommandFigures::default()
        };
        assert_snapshot!(of(&Figures::Command(throttled)), @r#"{"_aws":{"Timestamp":1700000000000,"CloudWatchMetrics":[{"Namespace":"Allocation","Dimensions":[["Stack"]],"Metrics":[{"Name":"Throttled","Unit":"Count"},{"Name":"Retries","Unit":"Count"},{"Name":"RetriesExhausted","Unit":"Count"}]}]},"Stack":"allocation","request_id":"r1","correlation_id":"order-7","cold_start":true,"throttled_by":"TableWriteKeyRangeThroughputExceeded on allocation","Throttled":3,"Retries":2,"RetriesExhausted":1}"#);
        assert_snapshot!(of(&Figures::Relay(Duration::from_millis(250))), @r#"{"_aws":{"Timestamp":1700000000000,"CloudWatchMetrics":[{"Namespace":"Allocation","Dimensions":[["Stack"]],"Metrics":[{"Name":"RelayLag","Unit":"Milliseconds"}]}]},"Stack":"allocation","request_id":"r1","correlation_id":"order-7","cold_start":true,"RelayLag":250}"#);
        assert_snapshot!(of(&Figures::DeadLetter), @r#"{"_aws":{"Timestamp":1700000000000,"CloudWatchMetrics":[{"Namespace":"Allocation","Dimensions":[["Stack"]],"Metrics":[{"Name":"DeadLetters","Unit":"Count"}]}]},"Stack":"allocation","request_id":"r1","correlation_id":"order-7","cold_start":true,"DeadLetters":1}"#);
    }
}
