//! What every process has: configuration, telemetry, callers, problem documents, limits, health, graceful stop.
