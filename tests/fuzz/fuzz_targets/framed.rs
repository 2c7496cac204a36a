//! Any bytes in a registry's frame, the first byte choosing Avro or Protobuf: one punch or one reject, and a reject leaves
//! nothing else behind.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{Batch, NextOffset, Offset, Partition};
use schemas::decode::{SchemaId, WriterSchema};
use schemas::{Decoded, Decoder, Format, ImportOptions, RawRecord};

fuzz_target!(|value: &[u8]| {
    let Some((choice, body)) = value.split_first() else { return };
    let mut decoder = Decoder::new(Format::Framed, ImportOptions::default());
    let punch = include_str!("../../../schemas/avro/punch.avsc");
    decoder.add_schema(SchemaId(0), WriterSchema::avro(punch).expect("our own schema"));
    decoder.add_schema(SchemaId(1), WriterSchema::protobuf(&[0]));
    let framed = [&[0, 0, 0, 0, choice & 1], body].concat();
    let mut batch = Batch::new(Partition::new(0), NextOffset::START);
    let record = RawRecord { offset: Offset::new(0).expect("0"), append_time: None, value: Some(&framed) };
    assert_eq!(decoder.decode(record, &mut batch), Decoded::Taken);
    assert_eq!(batch.records(), 1);
    assert!(batch.rejects.is_empty() || batch.access_points.is_empty() && batch.beacons.is_empty());
});
