//! One line of a Chinese terminal's CSV: `登记号码,姓名,出勤时间`, such as `E0045,…,2019/10/8 星期二 8:20`.
//!
//! Absent on purpose: the name. It is skipped and reaches neither the batch nor a message.

use model::{Batch, Kind, Origin, RejectCode};

use super::ImportOptions;
use super::csv::Cells;
use super::draft::{Draft, Fault};
use super::import::{FileTime, push_event_id, push_trimmed};

pub(super) fn read(
    line: &str,
    options: &ImportOptions,
    cells: &mut Cells,
    batch: &mut Batch,
    draft: &mut Draft,
) -> Result<(), Fault> {
    cells.split(line, b',')?;
    if cells.len() != 3 {
        let message = format!(
            "not the file's format: expected 登记号码, 姓名 and 出勤时间, found {} columns",
            cells.len()
        );
        return Err(Fault::new(RejectCode::NotJson, message));
    }
    let (person, time) = (cells.get(0), cells.get(2));
    draft.employee_id = push_trimmed(person, batch);
    if draft.employee_id.is_empty() {
        return Err(Fault::missing("登记号码"));
    }
    let time = FileTime::read_local("出勤时间", time, &options.time_zone)?;
    draft.kind = Some(Kind::Auto);
    draft.occurred_at = Some(time.instant);
    draft.origin = Some(Origin::Import);
    draft.device_id = push_trimmed(&options.device_id, batch);
    draft.event_id = push_event_id(&options.device_id, person, time, &[], batch);
    Ok(())
}
