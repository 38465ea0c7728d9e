//! The only SQL on chains and entries: group commit, reading, migrations.
