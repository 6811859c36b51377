//! Mail through SES.

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use service_layer::Source;
use service_layer::ports::{Mail, Mailer};

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
            .await?;
        Ok(())
    }
}
