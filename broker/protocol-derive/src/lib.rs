//! The derive macro behind the message declarations.
