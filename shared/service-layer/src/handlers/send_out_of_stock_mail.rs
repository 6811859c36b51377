//! Tell the buyers' desk that lines are out of stock.

use std::time::Duration;

use domain::OrderLine;

use crate::outbox::Envelope;
use crate::ports::{Claim, Environment, Inbox, Mail, Mailer};
use crate::{CorrelationId, Error, MessageBus};

/// How long a handler of an event keeps others away: longer than any function may run.
const LEASE: Duration = Duration::from_secs(40);

/// Sends a mail, once for each commit: about the line of the event that comes first, and how many more there are.
pub(crate) async fn send_out_of_stock_mail<S: Inbox, E: Environment, M: Mailer>(
    bus: &MessageBus<S, E, M>,
    envelope: &Envelope,
    line: &OrderLine,
    correlation: &CorrelationId,
) -> Result<(), Error> {
    let (inbox, environment) = (bus.store(), bus.environment());
    let commit = format!("{}#{}", line.sku, envelope.version);
    match inbox.claim(&commit, environment.random(), environment.now(), LEASE).await? {
        Claim::Finished => return Ok(()),
        Claim::Held => return Err(Error::Unavailable(format!("the mail of {commit} is being sent elsewhere").into())),
        Claim::Granted => {}
    }
    let OrderLine { orderid, sku, qty, name: _ } = line;
    let others = match envelope.lines {
        Some(lines @ 2..) => format!(" It is one of {lines} lines that found no stock at that moment."),
        Some(0 | 1) | None => String::new(),
    };
    let mail = Mail {
        subject: format!("Out of stock for {sku}"),
        text: format!(
            "Out of stock for {sku}: no batch has {qty} left for order {orderid}.{others}\n\nCorrelation id: {correlation}\n"
        ),
    };
    bus.mailer().send(&mail).await.map_err(Error::Unavailable)?;
    Ok(inbox.finish(&commit, environment.now()).await?)
}
