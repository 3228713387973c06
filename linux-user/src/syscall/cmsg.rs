//! Control messages of sendmsg and recvmsg: headers, alignment and payloads between the guest's form and the host's.

use super::payload::{INTS, QUADS, RAW, SHORTS, Shape};
use crate::abi::{Abi, Layout, Reader, ULong, Writer, host};
use crate::errno::Errno;
use crate::uapi::net::Cmsghdr;

const ERROR: Shape = Shape::Fixed(&[(4, 1), (1, 4), (4, 2), (1, 0)]);
const PKTINFO6: Shape = Shape::Fixed(&[(1, 16), (4, 0)]);
const PKTINFO: Shape = Shape::Fixed(&[(4, 1), (1, 0)]);
const SCM_SECURITY: i32 = 3;
const SCM_PIDFD: i32 = 4;
const SCM_DEVMEM_LINEAR: i32 = 78;
const UDP_SEGMENT: i32 = 103;

/// Level, type, payload. What is not here goes through as it is in a guest of the host's byte order.
const PAYLOADS: &[(i32, i32, Shape)] = &[
    (libc::SOL_SOCKET, libc::SCM_RIGHTS, INTS),
    (libc::SOL_SOCKET, libc::SCM_CREDENTIALS, INTS),
    (libc::SOL_SOCKET, SCM_SECURITY, RAW),
    (libc::SOL_SOCKET, SCM_PIDFD, INTS),
    (libc::SOL_SOCKET, 12, INTS),         // SO_PRIORITY
    (libc::SOL_SOCKET, 29, Shape::Longs), // SO_TIMESTAMP_OLD
    (libc::SOL_SOCKET, 35, Shape::Longs), // SO_TIMESTAMPNS_OLD
    (libc::SOL_SOCKET, 36, INTS),         // SO_MARK
    (libc::SOL_SOCKET, 37, Shape::Longs), // SO_TIMESTAMPING_OLD
    (libc::SOL_SOCKET, 40, INTS),         // SO_RXQ_OVFL
    (libc::SOL_SOCKET, 41, INTS),         // SO_WIFI_STATUS
    (libc::SOL_SOCKET, 54, INTS),         // SCM_TIMESTAMPING_OPT_STATS' neighbour, a number
    (libc::SOL_SOCKET, 58, INTS),         // SCM_TIMESTAMPING_PKTINFO: index, length, reserved
    (libc::SOL_SOCKET, 61, QUADS),        // SCM_TXTIME
    (libc::SOL_SOCKET, 63, QUADS),        // SO_TIMESTAMP_NEW
    (libc::SOL_SOCKET, 64, QUADS),        // SO_TIMESTAMPNS_NEW
    (libc::SOL_SOCKET, 65, QUADS),        // SO_TIMESTAMPING_NEW
    (libc::SOL_SOCKET, SCM_DEVMEM_LINEAR, QUADS),
    (libc::IPPROTO_IP, libc::IP_TOS, INTS),
    (libc::IPPROTO_IP, libc::IP_TTL, INTS),
    (libc::IPPROTO_IP, libc::IP_RETOPTS, RAW),
    (libc::IPPROTO_IP, libc::IP_PKTINFO, PKTINFO),
    (libc::IPPROTO_IP, libc::IP_RECVERR, ERROR),
    (libc::IPPROTO_IP, libc::IP_ORIGDSTADDR, Shape::Address),
    (libc::IPPROTO_IP, libc::IP_RECVFRAGSIZE, INTS),
    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, PKTINFO6),
    (libc::IPPROTO_IPV6, libc::IPV6_2292PKTINFO, PKTINFO6),
    (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, INTS),
    (libc::IPPROTO_IPV6, libc::IPV6_2292HOPLIMIT, INTS),
    (libc::IPPROTO_IPV6, libc::IPV6_TCLASS, INTS),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVERR, ERROR),
    (
        libc::IPPROTO_IPV6,
        libc::IPV6_PATHMTU,
        Shape::Fixed(&[(1, 28), (4, 0)]),
    ),
    (libc::IPPROTO_IPV6, libc::IPV6_ORIGDSTADDR, Shape::Address),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVFRAGSIZE, INTS),
    (libc::SOL_UDP, UDP_SEGMENT, SHORTS),
    (libc::SOL_UDP, libc::UDP_GRO, INTS),
    (libc::SOL_TCP, libc::TCP_INQ, INTS),
    (libc::SOL_NETLINK, libc::NETLINK_PKTINFO, INTS),
    (
        libc::SOL_PACKET,
        libc::PACKET_AUXDATA,
        Shape::Fixed(&[(4, 3), (2, 0)]),
    ),
    (libc::SOL_ALG, libc::ALG_SET_IV, PKTINFO),
    (libc::SOL_ALG, libc::ALG_SET_OP, INTS),
    (libc::SOL_ALG, libc::ALG_SET_AEAD_ASSOCLEN, INTS),
];

