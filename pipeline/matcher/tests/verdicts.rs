//! Section 3 of the contract, sentence by sentence: small worlds, punches, and the verdicts they must get.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code outside of `#[test]` functions")]

mod support;

use support::check;

/// Two neighbours whose fences overlap between x = 60 and x = 100, and one far off.
const MALL: &str = "
    site A circle=0,0,100 ap=a1,a2 beacon=1 terminal=TA
    site B circle=160,0,100 ap=b1,b2 beacon=2 terminal=TB
    site F circle=5000,0,100 ap=f1 beacon=9 terminal=TF
";

fn check_in(world: &str, punches: &str) {
    check(&format!("{world}{punches}"));
}

#[test]
fn lenient_is_inside_to_the_edge_and_outside_beyond_accuracy() {
    check(
        "site S circle=0,0,100
         at=0,0 acc=20 => inside S gps -100.00
         at=99.99,0 acc=20 => inside S gps -0.01
         at=110,0 acc=20 => uncertain S gps 10.00
         at=119.99,0 acc=20 => uncertain S gps 19.99
         at=120.01,0 acc=20 => outside - gps 20.01
         at=0,199.99 acc=499 => uncertain S gps 99.99
         at=0,200.01 acc=499 => outside - gps 100.01",
    );
}

#[test]
fn a_point_on_the_edge_is_inside() {
    check(
        "site S polygon=0,0;100,0;100,100;0,100|40,40;60,40;60,60;40,60
         at=0,0 acc=5 => inside S gps 0.00
         at=100,50 acc=5 => inside S gps 0.00
         at=50,100 acc=5 => inside S gps 0.00
         at=40,50 acc=5 => inside S gps 0.00
         at=100,100 acc=5 => inside S gps 0.00
         at=50,50 acc=5 => outside - gps 10.00
         at=50,30 acc=5 => inside S gps -10.00",
    );
}

#[test]
fn the_other_fence_rules_hold() {
    let world = "site S circle=0,0,100\n";
    check_in(
        world,
        "policy rule=centre t=30
         at=129.9,0 acc=500 => inside S gps 29.90
         at=130.1,0 acc=1 => outside - gps 30.10
         policy rule=strict t=30
         at=79.9,0 acc=20 => inside S gps -20.10
         at=80.1,0 acc=20 => uncertain S gps -19.90
         at=149.9,0 acc=20 => uncertain S gps 49.90
         at=150.1,0 acc=20 => outside - gps 50.10
         at=0,0 acc=101 => uncertain S gps -100.00
         policy rule=probability
         at=45.5,0 acc=50 => inside S gps -54.50
         at=45.6,0 acc=50 => uncertain S gps -54.40
         at=154.4,0 acc=50 => uncertain S gps 54.40
         at=154.5,0 acc=50 => outside - gps 54.50
         at=45.5,0 acc=50 ios => uncertain S gps -54.50
         at=41.8,0 acc=50 ios => inside S gps -58.20
         at=158.2,0 acc=50 ios => outside - gps 58.20
         at=642.7,0 acc=500 => uncertain S gps 542.70",
    );
}

#[test]
fn a_sites_tolerance_takes_the_policys_place() {
    check(
        "site S circle=0,0,100 tolerance=50
         site T circle=1000,0,100 tolerance=0
         site U circle=5000,0,100
         policy rule=centre t=20
         at=149,0 acc=10 => inside S gps 49.00
         at=1110,0 acc=10 => outside - gps 10.00
         at=5119,0 acc=10 => inside U gps 19.00
         policy rule=lenient t=20
         at=159,0 acc=10 => uncertain S gps 59.00
         at=161,0 acc=10 => outside - gps 61.00
         at=1111,0 acc=10 => outside - gps 11.00
         at=5129,0 acc=10 => uncertain U gps 29.00",
    );
}

