//! Tell the buyers' desk that a line is out of stock.

use std::time::Duration;

use domain::OrderLine;

use crate::ports::{Claim, Environment, Inbox, Mail, Mailer};
use crate::{CorrelationId, Error, MessageBus};

/// How long a handler of an event keeps others away: longer than any function may run.
const LEASE: Duration = Duration::from_secs(40);

/// Sends a mail, once for each event's id.
pub(crate) async fn send_out_of_stock_mail<S: Inbox, E: Environment, M: Mailer>(
    bus: &MessageBus<S, E, M>,
    id: &str,
    line: &OrderLine,
    correlation: &CorrelationId,
) -> Result<(), Error> {
    let (inbox, environment) = (bus.store(), bus.environment());
    match inbox.claim(id, environment.random(), environment.now(), LEASE).await? {
        Claim::Finished => return Ok(()),
        Claim::Held => return Err(Error::Unavailable(format!("event {id} is being handled elsewhere").into())),
        Claim::Granted => {}
    }
    let OrderLine { orderid, sku, qty, name: _ } = line;
    let mail = Mail {
        subject: format!("Out of stock for {sku}"),
        text: format!(
            "Out of stock for {sku}: no batch has {qty} left for order {orderid}.\n\nCorrelation id: {correlation}\n"
        ),
    };
    bus.mailer().send(&mail).await.map_err(Error::Unavailable)?;
    Ok(inbox.finish(id, environment.now()).await?)
}
