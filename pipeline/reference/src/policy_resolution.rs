//! Layers of policy to the one policy in force for a scope and a date.
//!
//! In: [`Layer`]s; orgs, groups and names as sites, people and shifts have them.  Out: [`PolicyIndex`]es, a
//! [`PolicyBook`].  Owns: the distinct policies made so far.
//! Absent on purpose: dates of today. A policy is asked for with the business date it is for.
//! Invariants: the last layer put on wins; for one scope layers are put on from the shortest `applies_to` to the
//! longest, then by `valid_from` (contract, section 2), held against a slow reading of the contract by
//! `policy_resolution_tests`.
//! Why so: only what tables name can make a difference, so an org is reduced to the deepest path some table applies to
//! and a person's groups to those some table names; a chain of 10,000 orgs has a handful of scopes.
//!
//! What the contract leaves open is read so: the length of `applies_to` is that of its text, `group:` included; of two
//! equally long ones a group wins over an org, then the later text; a table named `default` wins over another of the
//! same scope and date. By name, the tables that cover the scope count, or all of that name if none does.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::civil::Date;
use model::reference::{PolicyBook, PolicyScope, org_covers};
use model::{Policy, PolicyIndex};

use crate::policies::{DEFAULT_NAME, Layer, Scope};

/// Most scopes a book may hold.
pub(crate) const SCOPES_MAX: usize = 1_000_000;

/// For whom a policy is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The site's org; a person's own where there is no site.
    pub(crate) org: &'a str,
    /// The person's groups, sorted.
    pub(crate) groups: &'a [Arc<str>],
    /// The name the site asks for.
    pub(crate) site: Option<&'a Arc<str>>,
    /// The name the shift asks for.
    pub(crate) shift: Option<&'a Arc<str>>,
}

type Dated = Vec<(Date, PolicyIndex)>;

/// What of an [`Asked`] can make a difference.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    org: Arc<str>,
    groups: Vec<Arc<str>>,
    site: Option<Arc<str>>,
    shift: Option<Arc<str>>,
}

/// Makes policies, each distinct one once.
pub(crate) struct Resolver {
    layers: Vec<Layer>,
    names: BTreeSet<Arc<str>>,
    /// Org paths that tables apply to, and the empty one.
    orgs: BTreeSet<Arc<str>>,
    groups: BTreeSet<Arc<str>>,
    policies: Vec<Policy>,
    by_text: HashMap<String, PolicyIndex>,
    by_key: HashMap<Key, Dated>,
    /// The last key asked, so that the shifts of one site and group share one look-up.
    last: Option<(Key, Dated)>,
    /// A file of tables could not be read: a name that is not there may stand in it.
    is_partial: bool,
}

impl Resolver {
    pub(crate) fn new(layers: Vec<Layer>) -> Self {
        let mut orgs = BTreeSet::from([Arc::from("")]);
        let mut groups = BTreeSet::new();
        for layer in &layers {
            match &layer.scope {
                Scope::Org(org) => orgs.insert(org.clone()),
                Scope::Group(group) => groups.insert(group.clone()),
            };
        }
        let names = layers.iter().map(|layer| layer.name.clone()).collect();
        let default = Policy::default();
        let by_text = HashMap::from([(format!("{default:?}"), PolicyIndex(0))]);
        Self {
            layers,
            names,
            orgs,
            groups,
            policies: vec![default],
            by_text,
            by_key: HashMap::new(),
            last: None,
            is_partial: false,
        }
    }

    /// Says that a file of tables could not be read.
    pub(crate) fn set_partial(&mut self, is_partial: bool) {
        self.is_partial = is_partial;
    }

    pub(crate) const fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// The names that tables have.
    pub(crate) const fn names(&self) -> &BTreeSet<Arc<str>> {
        &self.names
    }

    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The policy for `asked` on `date`.
    pub(crate) fn find(&mut self, asked: Asked<'_>, date: Date) -> PolicyIndex {
        if self.layers.is_empty() {
            return PolicyIndex(0);
        }
        let org = PolicyBook::deepest(asked.org, |path| self.orgs.contains(path));
        let groups = || asked.groups.iter().filter(|group| self.groups.contains(*group));
        let is_last = self.last.as_ref().is_some_and(|(key, _)| {
            &*key.org == org
                && key.site.as_ref() == asked.site
                && key.shift.as_ref() == asked.shift
                && key.groups.iter().eq(groups())
        });
        if !is_last {
            let groups = groups().cloned().collect();
            let key = Key { org: org.into(), groups, site: asked.site.cloned(), shift: asked.shift.cloned() };
            let dated = self.dated(&key);
            self.last = Some((key, dated));
        }
        let dated = self.last.as_ref().map_or(&[][..], |(_, dated)| dated);
        in_force(dated, date)
    }

