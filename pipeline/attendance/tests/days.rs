//! Section 4 of the contract, sentence by sentence, as days in the small language of `support`; one file a theme.

// Helpers below are test code outside of test functions.
#![allow(clippy::unwrap_used)]

#[path = "days/binding.rs"]
mod binding;
#[path = "days/ends.rs"]
mod ends;
#[path = "days/requests.rs"]
mod requests;
#[path = "days/rules.rs"]
mod rules;
mod support;
#[path = "days/time.rs"]
mod time;
#[path = "days/wishes.rs"]
mod wishes;

use support::*;

/// Lives through the day and compares what is said in the end; and asks the pure function for the same clock, which must
/// agree.
#[track_caller]
fn check(script: &str, expected: &str) {
    let world = World::parse(script);
    let mut sent = world.sent.clone();
    sent.sort_by_key(|sent| sent.arrives_at);
    let mut life = Life::new(&world);
    sent.iter().for_each(|sent| _ = life.send(sent));
    let until = life.finish();
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = life.said.text(&world);
    assert_eq!(said, expected.join("\n"), "\n--- said\n{said}\n--- of\n{script}");
    let clock = world.clock.unwrap_or_else(|| life.state.clock());
    let mut judged = judged_at(&world.as_of(clock), &life.rows, clock, until);
    judged.story = life.said.story.clone();
    assert_eq!(judged.text(&world), said, "the pure function at the same clock");
}

/// As [`check`], of the story of findings instead of the end.
#[track_caller]
fn check_story(script: &str, expected: &str) {
    let world = World::parse(script);
    let mut sent = world.sent.clone();
    sent.sort_by_key(|sent| sent.arrives_at);
    let mut life = Life::new(&world);
    sent.iter().for_each(|sent| _ = life.send(sent));
    life.finish();
    assert_eq!(life.said.story.join(", "), expected, "{script}");
}

/// How often each shift's outcome was said anew, and what holds in the end: `s1 v2 present …`.
#[track_caller]
fn check_versions(script: &str, expected: &str) {
    let world = World::parse(script);
    let mut sent = world.sent.clone();
    sent.sort_by_key(|sent| sent.arrives_at);
    let mut life = Life::new(&world);
    sent.iter().for_each(|sent| _ = life.send(sent));
    life.finish();
    let said = life.said.outcomes.values().map(|outcome| {
        let line = world.outcome(outcome);
        line.replacen(' ', &format!(" v{} ", life.said.versions[&outcome.shift_id]), 1)
    });
    assert_eq!(said.collect::<Vec<_>>().join("\n"), expected, "{script}");
}

/// Since when each finding holds in the end.
#[track_caller]
fn check_first_at(script: &str, expected: &str) {
    let world = World::parse(script);
    let mut sent = world.sent.clone();
    sent.sort_by_key(|sent| sent.arrives_at);
    let mut life = Life::new(&world);
    sent.iter().for_each(|sent| _ = life.send(sent));
    life.finish();
    let since = |finding: &model::anomaly::Finding| {
        format!("{} {}", finding.kind.name(), world.local(finding.first_at))
    };
    let said: Vec<String> = life.said.findings.values().map(since).collect();
    assert_eq!(said.join(", "), expected, "{script}");
}
