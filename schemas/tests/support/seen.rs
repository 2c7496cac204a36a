//! Everything a reader of a batch can see, as text: two batches that print alike are alike to the last bit.

use model::{Batch, EventTime, Fix, Offset};
use schemas::{Decoder, RawRecord};

/// Decodes the values as records 0, 1, ….
pub(crate) fn decode_all(decoder: &mut Decoder, values: &[&[u8]], batch: &mut Batch) {
    for (offset, value) in values.iter().enumerate() {
        let offset = Offset::new(offset as i64).unwrap();
        let append_time = Some(EventTime::from_us(1));
        decoder.decode(RawRecord { offset, append_time, value: Some(value) }, batch);
    }
}

/// What the batch holds.
pub(crate) fn seen(batch: &Batch) -> Vec<String> {
    let bits = |fix: &Fix| {
        let accuracy = fix.accuracy_m.map(f64::to_bits);
        let place = (fix.point.lon().to_bits(), fix.point.lat().to_bits(), accuracy);
        format!("{place:?} {:?} {} {:?}", fix.datum, fix.mocked, fix.platform)
    };
    let mut lines: Vec<String> = batch
        .punches
        .iter()
        .map(|punch| {
            let photo = punch.photo;
            let texts =
                [punch.event_id, punch.employee_id, punch.device_id, punch.site_claim, punch.time_zone]
                    .map(|text| batch.text(text));
            let plain = (
                punch.kind,
                punch.occurred_at,
                punch.received_at,
                punch.origin,
                punch.trigger,
                (photo.reference.map(|text| batch.text(text)), photo.sha256.map(|text| batch.text(text))),
                photo.is_with_vendor,
            );
            let radios =
                (&punch.wifi, batch.wifi(punch), punch.wifi_ignored, &punch.beacons, batch.beacons(punch));
            let fix = punch.fix.as_ref().map(bits);
            format!("{:?} {texts:?} {plain:?} {fix:?} {radios:?}", punch.offset)
        })
        .collect();
    lines.extend(batch.rejects.iter().map(|reject| format!("{reject:?}")));
    let counts = (batch.unknown_fields, batch.access_points.len(), batch.beacons.len(), batch.next);
    lines.push(format!("{counts:?}"));
    lines
}
