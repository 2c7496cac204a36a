//! What most commands begin with: the configuration file, the reference data it names, and their mistakes told.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::Reference;
use reference::{Loaded, Sources};

use crate::config::{Config, ReferenceConfig};
use crate::failure::Failure;

/// Reads the configuration at `path`; without a path, all defaults relative to the current folder.
pub(super) fn config(path: Option<&Path>) -> Result<Config, Box<Failure>> {
    let Some(path) = path else {
        return Config::parse("", Path::new(""))
            .map_err(|problems| Box::new(Failure::config(Path::new("defaults"), String::new(), problems)));
    };
    let text = std::fs::read_to_string(path).map_err(|error| {
        let what = format!("{}: {error}", path.display());
        Failure::usage(what, "name a readable configuration file with -c")
    })?;
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    Config::parse(&text, &folder).map_err(|problems| Box::new(Failure::config(path, text, problems)))
}

/// The files a configuration names.
pub(super) fn sources(config: &ReferenceConfig) -> Sources {
    Sources {
        sites: config.sites.0.clone(),
        orgs: config.orgs.0.clone(),
        people: config.people.0.clone(),
        shifts: config.shifts.0.clone(),
        leave: config.leave.0.clone(),
        corrections: config.corrections.0.clone(),
        policies: config.policies.0.clone(),
        calendars: config.calendars.0.clone(),
        law: config.law.0.clone(),
    }
}

/// Loads the reference data; warnings go to standard error, errors end the command.
pub(super) fn reference(config: &ReferenceConfig) -> Result<(Arc<Reference>, Loaded), Box<Failure>> {
    told(reference::load(&sources(config)))
}

/// Tells what is wrong with what was loaded; errors end the command.
pub(super) fn told(loaded: Loaded) -> Result<(Arc<Reference>, Loaded), Box<Failure>> {
    for problem in &loaded.problems {
        crate::tell(problem);
    }
    match &loaded.reference {
        Some(reference) => Ok((Arc::clone(reference), loaded)),
        None => Err(Box::new(Failure::usage(
            format!("the reference data has {}", crate::counted(loaded.counts.errors, "error", "errors")),
            "mend what is listed above; `muster check` lists it again",
        ))),
    }
}
