//! DNS look-ups with their DNSSEC status, validated here and not taken from a resolver's AD bit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use hickory_proto::dnssec::{Proof, TrustAnchors};
use hickory_proto::op::Query;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::txt::trust_anchor;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::{Hosts, TokioResolver};

use pillarbox_names::{Domain, Host, Label};

use crate::DiscoverError;

/// DNSSEC status of an answer that can be used. Bogus is not among them: it is [`DiscoverError::Bogus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Every wanted record, and every CNAME on the way, has an unbroken chain from a trust anchor.
    Secure,
    /// Provably not signed, or from the hosts file.
    Insecure,
}

impl Status {
    /// The status of two things together.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Secure, Self::Secure) => Self::Secure,
            _ => Self::Insecure,
        }
    }
}

/// One SRV record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrvRecord {
    /// Lower comes first.
    pub priority: u16,
    /// Share among equals.
    pub weight: u16,
    /// TCP port.
    pub port: u16,
    /// The host; `None` for `.`, which says that the service is decidedly not there (R6186-1).
    pub target: Option<Host>,
}

/// The SRV records of one name. No records means there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrvAnswer {
    /// DNSSEC status of them all.
    pub status: Status,
    /// In no particular order.
    pub records: Vec<SrvRecord>,
}

/// The addresses of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// DNSSEC status of them all.
    pub status: Status,
    /// IPv6 first (RFC 6724 would sort more finely; the dialer tries each).
    pub addresses: Vec<IpAddr>,
}

/// Where to ask, and what to believe. The default is this computer's own name servers and the root's keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResolverSettings {
    /// The one name server to ask, over UDP and TCP.
    pub name_server: Option<SocketAddr>,
    /// DNSKEY records in zone file form that are believed in place of the root's.
    pub trust_anchor: Option<String>,
}

/// A validating stub resolver.
pub struct Resolver {
    inner: TokioResolver,
    hosts: Hosts,
}

