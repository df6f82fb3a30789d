//! `X-Hub-Signature-256`: HMAC-SHA256 of the raw body with the webhook's secret, in hex.
//! <https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries>

use ring::hmac;

use super::Refusal;

/// HMAC-SHA256, in hex digits.
const HEX_DIGITS: usize = 64;

/// Checks that whoever sent `body` knows `secret`; in constant time. An empty secret fits nothing.
pub(super) fn verify(secret: &[u8], header: Option<&str>, body: &[u8]) -> Result<(), Refusal> {
    let header = header.ok_or_else(|| {
        unsigned(
            "X-Hub-Signature-256 is missing: enter pilotlight's webhook secret in the field \"Secret\" on the \
             webhook's page at GitHub",
        )
    })?;
    let tag = header.strip_prefix("sha256=").and_then(unhex);
    let tag = tag.ok_or_else(|| unsigned("X-Hub-Signature-256 must be sha256= and 64 hex digits"))?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    if secret.is_empty() || hmac::verify(&key, body, &tag).is_err() {
        return Err(unsigned(
            "the signature does not fit: the secret on the webhook's page at GitHub differs from pilotlight's \
             webhook secret, or something between changed the body",
        ));
    }
    Ok(())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != HEX_DIGITS {
        return None;
    }
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()).collect()
}

fn unsigned(message: &str) -> Refusal {
    Refusal { status: 401, message: message.to_owned() }
}
