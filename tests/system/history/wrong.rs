//! Histories that are right, and the same ones made wrong, each in one way: the checker says in which.

use std::collections::BTreeMap;
use std::sync::Arc;

use adapters::in_memory::{InMemoryEnvironment, InMemoryStore, call_until};
use domain::{DeallocationReason, Event, OrderId, OrderVersion, PartId, Place, Revision, Version};
use futures_util::FutureExt as _;
use service_layer::outbox::Envelope;
use service_layer::ports::Timestamp;
use service_layer::{MessageBus, PutOrder};
use testing::{Command, Reply, allocations, holds, line, new_batch, whole};

use super::{Asked, Index, Request, Told, ToldLine, check};
use crate::layers::{Layers, Outcome, add_tests};

use crate::servers::Servers;

pub(crate) fn add_to(layers: &mut Layers) {
    add_tests!(
        layers,
        "history",
        [
            a_true_history_is_accepted_in_any_order_of_its_messages,
            requests_that_overlap_may_come_in_either_order,
            a_request_without_an_answer_may_have_happened_or_not,
            too_much_was_sold,
            an_answer_is_older_than_what_was_answered_before,
            an_answer_comes_before_it_can_be_known,
            a_commit_is_lost,
            a_commit_is_made_twice,
            commits_are_in_another_order_than_requests,
            an_answer_names_another_batch,
            a_version_is_missing,
            an_event_is_told_twice_and_differently,
            the_view_shows_something_else,
            nobody_asked_for_it,
            the_wrong_line_gives_way,
            a_refusal_is_news_and_no_event_tells_of_it,
            a_refusal_is_nothing_new_and_an_event_tells_of_it,
            a_line_with_a_place_is_refused,
            an_answer_that_tells_little_must_still_be_true,
            lines_that_share_a_commit_are_each_asked_for_and_served_in_turn,
            a_line_ends_otherwise_than_it_is_told,
            a_cancelled_line_comes_back,
            a_cancelled_order_is_told_otherwise,
            a_line_comes_while_its_order_is_cancelled,
            an_order_is_there_in_part,
            an_order_is_told_otherwise,
            an_order_is_refused_though_there_is_enough,
            a_line_that_comes_by_itself_may_stay_beside_its_order,
        ]
    );
}

/// A shop that keeps its word, and notes it. Each request is answered before the next one is asked: at 1, 11, 21, ..,
/// and answered 5 later.
#[derive(Default)]
struct Shop {
    store: InMemoryStore,
    requests: Vec<Request>,
}

impl Shop {
    fn ask(&mut self, command: Command) -> &mut Self {
        let bus = MessageBus::new(&self.store, InMemoryEnvironment::default(), ());
        let call = call_until(Timestamp(1_000_000));
        let told = match bus.handle(&command, &call).now_or_never().unwrap() {
            Ok(Reply::Allocated(batch)) => Some(Told::Allocated(batch)),
            Ok(Reply::OrderCancelled(_)) => Some(Told::OrderCancelled),
            Ok(Reply::Cancelled(parts)) => Some(Told::Cancelled(ToldLine::all(&parts))),
            Ok(Reply::Put(parts)) => Some(Told::Put(ToldLine::all(&parts))),
            Ok(Reply::Short(lines)) => Some(Told::Short(lines)),
            Ok(Reply::OutOfStock) => Some(Told::OutOfStock),
            Ok(Reply::Done) if matches!(command, Command::ChangeBatch(_)) => None,
            Ok(Reply::Done) => Some(Told::Done),
            Err(error) => Some(Told::of_error(&error).unwrap_or_else(|| panic!("{error}"))),
        };
        self.note(Asked::Command(command), told)
    }

    fn note(&mut self, asked: Asked, told: Option<Told>) -> &mut Self {
        let invoked = 10 * self.requests.len() as u64 + 1;
        self.requests.push(Request { asked, invoked, answer: told.map(|told| (invoked + 5, told)) });
        self
    }

    fn create(&mut self, reference: &str, qty: u32) -> &mut Self {
        self.ask(Command::CreateBatch(new_batch(reference, "S", qty)))
    }

