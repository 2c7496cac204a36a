//! Filters made from the two id columns of data files.
//!
//! In: data files, rows of the inbox.  Out: groups of filters, written beside the lake where it is worth it.  Owns: nothing.
//! Absent on purpose: any other column: ids are a third of a file, and only they are decoded.
//! Why so: from the files and not from what owners remember: a filter holds what the lake holds, whoever wrote it.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use model::Partition;
use model::position::partition_of;
use object_store::{ObjectStoreExt as _, PutPayload};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use schemas::tables::{late, punches};
use twox_hash::XxHash64;
use xorf::BinaryFuse32;

use super::fuse_file::{self, Section};
use super::key::IdentityKey;
use super::{ENDING, Group, IdentityExtent, held};
use crate::commit::{partition_column, row_origins};
use crate::error::{Error, Result};
use crate::fold::{only, texts};
use crate::lake::Lake;
use crate::log::TableLog;
use crate::read::read_file;
use crate::scan::FileEntry;

/// Data files read at the same time.
const FILES_AT_ONCE: usize = 2;

/// Rows decoded at once.
const BATCH_ROWS: usize = 8_192;

/// Keys by partition.
type Keys = BTreeMap<Partition, Vec<u64>>;

impl Lake {
    /// A filter over `files`, written beside the lake. A store that will not take it is no reason to stop.
    pub(super) async fn build_group(
        &self,
        table: &TableLog,
        extent: &IdentityExtent,
        files: &[FileEntry],
    ) -> Result<Group> {
        let partitions = extent.log.partitions;
        let keys = read_keys(table, files, partitions).await?;
        let mut covers: Vec<String> = files.iter().map(|file| file.path.to_string()).collect();
        covers.sort();
        let name = self.identity_folder()?.join(format!("{}{ENDING}", name_of(partitions, &covers)));
        let ours = held(extent);
        let made = tokio::task::spawn_blocking(move || {
            let filters = filters(keys)?;
            let sections: Vec<Section<'_>> = filters
                .iter()
                .map(|(partition, (filter, keys))| Section { partition: *partition, keys: *keys, filter })
                .collect();
            let bytes = fuse_file::encode(partitions, &covers, &sections);
            let keys = sections.iter().map(|section| section.keys).sum();
            let ours = filters.into_iter().filter(|(partition, _)| ours.contains(partition));
            let sections = ours.map(|(partition, (filter, _))| (partition, Arc::new(filter))).collect();
            Ok((Group { path: None, keys, covers, sections }, bytes))
        });
        let (mut group, bytes) = joined(made.await)?;
        match self.store().put(&name, PutPayload::from_bytes(bytes)).await {
            Ok(_) => group.path = Some(name),
            Err(error) => {
                tracing::warn!(file = %name, %error, "a filter of identities could not be written: it is kept in memory")
            }
        }
        Ok(group)
    }

    /// A filter in memory over `files` and over the rows of the inbox that wait there.
    pub(super) async fn loose_group(
        &self,
        table: &TableLog,
        extent: &IdentityExtent,
        files: &[FileEntry],
    ) -> Result<Group> {
        let mut keys = read_keys(table, files, extent.log.partitions).await?;
        keys.retain(|partition, _| extent.frontiers.contains_key(partition));
        for (partition, waiting) in self.inbox_keys(extent).await? {
            keys.entry(partition).or_default().extend(waiting);
        }
        let filters = joined(tokio::task::spawn_blocking(move || filters(keys)).await)?;
        let keys = filters.values().map(|(_, keys)| keys).sum();
        let sections = filters.into_iter().map(|(partition, (filter, _))| (partition, Arc::new(filter)));
        let covers = files.iter().map(|file| file.path.to_string()).collect();
        Ok(Group { path: None, keys, covers, sections: sections.collect() })
    }

    /// The keys of inbox rows that are not drained: passed by the frontier, and no rows of `punches` yet.
    async fn inbox_keys(&self, extent: &IdentityExtent) -> Result<Keys> {
        let mut keys = Keys::new();
        let Some(snapshot) = self.snapshot(late::NAME).await? else { return Ok(keys) };
        let table = self.table(late::NAME)?;
        let wanted = only(&snapshot.schema, &["topic", "partition", "offset", "employee_id", "event_id"]);
        let may_wait = |file: &FileEntry| {
            let bounds = file.bounds();
            extent.frontiers.iter().any(|(partition, frontier)| {
                bounds.may_hold_number("partition", std::iter::once(i64::from(partition.number())))
                    && bounds.may_reach("offset", frontier.late().get())
            })
        };
        for file in snapshot.files.iter().filter(|file| may_wait(file)) {
            for batch in read_file(late::NAME, table.store().as_ref(), file, &wanted).await? {
                let topics = texts(&batch, "topic")?;
                let waiting = row_origins(&batch)?.into_iter().zip(keys_of(&batch)?).enumerate();
                for (row, ((partition, offset), key)) in waiting {
                    let waits = extent.frontiers.get(&partition).is_some_and(|frontier| {
                        !frontier.late().has_passed(offset) && frontier.next().has_passed(offset)
                    });
                    if waits && topics.value(row) == &*extent.log.topic {
                        keys.entry(partition).or_default().push(key.get());
                    }
                }
            }
        }
        Ok(keys)
    }
}

