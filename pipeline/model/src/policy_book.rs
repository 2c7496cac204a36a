//! Which resolved policy holds for an org, a person's groups, a site's wish and a business date.
//!
//! In: scopes with their dated policies, resolved once at load.  Out: places in [`crate::Reference::policies`].
//! Owns: one entry for each scope that tables can tell apart.
//! Absent on purpose: the tables themselves and who wins over whom; `reference` resolves that once, so that a look-up is
//! a binary search that allocates nothing.
//! Invariants: scopes are sorted and distinct, dates within a scope ascend; kept by [`PolicyBook::new`].

use std::sync::Arc;

use jiff::civil::Date;

use crate::ids::PolicyIndex;

/// All scopes. An org is reduced to the deepest path that some scope names, groups to those some scope names, so that a
/// chain of ten thousand orgs needs no more scopes than its tables can tell apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyBook {
    scopes: Vec<PolicyScope>,
    orgs: Vec<Arc<str>>,
    groups: Vec<Arc<str>>,
}

/// The policies in force for one org path and all below it that no deeper scope names, one set of groups, one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyScope {
    /// The org path; empty = everywhere.
    pub org: Arc<str>,
    /// The groups, sorted.
    pub groups: Vec<Arc<str>>,
    /// The policy a site asks for by name, if it does.
    pub name: Option<Arc<str>>,
    /// (first business date, policy), ascending; the last one not after the date holds, before the first the defaults.
    pub from: Vec<(Date, PolicyIndex)>,
}

impl PolicyBook {
    /// The book of these scopes, in any order; of two for the same place the first stays.
    pub fn new(mut scopes: Vec<PolicyScope>) -> Self {
        scopes.sort_by(|a, b| (&a.org, &a.name, &a.groups).cmp(&(&b.org, &b.name, &b.groups)));
        scopes.dedup_by(|a, b| (&a.org, &a.name, &a.groups) == (&b.org, &b.name, &b.groups));
        for scope in &mut scopes {
            scope.from.sort();
        }
        let mut orgs: Vec<Arc<str>> = scopes.iter().map(|scope| scope.org.clone()).collect();
        let mut groups: Vec<Arc<str>> =
            scopes.iter().flat_map(|scope| scope.groups.iter().cloned()).collect();
        orgs.dedup();
        groups.sort();
        groups.dedup();
        Self { scopes, orgs, groups }
    }

    /// Its scopes, sorted by org, name and groups.
    pub fn scopes(&self) -> &[PolicyScope] {
        &self.scopes
    }

    /// The deepest of `org` and the paths above it, down to the empty one, that `is_known`.
    pub fn deepest(org: &str, is_known: impl Fn(&str) -> bool) -> &str {
        let mut path = org;
        while !path.is_empty() && !is_known(path) {
            path = path.rfind('/').map_or("", |end| &path[..end]);
        }
        path
    }

    /// The policy for a site's `org` (a person's own where there is no site), the person's `groups` (sorted), the `name`
    /// the site asks for and a business date; [`PolicyIndex`] 0 (the defaults) where no table applies.
    pub fn find(&self, org: &str, groups: &[Arc<str>], name: Option<&str>, date: Date) -> PolicyIndex {
        let from = self.dated(org, groups, name);
        match from.partition_point(|(from, _)| *from <= date) {
            0 => PolicyIndex(0),
            n => from[n - 1].1,
        }
    }

    /// As [`Self::find`], for all dates: (first business date, policy), ascending; the defaults before the first.
    pub fn dated(&self, org: &str, groups: &[Arc<str>], name: Option<&str>) -> &[(Date, PolicyIndex)] {
        if self.scopes.is_empty() {
            return &[];
        }
        let org = Self::deepest(org, |path| self.orgs.binary_search_by(|known| (**known).cmp(path)).is_ok());
        let scope = self.scope(org, groups, name).or_else(|| self.scope(org, groups, None));
        scope.map_or(&[], |scope| &scope.from)
    }

    fn scope(&self, org: &str, groups: &[Arc<str>], name: Option<&str>) -> Option<&PolicyScope> {
        let known = || groups.iter().filter(|group| self.groups.binary_search(group).is_ok());
        let found = self.scopes.binary_search_by(|scope| {
            let by_place = (*scope.org).cmp(org).then_with(|| scope.name.as_deref().cmp(&name));
            by_place.then_with(|| scope.groups.iter().cmp(known()))
        });
        let at = found.ok()?;
        self.scopes.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(org: &str, groups: &[&str], name: Option<&str>, from: &[(&str, u32)]) -> PolicyScope {
        PolicyScope {
            org: org.into(),
            groups: groups.iter().map(|group| Arc::from(*group)).collect(),
            name: name.map(Arc::from),
            from: from.iter().map(|(date, index)| (date.parse().unwrap(), PolicyIndex(*index))).collect(),
        }
    }

    #[test]
    fn a_scope_is_found_by_what_tables_can_tell_apart() {
        let book = PolicyBook::new(vec![
            scope("hk/kln", &[], None, &[("2026-01-01", 4), ("2020-01-01", 3)]),
            scope("", &[], None, &[("2020-01-01", 1)]),
            scope("", &["night"], None, &[("2020-01-01", 2)]),
            scope("hk/kln", &["night"], None, &[("2020-01-01", 6)]),
            scope("hk/kln", &[], Some("strict"), &[("2020-01-01", 5)]),
        ]);
        for (org, groups, name, date, index) in [
            ("hk/kln/mk", &[][..], None, "2025-12-31", 3),
            ("hk/kln", &[], None, "2026-01-01", 4),
            ("hk/kln", &[], None, "2019-12-31", 0),
            ("hk/klnx", &[], None, "2026-01-01", 1),
            ("hk/kln/x", &[], Some("strict"), "2026-01-01", 5),
            ("hk/kln/x", &[], Some("other"), "2026-01-01", 4),
            ("tw", &["day", "night"], None, "2026-01-01", 2),
            ("hk/kln", &["night", "zzz"], None, "2026-01-01", 6),
            ("", &["day"], None, "2026-01-01", 1),
        ] {
            let groups: Vec<Arc<str>> = groups.iter().map(|group| Arc::from(*group)).collect();
            let found = book.find(org, &groups, name, date.parse().unwrap());
            assert_eq!(found, PolicyIndex(index), "{org} {groups:?} {name:?} {date}");
        }
        assert_eq!(
            PolicyBook::default().find("hk", &[], None, "2026-01-01".parse().unwrap()),
            PolicyIndex(0)
        );
    }
}
