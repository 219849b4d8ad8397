//! The ids of requests: those of trusted proxies, those made of the connection's id, else new ones.

use pounce_asgi::{ConnectionInfo, RequestHead};

use crate::hex;

/// The most bytes of a proxy's id.
const LONGEST: usize = 128;

/// The id of a request, which its head has from now on, in the field `name`. `number` is the request's among those of the
/// worker.
pub(crate) fn give(name: &str, info: &ConnectionInfo, head: &mut RequestHead, number: u64) -> String {
    let id = match (taken(name, info, head), &info.id) {
        (Some(id), _) => id,
        (None, Some(connection)) => format!("{connection}-{number}"),
        // As many bits as a UUID has; nobody is to guess anything from it, and nothing depends on that.
        (None, None) => {
            let mut digits = [0; 32];
            hex::write(&mut digits, &fastrand::u128(..).to_be_bytes());
            String::from_utf8_lossy(&digits).into_owned()
        }
    };
    head.set(name.as_bytes(), id.as_bytes());
    id
}

/// The id that a trusted proxy has given, if it is one and sound.
fn taken(name: &str, info: &ConnectionInfo, head: &RequestHead) -> Option<String> {
    let mut given = head.fields().get_all(name.as_bytes()).filter(|_| info.is_trusted_proxy);
    let id = std::str::from_utf8(given.next()?).ok()?;
    let is_sound = !id.is_empty() && id.len() <= LONGEST && id.bytes().all(|byte| byte.is_ascii_graphic());
    (is_sound && given.next().is_none()).then(|| id.to_owned())
}
