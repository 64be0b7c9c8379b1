//! A relay for DNS over TCP in front of a name server. It spoils chosen messages, and records whether
//! every message was signed.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::contract::{Call, FaultSignal};

/// The answer of a scripted server to a request, as bytes.
pub(crate) type Reply = fn(&Message) -> Vec<u8>;

/// The treatment of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Spoil {
    /// This rcode; the server does not receive the message.
    Rcode(ResponseCode),
    /// These bytes; the server does not receive the message.
    Answer(Reply),
    /// The server's answer, changed.
    Altered(fn(&mut Message)),
    /// No answer, ever; the server does not receive the message.
    Hang,
    /// The connection ends; the server does not receive the message.
    CutBefore,
    /// The server does as it is asked, and its answer is lost.
    CutAfter,
    /// The server does as it is asked, and half of its answer arrives.
    Half,
    /// The answer arrives byte by byte, each in a segment of its own.
    Fragments,
}

/// A running relay. It ends when this is dropped.
pub(crate) struct Relay {
    /// The address at which it listens.
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    server: SocketAddr,
    closes: bool,
    plans: Mutex<Vec<(Call, Spoil, oneshot::Sender<()>)>>,
    seen: Mutex<Vec<Message>>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Relay {
    /// Starts a relay in front of a server, on the runtime of the test.
    pub(crate) async fn before(server: SocketAddr) -> Self {
        Self::at("127.0.0.1", server).await
    }

    /// Starts a relay at an address of loopback.
    pub(crate) async fn at(host: &str, server: SocketAddr) -> Self {
        Self::start(host, server, false).await
    }

    /// Starts a relay that closes each connection after one answer.
    pub(crate) async fn closing_after_each(host: &str, server: SocketAddr) -> Self {
        Self::start(host, server, true).await
    }

    async fn start(host: &str, server: SocketAddr, closes: bool) -> Self {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { server, closes, plans: Mutex::default(), seen: Mutex::default() };
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    // The client sees how its connection ends.
                    let _ = shared.serve(client).await;
                });
            }
        });
        Self { address, state, task }
    }

    /// Spoils the next message of this kind.
    pub(crate) fn spoil(&self, call: Call, spoil: Spoil) -> FaultSignal {
        let (sender, met) = FaultSignal::pair();
        lock(&self.state.plans).push((call, spoil, sender));
        met
    }

    /// Returns the messages that were received, in their order.
    pub(crate) fn seen(&self) -> Vec<Message> {
        lock(&self.state.seen).clone()
    }

    /// Returns the number of received UPDATEs.
    pub(crate) fn updates(&self) -> usize {
        self.seen().iter().filter(|message| call_of(message) == Call::Write).count()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

fn call_of(message: &Message) -> Call {
    if message.metadata.op_code == OpCode::Update { Call::Write } else { Call::Read }
}

impl State {
    async fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let mut server = TcpStream::connect(self.server).await?;
        for nth in 0.. {
            let bytes = read(&mut client).await?;
            let message = Message::from_vec(&bytes).expect("the agent writes messages");
            let call = call_of(&message);
            lock(&self.seen).push(message.clone());
            // Requests behind a spoiled one are no new attempt.
            let planned = if nth == 0 { self.plan_for(call) } else { None };
            let Some((spoil, met)) = planned else {
                write(&mut server, &bytes).await?;
                let answer = read(&mut server).await?;
                write(&mut client, &answer).await?;
                if self.closes {
                    // The rest of the requests is read, so that the end is orderly.
                    client.shutdown().await?;
                    return read_to_end(&mut client).await;
                }
                continue;
            };
            let answer = match spoil {
                Spoil::CutAfter | Spoil::Half | Spoil::Fragments | Spoil::Altered(_) => {
                    write(&mut server, &bytes).await?;
                    read(&mut server).await?
                }
                _ => Vec::new(),
            };
            let _ = met.send(()); // A test may have no wish to know.
            match spoil {
                Spoil::Rcode(code) => write(&mut client, &refusal(&message, code)).await?,
                Spoil::Answer(reply) => write(&mut client, &reply(&message)).await?,
                Spoil::Altered(alter) => {
                    let mut answer = Message::from_vec(&answer).unwrap();
                    alter(&mut answer);
                    write(&mut client, &answer.to_vec().unwrap()).await?;
                }
                Spoil::Hang => std::future::pending().await,
                Spoil::CutBefore | Spoil::CutAfter => return Ok(()),
                Spoil::Half => {
                    let framed = framed(&answer);
                    client.write_all(&framed[..framed.len() / 2]).await?;
                    return Ok(());
                }
                Spoil::Fragments => {
                    client.set_nodelay(true)?;
                    for byte in framed(&answer) {
                        client.write_all(&[byte]).await?;
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
        Ok(())
    }

    fn plan_for(&self, call: Call) -> Option<(Spoil, oneshot::Sender<()>)> {
        let mut plans = lock(&self.plans);
        let at = plans.iter().position(|(on, ..)| *on == call)?;
        let (_, spoil, met) = plans.remove(at);
        Some((spoil, met))
    }
}

/// Returns an unsigned answer with an rcode.
fn refusal(message: &Message, code: ResponseCode) -> Vec<u8> {
    let (id, op_code) = (message.metadata.id, message.metadata.op_code);
    let mut answer = Message::new(id, MessageType::Response, op_code);
    answer.metadata.response_code = code;
    answer.add_queries(message.queries.iter().cloned());
    answer.to_vec().unwrap()
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes(), message].concat()
}

async fn write(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    stream.write_all(&framed(message)).await
}

async fn read_to_end(stream: &mut TcpStream) -> io::Result<()> {
    stream.read_to_end(&mut Vec::new()).await.map(|_| ())
}

async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}
