//! The log: embedded or a file; read, append, dead letters.
