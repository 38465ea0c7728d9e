//! How requests say who sends them, as a server behind TLS hears it.

use std::collections::BTreeMap;

use aws_lc_rs::{digest, hmac};
use search::{Credentials, Error, Settings};

use crate::entries::small;
use crate::front::Front;
use crate::world::{Asked, Kind, World, variable};

const START: i64 = 1_700_000_000_000_000;

/// The only request that was heard; it has no body.
struct Request {
    line: String,
    headers: BTreeMap<String, String>,
}

impl Request {
    fn heard_by(front: &Front) -> Self {
        let heard = front.heard();
        let (head, rest) = heard.split_once("\r\n\r\n").unwrap();
        assert_eq!(rest, "");
        let (line, headers) = head.split_once("\r\n").unwrap();
        let headers = headers.split("\r\n").map(|header| {
            let (name, value) = header.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Self {
            line: line.to_owned(),
            headers: headers.collect(),
        }
    }
}

#[tokio::test]
async fn a_password_goes_to_a_server_that_the_given_authority_vouches_for() {
    let front = Front::open().await;
    let mut world = World::open(Kind::OpenSearch).await;
    let tenant = world.tenant().await;
    world.write(tenant, &[small("default", 0, START)]).await;
    world.settings.url = front.url.clone();
    world.settings.credentials = Credentials::Basic {
        username: "indexer".to_owned(),
        password: "a : and an ü".into(),
    };
    let all = Asked::all("", &["default"]);
    world.reopen().await;
    let found = all.try_find(&world, tenant).await;
    assert!(matches!(found, Err(Error::Unavailable(_))), "{found:?}");
    assert_eq!(front.heard(), "", "nothing is told to a stranger");

    world.settings.authorities = Some(front.authority.clone());
    world.reopen().await;
    assert_eq!(all.seqs(&world, tenant).await, [0]);
    let basic = "\r\nauthorization: Basic aW5kZXhlcjphIDogYW5kIGFuIMO8\r\n";
    let heard = front.heard();
    assert!(heard.contains(basic), "{heard}");
    world.end().await;
}

#[tokio::test]
async fn requests_to_amazon_are_signed() {
    let front = Front::open().await;
    let settings = Settings {
        credentials: Credentials::Aws,
        authorities: Some(front.authority.clone()),
        ..Settings::of(front.url.clone())
    };
    let search = search::open(settings).await.unwrap();
    search.ready().await.unwrap();

    let request = Request::heard_by(&front);
    let authorization = &request.headers["authorization"];
    let claims = authorization.strip_prefix("AWS4-HMAC-SHA256 ").unwrap();
    let claims: BTreeMap<_, _> = claims
        .split(", ")
        .map(|claim| claim.split_once('=').unwrap())
        .collect();
    let moment = &request.headers["x-amz-date"];
    let (day, key, region) = (
        &moment[..8],
        variable("AWS_ACCESS_KEY_ID"),
        variable("AWS_REGION"),
    );
    let scope = format!("{day}/{region}/es/aws4_request");
    assert_eq!(claims["Credential"], format!("{key}/{scope}"));
    let signed: Vec<_> = claims["SignedHeaders"].split(';').collect();
    for header in ["host", "x-amz-content-sha256", "x-amz-date"] {
        assert!(signed.contains(&header), "{authorization}");
    }
    assert_eq!(request.headers["x-amz-content-sha256"], sha256(""));

    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    let text = format!(
        "AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}",
        sha256(&canonical(&request, &signed))
    );
    let mut secret = format!("AWS4{}", variable("AWS_SECRET_ACCESS_KEY")).into_bytes();
    for step in [day, &region, "es", "aws4_request"] {
        secret = mac(&secret, step);
    }
    assert_eq!(claims["Signature"], hex(&mac(&secret, &text)));
}

/// What is signed of a request whose path and query need no escapes.
fn canonical(request: &Request, signed: &[&str]) -> String {
    let mut words = request.line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap();
    let mut text = format!("{method}\n{path}\n{query}\n");
    for name in signed {
        text.extend([*name, ":", &request.headers[*name], "\n"]);
    }
    let names = signed.join(";");
    let payload = &request.headers["x-amz-content-sha256"];
    format!("{text}\n{names}\n{payload}")
}

fn sha256(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}
