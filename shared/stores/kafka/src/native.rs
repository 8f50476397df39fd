//! What librdkafka does and `rdkafka` does not hand out: the id of a topic, by which a topic made
//! anew is told from the one before, a flush, and a client's token. The one place of the project
//! that calls C.
#![expect(unsafe_code, reason = "there is no safe binding yet")]

use std::{
    ffi::{CStr, CString},
    time::Duration,
};

use rdkafka::{
    bindings as c,
    client::{Client, ClientContext, OAuthToken},
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
