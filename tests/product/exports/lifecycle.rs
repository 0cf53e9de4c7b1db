use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::exports::{
    ask, directory, download, expect_whole, file_name, files, log_csv, look, seed, usage_csv, wait, wait_until,
};
use crate::support::local;
use crate::support::process::{self, Process};
use crate::support::server::Server;

fn whole(client: &Client, job: &Value) {
    expect_whole(job, &download(client, job));
}

#[test]
fn an_export_goes_from_the_request_to_a_whole_file() {
    let server = Server::start();
    seed(&server, 500);
    let job = wait(&server, &ask(&server, &log_csv()));
    assert_eq!((job["status"].as_str(), job["rows"].as_u64()), (Some("completed"), Some(500)), "{job}");
    whole(&server, &job);
    assert_eq!(files(server.database()), BTreeSet::from([file_name(&job)]));
    let id = job["job_id"].as_str().expect("an id");
    assert_eq!(server.send("DELETE", &format!("/reports/export/{id}"), &[], b"").status, 204);
    assert_eq!(files(server.database()), BTreeSet::new());
    assert_eq!(server.get(&format!("/downloads/{}", file_name(&job))).status, 404);
}

#[test]
fn a_restart_keeps_what_is_done_and_ends_what_is_not() {
    let server = Server::start();
    seed(&server, 5_000);
    let done = wait(&server, &ask(&server, &log_csv()));
    let waiting: Vec<String> = (0..6).map(|_| ask(&server, &log_csv())).collect();
    let server = server.restart();
    for id in &waiting {
        let job = wait(&server, id);
        assert_eq!((job["status"].as_str(), job["rows"].as_u64()), (Some("completed"), Some(5_000)), "{job}");
        whole(&server, &job);
    }
    let done = look(&server, done["job_id"].as_str().expect("an id"));
    whole(&server, &done);
    assert_eq!(files(server.database()).len(), 7);
}

#[test]
fn files_beyond_the_bound_go_and_their_jobs_stay() {
    let server = Server::with(|settings| settings.exports.bytes_max = 1 << 20);
    seed(&server, 5_000);
    let first = wait(&server, &ask(&server, &log_csv()));
    let name = file_name(&first);
    let bytes = first["bytes"].as_u64().expect("bytes");
    // Enough of them that the first is too much.
    for _ in 0..(1 << 20) / bytes + 1 {
        wait(&server, &ask(&server, &log_csv()));
    }
    wait_until("the first file is gone", || (!files(server.database()).contains(&name)).then_some(()));
    assert_eq!(server.get(&format!("/downloads/{name}")).status, 410);
    let job = look(&server, first["job_id"].as_str().expect("an id"));
    assert_eq!((job["status"].as_str(), job.get("download_url")), (Some("completed"), None), "{job}");
    wait_until("all files fit", || (together(&server) <= 1 << 20).then_some(()));
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains("analytics_export_jobs{state=\"processing\"} 0\n"), "{metrics}");
    assert!(metrics.contains(&format!("analytics_export_file_bytes {}\n", together(&server))), "{metrics}");
}

/// Bytes of all files.
fn together(server: &Server) -> u64 {
    let path = |name: &String| directory(server.database()).join(name);
    let bytes = |name| std::fs::metadata(path(&name)).map_or(0, |metadata| metadata.len());
    files(server.database()).into_iter().map(bytes).sum()
}

#[test]
fn an_export_larger_than_all_may_be_fails_and_leaves_nothing() {
    let server = Server::with(|settings| settings.exports.bytes_max = 10_000);
    seed(&server, 2_000);
    let job = wait(&server, &ask(&server, &log_csv()));
    assert_eq!((job["status"].as_str(), job["error"]["code"].as_str()), (Some("failed"), Some("too_large")), "{job}");
    assert!(job["error"]["message"].as_str().expect("why").contains("exports.max_bytes"), "{job}");
    wait_until("no part is left", || files(server.database()).is_empty().then_some(()));
}

#[test]
fn an_erased_person_is_in_no_file_that_can_be_downloaded() {
    let server = Server::start();
    seed(&server, 1_000);
    let about = {
        let mut request = usage_csv("team");
        request["user_id"] = json!("user 7");
        request
    };
    let jobs = [usage_csv("user"), about, usage_csv("team")].map(|request| wait(&server, &ask(&server, &request)));
    jobs.iter().for_each(|job| whole(&server, job));
    assert!(download(&server, &jobs[0]).text().contains("user 7"));
    assert_eq!(server.send("DELETE", "/users/user%207", &[], b"").status, 204);
    let statuses = jobs.each_ref().map(|job| download(&server, job).status);
    assert_eq!(statuses, [410, 410, 200]);
    wait_until("the files are gone", || {
        (files(server.database()) == BTreeSet::from([file_name(&jobs[2])])).then_some(())
    });
    // Those who ask again get what is there now.
    let again = wait(&server, &ask(&server, &usage_csv("user")));
    let text = download(&server, &again).text();
    assert!(text.contains("user 8") && !text.contains("user 7\r") && !text.contains(",user 7,"), "{text}");
}

#[test]
fn a_person_erased_without_a_server_leaves_no_file() {
    let place = tempfile::tempdir().expect("a directory");
    let database = place.path().join("analytics.db");
    let server = Process::serve(&database);
    let client = server.client_with(&local::create_full_key(&database, "tests"));
    seed(&client, 100);
    let [about_users, other] =
        [usage_csv("user"), usage_csv("team")].map(|request| wait(&client, &ask(&client, &request)));
    assert_eq!(files(&database), BTreeSet::from([file_name(&about_users), file_name(&other)]));
    server.terminate();
    let erased = process::run(&["user", "erase", "user 7", "--database", &database.to_string_lossy()]);
    assert!(erased.status.success(), "{}", String::from_utf8_lossy(&erased.stderr));
    assert_eq!(files(&database), BTreeSet::from([file_name(&other)]));
}

#[test]
fn a_restored_backup_tells_of_jobs_whose_files_are_elsewhere() {
    let server = Server::start();
    seed(&server, 100);
    let job = wait(&server, &ask(&server, &log_csv()));
    let link = format!("/reports/export/{}?link=signed", job["job_id"].as_str().expect("an id"));
    let signed = server.json(&link)["signed_url"].as_str().expect("a link").to_string();
    let signed = signed[signed.find("/downloads/").expect("a download")..].to_string();
    assert_eq!(server.with_key(None).get(&signed).status, 200);
    let elsewhere = tempfile::tempdir().expect("a directory");
    let at = |name: &str| elsewhere.path().join(name).to_string_lossy().into_owned();
    let database = server.database().to_string_lossy().into_owned();
    let made = process::run(&["backup", &at("copy"), "--database", &database]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let restored = process::run(&["restore", &at("copy"), "--database", &at("analytics.db")]);
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let other = Process::serve(&elsewhere.path().join("analytics.db"));
    let key = local::create_full_key(&elsewhere.path().join("analytics.db"), "tests");
    let client = other.client_with(&key);
    let there = look(&client, job["job_id"].as_str().expect("an id"));
    assert_eq!((there["status"].as_str(), there.get("download_url")), (Some("completed"), None), "{there}");
    assert_eq!(download(&client, &job).status, 410);
    assert_eq!(client.with_key(None).get(&signed).status, 404);
    // Where the file lies, it is there still, and so is its link.
    whole(&server, &job);
    assert_eq!(server.with_key(None).get(&signed).status, 200);
}
