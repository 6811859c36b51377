//! Mail through SES.

use aws_sdk_ses::Client;
use aws_sdk_ses::error::SdkError;
use aws_sdk_ses::operation::send_email::SendEmailError;
use aws_sdk_ses::types::{Body, Content, Destination, Message};
use service_layer::Source;
use service_layer::ports::{Mail, Mailer};

use crate::report::chain;

/// Mails from one address to another.
#[derive(Clone, Debug)]
pub struct SesMailer {
    client: Client,
    from: String,
    to: String,
    configuration_set: Option<String>,
}

impl SesMailer {
    /// Sends from an address that SES has verified, by this configuration set; without one, by the default one of the
    /// identity that the address belongs to, if it has one.
    #[must_use]
    pub fn new(client: Client, from: String, to: String, configuration_set: Option<String>) -> Self {
        Self { client, from, to, configuration_set }
    }

    /// Opens the connection with a mail that can't be sent: it has no recipient, no text, and a sender that is no
    /// address. SES refuses it for the first two; the emulator would take it, but for the third.
    pub(crate) async fn warm_up(&self) -> Result<(), SdkError<SendEmailError>> {
        self.client.send_email().source("nobody").send().await.map(drop)
    }
}

impl Mailer for SesMailer {
    async fn send(&self, mail: &Mail) -> Result<(), Source> {
        let content = |text: &str| Content::builder().charset("UTF-8").data(text).build();
        let message = Message::builder()
            .subject(content(&mail.subject)?)
            .body(Body::builder().text(content(&mail.text)?).build())
            .build();
        self.client
            .send_email()
            .source(&self.from)
            .destination(Destination::builder().to_addresses(&self.to).build())
            .message(message)
            .set_configuration_set_name(self.configuration_set.clone())
            .send()
            .await
            .map_err(|error| without_addresses(&chain(&error)))?;
        Ok(())
    }
}

/// SES names in its refusals who is not verified. A log is no place for mail addresses.
fn without_addresses(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace);
    words.map(|word| if word.contains('@') { "(address) " } else { word }).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_without_addresses() {
        let refusal =
            "MessageRejected: the following identities failed the check in region EU-WEST-1: Shop <a@b.c>, d@e.f";
        let told =
            "MessageRejected: the following identities failed the check in region EU-WEST-1: Shop (address) (address)";
        assert_eq!(without_addresses(refusal), told);
    }
}
