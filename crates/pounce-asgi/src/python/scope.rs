//! Scopes: a new dict per request, copied from one per connection that keeps the values of the previous request:
//! clients repeat themselves.

use std::cell::RefCell;
use std::rc::Rc;

use percent_encoding::percent_decode;
use pounce_config::AsgiExtension;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::{Address, ConnectionInfo, Fields, HttpVersion, Peer, RequestHead, Scheme, TlsInfo};

use super::names::Names;

/// Up to this many bytes, the line and the fields of a request are each remembered until the next.
const REMEMBERED: usize = 2048;

/// The common part of a worker's scopes.
pub(super) struct ScopeTemplate {
    asgi: Py<PyDict>,
    asgi_of_websockets: Py<PyDict>,
    extensions: Py<PyDict>,
    extensions_with_trailers: Py<PyDict>,
    root_path: String,
}

impl ScopeTemplate {
    pub(super) fn new(py: Python<'_>, root_path: &str, offered: &[AsgiExtension]) -> PyResult<Self> {
        // Starlette, and so FastAPI, listens for a disconnect only below 2.4. From 2.4 on it relies on `send` to
        // raise, so a stream that waits for its next event would outlive its client.
        let asgi = asgi_of(py, "2.3")?;
        let asgi_of_websockets = asgi_of(py, "2.5")?;
        let extensions = PyDict::new(py);
        extensions.set_item("http.response.early_hint", PyDict::new(py))?;
        extensions.set_item("http.response.debug", PyDict::new(py))?;
        for extension in offered {
            let name = match extension {
                AsgiExtension::PathSend => "http.response.pathsend",
                AsgiExtension::ZeroCopySend => "http.response.zerocopysend",
            };
            extensions.set_item(name, PyDict::new(py))?;
        }
        let with_trailers = extensions.copy()?;
        with_trailers.set_item("http.response.trailers", PyDict::new(py))?;
        Ok(Self {
            asgi: asgi.unbind(),
            asgi_of_websockets: asgi_of_websockets.unbind(),
            extensions: extensions.unbind(),
            extensions_with_trailers: with_trailers.unbind(),
            root_path: root_path.to_owned(),
        })
    }

    /// The part of a scope that a connection's requests share.
    pub(super) fn connection(
        &self,
        py: Python<'_>,
        names: &Names,
        info: &ConnectionInfo,
    ) -> PyResult<ScopeConnection> {
        let scope = PyDict::new(py);
        scope.set_item(&names.kind, &names.http)?;
        scope.set_item(&names.http_version, &names.http_11)?;
        set_peer(&scope, names, &info.peer)?;
        scope.set_item(&names.root_path, &self.root_path)?;
        // Keys that each request sets, so that the copies already have room for them.
        for name in [
            &names.asgi,
            &names.method,
            &names.path,
            &names.raw_path,
            &names.query_string,
            &names.headers,
            &names.extensions,
        ] {
            scope.set_item(name, py.None())?;
        }
        let tls = info.tls.as_ref().map(|info| tls(py, info)).transpose()?;
        Ok(ScopeConnection {
            scope: scope.unbind(),
            peer: Rc::clone(&info.peer),
            tls: tls.map(Bound::unbind),
            last: RefCell::default(),
        })
    }

    /// Completes a scope for an HTTP request.
    pub(super) fn make_request(
        &self,
        scope: &Bound<'_, PyDict>,
        names: &Names,
        connection: &ScopeConnection,
        head: &RequestHead,
    ) -> PyResult<()> {
        scope.set_item(&names.asgi, self.asgi.bind(scope.py()).copy()?)?;
        let extensions =
            if head.accepts_trailers() { &self.extensions_with_trailers } else { &self.extensions };
        let extensions = extensions.bind(scope.py()).copy()?;
        connection.extend(names, &extensions)?;
        scope.set_item(&names.extensions, extensions)
    }

