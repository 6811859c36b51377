//! Whole orders on the running stack, as a shop's engineer would try them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use service_layer::ports::Timestamp;

use crate::layers::{Layers, Outcome, add_tests};
use crate::names::unique;
use crate::servers::Servers;
use crate::shop::{Api, until};

pub(crate) fn add_to(layers: &mut Layers) {
    add_tests!(
        layers,
        "stack",
        [
            a_basket_of_three_with_one_short_is_refused_left_out_in_part_or_waits,
            an_order_is_tried_out_put_edited_and_put_once_more,
            a_hold_that_runs_out_is_swept_and_one_that_is_confirmed_stays,
            a_line_is_split_waits_for_the_rest_and_ships_when_all_is_there,
            orders_over_the_same_skus_in_opposite_order_are_whole_or_absent,
        ]
    );
}

/// A shop with so many pieces of each SKU.
struct Shop {
    api: Api,
    skus: Vec<String>,
}

impl Shop {
    async fn with(servers: &Servers, pieces: &[u32]) -> Result<Self> {
        let api = Api::at(servers.stack().await?.api_url())?;
        let mut skus = Vec::new();
        for qty in pieces {
            let (sku, reference) = (unique("SKU"), unique("batch"));
            ensure!(api.create_batch(&reference, &sku, *qty, None).await?.status == 201, "no batch of {sku}");
            skus.push(sku);
        }
        Ok(Self { api, skus })
    }

    /// So many pieces of each SKU, in one line each.
    fn lines(&self, pieces: &[u32]) -> Value {
        let lines = self.skus.iter().zip(pieces).filter(|(_, qty)| **qty > 0);
        lines.map(|(sku, qty)| json!({"sku": sku, "qty": qty, "line": "L"})).collect()
    }

    async fn put(&self, orderid: &str, body: &Value) -> Result<(u16, Value)> {
        let answer = self.api.put(&format!("orders/{orderid}"), body.to_string()).await?;
        Ok((answer.status, serde_json::from_str(&answer.body)?))
    }

    /// The pieces of each SKU that nobody has.
    async fn free(&self) -> Result<Vec<u64>> {
        let mut free = Vec::new();
        for sku in &self.skus {
            free.push(self.api.ask(&format!("products/{sku}")).await?["free"].as_u64().unwrap());
        }
        Ok(free)
    }
}

/// What became of each line, by SKU in the order of the answer.
fn states(answer: &Value) -> Vec<(u64, &str)> {
    let lines = answer["lines"].as_array().unwrap().iter();
    let mut states: Vec<_> =
        lines.map(|line| (line["qty"].as_u64().unwrap(), line["state"].as_str().unwrap())).collect();
    states.sort_unstable();
    states
}

fn in_seconds(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    String::from(Timestamp(u64::try_from(now.as_millis()).unwrap()).plus(Duration::from_secs(seconds)))
}

async fn a_basket_of_three_with_one_short_is_refused_left_out_in_part_or_waits(servers: Arc<Servers>) -> Outcome {
    let shop = Shop::with(&servers, &[9, 9, 2]).await?;
    let basket = |if_short: &str| json!({"lines": shop.lines(&[1, 2, 3]), "if_short": if_short});
    let (status, refused) = shop.put(&unique("order"), &basket("refuse")).await?;
    assert_eq!((status, &refused["code"]), (409, &json!("out_of_stock")), "{refused}");
    let short = json!([{"sku": shop.skus[2], "line": "L", "qty": 3, "free": 2, "incoming": []}]);
    assert_eq!((&refused["lines"], shop.free().await?), (&short, vec![9, 9, 2]));
    let (_, partial) = shop.put(&unique("order"), &basket("partial")).await?;
    assert_eq!((states(&partial), shop.free().await?), (vec![(1, "allocated"), (2, "allocated")], vec![8, 7, 2]));
    let orderid = unique("order");
    let (_, waits) = shop.put(&orderid, &basket("wait")).await?;
    assert_eq!(states(&waits), [(1, "allocated"), (2, "allocated"), (3, "waiting")]);
    assert_eq!(shop.api.ask(&format!("orders/{orderid}")).await?["lines"], waits["lines"]);
    Ok(())
}

async fn an_order_is_tried_out_put_edited_and_put_once_more(servers: Arc<Servers>) -> Outcome {
    let shop = Shop::with(&servers, &[5, 3]).await?;
    let orderid = unique("order");
    let put = async |pieces: &[u32], version: u32, dry_run: bool| {
        let body = json!({"lines": shop.lines(pieces), "version": version, "dry_run": dry_run});
        shop.put(&orderid, &body).await
    };
    let tried = put(&[3, 1], 1, true).await?;
    assert_eq!(shop.free().await?, [5, 3], "nothing is written");
    assert_eq!((put(&[3, 1], 1, false).await?, shop.free().await?), (tried, vec![2, 2]));
    // Five is all there is, three of which are its own.
    assert_eq!(states(&put(&[5, 0], 2, false).await?.1), [(5, "allocated")]);
    assert_eq!(shop.free().await?, [0, 3]);
    let (status, outdated) = put(&[3, 1], 1, false).await?;
    assert_eq!((status, &outdated["code"]), (409, &json!("order_outdated")));
    assert_eq!((put(&[5, 0], 2, false).await?.0, shop.free().await?), (200, vec![0, 3]));
    Ok(())
}

