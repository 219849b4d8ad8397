//! Certificates and keys from operators: accepted forms, and messages about the others.

use pounce_tests::pki::{Authority, Files, Identity, write};
use pounce_tests::secured::NAME;
use pounce_tests::tls::{TlsStream, Trust, has_openssl};
use pounce_tests::{Client, Exit, Options, Server};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A folder with a valid certificate, and its authority.
struct Given {
    folder: TempDir,
    authority: Authority,
    identity: Identity,
    files: Files,
}

impl Given {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let authority = Authority::root("Authority of files");
        let identity = authority.server(&[NAME]);
        let files = identity.write(folder.path(), "good");
        Self { folder, authority, identity, files }
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        write(self.folder.path(), name, content)
    }

    /// Starts a server with files, and shows that it serves them.
    fn serves(&self, options: Options) -> Server {
        let server = Server::start(options);
        let config = Trust::authority(self.authority.pem()).config();
        let stream = TlsStream::connect(server.address(), &config, NAME);
        let stream = stream.unwrap_or_else(|error| panic!("{error}\n{}", server.stderr()));
        Client::tls(stream).get("/hello").response().expect(200);
        server
    }
}

fn with(certificate: &Path, key: &Path) -> Options {
    Options::app("transport:app").with("--ssl-certfile", certificate).with("--ssl-keyfile", key)
}

/// The server does not start: exit code 2, a message that names `words`, and nothing of a panic.
fn fails(options: Options, words: &[&str]) -> Exit {
    let exit = Server::run(options);
    assert_eq!(exit.code, Some(2), "{}", exit.stderr);
    for word in words {
        assert!(exit.stderr.contains(word), "{word:?} not in {}", exit.stderr);
    }
    for word in ["panicked", "Traceback", " ready: "] {
        assert!(!exit.stderr.contains(word), "{}", exit.stderr);
    }
    exit
}

#[test]
fn a_key_may_be_in_the_file_of_its_certificate() {
    let given = Given::new();
    let both = format!("{}{}", given.identity.chain_pem(), given.identity.key_pem());
    let path = given.write("both.pem", &both);
    given.serves(Options::app("transport:app").with("--ssl-certfile", &path));
    let both = format!("{}{}", given.identity.key_pem(), given.identity.chain_pem());
    let path = given.write("key-first.pem", &both);
    given.serves(Options::app("transport:app").with("--ssl-certfile", &path));
}

#[test]
fn text_around_pem_is_ignored() {
    let given = Given::new();
    let text =
        format!("subject=/CN=localhost\nissuer: x\n\n{}\ntrailing words\n", given.identity.chain_pem());
    let path = given.write("commented.pem", &text.replace('\n', "\r\n"));
    given.serves(with(&path, &given.files.key));
}

#[test]
fn an_encrypted_key_is_opened_with_its_password() {
    let given = Given::new();
    let key = given.write("encrypted.key", &given.identity.encrypted_key_pem("open sesame"));
    let options = || with(&given.files.certificate, &key);
    given.serves(options().with("--ssl-keyfile-password", "open sesame"));
    given.serves(options().env("POUNCE_SSL_KEYFILE_PASSWORD", "open sesame"));
    let both = format!("{}{}", given.identity.chain_pem(), given.identity.encrypted_key_pem("open sesame"));
    let both = given.write("both.pem", &both);
    let options = Options::app("transport:app").with("--ssl-certfile", &both);
    given.serves(options.with("--ssl-keyfile-password", "open sesame"));
}

#[test]
fn a_password_that_is_wrong_or_missing_is_named_and_never_shown() {
    let given = Given::new();
    let key = given.write("encrypted.key", &given.identity.encrypted_key_pem("open sesame"));
    let options = || with(&given.files.certificate, &key);
    fails(options(), &["encrypted.key", "encrypted", "password", "POUNCE_SSL_KEYFILE_PASSWORD"]);
    let exit = fails(options().with("--ssl-keyfile-password", "open barley"), &["encrypted.key", "password"]);
    assert!(!exit.stderr.contains("barley"), "{}", exit.stderr);
    let exit = fails(options().env("POUNCE_SSL_KEYFILE_PASSWORD", "open barley"), &["encrypted.key"]);
    assert!(!exit.stderr.contains("barley"), "{}", exit.stderr);
}