    /// The common part of the scopes of requests and WebSockets.
    pub(super) fn base<'py>(
        &self,
        py: Python<'py>,
        names: &Names,
        connection: &ScopeConnection,
        head: &RequestHead,
        state: Option<&Py<PyDict>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let template = connection.scope.bind(py);
        let last = &mut *connection.last.borrow_mut();
        let is_short = head.line().len() <= REMEMBERED;
        if is_short && !last.line.has_line_of(head) {
            self.set_line(template, names, head)?;
            last.line.copy_line(head);
        }
        let scope = template.copy()?;
        if !is_short {
            self.set_line(&scope, names, head)?;
        }
        scope.set_item(&names.headers, last.headers(py, head.fields())?)?;
        if let Some(state) = state {
            scope.set_item(&names.state, state.bind(py).copy()?)?;
        }
        Ok(scope)
    }

    /// Sets the keys that come from the request line.
    fn set_line(&self, scope: &Bound<'_, PyDict>, names: &Names, head: &RequestHead) -> PyResult<()> {
        let py = scope.py();
        match names.methods.iter().find(|(method, _)| *method == head.method()) {
            Some((_, method)) => scope.set_item(&names.method, method)?,
            None => scope.set_item(&names.method, String::from_utf8_lossy(head.method()))?,
        }
        let version = match head.version() {
            HttpVersion::Http10 => &names.http_10,
            HttpVersion::Http11 => &names.http_11,
            HttpVersion::Http2 => &names.http_2,
        };
        scope.set_item(&names.http_version, version)?;
        set_path(scope, names, &self.root_path, head.raw_path())?;
        match head.query() {
            b"" => scope.set_item(&names.query_string, &names.empty_bytes),
            query => scope.set_item(&names.query_string, PyBytes::new(py, query)),
        }
    }

    /// Completes a scope for a WebSocket.
    pub(super) fn make_websocket(
        &self,
        scope: &Bound<'_, PyDict>,
        names: &Names,
        connection: &ScopeConnection,
        peer: &Peer,
        head: &RequestHead,
    ) -> PyResult<()> {
        let py = scope.py();
        scope.set_item(&names.asgi, self.asgi_of_websockets.bind(py).copy()?)?;
        scope.del_item(&names.method)?;
        scope.set_item(&names.kind, &names.websocket)?;
        let scheme = match peer.scheme {
            Scheme::Http => &names.ws,
            Scheme::Https => &names.wss,
        };
        scope.set_item(&names.scheme, scheme)?;
        let subprotocols = PyList::empty(py);
        for value in head.fields().get_all(b"sec-websocket-protocol") {
            for name in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|n| !n.is_empty()) {
                subprotocols.append(name.iter().map(|&byte| char::from(byte)).collect::<String>())?;
            }
        }
        scope.set_item(&names.subprotocols, subprotocols)?;
        let extensions = PyDict::new(py);
        extensions.set_item("websocket.http.response", PyDict::new(py))?;
        connection.extend(names, &extensions)?;
        scope.set_item(&names.extensions, extensions)
    }
}

/// The common part of a connection's scopes.
pub struct ScopeConnection {
    scope: Py<PyDict>,
    /// Whose the scope is.
    peer: Rc<Peer>,
    /// The `tls` extension, if the connection is encrypted.
    tls: Option<Py<PyDict>>,
    last: RefCell<Last>,
}

/// The last request, as far as it is remembered.
#[derive(Default)]
struct Last {
    /// Its line, from which the connection's scope was set; no other part of the head.
    line: RequestHead,
    /// Its fields, and the list made of them.
    fields: Option<(Fields, Py<PyList>)>,
    /// Who asked, where that was not who has connected.
    told: Option<ToldPeer>,
}

/// A peer that proxies told of, and those of its values for a scope that the connection's peer does not share.
struct ToldPeer {
    peer: Rc<Peer>,
    client: Option<Py<PyAny>>,
    server: Option<Py<PyTuple>>,
}

impl ToldPeer {
    fn new(py: Python<'_>, peer: &Rc<Peer>, connected: &Peer) -> PyResult<Self> {
        let client = (peer.client != connected.client).then(|| client(py, &peer.client)).transpose()?;
        let server = (peer.server != connected.server).then(|| server(py, &peer.server)).transpose()?;
        Ok(Self {
            peer: Rc::clone(peer),
            client: client.map(Bound::unbind),
            server: server.map(Bound::unbind),
        })
    }
}

impl ScopeConnection {
    /// Sets who asks, where that is not who has connected.
    pub(super) fn set_peer(
        &self,
        scope: &Bound<'_, PyDict>,
        names: &Names,
        peer: &Rc<Peer>,
        head: &RequestHead,
    ) -> PyResult<()> {
        if Rc::ptr_eq(&self.peer, peer) {
            return Ok(());
        }
        let (py, connected) = (scope.py(), &*self.peer);
        let last = &mut *self.last.borrow_mut();
        let told = match last.told.take() {
            Some(told) if told.peer == *peer => last.told.insert(told),
            _ => last.told.insert(ToldPeer::new(py, peer, connected)?),
        };
        if let Some(client) = &told.client {
            scope.set_item(&names.client, client)?;
        }
        if let Some(server) = &told.server {
            scope.set_item(&names.server, server)?;
        }
        if peer.scheme != connected.scheme {
            scope.set_item(&names.scheme, names.scheme_of(peer.scheme))?;
        }
        match &peer.root_path {
            Some(root_path) => {
                scope.set_item(&names.root_path, root_path)?;
                set_path(scope, names, root_path, head.raw_path())
            }
            None => Ok(()),
        }
    }

    /// Adds the connection's extensions to a scope.
    fn extend(&self, names: &Names, extensions: &Bound<'_, PyDict>) -> PyResult<()> {
        match &self.tls {
            Some(tls) => extensions.set_item(&names.tls, tls.bind(extensions.py()).copy()?),
            None => Ok(()),
        }
    }
}

