//! Refresh tokens: derived, never stored. The token of step n of a sign-in is a MAC over its family, its seed and n, so
//! the same successor can be handed out again within the grace, and a copy of the database holds none. Pure.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::secret::Secret;

const PREFIX: &str = "vtr_";
const BYTES: usize = 16 + 4 + 32;

/// A refresh token as presented: what it claims, with the proof not yet checked.
pub(crate) struct Presented {
    pub(crate) family: Uuid,
    pub(crate) step: i32,
    mac: [u8; 32],
}

/// The refresh token of one step: `vtr_` and base64url of family, step and MAC.
pub(crate) fn make(secret: &Secret, family: Uuid, seed: &[u8], step: i32) -> String {
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.extend_from_slice(family.as_bytes());
    bytes.extend_from_slice(&step.to_be_bytes());
    bytes.extend_from_slice(&mac(secret, family, seed, step));
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

pub(crate) fn parse(text: &str) -> Option<Presented> {
    if text.len() > 2 * BYTES {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
    let bytes: [u8; BYTES] = bytes.try_into().ok()?;
    let (family, rest) = bytes.split_first_chunk::<16>()?;
    let (step, mac) = rest.split_first_chunk::<4>()?;
    Some(Presented {
        family: Uuid::from_bytes(*family),
        step: i32::from_be_bytes(*step),
        mac: mac.try_into().ok()?,
    })
}

impl Presented {
    /// Whether this installation made it, in constant time.
    pub(crate) fn is_genuine(&self, secret: &Secret, seed: &[u8]) -> bool {
        let expected = mac(secret, self.family, seed, self.step);
        bool::from(expected.ct_eq(&self.mac))
    }
}

fn mac(secret: &Secret, family: Uuid, seed: &[u8], step: i32) -> [u8; 32] {
    let message = [family.as_bytes().as_slice(), seed, &step.to_be_bytes()].concat();
    secret.mac("veritrail/refresh/v1", &message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_step_is_the_same_token_and_nothing_else_is_genuine() {
        let secret = Secret::from_bytes([1; 32]);
        let family = Uuid::now_v7();
        let token = make(&secret, family, &[2; 16], 7);
        assert_eq!(token, make(&secret, family, &[2; 16], 7));
        let presented = parse(&token).unwrap();
        assert_eq!((presented.family, presented.step), (family, 7));
        assert!(presented.is_genuine(&secret, &[2; 16]));
        assert!(!presented.is_genuine(&secret, &[3; 16]));
        assert!(!presented.is_genuine(&Secret::from_bytes([4; 32]), &[2; 16]));
        let stolen = Presented {
            step: 8,
            ..presented
        };
        assert!(!stolen.is_genuine(&secret, &[2; 16]));
    }

    #[test]
    fn what_is_no_token_is_none() {
        for text in [
            "",
            "vtr_",
            "vtr_AAAA",
            "vtk_AAAA",
            "vtr_ä",
            &"vtr_A".repeat(99),
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
