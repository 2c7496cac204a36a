//! One line of a ZKTeco time clock's `attlog.dat`.
//!
//! ```text
//! person | local time          | device | state | verify | work code | …      separated by tabs
//!     126  2020-01-07 10:34:08   1        0       1        0
//! ```
//!
//! The person is padded with spaces. Verify mode and work code decide nothing but are part of a record's identity;
//! what stands behind them is not.

use model::{Batch, Kind, Origin, RejectCode};

use super::draft::{Draft, Fault};
use super::import::{FileTime, push_event_id, push_trimmed};
use super::{AttLogStates, ImportOptions};

pub(super) fn read(
    line: &str,
    options: &ImportOptions,
    batch: &mut Batch,
    draft: &mut Draft,
) -> Result<(), Fault> {
    let mut cells = line.trim_end_matches(['\r', '\n']).split('\t').map(str::trim);
    let (Some(person), Some(time), Some(device), Some(state)) =
        (cells.next(), cells.next(), cells.next(), cells.next())
    else {
        let message = "not the file's format: expected person, time, device and state, separated by tabs";
        return Err(Fault::new(RejectCode::NotJson, message));
    };
    let (verify, work_code) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
    draft.employee_id = push_trimmed(person, batch);
    if person.is_empty() {
        return Err(Fault::missing("person"));
    }
    let time = FileTime::read_local("time", time, &options.time_zone)?;
    let device = if device.is_empty() { options.device_id.as_str() } else { device };
    draft.kind = Some(kind(state, &options.attlog_states)?);
    draft.occurred_at = Some(time.instant);
    draft.origin = Some(Origin::Import);
    draft.device_id = push_trimmed(device, batch);
    draft.event_id = push_event_id(device, person, time, &[state, verify, work_code], batch);
    Ok(())
}

/// A clock without a state to tell.
const UNDEFINED_STATE: u8 = 255;

fn kind(state: &str, states: &AttLogStates) -> Result<Kind, Fault> {
    let AttLogStates::Mapped(map) = states else { return Ok(Kind::Auto) };
    if state.is_empty() {
        return Ok(Kind::Auto);
    }
    let number = state.parse::<u8>().ok();
    let mapped = number.and_then(|number| map.iter().find(|(state, _)| *state == number));
    match (mapped, number) {
        (Some((_, kind)), _) => Ok(*kind),
        (None, Some(UNDEFINED_STATE)) => Ok(Kind::Auto),
        _ => {
            let shown: String = state.chars().take(40).collect();
            let message = format!("`state` is {shown:?}, which the state map does not name");
            Err(Fault::new(RejectCode::WrongType, message))
        }
    }
}