impl Last {
    /// A new list for each request; its pairs are immutable and may be shared.
    fn headers<'py>(&mut self, py: Python<'py>, fields: &Fields) -> PyResult<Bound<'py, PyList>> {
        let pair = |(name, value)| PyTuple::new(py, [PyBytes::new(py, name), PyBytes::new(py, value)]);
        if fields.as_bytes().len() > REMEMBERED {
            let list = PyList::empty(py);
            for field in fields.iter() {
                list.append(pair(field)?)?;
            }
            return Ok(list);
        }
        // An error on the way leaves nothing to remember.
        let (mut known, list) =
            self.fields.take().unwrap_or_else(|| (Fields::new(), PyList::empty(py).unbind()));
        let list = list.into_bound(py);
        if known != *fields {
            // Most differ from the last ones in few values, such as those of cookies, ids and addresses.
            let shared = known.len().min(fields.len());
            for (at, (known, field)) in known.iter().zip(fields.iter()).enumerate() {
                if known != field {
                    list.set_item(at, pair(field)?)?;
                }
            }
            if known.len() > shared {
                list.del_slice(shared, known.len())?;
            }
            for field in fields.iter().skip(shared) {
                list.append(pair(field)?)?;
            }
            known.clone_from(fields);
        }
        let copy = list.get_slice(0, fields.len());
        self.fields = Some((known, list.unbind()));
        Ok(copy)
    }
}

/// The `asgi` of a scope.
fn asgi_of<'py>(py: Python<'py>, spec_version: &str) -> PyResult<Bound<'py, PyDict>> {
    let asgi = PyDict::new(py);
    asgi.set_item("version", "3.0")?;
    asgi.set_item("spec_version", spec_version)?;
    Ok(asgi)
}

/// The decoded path: percent-decoded, then UTF-8 with invalid bytes replaced.
fn path<'py>(py: Python<'py>, raw: &[u8]) -> Bound<'py, PyString> {
    if raw.is_ascii() && !raw.contains(&b'%') {
        // SAFETY: attached; ASCII is UTF-8, and the text is copied.
        return unsafe {
            let text = ffi::PyUnicode_FromStringAndSize(raw.as_ptr().cast(), raw.len() as ffi::Py_ssize_t);
            Bound::from_owned_ptr(py, text).cast_into_unchecked()
        };
    }
    PyString::new(py, &percent_decode(raw).decode_utf8_lossy())
}

/// The `tls` extension (ASGI TLS extension 0.2).
fn tls<'py>(py: Python<'py>, info: &TlsInfo) -> PyResult<Bound<'py, PyDict>> {
    let tls = PyDict::new(py);
    tls.set_item("server_cert", &*info.server_cert)?;
    tls.set_item("client_cert_chain", PyTuple::new(py, &info.client_chain)?)?;
    tls.set_item("client_cert_name", &info.client_name)?;
    // An invalid certificate ends the handshake.
    tls.set_item("client_cert_error", py.None())?;
    tls.set_item("tls_version", info.version)?;
    tls.set_item("cipher_suite", info.cipher_suite)?;
    Ok(tls)
}

/// Sets the path, which includes the root path (ASGI).
fn set_path(scope: &Bound<'_, PyDict>, names: &Names, root_path: &str, raw_path: &[u8]) -> PyResult<()> {
    let py = scope.py();
    let set = |whole: &[u8]| {
        scope.set_item(&names.path, path(py, whole))?;
        scope.set_item(&names.raw_path, PyBytes::new(py, whole))
    };
    // The target of OPTIONS may be an asterisk, which is in no path.
    let is_below = !root_path.is_empty() && raw_path.starts_with(b"/");
    if !is_below { set(raw_path) } else { set(&[root_path.as_bytes(), raw_path].concat()) }
}

fn set_peer(scope: &Bound<'_, PyDict>, names: &Names, peer: &Peer) -> PyResult<()> {
    let py = scope.py();
    scope.set_item(&names.server, server(py, &peer.server)?)?;
    scope.set_item(&names.client, client(py, &peer.client)?)?;
    scope.set_item(&names.scheme, names.scheme_of(peer.scheme))
}

fn server<'py>(py: Python<'py>, address: &Address) -> PyResult<Bound<'py, PyTuple>> {
    match address {
        Address::Ip(address) => (address.ip().to_string(), address.port()).into_pyobject(py),
        Address::Name(host, port) => (host.as_str(), *port).into_pyobject(py),
        Address::Unix(path) => (path.as_str(), py.None()).into_pyobject(py),
    }
}

/// A client behind a Unix socket has no address: ASGI's None.
fn client<'py>(py: Python<'py>, address: &Address) -> PyResult<Bound<'py, PyAny>> {
    match address {
        Address::Ip(_) | Address::Name(..) => server(py, address).map(Bound::into_any),
        Address::Unix(_) => Ok(py.None().into_bound(py)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_that_encode_nothing_stay() {
        for (raw, decoded) in [
            ("/a%20b", "/a b"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz", "/%zz"),
            ("/%C3%A9", "/é"),
            ("/%2F%2f", "///"),
        ] {
            assert_eq!(percent_decode(raw.as_bytes()).decode_utf8_lossy(), decoded, "{raw}");
        }
    }
}
