//! Cryptography with the shared key: encryption of votes as in the Go agents, signatures, and
//! sealed gossip.
//!
//! Three keys are derived from `crypto_key`, each for one purpose. The key itself encrypts the
//! words in a vote; that is compatible with the Go agents, and therefore unauthenticated and
//! malleable (see the signature). Two more keys come from HKDF-SHA256 (RFC 5869, no salt), one for
//! signing votes and one for sealing gossip.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use cfb_mode::cipher::KeyIvInit;
use cfb_mode::{Decryptor, Encryptor};
use hkdf::Hkdf;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;

use super::signature::{BadSignature, Form, Signed, Signer};

/// Number of bytes that [`Seal::seal_gossip`] adds: version, nonce and tag.
pub(crate) const GOSSIP_OVERHEAD: usize = 1 + NONCE + 16;

/// HKDF info that separates the signing key from the others.
const SIGNING_INFO: &[u8] = b"goavail vote v1";

/// HKDF info that separates the gossip key from the others.
const GOSSIP_INFO: &[u8] = b"goavail gossip v1";

/// First byte of sealed gossip.
const GOSSIP_VERSION: u8 = 1;

/// Block length of AES in bytes, and the length of an initialisation vector.
const BLOCK: usize = 16;

/// Length of the nonce of AES-GCM in bytes. The nonce is random: the chance that any two are alike
/// stays under 2⁻³² for 2³² datagrams (NIST SP 800-38D, section 8.3), more than a busy cluster
/// sends in a year.
const NONCE: usize = 12;

/// The length of `crypto_key` is not 16, 24 or 32 bytes. Nothing was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("crypto_key: the length must be 16, 24 or 32 bytes, not {0}")]
pub struct KeyLength(pub usize);

/// A text that was not made with our key: not base64url, too short, or not text once decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not encrypted with this cluster's key")]
pub struct NotOurs;

/// All operations with `crypto_key`.
pub struct Seal {
    /// The raw key, with a length that AES allows.
    key: SecretSlice<u8>,
    /// Signer with the signing key.
    signer: Signer,
    /// Cipher with the gossip key.
    gossip: Aes256Gcm,
}

impl fmt::Debug for Seal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Seal([REDACTED])")
    }
}

impl Seal {
    /// Derives the keys from the raw bytes of `crypto_key`.
    pub fn new(crypto_key: &SecretString) -> Result<Self, KeyLength> {
        let key = crypto_key.expose_secret().as_bytes();
        if !matches!(key.len(), 16 | 24 | 32) {
            return Err(KeyLength(key.len()));
        }
        let derived = Hkdf::<Sha256>::new(None, key);
        Ok(Self {
            key: key.to_vec().into(),
            signer: Signer::new(&expand(&derived, SIGNING_INFO)),
            gossip: Aes256Gcm::new(&expand(&derived, GOSSIP_INFO).into()),
        })
    }

    /// Encrypts a word of a vote: padded base64url of a random IV and AES-CFB128 of `text`.
    ///
    /// # Errors
    ///
    /// Fails if the system has no random bytes.
    pub fn encrypt(&self, text: &str) -> io::Result<String> {
        Ok(self.encrypt_with(random()?, text))
    }

    fn encrypt_with(&self, iv: [u8; BLOCK], text: &str) -> String {
        let mut bytes = iv.to_vec();
        bytes.extend_from_slice(text.as_bytes());
        self.cfb(&mut bytes, Direction::Encrypt);
        URL_SAFE.encode(bytes)
    }

    /// Decrypts the output of [`encrypt`](Self::encrypt), made here or in a Go agent with the same
    /// key.
    ///
    /// The result is not authenticated: decryption with another key yields other bytes, which
    /// nearly always are not text.
    pub fn decrypt(&self, text: &str) -> Result<String, NotOurs> {
        let long_enough = URL_SAFE.decode(text).is_ok_and(|bytes| bytes.len() >= BLOCK);
        if !long_enough {
            return Err(NotOurs);
        }
        String::from_utf8(self.reveal(text)).map_err(|_| NotOurs)
    }

    /// Returns the decrypted bytes of `text`, printable or not, or nothing if its form is wrong.
    /// The time taken reveals nothing about the key or the result.
    pub fn reveal(&self, text: &str) -> Vec<u8> {
        let Ok(mut bytes) = URL_SAFE.decode(text) else { return Vec::new() };
        if bytes.len() < BLOCK {
            return Vec::new();
        }
        self.cfb(&mut bytes, Direction::Decrypt);
        bytes.split_off(BLOCK)
    }

    /// Applies the cipher to all but the first block of `bytes`, the IV.
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

    /// Returns the signature of `body` in `form`, to the agent at `to`, at `millis` of Unix time.
    pub fn sign(&self, form: Form, to: SocketAddr, millis: u64, body: &[u8]) -> String {
        self.signer.sign(form, to, millis, body)
    }

    /// Returns the content of `header` if it is our signature of `body` to the agent at `to`. The
    /// caller decides whether its time is acceptable.
    pub fn verify(
        &self,
        header: &str,
        to: SocketAddr,
        body: &[u8],
    ) -> Result<Signed, BadSignature> {
        self.signer.verify(header, to, body)
    }

    /// Seals a datagram so that only this cluster can read or make it: a version byte, a random
    /// nonce, and AES-256-GCM of `plain`, with the version authenticated as well.
    ///
    /// # Errors
    ///
    /// Fails if the system has no random bytes.
    pub fn seal_gossip(&self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let nonce: [u8; NONCE] = random()?;
        let payload = Payload { msg: plain, aad: &[GOSSIP_VERSION] };
        let sealed = self
            .gossip
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| io::Error::other("the datagram is too long to be sealed"))?;
        Ok([&[GOSSIP_VERSION][..], &nonce, &sealed].concat())
    }

    /// Opens the output of [`seal_gossip`](Self::seal_gossip) if it was made with our key.
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

/// Returns the key that `derived` yields for one purpose, `info`.
fn expand(derived: &Hkdf<Sha256>, info: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    derived.expand(info, &mut bytes).expect("HKDF-SHA256 gives up to 8,160 bytes");
    bytes
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

    /// Output of a running Go agent: key, text, result. From section 4.3 of the study of it.
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
    fn ciphertexts_are_those_of_a_go_agent() {
        for (key, text, encrypted) in VECTORS {
            let seal = seal(key);
            assert_eq!(seal.decrypt(encrypted).as_deref(), Ok(text), "{encrypted}");
            let iv = URL_SAFE.decode(encrypted).unwrap()[..BLOCK].try_into().unwrap();
            assert_eq!(seal.encrypt_with(iv, text), encrypted, "{text}");
        }
    }

    #[test]
    fn a_text_that_no_agent_sends_is_refused() {
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
        fn an_encrypted_text_decrypts_to_itself(text in "\\PC{0,80}", key in 0_usize..3) {
            let seal = seal(KEYS[key]);
            prop_assert_eq!(seal.decrypt(&seal.encrypt(&text).unwrap()), Ok(text));
        }

        #[test]
        fn any_input_is_decrypted_without_a_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            let seal = seal(KEYS[0]);
            let _ = seal.decrypt(&text);
            let _ = seal.open_gossip(&bytes);
        }
    }
}
