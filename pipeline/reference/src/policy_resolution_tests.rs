//! Resolution of policies against a slow reading of the contract, and the cases where its words could be read twice.

use model::FenceRule;

use super::*;
use crate::policy_keys::{KEYS, Setting};
use crate::problem::{At, Report};

fn layer(name: &str, applies_to: &str, valid_from: &str, settings: &[(&str, Setting)]) -> Layer {
    let key = |name: &str| KEYS.iter().position(|key| key.name == name).unwrap();
    let at = At::file(Report::default().add_file("p".into()));
    Layer {
        name: name.into(),
        applies_to: applies_to.into(),
        scope: match applies_to.strip_prefix("group:") {
            Some(group) => Scope::Group(group.into()),
            None => Scope::Org(applies_to.into()),
        },
        is_scoped: true,
        valid_from: valid_from.parse().unwrap(),
        settings: settings.iter().map(|(name, setting)| (key(name), setting.clone())).collect(),
        at,
    }
}

fn grace(minutes: i64) -> (&'static str, Setting) {
    ("grace_in_min", Setting::Integer(minutes))
}

struct Case {
    org: &'static str,
    groups: Vec<Arc<str>>,
    site: Option<Arc<str>>,
    shift: Option<Arc<str>>,
}

fn case(org: &'static str, groups: &[&str], site: Option<&str>, shift: Option<&str>) -> Case {
    let shared = |text: &str| Arc::<str>::from(text);
    let groups = groups.iter().map(|group| shared(group)).collect();
    Case { org, groups, site: site.map(shared), shift: shift.map(shared) }
}

fn grace_of(resolver: &mut Resolver, case: &Case, date: &str) -> i64 {
    let Case { org, groups, site, shift } = case;
    let asked = Asked { org, groups, site: site.as_ref(), shift: shift.as_ref() };
    let index = resolver.find(asked, date.parse().unwrap());
    resolver.policies[index.0 as usize].grace_in_min
}

#[test]
fn the_longest_scope_wins_then_the_latest_date_then_names() {
    let mut resolver = Resolver::new(vec![
        layer("default", "", "2020-01-01", &[grace(1)]),
        layer("default", "", "2026-01-01", &[grace(2)]),
        layer("hk", "hk", "2020-01-01", &[grace(3)]),
        layer("kln", "hk/kln", "2026-06-01", &[grace(4)]),
        layer("night", "group:night", "2020-01-01", &[grace(5)]),
        layer("strict", "nowhere", "2020-01-01", &[grace(6)]),
        layer("shift", "nowhere", "2020-01-01", &[grace(7)]),
        layer("shift", "tw", "2020-01-01", &[grace(8)]),
    ]);
    for (case, date, expected) in [
        (case("sg", &[], None, None), "2019-12-31", 0),
        (case("sg", &[], None, None), "2020-01-01", 1),
        (case("sg", &[], None, None), "2026-01-01", 2),
        (case("hk", &[], None, None), "2026-01-01", 3),
        (case("hk/kln/mk", &[], None, None), "2026-05-31", 3),
        (case("hk/kln/mk", &[], None, None), "2026-06-01", 4),
        (case("hk/klnx", &[], None, None), "2026-06-01", 3),
        (case("hk/kln", &["night", "other"], None, None), "2026-06-01", 5),
        (case("hk/kln", &["night"], Some("strict"), None), "2026-06-01", 6),
        (case("hk/kln", &["night"], Some("strict"), Some("shift")), "2026-06-01", 7),
        (case("tw/x", &[], Some("strict"), Some("shift")), "2026-06-01", 8),
        (case("hk", &[], Some("unknown"), None), "2026-06-01", 3),
    ] {
        let Case { org, groups, .. } = &case;
        let label = format!("{org} {groups:?} on {date}");
        assert_eq!(grace_of(&mut resolver, &case, date), expected, "{label}");
    }
}

#[test]
fn keys_win_one_by_one() {
    let rule = |name: &str| ("fence_rule", Setting::Text(name.to_owned()));
    let mut resolver = Resolver::new(vec![
        layer("a", "", "2020-01-01", &[grace(5), rule("strict")]),
        layer("b", "hk", "2020-01-01", &[grace(9)]),
        layer("c", "nowhere", "2020-01-01", &[rule("centre")]),
    ]);
    let name: Arc<str> = "c".into();
    let date = "2026-01-01".parse().unwrap();
    let plain = resolver.find(Asked { org: "hk", groups: &[], site: None, shift: None }, date);
    let named = resolver.find(Asked { org: "hk", groups: &[], site: Some(&name), shift: None }, date);
    let policies = resolver.policies().to_vec();
    let of =
        |index: PolicyIndex| (policies[index.0 as usize].grace_in_min, policies[index.0 as usize].fence_rule);
    assert_eq!((of(plain), of(named)), ((9, FenceRule::Strict), (9, FenceRule::Centre)));
}