#[test]
fn accuracy_missing_is_a_hundred_metres_and_poor_is_no_fix() {
    check(
        "site S circle=0,0,100
         at=0,0 => inside S gps -100.00 because accuracy_missing
         at=0,0 acc=0 => inside S gps -100.00 because accuracy_missing
         at=199,0 => uncertain S gps 99.00 because accuracy_missing
         at=201,0 => outside - gps 101.00 because accuracy_missing
         at=0,0 acc=-1 => no_evidence - - - because accuracy_poor
         at=9000,0 acc=-1 => no_evidence - - - because accuracy_poor
         at=0,0 acc=500 => inside S gps -100.00
         at=0,0 acc=500.5 => no_evidence - - - because accuracy_poor
         at=9000,0 acc=501 => no_evidence - - - because accuracy_poor
         policy rule=strict
         at=0,0 => inside S gps -100.00 because accuracy_missing
         policy accuracy_max=50
         at=0,0 acc=50 => inside S gps -100.00
         at=0,0 acc=51 => no_evidence - - - because accuracy_poor
         at=0,0 => no_evidence - - - because accuracy_missing,accuracy_poor",
    );
}

#[test]
fn a_mocked_fix_is_judged_as_any_fix() {
    check(
        "site S circle=0,0,100
         at=0,0 acc=5 mocked => inside S gps -100.00 because mocked
         at=900,0 acc=5 mocked => outside - gps 800.00 because mocked
         at=0,0 acc=-1 mocked => no_evidence - - - because accuracy_poor,mocked",
    );
}

#[test]
fn a_datum_tag_covers_its_own_fix() {
    check(
        "site S circle=0,0,100
         at=0,0 acc=5 datum=gcj02 => inside S gps -100.00
         at=110,0 acc=20 datum=gcj02 => uncertain S gps 10.00
         at=0,0 acc=5 datum=bd09 => inside S gps -100.00",
    );
}

#[test]
fn several_fences_are_candidates_unless_something_settles_it() {
    check_in(
        MALL,
        "at=80,0 acc=5 => inside - gps -20.00 of A,B because ambiguous_site
         at=61,0 acc=5 => inside - gps -39.00 of A,B because ambiguous_site
         at=20,0 acc=5 => inside A gps -80.00
         at=80,0 acc=5 ap=a1 => inside A wifi,gps -20.00
         at=80,0 acc=5 ap=b1 => inside B wifi,gps -20.00
         at=80,0 acc=5 beacon=2 => inside B beacon,gps -20.00
         at=80,0 acc=5 device=TB => inside B terminal,gps -20.00
         due scheduled=B
         at=80,0 acc=5 => inside B gps -20.00
         at=61,0 acc=5 => inside B gps -1.00
         at=20,0 acc=5 => inside A gps 40.00
         due scheduled=F
         at=80,0 acc=5 => inside - gps 4820.00 of A,B because ambiguous_site",
    );
}

#[test]
fn uncertain_is_the_same_over_the_sites_in_reach() {
    let world = "
        site B circle=300,0,100
        site A circle=0,0,100
        site C circle=150,300,100
        ";
    check_in(
        world,
        "at=110,0 acc=20 => uncertain A gps 10.00
         at=150,0 acc=60 => uncertain - gps 50.00 of A,B because ambiguous_site
         at=149,0 acc=60 => uncertain - gps 49.00 of A,B because ambiguous_site
         at=150,120 acc=100 => uncertain - gps 80.00 of A,B,C because ambiguous_site
         at=150,0 acc=49 => outside - gps 50.00
         at=99,0 acc=100 => inside A gps -1.00
         due scheduled=B
         at=150,0 acc=60 => uncertain B gps 50.00
         at=110,0 acc=20 => uncertain A gps 90.00",
    );
}

#[test]
fn a_terminal_is_believed_only_where_it_is_listed() {
    check(
        "site A circle=0,0,100 terminal=TA,TS
         site B circle=5000,0,100 terminal=TB,TS
         claim=A device=TA => inside A terminal -
         claim=A device=TB => no_evidence - - - because terminal_unlisted
         claim=A device=X => no_evidence - - - because terminal_unlisted
         claim=A => no_evidence - - - because terminal_unlisted
         claim=Q device=TA => no_evidence - - - because unknown_site
         claim=A device=TS => inside A terminal -
         claim=B device=TS => inside B terminal -
         device=TA => inside A terminal -
         device=TS => no_evidence - - -
         device=X => no_evidence - - -
         claim=A device=TB at=5000,0 acc=5 => inside B gps -100.00 because terminal_unlisted
         claim=Q at=0,0 acc=5 => inside A gps -100.00 because unknown_site",
    );
}

