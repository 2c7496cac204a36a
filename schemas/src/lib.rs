//! The contract: wire structs, decoders, Arrow schemas, row builders, JSON Schema.
