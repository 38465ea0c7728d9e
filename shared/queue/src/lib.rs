//! Messages between services: SQS or PostgreSQL.
