//! A DHCP (and BOOTP) server for a user network. Reference: RFC 2131, RFC 2132.

use super::UserSpec;
use smoltcp::wire::EthernetAddress;
use std::net::Ipv4Addr;

const COOKIE: [u8; 4] = [99, 130, 83, 99];
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const DECLINE: u8 = 4;
const ACK: u8 = 5;
const NAK: u8 = 6;
const RELEASE: u8 = 7;
const INFORM: u8 = 8;
/// A day.
const LEASE_S: u32 = 86400;

/// Leases: the position is the distance from the first address.
#[derive(Default)]
pub struct Dhcp {
    leases: Vec<EthernetAddress>,
}

/// An answer, for everybody on the network.
pub struct Answer {
    /// The message.
    pub bytes: Vec<u8>,
    /// The client's new address.
    #[cfg(test)]
    pub client: Ipv4Addr,
}

struct Asked {
    kind: Option<u8>,
    wanted: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
}

impl Dhcp {
    /// Answers a message, if it is for us.
    pub fn answer(&mut self, spec: &UserSpec, message: &[u8]) -> Option<Answer> {
        let request = message.get(..1)? == [1];
        let ethernet = message.get(1..3)? == [1, 6];
        if !request || !ethernet {
            return None;
        }
        let mac = EthernetAddress::from_bytes(message.get(28..34)?);
        let asked = options(message);
        if matches!(asked.kind, Some(RELEASE | DECLINE)) {
            return None;
        }
        // A request that names another server is the refusal of our offer.
        if asked.server.is_some_and(|s| s != spec.host) {
            return None;
        }
        let own = self.lease(spec, mac)?;
        let ciaddr = address(message.get(12..16)?);
        let wanted = asked.wanted.or(ciaddr.filter(|a| !a.is_unspecified()));
        let kind = match asked.kind {
            None => None,
            Some(DISCOVER) => Some(OFFER),
            Some(REQUEST) if wanted.is_some_and(|w| w != own) => Some(NAK),
            Some(REQUEST | INFORM) => Some(ACK),
            Some(_) => return None,
        };
        let bytes = reply(spec, message, kind, own)?;
        Some(Answer {
            bytes,
            #[cfg(test)]
            client: own,
        })
    }

    fn lease(&mut self, spec: &UserSpec, mac: EthernetAddress) -> Option<Ipv4Addr> {
        let index = match self.leases.iter().position(|m| *m == mac) {
            Some(index) => index,
            None => {
                self.leases.push(mac);
                self.leases.len() - 1
            }
        };
        let address = spec
            .dhcp_start
            .to_bits()
            .checked_add(u32::try_from(index).ok()?)?;
        let address = Ipv4Addr::from_bits(address);
        // As many as QEMU has, and never the broadcast address.
        let fits = index < 16 && spec.contains(address) && address != spec.broadcast();
        if !fits {
            self.leases.pop();
        }
        fits.then_some(address)
    }
}

fn address(bytes: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from)
}

fn options(message: &[u8]) -> Asked {
    let mut asked = Asked {
        kind: None,
        wanted: None,
        server: None,
    };
    let mut rest = match message.get(236..240) {
        Some(cookie) if cookie == COOKIE => message.get(240..).unwrap_or_default(),
        _ => return asked,
    };
    while let [code, tail @ ..] = rest {
        match (*code, tail) {
            (255, _) => break,
            (0, _) => rest = tail,
            (code, [length, tail @ ..]) => {
                let length = usize::from(*length);
                let Some(value) = tail.get(..length) else {
                    break;
                };
                match code {
                    50 => asked.wanted = address(value),
                    53 => asked.kind = value.first().copied(),
                    54 => asked.server = address(value),
                    _ => {}
                }
                rest = tail.get(length..).unwrap_or_default();
            }
            _ => break,
        }
    }
    asked
}