#[test]
fn fresh_listed_access_points_name_their_site() {
    check_in(
        MALL,
        "ap=a1 => inside A wifi -
         ap=a1,a2 => inside A wifi -
         ap=a1,c9 => inside A wifi -
         ap=a1@10000 => inside A wifi -
         ap=a1@10001 => no_evidence - - - because wifi_stale
         ap=a1@10001,c9 => no_evidence - - - because wifi_stale
         ap=a1@99999,b1 => inside B wifi -
         ap=c9 => no_evidence - - - because bssid_unknown
         ap=c9@99999 => no_evidence - - - because bssid_unknown
         ap=c9 at=0,0 acc=5 => inside A gps -100.00 because bssid_unknown
         ap=c9 at=900,0 acc=5 => outside - gps 640.00 because bssid_unknown
         ap=a1@10001 at=0,0 acc=5 => inside A gps -100.00 because wifi_stale
         ignored=2 => no_evidence - - - because bssid_ignored
         ap=a1 ignored=1 => inside A wifi - because bssid_ignored
         policy age_max=500
         ap=a1@500 => inside A wifi -
         ap=a1@501 => no_evidence - - - because wifi_stale",
    );
}

#[test]
fn several_sites_named_by_wifi_are_candidates_unless_settled() {
    check_in(
        MALL,
        "ap=a1,b1 => inside - wifi - of A,B because ambiguous_site,contradiction_radio
         ap=a1,b1+ => inside B wifi -
         ap=a1,b1+@10001 => inside A wifi -
         ap=a1,b1,c9+ => inside - wifi - of A,B because ambiguous_site,contradiction_radio
         ap=a1,b1 beacon=2 => inside B wifi,beacon - because contradiction_radio
         ap=a1,b1 device=TA => inside A terminal,wifi - because contradiction_radio
         ap=a1,b1 at=0,0 acc=5 => inside A wifi,gps -100.00 because contradiction_radio
         ap=a1,b1 at=80,0 acc=5 => inside - wifi,gps -20.00 of A,B because ambiguous_site,contradiction_radio
         ap=a1,b1 at=40,0 acc=30 => inside A wifi,gps -60.00 because contradiction_radio
         due scheduled=B
         ap=a1,b1 => inside B wifi - because contradiction_radio
         ap=a1,b1 at=40,0 acc=30 => inside B wifi 20.00 because contradiction_radio
         due scheduled=F
         ap=a1,b1 => inside - wifi - of A,B because ambiguous_site,contradiction_radio",
    );
}

#[test]
fn votes_are_not_a_majority() {
    check_in(
        MALL,
        "ap=a1,a2,b1 => inside - wifi - of A,B because ambiguous_site,contradiction_radio
         ap=a1,a2,b1@10001 => inside A wifi -
         ap=a1@10001,a2@10001,b1@10001 => no_evidence - - - because wifi_stale
         ap=a1+,a2,b1+ => inside - wifi - of A,B because ambiguous_site,contradiction_radio
         ap=a1,a2,b1,f1 beacon=2 => inside B wifi,beacon - because contradiction_radio",
    );
}

#[test]
fn the_scans_of_neighbours_in_a_batch_stay_apart() {
    check_in(
        MALL,
        "ap=a1 => inside A wifi -
         => no_evidence - - -
         beacon=2 => inside B beacon -
         ap=c9 => no_evidence - - - because bssid_unknown
         at=80,0 acc=5 => inside - gps -20.00 of A,B because ambiguous_site
         ap=b1 beacon=2 => inside B wifi,beacon -
         device=TF => inside F terminal -
         ap=a1,b1 => inside - wifi - of A,B because ambiguous_site,contradiction_radio
         at=80,0 acc=5 => inside - gps -20.00 of A,B because ambiguous_site",
    );
}

#[test]
fn a_person_may_have_several_stores() {
    check_in(
        MALL,
        "due permitted=A,F
         at=20,0 acc=5 => inside A gps -80.00
         at=5000,0 acc=5 => inside F gps -100.00
         at=80,0 acc=5 => inside - gps -20.00 of A,B because ambiguous_site
         at=200,0 acc=5 => inside B gps 100.00 because not_permitted_site
         ap=f1 => inside F wifi -
         ap=b1 => inside B wifi - because not_permitted_site
         due permitted=A,F scheduled=F
         at=80,0 acc=5 => inside - gps 4820.00 of A,B because ambiguous_site
         at=900,0 acc=5 => outside - gps 4000.00",
    );
}