    fn allocate(&mut self, orderid: &str, qty: u32) -> &mut Self {
        self.ask(Command::Allocate(line(orderid, "S", qty)))
    }

    fn deallocate(&mut self, orderid: &str, qty: u32) -> &mut Self {
        self.ask(Command::Deallocate(line(orderid, "S", qty).id()))
    }

    fn cancel_all(&mut self, orderid: &str) -> &mut Self {
        self.ask(Command::CancelOrder(orderid.try_into().unwrap()))
    }

    /// Puts an order of lines of S and T. None: it is not answered.
    fn put(&mut self, orderid: &str, lines: &[(&str, u32)], version: Option<u64>) -> &mut Self {
        let lines = lines.iter().map(|(sku, qty)| line(orderid, sku, *qty)).collect();
        self.ask(Command::PutOrder(PutOrder { version: version.map(OrderVersion), ..whole(orderid, lines) }))
    }

    fn ship(&mut self, orderid: &str, qty: u32) -> &mut Self {
        self.ask(Command::Ship(line(orderid, "S", qty).id()))
    }

    fn change(&mut self, reference: &str, qty: u32, version: u64) -> &mut Self {
        self.ask(Command::ChangeBatch(holds(reference, qty, Revision::Version(version))))
    }

    fn view(&mut self, orderid: &str) -> &mut Self {
        let orderid = OrderId::try_from(orderid).unwrap();
        let shown = allocations(&self.store, &orderid).now_or_never().unwrap().unwrap();
        self.note(Asked::View(orderid), Some(Told::Shown(shown)))
    }

    fn messages(&self) -> Vec<Envelope> {
        self.store.outbox()
    }

    fn verdict(&self) -> Result<(), String> {
        self.verdict_on(&self.messages())
    }

    fn verdict_on(&self, messages: &[Envelope]) -> Result<(), String> {
        check(&self.requests, messages, Index::Current).map(drop)
    }

    fn tell(&mut self, request: usize, told: Told) {
        let (time, _) = self.requests[request].answer.take().unwrap();
        self.requests[request].answer = Some((time, told));
    }
}

/// Two batches, lines that move, one that waits and gets a place, one that is turned away, and views of all.
fn busy_shop() -> Shop {
    let mut shop = Shop::default();
    shop.allocate("early", 1).create("b1", 5).create("b1", 5).create("b1", 6).allocate("o1", 3).allocate("o2", 2);
    shop.allocate("o3", 9).allocate("o1", 3).create("b2", 2).view("o1").change("b1", 0, 1).view("o2").view("o1");
    shop.allocate("o1", 3).create("b3", 4).view("o1").change("b3", 9, 1).allocate("o3", 5).view("o3").view("nobody");
    shop.ship("o1", 3).ship("o1", 3).deallocate("o1", 3).allocate("o1", 3).view("o1").deallocate("o3", 5);
    shop.deallocate("o3", 5).ship("o3", 5).allocate("o3", 5).view("o3").ship("nobody", 1).deallocate("nobody", 1);
    shop
}

#[track_caller]
fn refused(verdict: Result<(), String>, why: &str) {
    let reason = verdict.expect_err("a wrong history was accepted");
    assert!(reason.contains(why), "{reason}");
}

async fn a_true_history_is_accepted_in_any_order_of_its_messages(_: Arc<Servers>) -> Outcome {
    let shop = busy_shop();
    let mut messages = shop.messages();
    let end = check(&shop.requests, &messages, Index::Current).map_err(anyhow::Error::msg)?;
    assert_eq!(end.parts, shop.store.parts());
    assert_eq!(end.shown(&"o1".try_into()?), [("S".try_into()?, "b3".try_into()?)]);
    messages.reverse();
    messages.extend(shop.messages());
    assert_eq!(shop.verdict_on(&messages), Ok(()));
    Ok(())
}

