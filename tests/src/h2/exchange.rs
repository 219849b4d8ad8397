//! Requests and responses, and bodies that keep within the server's windows.

use super::client::{Client, Next};
use super::code::Code;
use super::frame::{Frame, setting};
use super::received::Event;
use super::request::Request;
use crate::response::Response;
use crate::wait::PATIENCE;
use std::collections::BTreeMap;

/// How a stream ended.
#[derive(Debug)]
pub enum Ending {
    /// With a whole response.
    Whole(Response),
    /// With a reset, and the response received before it.
    Reset(Code, Option<Response>),
}

impl Client {
    /// Asks for `path` on `stream`.
    pub fn get(&mut self, stream: u32, path: &str) -> &mut Self {
        self.send(Request::get(path).whole(stream))
    }

    /// Opens `stream` with a POST to `path` whose body follows later.
    pub fn post(&mut self, stream: u32, path: &str) -> &mut Self {
        self.send(Request::post(path).open(stream))
    }

    /// Sends a whole request and reads the response.
    pub fn ask(&mut self, stream: u32, request: &Request) -> Response {
        self.send(request.whole(stream));
        self.response(stream)
    }

    /// Sends a whole request with a body and reads the response.
    pub fn ask_with(&mut self, stream: u32, request: &Request, body: &[u8]) -> Response {
        self.send(request.open(stream));
        self.upload(stream, body);
        self.response(stream)
    }

    /// Sends a body and the end of the stream, as the server's windows let it.
    pub fn upload(&mut self, stream: u32, body: &[u8]) {
        let largest = self.server_setting(setting::MAX_FRAME_SIZE, 16_384) as usize;
        let mut rest = body;
        while !rest.is_empty() {
            let room = usize::try_from(self.room(stream)).unwrap_or(0).min(largest).min(rest.len());
            if room == 0 {
                match self.next_unread(PATIENCE) {
                    Next::Event(event) => self.put_back(event),
                    other => panic!("{other:?} with {} octets to send on stream {stream}", rest.len()),
                }
                continue;
            }
            self.send(Frame::data(stream, &rest[..room]));
            rest = &rest[room..];
        }
        self.send(Frame::data(stream, []).end());
    }

    /// How much the server accepts on `stream` now.
    pub fn room(&self, stream: u32) -> i64 {
        self.windows[&0].min(self.windows[&stream])
    }

    /// Reads the next head on `stream`, including 1xx.
    pub fn head(&mut self, stream: u32) -> Response {
        let what = format!("a head on stream {stream}");
        let event = self.wait_for(&what, |event| match event {
            Event::Reset { stream: other, code } if *other == stream => panic!("{code:?} instead of {what}"),
            Event::GoAway { code, .. } if *code != Code::NO_ERROR => {
                panic!("GOAWAY {code:?} instead of {what}")
            }
            Event::Headers { stream: other, .. } => *other == stream,
            _ => false,
        });
        let Event::Headers { fields, .. } = event else { unreachable!("it was waited for") };
        response_of(fields)
    }

    /// Reads the whole response on `stream`, skipping 1xx.
    pub fn response(&mut self, stream: u32) -> Response {
        match self.ending(stream) {
            Ending::Whole(response) => response,
            Ending::Reset(code, response) => panic!("{code:?} on stream {stream} after {response:?}"),
        }
    }

    /// Reads everything on `stream` up to its end.
    pub fn ending(&mut self, stream: u32) -> Ending {
        let mut endings = self.endings(&[stream]);
        endings.remove(&stream).expect("it was asked for")
    }

    /// Reads several streams to their ends.
    pub fn endings(&mut self, streams: &[u32]) -> BTreeMap<u32, Ending> {
        let mut partial: BTreeMap<u32, Option<Response>> = streams.iter().map(|id| (*id, None)).collect();
        let mut ended = BTreeMap::new();
        while !partial.is_empty() {
            let event =
                self.wait_for(&format!("an end of streams {:?}", partial.keys()), |event| match event {
                    Event::GoAway { code, .. } if *code != Code::NO_ERROR => panic!("GOAWAY {code:?}"),
                    _ => {
                        partial.contains_key(&event.stream()) && !matches!(event, Event::WindowUpdate { .. })
                    }
                });
            let stream = event.stream();
            let response = partial.get_mut(&stream).expect("it was asked for");
            let (ends, code) = match event {
                Event::Headers { fields, end, .. } => {
                    match response {
                        Some(response) => response.trailers = fields,
                        // The final head follows a 1xx.
                        None => *response = Some(response_of(fields)).filter(|head| head.status >= 200),
                    }
                    (end, None)
                }
                Event::Data { content, end, .. } => {
                    response.as_mut().expect("a head comes first").body.extend(content);
                    (end, None)
                }
                Event::Reset { code, .. } => (true, Some(code)),
                other => panic!("{other:?} on stream {stream}"),
            };
            if ends {
                let response = partial.remove(&stream).flatten();
                let ending = match code {
                    Some(code) => Ending::Reset(code, response),
                    None => Ending::Whole(response.expect("a head comes first")),
                };
                ended.insert(stream, ending);
            }
        }
        ended
    }
}

fn response_of(fields: Vec<(String, String)>) -> Response {
    let mut fields = fields.into_iter();
    let status = fields.next().and_then(|(_, status)| status.parse().ok()).expect("checked as it came");
    Response {
        version: "HTTP/2".into(),
        status,
        headers: fields.collect(),
        body: Vec::new(),
        trailers: Vec::new(),
    }
}
