//! Objects: S3 or a directory.
