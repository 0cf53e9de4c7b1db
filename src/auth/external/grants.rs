//! What a token of a trusted issuer may do.

use serde_json::{Map, Value};

use super::settings::RoleRule;
use crate::model::{Grants, Role, Roles, Scope, Scopes};

/// What the claims ask for, as far as the issuer may give it. Exact words, never parts of them.
pub fn grants(claims: &Map<String, Value>, rule: &RoleRule, most: Grants) -> Grants {
    let words: Vec<&str> = scope_words(claims);
    let scopes: Scopes = words.iter().filter_map(|word| Scope::parse(word)).collect();
    let mut roles: Vec<Role> = words.iter().filter_map(|word| Role::parse(word)).collect();
    if has_role(claims, rule) {
        roles.push(Role::ReportAdmin);
    }
    Grants {
        scopes: scopes.iter().filter(|scope| most.scopes.contains(*scope)).collect(),
        roles: roles.into_iter().filter(|role| most.roles.contains(*role)).collect::<Roles>(),
    }
}

/// `scope` (RFC 8693, 4.2: words with blanks between), and `scp` as some issuers call it, a text or an array.
fn scope_words(claims: &Map<String, Value>) -> Vec<&str> {
    let split = |text: &'static str| claims.get(text).and_then(Value::as_str).unwrap_or_default().split(' ');
    let listed = claims.get("scp").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    split("scope").chain(split("scp")).chain(listed).collect()
}

fn has_role(claims: &Map<String, Value>, rule: &RoleRule) -> bool {
    let Some((first, rest)) = rule.claim.split_first() else { return false };
    let found = rest.iter().try_fold(claims.get(first), |found, name| Some(found?.get(name)));
    let is_word = |value: &Value| value.as_str().is_some_and(|text| rule.words.iter().any(|word| word == text));
    match found.flatten() {
        Some(Value::Array(all)) => all.iter().any(is_word),
        // One word: a blank in it is part of the name.
        Some(one) => is_word(one),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(path: &[&str]) -> RoleRule {
        RoleRule {
            claim: path.iter().map(|name| name.to_string()).collect(),
            words: vec!["report_admin".into(), "Analytics Admins".into()],
        }
    }

    fn granted(claims: &Value, path: &[&str], most: Grants) -> String {
        let granted = grants(claims.as_object().unwrap(), &rule(path), most);
        format!("{} / {}", granted.scopes, granted.roles)
    }

    #[test]
    fn scopes_are_exact_words() {
        for (claims, expected) in [
            (json!({}), " / "),
            (json!({"scope": "read:analytics"}), "read:analytics / "),
            (json!({"scope": "openid  write:events read:analytics "}), "read:analytics write:events / "),
            (json!({"scope": "read:analytics2 xread:analytics read:analytic Read:Analytics"}), " / "),
            (json!({"scope": "read:analytics,write:events"}), " / "),
            (json!({"scope": "read:analytics\twrite:events"}), " / "),
            (json!({"scope": ["read:analytics"]}), " / "),
            (json!({"scope": {"read:analytics": true}}), " / "),
            (json!({"scp": "read:analytics admin"}), "read:analytics admin / "),
            (json!({"scp": ["read:analytics", "read:metrics"]}), "read:analytics read:metrics / "),
            (json!({"scp": ["read:analytics admin", 7]}), " / "),
            (json!({"scope": "admin", "scp": ["report_admin"]}), "admin / report_admin"),
            (json!({"scope": "report_admin"}), " / report_admin"),
            (json!({"scope": "report_admins not_report_admin"}), " / "),
        ] {
            assert_eq!(granted(&claims, &["roles"], Grants::ALL), expected, "{claims}");
        }
    }

    #[test]
    fn a_role_is_found_by_its_path() {
        let nested: &[&str] = &["realm_access", "roles"];
        for (claims, path, is_admin) in [
            (json!({"roles": ["report_admin"]}), &["roles"][..], true),
            (json!({"roles": ["user", "Analytics Admins"]}), &["roles"], true),
            (json!({"roles": "report_admin"}), &["roles"], true),
            (json!({"roles": "Analytics Admins"}), &["roles"], true),
            (json!({"roles": "user report_admin"}), &["roles"], false),
            (json!({"roles": ["user report_admin"]}), &["roles"], false),
            (json!({"roles": ["report_admins", "analytics admins", 7]}), &["roles"], false),
            (json!({"roles": [["report_admin"]]}), &["roles"], false),
            (json!({"roles": {"report_admin": true}}), &["roles"], false),
            (json!({"groups": ["report_admin"]}), &["roles"], false),
            (json!({"realm_access": {"roles": ["report_admin"]}}), nested, true),
            (json!({"realm_access": {"roles": "report_admin"}}), nested, true),
            (json!({"realm_access": ["roles", "report_admin"]}), nested, false),
            (json!({"realm_access.roles": ["report_admin"]}), nested, false),
            (json!({"roles": ["report_admin"]}), nested, false),
            (json!({"https://example.com/roles": ["report_admin"]}), &["https://example.com/roles"], true),
            (json!({"roles": ["report_admin"]}), &[], false),
        ] {
            assert_eq!(granted(&claims, path, Grants::ALL) == " / report_admin", is_admin, "{claims} {path:?}");
        }
    }

    #[test]
    fn an_issuer_gives_no_more_than_it_may() {
        let claims = json!({"scope": "read:analytics write:events admin", "roles": ["report_admin"]});
        let most = Grants { scopes: Scopes::parse("read:analytics read:metrics").unwrap(), roles: Roles::default() };
        assert_eq!(granted(&claims, &["roles"], most), "read:analytics / ");
    }
}
