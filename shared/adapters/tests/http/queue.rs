//! Lines of clients that can wait.

use adapters::http::Route;
use adapters::in_memory::InMemoryLineQueue;
use insta::assert_snapshot;
use service_layer::ports::LineQueue;
use service_layer::{Call, Source};
use testing::answer;

use super::{Api, BATCH, LINE, request, show};

async fn post_to_queue<Q: LineQueue>(api: &Api, queue: Option<&Q>, body: &str, prefer: &str) -> String {
    show(&answer(Route::Allocate, &api.0, queue, request(Route::Allocate, Some(prefer), body, None)).await)
}

#[tokio::test]
async fn a_client_that_can_wait_is_answered_before_its_line_is_allocated() {
    let (api, queue) = (Api::new(), InMemoryLineQueue::default());
    api.post_batch(BATCH).await;
    assert_snapshot!(post_to_queue(&api, Some(&queue), LINE, "respond-async").await, @r"
    202
    content-type: text/plain; charset=utf-8
    preference-applied: respond-async

    OK
    ");
    let [line] = &queue.lines()[..] else { panic!("one line") };
    assert_eq!(serde_json::to_string(line).unwrap(), r#"{"orderid":"o1","sku":"RETRO-CLOCK","qty":3,"line":"3"}"#);
    assert!(api.get("o1").await.starts_with("404"));
}

#[tokio::test]
async fn waiting_is_asked_for_by_the_standards_words() {
    let (api, queue) = (Api::new(), InMemoryLineQueue::default());
    api.post_batch(BATCH).await;
    let waits = [
        "respond-async, wait=10",
        "return=representation, Respond-Async",
        "wait=1; x, respond-async; y",
        "respond-async=\"\"",
    ];
    for (number, prefer) in (1..).zip(waits) {
        let answer = post_to_queue(&api, Some(&queue), LINE, prefer).await;
        assert!(answer.contains("preference-applied: respond-async"), "{prefer}: {answer}");
        assert_eq!(queue.lines().len(), number, "{prefer}");
    }
    for prefer in ["respond-async=no", "handling=\"respond-async\"", "x; respond-async", "respond-asynchronously"] {
        let answer = post_to_queue(&api, Some(&queue), LINE, prefer).await;
        assert!(!answer.contains("preference-applied"), "{prefer}: {answer}");
        assert_eq!(queue.lines().len(), waits.len(), "{prefer}");
    }
}

#[tokio::test]
async fn what_can_not_be_read_is_refused_before_it_is_put_on_the_queue() {
    let (api, queue) = (Api::new(), InMemoryLineQueue::default());
    let answer = post_to_queue(&api, Some(&queue), r#"{"orderid": "o1", "sku": "", "qty": 3}"#, "respond-async").await;
    assert_snapshot!(answer, @r#"
    400
    content-type: application/json

    {"message":"sku: must not be empty","code":"invalid_input","field":"sku"}
    "#);
    assert_eq!(queue.lines(), []);
}

/// A queue that does not answer.
struct Silent;

impl LineQueue for Silent {
    async fn put(&self, _: &domain::OrderLine, _: &Call) -> Result<(), Source> {
        Err("no reply".into())
    }
}

#[tokio::test]
async fn a_queue_that_does_not_answer_is_503_and_one_that_is_not_there_is_passed_over() {
    let api = Api::new();
    api.post_batch(BATCH).await;
    assert_snapshot!(post_to_queue(&api, Some(&Silent), LINE, "respond-async").await, @r#"
    503
    content-type: application/json
    retry-after: 1

    {"message":"temporarily unavailable","code":"unavailable"}
    "#);
    let answer = post_to_queue(&api, None::<&Silent>, LINE, "respond-async, return=representation").await;
    assert_snapshot!(answer, @r#"
    201
    content-type: application/json
    preference-applied: return=representation

    {"batchref":"b1"}
    "#);
}
