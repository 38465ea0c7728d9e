//! Following the trail: over sockets with a client library that shares no code with the server's,
//! over server-sent events, and with bytes that no library would send.

mod client;
mod credentials;
mod damage;
mod ends;
mod events;
mod join;
mod limits;
mod malformed;
mod once;
mod quiet;
mod sight;
mod slow;
