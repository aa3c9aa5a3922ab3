//! What both API servers must do alike.