fn payload(level: i32, kind: i32) -> Shape {
    PAYLOADS
        .iter()
        .find(|(l, k, _)| (*l, *k) == (level, kind))
        .map_or(RAW, |(_, _, shape)| *shape)
}

fn put_header(abi: &Abi, len: usize, level: i32, kind: i32, out: &mut Vec<u8>) {
    let mut w = Writer::new(*abi);
    let len = ULong(len as u64);
    Cmsghdr { len, level, kind }.put(&mut w);
    out.extend_from_slice(w.done());
}

/// The next message at the head of `rest`: header, payload, what follows. `None` at the end; EINVAL for a length that
/// cannot be.
#[allow(clippy::type_complexity)]
fn next<'a>(abi: &Abi, rest: &'a [u8]) -> Result<Option<(Cmsghdr, &'a [u8], &'a [u8])>, Errno> {
    let head = Cmsghdr::size(abi);
    if rest.len() < head {
        return Ok(None);
    }
    let h = Cmsghdr::get(&mut Reader::new(*abi, rest));
    let len = usize::try_from(h.len.0).map_err(|_| Errno::EINVAL)?;
    let body = rest.get(head..len).ok_or(Errno::EINVAL)?;
    let after = rest
        .get(len.next_multiple_of(abi.word)..)
        .unwrap_or_default();
    Ok(Some((h, body, after)))
}

/// The guest's control messages as the host's.
pub fn to_host(abi: &Abi, control: &[u8]) -> Result<Vec<u8>, Errno> {
    let host = host();
    let mut out = Vec::with_capacity(control.len() * 2);
    let mut rest = control;
    while let Some((h, body, after)) = next(abi, rest)? {
        let body = payload(h.level, h.kind).recode(abi, &host, body);
        let len = Cmsghdr::size(&host) + body.len();
        put_header(&host, len, h.level, h.kind, &mut out);
        out.extend_from_slice(&body);
        out.resize(out.len().next_multiple_of(host.word), 0);
        rest = after;
    }
    Ok(out)
}

/// Control messages for the guest.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ForGuest {
    /// What goes into the guest's buffer.
    pub bytes: Vec<u8>,
    /// Not all had room: MSG_CTRUNC.
    pub truncated: bool,
    /// Descriptors that the host has installed but the guest has no room for: to be closed.
    pub surplus: Vec<i32>,
}