impl Resolver {
    /// A resolver with these settings.
    ///
    /// # Errors
    /// [`DiscoverError::Resolver`] where the system's configuration or the trust anchor cannot be read.
    pub fn new(settings: &ResolverSettings) -> Result<Self, DiscoverError> {
        let refuse = |why: String| DiscoverError::Resolver { why };
        let anchors = match &settings.trust_anchor {
            None => TrustAnchors::default(),
            Some(text) => {
                let why = "the trust anchor is not a list of DNSKEY records";
                let entries = trust_anchor::Parser::new(text.as_str())
                    .parse()
                    .map_err(|error| refuse(format!("{why}: {error}")))?;
                // text without a record would leave nothing to believe, and everything bogus
                if entries.is_empty() {
                    return Err(refuse(why.to_owned()));
                }
                TrustAnchors::from_str(text).map_err(|error| refuse(format!("{why}: {error}")))?
            }
        };
        let (mut builder, hosts) = match settings.name_server {
            Some(address) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()]
                    .map(|mut connection| {
                        connection.port = address.port();
                        connection
                    })
                    .to_vec();
                let server = NameServerConfig::new(address.ip(), true, connections);
                let config = ResolverConfig::from_name_servers(vec![server]);
                let provider = TokioRuntimeProvider::default();
                (
                    TokioResolver::builder_with_config(config, provider),
                    Hosts::default(),
                )
            }
            None => (
                TokioResolver::builder_tokio().map_err(|why| refuse(why.to_string()))?,
                Hosts::from_system().unwrap_or_default(),
            ),
        };
        let options = builder.options_mut();
        options.validate = true;
        options.preserve_intermediates = true;
        options.use_hosts_file = ResolveHosts::Never;
        options.try_tcp_on_error = true;
        let inner = builder
            .with_trust_anchor(Arc::new(anchors))
            .build()
            .map_err(|why| refuse(why.to_string()))?;
        Ok(Self { inner, hosts })
    }

    /// The SRV records at `label._tcp.domain`.
    ///
    /// # Errors
    /// Bogus or no answer. Both are different from "there are none".
    pub async fn srv(&self, label: Label, domain: &Domain) -> Result<SrvAnswer, DiscoverError> {
        let (status, data) = self
            .records(&format!("{label}.{domain}."), RecordType::SRV)
            .await?;
        let records = data
            .into_iter()
            .filter_map(|data| match data {
                RData::SRV(srv) if srv.target.is_root() => Some((srv, None)),
                // a target that cannot be a host name is no server
                RData::SRV(srv) => Host::parse(&srv.target.to_ascii())
                    .ok()
                    .map(|target| (srv, Some(target))),
                _ => None,
            })
            .map(|(srv, target)| SrvRecord {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target,
            })
            .collect();
        Ok(SrvAnswer { status, records })
    }

    /// The addresses of a host, from the hosts file (where the system's settings are used) or DNS.
    ///
    /// # Errors
    /// Bogus or no answer.
    pub async fn addresses(&self, host: &Host) -> Result<Addresses, DiscoverError> {
        if host.as_str() == "localhost" || host.as_str().ends_with(".localhost") {
            return Ok(Addresses {
                status: Status::Insecure,
                addresses: vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()],
            });
        }
        let absolute = format!("{host}.");
        let listed = self.hosts_file(&absolute);
        if !listed.is_empty() {
            return Ok(Addresses {
                status: Status::Insecure,
                addresses: listed,
            });
        }
        let (v6, v4) = tokio::join!(
            self.records(&absolute, RecordType::AAAA),
            self.records(&absolute, RecordType::A)
        );
        let ((v6_status, v6), (v4_status, v4)) = (v6?, v4?);
        let secure = [(v6_status, v6.is_empty()), (v4_status, v4.is_empty())]
            .iter()
            .all(|(status, empty)| *empty || *status == Status::Secure);
        let addresses: Vec<IpAddr> = v6
            .into_iter()
            .chain(v4)
            .filter_map(|data| match data {
                RData::A(address) => Some(IpAddr::V4(address.0)),
                RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                _ => None,
            })
            .collect();
        Ok(Addresses {
            status: if secure && !addresses.is_empty() {
                Status::Secure
            } else {
                Status::Insecure
            },
            addresses,
        })
    }

    fn hosts_file(&self, absolute: &str) -> Vec<IpAddr> {
        let Ok(name) = Name::from_ascii(absolute) else {
            return Vec::new();
        };
        [RecordType::AAAA, RecordType::A]
            .into_iter()
            .filter_map(|kind| {
                self.hosts
                    .lookup_static_host(&Query::query(name.clone(), kind))
            })
            .flat_map(|lookup| lookup.answers().to_vec())
            .filter_map(|record| record.data.ip_addr())
            .collect()
    }

    /// The wanted records at `absolute`, through CNAMEs, and the status of everything on the way.
    ///
    /// The validator calls a reply bogus that holds both a CNAME and the proof that its target lacks the wanted
    /// type (the AAAA of an IPv4-only alias). So where a name comes out bogus and a validated CNAME stands at
    /// it, its target is asked about by itself; each step is validated alone.
    async fn records(
        &self,
        absolute: &str,
        kind: RecordType,
    ) -> Result<(Status, Vec<RData>), DiscoverError> {
        let mut at = absolute.to_owned();
        let mut path = Status::Secure;
        for _ in 0..MAX_ALIASES {
            let bogus = match self.records_at(&at, kind).await {
                Ok((status, records)) => return Ok((path.and(status), records)),
                Err(why @ DiscoverError::Bogus { .. }) => why,
                Err(why) => return Err(why),
            };
            let Ok((status, aliases)) = self.records_at(&at, RecordType::CNAME).await else {
                return Err(bogus);
            };
            let Some(RData::CNAME(target)) = aliases.first() else {
                return Err(bogus);
            };
            path = path.and(status);
            at = target.0.to_ascii();
        }
        Err(DiscoverError::Unanswered {
            name: shown(absolute),
            why: "its chain of aliases is too long".to_owned(),
        })
    }

    async fn records_at(
        &self,
        absolute: &str,
        kind: RecordType,
    ) -> Result<(Status, Vec<RData>), DiscoverError> {
        let bogus = || DiscoverError::Bogus {
            name: shown(absolute),
        };
        let unanswered = |why: String| DiscoverError::Unanswered {
            name: shown(absolute),
            why,
        };
        let name = Name::from_ascii(absolute).map_err(|why| unanswered(why.to_string()))?;
        match self.inner.lookup(name.clone(), kind).await {
            Ok(lookup) => judged(&name, kind, lookup.answers()).ok_or_else(bogus),
            Err(NetError::Dns(
                DnsError::NoRecordsFound(_)
                | DnsError::Nsec {
                    proof: Proof::Insecure,
                    ..
                },
            )) => Ok((Status::Insecure, Vec::new())),
            Err(NetError::Dns(DnsError::DnssecBogus | DnsError::Nsec { .. })) => Err(bogus()),
            Err(why) => Err(unanswered(why.to_string())),
        }
    }
}