/// The keys of all rows of `files`, by partition.
async fn read_keys(table: &TableLog, files: &[FileEntry], partitions: u32) -> Result<Keys> {
    let store = table.store();
    let read = |file: FileEntry| {
        let store = Arc::clone(&store);
        async move {
            let what = || format!("read the ids of file {} of table {}", file.path, punches::NAME);
            let found = store.get(&file.path).await.map_err(|e| Error::store(what(), e))?;
            let bytes = found.bytes().await.map_err(|e| Error::store(what(), e))?;
            let keys = tokio::task::spawn_blocking(move || decode(bytes, partitions)).await;
            match keys {
                Ok(keys) => keys.map_err(|e| Error::schema(what(), e)),
                Err(panic) => Err(Error::corrupt(format!("{}: {panic}", what()))),
            }
        }
    };
    let mut all = Keys::new();
    let mut found = futures::stream::iter(files.to_vec()).map(read).buffer_unordered(FILES_AT_ONCE);
    while let Some(keys) = found.try_next().await? {
        for (partition, keys) in keys {
            all.entry(partition).or_default().extend(keys);
        }
    }
    Ok(all)
}

/// The keys of a file's rows, each by the partition that its person's records belong to, and, where it was read from another,
/// by that one too.
fn decode(bytes: Bytes, partitions: u32) -> std::result::Result<Keys, Box<dyn StdError + Send + Sync>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["employee_id", "event_id", "partition"]);
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build()?;
    let mut all = Keys::new();
    for batch in reader {
        let batch = batch?;
        let people = column(&batch, "employee_id")?;
        let people = people.as_string::<i32>();
        let read_from = partition_column(&batch, "partition")?;
        for (row, key) in keys_of(&batch)?.into_iter().enumerate() {
            let own = partition_of(people.value(row).as_bytes(), partitions);
            all.entry(own).or_default().push(key.get());
            if read_from[row] != own {
                all.entry(read_from[row]).or_default().push(key.get());
            }
        }
    }
    Ok(all)
}

/// The keys of a batch's rows.
fn keys_of(batch: &RecordBatch) -> Result<Vec<IdentityKey>> {
    let (people, events) = (column(batch, "employee_id")?, column(batch, "event_id")?);
    let (people, events) = (people.as_string::<i32>(), events.as_string::<i32>());
    Ok((0..batch.num_rows()).map(|row| IdentityKey::of(people.value(row), events.value(row))).collect())
}

/// A column of ids as text, whatever form of text another writer gave it.
fn column(batch: &RecordBatch, name: &str) -> Result<arrow::array::ArrayRef> {
    let lacking = || Error::corrupt(format!("rows without a column `{name}` of ids"));
    let column = batch.column_by_name(name).ok_or_else(lacking)?;
    let column =
        cast(column, &DataType::Utf8).map_err(|e| Error::schema(format!("read column `{name}`"), e))?;
    if column.null_count() > 0 { Err(lacking()) } else { Ok(column) }
}

/// One filter a partition, with its number of keys.
fn filters(keys: Keys) -> Result<BTreeMap<Partition, (BinaryFuse32, u64)>> {
    let mut filters = BTreeMap::new();
    for (partition, keys) in keys {
        if let Some(made) = filter(keys)? {
            filters.insert(partition, made);
        }
    }
    Ok(filters)
}

/// The filter of `keys`, each once, and their number; `None` without keys.
pub(super) fn filter(mut keys: Vec<u64>) -> Result<Option<(BinaryFuse32, u64)>> {
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() {
        return Ok(None);
    }
    let count = keys.len() as u64;
    let filter = BinaryFuse32::try_from(keys.as_slice())
        .map_err(|why| Error::corrupt(format!("make a filter of {count} identities: {why}")))?;
    Ok(Some((filter, count)))
}

/// The same data files have the same filter: processes that make it at the same time write one file.
fn name_of(partitions: u32, covers: &[String]) -> String {
    let text = format!("{partitions}\n{}", covers.join("\n"));
    let half = |seed| XxHash64::oneshot(seed, text.as_bytes());
    format!("{:016x}{:016x}", half(0), half(1))
}

fn joined<T>(made: std::result::Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    made.map_err(|panic| Error::corrupt(format!("make a filter of identities: {panic}")))?
}
