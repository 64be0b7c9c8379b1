//! Numbers, times and lists as bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Moment;

/// The longest time that is read: over a hundred years. Sums of a few such times do not overflow.
const LONGEST: u64 = 1 << 62;

/// Bytes that are read from the front.
#[derive(Debug, Clone)]
pub(crate) struct ByteSource<'a> {
    rest: &'a [u8],
}

/// A value that is written as bytes and read again.
pub(crate) trait Coded: Sized {
    /// Appends the bytes of the value.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads a value; `None` if the bytes are none of its kind.
    fn get(from: &mut ByteSource<'_>) -> Option<Self>;
}

impl<'a> ByteSource<'a> {
    /// Reads these bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes this number of bytes.
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// Takes one byte.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Reads the number of items of a list. Each takes at least one byte, so that a damaged number
    /// does not reserve more memory than the block has bytes.
    fn count(&mut self) -> Option<usize> {
        usize::get(self).filter(|count| *count <= self.rest.len())
    }
}

impl Coded for u64 {
    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    fn put(&self, out: &mut Vec<u8>) {
        let mut rest = *self;
        while rest >= 0x80 {
            out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.push((rest & 0x7f) as u8);
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = from.byte()?;
            if shift == 63 && byte > 1 {
                return None;
            }
            number |= Self::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
            shift += 7;
            if shift > 63 {
                return None;
            }
        }
    }
}

/// Writes and reads numbers as the widest one.
macro_rules! number {
    ($($type:ty),*) => {$(
        impl Coded for $type {
            fn put(&self, out: &mut Vec<u8>) {
                u64::try_from(*self).unwrap_or(u64::MAX).put(out);
            }

            fn get(from: &mut ByteSource<'_>) -> Option<Self> {
                u64::get(from)?.try_into().ok()
            }
        }
    )*};
}

number!(u16, u32, usize);

impl Coded for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        from.byte()
    }
}

impl Coded for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        match from.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Coded for Duration {
    /// Twice the number of microseconds; or, if it has a part of one, twice that of nanoseconds and one.
    fn put(&self, out: &mut Vec<u8>) {
        let nanos = u64::try_from(self.as_nanos()).unwrap_or(LONGEST).min(LONGEST);
        let is_whole = nanos % 1_000 == 0;
        (if is_whole { nanos / 1_000 * 2 } else { nanos * 2 + 1 }).put(out);
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        let number = u64::get(from)?;
        let nanos = if number % 2 == 0 { (number / 2).checked_mul(1_000)? } else { number / 2 };
        (nanos <= LONGEST).then(|| Self::from_nanos(nanos))
    }
}

impl Coded for Moment {
    fn put(&self, out: &mut Vec<u8>) {
        self.since_start().put(out);
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        Duration::get(from).map(Self::after_start)
    }
}

impl Coded for String {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        let count = from.count()?;
        Some(std::str::from_utf8(from.take(count)?).ok()?.to_owned())
    }
}

impl Coded for IpAddr {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::V4(v4) => {
                out.push(4);
                out.extend_from_slice(&v4.octets());
            }
            Self::V6(v6) => {
                out.push(6);
                out.extend_from_slice(&v6.octets());
            }
        }
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        match from.byte()? {
            4 => Some(Self::V4(Ipv4Addr::from(<[u8; 4]>::try_from(from.take(4)?).ok()?))),
            6 => Some(Self::V6(Ipv6Addr::from(<[u8; 16]>::try_from(from.take(16)?).ok()?))),
            _ => None,
        }
    }
}

impl Coded for SocketAddr {
    fn put(&self, out: &mut Vec<u8>) {
        self.ip().put(out);
        self.port().put(out);
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        let address = IpAddr::get(from)?;
        Some(Self::new(address, u16::get(from)?))
    }
}

impl Coded for NonZeroU32 {
    fn put(&self, out: &mut Vec<u8>) {
        (*self).get().put(out);
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        Self::new(u32::get(from)?)
    }
}

impl Coded for NonZeroUsize {
    fn put(&self, out: &mut Vec<u8>) {
        (*self).get().put(out);
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        Self::new(<usize as Coded>::get(from)?)
    }
}

