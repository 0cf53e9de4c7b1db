use clap::Subcommand;

const ISSUER_EXAMPLES: &str = "\
The server is an OAuth 2.0 issuer of its own: it signs the tokens of clients, of
accounts, and of `analytics token issue`.

Examples:
  analytics issuer show
  analytics issuer rotate

These work while the server runs, which obeys at once, and while it does not.";

const ROTATE_EXAMPLES: &str = "\
Tokens are signed with the new key from now on. The old one stays published until the
tokens that it signed have expired; they are good until then.

A regular rotation is one line for cron:
  0 3 1 */3 * analytics issuer rotate";

#[derive(Subcommand, Debug)]
#[command(after_help = ISSUER_EXAMPLES)]
pub enum IssuerCommand {
    /// Show the issuer's address, where its metadata is, and its keys
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a new signing key; tokens signed with the old one stay good
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}
