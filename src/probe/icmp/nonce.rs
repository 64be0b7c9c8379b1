//! The random bytes of an echo request.
//!
//! Addresses, identifiers and sequence numbers can be guessed, or seen in an earlier request. These
//! bytes are new for each request, so that nobody off its path can forge the reply or an ICMP error
//! about it.

/// Number of random bytes, at the start of the payload: a reply that is cut short still has them.
pub(super) const LENGTH: usize = 16;

/// Minimum number of these bytes in a reply. Standards demand all of them (RFC 1122, 3.2.2.6;
/// RFC 4443, 4.2). A forger guesses eight bytes once in 2^64 attempts.
const MIN_RETURNED: usize = 8;

/// The random bytes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nonce([u8; LENGTH]);

/// The extent to which an ICMP error quotes the random bytes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotation {
    /// It quotes other bytes: its sender does not know the request.
    Foreign,
    /// It ends before the last of these bytes. Eight bytes of a request are enough for the standard
    /// (RFC 792), and these do not contain any of them.
    Partial,
    /// It quotes all of these bytes.
    Complete,
}

impl Nonce {
    /// Creates the bytes of a new request. The generator is cryptographically secure and seeded by
    /// the operating system.
    pub(super) fn random() -> Self {
        Self(rand::random::<u128>().to_ne_bytes())
    }

    /// Returns the bytes.
    pub(super) fn bytes(self) -> [u8; LENGTH] {
        self.0
    }

    /// Whether a reply with this payload answers the request. A reply that is cut short is compared
    /// as far as it goes.
    pub(super) fn is_returned_in(self, payload: &[u8]) -> bool {
        let returned = &payload[..payload.len().min(LENGTH)];
        returned.len() >= MIN_RETURNED && self.0.starts_with(returned)
    }

    /// Returns the extent to which an ICMP error quotes these bytes. `payload` is the part of the
    /// payload that it quotes; zeros at its end count as not quoted, because a short quotation is
    /// padded with them (RFC 4884, 3).
    pub(super) fn quotation(self, payload: &[u8]) -> Quotation {
        let quoted = &payload[..payload.len().min(LENGTH)];
        if quoted == self.0 {
            return Quotation::Complete;
        }
        let end = quoted.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if self.0.starts_with(&quoted[..end]) { Quotation::Partial } else { Quotation::Foreign }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAYLOAD: usize = 56;

    /// Returns the payload of a request.
    fn payload(nonce: Nonce) -> Vec<u8> {
        let mut payload = vec![0x67; PAYLOAD];
        payload[..LENGTH].copy_from_slice(&nonce.bytes());
        payload
    }

    proptest! {
        #[test]
        fn a_reply_is_compared_as_far_as_it_goes(bytes: [u8; LENGTH], length in 0..=PAYLOAD) {
            let nonce = Nonce(bytes);
            let cut = &payload(nonce)[..length];
            prop_assert_eq!(nonce.is_returned_in(cut), length >= MIN_RETURNED);
        }

        #[test]
        fn one_other_byte_makes_a_reply_foreign(bytes: [u8; LENGTH], place in 0..LENGTH, bit in 0..8) {
            let nonce = Nonce(bytes);
            let mut payload = payload(nonce);
            payload[place] ^= 1_u8 << bit;
            for length in place + 1..PAYLOAD {
                prop_assert!(!nonce.is_returned_in(&payload[..length]), "{} bytes", length);
            }
        }

        #[test]
        fn a_quotation_is_compared_as_far_as_it_goes(bytes: [u8; LENGTH], length in 0..=PAYLOAD) {
            let nonce = Nonce(bytes);
            let cut = payload(nonce)[..length].to_vec();
            let wanted = if length < LENGTH { Quotation::Partial } else { Quotation::Complete };
            prop_assert_eq!(nonce.quotation(&cut), wanted);
            // A router that adds an extension pads a short quotation to 128 bytes.
            let mut padded = cut;
            padded.resize(100, 0);
            prop_assert_ne!(nonce.quotation(&padded), Quotation::Foreign);
        }

        #[test]
        fn a_quotation_of_another_request_is_foreign(bytes: [u8; LENGTH], place in 0..LENGTH) {
            let nonce = Nonce(bytes);
            let mut payload = payload(nonce);
            // Neither the byte of this request nor one that may be padding.
            payload[place] = if bytes[place] == 1 { 2 } else { 1 };
            for length in place + 1..PAYLOAD {
                prop_assert_eq!(nonce.quotation(&payload[..length]), Quotation::Foreign);
            }
        }
    }

    #[test]
    fn each_request_has_bytes_of_its_own() {
        let all: std::collections::HashSet<_> =
            (0..1000).map(|_| Nonce::random().bytes()).collect();
        assert_eq!(all.len(), 1000);
        let used = all.iter().flatten().fold([false; 256], |mut used, byte| {
            used[usize::from(*byte)] = true;
            used
        });
        assert!(used.iter().all(|used| *used), "any byte occurs");
    }

    #[test]
    fn zeros_in_place_of_the_bytes_are_no_reply() {
        let nonce = Nonce::random();
        for length in 0..=PAYLOAD {
            assert!(!nonce.is_returned_in(&[0; PAYLOAD][..length]), "{length} zeros");
            assert_eq!(nonce.quotation(&[0; PAYLOAD][..length]), Quotation::Partial);
        }
    }
}
