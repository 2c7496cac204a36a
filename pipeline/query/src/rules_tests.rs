use super::*;

#[test]
fn every_shipped_rule_has_a_header_that_says_when_it_runs() {
    for (name, text) in SHIPPED {
        let rule = Rule::parse(name, text).unwrap_or_else(|what| panic!("{name}: {what}"));
        assert_eq!(rule.kind.name(), *name, "a shipped rule is named as its kind");
    }
    let kinds = AnomalyKind::ALL.iter().filter(|kind| kind.is_ruled()).count();
    assert_eq!(SHIPPED.len(), kinds, "every kind of rules has one");
}

#[test]
fn a_header_is_told_what_it_lacks() {
    let good = "-- Sentences, with a colon: fine.\n-- kind: absence_rate\n-- subject: site\n-- window: 2 hours\n\
                -- every: 30 min\nSELECT 1;";
    let rule = Rule::parse("r", good).unwrap();
    assert_eq!((rule.window_min, rule.every_min, rule.needs_append_clock), (120, 30, false));
    assert!(!rule.sql.ends_with(';'));
    let told = |from: &str, to: &str| Rule::parse("r", &good.replace(from, to)).unwrap_err();
    assert!(told("-- kind: absence_rate\n", "").contains("lacks `-- kind"));
    assert!(told("absence_rate", "late").contains("none that a rule may find"));
    assert!(told("subject: site", "subject: shop").contains("none of employee"));
    assert!(told("2 hours", "long").contains("no length of time"));
    assert!(told("2 hours", "10 min").contains("shorter than `every`"));
    assert!(told("2 hours", "1000 days").contains("longer than 92 days"));
    assert!(told("-- every: 30 min", "-- every: 30 min\n-- clock: record").contains("only `append`"));
}

#[tokio::test]
async fn what_does_not_run_is_told_and_what_does_is_not() {
    let header = "-- kind: absence_rate\n-- subject: site\n-- window: 2 hours\n-- every: 30 min\n";
    let rule = |name: &str, sql: &str| Rule::parse(name, &format!("{header}{sql}")).unwrap();
    let good =
        "SELECT 's' AS site_id, DATE '2026-11-02' AS business_date, $since AS first_at, $now AS last_at";
    let rules = [
        rule("good", good),
        rule("wrong_table", "SELECT * FROM punchs"),
        rule("no_subject", "SELECT DATE '2026-11-02' AS business_date, $now AS first_at, $now AS last_at"),
        rule("wall_time", &good.replace("$since", "TIMESTAMP '2026-11-02T00:00:00'")),
        rule("writes", "DROP TABLE punches"),
    ];
    let broken = try_all(&rules).await.unwrap();
    let told = |name: &str| broken.iter().find(|(broken, _)| broken == name).map(|(_, e)| e.to_string());
    assert_eq!(told("good"), None);
    assert!(told("wrong_table").unwrap().contains("punches"));
    assert!(told("no_subject").unwrap().contains("no column site_id"));
    assert!(told("wall_time").unwrap().contains("first_at is no instant"));
    assert!(told("writes").is_some());
    assert_eq!(broken.len(), 4);
}

#[tokio::test]
async fn every_shipped_rule_runs_over_an_empty_lake() {
    let rules: Vec<Rule> = SHIPPED.iter().map(|(name, text)| Rule::parse(name, text).unwrap()).collect();
    let broken = try_all(&rules).await.unwrap();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[tokio::test]
async fn of_two_rows_about_one_subject_and_day_the_earlier_counts() {
    let sql = "-- kind: shared_device\n-- subject: device\n-- window: 2 hours\n-- every: 1 hour\n
               SELECT column1 AS device_id, DATE '2026-11-02' AS business_date, column2 AS minutes,\n
               CASE WHEN column2 = 1 THEN $since ELSE $now END AS first_at, $now AS last_at,\n
               make_array('b', 'a', 'a') AS event_ids FROM (VALUES ('d2', 2), ('d1', 2), ('d1', 1))";
    let sql = sql.replace("\n\n", "\n");
    let session = Session::over(LakeTables::nothing(), Options::default()).await.unwrap();
    let now = EventTime::from_ms(1_793_577_600_000);
    let rows = session.rule(&Rule::parse("r", &sql).unwrap(), now).await.unwrap();
    let found: Vec<_> = rows.iter().map(|row| (&*row.subject, row.minutes, row.first_at)).collect();
    assert_eq!(found, [("d1", Some(1), now.plus_min(-120)), ("d2", Some(2), now)]);
    assert_eq!(rows[0].event_ids, ["a".into(), "b".into()]);
    assert_eq!((&*rows[0].org, rows[0].site_id.as_deref()), ("", None));
}
