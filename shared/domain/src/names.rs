//! Names of SKUs, orders, batches and lines: values that can only be built valid, from Rust and from JSON alike.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Quantity;

/// Longest name in characters.
const NAME_CHARACTERS: usize = 255;
/// Longest name in bytes of UTF-8, so that a line's key (a SKU and a quantity) fits a sort key of 1,024 bytes.
const NAME_BYTES: usize = 1_000;

/// Why a text is no name of a SKU, an order or a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// The text has no characters.
    #[error("must not be empty")]
    Empty,
    /// The text has more than 255 characters.
    #[error("must have at most {NAME_CHARACTERS} characters, not {0}")]
    TooLong(usize),
    /// The text has more than 1,000 bytes: only with many characters outside the Latin alphabets.
    #[error("must have at most {NAME_BYTES} bytes in UTF-8, not {0}")]
    TooManyBytes(usize),
    /// Names end in mail headers and log lines, where a line break would forge one.
    #[error("must not contain control characters, such as {0:?}")]
    Control(char),
}

fn valid_name(text: &str) -> Result<(), InvalidName> {
    if text.is_empty() {
        return Err(InvalidName::Empty);
    }
    let characters = text.chars().count();
    if characters > NAME_CHARACTERS {
        return Err(InvalidName::TooLong(characters));
    }
    if text.len() > NAME_BYTES {
        return Err(InvalidName::TooManyBytes(text.len()));
    }
    match text.chars().find(|character| character.is_control() || is_unknown_to_queues(*character)) {
        Some(character) => Err(InvalidName::Control(character)),
        None => Ok(()),
    }
}

/// SQS takes all characters that XML does. Of those that are no control characters, these two are left out.
fn is_unknown_to_queues(character: char) -> bool {
    matches!(character, '\u{fffe}' | '\u{ffff}')
}

/// Defines a name: 1 to 255 characters, none of them a control character. Cloning one copies no text.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidName;

            fn try_from(text: &str) -> Result<Self, InvalidName> {
                valid_name(text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::try_from(text.as_str())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().into()
            }
        }
    };
}

name! {
    /// A stock-keeping unit: what is sold, such as `RETRO-CLOCK`.
    Sku
}
name! {
    /// A customer's order; its lines share the id.
    OrderId
}
name! {
    /// A batch's reference, unique over all SKUs.
    BatchRef
}
name! {
    /// What tells a line from the others of its order and SKU. A line that was given no name is named by its quantity.
    LineName
}

impl From<Quantity> for LineName {
    fn from(qty: Quantity) -> Self {
        Self(qty.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_255_characters() {
        assert_eq!(Sku::try_from(""), Err(InvalidName::Empty));
        assert_eq!(Sku::try_from("x".repeat(256)), Err(InvalidName::TooLong(256)));
        assert!(Sku::try_from("x".repeat(255)).is_ok());
        assert!(Sku::try_from("é".repeat(255)).is_ok());
        assert_eq!(Sku::try_from("🪑".repeat(251)), Err(InvalidName::TooManyBytes(1_004)));
        assert_eq!(Sku::try_from("A\nB"), Err(InvalidName::Control('\n')));
    }
}
