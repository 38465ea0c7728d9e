//! TLS in front of the tests' OpenSearch, with an authority of its own, that listens in.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use url::Url;
use uuid::Uuid;

use crate::world::opensearch_url;

const EXTENSIONS: &str = "[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = critical, CA:FALSE
subjectAltName = IP:127.0.0.1
extendedKeyUsage = serverAuth
";
const NEW_KEY: &str = "-config extensions -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256";

pub(crate) struct Front {
    pub(crate) url: Url,
    /// PEM.
    pub(crate) authority: Vec<u8>,
    heard: Arc<Mutex<Vec<u8>>>,
    serving: JoinHandle<()>,
}

impl Front {
    pub(crate) async fn open() -> Self {
        let folder = std::env::temp_dir().join(format!("veritrail-front-{}", Uuid::now_v7()));
        std::fs::create_dir(&folder).unwrap();
        certify(&folder);
        let acceptor = acceptor(&folder);
        let authority = std::fs::read(folder.join("authority.pem")).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let heard = Arc::default();
        let serving = serve(listener, acceptor, Arc::clone(&heard));
        Self {
            url: url.parse().unwrap(),
            authority,
            heard,
            serving: tokio::spawn(serving),
        }
    }

    /// All that clients sent until now.
    pub(crate) fn heard(&self) -> String {
        String::from_utf8(self.heard.lock().unwrap().clone()).unwrap()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Makes an authority, and the certificate of a server that it vouches for.
fn certify(folder: &Path) {
    std::fs::write(folder.join("extensions"), EXTENSIONS).unwrap();
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ')).current_dir(folder);
        let made = command.output().unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "openssl {arguments}: {said}");
    };
    openssl(&format!(
        "req -x509 {NEW_KEY} -subj /CN=authority -extensions authority -days 2 -keyout authority.key -out authority.pem"
    ));
    openssl(&format!(
        "req -new {NEW_KEY} -subj /CN=server -keyout server.key -out server.csr"
    ));
    openssl(
        "x509 -req -in server.csr -CA authority.pem -CAkey authority.key -set_serial 2 -days 2 -extfile extensions -extensions server -out server.pem",
    );
}

fn acceptor(folder: &Path) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(folder.join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, heard: Arc<Mutex<Vec<u8>>>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(pass(client, acceptor.clone(), Arc::clone(&heard)));
    }
}

/// A connection ends with either side, and when the client does not trust the certificate.
async fn pass(
    client: TcpStream,
    acceptor: TlsAcceptor,
    heard: Arc<Mutex<Vec<u8>>>,
) -> std::io::Result<()> {
    let (mut asks, mut is_told) = tokio::io::split(acceptor.accept(client).await?);
    let target = opensearch_url();
    let (host, port) = (target.host_str().unwrap(), target.port_or_known_default());
    let server = TcpStream::connect((host, port.unwrap())).await?;
    let (mut answers, mut is_asked) = server.into_split();
    let asking = async {
        let mut piece = vec![0; 64 << 10];
        loop {
            let length = asks.read(&mut piece).await?;
            if length == 0 {
                return Ok::<_, std::io::Error>(());
            }
            heard.lock().unwrap().extend(&piece[..length]);
            is_asked.write_all(&piece[..length]).await?;
        }
    };
    let answering = async {
        tokio::io::copy(&mut answers, &mut is_told).await?;
        Ok::<_, std::io::Error>(())
    };
    tokio::select! {
        asked = asking => asked,
        answered = answering => answered,
    }
}
