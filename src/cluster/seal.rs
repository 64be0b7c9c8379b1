//! What the shared key does: hides votes as the Go agents do, signs them, seals gossip.
//!
//! Three keys come from `crypto_key`, each for one purpose: the key itself for the words in a vote
//! (compatible with the Go agents, so unauthenticated and malleable: see the signature), and two by
//! HKDF-SHA256 (RFC 5869, no salt), one for signing votes, one for sealing gossip.

use std::fmt;
use std::io;

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use cfb_mode::cipher::KeyIvInit;
use cfb_mode::{Decryptor, Encryptor};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;

/// The header that carries a vote's signature.
pub const SIGNATURE_HEADER: &str = "goavail-signature";

/// Bytes that [`Seal::seal_gossip`] adds: version, nonce, tag.
pub const GOSSIP_OVERHEAD: usize = 1 + NONCE + 16;

/// Tells the signing key apart from the others.
const SIGNING_INFO: &[u8] = b"goavail vote v1";

/// Tells the gossip key apart from the others.
const GOSSIP_INFO: &[u8] = b"goavail gossip v1";

/// The first byte of sealed gossip.
const GOSSIP_VERSION: u8 = 1;

/// One block of AES, in bytes; also the length of an initialisation vector.
const BLOCK: usize = 16;

/// The nonce of AES-GCM, in bytes. It is random: the chance that any two are alike stays under
/// 2⁻³² for 2³² datagrams (NIST SP 800-38D, section 8.3), over a year of a busy cluster's gossip.
const NONCE: usize = 12;

/// `crypto_key` is not 16, 24 or 32 bytes long. Nothing was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("crypto_key: {0} bytes are not allowed; 16, 24 or 32")]
pub struct KeyLength(pub usize);

/// A text that our key did not make: not base64url, too short, or not text once decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not encrypted with this cluster's key")]
pub struct NotOurs;

/// A signature that does not hold: not of this form, or not made with our key for this body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not signed with this cluster's key")]
pub struct BadSignature;

/// All that is done with `crypto_key`.
pub struct Seal {
    /// The raw bytes; of one of the lengths that AES knows.
    key: SecretSlice<u8>,
    /// Holds the signing key.
    signing: Hmac<Sha256>,
    /// Holds the gossip key.
    gossip: Aes256Gcm,
}

impl fmt::Debug for Seal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Seal([REDACTED])")
    }
}

