//! What a credential may do, as it is typed: the same words for keys, clients, accounts and tokens.

use clap::Args;

use crate::model::{Role, Scope};

const SCOPES_HELP: &str = "\
Scopes, none of which includes another:
  read:analytics   reports and logs
  read:metrics     /metrics
  write:events     send events, register users
  admin            erase users
Roles:
  report_admin     make exports, with read:analytics; see those of others

";

/// The examples of a command that grants something, with the words that it knows above them.
pub fn with_scopes(examples: &str) -> String {
    format!("{SCOPES_HELP}{examples}")
}

#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub struct Granted {
    /// What it may do; may be given several times
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope, value_delimiter = ',')]
    pub scopes: Vec<Scope>,
    /// A privilege beyond scopes; may be given several times
    #[arg(long = "role", value_name = "ROLE", value_parser = role, value_delimiter = ',')]
    pub roles: Vec<Role>,
}

impl Granted {
    pub fn scopes(&self) -> Vec<&'static str> {
        self.scopes.iter().map(|scope| scope.as_str()).collect()
    }

    pub fn roles(&self) -> Vec<&'static str> {
        self.roles.iter().map(|role| role.as_str()).collect()
    }

    /// Scopes and roles with blanks between, for people.
    pub fn words(&self) -> String {
        [self.scopes(), self.roles()].concat().join(" ")
    }
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| match Role::parse(text) {
        Some(role) => format!("{role} is a role: give it as --role {role}"),
        None => format!("a scope is one of {}", Scope::ALL.map(Scope::as_str).join(", ")),
    })
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| match Scope::parse(text) {
        Some(scope) => format!("{scope} is a scope: give it as --scope {scope}"),
        None => format!("the role there is: {}", Role::ALL.map(Role::as_str).join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_the_wrong_place_is_answered_with_the_right_one() {
        assert_eq!(scope("report_admin").unwrap_err(), "report_admin is a role: give it as --role report_admin");
        assert_eq!(role("admin").unwrap_err(), "admin is a scope: give it as --scope admin");
        assert!(role("owner").unwrap_err().contains("report_admin"));
    }
}
