//! What a ClientHello says, however it is cut, and what is none.

use proptest::prelude::*;

use super::*;

fn vector16(content: &[u8]) -> Vec<u8> {
    let mut vector = u16::try_from(content.len()).unwrap().to_be_bytes().to_vec();
    vector.extend_from_slice(content);
    vector
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().to_vec(), vector16(content)].concat()
}

fn server_name(name: &str) -> Vec<u8> {
    let entry = [vec![0], vector16(name.as_bytes())].concat();
    extension(0, &vector16(&entry))
}

fn supported_versions(versions: &[u16]) -> Vec<u8> {
    let mut content = vec![u8::try_from(versions.len() * 2).unwrap()];
    content.extend(versions.iter().flat_map(|version| version.to_be_bytes()));
    extension(43, &content)
}

/// A ClientHello, cut into records of at most `fragment` octets.
fn hello(legacy: u16, extensions: &[Vec<u8>], fragment: usize) -> Vec<u8> {
    let mut body = legacy.to_be_bytes().to_vec();
    body.extend([7; 32]); // random
    body.push(0); // session id
    body.extend(vector16(&[0x13, 1])); // suites
    body.extend([1, 0]); // compression
    if !extensions.is_empty() {
        body.extend(vector16(&extensions.concat()));
    }
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let message = [&[1], &length[1..], &body].concat();
    message
        .chunks(fragment)
        .flat_map(|piece| [vec![22, 3, 1], vector16(piece)].concat())
        .collect()
}

fn acceptable(name: Option<&str>) -> Hello {
    Hello::Acceptable {
        server_name: name.map(str::to_owned),
    }
}

#[test]
fn old_versions_are_told_by_their_number() {
    for version in [0x0300, 0x0301, 0x0302] {
        assert_eq!(read(&hello(version, &[], 9999)), Hello::TooOld(version));
    }
    assert_eq!(read(&hello(0x0303, &[], 9999)), acceptable(None));
}

#[test]
fn supported_versions_outweigh_the_legacy_field() {
    let offers = |versions: &[u16]| read(&hello(0x0303, &[supported_versions(versions)], 9999));
    assert_eq!(offers(&[0x0304]), acceptable(None));
    assert_eq!(offers(&[0x0302, 0x0301]), Hello::TooOld(0x0302));
    // GREASE values (RFC 8701) are no versions.
    assert_eq!(offers(&[0x7a7a, 0x0302, 0xaaaa]), Hello::TooOld(0x0302));
    assert_eq!(offers(&[0x0a0a, 0x0303]), acceptable(None));
}

#[test]
fn ssl2_hellos_are_too_old_whatever_they_claim() {
    let ssl2 = |version: [u8; 2]| read(&[0x80, 46, 1, version[0], version[1], 0, 21]);
    assert_eq!(ssl2([0, 2]), Hello::TooOld(0x0002));
    assert_eq!(ssl2([3, 0]), Hello::TooOld(0x0300));
    assert_eq!(ssl2([3, 1]), Hello::TooOld(0x0301));
    assert_eq!(ssl2([3, 3]), Hello::TooOld(0x0002));
    assert_eq!(read(&[0x80, 46, 4, 0, 2]), Hello::NotTls);
}

#[test]
fn names_are_lower_case_without_a_final_dot_and_addresses_are_none() {
    let asks = |name| read(&hello(0x0303, &[server_name(name)], 9999));
    assert_eq!(
        asks("Mail.Example.ORG."),
        acceptable(Some("mail.example.org"))
    );
    assert_eq!(asks("192.0.2.1"), acceptable(None));
    assert_eq!(asks("2001:db8::1"), acceptable(None));
}

#[test]
fn cleartext_is_not_tls() {
    for text in [
        "EHLO x\r\n",
        "a1 CAPABILITY\r\n",
        "GET / HTTP/1.1\r\n",
        "\0\0",
        "\x16\x02",
    ] {
        assert_eq!(read(text.as_bytes()), Hello::NotTls, "{text:?}");
    }
}

#[test]
fn at_the_size_limit_and_one_over() {
    let overhead = hello(0x0303, &[extension(21, &[])], 99_999).len();
    let padded = |size: usize| {
        read(&hello(
            0x0303,
            &[extension(21, &vec![0; size - overhead])],
            99_999,
        ))
    };
    assert_eq!(padded(MAX_HELLO), acceptable(None));
    let over = hello(0x0303, &[extension(21, &vec![0; MAX_HELLO])], 99_999);
    assert_eq!(read(&over[..MAX_HELLO]), Hello::NotTls);
}

#[test]
fn a_hello_that_never_ends_is_given_up() {
    // One octet of the message in each record: six octets on the wire for every one of it.
    let records: Vec<u8> = [1, 0, 0x3f, 0xff]
        .into_iter()
        .chain(std::iter::repeat(0))
        .flat_map(|octet| [22, 3, 1, 0, 1, octet])
        .take(MAX_HELLO)
        .collect();
    assert_eq!(read(&records[..MAX_HELLO - 1]), Hello::Incomplete);
    assert_eq!(read(&records), Hello::NotTls);
}

proptest! {
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        read(&bytes);
        read(&[&[22, 3, 1], &bytes[..]].concat());
        read(&[&[0x80, 20, 1], &bytes[..]].concat());
    }

    #[test]
    fn every_prefix_is_incomplete_and_fragments_do_not_matter(
        legacy in 0x0300u16..0x0304,
        name in "[a-z]{1,20}\\.example",
        fragment in 1usize..300,
        versions in proptest::collection::vec(any::<u16>(), 0..5),
    ) {
        let extensions = [supported_versions(&versions), server_name(&name)];
        let whole = hello(legacy, &extensions, 9999);
        let split = hello(legacy, &extensions, fragment);
        let expected = read(&whole);
        prop_assert_ne!(&expected, &Hello::Incomplete);
        prop_assert_eq!(read(&split), expected);
        for end in 0..split.len() {
            prop_assert_eq!(read(&split[..end]), Hello::Incomplete);
        }
    }

    #[test]
    fn damage_never_panics_and_never_makes_an_old_hello_acceptable_by_its_tail(
        cut in 0usize..40, byte in any::<u8>(),
    ) {
        let mut bytes = hello(0x0301, &[server_name("mail.example")], 9999);
        let at = bytes.len() - 1 - cut.min(bytes.len() - 60);
        bytes[at] = byte;
        let read = read(&bytes);
        let tolerated = matches!(read, Hello::TooOld(0x0301) | Hello::Incomplete | Hello::NotTls);
        prop_assert!(tolerated, "{:?}", read);
    }
}
