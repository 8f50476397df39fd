//! What librdkafka does and `rdkafka` does not hand out: the id of a topic, by which a topic made
//! anew is told from the one before, a member's name, a flush, a client's token, and headers of any
//! name; and how much memory its threads hold. The one place of the project that calls C.
#![expect(unsafe_code, reason = "there is no safe binding yet")]

use std::{
    ffi::{CStr, CString},
    time::Duration,
};

use rdkafka::{
    bindings as c,
    client::{Client, ClientContext, OAuthToken},
    message::BorrowedMessage,
};

/// Sends what lingers, and waits until nothing is on its way; `false` if that takes longer.
/// `rdkafka`'s own flush gives no time, and so what lingers goes on lingering.
pub(crate) fn flush<C: ClientContext>(client: &Client<C>, patience: Duration) -> bool {
    let patience = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: `client` outlives the call, which takes nothing else.
    let flushed = unsafe { c::rd_kafka_flush(client.native_ptr(), patience) };
    flushed == c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
}

/// Gives a client its token, or says why it takes none.
pub(crate) fn set_token<C: ClientContext>(
    client: &Client<C>,
    token: &OAuthToken,
) -> Result<(), String> {
    let text = |text: &str| CString::new(text).map_err(|error| error.to_string());
    let (value, principal) = (text(&token.token)?, text(&token.principal_name)?);
    let mut why = [0; 512];
    // SAFETY: `client` and both texts outlive the call; there are no extensions; the reason is
    // written into `why` with its end, and no further than its length.
    unsafe {
        let set = c::rd_kafka_oauthbearer_set_token(
            client.native_ptr(),
            value.as_ptr(),
            token.lifetime_ms,
            principal.as_ptr(),
            std::ptr::null_mut(),
            0,
            why.as_mut_ptr(),
            why.len(),
        );
        if set == c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        Err(CStr::from_ptr(why.as_ptr()).to_string_lossy().into_owned())
    }
}

/// How the brokers call a member of a group; empty while they do not know it.
pub(crate) fn member_id<C: ClientContext>(client: &Client<C>) -> String {
    // SAFETY: `client` outlives the calls; the text is ours, and is given back after it was copied.
    unsafe {
        let id = c::rd_kafka_memberid(client.native_ptr());
        if id.is_null() {
            return String::new();
        }
        let text = CStr::from_ptr(id).to_string_lossy().into_owned();
        c::rd_kafka_mem_free(client.native_ptr(), id.cast());
        text
    }
}

/// Has the C library keep little of what was freed: with its own numbers each of many threads of
/// librdkafka and of a warehouse has a heap of its own, and what was unpacked once stays in all of
/// them.
pub(crate) fn keep_little_free() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            safe fn mallopt(parameter: std::ffi::c_int, value: std::ffi::c_int) -> std::ffi::c_int;
        }
        /// As malloc.h has them: heaps, free bytes at a heap's end, bytes that have pages of their
        /// own.
        const NUMBERS: [(std::ffi::c_int, std::ffi::c_int); 3] =
            [(-8, 2), (-1, 128 << 10), (-3, 128 << 10)];
        for (parameter, value) in NUMBERS {
            // What it does not take stays as it was.
            mallopt(parameter, value);
        }
    }
}

/// Shows the headers of a message in order. `rdkafka` takes it for granted that names are UTF-8, and
/// panics where a foreign one is not: here it gets replacement characters.
pub(crate) fn each_header(message: &BorrowedMessage<'_>, mut show: impl FnMut(&str, &[u8])) {
    const FOUND: c::rd_kafka_resp_err_t = c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    let mut headers = std::ptr::null_mut();
    // SAFETY: the message outlives the calls, and what they give belongs to it and is read here;
    // names end with a zero; a value that is not null has the length that is told.
    unsafe {
        if c::rd_kafka_message_headers(message.ptr(), &raw mut headers) != FOUND {
            return;
        }
        for place in 0.. {
            let (mut name, mut value, mut length) = (std::ptr::null(), std::ptr::null(), 0);
            let found = c::rd_kafka_header_get_all(
                headers,
                place,
                &raw mut name,
                &raw mut value,
                &raw mut length,
            );
            if found != FOUND {
                return;
            }
            let value: &[u8] = if value.is_null() {
                &[]
            } else {
                std::slice::from_raw_parts(value.cast(), length)
            };
            show(&CStr::from_ptr(name).to_string_lossy(), value);
        }
    }
}

