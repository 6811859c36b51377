//! Mail through SES.

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::SdkError;
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, Template};
use service_layer::Source;
use service_layer::ports::{Mail, Mailer};

use crate::report::chain;

/// Mails from one address to another.
#[derive(Clone, Debug)]
pub struct SesMailer {
    client: Client,
    from: String,
    to: String,
}

impl SesMailer {
    /// Sends from an address that SES has verified.
    #[must_use]
    pub fn new(client: Client, from: String, to: String) -> Self {
        Self { client, from, to }
    }

    /// Opens the connection with a mail that can't be sent: it has no recipient, and a template that does not exist. SES refuses it.
    pub(crate) async fn touch(&self) -> Result<(), SdkError<SendEmailError>> {
        let nothing = EmailContent::builder().template(Template::builder().template_name("none").build()).build();
        self.client.send_email().from_email_address(&self.from).content(nothing).send().await.map(drop)
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
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(&self.to).build())
            .content(EmailContent::builder().simple(message).build())
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