async fn requests_that_overlap_may_come_in_either_order(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 5).allocate("o1", 5).allocate("o2", 5).allocate("o1", 5);
    // The one that came too late asked first, and was answered last.
    (shop.requests[2].invoked, shop.requests[2].answer) = (7, Some((90, Told::OutOfStock)));
    assert_eq!(shop.verdict(), Ok(()));
    Ok(())
}

async fn a_request_without_an_answer_may_have_happened_or_not(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 5).allocate("o1", 2).allocate("o2", 4);
    for request in 0..3 {
        shop.requests[request].answer = None;
    }
    assert_eq!(shop.verdict(), Ok(()));
    assert_eq!(shop.verdict_on(&shop.messages()[..2]), Ok(()));
    Ok(())
}

async fn too_much_was_sold(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 5).allocate("o1", 3).allocate("o2", 3);
    let mut messages = shop.messages();
    messages[2].event = Event::Allocated {
        line: line("o2", "S", 3),
        batchref: "b1".try_into()?,
        eta: None,
        held_until: None,
        line_qty: None,
    };
    shop.tell(2, Told::Allocated("b1".try_into()?));
    refused(shop.verdict_on(&messages), "it tells 3 of o2 on b1; but");
    refused(shop.verdict_on(&messages), "the model makes of it: 3 of o2 out of stock");
    Ok(())
}

async fn an_answer_is_older_than_what_was_answered_before(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 5).allocate("o1", 3).view("o1");
    shop.tell(2, Told::Shown(Vec::new()));
    refused(shop.verdict(), "shows what was not so at version 2");

    let mut shop = Shop::default();
    shop.create("b1", 5).allocate("o1", 3);
    shop.tell(1, Told::UnknownSku);
    refused(shop.verdict_on(&shop.messages()[..1]), "version 1 was answered before");
    Ok(())
}

async fn an_answer_comes_before_it_can_be_known(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 5).view("o1").allocate("o1", 3);
    shop.tell(1, Told::Shown(vec![("S".try_into()?, "b1".try_into()?)]));
    refused(shop.verdict(), "version 2 of S is older than whoever asked for it");
    Ok(())
}

async fn a_commit_is_lost(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 5).allocate("o1", 3).allocate("o2", 3);
    refused(shop.verdict_on(&shop.messages()[..2]), "does the model say so");
    let mut shop = Shop::default();
    shop.create("b1", 5).allocate("o1", 3);
    refused(shop.verdict_on(&shop.messages()[..1]), "does the model say so");
    refused(shop.verdict_on(&[]), "no event tells of it");
    Ok(())
}

async fn a_commit_is_made_twice(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 5).allocate("o1", 2);
    let mut messages = shop.messages();
    let again = Envelope { version: Version(3), id: "S#3#1".to_owned(), ..messages[1].clone() };
    messages.push(again);
    refused(shop.verdict_on(&messages), "version 3 of S can't be: it tells 2 of o1 on b1; but");
    Ok(())
}

async fn commits_are_in_another_order_than_requests(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 5).allocate("o1", 2).allocate("o2", 2);
    let mut messages = shop.messages();
    let (first, second) = (messages[1].event.clone(), messages[2].event.clone());
    (messages[1].event, messages[2].event) = (second, first);
    refused(shop.verdict_on(&messages), "version 2 of S is older than whoever asked for it");
    Ok(())
}

async fn an_answer_names_another_batch(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 5).create("b2", 5).allocate("o1", 2);
    shop.tell(2, Told::Allocated("b2".try_into()?));
    refused(shop.verdict(), "does the model say so");
    Ok(())
}

async fn a_version_is_missing(_: Arc<Servers>) -> Outcome {
    let shop = busy_shop();
    let without =
        |version| shop.messages().into_iter().filter(|message| message.version != Version(version)).collect::<Vec<_>>();
    refused(shop.verdict_on(&without(1)), "a gap: event S#2#1");
    refused(shop.verdict_on(&without(3)), "a gap: event S#4#1");
    let last = shop.messages().last().unwrap().version.0;
    refused(shop.verdict_on(&without(last)), "does the model say so");
    let without_part: Vec<_> = shop.messages().into_iter().filter(|message| !message.id.ends_with("#2")).collect();
    refused(shop.verdict_on(&without_part), "a gap: event S#6#3");
    Ok(())
}