/// A topic's id as text; none if the broker does not answer in time, or has no such topic.
pub(crate) fn topic_id<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    patience: Duration,
) -> Option<String> {
    let name = CString::new(topic).ok()?;
    let mut names = [name.as_ptr()];
    let patience = i32::try_from(patience.as_millis()).ok()?;
    // SAFETY: `client` outlives every call; each object is made, used and destroyed here, in the
    // order that rdkafka.h asks for; pointers into the event are read before it is destroyed, and
    // every pointer that may be null is checked.
    unsafe {
        let queue = c::rd_kafka_queue_new(client.native_ptr());
        let topics = c::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        c::rd_kafka_DescribeTopics(client.native_ptr(), topics, std::ptr::null(), queue);
        let event = c::rd_kafka_queue_poll(queue, patience);
        let id = described(event);
        if !event.is_null() {
            c::rd_kafka_event_destroy(event);
        }
        c::rd_kafka_TopicCollection_destroy(topics);
        c::rd_kafka_queue_destroy(queue);
        id
    }
}

/// The id of the one topic that was asked for.
///
/// # Safety
/// `event` is null or an event that lives as long as this call.
unsafe fn described(event: *mut c::rd_kafka_event_t) -> Option<String> {
    // SAFETY: see above; what the functions return belongs to the event.
    unsafe {
        let result = c::rd_kafka_event_DescribeTopics_result(event);
        if event.is_null() || result.is_null() {
            return None;
        }
        let mut count = 0;
        let topics = c::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if topics.is_null() || count != 1 {
            return None;
        }
        let topic = *topics;
        let error = c::rd_kafka_TopicDescription_error(topic);
        if !error.is_null()
            && c::rd_kafka_error_code(error) != c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            return None;
        }
        let text = c::rd_kafka_Uuid_base64str(c::rd_kafka_TopicDescription_topic_id(topic));
        (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use questline_stores::{contract::log::LIMITS, log::Log as _};
    use questline_testing::Kafka;
    use rdkafka::producer::{BaseProducer, Producer as _};

    use super::*;
    use crate::{KafkaLog, Settings};

    /// Kafka takes any bytes for a header's name; `rdkafka` itself sends no such ones.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_foreign_header_of_any_name_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let kafka = Kafka::start(folder.path());
        let settings = Settings::at(&kafka.brokers());
        KafkaLog::create_topics(&settings).await.unwrap();
        let log = KafkaLog::open(settings.clone()).await.unwrap();
        let foreign: BaseProducer = settings.client().create().unwrap();
        let (value, client) = (b"v", foreign.client().native_ptr());
        // SAFETY: the arguments are pairs of a kind and what rdkafka.h asks for it, and an end; all
        // of them outlive the call, which copies them.
        let sent = unsafe {
            c::rd_kafka_producev(
                client,
                c::rd_kafka_vtype_t::RD_KAFKA_VTYPE_TOPIC,
                c"game-events-raw".as_ptr(),
                c::rd_kafka_vtype_t::RD_KAFKA_VTYPE_MSGFLAGS,
                c::RD_KAFKA_MSG_F_COPY,
                c::rd_kafka_vtype_t::RD_KAFKA_VTYPE_VALUE,
                value.as_ptr(),
                value.len(),
                c::rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADER,
                c"\xff".as_ptr(),
                value.as_ptr(),
                value.len(),
                c::rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADER,
                c"known".as_ptr(),
                std::ptr::null::<u8>(),
                0_usize,
                c::rd_kafka_vtype_t::RD_KAFKA_VTYPE_END,
            )
        };
        assert_eq!(sent, c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR);
        foreign.flush(Duration::from_secs(20)).unwrap();
        let mut consumer = log.join("group").unwrap();
        let mut read = Vec::new();
        while read.is_empty() {
            read = consumer.poll(LIMITS).await.unwrap().records;
        }
        let headers: Vec<_> = read[0].headers.block().iter().collect();
        assert_eq!(headers, [("\u{fffd}", &b"v"[..]), ("known", b"")]);
    }
}
