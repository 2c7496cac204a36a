//! Any bytes: the scanner of JSON and the general reader make the same of them. The corpus is also run by the test
//! `scan_agrees` of `schemas`.
#![no_main]

#[path = "../../../schemas/tests/support/seen.rs"]
mod seen;

use libfuzzer_sys::fuzz_target;
use model::{Batch, NextOffset, Partition};
use schemas::{Decoder, Format, ImportOptions};
use seen::{decode_all, seen};

fuzz_target!(|value: &[u8]| {
    let decoders = [
        Decoder::new(Format::Json, ImportOptions::default()),
        Decoder::general_json(ImportOptions::default()),
    ];
    let [scanned, general] = decoders.map(|mut decoder| {
        let mut batch = Batch::new(Partition::new(0), NextOffset::START);
        decode_all(&mut decoder, &[value], &mut batch);
        seen(&batch)
    });
    assert_eq!(scanned, general);
});