async fn a_hold_that_runs_out_is_swept_and_one_that_is_confirmed_stays(servers: Arc<Servers>) -> Outcome {
    let shop = Shop::with(&servers, &[4]).await?;
    let [runs_out, stays] = [(); 2].map(|()| unique("cart"));
    let until_then = in_seconds(8);
    for orderid in [&runs_out, &stays] {
        let held = json!({"lines": shop.lines(&[1]), "hold_until": until_then});
        let (status, placed) = shop.put(orderid, &held).await?;
        assert_eq!((status, states(&placed)), (200, vec![(1, "held")]), "{placed}");
    }
    let (_, confirmed) = shop.put(&stays, &json!({"lines": shop.lines(&[1])})).await?;
    assert_eq!((states(&confirmed), shop.free().await?), (vec![(1, "allocated")], vec![2]));
    let path = format!("orders/{runs_out}");
    until("the hold is over", async || {
        let shown = shop.api.ask(&path).await?;
        Ok((states(&shown) == [(1, "cancelled")]).then_some(()))
    })
    .await?;
    // Nobody asks for the SKU but by reading it, which changes nothing.
    until("the sweep has given it back", async || Ok((shop.free().await? == [3]).then_some(()))).await?;
    assert_eq!(states(&shop.api.ask(&format!("orders/{stays}")).await?), [(1, "allocated")]);
    let (_, too_late) = shop.put(&runs_out, &json!({"lines": shop.lines(&[4])})).await?;
    assert_eq!(too_late["code"], "out_of_stock");
    Ok(())
}

/// The pieces of an order's only line, by batch.
fn parts(answer: &Value) -> Vec<(&str, u64)> {
    let parts = answer["lines"][0]["parts"].as_array().unwrap().iter();
    parts.map(|part| (part["batchref"].as_str().unwrap(), part["qty"].as_u64().unwrap())).collect()
}

async fn a_line_is_split_waits_for_the_rest_and_ships_when_all_is_there(servers: Arc<Servers>) -> Outcome {
    let shop = Shop::with(&servers, &[4]).await?;
    let (sku, orderid) = (shop.skus[0].as_str(), unique("order"));
    let [second, third] = [(); 2].map(|()| unique("z-batch"));
    ensure!(shop.api.create_batch(&second, sku, 3, Some("2031-01-02")).await?.status == 201);
    let wanted = |rest: Value| {
        let mut body = json!({"lines": shop.lines(&[9]), "split": true});
        body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        body
    };
    let (status, refused) = shop.put(&orderid, &wanted(json!({}))).await?;
    assert_eq!((status, &refused["lines"][0]["free"]), (409, &json!(4)), "{refused}");
    let tried = shop.put(&orderid, &wanted(json!({"if_short": "wait", "dry_run": true}))).await?;
    let placed = shop.put(&orderid, &wanted(json!({"if_short": "wait"}))).await?;
    assert_eq!(tried, placed);
    assert_eq!((states(&placed.1), parts(&placed.1)[1]), (vec![(9, "waiting")], (second.as_str(), 3)));

    let is_shipped = async || {
        let body = json!({"orderid": orderid, "sku": sku, "line": "L"}).to_string();
        anyhow::Ok(shop.api.post("ship", body, None).await?.status)
    };
    assert_eq!(is_shipped().await?, 409, "two pieces wait");
    let on_second = shop.api.ask(&format!("batches/{second}/lines")).await?;
    assert_eq!((&on_second["lines"][0]["qty"], &on_second["lines"][0]["batchqty"]), (&json!(9), &json!(3)));
    ensure!(shop.api.create_batch(&third, sku, 5, None).await?.status == 201);
    let shown = shop.api.ask(&format!("orders/{orderid}")).await?;
    assert_eq!((states(&shown), parts(&shown)[2]), (vec![(9, "allocated")], (third.as_str(), 2)));
    // A piece of the second batch is missing; the third has it.
    ensure!(shop.api.patch(&format!("batches/{second}"), json!({"qty": 2})).await?.status == 200);
    let shown = shop.api.ask(&format!("orders/{orderid}")).await?;
    assert_eq!(parts(&shown).iter().map(|(_, qty)| qty).sum::<u64>(), 9, "{shown}");
    assert_eq!(is_shipped().await?, 200);
    assert_eq!(states(&shop.api.ask(&format!("orders/{orderid}")).await?), [(9, "shipped")]);
    Ok(())
}

async fn orders_over_the_same_skus_in_opposite_order_are_whole_or_absent(servers: Arc<Servers>) -> Outcome {
    let shop = Shop::with(&servers, &[5, 5, 5]).await?;
    let orders: Vec<String> = (0..8).map(|_| unique("order")).collect();
    let put = async |number: usize, orderid: &String| {
        let Value::Array(mut lines) = shop.lines(&[1, 1, 1]) else { unreachable!("lines are a list") };
        lines.rotate_left(number % 3);
        if number % 2 == 1 {
            lines.reverse();
        }
        shop.put(orderid, &json!({ "lines": lines })).await
    };
    let answers = try_join_all(orders.iter().enumerate().map(|(number, orderid)| put(number, orderid))).await?;
    let placed = answers.iter().filter(|(status, _)| *status == 200).count();
    let refused = answers.iter().filter(|(status, _)| *status == 409).count();
    assert_eq!((placed, refused, shop.free().await?), (5, 3, vec![0, 0, 0]), "{answers:?}");
    for ((status, _), orderid) in answers.iter().zip(&orders) {
        let shown = shop.api.get(&format!("orders/{orderid}")).await?;
        let lines = shown.body.matches(r#""state":"allocated""#).count();
        assert_eq!(lines, if *status == 200 { 3 } else { 0 }, "{}", shown.body);
    }
    Ok(())
}
