//! Which addresses a destination may be called at: public ones, and those it lists.
//!
//! In: a URL's host, or what a name resolves to.  Out: whether to call it.  Owns: nothing.
//! Absent on purpose: trust in names: a name is asked for at every connection, every address it has must be allowed, and
//! the connection goes to an address that was checked, so that a name that changes its mind cannot pass.
//! Why so: whoever may write a webhook's URL or its DNS could else reach what only this machine can reach: a metadata
//! service, a database, the broker.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

/// Why an address is not called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    host: String,
    address: Option<IpAddr>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) if self.host != address.to_string() => {
                write!(f, "{} is at {address}, which is not a public address", self.host)
            }
            Some(address) => write!(f, "{address} is not a public address"),
            None => write!(f, "{} has no address", self.host),
        }
    }
}

impl std::error::Error for Refused {}

/// What a destination may be called at although it is not public.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AllowList {
    hosts: Vec<String>,
    networks: Vec<Network>,
}

/// Addresses that begin with the same bits; IPv4 as IPv6-mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    base: u128,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let (width, offset) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let bits = bits.unwrap_or(width);
        (bits <= width).then(|| Self { base: mapped(address), bits: bits + offset })
    }

    fn holds(self, address: IpAddr) -> bool {
        (self.base ^ mapped(address)).leading_zeros() >= self.bits
    }
}

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl AllowList {
    /// Reads hosts, addresses and networks; gives those back that are none.
    pub(crate) fn parse(entries: &[String]) -> (Self, Vec<&str>) {
        let (mut list, mut bad) = (Self::default(), Vec::new());
        for entry in entries {
            if let Some(network) = Network::parse(entry) {
                list.networks.push(network);
                continue;
            }
            match Host::parse(entry) {
                Ok(Host::Domain(name)) if !entry.contains('/') => list.hosts.push(bare(&name).to_owned()),
                _ => bad.push(entry.as_str()),
            }
        }
        (list, bad)
    }

    /// Whether `host` itself is listed, by name or, for an address, by its network.
    pub(crate) fn lists_host(&self, host: &Host) -> bool {
        match host {
            Host::Domain(name) => self.lists_name(name),
            Host::Ipv4(address) => self.lists_address(IpAddr::V4(*address)),
            Host::Ipv6(address) => self.lists_address(IpAddr::V6(*address)),
        }
    }

    fn lists_name(&self, name: &str) -> bool {
        self.hosts.iter().any(|listed| listed == bare(name))
    }

    fn lists_address(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.holds(address))
    }
}

/// A name without the dot that may end it. `Host::parse` and `Url` have put it into lower case.
fn bare(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// Whether a URL's host may be called as far as it says itself; what a name resolves to is checked when it is called.
pub(crate) fn host_is_allowed(host: &Host, allowed: &AllowList) -> Result<(), Refused> {
    let address = match host {
        Host::Domain(_) => return Ok(()),
        Host::Ipv4(address) => IpAddr::V4(*address),
        Host::Ipv6(address) => IpAddr::V6(*address),
    };
    check(&address.to_string(), &[address], allowed)
}

/// Whether every one of `addresses`, which are those of `host`, may be called.
fn check(host: &str, addresses: &[IpAddr], allowed: &AllowList) -> Result<(), Refused> {
    if addresses.is_empty() {
        return Err(Refused { host: host.to_owned(), address: None });
    }
    if allowed.lists_name(host) {
        return Ok(());
    }
    let refused = addresses.iter().find(|address| !is_public(**address) && !allowed.lists_address(**address));
    match refused {
        Some(address) => Err(Refused { host: host.to_owned(), address: Some(*address) }),
        None => Ok(()),
    }
}

/// Whether an address is one of the public Internet (IANA's special-purpose registries, RFC 6890 and later).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        // This network, private, loopback, link-local, multicast and everything above it.
        (0 | 10 | 127, ..) | (169, 254, _) | (192, 168, _) | (224.., ..) => true,
        (172, 16..=31, _) => true,
        // Shared with the provider (RFC 6598), protocol assignments, documentation, 6to4 relays, benchmarks.
        (100, 64..=127, _) | (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) => true,
        (198, 51, 100) | (203, 0, 113) => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match (a, b) {
        // An IPv4 address in other clothes counts as what it is: mapped, NAT64 (RFC 6052), 6to4.
        (0, 0) if (c, d, e, f) == (0, 0, 0, 0xffff) => is_public_v4(v4(g, h)),
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => is_public_v4(v4(g, h)),
        (0x2002, _) => is_public_v4(v4(b, c)),
        // Protocol assignments (Teredo, ORCHID, benchmarks), documentation.
        (0x2001, 0..=0x1ff | 0xdb8) | (0x3fff, 0..=0xfff) => false,
        // Global unicast is 2000::/3; all else is local, multicast, reserved or unused.
        _ => a & 0xe000 == 0x2000,
    }
}

