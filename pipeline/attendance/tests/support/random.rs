//! Numbers from a seed, and days made of them in the small language.

/// Numbers from a seed, for worlds made at random.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // xorshift64*, whose high bits are good.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len() as u64) as usize]
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

/// A few days in the language: shifts of every kind, overlapping windows, leave, corrections, punches around them.
pub(crate) fn random_script(random: &mut Random) -> String {
    let zone = random.pick(&["Asia/Hong_Kong", "Europe/London", "America/New_York"]);
    let date = random.pick(&["2026-11-02", "2026-03-27", "2026-10-23", "2026-10-30", "2026-03-06"]);
    let mut script = format!("zone {zone}\ndate {date}\n");
    let flex = random.pick(&["none", "none", "forgive", "slide"]);
    let overtime = random.pick(&["off", "punched", "approved", "both"]);
    script += &format!(
        "policy before={} after={} grace_in={} grace_out={} flex={flex} flex_min=20 overtime={overtime} settle={} as_absent={}\n",
        random.below(300),
        random.below(600),
        random.below(3) * 5,
        random.below(3) * 5,
        random.below(2) * 1440,
        random.below(2) * 180,
    );
    if random.one_in(2) {
        script += &format!("policy reminder={}\n", random.below(5) * 45);
    }
    // Rules that look back are every shift's, or only some shifts' of the person.
    let ruled = random.pick(&["policy", "policy@ruled"]);
    if random.one_in(2) {
        let (hours, days) = (random.below(3) * 7, random.below(4));
        let late = random.pick(&["", "", "late_leave=1080+60", "late_leave=1020+30,1500+200"]);
        let (day, week, warn) = (random.below(3) * 4, random.below(3) * 9, random.below(3) * 45);
        script += &format!("{ruled} rest={hours} days_max={days} {late}\n");
        script += &format!("{ruled} day_hours={day} week_hours={week} warn={warn}\n");
    }
    if random.one_in(2) {
        let rest_day = random.pick(&["from_end", "whole"]);
        let resolution = random.pick(&["minute", "second"]);
        let night = random.pick(&["0-0", "1320-360", "60-300"]);
        let (cap, half, deduct) = (random.below(2) * 40, random.below(3) * 120, random.below(2) * 20);
        script +=
            &format!("policy rest_day={rest_day} resolution={resolution} night={night} half_day={half}\n");
        script +=
            &format!("policy overtime_max={cap} break_after={} break_deduct={deduct}\n", random.below(4));
        script += &format!("calendar {} {}\n", random.below(4), random.pick(&["rest", "holiday"]));
    }
    let clock = |minute: u64| format!("{:02}:{:02}", minute / 60, minute % 60);
    let mut instants = Vec::new();
    for day in 0..4 {
        for segment in 0..random.below(3) {
            let start = day * 1440 + segment * 300 + random.below(20) * 30;
            let end = start + 60 + random.below(18) * 30;
            let at = random.pick(&["A", "B"]);
            script += &format!("shift s{day}{segment} {}-{} at {at}", clock(start), clock(end));
            if end - start > 240 && random.one_in(2) {
                let from = start + 90;
                let name = random.pick(&["break", "break", "paid"]);
                script += &format!(" {name} {}-{}", clock(from), clock(from + 30 + random.below(2) * 30));
            }
            script += random.pick(&["", "", "", "", "", " free", " cancelled"]);
            script += random.pick(&["", " as ruled"]);
            script += "\n";
            instants.extend([start, end, start + 100, end - 30]);
        }
    }
    instants.push(600);
    let near = |random: &mut Random| {
        let base = instants[random.below(instants.len() as u64) as usize];
        (base + random.below(80)).saturating_sub(40)
    };
    for at in 0..random.below(4) {
        let from = near(random);
        let until = from + 30 + random.below(20) * 30;
        let kind = random.pick(&["annual", "annual", "sick", "overtime", "field"]);
        script += &format!("leave l{at} {}-{} type {kind}", clock(from), clock(until));
        if random.one_in(2) {
            script += &format!(" from {}", clock(near(random)));
        }
        script += "\n";
    }
    for at in 0..random.below(3) {
        let kind = random.pick(&["in", "out"]);
        script += &format!("correct c{at} {kind} {} from {}\n", clock(near(random)), clock(near(random)));
    }
    for _ in 0..random.below(14) {
        let kind = random.pick(&["in", "in", "out", "out", "auto", "auto", "break_out", "break_in"]);
        let place = random.pick(&["", "", "", "at B", "at C", "outside", "none", "mocked", "contradicts"]);
        let second = random.below(60);
        if random.one_in(4) {
            // A repeat within or just beyond the debounce.
            let minute = near(random);
            script += &format!(
                "{kind} {}:{second:02}\n{kind} {}:{:02}\n",
                clock(minute),
                clock(minute + 1),
                random.below(60)
            );
            continue;
        }
        script += &format!("{kind} {}:{second:02} {place}\n", clock(near(random)));
    }
    script
}
