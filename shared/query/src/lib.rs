//! What a reader may ask, and matching an entry against it.