#[test]
fn a_password_for_a_key_that_is_not_encrypted_does_no_harm() {
    let given = Given::new();
    let options = with(&given.files.certificate, &given.files.key);
    given.serves(options.with("--ssl-keyfile-password", "of no use"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let given = Given::new();
    let nowhere = given.folder.path().join("nowhere.pem");
    fails(with(&nowhere, &given.files.key), &["nowhere.pem"]);
    fails(with(&given.files.certificate, &nowhere), &["nowhere.pem"]);
    fails(with(given.folder.path(), &given.files.key), &[&given.folder.path().display().to_string()]);
}

#[test]
fn a_file_without_pem_is_named() {
    let given = Given::new();
    let der = given.folder.path().join("binary.der");
    std::fs::write(&der, given.identity.der()).expect("writable");
    for path in [der, given.write("empty.pem", ""), given.write("words.pem", "no certificate here\n")] {
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8");
        fails(with(&path, &given.files.key), &[name, "certificate", "PEM"]);
        fails(with(&given.files.certificate, &path), &[name, "private key", "PEM"]);
    }
}

#[test]
fn a_certificate_or_a_key_that_is_damaged_is_named() {
    let given = Given::new();
    let damaged = |pem: &str| {
        let lines: Vec<_> = pem.lines().collect();
        let middle = lines.len() / 2;
        lines
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != middle)
            .fold(String::new(), |all, (_, line)| all + line + "\n")
    };
    let certificate = given.write("damaged.pem", &damaged(&given.identity.pem()));
    fails(with(&certificate, &given.files.key), &["damaged.pem"]);
    let key = given.write("damaged.key", &damaged(&given.identity.key_pem()));
    fails(with(&given.files.certificate, &key), &["damaged.key"]);
    let text = given.identity.pem().replace("-----END CERTIFICATE-----", "");
    let unended = given.write("unended.pem", &text);
    fails(with(&unended, &given.files.key), &["unended.pem"]);
}

#[test]
fn a_certificate_in_place_of_a_key_is_named() {
    let given = Given::new();
    let options = Options::app("transport:app").with("--ssl-certfile", &given.files.certificate);
    fails(options, &["good.pem", "private key", "--ssl-keyfile"]);
    fails(with(&given.files.key, &given.files.key), &["good.key", "certificate"]);
}

#[test]
fn the_key_of_another_certificate_is_named() {
    let given = Given::new();
    let other = given.authority.server(&[NAME]).write(given.folder.path(), "other");
    fails(with(&given.files.certificate, &other.key), &["other.key", "good.pem"]);
}

#[test]
fn a_chain_out_of_order_is_named() {
    let given = Given::new();
    let between = given.authority.intermediate("Between them");
    let identity = between.server(&[NAME]);
    let key = given.write("chained.key", &identity.key_pem());
    let good = given.write("chained.pem", &identity.chain_pem());
    given.serves(with(&good, &key));
    let reversed = format!("{}{}", between.pem(), identity.pem());
    fails(with(&given.write("reversed.pem", &reversed), &key), &["reversed.pem", "order"]);
    let skipping = format!("{}{}", identity.pem(), given.authority.pem());
    fails(with(&given.write("skipping.pem", &skipping), &key), &["skipping.pem", "order", "Between them"]);
}

#[test]
fn an_expired_certificate_is_a_warning_and_is_served() {
    let given = Given::new();
    let files = given.authority.expired_server(&[NAME]).write(given.folder.path(), "expired");
    let mut server = Server::start(with(&files.certificate, &files.key));
    let said = server.stderr();
    assert!(said.contains("expired.pem") && said.contains("expired on 2001-02-03"), "{said}");
    // The client gets it and decides.
    let config = Trust::authority(given.authority.pem()).config();
    let error = TlsStream::connect(server.address(), &config, NAME).expect_err("it is expired").to_string();
    assert!(error.contains("Expired") || error.contains("expired"), "{error}");
    assert!(server.is_running());
}

#[test]
fn faulty_files_after_the_first_are_named_too() {
    let given = Given::new();
    let other = given.authority.server(&["a.test"]).write(given.folder.path(), "other");
    let options = || with(&given.files.certificate, &given.files.key);
    let mixed = format!("{}:{}", other.certificate.display(), given.files.key.display());
    fails(options().with("--ssl-sni", mixed), &["other.pem", "good.key"]);
    fails(options().with("--ssl-sni", "nonsense"), &["ssl-sni", "nonsense"]);
    let empty = given.write("empty.pem", "");
    let required = || options().with("--ssl-cert-reqs", "required");
    fails(required().with("--ssl-ca-certs", &empty), &["empty.pem"]);
    fails(required(), &["ssl-ca-certs"]);
    let ca = given.write("ca.pem", &given.authority.pem());
    fails(required().with("--ssl-ca-certs", &ca).with("--ssl-crl", &empty), &["empty.pem"]);
}

#[test]
fn an_expired_revocation_list_is_refused_with_what_to_do() {
    let given = Given::new();
    let ca = given.write("ca.pem", &given.authority.pem());
    let required = |list: &str| {
        let options = with(&given.files.certificate, &given.files.key).with("--ssl-cert-reqs", "required");
        options.with("--ssl-ca-certs", &ca).with("--ssl-crl", given.write("revoked.crl", list))
    };
    let expired =
        given.authority.revocations_until(&[], SystemTime::UNIX_EPOCH + Duration::from_secs(1_706_933_106));
    let said = [
        "revocation list of CN=Authority of files",
        "revoked.crl",
        "expired on 2024-02-03",
        "hint:",
        "current",
    ];
    fails(required(&expired), &said);
    // A valid list next to it does not help.
    fails(required(&(given.authority.later_revocations(&[]) + &expired)), &said);
    Server::start(required(&given.authority.revocations(&[])));
}

#[test]
fn options_of_tls_without_a_certificate_never_serve_clear_text() {
    let given = Given::new();
    fails(Options::app("transport:app").with("--ssl-keyfile", &given.files.key), &["ssl-certfile"]);
    fails(Options::app("transport:app").with("--ssl-cert-reqs", "required"), &["ssl-certfile"]);
}

#[test]
fn the_address_is_announced_as_https() {
    let given = Given::new();
    let server = given.serves(with(&given.files.certificate, &given.files.key));
    assert!(server.stderr().contains("https://127.0.0.1:"), "{}", server.stderr());
}

/// Runs `openssl`.
fn openssl(arguments: &[&str]) {
    pounce_tests::python::run(std::process::Command::new("openssl").args(arguments));
}

#[test]
fn keys_that_openssl_encrypts_are_opened() {
    if !has_openssl() {
        return;
    }
    let given = Given::new();
    let (key, out) = (given.files.key.display().to_string(), given.folder.path().join("encrypted.key"));
    let whole = ["pkcs8", "-topk8", "-passout", "pass:open sesame", "-in", &key, "-out"];
    let out = out.to_str().expect("UTF-8");
    for arguments in
        [&["-v2", "aes-256-cbc"][..], &["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512"], &["-scrypt"]]
    {
        openssl(&[&whole, &[out][..], arguments].concat());
        let options = with(&given.files.certificate, Path::new(out));
        given.serves(options.with("--ssl-keyfile-password", "open sesame"));
    }
}

#[test]
fn a_key_encrypted_in_the_old_way_is_named_with_what_to_do() {
    if !has_openssl() {
        return;
    }
    let given = Given::new();
    let (key, old) = (given.files.key.display().to_string(), given.folder.path().join("old.key"));
    let out = old.to_str().expect("UTF-8");
    openssl(&["ec", "-aes128", "-passout", "pass:open sesame", "-in", &key, "-out", out]);
    let options = with(&given.files.certificate, &old).with("--ssl-keyfile-password", "open sesame");
    fails(options, &["old.key", "openssl pkcs8 -topk8"]);
}

#[test]
fn a_key_that_pkcs8_encrypts_with_an_old_algorithm_is_named_and_what_the_hint_says_helps() {
    let given = Given::new();
    let good = given.files.key.display().to_string();
    let at = |name: &str| given.folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (old, new) = (at("old.key"), at("new.key"));
    let password = "open sesame";
    std::fs::write(&old, PBES1).expect("the folder is writable");
    let options = |key: &str| with(&given.files.certificate, Path::new(key));
    let said = ["old.key", "PBES1", "openssl pkcs8 -topk8 -v2 aes-256-cbc"];
    fails(options(&old).with("--ssl-keyfile-password", password), &said);
    // The message must not ask for a password.
    fails(options(&old), &said);
    if !has_openssl() {
        return;
    }
    let (pass_in, pass_out) = (format!("pass:{password}"), format!("pass:{password}"));
    let encrypt = ["pkcs8", "-topk8", "-in", &good, "-out", &old, "-passout", &pass_out];
    for (arguments, named) in [(["-v1", "PBE-SHA1-3DES"], "PBES1"), (["-v2", "des3"], "old.key")] {
        openssl(&[&encrypt[..], &arguments].concat());
        let said = [named, "openssl pkcs8 -topk8 -v2 aes-256-cbc"];
        fails(options(&old).with("--ssl-keyfile-password", password), &said);
        let convert = ["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", &old, "-out", &new];
        openssl(&[&convert[..], &["-passin", &pass_in, "-passout", &pass_out]].concat());
        given.serves(options(&new).with("--ssl-keyfile-password", password));
    }
}

#[test]
fn keys_of_every_usual_kind_are_taken() {
    if !has_openssl() {
        return;
    }
    let given = Given::new();
    let at = |name: &str| given.folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (key, certificate, traditional) = (at("kind.key"), at("kind.pem"), at("traditional.key"));
    for (kind, old) in [
        (&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"][..], true),
        (&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], true),
        (&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], true),
        (&["-algorithm", "ED25519"], false),
    ] {
        openssl(&[&["genpkey", "-out", &key][..], kind].concat());
        let subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
        openssl(
            &[&["req", "-x509", "-new", "-key", &key, "-out", &certificate, "-days", "9"][..], &subject]
                .concat(),
        );
        let mut keys = vec![key.clone()];
        if old {
            // PKCS#1 and SEC 1.
            openssl(&["pkey", "-traditional", "-in", &key, "-out", &traditional]);
            keys.push(traditional.clone());
        }
        for key in keys {
            let server = Server::start(with(Path::new(&certificate), Path::new(&key)));
            let trust = Trust::authority(std::fs::read_to_string(&certificate).expect("openssl has made it"));
            let shown = TlsStream::connect(server.address(), &trust.config(), NAME);
            // rustls refuses a self-signed server certificate; reaching that check shows that the key works.
            let text = shown.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(
                text.is_empty() || text.contains("CaUsedAsEndEntity"),
                "{kind:?}: {text}\n{}",
                server.stderr()
            );
        }
    }
}

/// A key made only for this test: `openssl pkcs8 -topk8 -v1 PBE-SHA1-3DES`, password `open sesame`.
const PBES1: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGxMBwGCiqGSIb3DQEMAQMwDgQIsI6KhuKA6oUCAggABIGQRN3KubTBaqYrA7YU
Hyw2h43459FyDSQM0U3eSQVrp0LRzQ6s8ZZEuvj8kF3QhU5mYcgOXlktsG6axMQ7
Rmhub4/3ciNkrbf8RwBCyjYVnZEqoZ1sbL7IhUowhp7+fOw3nVzjdMwE8Nv3bZMD
q14x+HgbTfw/vJiVPMXYxGj+1c1ybJ3qmShW8go5S4Xw+0pK
-----END ENCRYPTED PRIVATE KEY-----
";