async fn an_event_is_told_twice_and_differently(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 5).allocate("o1", 2);
    let mut messages = shop.messages();
    let mut other = messages[1].clone();
    other.event = Event::Allocated {
        line: line("o1", "S", 3),
        batchref: "b1".try_into()?,
        eta: None,
        held_until: None,
        line_qty: None,
    };
    messages.push(other);
    refused(shop.verdict_on(&messages), "event S#2#1 was told twice, and differently");
    Ok(())
}

async fn the_view_shows_something_else(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 5).create("b2", 5).allocate("o1", 2).view("o1").change("b1", 0, 1).view("o1");
    assert_eq!(shop.verdict(), Ok(()));
    shop.tell(3, Told::Shown(vec![("S".try_into()?, "b1".try_into()?); 2]));
    refused(shop.verdict(), "the view of S shows what was not so");
    // Where it was before the change is true, if nobody knows of the change.
    shop.tell(3, Told::Shown(vec![("S".try_into()?, "b1".try_into()?)]));
    shop.tell(5, Told::Shown(vec![("S".try_into()?, "b1".try_into()?)]));
    assert_eq!(shop.verdict(), Ok(()));
    shop.tell(3, Told::Shown(vec![("S".try_into()?, "b2".try_into()?)]));
    refused(shop.verdict(), "the view of S shows what was not so");
    Ok(())
}

async fn nobody_asked_for_it(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 5).allocate("o1", 2);
    shop.requests.pop();
    refused(shop.verdict(), "it tells 2 of o1 on b1; and nobody asked for it");
    Ok(())
}

async fn the_wrong_line_gives_way(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 4).allocate("o1", 2).allocate("o2", 2).change("b1", 2, 1);
    let mut messages = shop.messages();
    messages[3].event =
        Event::Deallocated { line: line("o1", "S", 2), batchref: "b1".try_into()?, reason: DeallocationReason::Shrunk };
    messages[4].event = Event::OutOfStock { line: line("o1", "S", 2), waiting: true, line_qty: None };
    refused(shop.verdict_on(&messages), "makes of it: 2 of o2 off b1, 2 of o2 out of stock, b1 holds 2");
    // That is what an index makes of it which does not show the youngest line yet.
    assert!(check(&shop.requests, &messages, Index::MayLag).is_ok());
    Ok(())
}

async fn a_refusal_is_news_and_no_event_tells_of_it(_: Arc<Servers>) -> Outcome {
    let wrong = "does the model say so";
    let mut shop = Shop::default();
    shop.create("b1", 1).allocate("o1", 3).allocate("o1", 3).allocate("o2", 4);
    assert_eq!((shop.verdict(), shop.messages().len()), (Ok(()), 2));
    refused(shop.verdict_on(&shop.messages()[..1]), wrong);
    shop.allocate("o3", 2);
    assert_eq!((shop.verdict(), shop.messages().len()), (Ok(()), 3));
    refused(shop.verdict_on(&shop.messages()[..2]), wrong);
    // Of a new stock, whatever was refused before is news.
    shop.create("b2", 1).allocate("o3", 2);
    assert_eq!((shop.verdict(), shop.messages().len()), (Ok(()), 5));
    refused(shop.verdict_on(&shop.messages()[..4]), wrong);
    Ok(())
}

async fn a_refusal_is_nothing_new_and_an_event_tells_of_it(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 1).allocate("o1", 2).allocate("o1", 2);
    let mut messages = shop.messages();
    messages.push(Envelope { version: Version(3), id: "S#3#1".to_owned(), ..messages[1].clone() });
    refused(shop.verdict_on(&messages), "it tells 2 of o1 out of stock; but the model makes of it: nothing");
    Ok(())
}

