//! What a record says of a photo: which text is a reference, which a hash.
//!
//! Absent on purpose: rejects. Somebody was at work whether or not a picture can be found; what is malformed says so as the
//! punch's reason. And pictures: a text that holds one (`data:`), or is long enough to, is no reference and never kept.

use model::{Batch, Text};

/// The longest reference, in bytes: what web servers and object stores take for an address.
const REFERENCE_BYTES_MAX: usize = 2_048;

/// The parts, in the contract's order: a reader calls them 0 and 1.
pub(super) const PARTS: [&str; 2] = ["photo.ref", "photo.sha256"];

/// The text of a part as [`model::Photo`] has it.
pub(super) fn part(at: usize, text: &[u8], batch: &mut Batch) -> Option<Text> {
    match (text.is_empty(), at) {
        (true, _) => None,
        (false, 0) => Some(reference(text).map_or_else(Text::default, |text| batch.push_text(text))),
        (false, _) => Some(push_sha256(text, batch).unwrap_or_default()),
    }
}

fn reference(text: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= REFERENCE_BYTES_MAX)?;
    let is_picture = text.as_bytes().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"data:"));
    (!is_picture).then_some(text)
}

/// A hash has one spelling, so that two rows of the same picture are equal: digits and small letters.
fn push_sha256(text: &[u8], batch: &mut Batch) -> Option<Text> {
    let mut digits: [u8; 64] = text.try_into().ok()?;
    digits.make_ascii_lowercase();
    let text = std::str::from_utf8(&digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit))?;
    Some(batch.push_text(text))
}

#[cfg(test)]
mod tests {
    use model::{NextOffset, Partition, Photo, PhotoState};

    use super::*;

    fn check(reference: &str, sha256: &str, want: (PhotoState, &str, &str)) {
        let mut batch = Batch::new(Partition::new(0), NextOffset::START);
        let photo = Photo {
            reference: part(0, reference.as_bytes(), &mut batch),
            sha256: part(1, sha256.as_bytes(), &mut batch),
            is_with_vendor: false,
        };
        let text = |part: Option<Text>| batch.text(part.unwrap_or_default());
        assert_eq!((photo.state(), text(photo.reference), text(photo.sha256)), want, "{reference} {sha256}");
    }

    #[test]
    fn a_photo_is_a_reference_and_a_hash_of_64_digits() {
        use PhotoState::{Absent, Malformed, Whole};
        let hash = "0f".repeat(32);
        check("", "", (Absent, "", ""));
        check("s3://photos/1", &hash, (Whole, "s3://photos/1", &hash));
        check("s3://photos/1", &"0F".repeat(32), (Whole, "s3://photos/1", &hash));
        check("s3://photos/1", "", (Malformed, "s3://photos/1", ""));
        check("", &hash, (Malformed, "", &hash));
        for bad in ["00", &hash[1..], &format!("{hash}0"), &format!("g{}", &hash[1..]), "é"] {
            check("s3://photos/1", bad, (Malformed, "s3://photos/1", ""));
        }
        check("data:image/png;base64,iVBORw0KGgo=", &hash, (Malformed, "", &hash));
        check("DATA:,x", &hash, (Malformed, "", &hash));
        check(&"x".repeat(2_048), &hash, (Whole, &"x".repeat(2_048), &hash));
        check(&"x".repeat(2_049), &hash, (Malformed, "", &hash));
    }
}
