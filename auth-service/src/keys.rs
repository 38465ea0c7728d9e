//! Signing keys.

/// The algorithm of a signing key, fixed for its kid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    #[value(name = "EdDSA")]
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256 and a 3072-bit key (RFC 7518 §3.3).
    #[value(name = "RS256")]
    Rs256,
}
