//! What an export is: its request, its bytes, its job.
