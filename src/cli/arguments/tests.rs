use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(line.split(' '))
}

#[test]
fn the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn global_flags_stand_before_or_behind_the_command() {
    for line in ["analytics --database a.db check", "analytics check --database a.db"] {
        assert_eq!(parse(line).unwrap().global.database.as_deref(), Some("a.db"), "{line}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let lines = [
        "analytics serve --demo --ephemeral",
        "analytics report --start 2025-01-01",
        "analytics report --start 2025-02-29 --end 2025-03-01",
        "analytics report --range last-month --start 2025-01-01 --end 2025-01-31",
        "analytics report --range next-month",
        "analytics report --limit 3",
        "analytics report --group-by team --limit 0",
        "analytics report --json --csv",
        "analytics export",
        "analytics export usage-summary --start 2025-01-01",
        "analytics export usage-summary --range last-month --interval day --group-by team",
        "analytics export usage-summary --range last-month --format pdf",
        "analytics export system-events --from 2025-01-01 --range last-month",
        "analytics export system-events --severity fatal",
        "analytics export system-events --token-file token",
        "analytics jobs list --status done",
        "analytics jobs list --limit 0",
        "analytics jobs cancel",
        "analytics jobs unlink",
        "analytics import usage",
        "analytics import sessions a.ndjson",
        "analytics key create --owner a",
        "analytics key create --owner a --scope everything",
        "analytics key create --owner a --scope admin --expires-in 3",
        "analytics key create --owner a --scope admin --expires-in 3d --expires-at 2030-01-01T00:00:00Z",
        "analytics key create --owner a --role owner",
        "analytics key create --owner a --scope report_admin",
        "analytics key revoke",
        "analytics key rotate",
        "analytics key rotate abc --overlap 0h",
        "analytics client create --name a",
        "analytics client create --scope admin",
        "analytics client revoke",
        "analytics account create --scope admin",
        "analytics account create alice",
        "analytics account create alice --scope admin --password secret",
        "analytics account password alice secret",
        "analytics account role alice",
        "analytics account disable",
        "analytics token issue --subject a",
        "analytics token issue --subject a --scope admin --ttl 5",
        "analytics token revoke",
        "analytics issuer",
        "analytics limit set --requests-per-minute 5",
        "analytics limit set --key abc",
        "analytics limit set --key abc --requests-per-minute 0",
        "analytics limit set --key abc --client abc --requests-per-minute 5",
        "analytics limit set --subject a --requests-per-minute 5",
        "analytics limit set --issuer https://id.example.com --requests-per-minute 5",
        "analytics limit set --key abc --issuer https://id.example.com --requests-per-minute 5",
        "analytics limit clear",
        "analytics completions tcsh",
        "analytics user",
        "analytics backup",
        "analytics restore",
        "analytics user show",
        "analytics user show u-1 --start 2025-02-29",
        "analytics user erase",
        "analytics user erase u-1 --history all",
    ];
    for line in lines {
        let refused = parse(line).expect_err(line);
        assert_eq!(refused.exit_code(), 2, "{line}");
    }
}

#[test]
fn what_is_meant_is_understood() {
    let lines = [
        "analytics key create --owner a --scope read:analytics,write:events --role report_admin",
        "analytics client create --name a --role report_admin",
        "analytics account create alice --scope admin --password-stdin",
        "analytics account role alice --scope read:analytics --scope admin",
        "analytics token issue --subject a --scope admin --ttl 30d",
        "analytics limit set --token abc --requests-per-minute none --exports-per-day default",
        "analytics limit set --subject a --issuer https://id.example.com --tokens-per-hour 5",
        "analytics limit clear --account alice",
        "analytics export usage-summary --range last-month --group-by team -o -",
        "analytics export system-events --severity warning,error --to 2025-05-01 --url https://a --token-file t --remove",
        "analytics jobs list --status failed --limit 1000",
        "analytics jobs remove a b",
    ];
    for line in lines {
        parse(line).unwrap_or_else(|refused| panic!("{line}: {refused}"));
    }
}

#[test]
fn an_unknown_scope_is_answered_with_the_known_ones() {
    let refused = parse("analytics key create --owner a --scope read").unwrap_err().to_string();
    assert!(refused.contains("read:analytics, read:metrics, write:events, admin"), "{refused}");
}
