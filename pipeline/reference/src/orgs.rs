//! Rows of orgs to the nodes of the org tree.

use std::path::PathBuf;

use model::reference::Org;
use schemas::rows::OrgRow;
use serde_json::{Map, Value, json};

use crate::ids::{Ids, Strings, org_fault};
use crate::problem::{At, FileId, Report};
use crate::rows;

/// Reads every org; sorted by path.
pub(crate) fn read(
    report: &mut Report,
    files: &[(FileId, PathBuf)],
    strings: &mut Strings,
) -> (Vec<Org>, Vec<At>) {
    let mut ids = Ids::default();
    let mut read: Vec<(Org, At)> = Vec::new();
    rows::read::<OrgRow>(report, files, &["org"], amend, |report, at, row| {
        if let Some(fault) = org_fault(&row.org) {
            let what = format!("`org` `{}` {fault}", row.org);
            report.error(
                "bad_org",
                at,
                &format!("org {}", row.org),
                what,
                "write a path such as hk/kln/mong-kok",
            );
            return;
        }
        let Some(_) = ids.claim(report, at, "org", &row.org) else { return };
        let names = [row.name.en, row.name.zh_hant, row.name.zh_hans]
            .map(|name| name.map(|name| name.as_str().into()));
        read.push((Org { org: strings.get(&row.org), names, managers: strings.all(&row.managers) }, at));
    });
    read.sort_by(|a, b| a.0.org.cmp(&b.0.org));
    read.into_iter().unzip()
}

/// A name that is plain text is its English one.
fn amend(object: &mut Map<String, Value>) {
    if let Some(name) = object.get_mut("name")
        && name.is_string()
    {
        *name = json!({ "en": name.take() });
    }
}