#[test]
fn an_address_out_of_force_leaves_its_block_in_force() {
    check(
        "site A circle=0,0,100 ap=c0/44
         site B circle=160,0,100 ap=c5 until=10
         site C circle=5000,0,100 ap=c5 until=5
         ap=c5 t=0 => inside - wifi - of B,C because ambiguous_site
         ap=c5 t=5 => inside B wifi -
         ap=c5 t=10 => inside A wifi -
         ap=c5,c6 t=0 => inside - wifi - of A,B,C because ambiguous_site,contradiction_radio
         ap=c5,c6 t=10 => inside A wifi -",
    );
}

#[test]
fn a_shared_access_point_is_ambiguous_but_no_contradiction() {
    check(
        "site A circle=0,0,100 ap=a1,11
         site B circle=160,0,100 ap=b1,11
         ap=11 => inside - wifi - of A,B because ambiguous_site
         ap=11,a1 => inside - wifi - of A,B because ambiguous_site
         ap=11+,a1 => inside - wifi - of A,B because ambiguous_site
         ap=11,a1+ => inside A wifi -
         due scheduled=A
         ap=11 => inside A wifi -",
    );
}

#[test]
fn the_longest_prefix_counts() {
    check(
        "site A circle=0,0,100 ap=c0/44
         site B circle=5000,0,100 ap=c5
         site C circle=9000,0,100 ap=c0/46 from=10 until=20
         ap=c1 t=0 => inside A wifi -
         ap=cf t=0 => inside A wifi -
         ap=d0 t=0 => no_evidence - - - because bssid_unknown
         ap=c5 t=0 => inside B wifi -
         ap=c1 t=10 => inside C wifi -
         ap=c4 t=10 => inside A wifi -
         ap=c1 t=20 => inside A wifi -",
    );
}

#[test]
fn trust_falls_from_terminal_to_wifi_to_beacon_to_gps() {
    check_in(
        MALL,
        "device=TA ap=b1 beacon=9 => inside A terminal -
         device=TA ap=a1 beacon=1 at=0,0 acc=5 => inside A terminal,wifi,beacon,gps -100.00
         device=TA at=900,0 acc=5 => inside A terminal 640.00
         ap=a1 beacon=2 => inside A wifi -
         beacon=1 => inside A beacon -
         beacon=77 => no_evidence - - -
         beacon=1,2 => inside - beacon - of A,B because ambiguous_site,contradiction_radio
         beacon=1,2 ap=b1 => inside B wifi,beacon - because contradiction_radio
         beacon=1 at=900,0 acc=5 => inside A beacon 640.00
         beacon=1 at=110,0 acc=20 => inside A beacon -50.00
         => no_evidence - - -",
    );
}

#[test]
fn wifi_against_gps_is_a_contradiction_and_wifi_decides() {
    check_in(
        MALL,
        "ap=a1 at=900,0 acc=5 => inside A wifi 640.00 because contradiction_wifi_gps
         ap=a1 at=5000,0 acc=5 => inside A wifi -100.00 because contradiction_wifi_gps
         ap=a1 at=110,0 acc=20 => inside A wifi -50.00
         ap=a1 at=900,0 acc=-1 => inside A wifi - because accuracy_poor
         ap=a1@20000 at=900,0 acc=5 => outside - gps 640.00 because wifi_stale
         ap=a1,f1 at=900,0 acc=5 => inside - wifi 640.00 of A,F because ambiguous_site,contradiction_radio,contradiction_wifi_gps
         ap=a1,f1 at=5000,0 acc=5 => inside F wifi,gps -100.00 because contradiction_radio
         device=TA ap=a1 at=900,0 acc=5 => inside A terminal,wifi 640.00 because contradiction_wifi_gps",
    );
}

