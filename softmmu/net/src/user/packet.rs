//! Making and taking apart of Ethernet frames with ARP, IPv4, UDP and ICMP, on smoltcp's formats.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr, Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr,
    UdpPacket, UdpRepr,
};
use std::net::{Ipv4Addr, SocketAddrV4};

/// The largest IP packet of a frame.
pub const MTU: usize = 1500;

/// A frame of `payload`.
pub fn ethernet(
    from: EthernetAddress,
    to: EthernetAddress,
    kind: EthernetProtocol,
    payload: &[u8],
) -> Vec<u8> {
    let mut frame = vec![0; 14 + payload.len()];
    let repr = EthernetRepr {
        src_addr: from,
        dst_addr: to,
        ethertype: kind,
    };
    let mut packet = EthernetFrame::new_unchecked(&mut frame);
    repr.emit(&mut packet);
    packet.payload_mut().copy_from_slice(payload);
    frame
}

/// An ARP request: who asks, for which address.
pub struct ArpQuestion {
    /// The asker's hardware address.
    pub asker: EthernetAddress,
    /// The asker's address.
    pub asker_ip: Ipv4Addr,
    /// What it looks for.
    pub wanted: Ipv4Addr,
}

/// The question in an ARP packet; replies only tell who is there.
pub fn arp(payload: &[u8]) -> Option<(ArpQuestion, bool)> {
    let packet = ArpPacket::new_checked(payload).ok()?;
    let ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr,
        source_protocol_addr,
        target_protocol_addr,
        ..
    } = ArpRepr::parse(&packet).ok()?
    else {
        return None;
    };
    let question = ArpQuestion {
        asker: source_hardware_addr,
        asker_ip: source_protocol_addr,
        wanted: target_protocol_addr,
    };
    Some((question, operation == ArpOperation::Request))
}

/// The answer: the address is `own`.
pub fn arp_reply(question: &ArpQuestion, own: EthernetAddress) -> Vec<u8> {
    let repr = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: own,
        source_protocol_addr: question.wanted,
        target_hardware_addr: question.asker,
        target_protocol_addr: question.asker_ip,
    };
    let mut payload = vec![0; repr.buffer_len()];
    repr.emit(&mut ArpPacket::new_unchecked(&mut payload));
    ethernet(own, question.asker, EthernetProtocol::Arp, &payload)
}

/// A whole IPv4 packet, taken apart.
pub struct Ip<'a> {
    /// From.
    pub src: Ipv4Addr,
    /// To.
    pub dst: Ipv4Addr,
    /// What the payload is.
    pub protocol: IpProtocol,
    /// Behind the header.
    pub payload: &'a [u8],
}

/// Takes an IPv4 packet apart. `None` if it is malformed or a fragment.
/// UNIMPL: fragments from the guest are lost.
pub fn ip(bytes: &[u8]) -> Option<Ip<'_>> {
    let packet = Ipv4Packet::new_checked(bytes).ok()?;
    if packet.version() != 4 || packet.more_frags() || packet.frag_offset() != 0 {
        return None;
    }
    Some(Ip {
        src: packet.src_addr(),
        dst: packet.dst_addr(),
        protocol: packet.next_header(),
        payload: packet.payload(),
    })
}

/// IPv4 packets with `payload`: several if it does not fit one.
pub fn ip_packets(
    src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: IpProtocol,
    payload: &[u8],
    ident: u16,
) -> Vec<Vec<u8>> {
    // Fragments are of a multiple of eight bytes.
    const PIECE: usize = (MTU - 20) & !7;
    let pieces = payload.chunks(PIECE).count().max(1);
    let piece = |index: usize| {
        let at = index * PIECE;
        let data = payload.get(at..).unwrap_or_default();
        let data = data.get(..PIECE).unwrap_or(data);
        let repr = Ipv4Repr {
            src_addr: src,
            dst_addr: dst,
            next_header: protocol,
            payload_len: data.len(),
            hop_limit: 64,
        };
        let mut bytes = vec![0; 20 + data.len()];
        let mut packet = Ipv4Packet::new_unchecked(&mut bytes);
        repr.emit(&mut packet, &ChecksumCapabilities::default());
        packet.set_ident(ident);
        packet.set_dont_frag(false);
        packet.set_more_frags(index + 1 < pieces);
        packet.set_frag_offset(u16::try_from(at).unwrap_or(0));
        packet.fill_checksum();
        packet.payload_mut().copy_from_slice(data);
        bytes
    };
    (0..pieces).map(piece).collect()
}

