//! A request that must be refused, and the state afterwards: the connection is closed, bytes after the request
//! are never read as another, and the same process answers the next client.

use crate::notes::token;
use crate::response::{Response, Responses};
use crate::server::Server;

impl Server {
    /// Sends `request` with a canary request right after it, and shows that the only answer is one of
    /// `statuses`, that the connection is closed, and that the canary never reached the application.
    pub fn refuses(&self, request: impl AsRef<[u8]>, statuses: &[u16]) -> Response {
        let request = request.as_ref();
        let shown = String::from_utf8_lossy(request).into_owned();
        let process = self.worker();
        let canary = token();
        let mut client = self.connect();
        let mut bytes = request.to_vec();
        bytes.extend(format!("GET /note/{canary}/smuggled HTTP/1.1\r\nHost: test\r\n\r\n").bytes());
        // The server may close before it has read everything.
        let _ = client.try_send(&bytes);
        let answer = client.rest();
        assert!(!answer.is_empty(), "no answer to {shown:?}");
        let mut answers = Responses::over(answer.as_slice());
        let response = answers.response();
        let rest = answers.rest();
        assert!(statuses.contains(&response.status), "{statuses:?} wanted for {shown:?}: {response:?}");
        assert!(response.says_close(), "the answer to {shown:?} does not say close: {response:?}");
        assert!(rest.is_empty(), "more than one answer to {shown:?}: {:?}", String::from_utf8_lossy(&rest));
        assert_eq!(self.notes(&canary), [""; 0], "what followed {shown:?} was taken for a request");
        assert_eq!(self.worker(), process, "another process after {shown:?}");
        response
    }

    /// Shows that `request` is answered with `status` by the same process as before.
    pub fn accepts(&self, request: impl AsRef<[u8]>, status: u16) -> Response {
        let process = self.worker();
        let response = self.request(request).expect(status);
        assert_eq!(self.worker(), process, "another process");
        response
    }

    /// The process id of the worker, as the application sees it.
    pub fn worker(&self) -> String {
        self.get("/pid").expect(200).text()
    }
}

/// How much resident memory `attack` made `server` grow by, in KiB.
///
/// The test must own the server: requests of other tests to a shared one would count too.
pub fn growth_kib(server: &Server, attack: impl FnOnce()) -> u64 {
    let before = server.rss_kib();
    attack();
    server.rss_kib().saturating_sub(before)
}
