//! Names of SKUs, orders, batches and lines: values that can only be built valid, from Rust and from JSON alike.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Quantity;

/// Longest name in characters.
const NAME_CHARACTERS: usize = 255;
/// Longest name in bytes of UTF-8, so that a key that it is in fits a sort key of 1,024 bytes.
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
    /// Two names would look the same, and be two.
    #[error("must not contain characters that nobody sees, such as {0:?}")]
    Invisible(char),
    /// It stands for what a decoder could not read: two names that were two may have become one.
    #[error("must not contain U+FFFD, which stands for what was not UTF-8 before it came here")]
    Replacement,
    /// Two names would look the same, and be two.
    #[error("must not begin or end with a blank, such as {0:?}")]
    Blank(char),
}

fn valid_name(text: &str) -> Result<(), InvalidName> {
    let (Some(first), Some(last)) = (text.chars().next(), text.chars().next_back()) else {
        return Err(InvalidName::Empty);
    };
    // What has no more bytes has no more characters, so most names are counted once.
    if text.len() > NAME_CHARACTERS {
        let characters = text.chars().count();
        if characters > NAME_CHARACTERS {
            return Err(InvalidName::TooLong(characters));
        }
        if text.len() > NAME_BYTES {
            return Err(InvalidName::TooManyBytes(text.len()));
        }
    }
    for character in text.chars() {
        match character {
            _ if character.is_control() || is_unknown_to_queues(character) => {
                return Err(InvalidName::Control(character));
            }
            char::REPLACEMENT_CHARACTER => return Err(InvalidName::Replacement),
            _ if is_format(character) => return Err(InvalidName::Invisible(character)),
            _ => {}
        }
    }
    match [first, last].into_iter().find(|end| end.is_whitespace()) {
        Some(blank) => Err(InvalidName::Blank(blank)),
        None => Ok(()),
    }
}

/// SQS takes all characters that XML does. Of those that are no control characters, these two are left out.
fn is_unknown_to_queues(character: char) -> bool {
    matches!(character, '\u{fffe}' | '\u{ffff}')
}

/// Unicode's format characters (general category Cf, as of Unicode 17), such as zero-width joiners, direction marks
/// and the byte order mark; and its line and paragraph separators (Zl, Zp).
fn is_format(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}'
            | '\u{e0020}'..='\u{e007f}'
    )
}

/// Defines a name: 1 to 255 characters that can be seen, and none but those; blanks only inside. Cloning one copies no
/// text.
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
    /// A batch's reference. Batches of several SKUs may share it, one of each: a container, a lot.
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
        assert!(Sku::try_from("é".repeat(256)).is_err() && Sku::try_from("🪑".repeat(250)).is_ok());
    }

    #[test]
    fn two_names_that_look_alike_are_not_taken_for_two() {
        for seen in ["RETRO CLOCK", "рама", "a\u{301}", "á", "🪑", "x\u{e0100}"] {
            assert!(Sku::try_from(seen).is_ok(), "{seen:?}");
        }
        for (name, blank) in [(" A", ' '), ("A ", ' '), ("\u{a0}A", '\u{a0}'), ("A\u{3000}", '\u{3000}'), (" ", ' ')] {
            assert_eq!(Sku::try_from(name), Err(InvalidName::Blank(blank)), "{name:?}");
        }
        for invisible in ['\u{ad}', '\u{200b}', '\u{200d}', '\u{200e}', '\u{2028}', '\u{202e}', '\u{2066}', '\u{feff}']
        {
            let error = Sku::try_from(format!("A{invisible}B")).unwrap_err();
            assert_eq!(error, InvalidName::Invisible(invisible));
            assert!(error.to_string().is_ascii(), "{error}");
        }
        assert_eq!(Sku::try_from("M\u{fffd}bel"), Err(InvalidName::Replacement));
    }

    #[test]
    fn a_name_has_no_character_that_forges_a_line_or_that_a_queue_refuses() {
        for refused in ['\n', '\u{7f}', '\u{fffe}', '\u{ffff}'] {
            assert_eq!(Sku::try_from(format!("A{refused}B")), Err(InvalidName::Control(refused)));
        }
    }
}
