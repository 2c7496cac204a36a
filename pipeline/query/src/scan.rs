//! A table of the lake as DataFusion sees it: a Parquet scan planned over exactly the files of one snapshot.
//!
//! In: `LakeTable`.  Out: an execution plan.  Owns: the snapshot, immutable.
//! Absent on purpose: deltalake's own provider. It sits on DataFusion features that `lake` does without, gives no full
//! statistics up front, and its plans cannot leave the process; a plain file scan has none of these faults.
//! Invariants: I-15 a scan reads the files of its snapshot and no others, kept by planning from a `LakeTable` alone
//! (`a_scan_reads_the_snapshots_files_and_no_others`).
//! Why so: the lake stays at reader 1 (no deletion vectors), so a Delta snapshot *is* a list of Parquet files.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::listing::helpers::expr_applicable_for_cols;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use schemas::tables::MONTH_COLUMN;

use crate::files::{LakeFile, LakeTable};

/// One table at one version, ready to be scanned.
#[derive(Debug)]
pub(crate) struct TableScan {
    table: Arc<LakeTable>,
    store: ObjectStoreUrl,
    layout: TableSchema,
}

impl TableScan {
    /// The scan of `table`, whose files are in `store`. Columns keep their order; the partition column comes last.
    pub(crate) fn new(table: Arc<LakeTable>, store: ObjectStoreUrl) -> Self {
        let partition = table.partition_field().map(|field| Arc::new(field.clone()));
        let layout = TableSchema::builder(table.file_schema())
            .with_table_partition_cols(partition.into_iter().collect::<Vec<_>>())
            .build();
        Self { table, store, layout }
    }

    /// Whether `filter` asks for the month alone. A constant asks for nothing: it stays in the plan, where the optimizer
    /// cuts away what a false one leaves without rows.
    fn is_partition_filter(&self, filter: &Expr) -> bool {
        self.table.partition_field().is_some()
            && !filter.column_refs().is_empty()
            && expr_applicable_for_cols(&[MONTH_COLUMN], filter)
            && !filter.is_volatile()
    }

    /// The files whose month can satisfy every one of `filters`, all of which ask for the month alone.
    fn files_for(&self, state: &dyn Session, filters: &[&Expr]) -> Result<Vec<&LakeFile>> {
        let mut keep = vec![true; self.table.files.len()];
        if let (Some(field), false) = (self.table.partition_field(), filters.is_empty()) {
            let schema = Arc::new(Schema::new(vec![field.clone()]));
            let months: StringArray =
                self.table.files.iter().map(|file| file.business_month.as_deref()).collect();
            let months: ArrayRef = arrow::compute::cast(&months, field.data_type())?;
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![months])?;
            let names = DFSchema::try_from(schema)?;
            for filter in filters {
                let holds = state.create_physical_expr((*filter).clone(), &names)?.evaluate(&batch)?;
                let holds = holds.into_array(batch.num_rows())?;
                let holds = holds.as_any().downcast_ref::<BooleanArray>().ok_or_else(|| {
                    DataFusionError::Plan(format!("filter {filter} on {MONTH_COLUMN} is no condition"))
                })?;
                keep.iter_mut().zip(holds).for_each(|(keep, holds)| *keep &= holds == Some(true));
            }
        }
        Ok(self.table.files.iter().zip(keep).filter_map(|(file, keep)| keep.then_some(file)).collect())
    }

    fn partitioned(&self, file: &LakeFile) -> Result<PartitionedFile> {
        let mut planned = PartitionedFile::new("", file.size_bytes);
        planned.object_meta.location = file.path.clone();
        if let Some(field) = self.table.partition_field() {
            let month = ScalarValue::Utf8(file.business_month.clone()).cast_to(field.data_type())?;
            planned.partition_values = vec![month];
        }
        let known = Statistics {
            num_rows: file.rows.map_or(Precision::Absent, |rows| Precision::Exact(rows as usize)),
            total_byte_size: Precision::Absent,
            column_statistics: Statistics::unknown_column(self.layout.file_schema()),
        };
        Ok(planned.with_statistics(Arc::new(known)))
    }
}

#[async_trait]
impl TableProvider for TableScan {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.layout.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let by_month: Vec<&Expr> = filters.iter().filter(|filter| self.is_partition_filter(filter)).collect();
        let files = self.files_for(state, &by_month)?;
        if files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema().project(columns)?),
                None => self.schema(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let files: Vec<PartitionedFile> =
            files.into_iter().map(|file| self.partitioned(file)).collect::<Result<_>>()?;
        let statistics = files.iter().filter_map(|file| file.statistics.as_deref());
        let statistics = Statistics::try_merge_iter(statistics, self.layout.table_schema())?;
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let source = Arc::new(ParquetSource::new(self.layout.clone()));
        let config = FileScanConfigBuilder::new(self.store.clone(), source)
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        let format = ParquetFormat::default().with_options(state.table_options().parquet.clone());
        format.create_physical_plan(state, config).await
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let of = |filter: &&Expr| match (self.is_partition_filter(filter), filter.column_refs().is_empty()) {
            (true, _) => TableProviderFilterPushDown::Exact,
            (false, true) => TableProviderFilterPushDown::Unsupported,
            // Parquet pruning skips row groups and pages; the filter itself stays in the plan.
            (false, false) => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(of).collect())
    }
}