async fn a_line_with_a_place_is_refused(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 2).allocate("o1", 2).allocate("o2", 2).allocate("o1", 2);
    assert_eq!(shop.verdict(), Ok(()));
    shop.tell(3, Told::OutOfStock);
    refused(shop.verdict(), "does the model say so");
    // Nor was it refused by a stock that came after the one that it got.
    shop.tell(3, Told::Allocated("b1".try_into()?));
    shop.tell(1, Told::OutOfStock);
    shop.requests[1].answer = Some((1_000, Told::OutOfStock));
    refused(shop.verdict(), "does the model say so");
    Ok(())
}

async fn an_answer_that_tells_little_must_still_be_true(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 3).allocate("o1", 2).allocate("o2", 2);
    shop.tell(1, Told::Accepted);
    shop.tell(2, Told::Accepted);
    assert_eq!(shop.verdict(), Ok(()));
    refused(shop.verdict_on(&shop.messages()[..2]), "does the model say so");
    Ok(())
}

async fn lines_that_share_a_commit_are_each_asked_for_and_served_in_turn(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 3).allocate("o1", 2).allocate("o2", 2);
    for request in 1..3 {
        shop.requests[request].answer = None;
    }
    let mut messages = shop.messages();
    (messages[2].version, messages[2].id) = (Version(2), "S#2#2".to_owned());
    assert_eq!(shop.verdict_on(&messages), Ok(()));

    let (first, second) = (messages[1].event.clone(), messages[2].event.clone());
    (messages[1].event, messages[2].event) = (second, first);
    refused(shop.verdict_on(&messages), "the model makes of it: 2 of o2 on b1, 2 of o1 out of stock");
    let mut messages = shop.messages();
    (messages[2].version, messages[2].id, messages[2].event) =
        (Version(2), "S#2#2".to_owned(), messages[1].event.clone());
    refused(shop.verdict_on(&messages), "version 2 of S can't be");
    let mut messages = shop.messages();
    (messages[2].version, messages[2].id) = (Version(2), "S#2#2".to_owned());
    shop.requests.pop();
    refused(shop.verdict_on(&messages), "and nobody asked for it");
    Ok(())
}

async fn a_line_ends_otherwise_than_it_is_told(_: Arc<Servers>) -> Outcome {
    let wrong = "does the model say so";
    let mut shop = Shop::default();
    shop.create("b1", 5).allocate("o1", 2).deallocate("o1", 2).ship("o1", 2);
    assert_eq!(shop.verdict(), Ok(()));
    for told in [Told::Done, Told::UnknownLine, Told::NotAllocated] {
        shop.tell(3, told);
        refused(shop.verdict(), wrong);
    }
    shop.tell(2, Told::LineShipped);
    refused(shop.verdict(), "nobody asked for it");
    let mut shop = Shop::default();
    shop.create("b1", 5).allocate("o1", 2).ship("o1", 2).deallocate("o1", 2);
    refused(shop.verdict_on(&shop.messages()[..2]), wrong);
    shop.tell(3, Told::Done);
    refused(shop.verdict(), wrong);
    Ok(())
}

async fn a_cancelled_line_comes_back(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 5).allocate("o1", 2).deallocate("o1", 2).allocate("o1", 2);
    assert_eq!(shop.verdict(), Ok(()));
    let mut messages = shop.messages();
    messages.push(Envelope { version: Version(4), id: "S#4#1".to_owned(), ..messages[1].clone() });
    shop.tell(3, Told::Allocated("b1".try_into()?));
    refused(shop.verdict_on(&messages), "version 4 of S can't be: it tells 2 of o1 on b1; but");
    assert_eq!(shop.store.parts()[&PartId::first_of(line("o1", "S", 2).id())].place, Place::Cancelled);
    Ok(())
}

