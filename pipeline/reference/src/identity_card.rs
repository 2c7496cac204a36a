//! Whether an employee id looks like an identity-card number, which must never be a pseudonym (contract, section 1).
//!
//! Some cards have a shape nobody else uses: brackets round the check digit (Hong Kong, Macau), or 18 digits with a
//! birth date and a check digit (mainland). Others (a letter and digits: Hong Kong without brackets, Taiwan) look like
//! ordinary staff numbers, of which one in eleven or one in ten passes the check by chance. Those are judged as a set:
//! a list of real cards passes whole, a list of staff numbers does not.

/// Whose card an id looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Card {
    HongKong,
    Mainland,
    Taiwan,
    Macau,
}

impl Card {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::HongKong => "a Hong Kong identity card",
            Self::Mainland => "a mainland identity card",
            Self::Taiwan => "a Taiwan identity card",
            Self::Macau => "a Macau identity card",
        }
    }
}

/// What one id says by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing: it has no card's shape.
    Plain,
    /// It is a card's number beyond doubt.
    Card(Card),
    /// It has a shape that cards share with staff numbers; whether the check digit holds.
    Shared(Card, bool),
}

/// What `id` looks like.
pub(crate) fn look(id: &str) -> Look {
    let text: Vec<u8> = id
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| match c {
            '（' => '(',
            '）' => ')',
            other => other,
        })
        .map(|c| u8::try_from(c).unwrap_or(b'?').to_ascii_uppercase())
        .collect();
    if let Some((body, check)) = bracketed(&text) {
        if is_hong_kong_body(body) && (check.is_ascii_digit() || check == b'A') {
            return Look::Card(Card::HongKong);
        }
        if body.len() == 7 && digits(body) && check.is_ascii_digit() {
            return Look::Card(Card::Macau);
        }
        return Look::Plain;
    }
    if is_mainland(&text) {
        return Look::Card(Card::Mainland);
    }
    let Some((&check, body)) = text.split_last() else { return Look::Plain };
    if is_hong_kong_body(body) && (check.is_ascii_digit() || check == b'A') {
        return Look::Shared(Card::HongKong, hong_kong_check(body) == check);
    }
    if text.len() == 10
        && text[0].is_ascii_uppercase()
        && matches!(text[1], b'1' | b'2' | b'8' | b'9')
        && digits(&text[1..])
    {
        return Look::Shared(Card::Taiwan, is_taiwan(&text));
    }
    Look::Plain
}

/// How many ids share a card's shape, and how many of those pass its check.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SharedShapes {
    hong_kong: (u64, u64),
    taiwan: (u64, u64),
}

impl SharedShapes {
    pub(crate) const fn count(&mut self, card: Card, passes: bool) {
        let counts = match card {
            Card::HongKong => &mut self.hong_kong,
            _ => &mut self.taiwan,
        };
        counts.0 += 1;
        counts.1 += passes as u64;
    }

    /// Whether more than half of the ids of this shape pass: then they are cards, and every one that passes is told.
    pub(crate) const fn are_cards(&self, card: Card) -> bool {
        let (shaped, passing) = match card {
            Card::HongKong => self.hong_kong,
            _ => self.taiwan,
        };
        passing * 2 > shaped
    }
}

fn bracketed(text: &[u8]) -> Option<(&[u8], u8)> {
    let [body @ .., b'(', check, b')'] = text else { return None };
    Some((body, *check))
}

fn digits(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_digit)
}

/// One or two letters and six digits.
fn is_hong_kong_body(body: &[u8]) -> bool {
    let letters = body.iter().take_while(|b| b.is_ascii_uppercase()).count();
    (1..=2).contains(&letters) && body.len() == letters + 6 && digits(&body[letters..])
}

