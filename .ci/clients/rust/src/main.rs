//! Drives the API with the client that openapi-generator makes of docs/openapi.json:
//!
//! ```sh
//! drive API_URL RUN
//! ```
//!
//! RUN makes the names of one run its own.

use std::env::args;

use allocation::apis::batches_api::{
    ChangeBatchSuccess, CreateBatchSuccess, ListLinesSuccess, ShowBatchesSuccess, change_batch, create_batch,
    list_lines, show_batches,
};
use allocation::apis::configuration::Configuration;
use allocation::apis::lines_api::{AllocateError, AllocateSuccess, DeallocateSuccess, allocate, deallocate};
use allocation::apis::orders_api::{
    CancelOrderSuccess, PutOrderError, PutOrderSuccess, ShowOrderError, ShowOrderSuccess, cancel_order, put_order,
    show_order,
};
use allocation::apis::products_api::{ShowProductSuccess, show_product};
use allocation::apis::{Error, ResponseContent};
use allocation::models::error::Code;
use allocation::models::shown_line::State;
use allocation::models::{self, BatchChange, LineName, NewBatch, Order, OrderLine, Product, WantedLine, WantedOrder};
use chrono::NaiveDate;
use reqwest::Client;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};

/// The body of a success, which must be of this kind. The status is that of the answer, not of the variant's name: the client
/// takes the first variant that fits.
macro_rules! found {
    ($answer:expr, $status:literal, $kind:path) => {{
        let ResponseContent { status, content, entity } = $answer.unwrap();
        assert_eq!(status, $status, "{content}");
        match entity {
            Some($kind(body)) => body,
            other => panic!("{other:?}: {content}"),
        }
    }};
}

/// The error, which must be of this kind.
macro_rules! refused {
    ($answer:expr, $status:literal, $kind:path) => {
        match $answer {
            Err(Error::ResponseError(ResponseContent { status, entity: Some($kind(error)), .. }))
                if status == $status =>
            {
                error
            }
            other => panic!("{other:?}"),
        }
    };
}

struct Drive {
    api: Configuration,
    run: String,
    sku: String,
    reference: String,
    orderid: String,
}

type Allocation = Result<ResponseContent<AllocateSuccess>, Error<AllocateError>>;

impl Drive {
    fn new(url: String, run: String) -> Self {
        // Without `accept`, an answer that has nothing to tell is the text OK, which the client can't read.
        let accept = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let client = Client::builder().default_headers(accept).build().unwrap();
        let api = Configuration { base_path: url, client, ..Configuration::default() };
        // No blanks: in a path, the client writes them as `+`.
        let named = |kind: &str| format!("{kind}-1/50%+é-{run}");
        Self { api, sku: named("CLOCK"), reference: named("batch"), orderid: named("order"), run }
    }

    fn line(&self, qty: i64, name: Option<&str>) -> OrderLine {
        let name = name.map(str::to_owned);
        OrderLine { line: name, ..OrderLine::new(self.orderid.clone(), qty, self.sku.clone()) }
    }

    async fn allocate(&self, line: OrderLine, prefer: Option<&str>) -> Allocation {
        allocate(&self.api, line, prefer, None).await
    }

    async fn product(&self, sku: &str) -> Product {
        found!(show_product(&self.api, sku, None).await, 200, ShowProductSuccess::Status200)
    }

    async fn order(&self) -> Order {
        found!(show_order(&self.api, &self.orderid, None, None, None).await, 200, ShowOrderSuccess::Status200)
    }

    async fn all(&self) {
        let eta = NaiveDate::from_ymd_opt(2031, 1, 2).unwrap();

        // A batch.
        let batch = NewBatch { eta: Some(Some(eta)), ..NewBatch::new(100, self.reference.clone(), self.sku.clone()) };
        found!(create_batch(&self.api, batch, None).await, 201, CreateBatchSuccess::Status201);

        // A line, told what became of it; and one that is not.
        let told = self.allocate(self.line(10, Some("gift")), Some("return=representation")).await;
        assert_eq!(found!(told, 201, AllocateSuccess::Status201).batchref, self.reference);
        found!(self.allocate(self.line(3, None), None).await, 202, AllocateSuccess::Status202);

        // The product, the order, and the batch's lines in pages of one.
        let product = self.product(&self.sku).await;
        assert_eq!((&product.sku, product.free), (&self.sku, 0));
        assert_eq!(product.incoming, [models::Incoming::new(eta, 87)]);
        assert_eq!(*product.waiting, models::ProductWaiting::new(0, 0));
        assert_eq!(product.batches[0].allocated, 13);
        let order = self.order().await;
        let shown = |name: &str, qty: i64| {
            let part = models::ShownPart::new(self.reference.clone(), Some(eta), qty);
            models::ShownLine::new(name.to_owned(), vec![part], qty, self.sku.clone(), State::Allocated)
        };
        assert_eq!(order, Order::new(vec![shown("3", 3), shown("gift", 10)], None, self.orderid.clone()));
        assert_eq!(self.lines_of_batch().await, ["3", "gift"]);

        // Errors are of a type.
        let elsewhere = OrderLine { sku: format!("none-{}", self.run), ..self.line(1, None) };
        let unknown = refused!(self.allocate(elsewhere, None).await, 400, AllocateError::Status400);
        assert_eq!(unknown.code, Code::UnknownSku);
        let nobody = show_order(&self.api, &format!("nobody's-{}", self.run), None, None, None).await;
        assert_eq!(refused!(nobody, 404, ShowOrderError::Status400).code, Code::UnknownOrder);
        let invalid = refused!(self.allocate(self.line(0, None), None).await, 400, AllocateError::Status400);
        assert_eq!((invalid.code, invalid.field.as_deref()), (Code::InvalidInput, Some("qty")));
        let differs = refused!(self.allocate(self.line(4, Some("gift")), None).await, 409, AllocateError::Status400);
        assert_eq!((differs.code, differs.qty), (Code::LineDiffers, Some(10)));

        // The batch arrives, smaller than promised: null is sent, and read back.
        let change = BatchChange { qty: Some(90), eta: Some(None), ..BatchChange::new() };
        let changed = change_batch(&self.api, &self.reference, change, None).await;
        assert!(found!(changed, 200, ChangeBatchSuccess::Status200).applied);
        let batches = show_batches(&self.api, &self.reference, None).await;
        let batches = found!(batches, 200, ShowBatchesSuccess::Status200).batches;
        assert_eq!(batches, [models::SkuBatch::new(13, None, 77, 90, 0, self.sku.clone())]);

        // The largest quantity.
        let most = NewBatch::new(4_294_967_295, self.reference.clone(), format!("{}-most", self.sku));
        found!(create_batch(&self.api, most.clone(), None).await, 201, CreateBatchSuccess::Status201);
        assert_eq!(self.product(&most.sku).await.free, 4_294_967_295);

        self.put(&most.sku, eta).await;
        self.cancel().await;
        self.blanks().await;
    }

