//! `Link` headers (RFC 8288): where the other pages are, with every parameter kept.

use super::query::{Query, percent_encode};

/// `first`, `prev`, `next` and `last` of numbered pages, as far as they exist. None where nothing matches.
pub fn pages(path: &str, query: &Query, page: u64, total_pages: u64) -> Option<String> {
    if total_pages == 0 {
        return None;
    }
    let mut links = vec![link(path, query, "page", "1", "first")];
    if page > 1 {
        // Behind the end, the way back is the last page.
        links.push(link(path, query, "page", &(page - 1).min(total_pages).to_string(), "prev"));
    }
    if page < total_pages {
        links.push(link(path, query, "page", &(page + 1).to_string(), "next"));
    }
    links.push(link(path, query, "page", &total_pages.to_string(), "last"));
    Some(links.join(", "))
}

/// `next` where a cursor leads on.
pub fn next_cursor(path: &str, query: &Query, cursor: &str) -> String {
    link(path, query, "cursor", cursor, "next")
}

fn link(path: &str, query: &Query, name: &'static str, value: &str, rel: &str) -> String {
    let kept = query.pairs().filter(|(kept, _)| *kept != name);
    let pairs: Vec<String> =
        kept.chain([(name, value)]).map(|(name, value)| format!("{name}={}", percent_encode(value))).collect();
    format!("<{path}?{}>; rel=\"{rel}\"", pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_other_pages_and_keep_the_filters() {
        let query = Query::parse("service=a+b&page=2", &["service", "page"]).unwrap();
        let expected = "</logs?service=a%20b&page=1>; rel=\"first\", </logs?service=a%20b&page=1>; rel=\"prev\", \
                        </logs?service=a%20b&page=3>; rel=\"next\", </logs?service=a%20b&page=12>; rel=\"last\"";
        assert_eq!(pages("/logs", &query, 2, 12).unwrap(), expected);
        let rels = |page, total| {
            let links = pages("/logs", &Query::default(), page, total).unwrap_or_default();
            links.split(", ").filter_map(|link| link.split('"').nth(1)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(rels(1, 1), "first last");
        assert_eq!(rels(1, 2), "first next last");
        assert_eq!(rels(2, 2), "first prev last");
        assert_eq!(rels(u64::MAX, 2), "first prev last");
        assert_eq!(rels(1, 0), "");
    }
}
