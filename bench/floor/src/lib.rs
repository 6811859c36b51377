//! The floor: the least programs that make the same AWS calls as the functions, with fixed bodies and the same SDK features. Nothing is
//! parsed, decided, logged or retried here beyond what the SDK does by itself.