    /// An order of two lines, and then of more than there is.
    async fn put(&self, other: &str, eta: NaiveDate) {
        let (lamp, basket) = (format!("LAMP-1/50%+é-{}", self.run), format!("basket-1/50%+é-{}", self.run));
        let lamps = NewBatch { eta: Some(Some(eta)), ..NewBatch::new(5, self.reference.clone(), lamp.clone()) };
        found!(create_batch(&self.api, lamps, None).await, 201, CreateBatchSuccess::Status201);
        let put = async |lamps: i64, version: i64| {
            let named = WantedLine { line: Some("lamps".to_owned()), ..WantedLine::new(lamps, lamp.clone()) };
            let lines = vec![named, WantedLine::new(1, other.to_owned())];
            let order = WantedOrder { version: Some(version), ..WantedOrder::new(lines) };
            put_order(&self.api, &basket, order, None).await
        };
        for _ in ["now", "again"] {
            let placed = found!(put(2, 1).await, 200, PutOrderSuccess::Status200);
            assert_eq!((&placed.orderid, placed.version), (&basket, Some(1)));
            let states = placed.lines.iter().map(|line| line.state).collect::<Vec<_>>();
            assert_eq!(states, [State::Allocated, State::Allocated]);
        }
        let short = refused!(put(6, 2).await, 409, PutOrderError::Status400);
        assert_eq!(short.code, Code::OutOfStock);
        let few = models::ShortLine::new(0, vec![models::Incoming::new(eta, 5)], "lamps".to_owned(), 6, lamp.clone());
        assert_eq!(short.lines, Some(vec![few]));
    }

    async fn lines_of_batch(&self) -> Vec<String> {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let page = list_lines(&self.api, &self.reference, Some(&self.sku), Some(1), after.as_deref(), None).await;
            let page = found!(page, 200, ListLinesSuccess::Status200);
            assert!(page.lines.len() <= 1);
            names.extend(page.lines.into_iter().map(|line| line.line));
            after = page.next;
            if after.is_none() {
                names.sort();
                return names;
            }
        }
    }

    /// A line is cancelled, then its order.
    async fn cancel(&self) {
        let states = |order: Order| order.lines.into_iter().map(|line| line.state).collect::<Vec<_>>();
        let gift = LineName { line: Some("gift".to_owned()), ..LineName::new(self.orderid.clone(), self.sku.clone()) };
        for _ in ["now", "again"] {
            found!(deallocate(&self.api, gift.clone(), None).await, 200, DeallocateSuccess::Status200);
        }
        let again = self.allocate(self.line(10, Some("gift")), None).await;
        assert_eq!(refused!(again, 409, AllocateError::Status400).code, Code::LineCancelled);
        assert_eq!(states(self.order().await), [State::Allocated, State::Cancelled]);
        let cancelled = cancel_order(&self.api, &self.orderid, None).await;
        let cancelled = found!(cancelled, 200, CancelOrderSuccess::Status200);
        assert_eq!(states(cancelled), [State::Cancelled, State::Cancelled]);
        let late = self.allocate(self.line(5, None), None).await;
        assert_eq!(refused!(late, 409, AllocateError::Status400).code, Code::OrderCancelled);
        assert_eq!(self.product(&self.sku).await.free, 90);
    }

    /// The client asks for another order than the one it was given. Once it does not, the names above can have blanks.
    async fn blanks(&self) {
        let named = NewBatch::new(1, format!("batch {}", self.run), format!("LAMP {}", self.run));
        found!(create_batch(&self.api, named.clone(), None).await, 201, CreateBatchSuccess::Status201);
        assert!(show_product(&self.api, &named.sku, None).await.is_err(), "a blank in a path is read as one");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let [url, run] = args().skip(1).collect::<Vec<_>>().try_into().unwrap();
    Drive::new(url, run).all().await;
}
