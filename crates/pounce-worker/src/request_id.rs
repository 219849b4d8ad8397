//! The ids of requests: those of trusted proxies, else new ones.

use pounce_asgi::{ConnectionInfo, RequestHead};

/// The most bytes of a proxy's id.
const LONGEST: usize = 128;

/// The id of a request, which its head has from now on, in the field `name`.
pub(crate) fn give(name: &str, info: &ConnectionInfo, head: &mut RequestHead) -> String {
    let id = match taken(name, info, head) {
        Some(id) => id,
        // As many bits as a UUID has; nobody is to guess anything from it, and nothing depends on that.
        None => format!("{:032x}", fastrand::u128(..)),
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
