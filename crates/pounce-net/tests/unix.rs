//! Binding Unix sockets: permissions, stale sockets, and never touching another program's file.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

use pounce_net::{BindError, BindOptions, Endpoint, Family, Listener, LocalAddr, StdListener, bind};
use tempfile::TempDir;

fn try_bind(path: &Path, options: &BindOptions) -> Result<Listener, BindError> {
    let listeners = bind(&Endpoint::Unix(path.to_owned()), options);
    listeners.map(|mut listeners| listeners.remove(0))
}

fn listen(path: &Path) -> Listener {
    try_bind(path, &BindOptions::default()).expect("bind")
}

fn refuse(path: &Path) -> BindError {
    try_bind(path, &BindOptions::default()).expect_err("bind")
}

fn tempdir() -> TempDir {
    tempfile::tempdir().expect("a directory for the socket")
}

fn accept(listener: Listener) -> UnixStream {
    match listener.into_std() {
        StdListener::Unix(listener) => {
            listener.set_nonblocking(false).expect("blocking");
            listener.accept().expect("accept").0
        }
        StdListener::Tcp(_) => panic!("a TCP listener"),
    }
}

#[test]
fn a_path_listens_and_is_its_address() {
    let dir = tempdir();
    let path = dir.path().join("app.sock");
    let listener = listen(&path);
    assert_eq!(listener.family(), Family::Unix);
    assert_eq!(listener.local_addr(), &LocalAddr::Unix(path.clone()));
    assert_eq!(listener.local_addr().to_string(), format!("unix:{}", path.display()));
    let _client = UnixStream::connect(&path).unwrap();
    accept(listener);
}

#[test]
fn the_mode_is_exact_whatever_the_umask() {
    let dir = tempdir();
    for mode in [0o600, 0o660, 0o777] {
        let path = dir.path().join(format!("{mode:o}"));
        let _listener =
            try_bind(&path, &BindOptions { unix_mode: Some(mode), ..BindOptions::default() }).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
    }
}

#[test]
fn a_stale_socket_is_taken_over() {
    let dir = tempdir();
    let path = dir.path().join("app.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
    let listener = listen(&path);
    let _client = UnixStream::connect(&path).unwrap();
    accept(listener);
}

#[test]
fn a_socket_that_answers_is_refused_and_goes_on() {
    let dir = tempdir();
    let path = dir.path().join("app.sock");
    let first = listen(&path);
    let error = refuse(&path);
    assert!(matches!(&error, BindError::InUse { address: LocalAddr::Unix(at) } if *at == path), "{error}");
    assert!(error.hint().is_some());
    let _client = UnixStream::connect(&path).unwrap();
    accept(first);
}

#[test]
fn a_socket_with_a_full_queue_is_in_use() {
    let dir = tempdir();
    let path = dir.path().join("app.sock");
    let first = try_bind(&path, &BindOptions { backlog: Some(0), ..BindOptions::default() }).unwrap();
    let _waits = UnixStream::connect(&path).unwrap();
    assert!(matches!(refuse(&path), BindError::InUse { .. }));
    drop(first);
}

#[test]
fn a_datagram_socket_is_in_use() {
    let dir = tempdir();
    let path = dir.path().join("log.sock");
    let _other = UnixDatagram::bind(&path).unwrap();
    assert!(matches!(refuse(&path), BindError::InUse { .. }));
    assert!(path.exists());
}

#[test]
fn a_file_that_is_not_a_socket_is_never_deleted() {
    let dir = tempdir();
    let file = dir.path().join("notes.txt");
    fs::write(&file, "keep").unwrap();
    let link = dir.path().join("link");
    drop(UnixListener::bind(dir.path().join("stale")).unwrap());
    std::os::unix::fs::symlink("stale", &link).unwrap();
    let directory = dir.path().join("directory");
    fs::create_dir(&directory).unwrap();
    for path in [&file, &link, &directory] {
        assert!(matches!(refuse(path), BindError::NotASocket { .. }), "{}", path.display());
        assert!(fs::symlink_metadata(path).is_ok());
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "keep");
}

#[test]
fn a_missing_directory_has_its_own_error() {
    let dir = tempdir();
    let error = refuse(&dir.path().join("missing/app.sock"));
    assert!(matches!(error, BindError::NoDirectory { .. }), "{error}");
    assert!(error.hint().unwrap().ends_with("/missing"));
}

#[test]
fn unlink_removes_its_own_socket_once() {
    let dir = tempdir();
    let path = dir.path().join("app.sock");
    let listener = listen(&path);
    let duplicate = listener.try_clone().unwrap();
    assert!(!duplicate.unlink().unwrap(), "the file is the original's");
    assert!(path.exists());
    assert!(listener.unlink().unwrap());
    assert!(!path.exists());
    assert!(!listener.unlink().unwrap());
}

#[test]
fn unlink_leaves_the_socket_of_a_successor() {
    let dir = tempdir();
    let path = dir.path().join("app.sock");
    let old = listen(&path);
    fs::remove_file(&path).unwrap();
    let new = listen(&path);
    assert!(!old.unlink().unwrap());
    let _client = UnixStream::connect(&path).unwrap();
    assert!(new.unlink().unwrap());
}

#[test]
fn of_many_that_find_a_stale_socket_one_takes_it_over() {
    let dir = tempdir();
    let path = dir.path().join("app.sock");
    drop(UnixListener::bind(&path).unwrap());
    let results: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> =
            (0..8).map(|_| scope.spawn(|| try_bind(&path, &BindOptions::default()))).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    let mut winners = Vec::new();
    for result in results {
        match result {
            Ok(listener) => winners.push(listener),
            Err(error) => assert!(matches!(error, BindError::InUse { .. }), "{error}"),
        }
    }
    assert_eq!(winners.len(), 1);
    let _client = UnixStream::connect(&path).unwrap();
    accept(winners.remove(0));
}

#[test]
#[cfg(target_os = "linux")]
fn an_abstract_name_listens_without_a_file() {
    let name = format!("@pounce-net-test-{}", std::process::id());
    let listener = listen(Path::new(&name));
    assert_eq!(listener.local_addr().to_string(), format!("unix:{name}"));
    assert!(!Path::new(&name).exists());
    assert!(matches!(refuse(Path::new(&name)), BindError::InUse { .. }));
    assert!(!listener.unlink().unwrap());
    let again = Listener::from_fd(listener.into(), Family::Unix).unwrap();
    assert_eq!(again.local_addr().to_string(), format!("unix:{name}"));
}

#[test]
fn a_path_that_is_claimed_refuses_connections_until_the_socket_listens() {
    let dir = tempdir();
    let path = dir.path().join("app.sock");
    let claim = BindOptions { backlog: None, unix_mode: Some(0o600), ..BindOptions::default() };
    let claimed = try_bind(&path, &claim).unwrap();
    let refused = UnixStream::connect(&path).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    // A claimed socket is not mistaken for a stale one.
    for second in [try_bind(&path, &claim), try_bind(&path, &BindOptions::default())] {
        assert!(matches!(second, Err(BindError::InUse { .. })), "{second:?}");
    }
    claimed.listen(16).unwrap();
    let _client = UnixStream::connect(&path).unwrap();
    accept(claimed);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn looking_whether_a_socket_is_stale_does_not_connect_to_it() {
    let dir = tempdir();
    let path = dir.path().join("app.sock");
    let first = UnixListener::bind(&path).unwrap();
    first.set_nonblocking(true).unwrap();
    refuse(&path);
    assert_eq!(first.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}