/// The host's control messages as the guest's, in `room` bytes.
pub fn to_guest(abi: &Abi, control: &[u8], room: usize) -> ForGuest {
    let host = host();
    let head = Cmsghdr::size(abi);
    let mut out = ForGuest::default();
    let mut rest = control;
    while let Ok(Some((h, body, after))) = next(&host, rest) {
        rest = after;
        let rights = (h.level, h.kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS);
        let space = room - out.bytes.len();
        let mut data = payload(h.level, h.kind).recode(&host, abi, body);
        let fits = space.saturating_sub(head).min(data.len());
        out.truncated |= fits < data.len() || space < head;
        let kept = if rights { fits / 4 * 4 } else { fits };
        if rights {
            let lost = body.get(kept..).unwrap_or_default();
            out.surplus.extend(
                lost.chunks_exact(4)
                    .map(|fd| i32::from_ne_bytes(fd.try_into().unwrap_or([0xff; 4]))),
            );
        }
        if space < head || (rights && kept == 0) {
            continue;
        }
        data.truncate(kept);
        put_header(abi, head + kept, h.level, h.kind, &mut out.bytes);
        out.bytes.extend_from_slice(&data);
        let padded = out.bytes.len().next_multiple_of(abi.word).min(room);
        out.bytes.resize(padded, 0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Endian;
    use crate::guests::arm;

    fn arm_le() -> Abi {
        arm::abi(Endian::Little)
    }

    fn words(v: &[u32]) -> Vec<u8> {
        v.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    #[test]
    fn rights_of_arm_become_host_message() {
        // cmsg_len = 12 + 8, two descriptors.
        let guest = words(&[20, 1, 1, 5, 6]);
        let host = to_host(&arm_le(), &guest).unwrap();
        // 64-bit length 16 + 8.
        assert_eq!(host, words(&[24, 0, 1, 1, 5, 6]));
    }

    #[test]
    fn two_messages_are_aligned_to_the_host_word() {
        // SCM_RIGHTS with one fd (16 bytes), SCM_CREDENTIALS.
        let guest = words(&[16, 1, 1, 9, 24, 1, 2, 100, 0, 7]);
        let host = to_host(&arm_le(), &guest).unwrap();
        assert_eq!(host, words(&[20, 0, 1, 1, 9, 0, 28, 0, 1, 2, 100, 0, 7, 0]));
        let back = to_guest(&arm_le(), &host, 40);
        assert_eq!((back.bytes, back.truncated), (guest, false));
    }

    #[test]
    fn length_beyond_the_buffer_is_invalid() {
        assert_eq!(
            to_host(&arm_le(), &words(&[21, 1, 1, 5, 6])),
            Err(Errno::EINVAL)
        );
        assert_eq!(
            to_host(&arm_le(), &words(&[11, 1, 1, 5, 6])),
            Err(Errno::EINVAL)
        );
        assert_eq!(
            to_host(&arm_le(), &words(&[0xffff_ffff, 1, 1])),
            Err(Errno::EINVAL)
        );
        assert_eq!(to_host(&arm_le(), &words(&[12, 1])), Ok(vec![]));
    }

    #[test]
    fn old_timestamp_shrinks_to_two_guest_words() {
        let host = words(&[32, 0, 1, 29, 1000, 0, 42, 0]);
        let got = to_guest(&arm_le(), &host, 64);
        assert_eq!(got.bytes, words(&[20, 1, 29, 1000, 42]));
        let new = words(&[32, 0, 1, 63, 1000, 1, 42, 0]);
        let got = to_guest(&arm_le(), &new, 64);
        assert_eq!(got.bytes, words(&[28, 1, 63, 1000, 1, 42, 0]));
    }

    #[test]
    fn too_small_buffer_keeps_whole_descriptors_and_closes_the_rest() {
        let host = words(&[28, 0, 1, 1, 5, 6, 7, 0]);
        let got = to_guest(&arm_le(), &host, 18);
        assert_eq!(got.bytes, words(&[16, 1, 1, 5]));
        assert!(got.truncated);
        assert_eq!(got.surplus, [6, 7]);
        let none = to_guest(&arm_le(), &host, 8);
        assert_eq!(
            (none.bytes.len(), none.truncated, none.surplus),
            (0, true, vec![5, 6, 7])
        );
    }

    #[test]
    fn big_endian_pktinfo_swaps_the_index_only() {
        let be = arm::abi(Endian::Big);
        let host = [
            words(&[28, 0, 0, 8, 2]),
            vec![10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0, 0],
        ]
        .concat();
        let got = to_guest(&be, &host, 64).bytes;
        let want: Vec<u8> = [24u32, 0, 8, 2]
            .iter()
            .flat_map(|w| w.to_be_bytes())
            .chain([10, 0, 0, 1, 10, 0, 0, 2])
            .collect();
        assert_eq!(got, want);
    }
}
