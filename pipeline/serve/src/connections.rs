//! How many connections are open at once, and what becomes of those beyond.
//!
//! In: accepted streams.  Out: the same streams, each holding a place until it is closed.  Owns: the places.
//! Absent on purpose: a queue of waiting connections: the system has one already (the listening socket's backlog), and a
//! client that is closed at once tries elsewhere or later, one that hangs does not.
//! Why so: a connection costs a task and a descriptor whether or not it asks anything; requests are bounded by
//! themselves.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections open at once: requests in flight are at most `requests_max`, the rest is kept alive between two requests.
pub(crate) const CONNECTIONS_MAX: usize = 1_024;

/// Hands out places to what `inner` accepts.
#[derive(Clone, Debug)]
pub(crate) struct Bounded<A> {
    inner: A,
    places: Arc<Semaphore>,
}

impl<A> Bounded<A> {
    /// At most `most` connections at once.
    pub(crate) fn new(inner: A, most: usize) -> Self {
        Self { inner, places: Arc::new(Semaphore::new(most)) }
    }
}

impl<A, I, S> Accept<I, S> for Bounded<A>
where
    A: Accept<I, S>,
    A::Future: Send + 'static,
{
    type Stream = Placed<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Box::pin(async {
                tracing::warn!(
                    max = CONNECTIONS_MAX,
                    "a connection was closed: as many as may be open are open"
                );
                Err(io::Error::other("too many connections"))
            });
        };
        let accepted = self.inner.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            Ok((Placed { stream, _place: place }, service))
        })
    }
}

/// A stream that holds a place.
#[derive(Debug)]
pub(crate) struct Placed<T> {
    stream: T,
    _place: OwnedSemaphorePermit,
}

impl<T: AsyncRead + Unpin> AsyncRead for Placed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Placed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use axum_server::accept::DefaultAcceptor;

    use super::*;

    #[tokio::test]
    async fn a_place_is_free_again_when_its_connection_is_closed() {
        let bounded = Bounded::new(DefaultAcceptor::new(), 2);
        let accept = async || bounded.accept(tokio::io::empty(), ()).await.map(|(stream, ())| stream);
        let (first, second) = (accept().await.unwrap(), accept().await.unwrap());
        assert!(accept().await.is_err());
        drop(first);
        let third = accept().await.unwrap();
        assert!(accept().await.is_err());
        drop((second, third));
        assert!(accept().await.is_ok());
    }
}