#[test]
fn a_required_kind_absent_is_uncertain() {
    check_in(
        MALL,
        "policy evidence=wifi
         ap=a1 => inside A wifi -
         ap=a1 at=900,0 acc=5 => inside A wifi 640.00
         at=0,0 acc=5 => uncertain A gps -100.00 because evidence_missing
         at=900,0 acc=5 => uncertain - gps 640.00 because evidence_missing
         at=80,0 acc=5 => uncertain - gps -20.00 of A,B because ambiguous_site,evidence_missing
         ap=c9 => uncertain - - - because bssid_unknown,evidence_missing
         ap=a1@20000 => uncertain - - - because evidence_missing,wifi_stale
         => uncertain - - - because evidence_missing
         policy evidence=gps
         at=0,0 acc=5 => inside A gps -100.00
         at=0,0 acc=5 ap=a1 => inside A gps -100.00
         at=80,0 acc=5 ap=b1 => inside B wifi,gps -20.00
         at=0,0 acc=5 ap=f1 => inside A gps -100.00
         at=900,0 acc=5 ap=a1 => outside - gps 640.00
         at=0,0 acc=-1 => uncertain - - - because accuracy_poor,evidence_missing
         ap=a1 => uncertain A wifi - because evidence_missing",
    );
}

#[test]
fn kinds_joined_by_and_vouch_for_each_other() {
    check_in(
        MALL,
        "policy evidence=wifi_and_gps
         ap=a1 at=0,0 acc=5 => inside A wifi,gps -100.00
         ap=a1 at=110,0 acc=20 => inside A wifi -50.00
         ap=a1,b1 at=80,0 acc=5 beacon=1 => inside A wifi,beacon,gps -20.00 because contradiction_radio
         ap=a1 => uncertain A wifi - because evidence_missing
         at=0,0 acc=5 => uncertain A gps -100.00 because evidence_missing
         ap=a1 at=900,0 acc=5 => uncertain A wifi 640.00 because contradiction_wifi_gps
         policy evidence=terminal_and_gps
         device=TA at=0,0 acc=5 => inside A terminal,gps -100.00
         device=TA at=900,0 acc=5 => uncertain A terminal 640.00 because evidence_missing
         policy evidence=terminal_and_wifi
         device=TA ap=a1 => inside A terminal,wifi -
         device=TA ap=b1 => uncertain A terminal - because evidence_missing",
    );
}

#[test]
fn one_satisfied_set_of_an_or_is_enough() {
    check_in(
        MALL,
        "policy evidence=wifi_and_gps_or_terminal
         device=TA => inside A terminal -
         ap=a1 at=0,0 acc=5 => inside A wifi,gps -100.00
         ap=a1 at=900,0 acc=5 device=TA => inside A terminal 640.00 because contradiction_wifi_gps
         ap=a1 at=0,0 acc=5 device=TA => inside A terminal,wifi,gps -100.00
         ap=a1 => uncertain A wifi - because evidence_missing
         beacon=1 => uncertain A beacon - because evidence_missing
         policy evidence=wifi_or_gps
         ap=a1 => inside A wifi -
         at=0,0 acc=5 => inside A gps -100.00
         at=900,0 acc=5 => outside - gps 640.00
         ap=a1 at=900,0 acc=5 => inside A wifi 640.00 because contradiction_wifi_gps
         beacon=1 => uncertain A beacon - because evidence_missing",
    );
}

#[test]
fn permission_is_a_reason_and_no_filter() {
    check_in(
        MALL,
        "due permitted=B
         at=20,0 acc=5 => inside A gps 40.00 because not_permitted_site
         at=200,0 acc=5 => inside B gps -60.00
         at=-110,0 acc=20 => uncertain A gps 170.00 because not_permitted_site
         at=80,0 acc=5 => inside - gps -20.00 of A,B because ambiguous_site
         ap=a1 => inside A wifi - because not_permitted_site
         at=900,0 acc=5 => outside - gps 640.00
         due permitted=B scheduled=A
         at=20,0 acc=5 => inside A gps -80.00 because not_permitted_site
         due
         at=20,0 acc=5 => inside A gps -80.00",
    );
}

#[test]
fn distance_is_to_the_scheduled_site_else_the_nearest_permitted_else_the_nearest_within_10_km() {
    check(
        "site A circle=0,0,100
         site B circle=30000,0,100
         site C circle=60000,0,100 from=10
         at=40,0 acc=5 => inside A gps -60.00
         at=10099,0 acc=5 => outside - gps 9999.00
         at=10101,0 acc=5 => outside - gps -
         due permitted=B,C
         at=40,0 acc=5 t=0 => inside A gps 29860.00 because not_permitted_site
         at=50100,0 acc=5 t=0 => outside - gps 20000.00
         at=50100,0 acc=5 t=10 => outside - gps 9800.00
         due permitted=C
         at=40,0 acc=5 t=0 => inside A gps -60.00 because not_permitted_site
         due scheduled=C permitted=B
         at=29900,0 acc=5 t=0 => inside B gps 0.00
         at=29900,0 acc=5 t=10 => inside B gps 30000.00",
    );
}

