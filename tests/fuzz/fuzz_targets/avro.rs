//! Any bytes as an Avro datum: `fuzzed::avro` says what holds. The test `fuzz_corpus` of `schemas` runs the corpus, too.
#![no_main]
#![allow(dead_code)]

#[path = "../../../schemas/tests/support/dice.rs"]
mod dice;
#[path = "../../../schemas/tests/support/fuzzed.rs"]
mod fuzzed;
#[path = "../../../schemas/tests/support/lines.rs"]
mod lines;
#[path = "../../../schemas/tests/support/seen.rs"]
mod seen;

libfuzzer_sys::fuzz_target!(|value: &[u8]| fuzzed::avro(value));