/// Resolves names for one destination and refuses those that lead to an address it may not be called at.
pub(crate) struct CheckedResolver {
    allowed: Arc<AllowList>,
}

impl CheckedResolver {
    pub(crate) fn new(allowed: AllowList) -> Self {
        Self { allowed: Arc::new(allowed) }
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.allowed);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let addresses: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
            check(name.as_str(), &addresses, &allowed)?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn list(entries: &[&str]) -> AllowList {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        let (list, bad) = AllowList::parse(&entries);
        assert!(bad.is_empty(), "{bad:?}");
        list
    }

    fn host(url: &str) -> Host {
        Url::parse(url).unwrap().host().unwrap().to_owned()
    }

    #[test]
    fn whatever_is_not_public_is_refused_in_every_spelling() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0/",
            "http://10.0.0.1/",
            "http://172.16.0.1/",
            "http://172.31.255.255/",
            "http://192.168.1.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://2852039166/",
            "http://100.64.0.1/",
            "http://198.18.0.1/",
            "http://192.0.0.8/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://[::]/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::10.0.0.1]/",
            "http://[64:ff9b:1::1]/",
            "http://[2002:7f00:1::]/",
            "http://[2001::1]/",
            "http://[2001:db8::1]/",
            "http://[fe80::1]/",
            "http://[fec0::1]/",
            "http://[fc00::1]/",
            "http://[fd12:3456::1]/",
            "http://[ff02::1]/",
            "http://[100::1]/",
        ] {
            assert!(host_is_allowed(&host(url), &AllowList::default()).is_err(), "{url}");
        }
        for url in [
            "http://1.1.1.1/",
            "http://172.32.0.1/",
            "http://100.128.0.1/",
            "http://[2606:4700::1111]/",
            "http://[::ffff:1.1.1.1]/",
            "http://[64:ff9b::1.1.1.1]/",
            "http://[2002:101:101::]/",
        ] {
            assert_eq!(host_is_allowed(&host(url), &AllowList::default()), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_is_listed_passes_and_nothing_beside_it() {
        let allowed = list(&["10.1.0.0/16", "127.0.0.1", "fd00::/8", "Hooks.Intern"]);
        for url in ["http://10.1.255.255/", "http://127.1/", "http://[fd12::1]/", "http://[::ffff:10.1.0.1]/"]
        {
            assert_eq!(host_is_allowed(&host(url), &allowed), Ok(()), "{url}");
        }
        for url in ["http://10.2.0.0/", "http://127.0.0.2/", "http://[fc00::1]/"] {
            assert!(host_is_allowed(&host(url), &allowed).is_err(), "{url}");
        }
        let private: IpAddr = "10.9.9.9".parse().unwrap();
        let public: IpAddr = "1.1.1.1".parse().unwrap();
        assert_eq!(check("hooks.intern", &[private], &allowed), Ok(()));
        assert_eq!(check("hooks.intern.", &[private], &allowed), Ok(()));
        assert!(allowed.lists_host(&host("http://HOOKS.intern./x")));
        assert!(!allowed.lists_host(&host("http://other.intern/x")));
        // One bad address among good ones is enough, and no address is no leave to go on.
        assert!(check("hooks.example", &[public, private], &allowed).is_err());
        assert!(check("hooks.example", &[], &allowed).is_err());
        assert_eq!(check("hooks.example", &[public], &allowed), Ok(()));
    }

    #[test]
    fn an_entry_that_is_nothing_is_given_back() {
        let entries = ["10.0.0.0/33".to_owned(), "a b".to_owned(), "host/24".to_owned(), "".to_owned()];
        let (list, bad) = AllowList::parse(&entries);
        assert_eq!(list, AllowList::default());
        assert_eq!(bad, ["10.0.0.0/33", "a b", "host/24", ""]);
    }

    #[test]
    fn a_name_that_leads_to_this_machine_is_refused_when_it_is_called() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let resolve = |allowed: AllowList| {
            runtime.block_on(CheckedResolver::new(allowed).resolve("localhost".parse().unwrap()))
        };
        let Err(error) = resolve(AllowList::default()) else { panic!("localhost was let through") };
        assert!(error.downcast_ref::<Refused>().is_some(), "{error}");
        assert!(resolve(list(&["localhost"])).unwrap().count() > 0);
        assert!(resolve(list(&["127.0.0.0/8", "::1"])).unwrap().count() > 0);
    }
}