/// Weights 9 to 2 over eight places (a missing first letter counts 36), letters from A = 10, modulo 11, 10 is `A`.
fn hong_kong_check(body: &[u8]) -> u8 {
    let value = |b: &u8| if b.is_ascii_digit() { u32::from(b - b'0') } else { u32::from(b - b'A') + 10 };
    let values = std::iter::repeat_n(36, 8 - body.len()).chain(body.iter().map(value));
    let sum: u32 = values.zip((2..=9).rev()).map(|(v, weight)| v * weight).sum();
    match (11 - sum % 11) % 11 {
        10 => b'A',
        digit => b'0' + digit as u8,
    }
}

/// GB 11643: six digits of region, a birth date, three digits, a check by ISO 7064 mod 11-2.
fn is_mainland(text: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let [body @ .., check] = text else { return false };
    if body.len() != 17 || !digits(body) {
        return false;
    }
    let number =
        |from: usize, until: usize| body[from..until].iter().fold(0_i16, |n, b| n * 10 + i16::from(b - b'0'));
    let (year, month, day) = (number(6, 10), number(10, 12) as i8, number(12, 14) as i8);
    let is_born = (1850..=2150).contains(&year) && jiff::civil::Date::new(year, month, day).is_ok();
    let sum: u32 = body.iter().zip(WEIGHTS).map(|(b, weight)| u32::from(b - b'0') * weight).sum();
    is_born && b"10X98765432"[(sum % 11) as usize] == *check
}

/// The letter's number (10 to 35 in the registry's order), then weights 1 and 9 on its digits, 8 to 1, 1; modulo 10.
fn is_taiwan(text: &[u8]) -> bool {
    const LETTERS: &[u8; 26] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let Some(place) = LETTERS.iter().position(|letter| *letter == text[0]) else { return false };
    let letter = place as u32 + 10;
    let weights = [8, 7, 6, 5, 4, 3, 2, 1, 1];
    let rest: u32 = text[1..].iter().zip(weights).map(|(b, weight)| u32::from(b - b'0') * weight).sum();
    (letter / 10 + letter % 10 * 9 + rest).is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from the issuers' own explanations of their check digits, or made up with a digit computed by hand.
    #[test]
    fn cards_are_known_by_shape_and_check() {
        use Card::{HongKong, Macau, Mainland, Taiwan};
        for (id, expected) in [
            ("G123456(A)", Look::Card(HongKong)),
            ("A123456(7)", Look::Card(HongKong)),
            ("AB987654（3）", Look::Card(HongKong)),
            ("g123456a", Look::Shared(HongKong, true)),
            ("AB9876543", Look::Shared(HongKong, true)),
            ("A1234563", Look::Shared(HongKong, true)),
            ("A1234567", Look::Shared(HongKong, false)),
            ("11010519491231002X", Look::Card(Mainland)),
            ("440524188001010014", Look::Card(Mainland)),
            ("440524188001010015", Look::Plain),
            ("110105194913310023", Look::Plain),
            ("A123456789", Look::Shared(Taiwan, true)),
            ("A123456788", Look::Shared(Taiwan, false)),
            ("1234567(8)", Look::Card(Macau)),
            ("e-00012", Look::Plain),
            ("10233", Look::Plain),
            ("E12345", Look::Plain),
            ("", Look::Plain),
            ("員工甲", Look::Plain),
            ("(1)", Look::Plain),
        ] {
            assert_eq!(look(id), expected, "{id}");
        }
    }

    #[test]
    fn staff_numbers_of_a_cards_shape_are_no_cards_as_a_set() {
        let mut numbers = SharedShapes::default();
        let mut cards = SharedShapes::default();
        for n in 0..500_u32 {
            let Look::Shared(card, passes) = look(&format!("E{n:07}")) else {
                panic!("E{n:07} has the shape")
            };
            numbers.count(card, passes);
            let body = format!("K{:06}", n * 37);
            let id = format!("{body}{}", char::from(hong_kong_check(body.as_bytes())));
            let Look::Shared(card, passes) = look(&id) else { panic!("{id} has the shape") };
            cards.count(card, passes);
        }
        assert!(!numbers.are_cards(Card::HongKong));
        assert!(cards.are_cards(Card::HongKong));
        assert!(!SharedShapes::default().are_cards(Card::Taiwan));
    }
}
