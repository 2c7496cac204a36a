//! Nobody is told: for a processor that runs beside another system.
//!
//! In: bodies.  Out: nothing.  Owns: nothing.
//! Absent on purpose: what was said: it is in the lake's `anomalies`, and after a restart saying it once more to nobody
//! changes nothing there.

use std::collections::BTreeMap;

use model::Partition;
use model::position::Generation;
use schemas::lines::AlertBody;

use crate::outlet::{Error, Outlet, SaidAlert};

/// Takes every alert and tells nobody.
#[derive(Clone, Copy, Debug)]
pub struct SilentOutlet;

impl Outlet for SilentOutlet {
    fn fold(&mut self, partitions: &[Partition]) -> Result<BTreeMap<Partition, Vec<SaidAlert>>, Error> {
        Ok(partitions.iter().map(|partition| (*partition, Vec::new())).collect())
    }

    fn own(&mut self, _owners: &[(Partition, Generation)]) -> Result<(), Error> {
        Ok(())
    }

    fn publish(&mut self, _alerts: &[(Partition, &[AlertBody])]) -> Result<(), Error> {
        Ok(())
    }
}
