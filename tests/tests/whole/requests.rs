//! A request that waits is told to the manager, its decision to the person, each once, over restarts.

use serde_json::json;
use tests::lake_reader::LakeReader;

use super::seals::{People, append, person, rows, run, write_october};

const TOLD: &str = "SELECT kind, state, version, audience, array_to_string(event_ids, ' '), resolved_by, resolved_ref \
                    FROM latest_anomalies WHERE kind LIKE 'approval%' ORDER BY kind";

#[test]
fn a_request_is_told_while_it_waits_and_when_it_was_decided() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let people = People { anna: person(0), bert: person(1), carl: person(2) };
    write_october(folder, &people);
    let request = |status: &str| {
        let row = json!({"leave_id": "l9", "employee_id": people.bert, "from": "2026-10-30T00:00:00Z",
            "to": "2026-10-31T00:00:00Z", "type": "annual", "status": status});
        std::fs::write(folder.join("leave.ndjson"), format!("{row}\n")).unwrap();
    };
    request("pending");
    let versions = || LakeReader::open(&folder.join("lake")).versions("anomalies", "anomaly_id");
    let told = |expected: &[&str]| {
        run(folder);
        assert_eq!(rows(folder, TOLD), expected);
        let said = versions();
        run(folder);
        assert_eq!(versions(), said, "who starts again says nothing twice");
    };
    told(&["approval_pending,firing,1,manager,leave/l9,,"]);
    request("approved");
    told(&[
        "approval_decided,firing,1,employee,leave/l9 approved,,",
        "approval_pending,resolved,2,manager,leave/l9,decision,l9",
    ]);
    append(folder, &[(&people.bert, "auto", "2026-11-03T13:00:00Z", "phone")]);
    run(folder);
    told(&[
        "approval_decided,resolved,2,employee,leave/l9 approved,superseded,",
        "approval_pending,resolved,2,manager,leave/l9,decision,l9",
    ]);
}
