//! The lake's snapshots as lists of files.

use std::sync::Arc;

use futures::future::try_join_all;
use lake::{Lake, TableSnapshot};
use object_store::path::Path;
use schemas::tables;

use crate::error::{Error, Kind};
use crate::files::{LakeFile, LakeTable, LakeTables};

/// The newest state of every table that `lake` has. Tables that have not changed since `known` are not listed again.
pub(crate) async fn tables_of(lake: &Lake, known: Option<&LakeTables>) -> Result<LakeTables, Error> {
    let newest = tables::ALL.iter().map(|table| async move {
        let before = known.and_then(|known| known.table(table.name));
        let version = lake.version(table.name).await?;
        match (before, version) {
            (_, None) => Ok(None),
            (Some(before), Some(version)) if before.version == version as i64 => Ok(Some(Arc::clone(before))),
            (_, Some(_)) => {
                let snapshot = lake.snapshot(table.name).await?;
                Ok(snapshot.map(|snapshot| Arc::new(table_of(table.name, snapshot))))
            }
        }
    });
    let newest = try_join_all(newest).await.map_err(of_lake)?;
    let mut host = lake.root().clone();
    host.set_path("/");
    Ok(LakeTables {
        url: host,
        store: Arc::clone(lake.store()),
        tables: newest.into_iter().flatten().collect(),
    })
}

fn table_of(name: &str, snapshot: TableSnapshot) -> LakeTable {
    let file = |entry: lake::FileEntry| LakeFile {
        path: Path::from_iter(snapshot.root.parts().chain(entry.path.parts())),
        size_bytes: entry.size_bytes,
        rows: entry.rows,
        business_month: entry.business_month,
    };
    LakeTable {
        name: name.to_owned(),
        version: snapshot.version as i64,
        schema: snapshot.schema,
        files: snapshot.files.into_iter().map(file).collect(),
    }
}

fn of_lake(error: lake::Error) -> Error {
    let kind = match error.action() {
        lake::Action::Retry => Kind::Lake,
        lake::Action::Stop => Kind::Internal,
    };
    Error::new(kind, format!("read the lake: {error}"))
}
