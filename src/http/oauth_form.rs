//! What comes to the token endpoint: a form, and a client's id and secret in it or in the Authorization header.

use std::collections::HashSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};

use super::oauth_error::{Code, Outcome, Refusal};
use super::query::form_decode;

const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// The parameters that the endpoint knows. No `Debug`: they hold secrets.
#[derive(Default)]
pub struct TokenForm {
    pub grant_type: Option<String>,
    /// Words with blanks between.
    pub scope: Option<String>,
    pub refresh_token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// A client's id and secret. No `Debug`: see above.
pub struct ClientSecret {
    pub id: String,
    pub secret: String,
}

/// Errors with `invalid_request` if the body is labelled as anything but a form.
pub fn check_type(headers: &HeaderMap) -> Outcome<()> {
    let Some(label) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let essence = label.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match essence.eq_ignore_ascii_case(FORM_TYPE) {
        true => Ok(()),
        false => Err(malformed(format!("the body must be a form, with Content-Type: {FORM_TYPE}"))),
    }
}

impl TokenForm {
    /// Other parameters are ignored, and one without a value is as good as none (RFC 6749, 3.2). Errors with
    /// `invalid_request` for one that stands twice, and what is no form.
    pub fn parse(bytes: &[u8]) -> Outcome<TokenForm> {
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("the body is not UTF-8"))?;
        let mut form = TokenForm::default();
        let mut names: HashSet<String> = HashSet::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = form_decode(name).map_err(|rule| malformed(format!("a parameter's name {rule}")))?;
            if let Some(place) = form.place(&name).filter(|_| !value.is_empty()) {
                *place = Some(form_decode(value).map_err(|rule| malformed(format!("the value of {name} {rule}")))?);
            }
            if !names.insert(name) {
                return Err(malformed("a parameter stands more than once; give each once"));
            }
        }
        Ok(form)
    }

    /// The client that the request is from, if it says so with a secret: by Basic or in the form, not both. A bare
    /// `client_id` proves nothing. Errors with `invalid_request` or, for a header that cannot be read, `invalid_client`.
    pub fn client(&self, headers: &HeaderMap) -> Outcome<Option<ClientSecret>> {
        let basic = from_authorization(headers)?;
        match (basic, &self.client_id, &self.client_secret) {
            (Some(_), _, Some(_)) => Err(malformed("send the client's secret in one place: by Basic or in the form")),
            (Some(basic), Some(id), None) if *id != basic.id => {
                Err(malformed("client_id names another client than the Authorization header"))
            }
            (Some(basic), _, None) => Ok(Some(basic)),
            (None, Some(id), Some(secret)) => Ok(Some(ClientSecret { id: id.clone(), secret: secret.clone() })),
            (None, None, Some(_)) => Err(malformed("client_secret stands without client_id")),
            (None, _, None) => Ok(None),
        }
    }

    fn place(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "grant_type" => Some(&mut self.grant_type),
            "scope" => Some(&mut self.scope),
            "refresh_token" => Some(&mut self.refresh_token),
            "client_id" => Some(&mut self.client_id),
            "client_secret" => Some(&mut self.client_secret),
            _ => None,
        }
    }
}

/// Id and secret are encoded as in a form before they are joined (RFC 6749, 2.3.1).
fn from_authorization(headers: &HeaderMap) -> Outcome<Option<ClientSecret>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(malformed("the Authorization header stands more than once"));
    }
    let read = || {
        let (scheme, pair) = value.to_str().ok()?.split_once(' ')?;
        let decoded = BASE64_STANDARD.decode(pair.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (id, secret) = decoded.split_once(':')?;
        Some(ClientSecret { id: form_decode(id).ok()?, secret: form_decode(secret).ok()? })
    };
    const RULE: &str = "the Authorization header must be Basic with base64 of client_id:client_secret";
    read().map(Some).ok_or_else(|| Refusal::new(Code::InvalidClient, RULE))
}

fn malformed(rule: impl Into<String>) -> Refusal {
    Refusal::new(Code::InvalidRequest, rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn code(refusal: Refusal) -> Code {
        match refusal {
            Refusal::OAuth(code, _) => code,
            Refusal::Failed(error) => panic!("{error}"),
        }
    }

    fn authorization(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
    }

    fn basic(pair: &str) -> HeaderMap {
        authorization(&format!("Basic {}", BASE64_STANDARD.encode(pair)))
    }

    fn client(form: &str, headers: &HeaderMap) -> Result<Option<(String, String)>, Code> {
        let client = TokenForm::parse(form.as_bytes()).and_then(|form| form.client(headers)).map_err(code)?;
        Ok(client.map(|client| (client.id, client.secret)))
    }

    #[test]
    fn a_parameter_stands_once_and_what_is_unknown_or_empty_is_ignored() {
        let form = TokenForm::parse(b"grant_type=refresh_token&scope=&audience=x&refresh_token=a%2Bb+c").unwrap();
        assert_eq!((form.grant_type.as_deref(), form.scope), (Some("refresh_token"), None));
        assert_eq!(form.refresh_token.as_deref(), Some("a+b c"));
        assert!(TokenForm::parse(b"").unwrap().grant_type.is_none());
        for bad in ["scope=a&scope=b", "x=1&%78=2", "scope=%f", "scope=%ff", "a%zz=1"] {
            assert_eq!(TokenForm::parse(bad.as_bytes()).err().map(code), Some(Code::InvalidRequest), "{bad}");
        }
        assert!(TokenForm::parse(b"scope=\xff").is_err());
    }

    #[test]
    fn a_client_says_who_it_is_in_one_place() {
        let pair = |id: &str, secret: &str| Ok(Some((id.to_string(), secret.to_string())));
        let none = HeaderMap::new();
        assert_eq!(client("client_id=c&client_secret=s", &none), pair("c", "s"));
        assert_eq!(client("", &basic("c:s")), pair("c", "s"));
        assert_eq!(client("client_id=c", &basic("c:s:t")), pair("c", "s:t"));
        assert_eq!(client("", &basic("c%3Ad:s+%2B")), pair("c:d", "s +"));
        assert_eq!(client("client_id=c", &none), Ok(None));
        let table = [
            ("client_id=c&client_secret=s", basic("c:s"), Code::InvalidRequest),
            ("client_id=d", basic("c:s"), Code::InvalidRequest),
            ("client_secret=s", none, Code::InvalidRequest),
            ("", authorization("Bearer x"), Code::InvalidClient),
            ("", authorization("Basic %%"), Code::InvalidClient),
            ("", basic("no colon"), Code::InvalidClient),
            ("", basic("c:%zz"), Code::InvalidClient),
        ];
        for (form, headers, expected) in table {
            assert_eq!(client(form, &headers), Err(expected), "{form} {headers:?}");
        }
        let mut twice = basic("c:s");
        twice.append(AUTHORIZATION, HeaderValue::from_static("Basic Yzpz"));
        assert_eq!(client("", &twice), Err(Code::InvalidRequest));
    }

    #[test]
    fn the_body_is_a_form_or_has_no_label() {
        let labelled = |label: &'static str| {
            check_type(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(label))])).is_ok()
        };
        assert!(check_type(&HeaderMap::new()).is_ok());
        assert!(labelled(FORM_TYPE) && labelled("Application/X-WWW-Form-Urlencoded; charset=UTF-8"));
        assert!(!labelled("application/json") && !labelled("text/plain") && !labelled(""));
    }
}
