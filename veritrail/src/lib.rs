//! The single binary: up, and the command line.