#[test]
fn sites_count_from_valid_from_until_valid_to() {
    check(
        "site A circle=0,0,100 ap=a1 beacon=1 terminal=T from=10 until=20
         site B circle=9000,0,100 terminal=T until=10
         at=0,0 acc=5 t=9 => outside - gps 8900.00
         at=0,0 acc=5 t=10 => inside A gps -100.00
         at=0,0 acc=5 t=19 => inside A gps -100.00
         at=0,0 acc=5 t=20 => outside - gps -
         ap=a1 t=9 => no_evidence - - - because bssid_unknown
         ap=a1 t=10 => inside A wifi -
         beacon=1 t=9 => no_evidence - - -
         beacon=1 t=10 => inside A beacon -
         device=T t=9 => inside B terminal -
         device=T t=10 => inside A terminal -
         device=T t=20 => no_evidence - - -
         claim=A device=T t=9 => no_evidence - - - because unknown_site
         claim=A device=T t=10 => inside A terminal -
         due scheduled=A
         at=0,0 acc=5 t=9 => outside - gps 8900.00",
    );
}

#[test]
fn a_declined_location_is_not_looked_at() {
    check_in(
        MALL,
        "due declined
         at=0,0 acc=5 => no_evidence - - - because location_declined
         at=0,0 mocked => no_evidence - - - because location_declined
         ap=a1 at=900,0 acc=5 => inside A wifi - because location_declined
         ap=a1 => inside A wifi -
         policy evidence=gps
         at=0,0 acc=5 => uncertain - - - because evidence_missing,location_declined",
    );
}

#[test]
fn an_unknown_employee_is_a_reason() {
    check_in(
        MALL,
        "due stranger
         at=0,0 acc=5 => inside A gps -100.00 because unknown_employee
         => no_evidence - - - because unknown_employee",
    );
}

#[test]
fn the_place_of_a_field_permission_is_a_fence_without_a_site() {
    check_in(
        MALL,
        "due field=2000,0,100
         at=2000,0 acc=5 => inside - gps 1740.00
         at=2099,0 acc=5 => inside - gps 1839.00
         at=2110,0 acc=20 => uncertain - gps 1850.00
         at=2130,0 acc=20 => outside - gps 1870.00
         at=0,0 acc=5 => inside A gps -100.00
         ap=a1 at=2000,0 acc=5 => inside A wifi 1740.00 because contradiction_wifi_gps
         due field=130,100,100
         at=80,120 acc=60 => inside - gps 44.22
         due field=0,0,100 scheduled=F
         at=0,0 acc=5 => inside A gps 4900.00",
    );
}

#[test]
fn a_field_punch_says_what_its_photo_lacks_and_its_place_stays() {
    check_in(
        MALL,
        "field at=0,0 acc=5 photo=ref,hash => inside A gps -100.00
         field at=0,0 acc=5 vendors_photo => inside A gps -100.00
         field at=0,0 acc=5 => inside A gps -100.00 because photo_missing
         field at=0,0 acc=5 photo=ref => inside A gps -100.00 because photo_malformed,photo_missing
         field at=0,0 acc=5 photo=hash => inside A gps -100.00 because photo_malformed,photo_missing
         field => no_evidence - - - because photo_missing
         field at=9999999,0 acc=900 => no_evidence - - - because accuracy_poor,photo_missing
         at=0,0 acc=5 => inside A gps -100.00
         at=0,0 acc=5 photo=ref => inside A gps -100.00
         policy photo=optional
         due
         field at=0,0 acc=5 => inside A gps -100.00
         field at=0,0 acc=5 photo=ref => inside A gps -100.00",
    );
}

#[test]
fn multipolygons_are_the_union_of_their_parts() {
    check(
        "site M polygon=0,0;100,0;100,100;0,100|40,40;60,40;60,60;40,60||200,0;300,0;300,100;200,100
         at=10,50 acc=5 => inside M gps -10.00
         at=290,50 acc=5 => inside M gps -10.00
         at=150,50 acc=5 => outside - gps 50.00
         at=50,50 acc=10 => uncertain M gps 10.00
         at=150,50 acc=50 => uncertain M gps 50.00",
    );
}
