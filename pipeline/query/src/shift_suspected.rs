//! `shift_suspected(site lon, site lat, fixes' lon, fixes' lat, fixes) OVER (PARTITION BY …)`: which shift the sites of
//! one feed share, told at each site that shows it.
//!
//! In: a row for each site of a feed: where it is, where its fixes are in the middle, how many there are.  Out: the name of
//! a shift as [`Shift::name`] has it, or null.  Owns: nothing.
//! Absent on purpose: the rule itself, which is [`model::datum_shift`]'s, so that `muster check` says the same.
//! Why so: a window function and not an aggregate, since a part of a feed's sites may show a shift, and each row has to
//! know whether its site is one of them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    LimitEffect, PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;
use model::LonLat;
use model::datum_shift::{FIXES_MIN, shifts};

/// The function, to be registered with a session.
pub(crate) fn shift_suspected() -> WindowUDF {
    let number = DataType::Float64;
    let arguments = vec![number.clone(), number.clone(), number.clone(), number, DataType::Int64];
    WindowUDF::new_from_impl(ShiftSuspected { signature: Signature::exact(arguments, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ShiftSuspected {
    signature: Signature,
}

impl WindowUDFImpl for ShiftSuspected {
    fn name(&self) -> &str {
        "shift_suspected"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(
        &self,
        _arguments: PartitionEvaluatorArgs<'_>,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(WholeFeed))
    }

    fn field(&self, arguments: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(arguments.name(), DataType::Utf8, true)))
    }

    fn limit_effect(&self, _arguments: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        LimitEffect::Unknown
    }
}

/// Looks at all rows of a partition at once.
#[derive(Debug)]
struct WholeFeed;

impl PartitionEvaluator for WholeFeed {
    fn evaluate_all(&mut self, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let [site_lon, site_lat, lon, lat] = [0, 1, 2, 3].map(|at| columns[at].as_primitive::<Float64Type>());
        let fixes = columns[4].as_primitive::<Int64Type>();
        let point = |lon: Option<f64>, lat: Option<f64>| LonLat::new(lon?, lat?);
        let pair = |row: usize| {
            let of = |column: &Float64Array| column.is_valid(row).then(|| column.value(row));
            let is_enough = fixes.is_valid(row) && fixes.value(row) >= FIXES_MIN as i64;
            let site = point(of(site_lon), of(site_lat))?;
            is_enough.then_some((site, point(of(lon), of(lat))?))
        };
        let (at, pairs): (Vec<usize>, Vec<_>) = (0..rows).filter_map(|row| Some((row, pair(row)?))).unzip();
        let mut names = vec![None; rows];
        for shift in shifts(&pairs) {
            for place in &shift.sites {
                names[at[*place]] = Some(shift.name());
            }
        }
        Ok(Arc::new(StringArray::from(names)))
    }
}
