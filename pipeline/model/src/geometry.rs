//! Points, rings and lengths on the WGS-84 ellipsoid, and the datum a coordinate pair is told in.

/// A longitude and a latitude in degrees, order in the name: −180 ≤ lon ≤ 180, −90 ≤ lat ≤ 90, finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LonLat {
    lon: f64,
    lat: f64,
}

impl LonLat {
    /// The point, or `None` if a coordinate is not a finite number in its range.
    pub fn new(lon: f64, lat: f64) -> Option<Self> {
        ((-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat)).then_some(Self { lon, lat })
    }

    /// Degrees east.
    pub const fn lon(self) -> f64 {
        self.lon
    }

    /// Degrees north.
    pub const fn lat(self) -> f64 {
        self.lat
    }
}

/// A length in metres; finite.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Meters(f64);

impl Meters {
    /// The length, or `None` if it is not finite.
    pub fn new(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self(value))
    }

    /// As a number of metres.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// The datum a coordinate pair is told in. The tag decides, never the country.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Datum {
    /// What GPS receivers and this system speak.
    #[default]
    Wgs84,
    /// The shifted grid of mainland map services.
    Gcj02,
    /// Baidu's further shift of GCJ-02.
    Bd09,
}

impl Datum {
    /// Its name in the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wgs84 => "wgs84",
            Self::Gcj02 => "gcj02",
            Self::Bd09 => "bd09",
        }
    }

    /// The datum of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Wgs84, Self::Gcj02, Self::Bd09].into_iter().find(|datum| datum.name() == name)
    }
}

/// A closed line of at least three distinct corners; the first corner is not repeated at the end. Longitudes may run
/// beyond ±180 where a ring crosses the antimeridian uncut; edges are straight in lon/lat.
#[derive(Clone, Debug, PartialEq)]
pub struct Ring(pub Vec<(f64, f64)>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_finite_and_in_range() {
        assert!(LonLat::new(180.0, -90.0).is_some());
        for (lon, lat) in [(180.1, 0.0), (0.0, 90.1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert!(LonLat::new(lon, lat).is_none());
        }
    }
}
