//! The names a statement may call: every table of the contract and every view, over one state of the lake.
//!
//! In: `LakeTables`.  Out: an engine context, and `Relation`s for people.  Owns: both, immutable.
//! Absent on purpose: a catalog that changes. A new state of the lake is a new catalog (I-16).
//! Invariants: I-18 every table of the contract and every view exists in every lake, an empty one included, kept by
//! `Catalog::build` (`every_relation_answers_over_an_empty_lake`).

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::ViewTable;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::{SessionConfig, SessionContext};
use schemas::tables;

use crate::error::{Error, Kind, Names};
use crate::files::{LakeTable, LakeTables};
use crate::ground::{ground_bearing, ground_distance};
use crate::scan::TableScan;
use crate::session::Options;
use crate::shift_suspected::shift_suspected;
use crate::views::{self, View};
use crate::wall_time::wall_time;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// Rows in the lake.
    Table,
    /// A stored query for people.
    View,
    /// A stored query that other views are made of.
    Step,
}

impl RelationKind {
    /// As people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Step => "step",
        }
    }
}

/// A table or view, for listings and completion.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: RelationKind,
    /// Its columns.
    pub schema: SchemaRef,
    /// What it is for, in a sentence or two; empty for a table.
    pub about: String,
    /// What its columns mean, where that is written down: (column, meaning).
    pub meanings: Vec<(String, String)>,
    /// A table's rows, where the lake's log tells without reading.
    pub rows: Option<u64>,
}

/// One state of the lake, named.
pub(crate) struct Catalog {
    context: SessionContext,
    relations: Vec<Relation>,
    names: Names,
    lake: LakeTables,
}

impl Catalog {
    /// Names everything in `lake`; tables of the contract that it lacks are empty.
    pub(crate) async fn build(
        lake: LakeTables,
        options: &Options,
        runtime: Arc<RuntimeEnv>,
    ) -> Result<Self, Error> {
        runtime.register_object_store(&lake.url, Arc::clone(&lake.store));
        let context = SessionContext::new_with_config_rt(config(options), runtime);
        context.register_udf(wall_time());
        context.register_udf(ground_distance());
        context.register_udf(ground_bearing());
        context.register_udwf(shift_suspected());
        let store = ObjectStoreUrl::parse(&lake.url)
            .map_err(|e| Error::new(Kind::Lake, format!("object store {}: {e}", lake.url)))?;
        let mut relations = Vec::new();
        for table in complete(&lake) {
            let rows = table.rows();
            let name = table.name.clone();
            let scan = Arc::new(TableScan::new(table, store.clone()));
            let schema = scan.schema();
            register(&context, &name, scan)?;
            let (kind, about, meanings) = (RelationKind::Table, String::new(), Vec::new());
            relations.push(Relation { name, kind, schema, about, meanings, rows });
        }
        for view in views::ALL {
            relations.push(add_view(&context, view).await?);
        }
        let names = Names {
            relations: relations.iter().map(|relation| relation.name.clone()).collect(),
            functions: functions(&context),
        };
        Ok(Self { context, relations, names, lake })
    }

    pub(crate) fn context(&self) -> &SessionContext {
        &self.context
    }

    pub(crate) fn relations(&self) -> &[Relation] {
        &self.relations
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn lake(&self) -> &LakeTables {
        &self.lake
    }
}

/// The names of all functions, sorted.
fn functions(context: &SessionContext) -> Vec<String> {
    let state = context.state();
    let mut names: Vec<String> = state.scalar_functions().keys().cloned().collect();
    names.extend(state.aggregate_functions().keys().cloned());
    names.extend(state.window_functions().keys().cloned());
    names.sort();
    names.dedup();
    names
}

/// The lake's tables with the contract's columns first and any newer ones behind them, and those it lacks, empty.
fn complete(lake: &LakeTables) -> Vec<Arc<LakeTable>> {
    let known = tables::ALL.iter().map(|known| {
        let contract = (known.schema)();
        let table = match lake.table(known.name) {
            Some(table) => LakeTable { schema: joined(&contract, &table.schema), ..LakeTable::clone(table) },
            None => LakeTable::empty(known.name, contract),
        };
        Arc::new(table)
    });
    let is_new = |table: &&Arc<LakeTable>| tables::ALL.iter().all(|known| known.name != table.name);
    known.chain(lake.tables.iter().filter(is_new).cloned()).collect()
}

/// The columns of `contract`, then those that only `stored` has. A column that a file lacks reads as null.
fn joined(contract: &Schema, stored: &Schema) -> SchemaRef {
    let added = stored.fields().iter().filter(|field| contract.field_with_name(field.name()).is_err());
    // A lake may be older than a column: whatever the contract says, a scan may find it absent.
    let nullable = |field: &Field| Arc::new(field.clone().with_nullable(true));
    let fields: Vec<_> = contract.fields().iter().chain(added).map(|field| nullable(field)).collect();
    Arc::new(Schema::new(fields))
}

async fn add_view(context: &SessionContext, view: &View) -> Result<Relation, Error> {
    let broken = |e| Error::new(Kind::Internal, format!("view {}: {e}", view.name));
    let plan = context.state().create_logical_plan(view.sql).await.map_err(broken)?;
    let table = Arc::new(ViewTable::new(plan, Some(view.sql.to_owned())));
    let schema = table.schema();
    register(context, view.name, table)?;
    let (about, meanings) = views::described(view.sql);
    Ok(Relation { name: view.name.to_owned(), kind: view.kind, schema, about, meanings, rows: None })
}

fn register(context: &SessionContext, name: &str, table: Arc<dyn TableProvider>) -> Result<(), Error> {
    let table = context.register_table(name, table);
    table.map(|_| ()).map_err(|e| Error::new(Kind::Internal, format!("name table {name}: {e}")))
}

fn config(options: &Options) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_default_catalog_and_schema("muster", "lake")
        .with_create_default_catalog_and_schema(true);
    if let Some(parallelism) = options.parallelism {
        config = config.with_target_partitions(parallelism.max(1));
    }
    let all = config.options_mut();
    all.execution.time_zone = Some("UTC".to_owned());
    // Errors point at the place in the statement.
    all.sql_parser.collect_spans = true;
    // Filters are applied while Parquet is decoded: a month of one store reads little of the files.
    all.execution.parquet.pushdown_filters = true;
    config
}