/// The longest chain of aliases that is followed by hand.
const MAX_ALIASES: usize = 8;

/// A name as people write it.
fn shown(absolute: &str) -> String {
    absolute.trim_end_matches('.').to_owned()
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// Follows the chain from `name` through the answers and weighs each record on it. `None` is bogus: also for
/// a record whose status could not be found out.
fn judged(name: &Name, kind: RecordType, answers: &[Record]) -> Option<(Status, Vec<RData>)> {
    let mut status = Status::Secure;
    let mut weigh = |proof: Proof| match proof {
        Proof::Secure => Some(()),
        Proof::Insecure => {
            status = Status::Insecure;
            Some(())
        }
        Proof::Bogus | Proof::Indeterminate => None,
    };
    let mut at = name;
    // each CNAME moves on once, so a loop of them ends
    for _ in answers {
        let alias = answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == *at && kind != RecordType::CNAME => {
                Some((record.proof, &target.0))
            }
            _ => None,
        });
        let Some((proof, target)) = alias else { break };
        weigh(proof)?;
        at = target;
    }
    let mut wanted = Vec::new();
    for record in answers {
        if record.name == *at && record.record_type() == kind {
            weigh(record.proof)?;
            wanted.push(record.data.clone());
        }
    }
    Some((
        if wanted.is_empty() {
            Status::Insecure
        } else {
            status
        },
        wanted,
    ))
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::{A, CNAME};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn record(owner: &str, data: RData, proof: Proof) -> Record {
        let mut record = Record::from_rdata(name(owner), 60, data);
        record.proof = proof;
        record
    }

    fn a(owner: &str, proof: Proof) -> Record {
        record(owner, RData::A(A::new(192, 0, 2, 1)), proof)
    }

    fn cname(owner: &str, to: &str, proof: Proof) -> Record {
        record(owner, RData::CNAME(CNAME(name(to))), proof)
    }

    #[test]
    fn secure_takes_the_whole_chain() {
        use Proof::{Bogus, Indeterminate, Insecure, Secure};
        let status = |records: &[Record]| {
            judged(&name("a.test."), RecordType::A, records)
                .map(|(status, wanted)| (status, wanted.len()))
        };
        assert_eq!(status(&[a("a.test.", Secure)]), Some((Status::Secure, 1)));
        assert_eq!(
            status(&[a("a.test.", Insecure)]),
            Some((Status::Insecure, 1))
        );
        assert_eq!(status(&[a("a.test.", Bogus)]), None);
        assert_eq!(status(&[a("a.test.", Indeterminate)]), None);
        assert_eq!(
            status(&[cname("a.test.", "b.test.", Secure), a("b.test.", Secure)]),
            Some((Status::Secure, 1))
        );
        assert_eq!(
            status(&[cname("a.test.", "b.test.", Insecure), a("b.test.", Secure)]),
            Some((Status::Insecure, 1))
        );
        assert_eq!(
            status(&[cname("a.test.", "b.test.", Secure), a("b.test.", Insecure)]),
            Some((Status::Insecure, 1))
        );
        assert_eq!(
            status(&[cname("a.test.", "b.test.", Bogus), a("b.test.", Secure)]),
            None
        );
    }

    #[test]
    fn records_beside_the_chain_do_not_count() {
        let records = [
            a("a.test.", Proof::Secure),
            a("evil.test.", Proof::Insecure),
        ];
        let (status, wanted) = judged(&name("a.test."), RecordType::A, &records).unwrap();
        assert_eq!((status, wanted.len()), (Status::Secure, 1));
    }

    #[test]
    fn a_cname_loop_ends() {
        let records = [
            cname("a.test.", "b.test.", Proof::Secure),
            cname("b.test.", "a.test.", Proof::Secure),
        ];
        assert_eq!(
            judged(&name("a.test."), RecordType::A, &records),
            Some((Status::Insecure, vec![]))
        );
    }

    #[test]
    fn a_bad_trust_anchor_is_refused() {
        let settings = ResolverSettings {
            name_server: None,
            trust_anchor: Some("nonsense".to_owned()),
        };
        assert!(matches!(
            Resolver::new(&settings),
            Err(DiscoverError::Resolver { .. })
        ));
    }
}
