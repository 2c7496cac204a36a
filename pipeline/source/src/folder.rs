//! Makes file names durable: a new file survives a power cut only once its folder is synced too.

use std::fs::File;
use std::path::Path;

use crate::error::Error;

/// Makes the names in `folder` durable.
pub(crate) fn sync(folder: &Path) -> Result<(), Error> {
    let failed = |error| Error::io(&format!("sync folder {}", folder.display()), error);
    File::open(folder).map_err(failed)?.sync_all().map_err(failed)
}

/// Makes the name of `path` durable in the folder that holds it.
pub(crate) fn sync_parent(path: &Path) -> Result<(), Error> {
    sync(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}