fn reply(spec: &UserSpec, message: &[u8], kind: Option<u8>, own: Ipv4Addr) -> Option<Vec<u8>> {
    let refused = kind == Some(NAK);
    let mut out = vec![0u8; 240];
    // Operation, hardware type and length, no hops; transaction, no seconds, flags.
    out.get_mut(..4)?.copy_from_slice(&[2, 1, 6, 0]);
    out.get_mut(4..8)?.copy_from_slice(message.get(4..8)?);
    out.get_mut(10..12)?.copy_from_slice(message.get(10..12)?);
    if !refused {
        out.get_mut(16..20)?.copy_from_slice(&own.octets());
    }
    out.get_mut(20..24)?.copy_from_slice(&spec.host.octets());
    out.get_mut(28..44)?.copy_from_slice(message.get(28..44)?);
    if let Some(file) = &spec.bootfile {
        let place = out.get_mut(108..235)?;
        let n = file.len().min(place.len());
        place
            .get_mut(..n)?
            .copy_from_slice(file.as_bytes().get(..n)?);
    }
    out.get_mut(236..240)?.copy_from_slice(&COOKIE);
    let mut put = |code: u8, value: &[u8]| {
        let value = value.get(..255).unwrap_or(value);
        out.push(code);
        out.push(u8::try_from(value.len()).unwrap_or(0));
        out.extend(value);
    };
    if let Some(kind) = kind {
        put(53, &[kind]);
        put(54, &spec.host.octets());
    }
    if !refused {
        put(1, &spec.mask().octets());
        if !spec.restrict {
            put(3, &spec.host.octets());
            put(6, &spec.dns.octets());
        }
        put(51, &LEASE_S.to_be_bytes());
        if let Some(name) = &spec.hostname {
            put(12, name.as_bytes());
        }
        if let Some(name) = &spec.domain {
            put(15, name.as_bytes());
        }
        if let Some(name) = &spec.tftp_server_name {
            put(66, name.as_bytes());
        }
        if let Some(file) = &spec.bootfile {
            put(67, file.as_bytes());
        }
    }
    out.push(255);
    // Old clients want no less than a BOOTP message.
    out.resize(out.len().max(300), 0);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(mac: u8, kind: u8, options: &[u8]) -> Vec<u8> {
        let mut m = vec![0; 240];
        m[..3].copy_from_slice(&[1, 1, 6]);
        m[28..34].copy_from_slice(&[2, 0, 0, 0, 0, mac]);
        m[236..240].copy_from_slice(&COOKIE);
        m.extend([53, 1, kind]);
        m.extend(options);
        m.push(255);
        m
    }

    fn kind(answer: &Answer) -> u8 {
        options(&answer.bytes).kind.unwrap()
    }

    #[test]
    fn each_card_has_its_address() {
        let spec = UserSpec::default();
        let mut dhcp = Dhcp::default();
        for (mac, last) in [(1, 15), (2, 16), (1, 15)] {
            let answer = dhcp.answer(&spec, &message(mac, DISCOVER, &[])).unwrap();
            assert_eq!(answer.client, Ipv4Addr::new(10, 0, 2, last));
            assert_eq!(kind(&answer), OFFER);
        }
        for mac in 3..=255 {
            let answer = dhcp.answer(&spec, &message(mac, DISCOVER, &[]));
            assert_eq!(answer.is_some(), mac <= 16);
        }
    }

    #[test]
    fn requests_are_granted_or_refused() {
        let spec = UserSpec::default();
        let mut dhcp = Dhcp::default();
        let good = [50, 4, 10, 0, 2, 15, 54, 4, 10, 0, 2, 2];
        let answer = dhcp.answer(&spec, &message(1, REQUEST, &good)).unwrap();
        assert_eq!(kind(&answer), ACK);
        let other = [50, 4, 10, 0, 2, 99];
        let answer = dhcp.answer(&spec, &message(1, REQUEST, &other)).unwrap();
        assert_eq!(kind(&answer), NAK);
        let elsewhere = [54, 4, 1, 2, 3, 4];
        assert!(
            dhcp.answer(&spec, &message(1, REQUEST, &elsewhere))
                .is_none()
        );
    }

    #[test]
    fn cut_messages_are_no_trouble() {
        let spec = UserSpec::default();
        let whole = message(1, REQUEST, &[50, 4, 10, 0, 2, 15, 12, 200, 1]);
        for end in 0..whole.len() {
            Dhcp::default().answer(&spec, &whole[..end]);
        }
    }
}