/// The contract's sentence, key by key, with a loop over all tables for each.
fn slow(layers: &[Layer], case: &Case, date: Date) -> Policy {
    let mut policy = Policy::default();
    for (key, put) in KEYS.iter().map(|key| key.set).enumerate() {
        let sets = |layer: &&Layer| layer.valid_from <= date && layer.settings.iter().any(|(k, _)| *k == key);
        let fits = |layer: &&Layer| match layer.applies_to.strip_prefix("group:") {
            Some(group) => case.groups.iter().any(|other| &**other == group),
            None => {
                layer.applies_to.is_empty()
                    || format!("{}/", case.org).starts_with(&format!("{}/", layer.applies_to))
            }
        };
        let best = |layers: Vec<&Layer>| {
            let score = |l: &&Layer| {
                (
                    l.applies_to.len(),
                    l.valid_from,
                    l.applies_to.starts_with("group:"),
                    l.applies_to.clone(),
                    &*l.name == "default",
                    l.name.clone(),
                )
            };
            layers.into_iter().max_by_key(score).cloned()
        };
        let named = |name: &Option<Arc<str>>| {
            let name = name.as_ref()?;
            let of_name: Vec<&Layer> =
                layers.iter().filter(|l| l.name == *name && l.valid_from <= date).collect();
            let covering: Vec<&Layer> = of_name.iter().copied().filter(fits).collect();
            let chosen = if covering.is_empty() { of_name } else { covering };
            best(chosen.into_iter().filter(sets).collect())
        };
        let general = || best(layers.iter().filter(sets).filter(fits).collect());
        if let Some(layer) = named(&case.shift).or_else(|| named(&case.site)).or_else(general) {
            let (_, setting) = layer.settings.iter().find(|(k, _)| *k == key).unwrap();
            put(&mut policy, setting).unwrap();
        }
    }
    policy
}

#[test]
fn random_books_agree_with_the_slow_reading() {
    let seed = 20_261_122_u64;
    println!("seed {seed}");
    let mut random = Random(seed);
    let orgs = ["", "hk", "hk/kln", "hk/kln/mk", "hk/nt", "tw"];
    let asked_orgs = ["hk", "hk/kln", "hk/kln/mk", "hk/kln/mk/1", "hk/klnx", "hk/nt/tp", "tw", "sg"];
    let groups = ["a", "b", "night"];
    let names = ["default", "x", "y"];
    let dates = ["2020-01-01", "2024-02-29", "2026-01-01"];
    let mut resolved = 0;
    for _ in 0..300 {
        let layers: Vec<Layer> = (0..random.below(9))
            .map(|_| {
                let applies_to = match random.below(3) {
                    0 => format!("group:{}", random.of(&groups)),
                    _ => random.of(&orgs).to_owned(),
                };
                let mut settings = vec![grace(random.below(50) as i64)];
                if random.below(2) == 0 {
                    settings.push(("flex_min", Setting::Integer(random.below(50) as i64)));
                }
                if random.below(2) == 0 {
                    settings.remove(0);
                }
                layer(random.of(&names), &applies_to, random.of(&dates), &settings)
            })
            .collect();
        // Clashes are refused before resolution; here the first of a scope and date stands.
        let mut seen = std::collections::HashSet::new();
        let layers: Vec<Layer> =
            layers.into_iter().filter(|l| seen.insert((l.applies_to.clone(), l.valid_from))).collect();
        let cases: Vec<Case> = (0..20)
            .map(|_| {
                let mut of_person: Vec<&str> =
                    groups.iter().copied().filter(|_| random.below(2) == 0).collect();
                of_person.sort_unstable();
                let site = (random.below(3) == 0).then(|| random.of(&names));
                let shift = (random.below(3) == 0).then(|| random.of(&names));
                case(random.of(&asked_orgs), &of_person, site, shift)
            })
            .collect();
        let mut resolver = Resolver::new(layers.clone());
        let sites = cases.iter().map(|case| (case.org, case.site.as_ref()));
        let book = resolver.book(sites, cases.iter().map(|case| &case.groups[..])).unwrap();
        for case in &cases {
            for date in ["2019-12-31", "2020-01-01", "2024-02-29", "2025-01-01", "2027-01-01"] {
                let date: Date = date.parse().unwrap();
                let asked = Asked {
                    org: case.org,
                    groups: &case.groups,
                    site: case.site.as_ref(),
                    shift: case.shift.as_ref(),
                };
                let index = resolver.find(asked, date);
                let expected = slow(&layers, case, date);
                assert_eq!(
                    resolver.policies[index.0 as usize], expected,
                    "{layers:#?} {} {:?}",
                    case.org, case.groups
                );
                if case.shift.is_none() {
                    let in_book = book.find(case.org, &case.groups, case.site.as_deref(), date);
                    assert_eq!(in_book, index, "{layers:#?} {} {:?} {:?}", case.org, case.groups, case.site);
                }
                resolved += usize::from(index != PolicyIndex(0));
            }
        }
    }
    assert!(resolved > 5_000, "{resolved}");
}

#[test]
fn a_book_reduces_what_it_is_asked() {
    let mut resolver = Resolver::new(vec![
        layer("hk", "hk", "2020-01-01", &[grace(3)]),
        layer("n", "group:night", "2020-01-01", &[grace(5)]),
    ]);
    let person: Vec<Arc<str>> = vec!["day".into(), "night".into()];
    let book =
        resolver.book([("hk/kln", None), ("hk/nt", None)].into_iter(), [&person[..]].into_iter()).unwrap();
    assert_eq!(book.scopes().len(), 4, "orgs `` and `hk`, with and without `night`");
    let date = "2026-01-01".parse().unwrap();
    let policies = resolver.policies().to_vec();
    let grace =
        |org: &str, groups: &[Arc<str>]| policies[book.find(org, groups, None, date).0 as usize].grace_in_min;
    assert_eq!(
        (grace("hk/nt/x", &[]), grace("hk/nt/x", &person), grace("tw", &person), grace("tw", &[])),
        (3, 5, 5, 0)
    );
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn of<'a>(&mut self, values: &[&'a str]) -> &'a str {
        values[self.below(values.len() as u64) as usize]
    }
}