/// A UDP datagram, taken apart.
pub struct Udp<'a> {
    /// From.
    pub src: SocketAddrV4,
    /// To.
    pub dst: SocketAddrV4,
    /// The data.
    pub payload: &'a [u8],
}

/// Takes a datagram apart.
pub fn udp<'a>(ip: &Ip<'a>) -> Option<Udp<'a>> {
    let packet = UdpPacket::new_checked(ip.payload).ok()?;
    Some(Udp {
        src: SocketAddrV4::new(ip.src, packet.src_port()),
        dst: SocketAddrV4::new(ip.dst, packet.dst_port()),
        payload: packet.payload(),
    })
}

/// A datagram, without an IP header. Data that does not fit one is cut.
pub fn udp_bytes(src: SocketAddrV4, dst: SocketAddrV4, data: &[u8]) -> Vec<u8> {
    let data = data.get(..65507).unwrap_or(data);
    let mut bytes = vec![0; 8 + data.len()];
    let repr = UdpRepr {
        src_port: src.port(),
        dst_port: dst.port(),
    };
    let (from, to): (Ipv4Address, Ipv4Address) = (*src.ip(), *dst.ip());
    repr.emit(
        &mut UdpPacket::new_unchecked(&mut bytes),
        &from.into(),
        &to.into(),
        data.len(),
        |buf| buf.copy_from_slice(data),
        &ChecksumCapabilities::default(),
    );
    bytes
}

/// An echo request or reply.
#[derive(Clone, Copy)]
pub struct Echo<'a> {
    /// Who.
    pub ident: u16,
    /// Which.
    pub seq: u16,
    /// The data.
    pub data: &'a [u8],
}

/// The echo request (or reply) in an ICMP message.
pub fn echo(payload: &[u8], reply: bool) -> Option<Echo<'_>> {
    let packet = Icmpv4Packet::new_checked(payload).ok()?;
    match Icmpv4Repr::parse(&packet, &ChecksumCapabilities::ignored()).ok()? {
        Icmpv4Repr::EchoRequest {
            ident,
            seq_no: seq,
            data,
        } if !reply => Some(Echo { ident, seq, data }),
        Icmpv4Repr::EchoReply {
            ident,
            seq_no: seq,
            data,
        } if reply => Some(Echo { ident, seq, data }),
        _ => None,
    }
}

/// An ICMP message with an echo request or reply.
pub fn echo_bytes(echo: Echo<'_>, reply: bool) -> Vec<u8> {
    let (ident, seq_no, data) = (echo.ident, echo.seq, echo.data);
    let repr = if reply {
        Icmpv4Repr::EchoReply {
            ident,
            seq_no,
            data,
        }
    } else {
        Icmpv4Repr::EchoRequest {
            ident,
            seq_no,
            data,
        }
    };
    let mut bytes = vec![0; repr.buffer_len()];
    repr.emit(
        &mut Icmpv4Packet::new_unchecked(&mut bytes),
        &ChecksumCapabilities::default(),
    );
    bytes
}

/// A question to all: who has this address?
pub fn arp_request(own: EthernetAddress, own_ip: Ipv4Addr, wanted: Ipv4Addr) -> Vec<u8> {
    let repr = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: own,
        source_protocol_addr: own_ip,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: wanted,
    };
    let mut payload = vec![0; repr.buffer_len()];
    repr.emit(&mut ArpPacket::new_unchecked(&mut payload));
    ethernet(
        own,
        EthernetAddress::BROADCAST,
        EthernetProtocol::Arp,
        &payload,
    )
}