async fn a_cancelled_order_is_told_otherwise(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 9).allocate("o1", 2).allocate("o1", 3).ship("o1", 3).cancel_all("o1").allocate("o1", 1);
    assert_eq!(shop.verdict(), Ok(()));
    let told = |shop: &Shop| match &shop.requests[4].answer {
        Some((_, Told::Cancelled(lines))) => lines.clone(),
        other => panic!("{other:?}"),
    };
    let lines = told(&shop);
    assert_eq!(lines.len(), 2);

    shop.tell(4, Told::Cancelled(lines[..1].to_vec()));
    refused(shop.verdict(), "leaves out");
    let mut wrong = lines.clone();
    wrong[0].pieces = wrong[1].pieces.clone();
    shop.tell(4, Told::Cancelled(wrong));
    refused(shop.verdict(), "never ends so");
    let mut stands = lines.clone();
    stands[0].pieces = BTreeMap::from([(Place::Waiting, stands[0].line.qty.get())]);
    shop.tell(4, Told::Cancelled(stands));
    refused(shop.verdict(), "stands");
    shop.tell(4, Told::Done);
    refused(shop.verdict(), "is no answer to that");
    shop.tell(4, Told::Cancelled(lines));
    assert_eq!(shop.verdict(), Ok(()));

    // Of an order that nobody cancelled.
    let mut shop = Shop::default();
    shop.create("b1", 9).cancel_all("o1").allocate("o2", 1);
    shop.tell(2, Told::OrderCancelled);
    refused(shop.verdict(), "nobody had asked to cancel it");
    Ok(())
}

async fn a_line_comes_while_its_order_is_cancelled(_: Arc<Servers>) -> Outcome {
    let mut shop = Shop::default();
    shop.create("b1", 9).allocate("o1", 2).view("o1").allocate("o1", 3).deallocate("o1", 2).cancel_all("o1");
    // Whoever cancelled the order did not see the second line at first, and took two commits. The first of them is not
    // the first line's own, whose caller was answered long before.
    shop.requests.remove(4);
    assert_eq!(shop.verdict(), Ok(()));
    Ok(())
}

/// Five of S and five of T, and an order that has some of both.
fn shop_with_an_order() -> Shop {
    let mut shop = Shop::default();
    shop.create("b1", 5).ask(Command::CreateBatch(new_batch("b2", "T", 5)));
    shop.put("o1", &[("S", 2), ("T", 3)], None);
    assert_eq!(shop.verdict(), Ok(()));
    shop
}

/// Without the events of one SKU's last version.
fn without_the_last(shop: &Shop, sku: &str) -> Vec<Envelope> {
    let mut messages = shop.messages();
    let last =
        messages.iter().filter(|message| message.event.sku().as_str() == sku).map(|message| message.version).max();
    messages.retain(|message| message.event.sku().as_str() != sku || Some(message.version) != last);
    messages
}

async fn an_order_is_there_in_part(_: Arc<Servers>) -> Outcome {
    let mut shop = shop_with_an_order();
    shop.requests[2].answer = None;
    assert_eq!(shop.verdict(), Ok(()));
    for sku in ["S", "T"] {
        refused(shop.verdict_on(&without_the_last(&shop, sku)), "o1 ends with");
    }
    // Nobody knows whether it was put at all.
    assert_eq!(shop.verdict_on(&shop.messages()[..2]), Ok(()));

    // Of two states, it has one and not some of each.
    let mut shop = shop_with_an_order();
    shop.put("o1", &[("S", 1), ("T", 1)], None);
    assert_eq!(shop.verdict(), Ok(()));
    for request in 2..4 {
        shop.requests[request].answer = None;
    }
    refused(shop.verdict_on(&without_the_last(&shop, "T")), "o1 ends with");
    // It has the older one, though a newer one was answered, of which nothing had to be told.
    let mut shop = shop_with_an_order();
    let before = shop.messages();
    shop.put("o1", &[], None);
    assert_eq!(shop.verdict(), Ok(()));
    refused(shop.verdict_on(&before), "does the model say so");
    shop.requests[3].answer = None;
    assert_eq!(shop.verdict_on(&before), Ok(()));
    Ok(())
}

