//! The admin's token and the key that signs the tokens of ServiceAccounts.

use std::path::Path;

use aws_lc_rs::{
    encoding::AsDer as _,
    rand,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use pem::Pem;

use super::{error::Error, write};

/// Makes a token for a member of `system:masters`, writes the API server's `--token-auth-file`, and returns the token.
pub(super) fn admin(token_file: &Path) -> Result<String, Error> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| Error::Key)?;
    let token = format!("{:032x}", u128::from_ne_bytes(bytes));
    write(token_file, &format!("{token},admin,admin,\"system:masters\"\n"))?;
    Ok(token)
}

/// Writes a key pair, as two blocks of PEM: the API server takes from the file what it needs.
pub(super) fn signing_key(path: &Path) -> Result<(), Error> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| Error::Key)?;
    let private = pair.to_pkcs8v1().map_err(|_| Error::Key)?;
    let public = pair.public_key().as_der().map_err(|_| Error::Key)?;
    let blocks = [
        Pem::new("PRIVATE KEY", private.as_ref()),
        Pem::new("PUBLIC KEY", public.as_ref()),
    ];
    write(path, &pem::encode_many(&blocks))
}