impl<T: Coded> Coded for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        if bool::get(from)? { T::get(from).map(Some) } else { Some(None) }
    }
}

impl<T: Coded> Coded for Box<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_ref().put(out);
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        T::get(from).map(Self::new)
    }
}

impl<A: Coded, B: Coded> Coded for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        let first = A::get(from)?;
        Some((first, B::get(from)?))
    }
}

impl<T: Coded> Coded for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        for item in self {
            item.put(out);
        }
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        let count = from.count()?;
        let mut items = Self::new();
        for _ in 0..count {
            items.push(T::get(from)?);
        }
        Some(items)
    }
}

impl<T: Coded> Coded for Arc<[T]> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        for item in self.iter() {
            item.put(out);
        }
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        Vec::get(from).map(Self::from)
    }
}

impl<T: Coded + Ord> Coded for BTreeSet<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        for item in self {
            item.put(out);
        }
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        Vec::get(from).map(Self::from_iter)
    }
}

impl<K: Coded + Ord, V: Coded> Coded for BTreeMap<K, V> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }

    fn get(from: &mut ByteSource<'_>) -> Option<Self> {
        Vec::<(K, V)>::get(from).map(Self::from_iter)
    }
}

/// Writes and reads a struct, field after field.
macro_rules! coded_struct {
    ($type:ty { $($field:ident),* $(,)? }) => {
        impl $crate::history::bytes::Coded for $type {
            fn put(&self, out: &mut Vec<u8>) {
                $($crate::history::bytes::Coded::put(&self.$field, out);)*
            }

            fn get(from: &mut $crate::history::bytes::ByteSource<'_>) -> Option<Self> {
                Some(Self { $($field: $crate::history::bytes::Coded::get(from)?),* })
            }
        }
    };
}

/// Writes and reads an enum: the number of the variant, then its fields. The names in round brackets
/// only tell the fields apart. Variants that no history has are written as a number that none has.
macro_rules! coded_enum {
    ($type:ty { $($number:literal $variant:ident
        $(($($item:ident),*))? $({ $($field:ident),* })?),* $(,)? } $($rest:pat => $nothing:literal)?) => {
        impl $crate::history::bytes::Coded for $type {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $(($($item),*))? $({ $($field),* })? => {
                        out.push($number);
                        $($($crate::history::bytes::Coded::put($item, out);)*)?
                        $($($crate::history::bytes::Coded::put($field, out);)*)?
                    })*
                    $($rest => out.push($nothing),)?
                }
            }

            fn get(from: &mut $crate::history::bytes::ByteSource<'_>) -> Option<Self> {
                Some(match from.byte()? {
                    $($number => {
                        $($(let $item = $crate::history::bytes::Coded::get(from)?;)*)?
                        $($(let $field = $crate::history::bytes::Coded::get(from)?;)*)?
                        Self::$variant $(($($item),*))? $({ $($field),* })?
                    })*
                    _ => return None,
                })
            }
        }
    };
}

/// Writes and reads the key of a list.
macro_rules! coded_key {
    ($($type:ty),*) => {$(
        impl $crate::history::bytes::Coded for $type {
            fn put(&self, out: &mut Vec<u8>) {
                usize::from(*self).put(out);
            }

            fn get(from: &mut $crate::history::bytes::ByteSource<'_>) -> Option<Self> {
                let key = <usize as $crate::history::bytes::Coded>::get(from)?;
                u32::try_from(key).ok()?;
                Some(key.into())
            }
        }
    )*};
}

/// Writes and reads a number with a type of its own.
macro_rules! coded_number {
    ($($type:ty),*) => {$(
        impl $crate::history::bytes::Coded for $type {
            fn put(&self, out: &mut Vec<u8>) {
                u64::from(*self).put(out);
            }

            fn get(from: &mut $crate::history::bytes::ByteSource<'_>) -> Option<Self> {
                <u64 as $crate::history::bytes::Coded>::get(from).map(Self::from)
            }
        }
    )*};
}

pub(super) use {coded_enum, coded_key, coded_number, coded_struct};