impl Seal {
    /// Takes the raw bytes of `crypto_key`.
    pub fn new(crypto_key: &SecretString) -> Result<Self, KeyLength> {
        let key = crypto_key.expose_secret().as_bytes();
        if !matches!(key.len(), 16 | 24 | 32) {
            return Err(KeyLength(key.len()));
        }
        let derived = Hkdf::<Sha256>::new(None, key);
        let derive = |info| {
            let mut bytes = [0; 32];
            derived.expand(info, &mut bytes).expect("HKDF-SHA256 gives up to 8,160 bytes");
            bytes
        };
        let signing = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&derive(SIGNING_INFO));
        Ok(Self {
            key: key.to_vec().into(),
            signing: signing.expect("HMAC takes a key of any length"),
            gossip: Aes256Gcm::new(&derive(GOSSIP_INFO).into()),
        })
    }

    /// Hides a word of a vote: base64url, padded, of a random IV and AES-CFB128 of `text`.
    ///
    /// # Errors
    ///
    /// If the system has no random bytes.
    pub fn encrypt(&self, text: &str) -> io::Result<String> {
        Ok(self.encrypt_with(random()?, text))
    }

    fn encrypt_with(&self, iv: [u8; BLOCK], text: &str) -> String {
        let mut bytes = iv.to_vec();
        bytes.extend_from_slice(text.as_bytes());
        self.cfb(&mut bytes, Direction::Encrypt);
        URL_SAFE.encode(bytes)
    }

    /// Reads what [`encrypt`](Self::encrypt), here or in a Go agent, made with the same key.
    ///
    /// There is no telling whether it was made so: under another key it is other bytes, which
    /// nearly always are not text.
    pub fn decrypt(&self, text: &str) -> Result<String, NotOurs> {
        let mut bytes = URL_SAFE.decode(text).map_err(|_| NotOurs)?;
        if bytes.len() < BLOCK {
            return Err(NotOurs);
        }
        self.cfb(&mut bytes, Direction::Decrypt);
        String::from_utf8(bytes.split_off(BLOCK)).map_err(|_| NotOurs)
    }

    /// Works on all but the first block of `bytes`, which is the IV.
    fn cfb(&self, bytes: &mut [u8], direction: Direction) {
        let (iv, data) = bytes.split_at_mut(BLOCK);
        let key = self.key.expose_secret();
        macro_rules! run {
            ($cipher:ty) => {
                match direction {
                    Direction::Encrypt => Encryptor::<$cipher>::new_from_slices(key, iv)
                        .expect("both lengths were checked")
                        .encrypt(data),
                    Direction::Decrypt => Decryptor::<$cipher>::new_from_slices(key, iv)
                        .expect("both lengths were checked")
                        .decrypt(data),
                }
            };
        }
        match key.len() {
            16 => run!(Aes128),
            24 => run!(Aes192),
            _ => run!(Aes256),
        }
    }

    /// The value of [`SIGNATURE_HEADER`] for `body` at `millis`, in milliseconds of Unix time:
    /// `v1,<millis>,<HMAC-SHA256 of "v1\n<millis>\n<body>", in lower-case hex>`.
    pub fn sign(&self, millis: u64, body: &[u8]) -> String {
        let mut value = format!("v1,{millis},");
        for byte in self.mac(millis, body).finalize().into_bytes() {
            use fmt::Write as _;
            write!(value, "{byte:02x}").expect("writing to a String cannot fail");
        }
        value
    }

    /// When `body` was signed, in milliseconds of Unix time, if `header` is our signature of it.
    /// Whether that time is acceptable is the caller's to say.
    pub fn verify(&self, header: &str, body: &[u8]) -> Result<u64, BadSignature> {
        let (millis, tag) =
            header.strip_prefix("v1,").and_then(|rest| rest.split_once(',')).ok_or(BadSignature)?;
        let plain = !millis.is_empty() && millis.bytes().all(|byte| byte.is_ascii_digit());
        let millis: u64 = plain.then(|| millis.parse().ok()).flatten().ok_or(BadSignature)?;
        let tag = from_hex(tag).ok_or(BadSignature)?;
        // Compares in constant time.
        self.mac(millis, body).verify_slice(&tag).map_err(|_| BadSignature)?;
        Ok(millis)
    }

    fn mac(&self, millis: u64, body: &[u8]) -> Hmac<Sha256> {
        self.signing.clone().chain_update(format!("v1\n{millis}\n")).chain_update(body)
    }

    /// A datagram that only this cluster can read or make: a version byte, a random nonce, and
    /// AES-256-GCM of `plain`, the version being authenticated as well.
    ///
    /// # Errors
    ///
    /// If the system has no random bytes.
    pub fn seal_gossip(&self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let nonce: [u8; NONCE] = random()?;
        let payload = Payload { msg: plain, aad: &[GOSSIP_VERSION] };
        let sealed = self
            .gossip
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| io::Error::other("the datagram is too long to be sealed"))?;
        Ok([&[GOSSIP_VERSION][..], &nonce, &sealed].concat())
    }

    /// What [`seal_gossip`](Self::seal_gossip) was given, if it was made with our key.
    pub fn open_gossip(&self, datagram: &[u8]) -> Result<Vec<u8>, NotOurs> {
        let (&version, rest) = datagram.split_first().ok_or(NotOurs)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(NotOurs)?;
        if version != GOSSIP_VERSION {
            return Err(NotOurs);
        }
        let payload = Payload { msg: sealed, aad: &[version] };
        self.gossip.decrypt(&Nonce::from(*nonce), payload).map_err(|_| NotOurs)
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Encrypt,
    Decrypt,
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// The 32 bytes that 64 lower-case hex digits stand for.
fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = [0; 32];
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEYS: [&str; 3] =
        ["1234567891012345", "0123456789abcdef01234567", "0123456789abcdef0123456789abcdef"];

    fn seal(key: &str) -> Seal {
        Seal::new(&SecretString::from(key)).unwrap()
    }

    /// What a running Go agent made: key, text, result. Section 4.3 of the study of it.
    const VECTORS: [(&str, &str, &str); 9] = [
        (KEYS[0], "10.99.0.2", "slpFb6DB8q6Vt_CsxijG8XoO5fDX9l-Hog=="),
        (KEYS[0], "10.99.0.1:8081", "BeG1T1nEos3FlAftCHa9sxKT-u19quYcJ-iE8MWK"),
        (KEYS[0], "", "P6dqdHBupRRb8bq_YXU1-Q=="),
        (KEYS[0], "exactly-16-bytes", "OEy-9M8l3xTzzrZVwSJtSzYQiXWNb2nN6ECMMHVpuCg="),
        (KEYS[1], "10.99.0.2", "jkd8npFE7iomlIkA6hPompJXWNKtFkRJDw=="),
        (KEYS[1], "10.99.0.1:8081", "aFdQlH_Swb4693ganod9z8hWGN-uhadddDO1Cl_H"),
        (KEYS[2], "10.99.0.2", "hjqpczZtSU9Pz1UbXng1EuQH_UNB8gsXQA=="),
        (KEYS[2], "10.99.0.1:8081", "tJzw5FG9aMoIQpKa6farj5nFbLu7sZ7i2_Fm_VKt"),
        (
            KEYS[2],
            "2001:db8::1 - seventeen bytes and more, over two blocks",
            "6EQV-HchMj-kH9X-sE3H3n2EL1fuQXkiJxI6_V9wj_LG8FdLHyaBBrDy96UOxexIFFGqq8pJjv6PxhPQw2FsRdaqB2ozrow=",
        ),
    ];

    #[test]
    fn what_a_go_agent_encrypts_is_read_and_made_alike() {
        for (key, text, encrypted) in VECTORS {
            let seal = seal(key);
            assert_eq!(seal.decrypt(encrypted).as_deref(), Ok(text), "{encrypted}");
            let iv = URL_SAFE.decode(encrypted).unwrap()[..BLOCK].try_into().unwrap();
            assert_eq!(seal.encrypt_with(iv, text), encrypted, "{text}");
        }
    }

    #[test]
    fn what_no_agent_sends_is_refused() {
        let seal = seal(KEYS[0]);
        let cases = [
            ("nothing", ""),
            ("plain text", "10.99.0.1:8081"),
            ("shorter than the vector", "P6dqdHBupRRb8bq_YXU1"),
            ("padding left out", "slpFb6DB8q6Vt_CsxijG8XoO5fDX9l-Hog"),
            ("the other alphabet", "slpFb6DB8q6Vt/CsxijG8XoO5fDX9l+Hog=="),
            ("junk behind", "slpFb6DB8q6Vt_CsxijG8XoO5fDX9l-Hog==x"),
            ("a newline inside", "slpFb6DB8q6Vt_\nCsxijG8XoO5fDX9l-Hog=="),
            ("made with another key", VECTORS[5].2),
        ];
        for (name, text) in cases {
            assert_eq!(seal.decrypt(text), Err(NotOurs), "{name}");
        }
    }

    #[test]
    fn a_key_has_one_of_three_lengths() {
        for length in 0..40 {
            let made = Seal::new(&SecretString::from("k".repeat(length)));
            assert_eq!(made.is_ok(), [16, 24, 32].contains(&length), "{length}");
        }
        assert!(!format!("{:?}", seal(KEYS[0])).contains("1234"), "it never shows");
    }

    /// Computed by another program (Python's `hmac`, HKDF by hand as in RFC 5869).
    #[test]
    fn signatures_are_the_same_in_all_versions() {
        let body = br#"{"Peer":"a","IPAddress":"b","Live":false}"#;
        let cases = [
            (KEYS[0], "a8daaa5bbd424fcb0076297387d6f951090622e765409107a3b33ac76e417e26"),
            (KEYS[1], "30b98bb6c66fe4d6982a4095cc46a59e428a1a9345f0513f225f37de90ccb3b3"),
            (KEYS[2], "c6750c7447783a7796b323f462bb27a80683525239ec4a0bad8aae28f2533ef6"),
        ];
        for (key, want) in cases {
            let header = seal(key).sign(1_700_000_000_123, body);
            assert_eq!(header, format!("v1,1700000000123,{want}"));
            assert_eq!(seal(key).verify(&header, body), Ok(1_700_000_000_123));
        }
    }

    #[test]
    fn a_signature_holds_for_its_body_time_and_key_only() {
        let (ours, theirs) = (seal(KEYS[0]), seal(KEYS[1]));
        let good = ours.sign(1000, b"body");
        let tag = good.rsplit(',').next().unwrap();
        let cases = [
            ("another body", good.clone(), &b"b0dy"[..]),
            ("another time", format!("v1,1001,{tag}"), b"body"),
            ("a time written otherwise", format!("v1,+1000,{tag}"), b"body"),
            ("no time", format!("v1,,{tag}"), b"body"),
            ("a time past all bounds", format!("v1,99999999999999999999,{tag}"), b"body"),
            ("another version", good.replace("v1", "v2"), b"body"),
            ("upper-case digits", good.to_uppercase().replace("V1", "v1"), b"body"),
            ("cut short", good[..good.len() - 1].to_owned(), b"body"),
            ("too long", format!("{good}0"), b"body"),
            ("empty", String::new(), b"body"),
            ("another key", theirs.sign(1000, b"body"), b"body"),
        ];
        assert_eq!(ours.verify(&good, b"body"), Ok(1000));
        for (name, header, body) in cases {
            assert_eq!(ours.verify(&header, body), Err(BadSignature), "{name}: {header}");
        }
    }

    #[test]
    fn gossip_is_read_by_the_same_key_only_and_unchanged_only() {
        let ours = seal(KEYS[0]);
        let sealed = ours.seal_gossip(b"hello").unwrap();
        assert_eq!(sealed.len(), b"hello".len() + GOSSIP_OVERHEAD);
        assert_eq!(ours.open_gossip(&sealed).as_deref(), Ok(&b"hello"[..]));
        assert_ne!(sealed, ours.seal_gossip(b"hello").unwrap(), "each has its own nonce");
        assert_eq!(seal(KEYS[1]).open_gossip(&sealed), Err(NotOurs), "another key");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(ours.open_gossip(&changed), Err(NotOurs), "byte {at} changed");
            assert_eq!(ours.open_gossip(&sealed[..at]), Err(NotOurs), "cut to {at} bytes");
        }
    }

    proptest! {
        #[test]
        fn what_is_encrypted_comes_back(text in "\\PC{0,80}", key in 0_usize..3) {
            let seal = seal(KEYS[key]);
            prop_assert_eq!(seal.decrypt(&seal.encrypt(&text).unwrap()), Ok(text));
        }

        #[test]
        fn no_input_makes_it_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            let seal = seal(KEYS[0]);
            let _ = seal.decrypt(&text);
            let _ = seal.verify(&text, &bytes);
            let _ = seal.verify(&format!("v1,{text}"), &bytes);
            let _ = seal.open_gossip(&bytes);
        }
    }
}