async fn an_order_is_told_otherwise(_: Arc<Servers>) -> Outcome {
    let mut shop = shop_with_an_order();
    let Some((_, Told::Put(lines))) = shop.requests[2].answer.clone() else { panic!("no lines") };
    shop.tell(2, Told::Put(lines[..1].to_vec()));
    refused(shop.verdict(), "that can't be told");
    let mut moved = lines.clone();
    moved[0].pieces = BTreeMap::from([(Place::Waiting, moved[0].line.qty.get())]);
    shop.tell(2, Told::Put(moved));
    refused(shop.verdict(), "does the model say so");
    for told in [Told::OrderCancelled, Told::OrderOutdated, Told::LineShipped, Told::Done, Told::Short(Vec::new())] {
        shop.tell(2, told);
        refused(shop.verdict(), "that can't be told");
    }
    // A line of it that another commit gave back, though nobody asked.
    let mut shop = shop_with_an_order();
    shop.put("o1", &[("S", 2)], None);
    assert_eq!(shop.verdict(), Ok(()));
    shop.requests.pop();
    refused(shop.verdict(), "3 of o1 cancelled, off b2");
    // A version that is older than another one was.
    let mut shop = shop_with_an_order();
    shop.put("o1", &[("S", 1)], Some(2)).put("o1", &[("S", 3)], Some(1));
    assert!(matches!(shop.requests[4].answer, Some((_, Told::OrderOutdated))));
    assert_eq!(shop.verdict(), Ok(()));
    shop.requests[3].asked = Asked::Command(Command::PutOrder(whole("o1", vec![line("o1", "S", 1)])));
    refused(shop.verdict(), "that can't be told");
    Ok(())
}

async fn an_order_is_refused_though_there_is_enough(_: Arc<Servers>) -> Outcome {
    let mut shop = shop_with_an_order();
    shop.put("o2", &[("S", 3), ("T", 3)], None).put("o2", &[("S", 4), ("T", 3)], None);
    let Some((_, Told::Short(short))) = shop.requests[3].answer.clone() else { panic!("it fits") };
    assert_eq!((short.len(), shop.verdict()), (1, Ok(())));
    let Some((_, Told::Short(both))) = shop.requests[4].answer.clone() else { panic!("it fits") };
    shop.tell(3, Told::Short(both));
    refused(shop.verdict(), "at no version of S");
    shop.tell(3, Told::Put(Vec::new()));
    refused(shop.verdict(), "that can't be told");
    Ok(())
}

async fn a_line_that_comes_by_itself_may_stay_beside_its_order(_: Arc<Servers>) -> Outcome {
    let mut shop = shop_with_an_order();
    shop.allocate("o1", 1).put("o1", &[("S", 2), ("T", 1)], None);
    assert_eq!(shop.verdict(), Ok(()));
    // The commit did not see the line of S.
    let unseen = without_the_last(&shop, "S");
    assert_eq!(shop.verdict_on(&unseen), Ok(()));
    // What the order had itself, it must have seen.
    refused(shop.verdict_on(&without_the_last(&shop, "T")), "does the model say so");

    // Of two that came by themselves, it may not have seen the last; it did not see the last alone.
    let mut shop = shop_with_an_order();
    shop.create("b3", 5).allocate("o1", 3).allocate("o1", 1).put("o1", &[("S", 2), ("T", 3)], None);
    assert_eq!(shop.verdict(), Ok(()));
    assert_eq!(shop.verdict_on(&without_a_cancellation(&shop, 1)), Ok(()));
    refused(shop.verdict_on(&without_a_cancellation(&shop, 3)), "makes of it");
    Ok(())
}

/// Without the cancellation of one of two lines of a version, that of so many pieces.
fn without_a_cancellation(shop: &Shop, qty: u32) -> Vec<Envelope> {
    let is_cancelled = |message: &Envelope| matches!(message.event, Event::Cancelled { .. });
    let is_it = |message: &Envelope| message.event.line().is_some_and(|line| line.qty.get() == qty);
    let mut messages = shop.messages();
    messages.retain(|message| !(is_cancelled(message) && is_it(message)));
    for message in messages.iter_mut().filter(|message| is_cancelled(message)) {
        (message.id, message.of) = (format!("{}#{}#1", message.event.sku(), message.version), 1);
    }
    messages
}
