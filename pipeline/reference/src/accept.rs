//! Whether a new snapshot may take the place of the one in force.

use std::collections::HashSet;
use std::fmt;

use model::{Reference, Rows};

/// More than one in this many rows of a set gone: the new snapshot is refused (design, decision 12: 10 %).
const LOST_ONE_IN: usize = 10;

/// How many lost ids are named.
const EXAMPLES_MAX: usize = 5;

/// What one set lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// `sites`, `people` or `shifts`.
    pub set: &'static str,
    /// How many ids of the snapshot in force are not in the new one.
    pub lost: usize,
    /// How many ids the snapshot in force has.
    pub of: usize,
    /// Some of the lost ids, in order.
    pub examples: Vec<String>,
}

/// A snapshot that loses too much to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    /// Every set that lost too much.
    pub losses: Vec<Loss>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("new reference data is refused: ")?;
        for (i, loss) in self.losses.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            let Loss { set, lost, of, examples } = loss;
            write!(f, "{lost} of {of} {set} are gone ({}", examples.join(", "))?;
            if *lost > examples.len() {
                f.write_str(", …")?;
            }
            f.write_str(")")?;
        }
        f.write_str("; rows end by dates or status, never by absence: send the whole set, or restart to accept the loss")
    }
}

/// Refuses `next` if more than 10 % of the ids of sites, people or shifts in `previous` are missing from it. What is
/// *gone* counts, not how many rows there are: a file of wholly different ids is a loss, however long it is.
pub fn accept(previous: &Reference, next: &Reference) -> Result<(), Refused> {
    let losses: Vec<Loss> = [
        loss("sites", &previous.sites, &next.sites, |site| &site.site_id),
        loss("people", &previous.people, &next.people, |person| &person.employee_id),
        loss("shifts", &previous.shifts, &next.shifts, |shift| &shift.shift_id),
    ]
    .into_iter()
    .flatten()
    .collect();
    if losses.is_empty() { Ok(()) } else { Err(Refused { losses }) }
}

fn loss<T>(set: &'static str, previous: &Rows<T>, next: &Rows<T>, id: fn(&T) -> &str) -> Option<Loss> {
    let all_same = || previous.iter().map(id).eq(next.iter().map(id));
    if previous.is_shared_with(next) || all_same() {
        return None;
    }
    let kept: HashSet<&str> = next.iter().map(id).collect();
    let mut gone: Vec<&str> = previous.iter().map(id).filter(|id| !kept.contains(id)).collect();
    if gone.len() * LOST_ONE_IN <= previous.len() {
        return None;
    }
    gone.sort_unstable();
    let examples = gone.iter().take(EXAMPLES_MAX).map(|id| (*id).to_owned()).collect();
    Some(Loss { set, lost: gone.len(), of: previous.len(), examples })
}

#[cfg(test)]
mod tests {
    use model::Person;

    use super::*;

    fn people(ids: impl IntoIterator<Item = usize>) -> Reference {
        let person = |n: usize| Person {
            employee_id: format!("e-{n:03}").into(),
            org: "hk".into(),
            home_site: None,
            allowed_sites: Vec::new(),
            groups: Vec::new(),
            managers: Vec::new(),
            location_declined: false,
            joined: None,
            left: None,
        };
        Reference { people: ids.into_iter().map(person).collect(), ..Reference::default() }
    }

    #[test]
    fn a_tenth_may_go_and_not_more() {
        for (previous, next, accepted) in [
            (people(0..100), people(10..100), true),
            (people(0..100), people(11..100), false),
            (people(0..100), people(50..300), false),
            (people(0..9), people(1..9), false),
            (people(0..0), people(0..5), true),
            (people(0..3), people(0..0), false),
        ] {
            let label = format!("{} -> {}", previous.people.len(), next.people.len());
            assert_eq!(accept(&previous, &next).is_ok(), accepted, "{label}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_gone() {
        let refused = accept(&people(0..20), &people(7..20)).unwrap_err();
        assert!(
            refused.to_string().contains("7 of 20 people are gone (e-000, e-001, e-002, e-003, e-004, …)"),
            "{refused}"
        );
    }
}