    fn dated(&mut self, key: &Key) -> Dated {
        if let Some(dated) = self.by_key.get(key) {
            return dated.clone();
        }
        let dated = self.resolve(key);
        self.by_key.insert(key.clone(), dated.clone());
        dated
    }

    fn resolve(&mut self, key: &Key) -> Dated {
        let names: Vec<&Arc<str>> = [key.site.as_ref(), key.shift.as_ref()].into_iter().flatten().collect();
        let matters = |layer: &&Layer| covers(layer, key) || names.contains(&&layer.name);
        let dates: BTreeSet<Date> =
            self.layers.iter().filter(matters).map(|layer| layer.valid_from).collect();
        let mut dated: Dated = Vec::with_capacity(dates.len());
        for date in dates {
            let mut policy = Policy::default();
            let mut put_on = |mut layers: Vec<&Layer>| {
                layers.sort_by(|a, b| rank(a).cmp(&rank(b)));
                layers.iter().for_each(|layer| layer.apply(&mut policy));
            };
            let valid = || self.layers.iter().filter(|layer| layer.valid_from <= date);
            put_on(valid().filter(|layer| covers(layer, key)).collect());
            for name in &names {
                let named: Vec<&Layer> = valid().filter(|layer| layer.name == **name).collect();
                let covering: Vec<&Layer> =
                    named.iter().filter(|layer| covers(layer, key)).copied().collect();
                put_on(if covering.is_empty() { named } else { covering });
            }
            let index = self.index(policy);
            if dated.last().is_none_or(|(_, last)| *last != index) {
                dated.push((date, index));
            }
        }
        dated
    }

    fn index(&mut self, policy: Policy) -> PolicyIndex {
        let next = PolicyIndex(self.policies.len() as u32);
        *self.by_text.entry(format!("{policy:?}")).or_insert_with(|| {
            self.policies.push(policy);
            next
        })
    }

    /// The book for all scopes: every org path that tables know, alone and with each policy name that a site below it
    /// asks for, times each set of groups that a person has. `None` if that is more than [`SCOPES_MAX`].
    pub(crate) fn book<'a>(
        &mut self,
        sites: impl Iterator<Item = (&'a str, Option<&'a Arc<str>>)>,
        people: impl Iterator<Item = &'a [Arc<str>]>,
    ) -> Option<PolicyBook> {
        if self.layers.is_empty() {
            return Some(PolicyBook::default());
        }
        let mut places: BTreeSet<(Arc<str>, Option<Arc<str>>)> =
            self.orgs.iter().map(|org| (org.clone(), None)).collect();
        for (org, name) in sites {
            let org = PolicyBook::deepest(org, |path| self.orgs.contains(path));
            if let Some(name) = name {
                places.insert((org.into(), Some(name.clone())));
            }
        }
        let mut group_sets = BTreeSet::from([Vec::new()]);
        if !self.groups.is_empty() {
            for groups in people {
                let known: Vec<Arc<str>> =
                    groups.iter().filter(|group| self.groups.contains(*group)).cloned().collect();
                if !known.is_empty() {
                    group_sets.insert(known);
                }
            }
        }
        if places.len().saturating_mul(group_sets.len()) > SCOPES_MAX {
            return None;
        }
        let mut scopes = Vec::with_capacity(places.len() * group_sets.len());
        for (org, name) in &places {
            for groups in &group_sets {
                let key = Key { org: org.clone(), groups: groups.clone(), site: name.clone(), shift: None };
                let from = self.dated(&key);
                scopes.push(PolicyScope {
                    org: org.clone(),
                    groups: groups.clone(),
                    name: name.clone(),
                    from,
                });
            }
        }
        Some(PolicyBook::new(scopes))
    }

    /// Every distinct policy, the defaults first.
    pub(crate) fn policies(&self) -> &[Policy] {
        &self.policies
    }
}

fn in_force(dated: &[(Date, PolicyIndex)], date: Date) -> PolicyIndex {
    match dated.partition_point(|(from, _)| *from <= date) {
        0 => PolicyIndex(0),
        n => dated[n - 1].1,
    }
}

fn covers(layer: &Layer, key: &Key) -> bool {
    match &layer.scope {
        Scope::Org(org) => org_covers(org, &key.org),
        Scope::Group(group) => key.groups.contains(group),
    }
}

/// The weakest first.
fn rank(layer: &Layer) -> (usize, Date, bool, &str, bool, &str) {
    let length = layer.applies_to.chars().count();
    let is_group = matches!(layer.scope, Scope::Group(_));
    (length, layer.valid_from, is_group, &layer.applies_to, &*layer.name == DEFAULT_NAME, &layer.name)
}

#[cfg(test)]
#[path = "policy_resolution_tests.rs"]
mod tests;
